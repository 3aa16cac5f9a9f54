#!/usr/bin/env python3
"""Tests of what OpenAI's API has beside chat and completions: embeddings, responses, thoughts, limits.

usage: test_api.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import base64
import concurrent.futures
import json
import math
import pathlib
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

import test_serve
from test_serve import Server, until

THOUGHTS = 'root ::= "<think>\\nhm\\n</think>\\n\\n" "yes" | "<think>so</think>" "no"'
HI = [{"role": "user", "content": "Hi"}]


def length(vector):
    return math.sqrt(sum(x * x for x in vector))


def similarity(a, b):
    return sum(x * y for x, y in zip(a, b)) / length(a) / length(b)


class Embeddings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("--embeddings")

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.end()
        assert code == 0, said

    def vectors(self, value, **more):
        reply = self.server.post("/v1/embeddings", {"input": value, "model": "any", **more})
        self.assertEqual([d["index"] for d in reply["data"]], list(range(len(reply["data"]))))
        return [d["embedding"] for d in reply["data"]]

    def test_the_form_is_openais(self):
        reply = self.server.post("/v1/embeddings", {"input": "the he"})
        self.assertEqual(set(reply), {"model", "object", "usage", "data"})
        self.assertEqual(reply["object"], "list")
        self.assertEqual(set(reply["data"][0]), {"embedding", "index", "object"})
        self.assertEqual(reply["data"][0]["object"], "embedding")
        tokens = self.server.post("/tokenize", {"content": "the he", "add_special": True})["tokens"]
        self.assertEqual(reply["usage"],
                         {"prompt_tokens": len(tokens), "total_tokens": len(tokens)})
        self.assertAlmostEqual(length(reply["data"][0]["embedding"]), 1, places=5)

    def test_texts_and_tokens_together_or_alone(self):
        tokens = self.server.post("/tokenize", {"content": "the he", "add_special": True})["tokens"]
        one = self.vectors("the he")
        self.assertEqual(self.vectors(tokens), one)
        together = self.vectors(["a", "the he", "the " * 300, "b"] * 20)
        self.assertEqual(len(together), 80)
        self.assertGreater(similarity(self.vectors([tokens, [5]])[0], one[0]), 0.999999)
        for i, vector in enumerate(together):
            self.assertGreater(similarity(vector, together[i % 4]), 0.999999)
        self.assertGreater(similarity(together[1], one[0]), 0.999999)
        self.assertLess(similarity(together[0], together[3]), 0.9999)

    def test_base64_is_the_same(self):
        plain = self.vectors(["the", "he"])
        packed = self.vectors(["the", "he"], encoding_format="base64")
        for a, b in zip(plain, packed):
            raw = base64.b64decode(b, validate=True)
            self.assertEqual(list(struct.unpack(f"<{len(a)}f", raw)),
                             [struct.unpack("f", struct.pack("f", x))[0] for x in a])

    def test_fewer_dimensions_have_length_one_again(self):
        whole, part = self.vectors("the")[0], self.vectors("the", dimensions=10)[0]
        self.assertEqual(len(part), 10)
        self.assertAlmostEqual(length(part), 1, places=5)
        self.assertGreater(similarity(whole[:10], part), 0.999999)

    def test_llama_servers_form(self):
        reply = self.server.post("/embedding", {"content": ["the", "he"], "embd_normalize": -1})
        self.assertEqual([e["index"] for e in reply], [0, 1])
        self.assertEqual(len(reply[0]["embedding"]), 1)
        raw = reply[0]["embedding"][0]
        self.assertGreater(similarity(raw, self.vectors("the")[0]), 0.999999)
        self.assertGreater(abs(length(raw) - 1), 1e-3)
        for order, measure in ((1, lambda v: sum(map(abs, v))), (3, lambda v: sum(
                abs(x) ** 3 for x in v)), (0, lambda v: max(map(abs, v)) / 32760)):
            vector = self.server.post("/embeddings", {"input": "the", "embd_normalize": order})
            self.assertAlmostEqual(measure(vector[0]["embedding"][0]), 1, places=4)

    def test_beside_text_that_is_generated(self):
        ask = lambda i: self.vectors(f"the {i} he") if i % 2 else self.server.post("/completion", {
            "prompt": f"the {i} he", "n_predict": 40, "temperature": 0,
            "ignore_eos": True})["content"]
        alone = [ask(i) for i in range(12)]
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            for i, got in enumerate(pool.map(ask, range(12))):
                if i % 2:
                    self.assertGreater(similarity(got[0], alone[i][0]), 0.999999)
                else:
                    self.assertEqual(got, alone[i])

    def test_wrong_requests(self):
        width = len(self.vectors("a")[0])
        for path, body, part in (
            ("/v1/embeddings", {}, "'input' is missing"),
            ("/v1/embeddings", {"content": "a"}, "'input' is missing"),
            ("/embedding", {}, "'content' is missing"),
            ("/v1/embeddings", {"input": ""}, "empty"),
            ("/v1/embeddings", {"input": ["a", ""]}, "empty"),
            ("/v1/embeddings", {"input": []}, "'input'"),
            ("/v1/embeddings", {"input": ["a"] * 2049}, "2048"),
            ("/v1/embeddings", {"input": [[1], 2]}, "input[1]"),
            ("/v1/embeddings", {"input": [999999]}, "999999"),
            ("/v1/embeddings", {"input": "a", "encoding_format": "hex"}, "encoding_format"),
            ("/v1/embeddings", {"input": "a", "dimensions": 0}, "dimensions"),
            ("/v1/embeddings", {"input": "a", "dimensions": width + 1}, str(width)),
        ):
            with self.subTest(body=body):
                error = self.server.post(path, body, 400)["error"]
                self.assertIn(part, error["message"])
                self.assertEqual(error["type"], "invalid_request_error")
        error = self.server.post("/v1/embeddings", {"input": ["a", [5] * 20000]}, 400)["error"]
        self.assertEqual((error["type"], error["n_prompt_tokens"]),
                         ("exceed_context_size_error", 20000))

    def test_a_client_that_leaves_ends_its_request(self):
        body = json.dumps({"input": ["the he " * 2000] * 200}).encode()
        connection = self.server.raw()
        connection.sendall(b"POST /v1/embeddings HTTP/1.1\r\nHost: x\r\nContent-Length: "
                           + str(len(body)).encode() + b"\r\n\r\n" + body)
        self.assertTrue(until(lambda: self.server.running() > 0))
        connection.close()
        self.assertTrue(until(lambda: self.server.running() == 0, 10))


class Pooling(unittest.TestCase):
    def test_each_way_differs(self):
        vectors = {}
        for pooling in ("mean", "cls", "last"):
            with Server("--pooling", pooling) as server:
                reply = server.post("/v1/embeddings", {"input": "the he"})
                vectors[pooling] = reply["data"][0]["embedding"]
        with Server("--pooling", "none") as server:
            error = server.post("/v1/embeddings", {"input": "the he"}, 400)["error"]
            self.assertIn("--pooling", error["message"])
            each = server.post("/embedding", {"content": "the he"})[0]["embedding"]
        self.assertGreater(len(each), 1)
        mean = [sum(column) / len(each) for column in zip(*each)]
        self.assertGreater(similarity(vectors["cls"], each[0]), 0.99999)
        self.assertGreater(similarity(vectors["last"], each[-1]), 0.99999)
        self.assertGreater(similarity(vectors["mean"], mean), 0.99999)
        self.assertLess(similarity(vectors["cls"], vectors["last"]), 0.9999)


class Responses(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        code, said = cls.server.end()
        assert code == 0, said

    def ask(self, **body):
        return self.server.post("/v1/responses", {"temperature": 0, **body})

    def stream(self, **body):
        """The events, each with the name that stands before it."""
        _, headers, text = self.server.ask("POST", "/v1/responses",
                                           {"temperature": 0, "stream": True, **body})
        self.assertEqual(headers["Content-Type"], "text/event-stream", text)
        events = []
        for part in text.split("\n\n")[:-1]:
            name, data = part.split("\n")
            event = json.loads(data.removeprefix("data: "))
            self.assertEqual(name, "event: " + event["type"])
            self.assertEqual(event["sequence_number"], len(events))
            events.append(event)
        return events

    def test_a_response_is_the_answer_of_a_chat(self):
        reply = self.ask(input="Hi", max_output_tokens=9, ignore_eos=True, metadata={"a": "b"})
        chat = self.server.chat("Hi", max_tokens=9, ignore_eos=True)
        self.assertEqual((reply["object"], reply["status"]), ("response", "incomplete"))
        self.assertEqual(reply["incomplete_details"], {"reason": "max_output_tokens"})
        message, = reply["output"]
        self.assertEqual((message["type"], message["role"]), ("message", "assistant"))
        self.assertEqual(message["content"][0]["type"], "output_text")
        self.assertEqual(message["content"][0]["text"], chat["choices"][0]["message"]["content"])
        self.assertEqual(reply["usage"]["output_tokens"], 9)
        self.assertEqual(reply["usage"]["input_tokens"], chat["usage"]["prompt_tokens"])
        self.assertEqual((reply["metadata"], reply["store"]), ({"a": "b"}, False))

    def test_instructions_and_items(self):
        a = self.ask(instructions="Be brief", input="Hi", max_output_tokens=9, ignore_eos=True)
        b = self.ask(input=[
            {"role": "developer", "content": [{"type": "input_text", "text": "Be brief"}]},
            {"type": "message", "role": "user", "content": "Hi"}], max_output_tokens=9,
            ignore_eos=True)
        self.assertEqual(a["output"][0]["content"], b["output"][0]["content"])

    def test_a_stream_tells_the_same(self):
        body = {"input": "stream", "max_output_tokens": 12, "ignore_eos": True}
        events, whole = self.stream(**body), self.ask(**body)
        text = whole["output"][0]["content"][0]["text"]
        names = [e["type"] for e in events]
        deltas = [e for e in events if e["type"] == "response.output_text.delta"]
        self.assertEqual([n for n in names if n != "response.output_text.delta"], [
            "response.created", "response.in_progress", "response.output_item.added",
            "response.content_part.added", "response.output_text.done",
            "response.content_part.done", "response.output_item.done", "response.incomplete"])
        self.assertEqual("".join(e["delta"] for e in deltas), text)
        done = events[names.index("response.output_text.done")]
        self.assertEqual(done["text"], text)
        last = events[-1]["response"]
        self.assertEqual(last["output"][0]["content"], whole["output"][0]["content"])
        self.assertEqual({e["item_id"] for e in deltas}, {last["output"][0]["id"]})
        self.assertEqual(last["usage"]["output_tokens"], 12)
        self.assertEqual(events[0]["response"]["status"], "in_progress")
        self.assertEqual({e["response"]["id"] for e in events if "response" in e}, {last["id"]})

    def test_json_of_a_schema(self):
        schema = {"type": "object", "properties": {"on": {"type": "boolean"}},
                  "required": ["on"], "additionalProperties": False}
        reply = self.ask(input="j", max_output_tokens=200, text={
            "format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}})
        self.assertEqual(reply["status"], "completed")
        self.assertIn(json.loads(reply["output"][0]["content"][0]["text"]),
                      [{"on": True}, {"on": False}])

    def test_calls_of_functions(self):
        tool = {"type": "function", "name": "light", "parameters": {
            "type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"],
            "additionalProperties": False}}
        body = {"input": "on", "tools": [tool], "tool_choice": "required",
                "max_output_tokens": 400}
        call, = self.ask(**body)["output"]
        self.assertEqual((call["type"], call["name"], call["status"]),
                         ("function_call", "light", "completed"))
        self.assertIn(json.loads(call["arguments"]), [{"on": True}, {"on": False}])
        events = self.stream(**body)
        self.assertEqual([e["type"] for e in events], [
            "response.created", "response.in_progress", "response.output_item.added",
            "response.function_call_arguments.delta", "response.function_call_arguments.done",
            "response.output_item.done", "response.completed"])
        self.assertEqual(events[4]["arguments"], call["arguments"])
        self.assertEqual(events[2]["item"]["arguments"], "")

    def test_log_probabilities(self):
        reply = self.ask(input="p", max_output_tokens=4, ignore_eos=True, top_logprobs=2,
                         include=["message.output_text.logprobs"])
        tokens = reply["output"][0]["content"][0]["logprobs"]
        self.assertEqual([len(t["top_logprobs"]) for t in tokens], [2] * 4)

    def test_a_stream_that_is_cut_off_says_so(self):
        server = Server("--drain", "0.2")
        body = json.dumps({"input": "x", "max_output_tokens": 15000, "ignore_eos": True,
                           "stream": True})
        connection = server.connect()
        connection.request("POST", "/v1/responses", body)
        self.assertTrue(until(lambda: server.running() == 1))
        server.terminate()
        text = connection.getresponse().read().decode()
        connection.close()
        last = json.loads(text.split("\n\n")[-2].split("data: ")[1])
        self.assertEqual((last["type"], last["response"]["status"]),
                         ("response.failed", "failed"))
        self.assertIn("stopped", last["response"]["error"]["message"])
        self.assertEqual(server.end()[0], 0)

    def test_what_is_refused(self):
        for body, part in (({}, "'input'"), ({"input": "x", "previous_response_id": "resp_1"},
                                             "stores no"),
                           ({"input": "x", "tools": [{"type": "web_search"}]}, "tools[0]"),
                           ({"input": "x", "temperature": "hot"}, "temperature"),
                           ({"input": "x", "background": True}, "background")):
            error = self.server.post("/v1/responses", body, 400)["error"]
            self.assertIn(part, error["message"])


class Thoughts(unittest.TestCase):
    """The grammar makes the model write them."""

    def check(self, message):
        self.assertIn((message["reasoning_content"], message["content"]),
                      [("hm", "yes"), ("so", "no")])

    def test_they_are_told_beside_the_answer(self):
        body = {"messages": HI, "grammar": THOUGHTS, "max_tokens": 100, "seed": 3}
        with Server() as server:
            self.check(server.post("/v1/chat/completions", body)["choices"][0]["message"])
            deltas = [e["choices"][0]["delta"]
                      for e in server.events("/v1/chat/completions", body)]
            self.check({key: "".join(d.get(key) or "" for d in deltas)
                        for key in ("reasoning_content", "content")})
            raw = server.post("/v1/chat/completions", {**body, "reasoning_format": "none"})
            self.assertIn("</think>", raw["choices"][0]["message"]["content"])
            self.assertNotIn("reasoning_content", raw["choices"][0]["message"])
        with Server("--reasoning-format", "none") as server:
            raw = server.post("/v1/chat/completions", body)["choices"][0]["message"]
            self.assertNotIn("reasoning_content", raw)
            self.check(server.post("/v1/chat/completions", {
                **body, "reasoning_format": "auto"})["choices"][0]["message"])

    def test_what_only_looks_like_them_is_text(self):
        with Server() as server:
            for text in ("<thin air", "<", "<think", " \\n<t>x</think>"):
                body = {"messages": HI, "grammar": f'root ::= "{text}"', "max_tokens": 100}
                whole = server.post("/v1/chat/completions", body)["choices"][0]["message"]
                self.assertNotIn("reasoning_content", whole)
                self.assertEqual(whole["content"].strip(), text.replace("\\n", "\n").strip())
                events = server.events("/v1/chat/completions", body)
                told = "".join(e["choices"][0]["delta"].get("content") or "" for e in events)
                self.assertEqual(told, whole["content"])

    def test_templates_that_open_them(self):
        template = test_serve.FOLDER / "thinks.jinja"
        template.write_text("{% for m in messages %}{{ m.content }}{% endfor %}<think>\n")
        body = {"messages": HI, "max_tokens": 20, "ignore_eos": True, "temperature": 0}
        with Server("--template", str(template)) as server:
            message = server.post("/v1/chat/completions", body)["choices"][0]["message"]
            self.assertEqual(message["content"], "")
            self.assertTrue(message["reasoning_content"])
            events = server.events("/v1/chat/completions", body)
            told = "".join(e["choices"][0]["delta"].get("reasoning_content") or ""
                           for e in events)
            self.assertEqual(told, message["reasoning_content"])
            reply = server.post("/v1/responses", {
                "input": "Hi", "max_output_tokens": 20, "ignore_eos": True, "temperature": 0})
            self.assertEqual([item["type"] for item in reply["output"]],
                             ["reasoning", "message"])
            self.assertEqual(reply["output"][0]["content"][0]["text"],
                             message["reasoning_content"])
            self.assertEqual(reply["usage"]["output_tokens_details"]["reasoning_tokens"], 20)


class Completions(unittest.TestCase):
    def test_what_only_they_have(self):
        with Server() as server:
            # The tokens of plain text spell it; others are told by their bytes.
            for prompt in ("the", "he", "a", "b", "c", "d", "e", "f", "g"):
                body = {"prompt": prompt, "max_tokens": 6, "temperature": 0, "ignore_eos": True,
                        "logit_bias": {str(i): -100 for i in range(259)}}
                plain = server.post("/v1/completions", body)["choices"][0]
                if plain["text"].isascii():
                    break
            self.assertIsNone(plain["logprobs"])
            choice = server.post("/v1/completions", {**body, "logprobs": 3})["choices"][0]
            logprobs = choice["logprobs"]
            self.assertEqual(len(logprobs["tokens"]), 6)
            self.assertEqual("".join(logprobs["tokens"]), plain["text"])
            self.assertEqual(logprobs["text_offset"][0], 0)
            for i, token in enumerate(logprobs["tokens"]):
                self.assertEqual(logprobs["top_logprobs"][i][token],
                                 logprobs["token_logprobs"][i])
                self.assertIn(len(logprobs["top_logprobs"][i]), (3, 4))
                if i:
                    self.assertEqual(logprobs["text_offset"][i], logprobs["text_offset"][i - 1]
                                     + len(logprobs["tokens"][i - 1]))
            events = server.events("/v1/completions", {**body, "logprobs": 3})
            for key in ("tokens", "token_logprobs", "top_logprobs", "text_offset"):
                told = sum((e["choices"][0]["logprobs"][key] for e in events
                            if e["choices"][0]["logprobs"]), [])
                self.assertEqual(told, logprobs[key])
            echo = server.post("/v1/completions", {**body, "echo": True, "prompt": ["zz", prompt]})
            self.assertEqual(echo["choices"][1]["text"], prompt + plain["text"])
            told = "".join(e["choices"][0]["text"] for e in server.events(
                "/v1/completions", {**body, "echo": True}))
            self.assertEqual(told, prompt + plain["text"])

    def test_the_best_of_several(self):
        body = {"prompt": "the", "max_tokens": 6, "temperature": 2, "top_k": 0, "top_p": 1,
                "min_p": 0, "ignore_eos": True, "seed": 5, "logprobs": 0}
        mean = lambda c: sum(c["logprobs"]["token_logprobs"]) / len(c["logprobs"]["tokens"])
        with Server() as server:
            several = server.post("/v1/completions", {**body, "n": 6})["choices"]
            reply = server.post("/v1/completions", {**body, "n": 2, "best_of": 6})
        self.assertEqual(reply["usage"]["completion_tokens"], 36)
        self.assertEqual([c["index"] for c in reply["choices"]], [0, 1])
        best = sorted(several, key=mean, reverse=True)[:2]
        self.assertEqual([c["text"] for c in reply["choices"]], [c["text"] for c in best])


class Limits(unittest.TestCase):
    def test_keys_have_shares(self):
        file = test_serve.FOLDER / "limits.txt"
        file.write_text("few requests-per-minute=2\nshort tokens-per-minute=50\nfree\n"
                        "one group=team\ntwo group=team\n")
        body = {"prompt": "the", "n_predict": 60, "ignore_eos": True}
        with Server("--api-key-file", str(file), "--embeddings") as server:
            ask = lambda key, body=body, path="/completion": server.ask(
                "POST", path, body, {"Authorization": "Bearer " + key})
            self.assertEqual([ask("few")[0] for _ in range(3)], [200, 200, 429])
            status, headers, text = ask("few", {"input": "x"}, "/v1/embeddings")
            self.assertEqual(status, 429)
            self.assertEqual(json.loads(text)["error"]["type"], "rate_limit_error")
            self.assertIn(int(headers["Retry-After"]), range(20, 31))
            status, headers, _ = ask("short")
            self.assertEqual((status, headers["x-ratelimit-limit-tokens"]), (200, "50"))
            status, headers, _ = ask("short")
            self.assertEqual((status, headers["x-ratelimit-remaining-tokens"]), (429, "0"))
            self.assertEqual([ask("free")[0] for _ in range(4)], [200] * 4)
            # Other paths compute nothing, and cost nothing.
            self.assertEqual(ask("few", {"content": "x"}, "/tokenize")[0], 200)
            # Computed prompts are found by a friend, and by nobody else.
            prompt = {"prompt": "the he th " * 40, "n_predict": 2}
            found = [json.loads(ask(key, prompt)[2])["timings"]["cache_n"]
                     for key in ("one", "free", "two")]
            self.assertEqual(found[:2], [0, 0])
            self.assertGreater(found[2], 100)

    def test_too_many_of_one_key(self):
        file = test_serve.FOLDER / "queue.txt"
        file.write_text("a\nb\n")
        long = {"prompt": "the", "n_predict": 15000, "ignore_eos": True, "stream": True}
        with Server("--api-key-file", str(file), "--parallel", "1", "--key-queue", "1",
                    "--drain", "0") as server:
            open_ones = []
            for _ in range(2):
                connection = server.connect()
                connection.request("POST", "/completion", json.dumps(long),
                                   {"Authorization": "Bearer a"})
                open_ones.append(connection)
                text = lambda: server.ask("GET", "/metrics",
                                          headers={"Authorization": "Bearer a"})[2]
                self.assertTrue(until(lambda: re.search(
                    rf"accepted_total\S* {len(open_ones)}\n", text())), text())
            ask = lambda key: server.ask("POST", "/completion", {**long, "n_predict": 1},
                                         {"Authorization": "Bearer " + key})
            status, headers, text = ask("a")
            self.assertEqual(status, 429, text)
            self.assertEqual(json.loads(text)["error"]["type"], "rate_limit_error")
            self.assertGreater(int(headers["Retry-After"]), 0)
            for connection in open_ones:
                connection.close()
            self.assertEqual(ask("b")[0], 200)


class Metrics(unittest.TestCase):
    def figures(self, server):
        return server.ask("GET", "/metrics")[2]

    def joules(self, text):
        return float(re.search(r'edgelm_energy_joules_total\{scope="processor"\} (\S+)', text)[1])

    @unittest.skipUnless(shutil.which("promtool"), "promtool is not installed")
    def test_prometheus_understands_them(self):
        with Server("--embeddings") as server:
            server.chat("count", max_tokens=3, ignore_eos=True)
            text = self.figures(server)
        # Colons are in llama-server's names, which cannot be changed: those need only be read.
        own = "".join(line + "\n" for line in text.splitlines()
                      if not re.match(r"(# (HELP|TYPE) )?llamacpp:", line))
        self.assertIn("edgelm_time_to_first_token_seconds_bucket", own)
        for part, lint in ((text, False), (own, True)):
            done = subprocess.run(["promtool", "check", "metrics"], input=part, text=True,
                                  capture_output=True, check=False)
            said = done.stdout + done.stderr
            self.assertNotIn("error", said)
            if lint:
                self.assertEqual((done.returncode, said), (0, ""))

    def test_energy_is_told_where_it_is_measured(self):
        root = test_serve.FOLDER / "device"
        domain = root / "sys/class/powercap/intel-rapl:0"
        domain.mkdir(parents=True)
        (domain / "name").write_text("package-0\n")
        (domain / "max_energy_range_uj").write_text("262143328850\n")
        counter = domain / "energy_uj"
        counter.write_text("1000000\n")
        with Server("--sysroot", str(root)) as server:
            time.sleep(0.7)
            counter.write_text("8500000\n")
            text = self.figures(server)
            self.assertAlmostEqual(self.joules(text), 7.5)
            watts = float(re.search(r'edgelm_power_watts\{scope="processor"\} (\S+)', text)[1])
            self.assertTrue(0 < watts < 7.5 / 0.7, watts)
            self.assertNotIn("edgelm_temperature_celsius", text)
            time.sleep(0.7)
            counter.write_text("9000000\n")
            self.assertAlmostEqual(self.joules(self.figures(server)), 8)
        (root / "empty").mkdir()
        with Server("--sysroot", str(root / "empty")) as server:
            time.sleep(0.7)
            self.assertNotIn("joules", self.figures(server))


if __name__ == "__main__":
    test_serve.EDGELM, make_tiny_model = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        test_serve.FOLDER = pathlib.Path(folder)
        test_serve.MODEL = str(test_serve.FOLDER / "tiny.gguf")
        subprocess.run([make_tiny_model, test_serve.MODEL, str(test_serve.CONTEXT)], check=True)
        unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
