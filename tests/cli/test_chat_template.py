#!/usr/bin/env python3
"""Black-box tests of `edgelm chat-template`, with template files and a vocabulary made here.

usage: test_chat_template.py PATH-OF-EDGELM
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

TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{{ eos_token }}\n{% endfor %}"
    "{{ extra }}{% if add_generation_prompt %}[assistant]{% endif %}"
)
MESSAGES = [{"role": "user", "content": "Grüße"}]


def string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def entry(key, kind, value):
    return string(key) + struct.pack("<I", kind) + value


def array(kind, items):
    return struct.pack("<IQ", kind, len(items)) + b"".join(items)


def model(template):
    """A file with the vocabulary <unk> <S> </S> and the bytes, whose BOS and EOS have unusual names."""
    tokens = [("<unk>", 2), ("<S>", 3), ("</S>", 3)] + [(f"<0x{byte:02X}>", 6) for byte in range(256)]
    keys = [
        entry("tokenizer.ggml.model", STRING, string("llama")),
        entry("tokenizer.ggml.tokens", ARRAY, array(STRING, [string(t[0]) for t in tokens])),
        entry("tokenizer.ggml.token_type", ARRAY, array(I32, [struct.pack("<i", t[1]) for t in tokens])),
        entry("tokenizer.ggml.scores", ARRAY, array(F32, [struct.pack("<f", 0)] * len(tokens))),
    ]
    if template:
        keys.append(entry("tokenizer.chat_template", STRING, string(template)))
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(keys)) + b"".join(keys)


class ChatTemplate(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def file(self, name, content):
        path = pathlib.Path(self.folder.name) / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    def run_on(self, source, messages, *args):
        return subprocess.run(
            [EDGELM, "chat-template", source, *args],
            input=json.dumps(messages).encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )

    def prompt(self, source, messages, *args):
        result = self.run_on(source, messages, *args)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(result.stderr, b"")
        return result.stdout.decode()

    def refusal(self, source, messages, *args):
        result = self.run_on(source, messages, *args)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout, b"")
        return result.stderr.decode()

    def test_a_template_file_gives_the_prompt_and_nothing_more(self):
        path = self.file("t.jinja", TEMPLATE)
        self.assertEqual(self.prompt(path, MESSAGES), "[user] Grüße</s>\n[assistant]")
        self.assertEqual(self.prompt(path, MESSAGES, "--no-generation-prompt"), "[user] Grüße</s>\n")
        self.assertEqual(self.prompt(path, MESSAGES, "--keep-bos"), "<s>[user] Grüße</s>\n[assistant]")
        self.assertEqual(
            json.loads(self.prompt(path, MESSAGES, "--json")), {"prompt": "[user] Grüße</s>\n[assistant]"}
        )

    def test_a_model_brings_its_template_and_tokens(self):
        path = self.file("m.gguf", model(TEMPLATE))
        self.assertEqual(self.prompt(path, MESSAGES), "[user] Grüße</S>\n[assistant]")
        self.assertEqual(self.prompt(path, MESSAGES, "--keep-bos"), "<S>[user] Grüße</S>\n[assistant]")
        self.assertIn("has no chat template", self.refusal(self.file("n.gguf", model("")), MESSAGES))

    def test_other_members_are_variables(self):
        path = self.file("t.jinja", TEMPLATE)
        request = {"messages": [], "extra": [1, None], "bos_token": "B"}
        self.assertEqual(self.prompt(path, request), "B[1, None][assistant]")
        request["add_generation_prompt"] = False
        self.assertEqual(self.prompt(path, request), "B[1, None]")

    def test_messages_come_from_a_file(self):
        path, messages = self.file("t.jinja", TEMPLATE), self.file("r.json", json.dumps(MESSAGES))
        self.assertEqual(self.prompt(path, None, "-m", messages), "[user] Grüße</s>\n[assistant]")

    def test_errors_say_where(self):
        good = self.file("t.jinja", TEMPLATE)
        bad = self.file("bad.jinja", "a\n{{ 1 + }}")
        self.assertIn("bad.jinja: line 2 column 8: ", self.refusal(bad, MESSAGES))
        strict = self.file("strict.jinja", "{{ raise_exception('Only one message, please') }}")
        self.assertIn("edgelm chat-template: Only one message, please\n", self.refusal(strict, MESSAGES))
        self.assertIn('"messages"', self.refusal(good, {"message": []}))
        self.assertIn('"messages"', self.refusal(good, 5))
        self.assertIn("No such file", self.refusal("/no/such/file.jinja", MESSAGES))
        self.assertIn("GGUF", self.refusal(self.file("x.gguf", TEMPLATE), MESSAGES))
        self.assertIn("not UTF-8", self.refusal(self.file("b.jinja", b"\xff\xfe"), MESSAGES))


if __name__ == "__main__":
    EDGELM = sys.argv.pop(1)
    unittest.main()
