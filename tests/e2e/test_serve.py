#!/usr/bin/env python3
"""Tests of `edgelm serve` from outside, with a model of random weights.

usage: test_serve.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import concurrent.futures
import contextlib
import hashlib
import json
import pathlib
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import serving
from serving import read_all, request_bytes, until

EDGELM = MODEL = ""
FOLDER = pathlib.Path()
CONTEXT = 20000
ENDLESS = {"prompt": "th", "n_predict": 15000, "ignore_eos": True, "stream": True}


def Server(*options, tls=False):
    return serving.Server(EDGELM, MODEL, "--threads", "1", "--ctx", str(CONTEXT), "--parallel", "4",
                          "--template", "chatml", "--no-engine-cache", "--metrics", "--slots",
                          *options, tls=tls)


class Answers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.end()
        assert code == 0, said

    def test_chat_counts_what_it_used(self):
        reply = self.server.chat("Hi", max_tokens=5, ignore_eos=True)
        self.assertEqual(list(reply), ["choices", "created", "model", "system_fingerprint",
                                       "object", "usage", "id", "timings"])
        self.assertEqual(reply["choices"][0]["finish_reason"], "length")
        self.assertEqual(reply["choices"][0]["message"]["role"], "assistant")
        usage = reply["usage"]
        self.assertEqual(usage["completion_tokens"], 5)
        self.assertEqual(usage["total_tokens"], usage["prompt_tokens"] + 5)
        prompt = self.server.post("/apply-template",
                                  {"messages": [{"role": "user", "content": "Hi"}]})["prompt"]
        tokens = self.server.post("/tokenize", {"content": prompt, "add_special": True})["tokens"]
        self.assertEqual(usage["prompt_tokens"], len(tokens))

    def test_a_stream_tells_the_same_text(self):
        body = {"messages": [{"role": "user", "content": "stream"}], "temperature": 0,
                "max_tokens": 40, "ignore_eos": True}
        whole = self.server.post("/v1/chat/completions", body)["choices"][0]["message"]["content"]
        events = self.server.events("/v1/chat/completions", body)
        self.assertEqual(events[0]["choices"][0]["delta"], {"role": "assistant", "content": None})
        text = "".join(e["choices"][0]["delta"].get("content") or "" for e in events)
        self.assertEqual(text, whole)
        self.assertEqual(events[-1]["choices"][0]["finish_reason"], "length")
        self.assertIn("timings", events[-1])
        self.assertNotIn("usage", events[-1])
        events = self.server.events(
            "/v1/chat/completions", {**body, "stream_options": {"include_usage": True}})
        self.assertEqual(events[-1]["choices"], [])
        self.assertEqual(events[-1]["usage"]["completion_tokens"], 40)

    def test_every_dialect_continues_alike(self):
        old = self.server.post("/completion", {"prompt": "the", "n_predict": 20, "temperature": 0,
                                               "ignore_eos": True})
        new = self.server.post("/v1/completions", {"prompt": "the", "max_tokens": 20,
                                                   "temperature": 0, "ignore_eos": True})
        self.assertEqual(old["content"], new["choices"][0]["text"])
        for path, length in (("/completion", "n_predict"), ("/v1/completions", "max_tokens")):
            events = self.server.events(path, {"prompt": "the", length: 20, "temperature": 0,
                                               "ignore_eos": True})
            text = "".join(e["content"] if path == "/completion" else e["choices"][0]["text"]
                           for e in events)
            self.assertEqual(text, old["content"])

    def test_several_prompts_and_choices(self):
        tokens = self.server.post("/tokenize", {"content": "the", "add_special": True})["tokens"]
        reply = self.server.post("/v1/completions", {
            "prompt": ["the", "he", "the"], "n": 2, "max_tokens": 8, "temperature": 0,
            "ignore_eos": True})
        texts = [c["text"] for c in reply["choices"]]
        self.assertEqual([c["index"] for c in reply["choices"]], list(range(6)))
        self.assertEqual(texts[0], texts[1])
        self.assertEqual(texts[0], texts[4])
        self.assertEqual(reply["usage"]["completion_tokens"], 48)
        by_tokens = self.server.post("/v1/completions", {
            "prompt": tokens, "max_tokens": 8, "temperature": 0, "ignore_eos": True})
        self.assertEqual(by_tokens["choices"][0]["text"], texts[0])

    def test_a_seed_gives_the_same_text_again(self):
        body = {"prompt": "a", "n_predict": 30, "temperature": 1.5, "top_k": 0, "seed": 7,
                "ignore_eos": True}
        first = self.server.post("/completion", body)["content"]
        self.assertEqual(first, self.server.post("/completion", body)["content"])
        self.assertNotEqual(first, self.server.post("/completion", {**body, "seed": 8})["content"])
        del body["seed"]
        free = {self.server.post("/completion", body)["content"] for _ in range(3)}
        self.assertGreater(len(free), 1)

    def test_stop_strings_are_not_part_of_the_text(self):
        text = self.server.post("/completion", {"prompt": "a", "n_predict": 30, "temperature": 0,
                                                "ignore_eos": True})["content"]
        stop = text[5:7]
        reply = self.server.post("/completion", {"prompt": "a", "n_predict": 30, "temperature": 0,
                                                 "ignore_eos": True, "stop": ["\x01\x02", stop]})
        self.assertEqual(reply["content"], text[:text.index(stop)])
        self.assertEqual((reply["stop_type"], reply["stopping_word"]), ("word", stop))
        chat = self.server.post("/v1/completions", {"prompt": "a", "max_tokens": 30,
                                                    "temperature": 0, "ignore_eos": True,
                                                    "stop": stop})
        self.assertEqual(chat["choices"][0]["finish_reason"], "stop")

    def test_log_probabilities(self):
        reply = self.server.chat("p", max_tokens=4, ignore_eos=True, logprobs=True,
                                 top_logprobs=3)
        content = reply["choices"][0]["logprobs"]["content"]
        self.assertEqual(len(content), 4)
        for token in content:
            tops = [top["logprob"] for top in token["top_logprobs"]]
            self.assertEqual(len(tops), 3)
            self.assertEqual(tops, sorted(tops, reverse=True))
            self.assertEqual(token["logprob"], tops[0])
            self.assertLess(token["logprob"], 0)
        events = self.server.events("/v1/chat/completions", {
            "messages": [{"role": "user", "content": "p"}], "temperature": 0, "max_tokens": 4,
            "ignore_eos": True, "logprobs": True, "top_logprobs": 3})
        told = [t["id"] for e in events for c in e["choices"]
                for t in (c.get("logprobs") or {"content": []})["content"]]
        self.assertEqual(told, [t["id"] for t in content])

    def test_logit_bias(self):
        token = self.server.post("/tokenize", {"content": "z"})["tokens"][-1]
        for bias in ({str(token): 100}, [[token, 100]]):
            reply = self.server.post("/completion", {
                "prompt": "a", "n_predict": 3, "temperature": 0, "logit_bias": bias,
                "repeat_penalty": 1, "return_tokens": True})
            self.assertEqual(reply["tokens"], [token] * 3)

    def test_answers_that_must_be_json(self):
        schema = {"type": "object", "properties": {"on": {"type": "boolean"}},
                  "required": ["on"], "additionalProperties": False}
        for form in ({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
                     {"type": "json_object", "schema": schema}):
            for stream in (False, True):
                body = {"messages": [{"role": "user", "content": "j"}], "max_tokens": 200,
                        "response_format": form, "seed": 3}
                if stream:
                    text = "".join(e["choices"][0]["delta"].get("content") or ""
                                   for e in self.server.events("/v1/chat/completions", body))
                else:
                    reply = self.server.post("/v1/chat/completions", body)
                    text = reply["choices"][0]["message"]["content"]
                self.assertIn(json.loads(text), [{"on": True}, {"on": False}])
        reply = self.server.post("/completion", {"prompt": "a", "n_predict": 9,
                                                 "grammar": 'root ::= "yes" | "no"'})
        self.assertIn(reply["content"], ["yes", "no"])
        self.assertEqual(reply["stop_type"], "eos")

    def test_calls_of_tools(self):
        tool = {"type": "function", "function": {"name": "light", "parameters": {
            "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"],
            "additionalProperties": False}}}
        other = {"type": "function", "function": {"name": "door"}}
        body = {"messages": [{"role": "user", "content": "on"}], "tools": [other, tool],
                "max_tokens": 400, "tool_choice": {"type": "function",
                                                   "function": {"name": "light"}}}
        choice = self.server.post("/v1/chat/completions", body)["choices"][0]
        self.assertEqual(choice["finish_reason"], "tool_calls")
        self.assertIsNone(choice["message"]["content"])
        calls = choice["message"]["tool_calls"]
        self.assertEqual([call["function"]["name"] for call in calls], ["light"])
        self.assertIn(json.loads(calls[0]["function"]["arguments"]), [{"on": True}, {"on": False}])
        events = self.server.events("/v1/chat/completions", body)
        deltas = [e["choices"][0]["delta"] for e in events]
        self.assertFalse(any(delta.get("content") for delta in deltas))
        streamed = [call for delta in deltas for call in delta.get("tool_calls", [])]
        self.assertEqual([(c["index"], c["function"]["name"]) for c in streamed], [(0, "light")])
        self.assertEqual(events[-1]["choices"][0]["finish_reason"], "tool_calls")
        # Free text is told as it is, whole and streamed.
        body = {**body, "tool_choice": "auto", "temperature": 0, "ignore_eos": True,
                "max_tokens": 60}
        text = self.server.post("/v1/chat/completions", body)["choices"][0]["message"]["content"]
        streamed = "".join(e["choices"][0]["delta"].get("content") or ""
                           for e in self.server.events("/v1/chat/completions", body))
        self.assertEqual(streamed, text)
        for choice, part in (("maybe", "required"), ({"function": {"name": "x"}}, "no such"),
                             ({}, "tool_choice")):
            error = self.server.post("/v1/chat/completions", {**body, "tool_choice": choice}, 400)
            self.assertIn(part, error["error"]["message"])

    def test_text_and_tokens(self):
        text = "the \u00e9\u4e16 end"
        tokens = self.server.post("/tokenize", {"content": text})["tokens"]
        back = self.server.post("/detokenize", {"tokens": tokens})["content"]
        self.assertEqual(back.lstrip(" "), text)
        pieces = self.server.post("/tokenize", {"content": "\u00e9", "with_pieces": True})["tokens"]
        self.assertEqual([p["piece"] for p in pieces[-2:]], [[0xC3], [0xA9]])
        self.assertEqual(self.server.post("/tokenize", {}), {"tokens": []})

    def test_wrong_requests_name_what_is_wrong(self):
        chat, old = "/v1/chat/completions", "/completion"
        hi = {"messages": [{"role": "user", "content": "hi"}]}
        for path, body, status, part in (
            (chat, "{bad", 500, "line 1"), (chat, "", 500, "request"), (chat, "[]", 400, "object"),
            (chat, {}, 400, "'messages' is missing"), (chat, {"messages": "x"}, 400, "an array"),
            (chat, {"messages": [1]}, 400, "messages[0]"),
            (chat, {"messages": [{"content": "x"}]}, 400, "messages[0].role"),
            (chat, {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, 400,
             "image_url"),
            (chat, {**hi, "temperature": "hot"}, 400, "'temperature'"),
            (chat, {**hi, "temperature": -1}, 400, "temperature"),
            (chat, {**hi, "n": 0}, 400, "n"), (chat, {**hi, "max_tokens": 0}, 400, "max_tokens"),
            (chat, {**hi, "top_logprobs": 2}, 400, "logprobs"),
            (chat, {**hi, "stop": [1]}, 400, "'stop'"),
            (chat, {**hi, "logit_bias": {"x": 1}}, 400, "logit_bias"),
            (chat, {**hi, "logit_bias": [[999999, 1]]}, 400, "999999"),
            (chat, {**hi, "dry_multiplier": 0.8}, 400, "dry_multiplier"),
            (chat, {**hi, "response_format": {"type": "x"}}, 400, "response_format"),
            (chat, {**hi, "response_format": {"type": "json_schema"}}, 400, "missing"),
            (chat, {**hi, "response_format": {"type": "json_schema", "json_schema":
                                              {"schema": {"type": "strange"}}}}, 400, "schema"),
            (chat, {**hi, "stream_options": 1}, 400, "stream_options"),
            (old, {}, 400, "'prompt' is missing"), (old, {"prompt": 1}, 400, "prompt"),
            (old, {"prompt": ["a", 1]}, 400, "prompt[1]"),
            (old, {"prompt": [999999]}, 400, "999999"),
            (old, {"prompt": "a", "grammar": "root ::= ("}, 400, "grammar"),
            (old, {"prompt": "a", "mirostat": 1}, 400, "mirostat"),
            ("/detokenize", {"tokens": "x"}, 400, "tokens"),
            ("/detokenize", {"tokens": [99999999]}, 400, "vocabulary"),
            ("/tokenize", {"content": 1}, 400, "content"),
            ("/v1/embeddings", {"input": "hi"}, 501, "embeddings"),
        ):
            with self.subTest(path=path, body=body):
                error = self.server.post(path, body, status)["error"]
                self.assertEqual(error["code"], status)
                self.assertIn(part, error["message"])
                self.assertIsInstance(error["type"], str)

    def test_a_prompt_that_is_too_long(self):
        error = self.server.post("/completion", {"prompt": [5] * CONTEXT}, 400)["error"]
        self.assertEqual((error["type"], error["n_prompt_tokens"], error["n_ctx"]),
                         ("exceed_context_size_error", CONTEXT, CONTEXT))

    def test_paths_and_methods(self):
        self.assertEqual(self.server.ask("GET", "/nope")[0], 404)
        status, headers, _ = self.server.ask("GET", "/completion")
        self.assertEqual((status, headers["Allow"]), (405, "POST"))
        status, headers, text = self.server.ask("HEAD", "/health")
        self.assertEqual((status, text), (200, ""))
        self.assertIsNone(headers["Access-Control-Allow-Origin"])
        self.assertEqual(json.loads(self.server.ask("GET", "/props?x=1")[2])["total_slots"], 4)

    def test_metrics_are_in_the_text_format(self):
        self.server.chat("count", max_tokens=3, ignore_eos=True)
        text = self.server.ask("GET", "/metrics")[2]
        kinds, samples = {}, {}
        for line in text.splitlines():
            kind = re.fullmatch(r"# TYPE (\S+) (counter|gauge|histogram)", line)
            if kind:
                self.assertNotIn(kind[1], kinds)
                kinds[kind[1]] = kind[2]
            elif not line.startswith("# HELP "):
                name, value = re.fullmatch(r"([\w:]+(?:\{[^}]*\})?) (\S+)", line).groups()
                self.assertNotIn(name, samples)
                samples[name] = float(value)
        for name, kind in kinds.items():
            if kind != "histogram":
                continue
            buckets = [v for n, v in samples.items() if n.startswith(name + "_bucket")]
            self.assertEqual(buckets, sorted(buckets))
            self.assertEqual(buckets[-1], samples[name + "_count"])
        self.assertGreater(samples["llamacpp:tokens_predicted_total"], 2)
        self.assertGreater(samples["edgelm_time_to_first_token_seconds_count"], 0)

    def test_a_prompt_that_was_computed_is_found_again(self):
        body = {"prompt": "the he th " * 40, "n_predict": 2, "temperature": 0}
        self.assertEqual(self.server.post("/completion", body)["timings"]["cache_n"], 0)
        self.assertGreater(self.server.post("/completion", body)["timings"]["cache_n"], 100)

    def test_many_clients_get_the_answers_of_one(self):
        prompts = [f"the {i} he" for i in range(24)]
        ask = lambda p: self.server.post("/completion", {
            "prompt": p, "n_predict": 60, "temperature": 0, "ignore_eos": True})["content"]
        alone = [ask(p) for p in prompts]
        with concurrent.futures.ThreadPoolExecutor(24) as pool:
            self.assertEqual(list(pool.map(ask, prompts)), alone)


class Clients(unittest.TestCase):
    """Clients that go away, dawdle, or speak strange HTTP."""

    @classmethod
    def setUpClass(cls):
        cls.server = Server("--idle-timeout", "2", "--request-timeout", "2", "--body-limit",
                            "100K", "--connections", "32")

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.end()
        assert code == 0, said

    def test_a_client_that_goes_frees_its_slot(self):
        for stream in (True, False):
            before = self.server.metric('edgelm_requests_finished_total{reason="cancelled"}')
            connection = self.server.raw()
            connection.sendall(request_bytes({**ENDLESS, "stream": stream}))
            self.assertTrue(until(lambda: self.server.running() == 1))
            # The reset of a killed program, and the orderly end of one that gave up.
            if stream:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
            self.assertTrue(until(lambda: self.server.running() == 0, 5))
            self.assertEqual(
                self.server.metric('edgelm_requests_finished_total{reason="cancelled"}'),
                before + 1)

    def test_a_client_that_does_not_read_holds_up_nobody(self):
        slow = self.server.raw()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.sendall(request_bytes(ENDLESS))
        self.assertTrue(until(lambda: self.server.running() == 1))
        start = time.monotonic()
        self.server.post("/completion", {"prompt": "a", "n_predict": 20})
        self.assertLess(time.monotonic() - start, 5)
        slow.close()
        self.assertTrue(until(lambda: self.server.running() == 0))

    def test_requests_in_pieces_and_in_rows(self):
        connection = self.server.raw()
        one = request_bytes({"content": "the"}, "/tokenize")
        for i in range(0, len(one), 7):
            connection.sendall(one[i:i + 7])
        last = request_bytes({"content": "he"}, "/tokenize", "Connection: close\r\n")
        connection.sendall(one + one + last)
        self.assertEqual(read_all(connection).count(b"HTTP/1.1 200"), 4)

    def test_chunked_bodies(self):
        connection = self.server.raw()
        connection.sendall(b"POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                           b"Connection: close\r\n\r\n8\r\n{\"conten\r\n7\r\nt\":\"a\"}\r\n"
                           b"0\r\n\r\n")
        self.assertIn(b"200 OK", read_all(connection))

    def test_what_is_too_large(self):
        big = {"content": "x" * 150_000}
        self.assertEqual(self.server.ask("POST", "/tokenize", big)[0], 413)
        connection = self.server.raw()
        connection.sendall(b"POST /tokenize HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
                           b"Connection: close\r\n\r\n")
        chunk = b"2000\r\n" + b" " * 0x2000 + b"\r\n"
        connection.sendall(chunk * 20 + b"0\r\n\r\n")
        self.assertIn(b"413", read_all(connection).split(b"\r\n")[0])
        connection = self.server.raw()
        connection.sendall(b"GET /health HTTP/1.1\r\nX: " + b"y" * 200_000 + b"\r\n\r\n")
        self.assertNotIn(b"200", read_all(connection).split(b"\r\n")[0])

    def test_what_never_ends_is_ended(self):
        silent, dripping = self.server.raw(), self.server.raw()
        body = self.server.raw()
        body.sendall(b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        end = time.monotonic() + 12
        with contextlib.suppress(OSError):
            while time.monotonic() < end:
                dripping.sendall(b"G")
                body.sendall(b"x")
                time.sleep(0.3)
        self.assertLess(time.monotonic(), end)
        for connection in (silent, dripping, body):
            self.assertNotIn(b"200", read_all(connection))

    def test_garbage_is_answered_or_dropped(self):
        for garbage in (b"\0" * 100, b"GET\r\n\r\n", b"\x16\x03\x01\x02\x00", b"POST / HTTP/9\r\n\r\n",
                        b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                        b"POST /tokenize HTTP/1.1\r\nHost: x\r\nContent-Length: 9" + b"9" * 30 +
                        b"\r\n\r\n"):
            connection = self.server.raw()
            connection.sendall(garbage)
            connection.shutdown(socket.SHUT_WR)
            self.assertNotIn(b" 200 ", read_all(connection))
        self.assertEqual(self.server.ask("GET", "/health")[0], 200)

    def test_more_connections_than_allowed(self):
        held = [self.server.raw() for _ in range(40)]
        for connection in held:
            connection.close()
        self.assertTrue(until(lambda: self.healthy()))

    def healthy(self):
        try:
            return self.server.ask("GET", "/health")[0] == 200
        except OSError:
            return False


class Operation(unittest.TestCase):
    def test_keys(self):
        keys = FOLDER / "keys"
        digest = hashlib.sha256(b"second").hexdigest()
        keys.write_text(f"# two\nfirst name=alice\n\nsha256:{digest} priority=-3\n")
        with Server("--api-key-file", str(keys)) as server:
            body = {"content": "a"}
            for headers in ({}, {"Authorization": "Bearer nope"}, {"Authorization": "first"},
                            {"Authorization": "Bearer "}, {"Authorization": "Bearer first "  "x"}):
                status, reply, text = server.ask("POST", "/tokenize", body, headers)
                self.assertEqual(status, 401, headers)
                self.assertEqual(json.loads(text)["error"]["type"], "authentication_error")
                self.assertEqual(reply["WWW-Authenticate"], "Bearer")
            for headers in ({"Authorization": "Bearer first"}, {"X-Api-Key": "second"},
                            {"Authorization": "bearer second"}):
                self.assertEqual(server.ask("POST", "/tokenize", body, headers)[0], 200)
            self.assertEqual(server.ask("GET", "/health")[0], 200)
            self.assertEqual(server.ask("GET", "/nope")[0], 404)
            _, said = server.end()
        lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        self.assertEqual({line.get("key") for line in lines}, {None, "alice", "key-2"})
        self.assertNotIn("first", said)

    def test_wrong_settings_are_refused(self):
        empty = FOLDER / "empty"
        empty.write_text("# nothing\n")
        for options, part in ((["--api-key-file", str(empty)], "no key"),
                              (["--host", "no.such.host.invalid"], "no.such.host"),
                              (["--ctx", str(1 << 28), "--kv-memory", "900T"], "available"),
                              (["--tls-certificate", str(empty)], "--tls-key")):
            with self.subTest(options=options), self.assertRaisesRegex(AssertionError, part):
                Server(*options)

    def test_pages_of_one_origin(self):
        with Server("--cors-origin", "http://a.example") as server:
            _, headers, _ = server.ask("GET", "/health", headers={"Origin": "http://a.example"})
            self.assertEqual(headers["Access-Control-Allow-Origin"], "http://a.example")
            status, headers, _ = server.ask("OPTIONS", "/completion",
                                            headers={"Origin": "http://a.example"})
            self.assertEqual(status, 204)
            self.assertIn("Authorization", headers["Access-Control-Allow-Headers"])

    def test_the_log_has_figures_and_no_text(self):
        log = FOLDER / "access"
        with Server("--access-log", str(log)) as server:
            server.chat("secretword", max_tokens=3, ignore_eos=True)
            server.ask("GET", "/health\x7f?secretword".replace("\x7f", "%22%0A"))
            server.end()
        # A line is written after its reply, so two quick requests may be written in either order.
        lines = sorted((json.loads(line) for line in log.read_text().splitlines()),
                       key=lambda line: line["status"])
        self.assertEqual([line["status"] for line in lines], [200, 404])
        self.assertRegex(lines[0]["note"], r"^prompt=\d+ cached=0 generated=3$")
        self.assertEqual(lines[1]["path"], '/health"\n')
        self.assertNotIn("secretword", log.read_text())

    def test_a_full_queue(self):
        with Server("--parallel", "1", "--queue", "1") as server:
            held = [server.raw() for _ in range(2)]
            for name, connection in zip(("processing", "deferred"), held):
                connection.sendall(request_bytes(ENDLESS))
                self.assertTrue(until(lambda: server.metric(f"llamacpp:requests_{name}") == 1))
            status, headers, text = server.ask("POST", "/completion", {"prompt": "a"})
            self.assertEqual(status, 503, text)
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)
            self.assertEqual(json.loads(text)["error"]["type"], "unavailable_error")
            for connection in held:
                connection.close()

    def test_batches_that_nobody_joins(self):
        body = {"prompt": "the", "n_predict": 40, "temperature": 0, "ignore_eos": True}
        with Server("--scheduling", "static", "--parallel", "2") as server:
            first = server.raw()
            first.sendall(request_bytes(ENDLESS))
            self.assertTrue(until(lambda: server.running() == 1))
            # There is a free place, but it is not taken before the batch has ended.
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                texts = [pool.submit(server.post, "/completion", body) for _ in range(3)]
                self.assertTrue(until(lambda: server.metric("llamacpp:requests_deferred") == 3))
                time.sleep(0.2)
                self.assertEqual(server.running(), 1)
                first.close()
                self.assertEqual(len({text.result()["content"] for text in texts}), 1)

    def test_time_is_up(self):
        with Server("--timeout", "0.5") as server:
            start = time.monotonic()
            reply = server.post("/completion", {**ENDLESS, "stream": False})
            self.assertLess(time.monotonic() - start, 10)
            self.assertEqual(reply["stop_type"], "limit")
            self.assertGreater(reply["tokens_predicted"], 0)
            self.assertLess(reply["tokens_predicted"], 15000)

    def test_running_answers_end_before_the_server_does(self):
        server = Server()
        connection = server.raw()
        connection.sendall(request_bytes({**ENDLESS, "n_predict": 3000}))
        self.assertTrue(until(lambda: server.running() == 1))
        server.terminate()
        data = read_all(connection)
        self.assertRegex(data[-3000:], b'"tokens_predicted":3000,')
        self.assertTrue(data.endswith(b"0\r\n\r\n"))
        self.assertEqual(server.end()[0], 0)

    def test_what_is_cut_off_says_so(self):
        server = Server("--drain", "0.2")
        connection = server.raw()
        connection.sendall(request_bytes(ENDLESS))
        self.assertTrue(until(lambda: server.running() == 1))
        server.terminate()
        self.assertRegex(read_all(connection)[-300:], b'"type":"unavailable_error"')
        self.assertEqual(server.end()[0], 0)

    @unittest.skipUnless(shutil.which("openssl"), "openssl makes the certificate")
    def test_tls(self):
        key, certificate = FOLDER / "tls.key", FOLDER / "tls.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                        "/CN=localhost", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        options = ["--tls-key", str(key), "--tls-certificate", str(certificate)]
        with Server(*options, tls=True) as server:
            events = server.events("/completion", {"prompt": "a", "n_predict": 5,
                                                   "ignore_eos": True})
            self.assertEqual(events[-1]["tokens_predicted"], 5)


if __name__ == "__main__":
    EDGELM, make_tiny_model = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL = str(FOLDER / "tiny.gguf")
        subprocess.run([make_tiny_model, MODEL, str(CONTEXT)], check=True)
        unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
