#!/usr/bin/env python3
"""Black-box tests of `edgelm tokenize` and `edgelm detokenize`, on a vocabulary made here.

usage: test_tokenize.py PATH-OF-EDGELM
"""

import json
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

EDGELM = ""
STRING, ARRAY, I32, F32 = 8, 9, 5, 6


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    return string(key) + struct.pack("<I", kind) + value


def array(kind, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


def vocabulary():
    """SPM: <unk> <s> </s>, the bytes, then four pieces."""
    tokens = [("<unk>", 2, 0), ("<s>", 3, 0), ("</s>", 3, 0)]
    tokens += [(f"<0x{byte:02X}>", 6, 0) for byte in range(256)]
    tokens += [("▁", 1, -9), ("a", 1, -5), ("▁a", 1, -1), ("b", 1, -6)]
    keys = [
        entry("tokenizer.ggml.model", STRING, string("llama")),
        entry("tokenizer.ggml.tokens", ARRAY, array(STRING, [string(t[0]) for t in tokens])),
        entry("tokenizer.ggml.token_type", ARRAY, array(I32, [struct.pack("<i", t[1]) for t in tokens])),
        entry("tokenizer.ggml.scores", ARRAY, array(F32, [struct.pack("<f", t[2]) for t in tokens])),
    ]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + b"".join(keys)


class Tokenize(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.model = str(pathlib.Path(cls.folder.name) / "vocab.gguf")
        pathlib.Path(cls.model).write_bytes(vocabulary())

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def edgelm(self, command, *args, stdin=b""):
        return subprocess.run(
            [EDGELM, command, self.model, *args], input=stdin, capture_output=True, timeout=60, check=False
        )

    def test_ids_and_pieces_are_printed(self):
        result = self.edgelm("tokenize", 'a b\n"')
        self.assertEqual(result.returncode, 0)
        lines = [line.split(maxsplit=1) for line in result.stdout.decode().splitlines()]
        self.assertEqual(
            lines,
            [["1", '"<s>"'], ["261", '" a"'], ["259", '" "'], ["262", '"b"'], ["13", '"\\n"'], ["37", '"\\""']],
        )
        self.assertEqual(self.edgelm("tokenize", "a", "--ids").stdout, b"1 261\n")
        self.assertEqual(self.edgelm("tokenize", "a", "--pieces", "--no-bos").stdout, b'" a"\n')

    def test_special_tokens_are_parsed_unless_told_otherwise(self):
        self.assertEqual(self.edgelm("tokenize", "</s>", "--ids").stdout, b"1 2\n")
        without = self.edgelm("tokenize", "</s>", "--ids", "--no-special", "--no-bos").stdout.split()
        self.assertNotIn(b"2", without)
        self.assertEqual(len(without), 5)

    def test_text_comes_from_argument_file_or_standard_input(self):
        path = pathlib.Path(self.folder.name) / "text"
        path.write_bytes(b"a\0b")
        expected = b"1 261 3 262\n"
        self.assertEqual(self.edgelm("tokenize", "--ids", "--file", str(path)).stdout, expected)
        self.assertEqual(self.edgelm("tokenize", "--ids", stdin=b"a\0b").stdout, expected)
        self.assertEqual(self.edgelm("tokenize", "a", "--file", str(path)).returncode, 2)
        self.assertEqual(self.edgelm("tokenize", "--file", "/nowhere/at/all").returncode, 1)

    def test_json_has_bytes_where_a_piece_is_no_text(self):
        value = json.loads(self.edgelm("tokenize", "a€", "--json", "--no-bos").stdout)
        self.assertEqual(value["count"], 4)
        self.assertEqual(value["tokens"][0], {"id": 261, "piece": " a"})
        self.assertEqual(value["tokens"][1], {"id": 3 + 0xE2, "bytes": "e2"})
        self.assertEqual(self.edgelm("tokenize", "a", "--json", "--ids").returncode, 2)

    def test_tokens_give_the_text_back(self):
        text = b"a b\xff</s>a\0 \xe2\x82\xac\n"
        ids = self.edgelm("tokenize", "--ids", "--no-bos", stdin=text).stdout
        self.assertEqual(self.edgelm("detokenize", stdin=ids).stdout, text)
        self.assertEqual(self.edgelm("detokenize", *ids.decode().split()).stdout, text)
        self.assertEqual(self.edgelm("detokenize", stdin=b"[1, 261,\n 2]").stdout, b"<s>a</s>")
        self.assertEqual(self.edgelm("detokenize", "--no-special", "1", "261", "2").stdout, b"a")
        self.assertEqual(json.loads(self.edgelm("detokenize", "--json", "261", "258").stdout), {"text": "a\ufffd"})

    def test_what_is_no_token_is_refused(self):
        for ids in ("-1", "263", "x", "1e3", "99999999999999999999"):
            with self.subTest(ids=ids):
                result = self.edgelm("detokenize", stdin=ids.encode())
                self.assertEqual(result.returncode, 1)
                self.assertIn(ids.encode(), result.stderr)
        self.assertEqual(self.edgelm("detokenize", stdin=b"1\0 2").returncode, 1)
        self.assertEqual(self.edgelm("detokenize", stdin=b"").stdout, b"")


class Train(unittest.TestCase):
    def test_vocabularies_are_made(self):
        text = b"the kitchen light and the kitchen door\n" * 50
        with tempfile.TemporaryDirectory() as folder:
            out, template = pathlib.Path(folder) / "v.gguf", pathlib.Path(folder) / "t.jinja"
            template.write_text("{{ messages }}")
            train = [EDGELM, "tokenizer", "train", "-o", str(out), "-n", "278", "--control", "<|end|>",
                     "--defined", "<call>", "--eos", "<|end|>", "--chat-template", str(template)]
            result = subprocess.run([*train, "--json"], input=text, capture_output=True, timeout=60)
            self.assertEqual(result.returncode, 0, result.stderr)
            self.assertEqual(json.loads(result.stdout)["tokens"], 278)
            first = out.read_bytes()
            said = subprocess.run([EDGELM, "tokenize", str(out), "<call>the kitchen<|end|>", "--pieces"],
                                  capture_output=True, text=True, timeout=60).stdout
            self.assertEqual(said, '"<call>"\n"the"\n" kitchen"\n"<|end|>"\n')
            # The same from a file, to the byte.
            source = pathlib.Path(folder) / "text"
            source.write_bytes(text)
            subprocess.run([*train, str(source)], check=True, capture_output=True, timeout=60)
            self.assertEqual(out.read_bytes(), first)
            for wrong, sentence in ((["--bos", "<s>"], b"none of the control tokens"),
                                    (["--pre", "none"], b"not supported"),
                                    (["--spaces-last", "100"], b"cannot be made"),
                                    (["/no/such/file"], b"No such file")):
                result = subprocess.run([*train, *wrong], input=text, capture_output=True, timeout=60)
                self.assertEqual(result.returncode, 1)
                self.assertIn(sentence, result.stderr)
            self.assertEqual(out.read_bytes(), first)


if __name__ == "__main__":
    EDGELM = sys.argv.pop(1)
    unittest.main()
