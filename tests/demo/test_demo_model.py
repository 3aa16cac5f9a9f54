#!/usr/bin/env python3
"""The demo model and the text that it is made from.

usage: test_demo_model.py PATH-OF-EDGELM PATH-OF-DEMO_DATA MODEL TEMPLATE TASKS-PER-CATEGORY

TASKS-PER-CATEGORY 0 asks all of them.
"""

import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "e2e"))
import serving  # noqa: E402

EDGELM = DEMO_DATA = MODEL = TEMPLATE = ""
TASKS = 0
FOLDER = pathlib.Path()


def run(*args, **kwargs):
    return subprocess.run(args, capture_output=True, text=True, timeout=600, check=True, **kwargs).stdout


def records(name):
    return [json.loads(line) for line in (FOLDER / name).read_text().splitlines()]


class Text(unittest.TestCase):
    def test_the_same_seed_gives_the_same_text(self):
        again = FOLDER / "again"
        run(DEMO_DATA, str(again), "3000", "1")
        for name in ("train.jsonl", "valid.jsonl", "text.txt", "tasks.jsonl"):
            self.assertEqual((again / name).read_bytes(), (FOLDER / name).read_bytes(), name)
        run(DEMO_DATA, str(again), "3000", "2")
        self.assertNotEqual((again / "tasks.jsonl").read_bytes(), (FOLDER / "tasks.jsonl").read_bytes())

    def test_what_is_held_out_is_not_trained_on(self):
        text = (FOLDER / "train.jsonl").read_text().lower()
        for word in ("priya", "orla", "conservatory", "ferns", "telescope", "copper", "lasagne", "aquarium"):
            self.assertNotRegex(text, rf"\b{word}\b")
        asked = {r["prompt"].split("<|im_start|>user\n")[-1].split("<|im_end|>")[0].lower().strip("?. ")
                 for r in records("train.jsonl")}
        for task in records("tasks.jsonl"):
            self.assertNotIn(task["messages"][-1]["content"].lower().strip("?. "), asked)

    def test_prompts_are_what_the_template_makes(self):
        for record in records("valid.jsonl")[:8]:
            parts = re.findall(r"<\|im_start\|>(\w+)\n(.*?)<\|im_end\|>\n", record["prompt"], re.S)
            request = FOLDER / "request.json"
            request.write_text(json.dumps({"messages": [{"role": r, "content": c} for r, c in parts]}))
            said = run(EDGELM, "chat-template", TEMPLATE, "--messages", str(request))
            self.assertEqual(said, record["prompt"])

    def test_calls_that_come_as_objects_are_written_like_those_of_the_text(self):
        call = {"type": "function", "id": "1",
                "function": {"name": "set_light", "arguments": '{"room": "hall", "on": true}'}}
        request = FOLDER / "request.json"
        request.write_text(json.dumps({"messages": [
            {"role": "user", "content": "hall lights on"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "ok"}]}))
        said = run(EDGELM, "chat-template", TEMPLATE, "--messages", str(request))
        self.assertIn('<tool_call>{"name": "set_light", "arguments": {"room": "hall", "on": true}}</tool_call>',
                      said)


class Model(unittest.TestCase):
    def test_size(self):
        self.assertLessEqual(pathlib.Path(MODEL).stat().st_size, 2000000)

    def test_held_out_tasks(self):
        options = ["--limit", str(TASKS)] if TASKS else []
        tasks = ["eval", "tasks", MODEL, "-f", str(FOLDER / "tasks.jsonl"), *options, "--no-engine-cache"]
        figures = json.loads(run(EDGELM, *tasks, "--json"))
        for name, c in figures["categories"].items():
            print(f"{name}: {c['right']} of {c['checked']}, interval {c['interval']}" if "checked" in c else name)
        print("AUROC:", figures["auroc"])
        # All tasks are held to the bar; a few of them to what the bar gives in all but one of a
        # thousand draws.
        for name in ("simple", "contextual", "task-oriented"):
            c = figures["categories"][name]
            slack = 0 if not TASKS else 3.1 * (0.97 * 0.03 / c["checked"]) ** 0.5
            self.assertGreaterEqual(c["accuracy"], 0.97 - slack, name)
        self.assertGreaterEqual(figures["auroc"]["value"], 0.95)


    def ask(self, server, messages, **more):
        request = {"messages": messages, "temperature": 0, "tools": TOOLS, **more}
        return server.post("/v1/chat/completions", request)["choices"][0]

    def test_calls_through_the_server(self):
        messages = [{"role": "user", "content": "dim the lights in the den to 40"}]
        with serving.Server(EDGELM, MODEL, "--threads", "1", "--no-engine-cache") as server:
            said = self.ask(server, messages)
            self.assertEqual(said["finish_reason"], "tool_calls")
            call = said["message"]["tool_calls"][0]
            self.assertEqual(call["function"]["name"], "dim_light")
            self.assertEqual(json.loads(call["function"]["arguments"]), {"room": "den", "percent": 40})
            messages += [said["message"], {"role": "tool", "tool_call_id": call["id"], "content": "ok"}]
            done = self.ask(server, messages)
            self.assertEqual((done["finish_reason"], done["message"]["content"]), ("stop", "Done."))
            messages += [done["message"], {"role": "user", "content": "make it 70"}]
            call = self.ask(server, messages)["message"]["tool_calls"][0]
            self.assertEqual(json.loads(call["function"]["arguments"]), {"room": "den", "percent": 70})

    def test_it_hands_over_through_the_server(self):
        with serving.Server(EDGELM, MODEL, "--threads", "1", "--no-engine-cache") as server:
            said = self.ask(server, [{"role": "user", "content": "Who wrote Hamlet?"}], logprobs=True)
        self.assertEqual(said["message"]["content"], "I can only help with this home.")
        self.assertEqual(said["logprobs"]["content"][0]["token"], "<|defer|>")


TOOLS = [{"type": "function", "function": {"name": "dim_light", "parameters": {
    "type": "object", "required": ["room", "percent"],
    "properties": {"room": {"type": "string"}, "percent": {"type": "integer"}}}}}]

if __name__ == "__main__":
    EDGELM, DEMO_DATA, MODEL, TEMPLATE = sys.argv[1:5]
    TASKS = int(sys.argv[5])
    del sys.argv[1:6]
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        run(DEMO_DATA, folder, "3000", "1")
        unittest.main(verbosity=1)
