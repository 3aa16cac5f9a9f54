#!/usr/bin/env python3
"""Black-box tests of `edgelm distill`, with models of letters.

usage: test_distill.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

EDGELM = TOKENIZER = TEACHER = TEXT = ""
FOLDER = pathlib.Path()
SHAPE = "width=32,layers=2,heads=4,kv_heads=2,ffn=64,context=64"
SMALL = ["--batch", "256", "--rows", "128", "--warmup", "5", "--rate", "1e-2", "-t", "2"]


def edgelm(*args):
    return subprocess.run([EDGELM, *args], capture_output=True, text=True, timeout=120, check=False)


def path(name):
    return str(FOLDER / name)


def curve(name, field="loss"):
    lines = [json.loads(line) for line in pathlib.Path(path(name)).read_text().splitlines()]
    return [line[field] for line in lines if field in line]


def distill(name, *args, text=None):
    return edgelm("distill", TEACHER, *args, "-f", text or TEXT, "-o", path(name + ".gguf"), "--log",
                  path(name + ".log"), *SMALL)


class Distilling(unittest.TestCase):
    def test_the_teacher_has_nothing_to_learn_from_itself(self):
        for options in ([], ["--temperature", "2"], ["--top-k", "3"], ["--top-k", "1000"]):
            result = distill("self", TEACHER, "--steps", "1", *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertLess(abs(curve("self.log")[0]), 1e-5)
            self.assertGreater(curve("self.log", "cross_entropy")[0], 0.05)

    def test_a_student_learns(self):
        result = distill("student", "--shape", SHAPE, "--steps", "60")
        self.assertEqual(result.returncode, 0, result.stderr)
        losses = curve("student.log")
        self.assertGreater(losses[0], 2)
        self.assertLess(losses[-1], 0.2)
        self.assertEqual(edgelm("run", path("student.gguf"), "-p", "the quick", "-n", "3", "--temp", "0",
                                "--no-engine-cache").returncode, 0)

    def test_shares(self):
        """With no share for the teacher this is plain training."""
        options = ["--shape", SHAPE, "--steps", "4"]
        self.assertEqual(distill("none", *options, "--share", "0").returncode, 0)
        result = edgelm("train", "--tokenizer", TOKENIZER, "--shape", SHAPE, "--steps", "4", "-f", TEXT,
                        "-o", path("plain.gguf"), "--log", path("plain.log"), *SMALL)
        self.assertEqual(result.returncode, 0, result.stderr)
        for a, b in zip(curve("none.log"), curve("plain.log")):
            self.assertAlmostEqual(a, b, 4)
        self.assertEqual(distill("half", *options, "--share", "0.5").returncode, 0)
        self.assertEqual(distill("all", *options).returncode, 0)
        half = 0.5 * (curve("all.log")[0] + curve("plain.log")[0])
        self.assertAlmostEqual(curve("half.log")[0], half, 5)

    def test_resumes(self):
        options = ["--shape", SHAPE, "--steps", "8", "--checkpoint", path("resumed.checkpoint"),
                   "--save-every", "5"]
        self.assertEqual(distill("resumed", *options).returncode, 0)
        result = distill("resumed", *options, "--resume")
        self.assertEqual(result.returncode, 0, result.stderr)
        losses = curve("resumed.log")
        self.assertEqual(losses[5:8], losses[8:])
        result = distill("resumed", *options, "--resume", "--temperature", "1.5")
        self.assertIn("temperature 1, now temperature 1.5", result.stderr)


class Lessons(unittest.TestCase):
    options = ["--shape", SHAPE, "--steps", "6"]

    def test_are_what_the_teacher_says(self):
        # Each record fits into a window, so that windows are the same.
        records = [{"prompt": "the quick ", "answer": f"brown fox {i}"} for i in range(40)]
        text = path("records.jsonl")
        pathlib.Path(text).write_text("\n".join(json.dumps(r) for r in records))
        kept = ["--lessons", path("records.lessons")]
        self.assertEqual(distill("live", *self.options, text=text).returncode, 0)
        result = distill("kept", *self.options, *kept, text=text)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(curve("live.log"), curve("kept.log"))
        made = os.path.getmtime(path("records.lessons"))
        self.assertEqual(distill("again", *self.options, *kept, text=text).returncode, 0)
        self.assertEqual(made, os.path.getmtime(path("records.lessons")))
        self.assertEqual(curve("again.log"), curve("kept.log"))

    def test_long_documents(self):
        kept = ["--lessons", path("long.lessons")]
        result = distill("long", *self.options, *kept)
        self.assertEqual(result.returncode, 0, result.stderr)
        result = distill("self-long", TEACHER, "--steps", "1", *kept)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLess(abs(curve("self-long.log")[0]), 1e-5)

    def test_wrong_files(self):
        kept = path("wrong.lessons")
        self.assertEqual(distill("wrong", *self.options, "--lessons", kept).returncode, 0)
        good = pathlib.Path(kept).read_bytes()

        def refused(sentence, *args):
            result = distill("wrong", *self.options, "--lessons", kept, *args)
            self.assertEqual(result.returncode, 1)
            self.assertIn(sentence, result.stderr)

        refused("was not made by this teacher", "--temperature", "3")
        refused("was not made by this teacher", "--top-k", "7")
        refused("was not made by this teacher", "-c", "32")
        pathlib.Path(kept).write_bytes(good[:-4] + b"\0\0\x80\x7f")
        refused("damaged")
        pathlib.Path(kept).write_bytes(good[:-4000])
        refused("wrong.lessons")
        pathlib.Path(kept).write_bytes(pathlib.Path(TOKENIZER).read_bytes())
        refused("was not made by this teacher")


class Usage(unittest.TestCase):
    def test_students(self):
        self.assertEqual(distill("x").returncode, 2)
        self.assertEqual(distill("x", TEACHER, "--shape", SHAPE).returncode, 2)
        result = distill("x", "--shape", SHAPE.replace("context=64", "context=128"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("the teacher reads at most 64 tokens at once, not 128", result.stderr)
        result = distill("x", "/no/such/file")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/no/such/file", result.stderr)
        self.assertFalse(os.path.exists(path("x.gguf")))


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        os.environ["EDGELM_CACHE"] = path("cache")
        TOKENIZER, TEACHER, TEXT = path("vocabulary.gguf"), path("teacher.gguf"), path("text.txt")
        pathlib.Path(TEXT).write_text("the quick brown fox jumps over the lazy dog and runs home. " * 60)
        subprocess.run([maker, TOKENIZER], check=True)
        subprocess.run([EDGELM, "train", "--tokenizer", TOKENIZER, "--shape", SHAPE, "-f", TEXT, "-o",
                        TEACHER, "--steps", "50", "--type", "f32", *SMALL], check=True,
                       stdout=subprocess.DEVNULL)
        unittest.main(verbosity=1)
