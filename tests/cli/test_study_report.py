#!/usr/bin/env python3
"""edgelm study report: the command. What is in the page is the matter of the unit tests and of
tests/e2e/test_report.mjs.

Usage: test_study_report.py EDGELM MAKE_TINY_MODEL STUDY-DATA
"""

import json
import pathlib
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import unittest

EDGELM, MAKE_MODEL, DATA = sys.argv[1], sys.argv[2], pathlib.Path(sys.argv[3])


def edgelm(*arguments):
    return subprocess.run([EDGELM, "study", *map(str, arguments)], capture_output=True, text=True,
                          timeout=150)


class Report(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.temporary = tempfile.TemporaryDirectory()
        cls.folder = pathlib.Path(cls.temporary.name)
        subprocess.run([MAKE_MODEL, cls.folder / "tiny.gguf", "1024"], check=True)
        result = edgelm("run", cls.folder / "tiny.gguf", "-o", cls.folder / "study", "--limit", 2,
                        "--experiments", "workload", "--ctx", 1024, "-q")
        assert result.returncode == 0, result.stderr

    @classmethod
    def tearDownClass(cls):
        cls.temporary.cleanup()

    def report(self, *arguments):
        result = edgelm("report", self.folder / "study", "-o", self.folder / "report.html", *arguments)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout, (self.folder / "report.html").read_text()

    def test_the_page_stands_alone_and_has_the_numbers_of_the_database(self):
        said, page = self.report()
        self.assertRegex(said, r"report\.html: \d+ figures, \d+ that the study has nothing for, \d+ findings\n")
        body = page[page.index("<body>"):page.index('<script type="application/json"')]
        self.assertEqual(re.findall(r"\s(?:src|href|action)\s*=\s*[^ >]+", body),
                         re.findall(r' href="#[a-z-]+"', body))
        self.assertEqual(re.findall(r"@import|url\(", page[:page.index("<body>")]), [])
        with sqlite3.connect(self.folder / "study/study.db") as database:
            rows = database.execute("SELECT category, ttft_ms FROM latency WHERE kind = 'workload' "
                                    "AND status IN ('ok', 'truncated') AND ttft_ms IS NOT NULL").fetchall()
        database.close()
        self.assertGreater(len(rows), 3)
        table = page[page.index('id="medians"'):page.index('id="means"')]
        for category in {category for category, _ in rows}:
            median = statistics.median(ttft for one, ttft in rows if one == category)
            row = re.search(rf'<th scope="row">{category}</th>(.*?)</tr>', table, re.S).group(1)
            cell = re.findall(r"<td>([\d.]+)", row)[3]
            self.assertAlmostEqual(float(cell), median, delta=0.0501)

    def test_what_is_missing_is_said(self):
        _, page = self.report()
        self.assertIn("Not shown: the study has no experiment &quot;cold&quot;.", page)

    def test_reference_and_images(self):
        arguments = ["--png", self.folder / "images", "--json"]
        if (DATA / "reference/per_query.csv").exists():
            arguments += ["--reference", DATA / "reference"]
        result = edgelm("report", self.folder / "study", "-o", self.folder / "new.html", *arguments)
        if "without Cairo" in result.stderr:
            self.skipTest(result.stderr)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        told = json.loads(result.stdout)
        images = sorted((self.folder / "images").iterdir())
        self.assertEqual(len(images), told["images"])
        self.assertIn("latency.png", [image.name for image in images])
        for image in images:
            self.assertTrue(image.read_bytes().startswith(b"\x89PNG\r\n"))
        if "--reference" in arguments:
            page = (self.folder / "new.html").read_text()
            # Published: TBT = 357.3 ms + 0.257 ms for each token.
            self.assertRegex(page, r"TBT, reference</th><td>496</td><td>357\.\d+ .*?<td>0\.257")

    def test_roofline(self):
        _, page = self.report("--roofline", self.folder / "tiny.gguf")
        self.assertIn("limit of the machine", page)
        self.assertRegex(page, r"% of what this machine(&#39;|')s memory gives")

    def test_refusals(self):
        other = self.folder / "other"
        (other / "study.db").parent.mkdir()
        (other / "study.db").write_bytes(b"no database" * 300)
        (other / "per_query.csv").write_text("category,ttft_ms\nsimple,1\n")
        for code, part, arguments in (
                (2, "DIR", ()),
                (1, "no study in this folder", (self.folder,)),
                (1, "not a database", (other,)),
                (1, "there is no column", (self.folder / "study", "--reference", other)),
                (1, "absent.gguf", (self.folder / "study", "--roofline", "absent.gguf"))):
            result = edgelm("report", *arguments, "-o", self.folder / "never.html")
            self.assertEqual((result.returncode, result.stdout), (code, ""), result.stderr)
            self.assertIn(part, result.stderr)
        self.assertFalse((self.folder / "never.html").exists())


del sys.argv[1:4]
unittest.main()
