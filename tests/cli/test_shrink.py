#!/usr/bin/env python3
"""Black-box tests of `edgelm compress`, with a model of letters that is trained here.

usage: test_shrink.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import unittest

EDGELM = MODEL = TEXT = OTHER = ""
FOLDER = pathlib.Path()
WORDS = "the quick brown fox jumps over the lazy dog and runs home through the wet grass. "
SHAPE = "width=64,layers=3,heads=4,kv_heads=2,head_dim=16,ffn=256,context=64"


def edgelm(*args):
    return subprocess.run([EDGELM, *args], capture_output=True, text=True, timeout=280, check=False)


class Case(unittest.TestCase):
    def path(self, name):
        return str(FOLDER / f"{self.id()}-{name}")

    def options(self, output, *more):
        return ["compress", MODEL, "-o", output, "-f", TEXT, "--measure", OTHER, "-c", "64",
                "--calib-chunks", "12", "--chunks", "8", "-t", "1", "-q", *more]

    def report(self, output, *more, code=0):
        result = edgelm(*self.options(output, *more), "--json")
        self.assertEqual(result.returncode, code, result.stderr)
        return json.loads(result.stdout)

    def sizes(self):
        """The expected file size of every plan without pruning, the largest first."""
        found, size = {}, os.path.getsize(MODEL)
        while True:
            result = edgelm(*self.options("-", "--target-size", str(size - 1), "--no-prune"),
                            "--dry-run", "--json")
            if result.returncode:
                return found
            for plan in json.loads(result.stdout)["plans"]:
                found[plan["plan"]] = size = plan["file_bytes"]


class Compress(Case):
    def test_quantising_is_enough(self):
        out = self.path("model")
        sizes = self.sizes()
        target = sorted(sizes.values())[-2]
        report = self.report(out, "--target-size", str(target))
        self.assertTrue(report["met"])
        self.assertEqual(report["before"]["file_bytes"], os.path.getsize(MODEL))
        self.assertLess(report["before"]["kl_divergence"], 1e-3)
        for trial in report["trials"]:
            self.assertTrue(trial["fits"])
            self.assertLessEqual(trial["file_bytes"], target)
            self.assertLessEqual(trial["file_bytes"], sizes[trial["plan"]])
            self.assertGreater(trial["file_bytes"], 0.97 * sizes[trial["plan"]])
            self.assertGreater(trial["tokens_per_second"], 0)
        best = min(report["trials"], key=lambda trial: trial["kl_divergence"])
        self.assertEqual(report["best"], best["plan"])
        self.assertEqual(os.path.getsize(out), best["file_bytes"])
        self.assertEqual(edgelm("run", out, "-p", "the", "-n", "4", "--no-engine-cache").returncode, 0)
        self.assertEqual([n for n in os.listdir(FOLDER) if n.startswith(os.path.basename(out) + ".")], [])

    def test_down_to_a_distilled_model(self):
        out, keep = self.path("model"), self.path("stages")
        target = min(self.sizes().values()) - 3000
        goal = ["--target-size", str(target), "--distill-steps", "4", "--keep", keep]
        report = self.report(out, *goal)
        plans = [trial["plan"] for trial in report["trials"]]
        self.assertTrue(plans[0].startswith("pruned"), plans)
        self.assertIn("distilled", plans[-1])
        self.assertTrue(report["met"])
        self.assertLessEqual(os.path.getsize(out), target)
        # What is there is not made again, and gives the same.
        files = {name: os.stat(os.path.join(keep, name)).st_mtime_ns for name in os.listdir(keep)}
        again = self.report(out, *goal)
        self.assertEqual(again["best"], report["best"])
        self.assertEqual(
            files, {name: os.stat(os.path.join(keep, name)).st_mtime_ns for name in os.listdir(keep)})
        result = edgelm(*self.options(out, *goal, "--method", "rtn"))
        self.assertEqual(result.returncode, 1)
        self.assertIn("holds files of another model, text or options", result.stderr)

    def test_what_cannot_be(self):
        out = self.path("model")
        smallest = min(self.sizes().values())
        before = sorted(os.listdir(FOLDER))
        for sentence, code, options in (
            ("give --target-size, --target-memory or both", 2, []),
            ("no plan comes down to that: the smallest file is about", 1, ["--target-size", "1000"]),
            ("no plan comes down to that", 1, ["--target-memory", "1000"]),
            ("No such file", 1, ["--target-size", str(smallest), "--measure", "/nonexistent"]),
        ):
            result = edgelm(*self.options(out, *options))
            self.assertEqual(result.returncode, code, result)
            self.assertIn(sentence, result.stderr)
            self.assertEqual(result.stdout, "")
            self.assertEqual(sorted(os.listdir(FOLDER)), before)
        report = self.report(out, "--target-size", str(smallest), "--max-kld", "1e-9", "--no-prune", code=1)
        self.assertFalse(report["met"])
        self.assertEqual(sorted(os.listdir(FOLDER)), before)

    def test_interrupted(self):
        out = self.path("model")
        before = sorted(os.listdir(FOLDER))
        goal = ["--target-size", str(min(self.sizes().values())), "-v"]
        process = subprocess.Popen(
            [EDGELM, *(word for word in self.options(out, *goal) if word != "-q")],
            stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        while "trying" not in process.stderr.readline():
            self.assertIsNone(process.poll())
        process.send_signal(signal.SIGTERM)
        errors = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 1, errors)
        self.assertIn("interrupted; nothing was written", errors)
        self.assertEqual(sorted(os.listdir(FOLDER)), before)

    def test_memory_and_its_cache(self):
        goal = ["--target-memory", "100M", "--dry-run", "--json"]

        def memory(*options):
            result = edgelm(*self.options("-", *goal, *options))
            self.assertEqual(result.returncode, 0, result.stderr)
            return json.loads(result.stdout)["plans"][0]["memory_bytes"]

        small, large, whole = (memory("--context", "512", "--kv-type", "int8"),
                               memory("--context", "4096", "--kv-type", "int8"),
                               memory("--context", "4096", "--kv-type", "f16"))
        self.assertLess(small, large)
        self.assertLess(large, whole)


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL, TEXT, OTHER, RANDOM = (
            str(FOLDER / name) for name in ("model.gguf", "text", "other", "random.gguf"))
        pathlib.Path(TEXT).write_text(WORDS * 40)
        pathlib.Path(OTHER).write_text("the lazy fox runs over the grass and the dog jumps home. " * 20)
        subprocess.run([maker, RANDOM], check=True)
        subprocess.run([EDGELM, "train", "--tokenizer", RANDOM, "--shape", SHAPE, "-f", TEXT, "-o",
                        MODEL, "--type", "f32", "--steps", "40", "--batch", "512", "--rows", "512",
                        "--rate", "1e-2", "--warmup", "5", "-t", "2", "-q"],
                       check=True, stdout=subprocess.DEVNULL)
        unittest.main(verbosity=1)
