#!/usr/bin/env python3
"""edgelm study: runs, resuming, comparing, and that the documents say what is in the files.

Usage: test_study.py EDGELM MAKE_TINY_MODEL
"""

import pathlib
import re
import sqlite3
import subprocess
import sys
import tempfile
import unittest

EDGELM, MAKE_MODEL = sys.argv[1:3]
ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


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
