#!/usr/bin/env python3
"""edgelm study: runs, resuming, comparing, and that the documents say what is in the files.

Usage: test_study.py EDGELM MAKE_TINY_MODEL
"""

import csv
import json
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest

EDGELM, MAKE_MODEL = sys.argv[1:3]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


CATEGORIES = ("complex", "contextual", "conversational", "simple", "task-oriented")
LIMITS = {"complex": 70, "contextual": 50, "conversational": 40, "simple": 30, "task-oriented": 100}
# A second of idling is enough here.
QUICK = ("--idle", "0.1", "--repeats", "2", "--limit", "2", "--threads", "1")


def edgelm(*arguments, **options):
    return subprocess.run([EDGELM, *map(str, arguments)], capture_output=True, text=True, timeout=120, **options)


class Study(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory()
        self.addCleanup(self.temporary.cleanup)
        self.folder = pathlib.Path(self.temporary.name)

    def fails(self, code, part, *arguments):
        result = edgelm("study", *arguments)
        self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
        self.assertIn(part, result.stderr)


    def rows(self, name, sql, *values):
        database = sqlite3.connect(f"file:{self.folder / name / 'study.db'}?mode=ro", uri=True)
        database.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in database.execute(sql, values)]
        finally:
            database.close()

    def trials(self, name, kind):
        return self.rows(name, "SELECT t.*, q.category, q.idx, q.text AS query FROM trial t "
                         "JOIN experiment e ON e.id = t.experiment_id LEFT JOIN query q ON q.id = t.query_id "
                         "WHERE e.kind = ? ORDER BY t.position, t.stream", kind)

    def run_study(self, name, *arguments, model=None, code=0):
        result = edgelm("study", "run", *([model or self.model] if model != "" else []), "--out",
                        self.folder / name, *arguments)
        self.assertEqual(result.returncode, code, result.stderr)
        return result


class Run(Study):
    """Everything that one study of a tiny model says; the study is made once."""

    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.kept.name)
        os.environ["EDGELM_CACHE"] = str(cls.folder / "cache")
        cls.model = cls.folder / "tiny.gguf"
        subprocess.run([MAKE_MODEL, cls.model, "2048"], check=True)
        cls.result = edgelm("study", "run", cls.model, "--out", cls.folder / "all", *QUICK, "--json")

    @classmethod
    def tearDownClass(cls):
        cls.kept.cleanup()

    def setUp(self):
        self.assertEqual(self.result.returncode, 0, self.result.stderr)

    def test_the_summary(self):
        summary = json.loads(self.result.stdout)
        trials = self.rows("all", "SELECT count(*) AS n FROM trial")[0]["n"]
        self.assertTrue(summary["complete"])
        self.assertEqual((summary["planned"], summary["done"], summary["done_before"]), (trials, trials, 0))
        self.assertEqual((summary["rejected"], summary["truncated"], summary["failed"]), (0, 0, 0))

    def test_nothing_disagrees(self):
        """Wall time against the sum of tokens, resident memory against smaps: see check.c."""
        self.assertEqual(self.rows("all", "SELECT * FROM event WHERE kind = 'warning' AND text NOT LIKE '%page cache%'"), [])
        for row in self.rows("all", "SELECT * FROM trial WHERE status = 'ok' AND max_tokens > 0"):
            tokens = [t["at_ns"] for t in self.rows("all", "SELECT at_ns FROM token WHERE trial_id = ? ORDER BY idx", row["id"])]
            self.assertEqual(len(tokens), row["output_tokens"])
            self.assertEqual(tokens, sorted(tokens))
            self.assertEqual(tokens[-1], row["total_ns"])
            self.assertTrue(0 < row["tokenize_ns"] <= row["ttft_ns"] <= row["total_ns"] <= row["wall_ns"], row)
            self.assertLessEqual(row["prompt_ns"], row["ttft_ns"])
            self.assertEqual(row["reused_tokens"], 0)
            self.assertLess(0, row["process_cpu_ns"])
            self.assertLess(1 << 20, row["peak_rss_bytes"])

    def test_the_workload(self):
        rows = self.trials("all", "workload")
        self.assertEqual([r["category"] for r in rows if r["warmup"]], list(CATEGORIES))
        measured = [r for r in rows if not r["warmup"]]
        self.assertEqual(sorted((r["category"], r["idx"]) for r in measured),
                         sorted((c, i) for c in CATEGORIES for i in (0, 50)))
        self.assertNotEqual([r["category"] for r in measured], sorted(r["category"] for r in measured))
        for row in measured:
            self.assertEqual(row["max_tokens"], LIMITS[row["category"]])
            self.assertIn(row["stop"], ("eos", "length"))
            self.assertEqual(row["stop"] == "length", row["output_tokens"] == row["max_tokens"])
            self.assertEqual(row["recorded"], 1)

    def test_equal_texts_for_equal_seeds(self):
        texts = {}
        for row in self.trials("all", "median"):
            self.assertEqual(row["text"], texts.setdefault(row["query_id"], row["text"]))
        self.assertEqual(len(texts), 5)

    def test_with_and_without_the_recorder(self):
        rows = [r for r in self.trials("all", "median") if not r["warmup"]]
        self.assertEqual(len(rows), 5 * 2 * 2)
        for row in rows:
            self.assertEqual(row["variant"], "recorder=on" if row["recorded"] else "recorder=off")
            samples = self.rows("all", "SELECT count(*) AS n FROM sample WHERE trial_id = ?", row["id"])[0]["n"]
            self.assertEqual(samples > 0, row["recorded"] == 1)

    def test_lengths(self):
        for row in self.trials("all", "output-length"):
            if not row["warmup"]:
                self.assertEqual(f"n={row['output_tokens']}", row["variant"])
        prompts = [r for r in self.trials("all", "prompt-length") if not r["warmup"]]
        self.assertEqual({r["prompt_target"] for r in prompts}, {90, 157, 224, 334})
        equal = [r for r in self.trials("all", "equal-prompt") if not r["warmup"]]
        self.assertEqual({r["category"] for r in equal}, {"contextual", "task-oriented"})
        for row in prompts + equal:
            self.assertEqual((row["prompt_tokens"], row["output_tokens"]), (row["prompt_target"], 50))

    def test_cold_starts(self):
        rows = self.trials("all", "cold")
        self.assertEqual({r["variant"] for r in rows}, {"cache=warm", "cache=cold"})
        for row in rows:
            self.assertEqual(row["cold"], 1)
            self.assertLess(0, row["load_ns"])
        self.assertEqual({r["load_ns"] for r in self.trials("all", "median")}, {None})

    def test_the_probe(self):
        phases = {r["phase"]: r for r in self.rows("all", "SELECT phase, count(*) AS n, min(duration_ns) AS least FROM probe GROUP BY phase")}
        self.assertIn("alone", phases)
        self.assertLess(0, phases["alone"]["least"])

    def test_samples(self):
        reasons = {r["name"]: r["reason"] for r in self.rows("all", "SELECT name, reason FROM metric")}
        # Not "cpu": trials of a tiny model may end before the kernel has counted a tick.
        for name in ("process_rss", "process_time", "memory_available"):
            self.assertIsNone(reasons[name])
        for row in self.rows("all", "SELECT s.*, t.start_ns, t.wall_ns FROM sample s JOIN trial t ON t.id = s.trial_id"):
            self.assertLess(row["start_ns"] - 2e9, row["at_ns"])
        # A metric is measured, or says why it is not.
        for row in self.rows("all", "SELECT m.name, m.reason, count(s.value) AS n FROM metric m LEFT JOIN sample s ON s.metric_id = m.id GROUP BY m.id"):
            self.assertTrue(row["n"] > 0 or row["reason"] or row["name"] in ("swap_used", "process_cpu"), row)
        memory = self.rows("all", "SELECT avg(value) AS v FROM sample s JOIN metric m ON m.id = s.metric_id WHERE m.name = 'process_rss'")[0]["v"]
        self.assertLess(1 << 20, memory)
        # Energy too.
        for row in self.rows("all", "SELECT energy_j, energy_note, energy_scope FROM trial WHERE recorded"):
            self.assertEqual(row["energy_j"] is None, row["energy_note"] is not None)

    def test_what_was_measured(self):
        model, = self.rows("all", "SELECT * FROM model")
        self.assertEqual((model["layers"], model["heads"], model["kv_heads"], model["head_dim"]), (2, 4, 2, 16))
        self.assertEqual(model["kv_token_bytes"], 2 * 2 * 2 * 16 * 2)
        self.assertEqual(model["kv_token_bytes_mha"], 2 * model["kv_token_bytes"])
        self.assertRegex(model["sha256"], "^[0-9a-f]{64}$")
        config, = self.rows("all", "SELECT * FROM config")
        self.assertEqual((config["context"], config["streams"], config["kv_type"]), (2048, 1, "F16"))
        self.assertEqual(config["kv_bytes"], 2048 * model["kv_token_bytes"])
        self.assertEqual(config["prompt_form"], "plain")  # the tiny model has no template
        session = self.rows("all", "SELECT * FROM session")[0]
        self.assertEqual(session["outcome"], "complete")
        self.assertEqual(session["command"], " ".join(self.result.args))

    def test_csv_files_hold_the_tables(self):
        for table, in sqlite3.connect(self.folder / "all/study.db").execute("SELECT name FROM sqlite_master WHERE type = 'table'"):
            with open(self.folder / "all" / f"{table}.csv", newline="", encoding="utf-8") as file:
                lines = list(csv.reader(file))
            count = self.rows("all", f"SELECT count(*) AS n FROM {table}")[0]["n"]
            self.assertEqual(len(lines) - 1, count, table)
            columns = [r["name"] for r in self.rows("all", f"PRAGMA table_info({table})")]
            self.assertEqual(lines[0], columns)

    def test_the_document_has_every_column(self):
        text = (ROOT / "docs/FORMAT-STUDY.md").read_text()
        sections = dict(re.findall(r"^### (\w+)\n(.*?)(?=^### |\Z)", text, re.M | re.S))
        tables = {r["name"] for r in self.rows("all", "SELECT name FROM sqlite_master WHERE type = 'table'")}
        self.assertEqual(set(sections), tables)
        for table in tables:
            documented = re.findall(r"^\| (\w+) \| (INTEGER|REAL|TEXT) \|", sections[table], re.M)
            self.assertEqual(documented, [(r["name"], r["type"]) for r in self.rows("all", f"PRAGMA table_info({table})")])

    def test_running_it_again_does_nothing(self):
        again = json.loads(self.run_study("all", *QUICK, "--json").stdout)
        self.assertEqual((again["done"], again["done_before"]), (0, again["planned"]))

    def test_other_options_are_refused(self):
        self.fails(1, 'has repeats "2", not "3"', "run", self.model, "--out", self.folder / "all", *QUICK[:2],
                   *QUICK[4:], "--repeats", "3")
        self.fails(1, 'the study in this folder has point 1', "run", self.model, "--out", self.folder / "all", *QUICK,
                   "--ctx", "1024")


    def test_the_table_of_results(self):
        shown = json.loads(edgelm("study", "show", self.folder / "all", "--json").stdout)
        rows = {(r["experiment"], r["category"], r["variant"]): r for r in shown["results"]}
        self.assertEqual(len(rows), len(shown["results"]))
        for category in CATEGORIES:
            row = rows["workload", category, ""]
            self.assertEqual((row["asked"], row["answered"], row["ttft"]["n"], row["ttft"]["unit"]), (2, 2, 2, "s"))
            times = [r["ttft_ns"] / 1e9 for r in self.trials("all", "workload") if r["category"] == category and not r["warmup"]]
            self.assertAlmostEqual(row["ttft"]["mean"], sum(times) / 2)
            self.assertAlmostEqual(row["ttft"]["max"], max(times))
        alone = [r["duration_ns"] / 1e9 for r in self.rows("all", "SELECT duration_ns FROM probe WHERE phase = 'alone'")]
        self.assertAlmostEqual(shown["probe"]["alone"]["min"], min(alone))
        table = edgelm("study", "show", self.folder / "all").stdout
        lengths = re.findall(r"^output-length +conversational +n=(\d+) +2 ", table, re.M)
        self.assertEqual(lengths, ["10", "50", "120", "230", "400"])

    def test_compared_with_itself(self):
        same = json.loads(edgelm("study", "compare", self.folder / "all", self.folder / "all", "--json").stdout)
        self.assertEqual((same["only_a"], same["only_b"]), (0, 0))
        experiments = {g["experiment"] for g in same["groups"]}
        self.assertEqual(experiments, {"workload", "median", "output-length", "prompt-length", "equal-prompt", "cold", "probe"})
        for group in same["groups"]:
            self.assertEqual(group["same_length"], group["pairs"])
            self.assertEqual((group["ttft"]["ratio"], group["total"]["n"]), (1, group["pairs"]))
        table = edgelm("study", "compare", self.folder / "all", self.folder / "all").stdout
        self.assertRegex(table, r"output-length +conversational +TTFT ms +5 .* 1\.000  too few pairs")

    def test_compared_with_a_slower_one(self):
        """A copy in which everything took twice as long."""
        slow = self.folder / "slow"
        slow.mkdir(exist_ok=True)
        (slow / "study.db").write_bytes((self.folder / "all/study.db").read_bytes())
        with sqlite3.connect(slow / "study.db") as database:
            database.execute("UPDATE trial SET ttft_ns = 2 * ttft_ns, total_ns = 2 * total_ns")
            database.execute("UPDATE trial SET warmup = 1 WHERE variant = 'n=400'")
        database.close()
        result = edgelm("study", "compare", self.folder / "all", slow, "--json")
        compared = json.loads(result.stdout)
        self.assertEqual((compared["only_a"], compared["only_b"]), (1, 0))
        for group in compared["groups"]:
            for metric in ("ttft", "total"):
                self.assertAlmostEqual(group[metric]["ratio"], 2)
        with sqlite3.connect(slow / "study.db") as database:
            database.execute("UPDATE query SET text = 'other' WHERE idx = 7")
        database.close()
        self.fails(1, "asked different queries", "compare", self.folder / "all", slow)


class Ways(Study):
    """Other ways of running a study, each with as few trials as show it."""

    def setUp(self):
        super().setUp()
        os.environ["EDGELM_CACHE"] = str(self.folder / "cache")
        self.model = self.folder / "tiny.gguf"
        subprocess.run([MAKE_MODEL, self.model, "600"], check=True)

    def queries(self, **texts):
        folder = self.folder / "queries"
        folder.mkdir()
        for category in CATEGORIES:
            lines = texts.get(category.replace("-", "_"), [f"one of {category}", f"another one of {category}"])
            (folder / f"{category}.txt").write_text("\n".join(lines) + "\n")
        return folder

    def test_category_order_and_own_queries(self):
        folder = self.queries(simple=["a", "is it so?", "and this?"])
        self.run_study("own", "--queries", folder, "--order", "category", "--experiments", "workload", "--ignore-eos")
        rows = [r for r in self.trials("own", "workload") if not r["warmup"]]
        self.assertEqual([(r["category"], r["idx"]) for r in rows], [(c, i) for c in CATEGORIES for i in (0, 1)])
        self.assertEqual({r["stop"] for r in rows}, {"length"})
        self.assertEqual([r["query"] for r in rows if r["category"] == "simple"], ["is it so?", "and this?"])

    def test_what_does_not_fit_is_recorded(self):
        # 600 tokens of context; a byte is about a token of the tiny model.
        folder = self.queries(complex=["x" * 900, "y" * 490, "short"])
        result = json.loads(self.run_study("full", "--queries", folder, "--experiments", "workload", "--ignore-eos", "--json").stdout)
        rows = {r["idx"]: r for r in self.trials("full", "workload") if r["category"] == "complex" and not r["warmup"]}
        self.assertEqual((rows[0]["status"], rows[0]["output_tokens"], rows[0]["stop"]), ("rejected", 0, None))
        self.assertRegex(rows[0]["error"], "context")
        self.assertEqual((rows[1]["status"], rows[1]["stop"]), ("truncated", "context"))
        self.assertEqual(rows[2]["status"], "ok")
        self.assertEqual((result["rejected"], result["truncated"]), (1, 2))  # one is the warm-up

    def test_faithful(self):
        folder = self.queries(conversational=["Is it? ", "No"])
        self.run_study("old", "--queries", folder, "--faithful", "--experiments", "workload,median", "--repeats", "1")
        config, = self.rows("old", "SELECT * FROM config")
        self.assertEqual((config["context"], config["prompt_form"], config["fresh_process"]), (512, "quoted", 1))
        self.assertEqual((config["temperature"], config["repeat_penalty"]), (0.8, 1.1))
        rows = self.trials("old", "workload")
        self.assertEqual([(r["category"], r["idx"]) for r in rows], [(c, i) for c in CATEGORIES for i in (0, 1)])
        self.assertEqual({(r["cold"], r["warmup"]) for r in rows}, {(1, 0)})
        self.assertTrue(all(r["load_ns"] for r in rows))
        median = self.trials("old", "median")
        self.assertEqual([r["warmup"] for r in median].count(1), 5 * 4)
        self.assertEqual({r["variant"] for r in median if not r["warmup"]}, {"recorder=on"})
        # "You are a helpful assistant.> User: Is it? ? Assistant: " with quotes around it.
        prompt = '"You are a helpful assistant.> User: Is it? ? Assistant: "'
        counted = edgelm("tokenize", self.model, "--json", "--bos", "-p", prompt)
        if counted.returncode == 0:
            tokens = len(json.loads(counted.stdout)["tokens"])
            self.assertEqual(rows[4]["prompt_tokens"], tokens)

    def test_sweeps(self):
        self.run_study("sweep", *QUICK, "--queries", self.queries(), "--experiments", "median", "--sweep",
                       "threads=1,2", "--sweep", "kv=f16,int8", "--sweep", "batch=2")
        configs = self.rows("sweep", "SELECT * FROM config ORDER BY id")
        self.assertEqual([(c["sweep"], c["threads"], c["kv_type"], c["streams"]) for c in configs],
                         [("threads=1 kv=f16 batch=2", 1, "F16", 2), ("threads=1 kv=int8 batch=2", 1, "Q8_0", 2),
                          ("threads=2 kv=f16 batch=2", 2, "F16", 2), ("threads=2 kv=int8 batch=2", 2, "Q8_0", 2)])
        for row in self.rows("sweep", "SELECT variant, repeat, warmup, count(DISTINCT stream) AS streams FROM trial "
                             "GROUP BY experiment_id, query_id, variant, repeat, warmup"):
            self.assertEqual(row["streams"], 2)

    def test_a_kill_loses_one_trial_at_most(self):
        options = ("--queries", self.queries(), "--experiments", "workload,output-length", "--repeats", "20",
                   "--passes", "10", "--idle", "0.1")
        study = subprocess.Popen([EDGELM, "study", "run", str(self.model), "--out", str(self.folder / "killed"),
                                  *map(str, options)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait_for_trials("killed", 10)
        study.send_signal(signal.SIGKILL)
        study.wait()
        before = self.rows("killed", "SELECT * FROM trial ORDER BY id")
        self.assertEqual(self.rows("killed", "SELECT outcome FROM session"), [{"outcome": None}])
        for row in before:
            tokens = self.rows("killed", "SELECT count(*) AS n FROM token WHERE trial_id = ?", row["id"])[0]["n"]
            self.assertEqual(tokens, row["output_tokens"])
        summary = json.loads(self.run_study("killed", *options, "--json").stdout)
        self.assertEqual(summary["done_before"], len(before))
        self.assertEqual(summary["done"] + len(before), summary["planned"])
        after = self.rows("killed", "SELECT * FROM trial ORDER BY id")
        self.assertEqual(after[:len(before)], before)
        keys = {(r["experiment_id"], r["query_id"], r["variant"], r["repeat"], r["warmup"]) for r in after}
        self.assertEqual((len(keys), len(after)), (summary["planned"], summary["planned"]))
        starts = [r["start_ns"] for r in after]
        self.assertEqual(starts, sorted(starts))

    def wait_for_trials(self, name, count):
        for _ in range(600):
            time.sleep(0.05)
            try:
                if self.rows(name, "SELECT count(*) AS n FROM trial")[0]["n"] >= count:
                    return
            except sqlite3.Error:
                pass
        self.fail("the study does not begin")

    def test_ctrl_c(self):
        options = ("--queries", self.queries(), "--experiments", "workload", "--passes", "200")
        study = subprocess.Popen([EDGELM, "study", "run", str(self.model), "--out", str(self.folder / "stopped"),
                                  *map(str, options)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_for_trials("stopped", 3)
        study.send_signal(signal.SIGINT)
        out, err = study.communicate(timeout=30)
        self.assertEqual(study.returncode, 1, err)
        self.assertIn("interrupted; the same command goes on", err)
        self.assertRegex(out, r"\d+ of 2005 trials are done")
        self.assertEqual(self.rows("stopped", "SELECT outcome FROM session"), [{"outcome": "interrupted"}])
        self.assertFalse((self.folder / "stopped/study.db-wal").exists())

    def test_a_server(self):
        if edgelm("serve", "--help").returncode != 0 or "without" in edgelm("serve", self.model, "--port", "-1").stderr:
            self.skipTest("the program has no server")
        log = open(self.folder / "serve.log", "w+")
        server = subprocess.Popen([EDGELM, "serve", str(self.model), "--port", "0", "--threads", "1"], stdout=log, stderr=log)
        self.addCleanup(log.close)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)
        url = None
        for _ in range(200):
            time.sleep(0.05)
            found = re.search(r"http://127\.0\.0\.1:(\d+)", (self.folder / "serve.log").read_text())
            if found:
                url = found[0]
                break
        self.assertIsNotNone(url, (self.folder / "serve.log").read_text())
        result = edgelm("study", "run", "--url", url, "--pid", server.pid, "--out", self.folder / "served", "--queries",
                        self.queries(complex=["x" * 900, "one", "two"]), "--repeats", "1", "--idle", "0.1", "--json")
        if "without libcurl" in result.stderr:
            self.skipTest("the program has no HTTP client")
        self.assertEqual(result.returncode, 0, result.stderr)
        summary = json.loads(result.stdout)
        self.assertEqual((summary["failed"], summary["warnings"], summary["rejected"]), (0, 0, 1))
        self.assertEqual(summary["planned"], summary["done"])
        config, = self.rows("served", "SELECT * FROM config")
        self.assertEqual((config["engine"], config["url"], config["context"]), ("server", url, 600))
        self.assertEqual(self.rows("served", "SELECT state FROM experiment WHERE kind = 'cold'"), [{"state": "skipped"}])
        for row in self.rows("served", "SELECT * FROM trial WHERE status = 'ok' AND max_tokens > 0"):
            self.assertTrue(0 < row["ttft_ns"] <= row["total_ns"] <= row["wall_ns"], row)
            self.assertLess(0, row["prompt_tokens"])
            self.assertEqual(row["reused_tokens"], 0)
            if row["recorded"]:
                self.assertLess(1 << 20, row["peak_rss_bytes"])
        for row in self.trials("served", "output-length"):
            if not row["warmup"]:
                self.assertEqual(f"n={row['output_tokens']}", row["variant"])
        for row in self.trials("served", "prompt-length"):
            self.assertLess(abs(row["prompt_tokens"] - row["prompt_target"]), 5)
        server.kill()
        self.fails(1, "cannot connect", "run", "--url", url, "--out", self.folder / "gone", "--experiments", "median")

    def test_the_worker_answers_lines(self):
        lines = [{"ask": {"text": "hello", "max_tokens": 6, "seed": 1, "ignore_eos": True}},
                 {"count": {"text": "abc"}},
                 {"ask": {"text": "hello", "max_tokens": 6, "seed": 1, "ignore_eos": True}},
                 {"ask": {"text": "x", "max_tokens": 5, "streams": 9}}, {"ask": {"chat": True, "text": "x"}}, {"nothing": 1},
                 {"ask": {"text": 3}}]
        text = "".join(json.dumps(line) + "\n" for line in lines)
        result = edgelm("study", "worker", self.model, "--threads", "1", "--temp", "0", input=text)
        self.assertEqual(result.returncode, 0, result.stderr)
        ready, first, count, second, *wrong = map(json.loads, result.stdout.splitlines())
        self.assertEqual(ready["ready"]["files"][0], str(self.model))
        self.assertEqual(len(first["answers"][0]["tokens"]), 6)
        self.assertEqual(first["answers"][0]["text"], second["answers"][0]["text"])
        self.assertEqual(second["answers"][0]["reused_tokens"], 0)
        self.assertEqual(count, {"tokens": 5})
        for reply, part in zip(wrong, ("9 streams are too many", "no chat template", "neither", '"text"'), strict=True):
            self.assertIn(part, reply["error"])
        # Not JSON is the end of it.
        result = edgelm("study", "worker", self.model, "--threads", "1", input="what?\n")
        self.assertEqual(result.returncode, 1)
        self.assertIn("invalid JSON", result.stderr)

    def test_a_worker_that_dies_is_a_failed_trial(self):
        """The worker is killed while it answers; the study goes on with another one."""
        options = ("--queries", self.queries(), "--experiments", "output-length", "--repeats", "100", "--threads", "1")
        study = subprocess.Popen([EDGELM, "study", "run", str(self.model), "--out", str(self.folder / "dies"), *map(str, options), "--json"],
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.wait_for_trials("dies", 3)
        children = pathlib.Path(f"/proc/{study.pid}/task/{study.pid}/children")
        if not children.exists():
            study.kill()
            study.communicate()
            self.skipTest("the kernel does not list children")
        os.kill(int(children.read_text().split()[0]), signal.SIGKILL)
        out, err = study.communicate(timeout=200)
        self.assertEqual(study.returncode, 0, err)
        summary = json.loads(out)
        self.assertEqual((summary["failed"], summary["done"]), (1, summary["planned"]))
        failed, = self.rows("dies", "SELECT * FROM trial WHERE status = 'failed'")
        self.assertIn("the worker was killed", failed["error"])
        self.assertEqual((failed["output_tokens"], failed["text"], failed["ttft_ns"]), (0, None, None))

    def test_energy_is_power_over_time(self):
        """A tree of files with a sensor of 5 watts."""
        chip = self.folder / "root/sys/class/hwmon/hwmon0"
        chip.mkdir(parents=True)
        (chip / "name").write_text("power_meter\n")
        (chip / "power1_input").write_text("5000000\n")
        self.run_study("watts", *QUICK, "--queries", self.queries(), "--experiments", "idle,workload", "--sysroot", self.folder / "root")
        rows = self.rows("watts", "SELECT * FROM trial WHERE recorded")
        self.assertLess(4, len(rows))
        for row in rows:
            self.assertIsNone(row["energy_note"])
            self.assertEqual(row["energy_scope"], "sensors")
            # The recorder starts a little before the request and ends a little after it.
            self.assertLessEqual(5 * row["wall_ns"] / 1e9, row["energy_j"] + 1e-9)
            self.assertLess(row["energy_j"], 5 * (row["wall_ns"] / 1e9 + 1))
            if row["query_id"]:
                self.assertAlmostEqual(row["idle_j"], row["energy_j"], delta=1e-6)
        power, = self.rows("watts", "SELECT DISTINCT value FROM sample s JOIN metric m ON m.id = s.metric_id WHERE m.name = 'power'")
        self.assertEqual(power["value"], 5)

    def test_usage(self):
        out = self.folder / "wrong"
        for part, *arguments in (("give a MODEL or --url", "--out", out),
                                 ("there is no \"mean\"", self.model, "--out", out, "--experiments", "idle,mean"),
                                 ("is not a value of threads", self.model, "--out", out, "--sweep", "threads=0"),
                                 ("is not a value of isa", self.model, "--out", out, "--sweep", "isa=scalar,sse9"),
                                 ("was given twice", self.model, "--out", out, "--sweep", "ctx=1", "--sweep", "ctx=2"),
                                 ("--faithful sets --ctx itself", self.model, "--out", out, "--faithful", "--ctx", "9"),
                                 ("need --url", self.model, "--out", out, "--pid", "1")):
            self.fails(2, part, "run", *arguments)
        self.fails(1, "No such file", "run", self.folder / "absent.gguf", "--out", out)
        (self.folder / "text.gguf").write_text("This is not a model.")
        self.fails(1, "text.gguf", "run", self.folder / "text.gguf", "--out", out)
        self.fails(1, "complex.txt", "run", self.model, "--out", out, "--queries", self.folder)
        self.assertFalse(out.exists())


class Folder(Study):
    def test_what_is_no_study_is_refused(self):
        self.fails(1, "no study in this folder", "export", self.folder)
        self.fails(1, "no study in this folder", "export", self.folder / "absent")
        (self.folder / "study.db").write_bytes(b"not a database" * 100)
        self.fails(1, "not a database", "export", self.folder)
        (self.folder / "study.db").unlink()
        with sqlite3.connect(self.folder / "study.db") as other:
            other.execute("CREATE TABLE a (b)")
        other.close()
        self.fails(1, "not that of a study", "export", self.folder)


del sys.argv[1:3]
unittest.main()
