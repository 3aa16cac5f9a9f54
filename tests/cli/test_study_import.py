#!/usr/bin/env python3
"""edgelm study import: the command, and the rules against the queries of the study.

The data sets themselves may not be handed on. From the queries that the study drew of them, and
from what its rules do to a text, sources in the original formats are made here; from these, the
program must find exactly the queries again.

Usage: test_study_import.py EDGELM STUDY-DATA
"""

import json
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import unittest

EDGELM, DATA = sys.argv[1], pathlib.Path(sys.argv[2])


def edgelm(*arguments):
    return subprocess.run([EDGELM, "study", "import", *map(str, arguments)], capture_output=True,
                          text=True, timeout=60)


class Import(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.folder = pathlib.Path(temporary.name)
        self.random = random.Random(1)

    def write(self, name, text):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def queries(self, source, category, *files, count=0, seed=1):
        """The queries that the program makes of source files."""
        result = edgelm(source, *files, "-o", self.folder / "out", "-n", count, "--seed", seed)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return (self.folder / "out" / f"{category}.txt").read_bytes().decode().split("\n")

    def reference(self, category):
        path = DATA / "workload-queries" / f"{category}.txt"
        if not path.exists():
            self.skipTest(f"{path} is absent")
        return [line for line in path.read_bytes().decode().split("\n") if len(line) > 1]


class Command(Import):
    def test_results_and_refusals(self):
        one = self.write("one.tsv", "QuestionID\tQuestion\nQ1\tWho is\tit\nQ2\tWhat\n")
        two = self.write("two.tsv", "Question\nwhere\nWhat\n")
        result = edgelm("wikiqa", one, two, "-o", self.folder / "new", "-n", 0, "--json")
        self.assertEqual(json.loads(result.stdout),
                         {"output": f"{self.folder}/new/simple.txt", "queries": 3, "candidates": 3})
        self.assertEqual((self.folder / "new/simple.txt").read_text(), "who is\nwhat\nwhere")
        result = edgelm("wikiqa", one, "-o", self.folder / "new", "-n", 1)
        self.assertEqual(result.stdout, f"{self.folder}/new/simple.txt: 1 of 2 different queries\n")
        for code, part, arguments in (
                (1, "100 are wanted", ("wikiqa", one, "-o", self.folder / "x")),
                (1, "absent.tsv", ("wikiqa", self.folder / "absent.tsv", "-o", self.folder / "x")),
                (2, "SOURCE", ("newsqa", one, "-o", self.folder / "x")),
                (2, "FILE", ("wikiqa", "-o", self.folder / "x")),
                (2, "--output", ("wikiqa", one))):
            result = edgelm(*arguments)
            self.assertEqual((result.returncode, result.stdout), (code, ""), arguments)
            self.assertIn(part, result.stderr)
        self.assertFalse((self.folder / "x").exists())


class Membership(Import):
    def test_simple(self):
        wanted = self.reference("simple")
        rows = [f"Q{i}\t{q.title() if q.title().lower() == q else q}\tD{i}\t{label}"
                for i, q in enumerate(wanted) for label in (0, 1)]
        source = self.write("WikiQA-test.tsv",
                            "QuestionID\tQuestion\tDocumentID\tLabel\n" + "\n".join(rows))
        self.assertEqual(self.queries("wikiqa", "simple", source), wanted)
        drawn = self.queries("wikiqa", "simple", source, count=40)
        self.assertEqual(len(set(drawn)), 40)
        self.assertLessEqual(set(drawn), set(wanted))

    def test_complex(self):
        wanted = self.reference("complex")
        topics = [{"title": "t", "paragraphs": [
            {"context": "c", "qas": [{"question": wanted[i].upper()
                                      if wanted[i].upper().lower() == wanted[i] else wanted[i],
                                      "id": f"id{i}", "answers": [], "is_impossible": True}]}]}
                  for i in range(100)]
        source = self.write("dev-v2.0.json", json.dumps({"version": "v2.0", "data": topics}))
        self.assertEqual(self.queries("squad", "complex", source), wanted)
        drawn = self.queries("squad", "complex", source, count=100, seed=9)
        self.assertNotEqual(drawn, wanted)
        self.assertEqual(sorted(drawn), sorted(wanted))

    def test_contextual(self):
        wanted = self.reference("contextual")
        paragraphs = []
        for i, line in enumerate(wanted):
            context, question = re.fullmatch("::context:: (.*) ::question:: (.*) ", line).groups()
            # Longer ones were refused: the rule counts the word that is deleted.
            self.assertLess(len(context + " CANNOTANSWER"), 1600)
            paragraphs.append({"context": context + " CANNOTANSWER", "id": f"p{i}", "qas": [
                {"question": question.capitalize(), "id": f"q{i}", "followup": "n"}]})
        paragraphs.append({"context": "a" * 1600, "qas": [{"question": "no", "id": "no"}]})
        source = self.write("val_v0.2.json", json.dumps({"data": [{"paragraphs": paragraphs}]},
                                                        ensure_ascii=False))
        self.assertEqual(self.queries("quac", "contextual", source), wanted)
        drawn = self.queries("quac", "contextual", source, count=100)
        self.assertEqual(sorted(drawn), sorted(wanted))

    def test_conversational(self):
        wanted = self.reference("conversational")
        rows, expected = [], []
        for line in wanted:
            # As many characters that the rule deletes as make the length legal.
            noise = "'" * max(1, 81 - len(line))
            text = f'{line}{noise}"' if len(line) + len(noise) < 149 else line
            if 80 < len(text) < 150:
                expected.append(re.sub("[^0-9a-zA-Z ,.?!-]", "", text))
            rows.append('joy,"' + text.replace('"', '""') + '"')
        source = self.write("friends_cleaned.csv", "label,text\r\n" + "\r\n".join(rows) + "\r\n")
        self.assertEqual(self.queries("friends", "conversational", source), expected)
        self.assertEqual(expected, wanted)

    def system(self):
        """What a system might say; the expression of the rule deletes all of it."""
        words = ["Yes", "booked", "it is", "at 10:00", "CB21AB", "anything else?", "I found 3."]
        return "<SYSTEM> " + " ".join(self.random.choices(words, k=self.random.randint(1, 9))) + " "

    def test_task_oriented(self):
        wanted = self.reference("task-oriented")
        dialogues, expected = {}, []
        for i, line in enumerate(wanted):
            prompt, history = line.split(" : ", 1)
            turns = history.split("<USER>")
            history = turns[0] + "".join("<USER>" + turn + self.system() for turn in turns[1:])
            task = re.sub("<SYSTEM>((.|\n)(?!<USER>))+[ ?.]", "", history)
            expected.append(prompt + " : " + re.sub("[0-9A-Z]{8,}", "", task))
            dialogues[f"d{i}"] = {
                "log": [{"turn id": 1, "dialog history": ""},
                        {"turn id": 2, "user utterance": "Bye", "dialog history": history}],
                "prompt": [prompt.replace("dialog context", "dialog context and external database")]}
        source = self.write("test_split.json", json.dumps(dialogues))
        got = self.queries("multiwoz", "task-oriented", source)
        self.assertEqual(got.pop(), "")
        self.assertEqual(got, expected)
        self.assertEqual(got, wanted)


del sys.argv[1:3]
unittest.main()
