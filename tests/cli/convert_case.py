"""The frame of the tests of `edgelm convert` and `edgelm export`: a source, an output, and what
each is expected to do."""

import json
import math
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

import model_files as mf
from model_files import Shape

EDGELM = ""
GOLDEN = pathlib.Path()


class Case(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.root = pathlib.Path(temporary.name)
        self.folder = self.root / "source"
        self.output = self.root / "out.gguf"

    def edgelm(self, *args, **kwargs):
        return subprocess.run([EDGELM, *map(str, args)], capture_output=True, text=True, timeout=120,
                              check=False, **kwargs)

    def good(self, *args, **kwargs):
        result = self.edgelm(*args, **kwargs)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        return result.stdout

    def convert(self, *options):
        self.good("convert", self.folder, "-o", self.output, *options)
        return mf.Gguf(self.output)

    def refused(self, *parts, options=()):
        """The conversion fails with these words, and leaves nothing behind."""
        result = self.edgelm("convert", self.folder, "-o", self.root / "bad.gguf", *options)
        self.assertEqual(result.returncode, 1, result.stdout)
        for part in parts:
            self.assertIn(part, result.stderr)
        self.assertEqual(list(self.root.glob("bad.gguf*")), [])

    def change_config(self, **values):
        path = self.folder / "config.json"
        mf.write_json(path, json.loads(path.read_text()) | values)

    def change_tensors(self, change):
        path = self.folder / "model.safetensors"
        tensors = mf.read_safetensors(path)
        change(tensors)
        mf.write_safetensors(path, tensors)

    def runs(self, path=None):
        """The engine computes with it, and gets numbers."""
        tokens = self.root / "tokens.bin"
        tokens.write_bytes(struct.pack("<II5i", 5, Shape.vocabulary, 1, 5, 6, 7, 8))
        logits = self.root / "logits.bin"
        self.good("eval", "logits", path or self.output, tokens, "-o", logits, "--no-engine-cache")
        values = struct.unpack(f"<{5 * Shape.vocabulary}f", logits.read_bytes()[8 + 20:])
        self.assertTrue(all(math.isfinite(x) for x in values))
        return values


def main():
    """usage: TEST PATH-OF-EDGELM FOLDER-OF-GOLDEN-DATA"""
    global EDGELM, GOLDEN
    EDGELM = os.path.abspath(sys.argv.pop(1))
    GOLDEN = pathlib.Path(sys.argv.pop(1))
    unittest.main(module="__main__", verbosity=1)
