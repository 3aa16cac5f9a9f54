#!/usr/bin/env python3
"""Black-box tests of `edgelm eval`, with a model of random weights.

usage: test_eval.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
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
VOCABULARY = 288
TOKENS = [1] + [(i * 31 + 5) % VOCABULARY for i in range(40)]


def evaluate(*args, **kwargs):
    return subprocess.run(
        [EDGELM, "eval", *args, "--no-engine-cache"],
        capture_output=True, text=True, timeout=60, check=False, **kwargs,
    )


def token_file(tokens, vocabulary=VOCABULARY):
    path = FOLDER / "tokens.bin"
    path.write_bytes(struct.pack(f"<II{len(tokens)}i", len(tokens), vocabulary, *tokens))
    return str(path)


def read_logits(path):
    data = pathlib.Path(path).read_bytes()
    rows, vocabulary = struct.unpack_from("<II", data)
    tokens = struct.unpack_from(f"<{rows}i", data, 8)
    values = struct.unpack_from(f"<{rows * vocabulary}f", data, 8 + 4 * rows)
    assert len(data) == 8 + 4 * rows + 4 * rows * vocabulary
    return tokens, [values[i * vocabulary:(i + 1) * vocabulary] for i in range(rows)]


class Logits(unittest.TestCase):
    def setUp(self):
        self.output = str(FOLDER / f"{self.id()}.bin")

    def test_written_and_compared(self):
        tokens = token_file(TOKENS)
        result = evaluate("logits", MODEL, tokens, "-o", self.output)
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "", ""))
        kept, rows = read_logits(self.output)
        self.assertEqual(list(kept), TOKENS)
        self.assertTrue(all(math.isfinite(x) for row in rows for x in row))
        for options in ([], ["--sequential"], ["--batch", "7"]):
            # A file with logits serves as well as one with tokens.
            result = evaluate("logits", MODEL, self.output, "--compare", self.output, "--json", *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            figures = json.loads(result.stdout)
            self.assertEqual((figures["tokens"], figures["top1_agreeing"]), (41, 41))
            self.assertLess(figures["nmse"], 1e-6)
            self.assertLess(figures["kl_divergence"], 1e-6)
            self.assertGreaterEqual(figures["kl_divergence_max"], figures["kl_divergence"])
        text = evaluate("logits", MODEL, tokens, "--compare", self.output).stdout
        for name in ("NMSE", "KL divergence", "top-1 agreement 41 of 41 tokens"):
            self.assertIn(name, text)

    def test_figures_are_those_of_the_definitions(self):
        evaluate("logits", MODEL, token_file(TOKENS[:3]), "-o", self.output)
        tokens, rows = read_logits(self.output)
        other = FOLDER / "other.bin"
        changed = [[x + 0.1 * math.sin(i * j) for j, x in enumerate(row)] for i, row in enumerate(rows)]
        other.write_bytes(struct.pack("<II3i", 3, VOCABULARY, *tokens) +
                          b"".join(struct.pack(f"<{VOCABULARY}f", *row) for row in changed))
        _, changed = read_logits(other)
        figures = json.loads(
            evaluate("logits", MODEL, self.output, "--compare", str(other), "--json").stdout)
        error = sum((x - y) ** 2 for a, b in zip(changed, rows) for x, y in zip(a, b))
        self.assertAlmostEqual(figures["nmse"] / (error / sum(x * x for a in changed for x in a)), 1, 6)

        def log_softmax(row):
            z = math.log(sum(math.exp(x) for x in row))
            return [x - z for x in row]

        divergence = 0
        for a, b in zip(changed, rows):
            divergence += sum(math.exp(x) * (x - y) for x, y in zip(log_softmax(a), log_softmax(b))) / 3
        self.assertAlmostEqual(figures["kl_divergence"] / divergence, 1, 6)

    def test_nan_is_null(self):
        evaluate("logits", MODEL, token_file([1, 2]), "-o", self.output)
        data = bytearray(pathlib.Path(self.output).read_bytes())
        data[16:20] = struct.pack("<f", math.nan)
        pathlib.Path(self.output).write_bytes(data)
        result = evaluate("logits", MODEL, self.output, "--compare", self.output, "--json")
        self.assertEqual(result.returncode, 0)
        self.assertIsNone(json.loads(result.stdout)["nmse"])

    def test_wrong_files(self):
        def refused(sentence, *args):
            result = evaluate("logits", MODEL, *args)
            self.assertEqual(result.returncode, 1, result)
            self.assertRegex(result.stderr, r"^edgelm eval logits: .+\n$")
            self.assertIn(sentence, result.stderr)

        refused("No such file", "/no/such/file", "-o", self.output)
        refused("for a vocabulary of 300", token_file([1, 2], 300), "-o", self.output)
        refused("token 1 is 288", token_file([1, 288]), "-o", self.output)
        refused("token 0 is -1", token_file([-1]), "-o", self.output)
        good = token_file([1, 2])
        refused("/no/such/folder", good, "-o", "/no/such/folder/x")
        refused("does not hold logits of the same tokens", good, "--compare", good)
        self.assertFalse(os.path.exists(self.output))
        evaluate("logits", MODEL, good, "-o", self.output)
        refused("does not hold logits of the same tokens", token_file([1, 3]), "--compare", self.output)
        result = evaluate("logits", MODEL, good)
        self.assertEqual(result.returncode, 2)
        self.assertIn("give --output, --compare or both", result.stderr)


class Perplexity(unittest.TestCase):
    text = "the quick brown fox jumps over the lazy dog. " * 40

    def test_figures_and_convention(self):
        result = evaluate("perplexity", MODEL, "-c", "64", "--json", input=self.text)
        self.assertEqual(result.returncode, 0, result.stderr)
        figures = json.loads(result.stdout)
        self.assertEqual(figures["window"], 64)
        self.assertEqual(figures["tokens_scored"], 31 * figures["windows"])
        self.assertEqual(figures["windows"], figures["windows_wanted"])
        self.assertTrue(figures["bos"])
        self.assertGreater(figures["perplexity"], 1)
        self.assertGreater(figures["standard_error"], 0)
        text = evaluate("perplexity", MODEL, "-c", "64", input=self.text).stdout
        self.assertRegex(text, r"^perplexity [\d.]+ \+/- [\d.]+ \(standard error\)\n")
        self.assertIn("the second half of", text)
        self.assertIn("the first token of each replaced by BOS", text)

    def test_less_of_the_text(self):
        def windows(*options):
            result = evaluate("perplexity", MODEL, "-c", "64", "--json", *options, input=self.text)
            return json.loads(result.stdout)["windows"]

        self.assertEqual(windows("--chunks", "2"), 2)
        self.assertLess(windows("--bytes", "400"), windows())

    def test_too_little_text(self):
        result = evaluate("perplexity", MODEL, "-c", "64", input="short")
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("less than one window of 64", result.stderr)
        self.assertEqual(evaluate("perplexity", MODEL, "-f", "/no/such/file").returncode, 1)

    def test_ctrl_c_prints_what_is_done(self):
        long = FOLDER / "long.txt"
        long.write_text(self.text * 2000)
        program = subprocess.Popen(
            [EDGELM, "eval", "perplexity", MODEL, "-f", str(long), "-c", "64", "--json", "-t", "1",
             "--no-engine-cache"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        # Tokenising comes first; a signal in the first window would rightly be a failure.
        try:
            program.wait(4)
        except subprocess.TimeoutExpired:
            program.send_signal(signal.SIGINT)
        output, errors = program.communicate(timeout=60)
        self.assertEqual(program.returncode, 0, errors)
        figures = json.loads(output)
        self.assertGreater(figures["windows"], 0)
        self.assertLess(figures["windows"], figures["windows_wanted"])


class Tasks(unittest.TestCase):
    def file(self, *lines):
        path = FOLDER / f"{self.id()}.jsonl"
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return str(path)

    def test_figures(self):
        prompts = [f"number {i} the" for i in range(12)]
        # What the model says is taken as expected for two thirds of them.
        answers = str(FOLDER / "answers.jsonl")
        tasks = self.file(*({"prompt": p, "domain": "in"} for p in prompts))
        result = evaluate("tasks", MODEL, "-f", tasks, "-n", "5", "-o", answers)
        self.assertEqual(result.returncode, 0, result.stderr)
        said = [json.loads(line) for line in pathlib.Path(answers).read_text().splitlines()]
        self.assertEqual([line["line"] for line in said], list(range(1, 13)))
        self.assertTrue(all(0 < line["confidence"] <= 1 for line in said))
        tasks = self.file(*(
            {"prompt": p, "expected": a["answer"] if i % 3 else "no such answer", "match": "exact",
             "category": "even" if i % 2 == 0 else "odd", "domain": "in" if i < 5 else "out"}
            for i, (p, a) in enumerate(zip(prompts, said))))
        for parallel in ("1", "8"):
            result = evaluate("tasks", MODEL, "-f", tasks, "-n", "5", "-j", parallel, "--json")
            figures = json.loads(result.stdout)
            self.assertEqual((figures["all"]["tasks"], figures["all"]["right"]), (12, 8))
            self.assertEqual(list(figures["categories"]), ["even", "odd"])
            self.assertEqual(figures["categories"]["even"]["tasks"], 6)
            self.assertAlmostEqual(figures["all"]["accuracy"], 8 / 12)
            low, high = figures["all"]["interval"]
            self.assertTrue(0.38 < low < 0.4 and 0.85 < high < 0.87, (low, high))
            confidence = [line["confidence"] for line in said]
            won = [(a > b) + (a == b) / 2 for a in confidence[:5] for b in confidence[5:]]
            self.assertAlmostEqual(figures["auroc"]["value"], sum(won) / len(won))
        text = evaluate("tasks", MODEL, "-f", tasks, "-n", "5").stdout
        self.assertRegex(text, r"(?m)^even +6 ")
        self.assertRegex(text, r"(?m)^all +12 +8 +66.67 %")
        self.assertIn("AUROC", text)
        result = evaluate("tasks", MODEL, "-f", tasks, "-n", "5", "--limit", "2", "--json")
        self.assertEqual(json.loads(result.stdout)["all"]["tasks"], 4)

    def test_conversations(self):
        task = {"messages": [{"role": "user", "content": "hi"}], "expected": "x", "match": "contains"}
        result = evaluate("tasks", MODEL, "-n", "3", "--json", input=json.dumps(task))
        self.assertEqual(result.returncode, 0, result.stderr)
        figures = json.loads(result.stdout)
        self.assertEqual(figures["all"]["tasks"], 1)
        self.assertIsNone(figures["auroc"])

    def test_wrong_files(self):
        good = {"prompt": "a", "expected": "b"}
        for lines, sentence in (
            ((good, "{"), "line 2: invalid JSON"),
            ((good, "", {"prompt": "a"}), 'line 3: there is no "expected"'),
            (({"prompt": "a", "expected": "(", "match": "regex"},), "not a regular expression"),
            (({"prompt": "a b " * 400, "expected": "b"},), "line 1: the prompt has"),
            ((), "no tasks"),
        ):
            with self.subTest(sentence=sentence):
                result = evaluate("tasks", MODEL, "-f", self.file(*lines), "-n", "3")
                self.assertEqual((result.returncode, result.stdout), (1, ""))
                self.assertIn(sentence, result.stderr)
                self.assertEqual(result.stderr.count("\n"), 1)
        self.assertEqual(evaluate("tasks", MODEL, "-f", "/no/such/file").returncode, 1)
        result = evaluate("tasks", MODEL, "-f", self.file(good), "-o", "/no/such/folder/x", "-n", "3")
        self.assertEqual((result.returncode, result.stdout), (1, ""))


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL = str(FOLDER / "tiny.gguf")
        subprocess.run([maker, MODEL], check=True)
        unittest.main(verbosity=1)
