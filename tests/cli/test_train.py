#!/usr/bin/env python3
"""Black-box tests of `edgelm train`, with a vocabulary of letters.

usage: test_train.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
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
import time
import unittest

EDGELM = TOKENIZER = ""
FOLDER = pathlib.Path()
SHAPE = "width=32,layers=2,heads=4,kv_heads=2,ffn=64,context=64"
TEXT = "the quick brown fox jumps over the lazy dog and runs home to the den. " * 60
SMALL = ["--batch", "256", "--rows", "128", "--warmup", "5", "--rate", "1e-2", "-t", "2"]


def edgelm(*args, **kwargs):
    return subprocess.run([EDGELM, *args], capture_output=True, text=True, timeout=120, check=False,
                          **kwargs)


def train(output, *args, shape=SHAPE):
    return edgelm("train", "--tokenizer", TOKENIZER, "--shape", shape, "-o", str(output), *SMALL, *args)


def path(name, text=None):
    result = FOLDER / name
    if text is not None:
        result.write_text(text)
    return str(result)


def lines(name):
    return [json.loads(line) for line in pathlib.Path(name).read_text().splitlines()]


def losses(name):
    return [(line["step"], line["loss"]) for line in lines(name) if "loss" in line]


class Training(unittest.TestCase):
    def test_learns_and_can_be_used(self):
        text, held = path("text.txt", TEXT), path("held.txt", "the lazy fox runs home. " * 20)
        model, log = path("learned.gguf"), path("learned.log")
        result = train(model, "-f", text, "--valid", held, "--steps", "60", "--valid-every", "20",
                       "--log", log, "--json")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        figures = json.loads(result.stdout)
        self.assertEqual((figures["steps"], figures["model"]), (60, model))
        self.assertLess(figures["valid_loss"], 2)
        self.assertAlmostEqual(figures["valid_perplexity"], math.exp(figures["valid_loss"]), 6)
        curve = losses(log)
        self.assertEqual([step for step, _ in curve], list(range(1, 61)))
        self.assertGreater(curve[0][1], 4)
        self.assertLess(curve[-1][1], 0.5)
        self.assertEqual([line["step"] for line in lines(log) if "valid_loss" in line], [20, 40, 60])
        self.assertFalse(os.path.exists(model + ".checkpoint"))
        # The text comes out again.
        answer = edgelm("run", model, "-p", "the quick brown", "-n", "30", "--temp", "0",
                        "--no-engine-cache")
        self.assertEqual(answer.returncode, 0, answer.stderr)
        self.assertIn("fox jumps over the", answer.stdout)

    def test_products_of_bfloat16_learn_as_well(self):
        text, log = path("text.txt", TEXT), path("rounded.log")
        result = train(path("rounded.gguf"), "-f", text, "--steps", "60", "--log", log, "--bf16")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertLess(losses(log)[-1][1], 0.5)

    def test_every_family_gives_the_loss_of_its_file(self):
        text, held = path("family.txt", TEXT), path("family-held.txt", "the dog jumps over the fox")
        for arch in ("llama", "qwen2", "qwen3"):
            for tied in ("0", "1"):
                model = path(f"{arch}-{tied}.gguf")
                result = train(model, "-f", text, "--valid", held, "--steps", "8", "--type", "f32",
                               "--json", shape=f"arch={arch},tied={tied},{SHAPE}")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertAlmostEqual(json.loads(result.stdout)["valid_loss"] /
                                       self.loss_of(model, held), 1, 5)

    def loss_of(self, model, text):
        """The mean loss of a text with BOS and EOS, by the engine that runs models."""
        tokens = json.loads(edgelm("tokenize", model, "-f", text, "--json").stdout)
        tokens = [t["id"] if isinstance(t, dict) else t for t in tokens.get("tokens", tokens)] + [2]
        given = FOLDER / "tokens.bin"
        given.write_bytes(struct.pack(f"<II{len(tokens)}i", len(tokens), 288, *tokens))
        result = edgelm("eval", "logits", model, str(given), "-o", path("logits.bin"), "--kv-type", "f32",
                        "--no-engine-cache")
        self.assertEqual(result.returncode, 0, result.stderr)
        data = (FOLDER / "logits.bin").read_bytes()
        rows = struct.unpack_from(f"<{288 * len(tokens)}f", data, 8 + 4 * len(tokens))
        loss = 0
        for i, token in enumerate(tokens[1:]):
            row = rows[288 * i:288 * (i + 1)]
            loss += math.log(sum(math.exp(x) for x in row)) - row[token]
        return loss / (len(tokens) - 1)

    def test_goes_on_from_a_model(self):
        text = path("more.txt", TEXT)
        first, second = path("first.gguf"), path("second.gguf")
        self.assertEqual(train(first, "-f", text, "--steps", "40", "--type", "f32").returncode, 0)
        log = path("second.log")
        result = edgelm("train", "--init", first, "-f", text, "-o", second, "--steps", "3", "--log", log,
                        *SMALL)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertLess(losses(log)[0][1], 1.5)


class Resuming(unittest.TestCase):
    def command(self, name, *args):
        return ["train", "--tokenizer", TOKENIZER, "--shape", SHAPE, "-o", path(name + ".gguf"), "--log",
                path(name + ".log"), "-f", path("resume.txt", TEXT * 3), *SMALL, *args]

    def test_ctrl_c_changes_nothing(self):
        steps = ["--steps", "150"]
        self.assertEqual(edgelm(*self.command("whole", *steps)).returncode, 0)
        program = subprocess.Popen([EDGELM, *self.command("parts", *steps, "--resume")],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        log = FOLDER / "parts.log"
        for _ in range(2000):
            if log.exists() and log.read_text().count("\n") >= 20:
                break
            time.sleep(0.01)
        program.send_signal(signal.SIGINT)
        _, errors = program.communicate(timeout=60)
        if program.returncode:  # else it was faster than we are
            self.assertIn("--resume goes on from", errors)
            self.assertTrue(os.path.exists(path("parts.gguf.checkpoint")))
            # Another number of threads changes nothing either.
            result = edgelm(*self.command("parts", *steps, "--resume", "-t", "1"))
            self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(losses(path("whole.log")), losses(path("parts.log")))
        self.assertEqual((FOLDER / "whole.gguf").read_bytes(), (FOLDER / "parts.gguf").read_bytes())

    def test_wrong_checkpoints(self):
        saved = path("saved.checkpoint")
        keep = ["--checkpoint", saved, "--steps", "6"]
        self.assertEqual(edgelm(*self.command("saved", *keep, "--save-every", "4")).returncode, 0)
        good = pathlib.Path(saved).read_bytes()

        def refused(sentence, *args):
            result = edgelm(*self.command("saved", *keep, "--resume", *args))
            self.assertEqual(result.returncode, 1, result)
            self.assertIn(sentence, result.stderr)

        refused("other settings: seed 1, now seed 2", "--seed", "2")
        refused("other settings: rate 0.01 to 0.0001, now rate 0.02", "--rate", "0.02")
        refused("other settings: text", "-f", path("resume.txt"))
        for at in (len(good) // 2, len(good) - 5):
            pathlib.Path(saved).write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1:])
            refused("damaged")
        pathlib.Path(saved).write_bytes(good[:len(good) // 2])
        refused("saved.checkpoint")
        pathlib.Path(saved).write_bytes(pathlib.Path(TOKENIZER).read_bytes())
        refused("is no checkpoint")
        pathlib.Path(saved).write_bytes(good)
        self.assertEqual(edgelm(*self.command("saved", *keep, "--resume")).returncode, 0)
        self.assertEqual([step for step, _ in losses(path("saved.log"))], [1, 2, 3, 4, 5, 6, 5, 6])
        curve = losses(path("saved.log"))
        self.assertEqual(curve[4:6], curve[6:8])


class Records(unittest.TestCase):
    def test_only_answers_are_trained(self):
        records = [{"prompt": f"say {word}: ", "answer": word} for word in ("fox", "dog", "den")]
        text = path("answers.jsonl", "\n".join(json.dumps(r) for r in records) + "\n\n")
        log = path("answers.log")
        result = train(path("answers.gguf"), "-f", text, "--steps", "2", "--log", log)
        self.assertEqual(result.returncode, 0, result.stderr)
        # Three letters each and EOS.
        tokens = [line["tokens"] for line in lines(log)]
        targets = [line["targets"] for line in lines(log)]
        self.assertTrue(all(0.2 < b / a < 0.5 for a, b in zip(tokens, targets)), (tokens, targets))
        parts = [{"segments": [{"text": "say fox: "}, {"text": "fox", "train": True}]}]
        text = path("parts.jsonl", json.dumps(parts[0]))
        result = train(path("parts.gguf"), "-f", text, "--steps", "1", "--log", log)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_wrong_records(self):
        cases = {
            '{"prompt": "x"}': "line 2: a record has",
            '{"text": 5}': 'line 2: "text" is not a string but integer',
            '{"text": "x", "segments": []}': "line 2: a record has",
            '{"segments": [5]}': "line 2: segment 0 is not an object but integer",
            '{"segments": [{"train": true}]}': 'line 2: segment 0 has no "text"',
            '{"segments": [{"text": "a", "train": 1}]}': "train",
            "[1]": "line 2: a record is an object, not array",
            '{"text": "x"': "line 2: record: invalid JSON",
        }
        for record, sentence in cases.items():
            text = path("wrong.jsonl", '{"text": "fine"}\n' + record + "\n")
            result = train(path("wrong.gguf"), "-f", text, "--steps", "1")
            self.assertEqual(result.returncode, 1, record)
            self.assertIn(sentence, result.stderr)
        result = train(path("wrong.gguf"), "-f", path("empty.jsonl", ""), "--steps", "1")
        self.assertIn("nothing to train on", result.stderr)
        self.assertFalse(os.path.exists(path("wrong.gguf")))


class Usage(unittest.TestCase):
    def test_shapes(self):
        text = path("shape.txt", TEXT)
        shape = path("shape.json", json.dumps({"arch": "qwen3", "width": 32, "heads": 2, "layers": 1,
                                               "context": 32, "tied": False, "rope_base": 50000.0}))
        model = path("shaped.gguf")
        result = train(model, "-f", text, "--steps", "1", shape=shape)
        self.assertEqual(result.returncode, 0, result.stderr)
        info = json.loads(edgelm("inspect", model, "--json").stdout)
        self.assertEqual((info["architecture"], info["tensor_count"]), ("qwen3", 14))
        self.assertEqual(info["shape"]["attention.key_length"], 16)
        for shape, sentence in {
            "width=0": "width is \"0\"; it must be",
            "depth=3": 'there is no key "depth"; there are: arch',
            "width": "No such file",
            "width=": 'width is ""',
            "arch=gpt9,width=8": 'no architecture "gpt9"',
            "arch=gemma2": "training the architecture gemma2 is not supported",
            "heads=64,width=64": "heads of 1 elements",
            "heads=4,kv_heads=3,width=64": "cannot share 3 kv_heads",
            "vocabulary=5": "less than the 288 tokens",
        }.items():
            result = train(model, "-f", text, "--steps", "1", shape=shape)
            self.assertEqual(result.returncode, 1, shape)
            self.assertIn(sentence, result.stderr)

    def test_sources(self):
        self.assertEqual(edgelm("train", "-f", "x", "-o", "y").returncode, 2)
        result = edgelm("train", "--init", TOKENIZER, "--tokenizer", TOKENIZER, "-f", "x", "-o", "y")
        self.assertEqual(result.returncode, 2)
        result = train(path("none.gguf"), "-f", "/no/such/text")
        self.assertEqual(result.returncode, 1)
        self.assertIn("/no/such/text", result.stderr)
        result = train("/no/such/folder/x.gguf", "-f", path("t.txt", TEXT), "--steps", "1")
        self.assertEqual(result.returncode, 1)

    def test_a_rate_that_runs_away(self):
        result = train(path("wild.gguf"), "-f", path("wild.txt", TEXT), "--steps", "200", "--rate", "10",
                       "--clip", "0", "--decay", "10", "--warmup", "0")
        self.assertEqual(result.returncode, 1)
        self.assertIn("lower learning rate", result.stderr)
        self.assertFalse(os.path.exists(path("wild.gguf")))


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        TOKENIZER = str(FOLDER / "vocabulary.gguf")
        subprocess.run([maker, TOKENIZER], check=True)
        unittest.main(verbosity=1)
