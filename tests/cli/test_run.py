#!/usr/bin/env python3
"""Black-box tests of `edgelm run` and `edgelm eval` with the golden model.

usage: test_run.py PATH-OF-EDGELM GOLDEN-FOLDER; exit status 77 where the folder is absent.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

EDGELM = MODEL = ""
PROMPT = "Once upon a time"
GREEDY = (
    ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw "
    "a big, red ball. She wanted to play with it, but it was too high."
)


def edgelm(*args, **kwargs):
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [EDGELM, *args], stderr=subprocess.PIPE, text=True, timeout=60, check=False, **kwargs
    )


class Run(unittest.TestCase):
    def test_the_golden_text(self):
        result = edgelm("run", MODEL, "-p", PROMPT, "-n", "100", "--temp", "0")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.startswith(GREEDY), result.stdout)
        for figure in ("TTFT", "TBT", "tokens/s", "memory"):
            self.assertIn(figure, result.stderr)

    def test_the_prompt_may_come_from_anywhere(self):
        options = ["-n", "20", "--temp", "0", "-q"]
        by_option = edgelm("run", MODEL, "-p", PROMPT, *options)
        self.assertEqual(by_option.stderr, "")
        with tempfile.NamedTemporaryFile("w+") as file:
            file.write(PROMPT)
            file.flush()
            by_file = edgelm("run", MODEL, "-f", file.name, *options)
            file.seek(0)
            by_input = edgelm("run", MODEL, *options, stdin=file)
        self.assertEqual(by_file.stdout, by_option.stdout)
        self.assertEqual(by_input.stdout, by_option.stdout)

    def test_the_same_seed_gives_the_same_text(self):
        def text(seed, threads):
            return edgelm("run", MODEL, "-p", PROMPT, "-n", "60", "--seed", seed, "-t", threads).stdout

        self.assertEqual(text("7", "1"), text("7", "2"))
        self.assertNotEqual(text("7", "1"), text("8", "1"))

    def test_json(self):
        result = edgelm("run", MODEL, "-p", PROMPT, "-n", "10", "--temp", "0", "--json")
        self.assertEqual(result.returncode, 0)
        self.assertIn(", there was", json.dumps(json.loads(result.stdout)))

    def test_stop(self):
        result = edgelm("run", MODEL, "-p", PROMPT, "-n", "100", "--temp", "0", "--stop", " named")
        self.assertEqual(result.stdout.rstrip("\n"), ", there was a little girl")

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            result = edgelm("run", MODEL, "-p", PROMPT, "-n", "20", "--temp", "0", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write to standard output", result.stderr)

    def test_ctrl_c_ends_with_the_figures(self):
        program = subprocess.Popen(
            [EDGELM, "run", MODEL, "-p", PROMPT, "-n", "1000000", "--ignore-eos", "-c", "100000"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.assertTrue(program.stdout.read(10))
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=30)
        self.assertEqual(program.returncode, 1, errors)
        self.assertIn("TTFT", errors)


class Hostile(unittest.TestCase):
    def check(self, data):
        with tempfile.NamedTemporaryFile(suffix=".gguf") as file:
            file.write(data)
            file.flush()
            result = edgelm("run", file.name, "-p", "x", "-n", "1")
        self.assertEqual(result.returncode, 1, result)
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"^edgelm run: .+\n$")

    def test_files_that_are_no_model(self):
        whole = pathlib.Path(MODEL).read_bytes()
        self.check(b"")
        self.check(b"GGUF")
        self.check(b"not a model" * 100)
        for length in (8, 24, 100, 1000, 10000, len(whole) // 2, len(whole) - 1):
            self.check(whole[:length])

    def test_a_missing_file(self):
        result = edgelm("run", "/no/such/file.gguf", "-p", "x")
        self.assertEqual(result.returncode, 1)
        self.assertIn("No such file", result.stderr)

    def test_a_folder(self):
        self.assertEqual(edgelm("run", "/", "-p", "x").returncode, 1)


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    MODEL = os.path.join(sys.argv.pop(1), "models/stories260K-F32.gguf")
    if not os.path.exists(MODEL):
        print(f"skipped: {MODEL} is absent")
        sys.exit(77)
    unittest.main(verbosity=1)
