#!/usr/bin/env python3
"""Black-box tests of `edgelm calibrate` and `edgelm quantize`, with a model of random weights.

usage: test_compress.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import json
import math
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

EDGELM = MODEL = ""
FOLDER = pathlib.Path()
TEXT = "the quick brown fox jumps over the lazy dog. " * 60


def edgelm(*args, **kwargs):
    return subprocess.run(
        [EDGELM, *args], capture_output=True, text=True, timeout=150, check=False, **kwargs
    )


class Case(unittest.TestCase):
    def path(self, name):
        return str(FOLDER / f"{self.id()}-{name}")

    def done(self, *args, **kwargs):
        result = edgelm(*args, **kwargs)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def refused(self, sentence, *args, code=1, **kwargs):
        before = sorted(os.listdir(FOLDER))
        result = edgelm(*args, **kwargs)
        self.assertEqual(result.returncode, code, result)
        self.assertEqual(result.stdout, "")
        self.assertIn(sentence, result.stderr)
        self.assertEqual(sorted(os.listdir(FOLDER)), before)

    def calibration(self, *options):
        path = self.path("calib")
        self.done("calibrate", MODEL, "-c", "64", "-o", path, "-q", *options, input=TEXT)
        return path


class Calibrate(Case):
    def test_says_what_it_saw(self):
        path = self.path("calib")
        result = self.done("calibrate", MODEL, "-c", "64", "-o", path, "--json", input=TEXT)
        figures = json.loads(result.stdout)
        self.assertEqual(figures["window"], 64)
        self.assertEqual(figures["tokens"], 64 * figures["windows"])
        self.assertFalse(figures["hessian"])
        self.assertIn("say little about what matters", result.stderr)
        text = self.done("calibrate", MODEL, "-c", "64", "--chunks", "2", "--hessian", "-o", path,
                         input=TEXT).stdout
        self.assertEqual(text, f"{path}: 128 tokens in 2 windows of 64, with Hessians\n")
        tensors = json.loads(self.done("inspect", path, "--json", "--tensors").stdout)["tensors"]
        shapes = {t["name"]: t for t in tensors}
        self.assertIn("blk.0.attn_k.weight.in_sum2", shapes)
        self.assertIn("blk.1.ffn_down.weight.in_products", shapes)

    def test_memory_on_disk_is_the_same(self):
        a, b = self.path("a"), self.path("b")
        for path, memory in ((a, "1G"), (b, "0")):
            self.done("calibrate", MODEL, "-c", "64", "--hessian", "--memory", memory, "-o", path,
                      input=TEXT)
        self.assertEqual(pathlib.Path(a).read_bytes(), pathlib.Path(b).read_bytes())

    def test_bad_input(self):
        out = self.path("calib")
        self.refused("less than one window of 64", "calibrate", MODEL, "-c", "64", "-o", out, input="x")
        self.refused("No such file", "calibrate", MODEL, "-f", "/no/such/file", "-o", out)
        self.refused("No such file", "calibrate", "/no/such/model", "-o", out, input=TEXT)
        self.refused("/no/such/folder", "calibrate", MODEL, "-c", "64", "-o", "/no/such/folder/x", input=TEXT)
        self.refused("--output", "calibrate", MODEL, input=TEXT, code=2)

    def test_ctrl_c_and_resume(self):
        text, out = self.path("text"), self.path("calib")
        pathlib.Path(text).write_text(TEXT * 800)
        command = [EDGELM, "calibrate", MODEL, "-f", text, "-c", "64", "-o", out, "-t", "1", "-q"]
        program = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        try:
            program.wait(3)  # tokenising comes first
        except subprocess.TimeoutExpired:
            program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
        if program.returncode == 0:
            self.skipTest("this machine was too fast to interrupt")
        self.assertIn("interrupted", errors)
        if not os.path.exists(out):
            self.skipTest("this machine was too slow to have begun")
        self.refused("unfinished", "quantize", MODEL, self.path("model"), "Q4_0", "--calib", out)
        result = self.done(*command[1:], "--resume", "--json")
        self.assertTrue(json.loads(result.stdout)["resumed"])
        self.done("quantize", MODEL, self.path("model"), "Q4_0", "--calib", out)


class Quantize(Case):
    def types(self, path):
        tensors = json.loads(self.done("inspect", path, "--json", "--tensors").stdout)["tensors"]
        return {t["name"]: t["type"] for t in tensors}

    def test_types_and_sizes(self):
        out = self.path("model")
        plan = json.loads(self.done("quantize", MODEL, out, "q4_0", "--dry-run", "--json",
                                    "--tensor-type", "ffn_down=Q8_0").stdout)
        self.assertFalse(os.path.exists(out))
        self.assertTrue(plan["dry_run"])
        report = json.loads(self.done("quantize", MODEL, out, "q4_0", "--json",
                                      "--tensor-type", "ffn_down=Q8_0").stdout)
        self.assertEqual(report["tensors"], plan["tensors"])
        types = self.types(out)
        self.assertEqual(types, {t["name"]: t["to"] for t in plan["tensors"]})
        self.assertEqual(types["blk.0.attn_q.weight"], "Q4_0")
        self.assertEqual(types["blk.1.ffn_down.weight"], "Q8_0")
        self.assertEqual(types["blk.1.attn_norm.weight"], "F32")
        self.assertLess(report["tensor_bytes"], report["tensor_bytes_before"] / 4)
        self.assertLess(os.path.getsize(out), os.path.getsize(MODEL) / 2)
        self.done("run", out, "-p", "the", "-n", "4", "--no-engine-cache")
        text = self.done("quantize", MODEL, out, "Q8_0").stdout
        self.assertRegex(text, r"bits per weight\n$")

    def test_same_with_any_number_of_threads(self):
        files = [self.path(str(n)) for n in (1, 3)]
        for path, threads in zip(files, ("1", "3")):
            self.done("quantize", MODEL, path, "IQ4_NL", "-t", threads)
        self.assertEqual(*(pathlib.Path(path).read_bytes() for path in files))

    def test_calibration_changes_codes(self):
        calib = self.calibration()
        plain, weighed = self.path("plain"), self.path("weighed")
        self.done("quantize", MODEL, plain, "Q4_0")
        self.done("quantize", MODEL, weighed, "Q4_0", "--calib", calib)
        self.assertNotEqual(pathlib.Path(plain).read_bytes(), pathlib.Path(weighed).read_bytes())
        rtn = self.path("rtn")
        self.done("quantize", MODEL, rtn, "Q4_0", "--calib", calib, "--method", "rtn")
        self.assertEqual(pathlib.Path(plain).read_bytes(), pathlib.Path(rtn).read_bytes())

    def test_feedback(self):
        text, calib = self.path("text"), self.calibration("--hessian")
        pathlib.Path(text).write_text(TEXT)
        files = [self.path(str(i)) for i in range(4)]
        self.done("quantize", MODEL, files[0], "Q4_0", "--calib", calib)
        self.done("quantize", MODEL, files[1], "Q4_0", "--method", "gptq", "--calib", calib)
        for path, threads in zip(files[2:], ("1", "2")):
            self.done("quantize", MODEL, path, "Q4_0", "--method", "gptq", "-f", text, "-c", "64",
                      "-t", threads)

        def divergence(path):
            report = self.done("eval", "kld", path, "--base", MODEL, "-f", text, "-c", "64", "--json",
                               "--no-engine-cache")
            return json.loads(report.stdout)["kl_divergence"]["value"]

        figures = [divergence(path) for path in files[:3]]
        self.assertLess(figures[1], 0.8 * figures[0])
        self.assertLess(figures[2], 0.8 * figures[0])
        # The first layer sees the same either way; the second, what the first has become.
        self.assertNotEqual(*(pathlib.Path(path).read_bytes() for path in files[1:3]))
        self.assertEqual(*(pathlib.Path(path).read_bytes() for path in files[2:]))
        plain = self.calibration()
        self.refused("has no Hessians", "quantize", MODEL, files[0], "Q4_0", "--method", "gptq",
                     "--calib", plain)
        self.refused("less than one window", "quantize", MODEL, files[0], "Q4_0", "--method", "gptq",
                     input="short")
        packed = self.path("q8")
        self.done("quantize", MODEL, packed, "Q8_0")
        self.refused("is quantised already", "quantize", packed, files[0], "Q4_0", "--method", "gptq",
                     input=TEXT)

    def test_scaled_channels(self):
        calib, text = self.calibration("--hessian"), self.path("text")
        pathlib.Path(text).write_text(TEXT)

        def divergence(*options):
            path = self.path("model")
            self.done("quantize", MODEL, path, "Q4_0", *options)
            report = self.done("eval", "kld", path, "--base", MODEL, "-f", text, "-c", "64", "--json",
                               "--no-engine-cache")
            return json.loads(report.stdout)["kl_divergence"]["value"]

        rounded = divergence("--calib", calib)
        both = divergence("--calib", calib, "--method", "awq-gptq")
        self.assertLess(both, 0.8 * rounded)
        for options in (["--calib", calib], ["-f", text, "-c", "64"]):
            self.assertLess(divergence("--method", "awq", *options), 1.1 * rounded)
        self.refused("has no Hessians", "quantize", MODEL, self.path("x"), "Q4_0", "--method", "awq",
                     "--calib", self.calibration())

    def test_in_place_and_twice(self):
        out = self.path("model")
        self.done("quantize", MODEL, out, "Q8_0")
        result = self.done("quantize", out, out, "Q4_0")
        self.assertIn("is quantised already", result.stderr)
        self.assertEqual(self.types(out)["blk.0.attn_q.weight"], "Q4_0")

    def test_bad_input(self):
        out = self.path("model")
        self.refused('"Q4" is not one of Q2_K_S, Q2_K', "quantize", MODEL, out, "Q4", code=2)
        self.refused("needs --calib", "quantize", MODEL, out, "Q4_0", "--method", "imatrix", code=2)
        for rule in ("x", "=Q4_0", "attn_q=", "attn_q=Q9", "attn_q=I32"):
            self.refused("is not a part of a name", "quantize", MODEL, out, "Q4_0", "--tensor-type", rule)
        self.refused("no matrix of this model", "quantize", MODEL, out, "Q4_0", "--tensor-type", "zz=Q4_0")
        self.refused("No such file", "quantize", "/no/such/model", out, "Q4_0")
        self.refused("/no/such/folder", "quantize", MODEL, "/no/such/folder/x", "Q4_0")
        self.refused("not one of calibration", "quantize", MODEL, out, "Q4_0", "--calib", MODEL)

    def test_full_disk(self):
        # A limit on the size of files stands in for a full disk; SIGXFSZ is ignored as Python does.
        before = sorted(os.listdir(FOLDER))
        command = f'ulimit -f 64; exec "{EDGELM}" quantize "{MODEL}" "{self.path("model")}" Q8_0'
        result = subprocess.run(["bash", "-c", f"trap '' XFSZ; {command}"], capture_output=True,
                                text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 1, result)
        self.assertIn("cannot write", result.stderr)
        self.assertEqual(sorted(os.listdir(FOLDER)), before)


class Divergence(Case):
    def figures(self, *args, **kwargs):
        result = self.done("eval", "kld", *args, "--json", "--no-engine-cache", **kwargs)
        return json.loads(result.stdout)

    def test_saved_and_from_a_model(self):
        small, saved = self.path("small"), self.path("saved")
        self.done("quantize", MODEL, small, "Q4_0")
        result = self.done("eval", "kld", MODEL, "--save", saved, "-c", "64", "--no-engine-cache",
                           input=TEXT)
        self.assertRegex(result.stdout, r": \d+ windows of 64 tokens, perplexity [\d.]+\n$")
        same = self.figures(MODEL, "--base", saved)
        self.assertLess(same["kl_divergence"]["value"], 1e-4)
        self.assertEqual(same["top1_agreement"]["value"], 1)
        a = self.figures(small, "--base", saved)
        b = self.figures(small, "--base", MODEL, "-c", "64", input=TEXT)
        self.assertEqual(a["tokens_scored"], 31 * a["windows"])
        self.assertEqual(a["tokens_scored"], b["tokens_scored"])
        self.assertGreater(a["kl_divergence"]["value"], 10 * same["kl_divergence"]["value"])
        for name in ("kl_divergence", "perplexity", "base_perplexity"):
            self.assertAlmostEqual(a[name]["value"] / b[name]["value"], 1, 1)
        ratio = a["perplexity"]["value"] / a["base_perplexity"]["value"]
        self.assertAlmostEqual(math.log(ratio), a["ln_perplexity_ratio"]["value"], 9)
        part = self.figures(small, "--base", saved, "--chunks", "2")
        self.assertEqual(part["tokens_scored"], 62)
        percentiles = list(part["kl_divergence_percentiles"].values())
        self.assertEqual(percentiles, sorted(percentiles))
        self.assertLessEqual(percentiles[-1], part["kl_divergence_max"])

    def test_records(self):
        """What is trained of records is what is scored, and calibrates too."""
        records, small, calib = self.path("records.jsonl"), self.path("small"), self.path("calib")
        lines = [{"prompt": "the quick " * 5, "answer": "brown fox"}, {"text": "over the lazy dog"}]
        pathlib.Path(records).write_text("".join(json.dumps(line) + "\n" for line in lines) * 8)
        options = ["-f", records, "-c", "64", "--json", "--no-engine-cache"]
        perplexity = json.loads(self.done("eval", "perplexity", MODEL, *options).stdout)
        self.assertEqual(perplexity["windows"], 16)
        self.assertEqual(perplexity["convention"], "trained tokens of each record")
        self.assertLess(perplexity["tokens_scored"], 16 * 30)
        self.done("calibrate", MODEL, "-f", records, "-c", "64", "-o", calib)
        self.done("quantize", MODEL, small, "Q4_0", "--calib", calib)
        figures = self.figures(small, "--base", MODEL, "-f", records, "-c", "64")
        self.assertEqual(figures["tokens_scored"], perplexity["tokens_scored"])
        self.assertAlmostEqual(figures["base_perplexity"]["value"], perplexity["perplexity"], 4)
        self.assertIn("what is trained of 16 records",
                      self.done("eval", "kld", small, "--base", MODEL, "-f", records, "-c", "64",
                                "--no-engine-cache").stdout)
        cost = self.figures(MODEL, "--base", MODEL, "--base-kv-type", "f32", "--kv-type", "q8_0", "-f",
                            records, "-c", "64")["kl_divergence"]["value"]
        self.assertGreater(cost, 0)
        self.refused("cannot be saved", "eval", "kld", MODEL, "--save", self.path("x"), "-f", records)

    def test_type_of_the_cache(self):
        saved = self.path("saved")
        self.done("eval", "kld", MODEL, "--save", saved, "-c", "64", "--kv-type", "f32",
                  "--no-engine-cache", input=TEXT)
        cost = self.figures(MODEL, "--base", saved, "--kv-type", "q8_0")["kl_divergence"]["value"]
        self.assertGreater(cost, self.figures(MODEL, "--base", saved)["kl_divergence"]["value"])
        self.assertLess(cost, 0.01)

    def test_bad_input(self):
        saved = self.path("saved")
        self.refused("give either --base or --save", "eval", "kld", MODEL, code=2)
        self.refused("No such file", "eval", "kld", MODEL, "--base", "/no/such/file")
        self.refused("less than one window", "eval", "kld", MODEL, "--save", saved, input="short")
        good = struct.pack("<8s3I4i", b"_logits_", 4, 288, 1, 1, 2, 3, 4) + bytes(2 * 292)
        for sentence, data in (
            ("tokens of a vocabulary of 288 take", good[:-1]),
            ("tokens of a vocabulary of 288 take", good + b"x"),
            ("1 windows of 3 tokens", good[:8] + struct.pack("<I", 3) + good[12:]),
            ("but the file has", good[:16] + struct.pack("<I", 0xffffffff) + good[20:]),
            ("token 1 is -2", good[:24] + struct.pack("<i", -2) + good[28:]),
            ("only models of one vocabulary",
             struct.pack("<8s3I4i", b"_logits_", 4, 9, 1, 1, 2, 3, 4) + bytes(2 * 14)),
        ):
            pathlib.Path(saved).write_bytes(data)
            self.refused(sentence, "eval", "kld", MODEL, "--base", saved)
        pathlib.Path(saved).write_bytes(good)
        self.done("eval", "kld", MODEL, "--base", saved, "--no-engine-cache")


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL = str(FOLDER / "tiny.gguf")
        subprocess.run([maker, MODEL], check=True)
        unittest.main(verbosity=1)
