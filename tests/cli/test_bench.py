#!/usr/bin/env python3
"""Black-box tests of `edgelm bench` on a tiny model.

usage: test_bench.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import csv
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import unittest

EDGELM = MODEL = ""
FIELDS = (
    "build_commit build_number cpu_info gpu_info backends model_filename model_type model_size "
    "model_n_params n_batch n_ubatch n_threads cpu_mask cpu_strict poll type_k type_v n_gpu_layers "
    "n_cpu_moe split_mode main_gpu no_kv_offload flash_attn devices tensor_split "
    "tensor_buft_overrides load_mode embeddings no_op_offload no_host fit_target fit_min_ctx "
    "n_prompt n_gen n_depth test_time avg_ns stddev_ns avg_ts stddev_ts"
).split()


def bench(*args, model=True):
    command = [EDGELM, "bench", *([MODEL] if model else []), *args]
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, timeout=120, check=False,
    )


class Bench(unittest.TestCase):
    def good(self, *args, **kwargs):
        result = bench(*args, **kwargs)
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def cells(self, table):
        """The rows of a table as dictionaries, and what stands below it."""
        top, _, below = table.partition("\n\n")
        lines = [[c.strip() for c in line.split("|")[1:-1]] for line in top.splitlines()]
        for line in lines:
            self.assertEqual(len(line), len(lines[0]), table)
        return [dict(zip(lines[0], line)) for line in lines[2:]], below

    def test_the_table(self):
        rows, below = self.cells(self.good(
            "-p", "4-16*2", "-n", "3", "-pg", "5,2", "-d", "0,7", "-r", "2", "-t", "1"))
        self.assertEqual(
            [row["test"] for row in rows],
            [test + depth for depth in ("", " @ d7")
             for test in ("pp4", "pp8", "pp16", "tg3", "pp5+tg2")])
        self.assertEqual(list(rows[0]),
                         ["model", "size", "params", "backend", "threads", "test", "t/s"])
        for row in rows:
            self.assertEqual(row["backend"], "CPU")
            self.assertEqual(row["threads"], "1")
            self.assertEqual(row["params"], "0.10 M")
            self.assertRegex(row["t/s"], r"^\d+\.\d\d ± \d+\.\d\d$")
            self.assertGreater(float(row["t/s"].split()[0]), 0)
        self.assertRegex(below, r"^build: \w+ \(\d+\)\n$")

    def test_the_defaults(self):
        rows, _ = self.cells(self.good("-r", "1"))
        self.assertEqual([row["test"] for row in rows], ["pp512", "tg128"])

    def test_all_lists_combine(self):
        rows, _ = self.cells(self.good(
            "-m", MODEL, "-p", "8", "-n", "0", "-r", "1", "-b", "64,32", "-ub", "16", "-ub", "8",
            "-ctk", "f16,q8_0,f32", "-ctv", "f32,f16", "-t", "1-2", "--isa", "scalar,native",
            "--no-warmup"))
        self.assertEqual(len(rows), 2 * 2 * 2 * 2 * 2 * 2)
        settings = {(r["n_batch"], r["n_ubatch"], r["type_k"], r["type_v"], r["threads"], r["isa"])
                    for r in rows}
        self.assertEqual(len(settings), len(rows) // 2)  # the model was given twice
        self.assertTrue(all(r["type_k"] == r["type_v"] for r in rows))

    def test_csv_and_sql(self):
        args = ["-p", "8", "-n", "2", "-r", "2"]
        table = list(csv.DictReader(io.StringIO(self.good(*args, "-o", "csv"))))
        self.assertEqual(list(table[0]), FIELDS)
        self.assertEqual([(r["n_prompt"], r["n_gen"]) for r in table], [("8", "0"), ("0", "2")])
        database = sqlite3.connect(":memory:")
        self.addCleanup(database.close)
        database.executescript(self.good(*args, "-o", "sql"))
        database.row_factory = sqlite3.Row
        rows = database.execute("SELECT * FROM llama_bench ORDER BY n_gen").fetchall()
        self.assertEqual(rows[0].keys(), FIELDS)
        self.assertEqual([r["n_gen"] for r in rows], [0, 2])
        self.assertGreater(rows[0]["avg_ts"], 0)

    def test_json(self):
        rows = json.loads(self.good("-p", "8", "-n", "2", "-r", "3", "--json"))
        self.assertEqual(list(rows[0]), [*FIELDS, "samples_ns", "samples_ts"])
        for row in rows:
            self.assertEqual(len(row["samples_ns"]), 3)
            self.assertAlmostEqual(row["avg_ns"], sum(row["samples_ns"]) / 3, delta=1)
            tokens = row["n_prompt"] + row["n_gen"]
            for ns, rate in zip(row["samples_ns"], row["samples_ts"]):
                self.assertAlmostEqual(tokens * 1e9 / ns / rate, 1, places=6)
        lines = self.good("-p", "8", "-n", "2", "-r", "1", "-o", "jsonl").splitlines()
        self.assertEqual([json.loads(line)["n_gen"] for line in lines], [0, 2])

    def test_both_outputs(self):
        result = bench("-p", "8", "-n", "0", "-r", "1", "-o", "json", "-oe", "csv")
        self.assertEqual(json.loads(result.stdout)[0]["n_prompt"], 8)
        self.assertEqual(result.stderr.splitlines()[0], ",".join(FIELDS))

    def test_sequences(self):
        rows, _ = self.cells(self.good("-p", "8", "-n", "4", "--batch", "1-4*2", "-r", "1"))
        self.assertEqual([row["test"] for row in rows], ["pp8", "tg4", "tg4 x2", "tg4 x4"])
        for row, count in zip(rows, (1, 1, 2, 4)):
            total, each = float(row["t/s"].split()[0]), float(row["t/s each"])
            self.assertAlmostEqual(total / count, each, delta=0.01)

    def test_everything_measured(self):
        rows = json.loads(self.good(
            "-p", "16", "-n", "8", "-pg", "16,8", "-r", "2", "--latency", "--memory", "--energy",
            "--roofline", "--json"))
        self.assertEqual([r["step_n"] for r in rows], [0, 16, 16])
        self.assertEqual([r["ttft_n"] for r in rows], [2, 0, 2])
        self.assertIsNone(rows[0]["step_p50_ms"])
        self.assertIsNone(rows[1]["ttft_p50_ms"])
        for row in rows[1:]:
            self.assertLessEqual(row["step_p50_ms"], row["step_p95_ms"])
            self.assertLessEqual(row["step_p95_ms"], row["step_p99_ms"])
        for row in rows:
            self.assertIsNone(row["energy_joules"])
            self.assertIn("power sensors", row["energy_note"])
            self.assertGreater(row["peak_read_bytes_per_s"], 1e6)
            self.assertGreater(row["peak_f32_ops_per_s"], 1e6)
            # A model this small is mostly waiting between its products.
            self.assertGreater(row["roofline_share"], 0)
            self.assertLess(row["roofline_share"], 1.5)
            self.assertIn(row["roofline_limit"], ("read", "f32", "int8", "bf16"))
            if row["peak_memory_bytes"] is not None:
                self.assertGreater(row["peak_memory_bytes"], row["model_size"])

    def test_the_table_with_everything(self):
        rows, below = self.cells(self.good(
            "-p", "0", "-n", "8", "-r", "1", "--latency", "--memory", "--energy", "--roofline"))
        self.assertRegex(rows[0]["ms/token p50/p95/p99 (n)"], r"^[\d.]+/[\d.]+/[\d.]+ \(8\)$")
        self.assertEqual(rows[0]["TTFT ms p50/p95/p99 (n)"], "-")
        self.assertEqual(rows[0]["energy"], "unmeasured")
        self.assertRegex(rows[0]["of limit"], r"^[\d.]+ % \(\w+\)$")
        self.assertRegex(below, r"(?m)^energy: unmeasured: .+$")
        self.assertRegex(below, r"(?m)^peaks: \S+, threads \d+, read [\d.]+ GB/s, f32 ")

    def test_what_does_not_fit(self):
        result = bench("-p", "8", "-n", "0", "-d", "0,200000000,1", "-r", "1", "-ctk", "f32")
        self.assertEqual(result.returncode, 0, result.stderr)
        rows, _ = self.cells(result.stdout)
        self.assertEqual([r["test"] for r in rows], ["pp8", "pp8 @ d200000000", "pp8 @ d1"])
        self.assertEqual([r["t/s"] == "N/A" for r in rows], [False, True, False])
        self.assertRegex(result.stderr, r"^edgelm bench: out of memory: .+\n$")

    def test_nothing_fits(self):
        result = bench("-p", "8", "-n", "0", "-d", "200000000", "-r", "1", "-ctk", "f32", "--json")
        self.assertEqual(result.returncode, 1)
        row, = json.loads(result.stdout)
        self.assertIsNone(row["avg_ts"])
        self.assertIn("out of memory", row["error"])

    def test_gpt_session_benchmark(self):
        lengths = "8,4;16,1;200000000,8"
        for names in (("--batch-size", "--input-output-len"),
                      ("--batch_size", "--input_output_len")):
            result = bench(names[0], "1;3", names[1], lengths, "-r", "2", "-ctk", "f32")
            self.assertEqual(result.returncode, 0, result.stderr)
            lines = result.stdout.splitlines()
            found = [line for line in lines if line.startswith("[BENCHMARK]")]
            self.assertEqual(len(found), 6)
            self.assertEqual(len(lines), 10)
            for line in lines[0:8:2]:
                self.assertRegex(line, r"^Benchmarking done\. Iteration: 2, "
                                       r"duration: \d+\.\d\d sec\.$")
            self.assertRegex(
                found[1],
                r"^\[BENCHMARK\] batch_size 3 input_length 8 output_length 4 latency\(ms\) "
                r"[\d.]+ tokensPerSec [\d.]+ generation_time\(ms\) [\d.]+ "
                r"generationTokensPerSec [\d.]+ gpu_peak_mem\(gb\) 0\.00$")
            self.assertEqual(
                found[4], "[BENCHMARK] batch_size 1 input_length 200000000 output_length 8 "
                          "latency(ms) N/A tokensPerSec N/A")

    def test_ctrl_c_keeps_what_is_done(self):
        for form in ("md", "json"):
            program = subprocess.Popen(
                [EDGELM, "bench", MODEL, "-p", "8", "-n", "1000000", "-r", "1", "--progress",
                 "--no-warmup", "-t", "1", "-ctk", "q8_0", "-o", form],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            for line in program.stderr:
                if "test 2 of 2: repetition 1 of 1" in line:
                    break
            program.send_signal(signal.SIGINT)
            output, errors = program.communicate(timeout=30)
            self.assertEqual(program.returncode, 1, errors)
            self.assertIn("edgelm bench: interrupted: 1 of 2 tests were done\n", errors)
            if form == "json":
                self.assertEqual([r["n_prompt"] for r in json.loads(output)], [8])
            else:
                rows, below = self.cells(output)
                self.assertEqual([r["test"] for r in rows], ["pp8"])
                self.assertRegex(below, "^build: ")

    def test_a_full_disk(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([EDGELM, "bench", MODEL, "-p", "8", "-n", "8", "-r", "1"],
                                    stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write to standard output", result.stderr)

    def test_progress(self):
        result = bench("-p", "0", "-n", "4", "-d", "3", "-r", "2", "--progress")
        self.assertEqual(
            result.stderr.splitlines(),
            ["edgelm bench: test 1 of 1: " + stage for stage in
             ("filling the cache", "warm-up", "repetition 1 of 2", "repetition 2 of 2")])

    def test_no_model(self):
        result = bench(model=False)
        self.assertEqual(result.returncode, 2)
        self.assertIn("MODEL is missing", result.stderr)
        result = bench("-m", "/no/such/file.gguf", "-p", "8", "-n", "0", "-r", "1")
        self.assertEqual(result.returncode, 1)
        self.assertIn("No such file", result.stderr)
        rows, _ = self.cells(result.stdout)  # that of the model before it
        self.assertEqual(len(rows), 1)

    def test_usage(self):
        for args, sentence in (
            (("-p", "9-3"), "goes down"),
            (("-p", "x"), "not a list of whole numbers"),
            (("-pg", "5"), "not two whole numbers"),
            (("-b", "0"), "not within 1 to"),
            (("-t", "257"), "not within 1 to 256"),
            (("--batch", "0"), "not within 1 to 4096"),
            (("--batch-size", "1;4"), "use --batch"),
            (("-ctk", "q4_9"), "no type of cached keys"),
            (("-ctk", "f16", "-ctv", "q8_0"), "the same type"),
            (("--isa", "avx2,mmx"), "mmx"),
            (("-p", "0", "-n", "0"), "nothing to measure"),
            (("-p", "1-4000", "-n", "1-4000", "-t", "1-200"), "more than 100000 tests"),
            (("--input-output-len", "8,4", "-p", "8"), "--n-prompt"),
            (("--input-output-len", "8,4", "-o", "csv"), "--output"),
            (("--input-output-len", "8"), "not two whole numbers"),
            (("--input-output-len", "8,4", "--json"), "has no JSON"),
            (("-oe", "xml"), "not one of"),
        ):
            result = bench(*args)
            self.assertEqual(result.returncode, 2, (args, result.stderr))
            self.assertIn(sentence, result.stderr)
            self.assertEqual(result.stdout, "")


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = os.path.abspath(sys.argv.pop(1))
    with tempfile.TemporaryDirectory() as folder:
        MODEL = os.path.join(folder, "it's tiny.gguf")
        os.environ["EDGELM_CACHE"] = os.path.join(folder, "cache")
        subprocess.run([maker, MODEL], check=True)
        unittest.main(verbosity=1)
