#!/usr/bin/env python3
"""Tests of `edgelm serve` with several models, loaded, unloaded and exchanged while it serves.

usage: test_serve_models.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import concurrent.futures
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import serving
from serving import read_all, request_bytes, until

EDGELM = MAKE_TINY_MODEL = ""
FOLDER = pathlib.Path()
CONTEXT = 20000
GREEDY = {"prompt": "the", "n_predict": 24, "temperature": 0, "ignore_eos": True}
ENDLESS = {"prompt": "th", "n_predict": 15000, "ignore_eos": True, "stream": True}


def make_model(name, seed):
    """Puts a model in its place as a whole, as an operator should."""
    path = FOLDER / name
    made = FOLDER / (name + ".new")
    subprocess.run([MAKE_TINY_MODEL, made, str(CONTEXT), str(seed)], check=True)
    made.rename(path)
    return path


class ModelServer(serving.Server):
    def __init__(self, *arguments):
        super().__init__(EDGELM, *map(str, arguments), "--threads", "1", "--ctx", str(CONTEXT),
                         "--parallel", "4", "--template", "chatml", "--no-engine-cache",
                         "--metrics", "--slots", "--access-log", os.devnull)

    def text(self, model=None, expected=200, **more):
        body = {**GREEDY, **more}
        if model:
            body["model"] = model
        return self.post("/completion", body, expected).get("content")

    def states(self):
        listed = json.loads(self.ask("GET", "/v1/models")[2])
        return {data["id"]: data["status"]["value"] for data in listed["data"]}

    def running(self, model):
        slots = json.loads(self.ask("GET", f"/slots?model={model}")[2])
        return sum(slot["is_processing"] for slot in slots)

    def endless(self, model):
        """A connection on which an answer of this model runs."""
        connection = self.raw()
        connection.sendall(request_bytes({**ENDLESS, "model": model}))
        assert until(lambda: self.running(model) == 1)
        return connection

    def said_of(self, pattern):
        return len(re.findall(pattern, "".join(self.said)))


class SeveralModels(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.one, cls.two = make_model("one.gguf", 3), make_model("two.gguf", 4)
        with ModelServer(cls.one) as server:
            cls.text_of_one = server.text("any name will do")
        with ModelServer(cls.two) as server:
            cls.text_of_two = server.text()
        assert cls.text_of_one != cls.text_of_two

    def test_a_request_chooses_and_the_model_is_loaded_for_it(self):
        with ModelServer(self.one, "--alias", "first", "--model", f"b={self.two}",
                         "--model", self.two) as server:
            names = {"first": "loaded", "b": "unloaded", "two.gguf": "unloaded"}
            self.assertEqual(server.states(), names)
            self.assertTrue(json.loads(server.ask("GET", "/props?model=b")[2])["is_sleeping"])
            self.assertEqual(json.loads(server.ask("GET", "/slots?model=b")[2]), [])
            self.assertEqual(server.text("b"), self.text_of_two)
            self.assertEqual(server.states(), {**names, "b": "loaded"})
            self.assertFalse(json.loads(server.ask("GET", "/props?model=b")[2])["is_sleeping"])
            self.assertEqual(len(json.loads(server.ask("GET", "/slots?model=b")[2])), 4)
            self.assertEqual((server.text("first"), server.text()), (self.text_of_one,) * 2)
            reply = server.post("/v1/completions", {"prompt": "a", "max_tokens": 1, "model": "b"})
            self.assertEqual(reply["model"], "b")
            reply = server.post("/tokenize", {"content": "the", "model": "two.gguf"})
            self.assertTrue(reply["tokens"])
            self.assertEqual(server.states()["two.gguf"], "loaded")

    def test_names_that_there_are_not(self):
        with ModelServer(self.one, "--model", f"b={self.two}") as server:
            for path, body in (("/completion", GREEDY), ("/tokenize", {"content": "a"})):
                error = server.post(path, {**body, "model": "c"}, 404)["error"]
                self.assertEqual((error["code"], error["type"], error["param"]),
                                 ("model_not_found", "invalid_request_error", "model"))
                self.assertIn("'c'", error["message"])
                server.post(path, {**body, "model": 1}, 400)
            for path in ("/props", "/slots"):
                self.assertEqual(server.ask("GET", path + "?model=c")[0], 404)

    def test_settings_that_cannot_be(self):
        for arguments, part in (
            ([self.one, "--model", f"one.gguf={self.two}"], "two models have the name"),
            (["--model", f"={self.two}"], "printable"),
            (["--model", "a=/no/such/file"], "No such file"),
            ([], "which model"), (["--alias", "x", "--model", f"a={self.one}"], "MODEL"),
            ([self.one, "--model", f"b={self.two}", "--engine", "x"], "single model"),
        ):
            with self.subTest(arguments=arguments), \
                    self.assertRaisesRegex(AssertionError, part):
                ModelServer(*arguments)

    def test_many_requests_load_it_once(self):
        with ModelServer(self.one, "--model", f"b={self.two}") as server:
            with concurrent.futures.ThreadPoolExecutor(16) as pool:
                texts = set(pool.map(lambda _: server.text("b"), range(16)))
            self.assertEqual(texts, {self.text_of_two})
            self.assertEqual(server.metric('edgelm_model_loads_total{model="b"}'), 1)

    def test_what_nobody_asks_for_is_unloaded(self):
        with ModelServer("--model", f"a={self.one}", "--model", f"b={self.two}",
                         "--idle-unload", "0.5") as server:
            self.assertEqual(server.states(), {"a": "unloaded", "b": "unloaded"})
            busy = server.endless("b")
            self.assertEqual(server.text("a"), self.text_of_one)
            self.assertTrue(until(lambda: server.states() == {"a": "unloaded", "b": "loaded"}))
            self.assertEqual(server.running("b"), 1)
            busy.close()
            self.assertTrue(until(lambda: server.states() == {"a": "unloaded", "b": "unloaded"}))
            # What was counted is not forgotten.
            name = 'llamacpp:tokens_predicted_total{model="a"}'
            self.assertEqual(server.metric(name), 24)
            self.assertEqual(server.text("a"), self.text_of_one)
            self.assertEqual(server.metric(name), 48)
            self.assertEqual(server.metric('edgelm_model_loads_total{model="a"}'), 2)

    def test_one_makes_room_for_another(self):
        with ModelServer(self.one, "--model", f"b={self.two}", "--max-models", "1") as server:
            self.assertEqual(server.text("b"), self.text_of_two)
            self.assertEqual(server.states(), {"one.gguf": "unloaded", "b": "loaded"})
            busy = server.endless("b")
            status, headers, text = server.ask("POST", "/completion", {**GREEDY, "model":
                                                                       "one.gguf"})
            self.assertEqual(status, 503, text)
            self.assertGreaterEqual(int(headers["Retry-After"]), 1)
            self.assertIn("no room", json.loads(text)["error"]["message"])
            busy.close()
            self.assertTrue(until(lambda: server.running("b") == 0))
            self.assertTrue(until(lambda: server.ask(
                "POST", "/completion", {**GREEDY, "model": "one.gguf"})[0] == 200))

    def test_a_model_that_cannot_be_loaded(self):
        broken = FOLDER / "broken.gguf"
        broken.write_bytes(b"GGUF but not really")
        with ModelServer(self.one, "--model", f"b={broken}") as server:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                replies = list(pool.map(
                    lambda _: server.post("/completion", {**GREEDY, "model": "b"}, 500), range(8)))
            for reply in replies:
                self.assertNotIn(str(FOLDER), reply["error"]["message"])
            self.assertEqual(server.text(), self.text_of_one)
            make_model("broken.gguf", 4)
            self.assertEqual(server.text("b"), self.text_of_two)
            self.assertRegex(server.end()[1], r"model b: not loaded: \S+broken.gguf")


class Exchange(unittest.TestCase):
    """A file that changes while it is served."""

    def setUp(self):
        SeveralModels.setUpClass()
        self.texts = {3: SeveralModels.text_of_one, 4: SeveralModels.text_of_two}
        self.path = make_model("changing.gguf", 3)

    def test_running_requests_end_with_the_old_one(self):
        body = {**GREEDY, "n_predict": 12000}
        with ModelServer(self.path) as server:
            whole = server.post("/completion", body)["content"]
            connection = server.connect()
            connection.request("POST", "/completion", json.dumps(
                # More than buffers on the way can hold: it is not done before it is read.
                {**body, "stream": True, "n_probs": 10}))
            self.assertTrue(until(lambda: server.running("") == 1))
            make_model("changing.gguf", 4)
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(until(lambda: server.metric("edgelm_model_loads_total") == 2))
            self.assertEqual(server.metric("llamacpp:requests_processing"), 1)
            self.assertEqual(server.text(), self.texts[4])
            events = [json.loads(line[6:]) for line in connection.getresponse()
                      if line.startswith(b"data: ")]
            connection.close()
            self.assertEqual("".join(event["content"] for event in events), whole)
            self.assertTrue(until(lambda: server.said_of("the old one is not used any more")))

    def test_a_bad_file_changes_nothing(self):
        with ModelServer(self.path) as server:
            broken = FOLDER / "changing.gguf.new"
            broken.write_bytes(self.path.read_bytes()[:5000])
            broken.rename(self.path)
            self.assertTrue(until(lambda: server.said_of("the old one stays")))
            time.sleep(2.5)
            self.assertEqual(server.said_of("the old one stays"), 1)
            self.assertEqual(server.text(), self.texts[3])
            self.path.unlink()
            time.sleep(1.2)
            self.assertEqual(server.text(), self.texts[3])
            make_model("changing.gguf", 4)
            self.assertTrue(until(lambda: server.text() == self.texts[4]))

    def test_sighup_looks_again(self):
        broken = FOLDER / "changing.gguf.new"
        broken.write_bytes(b"GGUF?")
        with ModelServer(self.path) as server:
            broken.rename(self.path)
            # Without a signal, a file that could not be used is not tried twice.
            for times in (1, 2, 3):
                server.process.send_signal(signal.SIGHUP)
                self.assertTrue(until(lambda: server.said_of("the old one stays") == times))
            make_model("changing.gguf", 4)
            server.process.send_signal(signal.SIGHUP)
            self.assertTrue(until(lambda: server.text() == self.texts[4]))

    def test_no_request_is_dropped(self):
        with ModelServer(self.path) as server:
            texts, failures, done = set(), [], threading.Event()

            def client():
                while not done.is_set():
                    try:
                        texts.add(server.text())
                    except (AssertionError, OSError) as error:
                        failures.append(repr(error))

            clients = [threading.Thread(target=client) for _ in range(8)]
            for thread in clients:
                thread.start()
            for i in range(6):
                make_model("changing.gguf", 4 - i % 2)
                server.process.send_signal(signal.SIGHUP)
                self.assertTrue(until(
                    lambda: server.metric("edgelm_model_loads_total") >= i + 2))
            done.set()
            for thread in clients:
                thread.join()
            self.assertEqual(failures, [])
            self.assertEqual(texts, set(self.texts.values()))


class Ending(unittest.TestCase):
    def test_all_models_let_their_answers_end(self):
        SeveralModels.setUpClass()
        with ModelServer(SeveralModels.one, "--model", f"b={SeveralModels.two}", "--drain",
                         "120") as server:
            connections = []
            for model in ("one.gguf", "b"):
                connections.append(server.raw())
                connections[-1].sendall(request_bytes({**ENDLESS, "n_predict": 8000,
                                                       "model": model}))
                self.assertTrue(until(lambda: server.running(model) == 1))
            server.terminate()
            for connection in connections:
                self.assertRegex(read_all(connection)[-3000:], b'"tokens_predicted":8000,')
            self.assertEqual(server.end()[0], 0)


if __name__ == "__main__":
    EDGELM, MAKE_TINY_MODEL = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
