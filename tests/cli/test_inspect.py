#!/usr/bin/env python3
"""Black-box tests of `edgelm inspect` on files made here.

usage: test_inspect.py PATH-OF-EDGELM
"""

import hashlib
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

EDGELM = ""
U16, U32, I32, F32, STRING, ARRAY, U64 = 2, 4, 5, 6, 8, 9, 10
FORMATS = {U16: "<H", U32: "<I", I32: "<i", F32: "<f", U64: "<Q"}


def text(value):
    raw = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(raw)) + raw


def encoded(kind, value):
    if kind == STRING:
        return text(value)
    if kind == ARRAY:
        element, items = value
        return struct.pack("<IQ", element, len(items)) + b"".join(encoded(element, i) for i in items)
    return struct.pack(FORMATS[kind], value)


def gguf(metadata=(), tensors=()):
    """A file of F32 tensors: metadata is (key, kind, value), tensors (name, shape)."""
    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(metadata))
    data = b""
    for key, kind, value in metadata:
        out += text(key) + struct.pack("<I", kind) + encoded(kind, value)
    for name, shape in tensors:
        size = 4
        out += text(name) + struct.pack("<I", len(shape))
        for dim in shape:
            out += struct.pack("<Q", dim)
            size *= dim
        out += struct.pack("<IQ", 0, len(data))
        data += bytes(size + -size % 32)
    return out + bytes(-len(out) % 32) + data


def inspect(*args, **kwargs):
    return subprocess.run(
        [EDGELM, "inspect", *map(str, args)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True, timeout=60, check=False, **kwargs,
    )


class Inspect(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)

    def file(self, *args, name="model.gguf"):
        path = self.folder / name
        path.write_bytes(gguf(*args))
        return path

    def json(self, *args):
        result = inspect(*args, "--json")
        self.assertEqual(result.returncode, 0, result.stderr)
        return json.loads(result.stdout)

    def test_architecture_that_the_engine_does_not_know(self):
        path = self.file(
            [("general.architecture", STRING, "exotic"), ("exotic.block_count", U32, 7)],
            [("a", [8, 3]), ("b", [16])],
        )
        result = inspect(path)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"architecture +exotic\n")
        self.assertRegex(result.stdout, r"layers +7\n")
        self.assertRegex(result.stdout, r"This engine cannot run it: .*exotic")
        found = self.json(path)
        self.assertEqual(found["parameters"], 40)
        self.assertEqual(found["tensor_bytes"], 160)
        self.assertEqual(found["bits_per_weight"], 32)
        self.assertEqual(found["shape"], {"block_count": 7})
        self.assertIn("exotic", found["memory"]["unavailable"])
        self.assertEqual(
            found["types"],
            [{"type": "F32", "tensors": 2, "elements": 40, "bytes": 160, "bits_per_weight": 32.0}],
        )

    def test_vocabulary_only(self):
        path = self.file(
            [
                ("general.architecture", STRING, "llama"),
                ("tokenizer.ggml.model", STRING, "gpt2"),
                ("tokenizer.ggml.tokens", ARRAY, (STRING, ["a", "b", "ab"])),
            ]
        )
        result = inspect(path)
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertRegex(result.stdout, r"vocabulary +3 tokens, gpt2\n")
        self.assertIn("a vocabulary only", result.stdout)

    def test_tensor_table(self):
        path = self.file([], [("first.weight", [8, 3]), ("second", [16])])
        rows = inspect(path, "--tensors").stdout.splitlines()
        self.assertIn("first.weight  F32     8 x 3                        96 B  128", rows)
        self.assertIn("second        F32     16                           64 B  224", rows)
        self.assertEqual(
            self.json(path, "--tensors")["tensors"][1],
            {"name": "second", "type": "F32", "shape": [16], "bytes": 64, "file": 0, "offset": 224},
        )
        self.assertNotIn("tensors", self.json(path))

    def test_metadata(self):
        path = self.file(
            [
                ("number", I32, -5),
                ("real", F32, 1e-5),
                ("large", U64, 2**64 - 1),
                ("infinite", F32, float("inf")),
                ("text", STRING, 'say "hi"\n\x1b[31m'),
                ("bytes", STRING, b"\xff\x00"),
                ("long", ARRAY, (U16, list(range(100)))),
                ("strings", ARRAY, (STRING, ["x", ""])),
            ]
        )
        lines = inspect(path, "--metadata").stdout.splitlines()
        for line in (
            "number = -5",
            "real = 1e-05",
            "large = 18446744073709551615",
            "infinite = inf",
            r'text = "say \"hi\"\n\x1b[31m"',
            r'bytes = "\xff\x00"',
            "long = [0, 1, 2, 3, 4, 5, 6, 7, ...] (100)",
            'strings = ["x", ""]',
        ):
            self.assertIn(line, lines)
        found = self.json(path, "--metadata")["metadata"]
        self.assertEqual(found["number"], {"kind": "i32", "value": -5})
        self.assertEqual(found["large"]["value"], "18446744073709551615")
        self.assertEqual(found["infinite"]["value"], "Infinity")
        self.assertEqual(found["text"]["value"], 'say "hi"\n\x1b[31m')
        self.assertEqual(found["bytes"]["value"], {"bytes": "ff00"})
        self.assertEqual(found["long"]["count"], 100)
        self.assertEqual(found["long"]["values"], list(range(32)))

    def test_hostile_names_cannot_move_the_cursor(self):
        path = self.file(
            [
                ("general.architecture", STRING, b"ev\x1bil\xff"),
                ("general.name", STRING, "two\nlines" + "x" * 1000),
            ]
        )
        result = inspect(path)
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"architecture +ev\?il\?\n")
        self.assertNotIn("\x1b", result.stdout)
        self.assertLess(max(map(len, result.stdout.splitlines())), 200)

    def test_split_model_and_hash(self):
        total = [("split.count", U16, 2), ("split.tensors.count", I32, 2)]
        first = self.file([*total, ("split.no", U16, 0)], [("a", [8])], name="m-00001-of-00002.gguf")
        second = self.file([*total, ("split.no", U16, 1)], [("b", [8])], name="m-00002-of-00002.gguf")
        found = self.json(first, "--hash", "--tensors")
        hashes = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (first, second)]
        if "sha256" in found["files"][0]:
            self.assertEqual([file["sha256"] for file in found["files"]], hashes)
            self.assertIn(f"{hashes[1]}  {second}", inspect(first, "--hash").stdout)
        self.assertEqual([tensor["file"] for tensor in found["tensors"]], [0, 1])
        self.assertIn("split into 2 files", inspect(first).stdout)
        result = inspect(second)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("give the first", result.stderr)

    def test_damaged_files_are_refused_by_name_and_place(self):
        path = self.file([("general.name", STRING, "x")], [("a", [8, 3])])
        whole = path.read_bytes()
        for size in range(len(whole)):
            path.write_bytes(whole[:size])
            result = inspect(path)
            self.assertEqual((result.returncode, result.stdout), (1, ""), size)
            self.assertTrue(result.stderr.startswith(f"edgelm inspect: {path}: "), result.stderr)
        self.assertIn("data of tensor 0 'a' at byte", result.stderr)
        for missing in (self.folder / "absent.gguf", self.folder):
            result = inspect(missing)
            self.assertEqual(result.returncode, 1)
            self.assertIn(str(missing), result.stderr)

    def test_wrong_options(self):
        path = self.file()
        for args in (["--ctx", "0"], ["--batch", "x"], ["--kv-type", "q4_0"]):
            self.assertEqual(inspect(path, *args).returncode, 2, args)

    def test_interrupt_while_hashing(self):
        path = self.file()
        with open(path, "ab") as file:
            file.truncate(1 << 36)  # a hole: nothing on the disk, minutes to hash
        process = subprocess.Popen(
            [EDGELM, "inspect", path, "--hash"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        try:
            # Until the handler stands the signal would simply end the program.
            status = pathlib.Path(f"/proc/{process.pid}/status")
            caught = 0
            while process.poll() is None and not caught & (1 << (signal.SIGINT - 1)):
                caught = int(status.read_text().split("SigCgt:")[1].split()[0], 16)
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=30)
        finally:
            process.kill()
        self.assertEqual((process.returncode, output), (1, b""))
        self.assertRegex(errors, b"interrupted|without libcrypto")


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    unittest.main()
