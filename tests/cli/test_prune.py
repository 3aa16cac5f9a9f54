#!/usr/bin/env python3
"""Black-box tests of `edgelm prune`, with a model of letters that is trained here.

usage: test_prune.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

EDGELM = MODEL = TEXT = RANDOM = ""
FOLDER = pathlib.Path()
WORDS = "the quick brown fox jumps over the lazy dog and runs home through the wet grass. "
SHAPE = "width=48,layers=3,heads=8,kv_heads=2,head_dim=8,ffn=128,context=64"


def edgelm(*args):
    return subprocess.run([EDGELM, *args], capture_output=True, text=True, timeout=150, check=False)


class Case(unittest.TestCase):
    def path(self, name):
        return str(FOLDER / f"{self.id()}-{name}")

    def done(self, *args):
        result = edgelm(*args)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result

    def report(self, *args):
        return json.loads(self.done("prune", *args, "--json", "-q").stdout)

    def refused(self, sentence, *args, code=1):
        before = sorted(os.listdir(FOLDER))
        result = edgelm(*args)
        self.assertEqual(result.returncode, code, result)
        self.assertEqual(result.stdout, "")
        self.assertIn(sentence, result.stderr)
        self.assertEqual(sorted(os.listdir(FOLDER)), before)

    def divergence(self, path):
        result = self.done("eval", "kld", path, "--base", MODEL, "-f", TEXT, "-c", "64", "--json",
                           "--no-engine-cache")
        return json.loads(result.stdout)["kl_divergence"]["value"]

    def inspect(self, path):
        return json.loads(self.done("inspect", path, "--json", "--tensors").stdout)


class Prune(Case):
    def test_a_smaller_model(self):
        out = self.path("model")
        figures = self.report(MODEL, out, "--sparsity", "0.25", "-f", TEXT, "-c", "64")
        self.assertAlmostEqual(figures["sparsity"], 0.25, delta=0.03)
        self.assertLess(figures["sparsity_of_file"], figures["sparsity"])
        self.assertEqual(figures["score"], "flap")
        self.assertTrue(figures["reconstructed"])
        tensors = {t["name"]: t["shape"] for t in self.inspect(out)["tensors"]}
        for layer in figures["layers"]:
            neurons = layer["neurons"]
            self.assertEqual(neurons % 4, 0)
            self.assertEqual(tensors[f"blk.{layer['layer']}.ffn_down.weight"], [neurons, 48])
            self.assertEqual(tensors[f"blk.{layer['layer']}.attn_q.weight"], [48, 8 * layer["heads"]])
            self.assertLess(layer["ffn_error_left"], 0.95)
        weights = sum(a * (shape + [1])[1] for shape in tensors.values() for a in shape[:1])
        self.assertEqual(weights, figures["after"]["weights"])
        self.done("run", out, "-p", "the", "-n", "4", "--no-engine-cache")

    def test_text_and_scores_bring_back_what_is_lost(self):
        def lost(*options):
            path = self.path("model")
            self.done("prune", MODEL, path, "--sparsity", "0.4", *options)
            return self.divergence(path)

        text = ["-f", TEXT, "-c", "64"]
        whole = lost(*text)
        bare = lost(*text, "--no-reconstruct")
        self.assertLess(whole, 0.7 * bare)
        for score in ("magnitude", "wanda", "taylor"):
            self.assertLess(lost(*text, "--score", score), 1.3 * bare)

    def test_a_calibration_serves_instead(self):
        calib, plain = self.path("calib"), self.path("plain")
        self.done("calibrate", MODEL, "-f", TEXT, "-c", "64", "--hessian", "-o", calib)
        self.done("calibrate", MODEL, "-f", TEXT, "-c", "64", "-o", plain)
        a, b, c = self.path("a"), self.path("b"), self.path("c")
        self.done("prune", MODEL, a, "--sparsity", "0.3", "--calib", calib, "-t", "1")
        self.done("prune", MODEL, b, "--sparsity", "0.3", "-f", TEXT, "-c", "64", "-t", "3")
        self.assertEqual(pathlib.Path(a).read_bytes(), pathlib.Path(b).read_bytes())
        self.done("prune", MODEL, c, "--sparsity", "0.3", "-f", TEXT, "-c", "64", "--memory", "0")
        self.assertEqual(pathlib.Path(a).read_bytes(), pathlib.Path(c).read_bytes())
        self.refused("has no Hessians", "prune", MODEL, a, "--sparsity", "0.3", "--calib", plain)
        self.done("prune", MODEL, a, "--sparsity", "0.3", "--calib", plain, "--no-reconstruct")
        self.refused("not one of calibration", "prune", MODEL, self.path("x"), "--sparsity", "0.3",
                     "--calib", MODEL)

    def test_dry_run_says_what_would_be(self):
        out = self.path("model")
        options = [MODEL, out, "--sparsity", "0.3", "-f", TEXT, "-c", "64"]
        plan = self.report(*options, "--dry-run")
        self.assertFalse(os.path.exists(out))
        self.assertFalse(plan["written"])
        made = self.report(*options)
        self.assertEqual(plan["after"], made["after"])
        self.assertEqual([layer["neurons"] for layer in plan["layers"]],
                         [layer["neurons"] for layer in made["layers"]])
        table = self.done("prune", *options, "--dry-run").stdout
        self.assertRegex(table, r"(?m)^    0  \d")
        self.assertRegex(table, r"; not written\n$")

    def test_layers(self):
        out = self.path("model")
        figures = self.report(MODEL, out, "--layers", "1", "-f", TEXT, "-c", "64")
        self.assertEqual(len(figures["layers"]), 2)
        self.assertEqual(figures["layers"][0]["from"], 0)
        self.assertAlmostEqual(figures["sparsity"], 1 / 3, delta=0.01)
        self.assertEqual(self.inspect(out)["shape"]["block_count"], 2)
        table = self.done("prune", MODEL, out, "--layers", "1", "-f", TEXT, "-c", "64").stdout
        self.assertEqual(table.count("  gone\n"), 1)
        self.refused("layers cannot go", "prune", MODEL, self.path("x"), "--layers", "3", "-f", TEXT,
                     "-c", "64")

    def test_protected_layers(self):
        out, again = self.path("model"), self.path("again")
        figures = self.report(MODEL, out, "--sparsity", "0.2", "--protect-first", "1")
        self.assertEqual(figures["score"], "magnitude")
        self.assertEqual(figures["architecture"], "deci")
        self.assertEqual(figures["layers"][0]["neurons"], 128)
        self.assertLess(figures["layers"][1]["neurons"], 128)
        self.assertEqual(self.inspect(out)["architecture"], "deci")
        self.done("run", out, "-p", "the", "-n", "4", "--no-engine-cache")
        # What is pruned already can be pruned, quantised and trained again.
        self.done("prune", out, again, "--sparsity", "0.1")
        self.done("quantize", again, self.path("q8"), "Q8_0")
        self.done("distill", MODEL, again, "-f", TEXT, "-o", self.path("taught"), "--steps", "2",
                  "--batch", "64", "-c", "32", "-q")

    def test_types(self):
        small, out = self.path("q8"), self.path("model")
        self.done("quantize", RANDOM, small, "Q8_0")
        for options, expected in (([], "F16"), (["--type", "f32"], "F32"), (["--type", "bf16"], "BF16")):
            self.done("prune", small, out, "--sparsity", "0.2", *options)
            types = {t["name"]: t["type"] for t in self.inspect(out)["tensors"]}
            self.assertEqual(types["blk.0.ffn_up.weight"], expected)
            self.assertEqual(types["blk.0.ffn_norm.weight"], "F32")
        self.done("prune", RANDOM, out, "--sparsity", "0.2")
        self.assertEqual(self.inspect(out)["tensors"][0]["type"], "F32")

    def test_recovery(self):
        """Pruned by half, then taught by the model before."""
        small, taught = self.path("small"), self.path("taught")
        self.done("prune", MODEL, small, "--sparsity", "0.5", "-f", TEXT, "-c", "64")
        before = self.divergence(small)
        self.done("distill", MODEL, small, "-f", TEXT, "-o", taught, "--steps", "30", "--batch", "512",
                  "--rows", "512", "--rate", "3e-3", "--warmup", "3", "-t", "2", "-q")
        self.assertLess(self.divergence(taught), 0.5 * before)

    def test_usage(self):
        out = self.path("x")
        for sentence, *options in (
            ("give --sparsity", ),
            ("give either --file or --calib", "--sparsity", "0.2", "-f", TEXT, "--calib", "x"),
            ("need --file", "--sparsity", "0.2", "--score", "taylor"),
            ("need --file", "--layers", "1"),
            ("needs --file or --calib", "--sparsity", "0.2", "--score", "flap"),
            ("--sparsity", "--sparsity", "1"),
            ("--sparsity", "--sparsity", "-0.1"),
        ):
            self.refused(sentence, "prune", MODEL, out, *options, code=2)

    def test_bad_input(self):
        out = self.path("x")
        self.refused("No such file", "prune", "/no/such/model", out, "--sparsity", "0.2")
        self.refused("/no/such/folder", "prune", MODEL, "/no/such/folder/x", "--sparsity", "0.2")
        self.refused("No such file", "prune", MODEL, out, "--sparsity", "0.2", "-f", "/no/such/text")
        self.refused("less than one window", "prune", MODEL, out, "--sparsity", "0.2", "-f", "/dev/null")
        self.refused("0.97 cannot be reached", "prune", MODEL, out, "--sparsity", "0.97")
        self.refused("3 of 3 layers are protected", "prune", MODEL, out, "--sparsity", "0.2",
                     "--protect-first", "2", "--protect-last", "2")

    def test_damaged_weights(self):
        """A NaN in whatever tensor is named, and nothing is left behind."""
        damaged = self.path("damaged")
        data = bytearray(pathlib.Path(MODEL).read_bytes())
        for tensor in self.inspect(MODEL)["tensors"]:
            if tensor["name"] == "blk.1.attn_k.weight":
                data[tensor["offset"]:tensor["offset"] + 4] = struct.pack("<f", float("nan"))
        pathlib.Path(damaged).write_bytes(data)
        self.refused("tensor blk.1.attn_k.weight: weight 0 of row 0", "prune", damaged,
                     self.path("x"), "--sparsity", "0.2")
        self.refused("tensor blk.1.attn_k.weight: weight 0 of row 0", "prune", damaged, self.path("x"), "--sparsity", "0.2",
                     "-f", TEXT, "-c", "64", "-q")

    def test_full_disk(self):
        # A limit on the size of files stands in for a full disk; SIGXFSZ is ignored as Python does.
        before = sorted(os.listdir(FOLDER))
        command = f'ulimit -f 64; exec "{EDGELM}" prune "{MODEL}" "{self.path("x")}" --sparsity 0.2'
        result = subprocess.run(["bash", "-c", f"trap '' XFSZ; {command}"], capture_output=True,
                                text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, 1, result)
        self.assertIn("cannot write", result.stderr)
        self.assertEqual(sorted(os.listdir(FOLDER)), before)


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL, TEXT, RANDOM = (str(FOLDER / name) for name in ("model.gguf", "text", "random.gguf"))
        pathlib.Path(TEXT).write_text(WORDS * 80)
        subprocess.run([maker, RANDOM], check=True)
        subprocess.run([EDGELM, "train", "--tokenizer", RANDOM, "--shape", SHAPE, "-f", TEXT, "-o",
                        MODEL, "--type", "f32", "--steps", "60", "--batch", "512", "--rows", "512",
                        "--rate", "1e-2", "--warmup", "5", "-t", "2", "-q"],
                       check=True, stdout=subprocess.DEVNULL)
        unittest.main(verbosity=1)
