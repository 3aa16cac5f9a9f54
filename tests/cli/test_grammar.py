#!/usr/bin/env python3
"""Black-box tests of constrained output: edgelm run --grammar, --json-schema, --json-object.

usage: test_grammar.py PATH-OF-EDGELM GOLDEN-FOLDER; exit status 77 where the folder is absent.
"""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

EDGELM = MODEL = ""
GOLDEN = pathlib.Path()
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 12},
        "age": {"type": "integer", "minimum": 0, "maximum": 120},
        "when": {"type": "string", "format": "date"},
        "tags": {"type": "array", "items": {"enum": ["a", "b", "ü"]}, "maxItems": 3},
    },
    "required": ["name", "age", "when", "tags"],
}


def edgelm(*args):
    return subprocess.run(
        [EDGELM, "run", MODEL, "-p", "Once upon a time", "-c", "512", *args],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60,
        check=False, encoding="utf-8",
    )


def request(name):
    """The body of a request that was sent to another server."""
    return json.loads((GOLDEN / "server" / name).read_text().split("\n", 1)[1])


class Constrained(unittest.TestCase):
    def check_schema(self, schema, *options):
        for seed in range(6):
            result = edgelm("--json-schema", json.dumps(schema), "--temp", "1.5", "--seed", str(seed), *options)
            self.assertEqual(result.returncode, 0, result.stderr)
            value = json.loads(result.stdout)
            self.assertEqual(list(value), [key for key in schema["properties"] if key in value])
            for key in schema["required"]:
                self.assertIn(key, value)
        return value

    def test_a_schema(self):
        value = self.check_schema(SCHEMA)
        self.assertTrue(1 <= len(value["name"]) <= 12 and 0 <= value["age"] <= 120)
        self.assertRegex(value["when"], r"^\d{4}-\d\d-\d\d$")
        self.assertTrue(set(value["tags"]) <= {"a", "b", "ü"})

    def test_guessing_ahead_changes_nothing(self):
        options = ["--json-schema", json.dumps(SCHEMA), "--temp", "0"]
        plain = edgelm(*options)
        self.assertEqual(plain.returncode, 0, plain.stderr)
        self.assertEqual(edgelm(*options, "--spec", "ngram").stdout, plain.stdout)

    def test_the_requests_that_servers_get(self):
        grammar = request("completion-grammar.request")["grammar"]
        with tempfile.NamedTemporaryFile("w", suffix=".gbnf") as file:
            file.write(grammar)
            file.flush()
            for seed in range(5):
                result = edgelm("--grammar", file.name, "--temp", "2", "--seed", str(seed), "--json")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertIn(json.loads(result.stdout)["text"], ("yes", "no"))
                self.assertEqual(json.loads(result.stdout)["finish"], "eos")
        self.check_schema(request("chat-schema.request")["response_format"]["json_schema"]["schema"])

    def test_a_chat_answer_is_a_text_of_its_own(self):
        result = edgelm("--chat", "--template", "chatml", "--json-schema", json.dumps(SCHEMA), "--temp", "0")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertTrue(result.stdout.startswith("{"))
        json.loads(result.stdout)

    def test_any_object(self):
        ends = 0
        for seed in range(10):
            result = edgelm("--json-object", "--temp", "1", "--seed", str(seed), "-n", "300")
            if result.returncode == 0:
                self.assertIsInstance(json.loads(result.stdout), dict)
                ends += 1
            else:
                self.assertRegex(result.stderr, "the text is not complete; it was ended by: (length|context)")
        self.assertGreater(ends, 0)

    def test_text_that_is_cut_off_is_no_success(self):
        result = edgelm("--json-object", "-n", "3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("the text is not complete; it was ended by: length", result.stderr)

    def test_a_text_that_nothing_can_continue(self):
        # What could still follow needs a deeper stack than there is. "@" (a byte token) ends the
        # descent and is made unlikely.
        grammar = 'root ::= "(" root ")" | "(" a\na ::= "@" b ")"\nb ::= "x"\n'
        with tempfile.NamedTemporaryFile("w") as file:
            file.write(grammar)
            file.flush()
            options = ["--temp", "0", "-c", "2048", "--logit-bias", "67=-1000"]
            result = edgelm("--grammar", file.name, *options)
        self.assertEqual(result.returncode, 1)
        self.assertEqual(result.stdout.strip("("), "")
        self.assertIn("the text is not complete; it was ended by: filter", result.stderr)

    def test_the_end_of_the_model_may_be_forbidden(self):
        result = edgelm("--json-schema", json.dumps(SCHEMA), "--ignore-eos")
        self.assertEqual(result.returncode, 0, result.stderr)
        json.loads(result.stdout)

    def test_errors_name_the_place(self):
        with tempfile.NamedTemporaryFile("w") as file:
            file.write("root ::= a\na ::= [z-a]\n")
            file.flush()
            result = edgelm("--grammar", file.name)
            self.assertEqual(result.returncode, 1)
            self.assertIn(f"{file.name}: line 2 column 8: this range", result.stderr)
            self.assertRegex(edgelm("--json-schema", file.name).stderr, re.escape(file.name) + ".*invalid JSON")
        result = edgelm("--json-schema", '{"properties": {"a": {"not": {}}}}')
        self.assertEqual(result.returncode, 1)
        self.assertIn('schema at #/properties/a: "not" is not supported', result.stderr)
        self.assertEqual(edgelm("--grammar", "/no/such/file").returncode, 1)
        self.assertEqual(edgelm("--grammar", "x", "--json-object").returncode, 2)


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    GOLDEN = pathlib.Path(sys.argv.pop(1))
    MODEL = str(GOLDEN / "models/stories260K-F32.gguf")
    if not os.path.exists(MODEL):
        print(f"skipped: {MODEL} is absent")
        sys.exit(77)
    unittest.main(verbosity=1)
