#!/usr/bin/env python3
"""Black-box tests of `edgelm chat`, by lines and at a terminal, with a model of random weights.

usage: test_chat.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import json
import os
import pathlib
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import tempfile
import time
import unittest

EDGELM = MODEL = ""
FOLDER = pathlib.Path()
# Greedy, and the end of the text is never chosen: answers are as long as -n says.
FIXED = ["--temp", "0", "--logit-bias", "2=-inf", "-t", "1", "--no-engine-cache"]


def chat(lines, *options):
    if isinstance(lines, list):
        lines = "".join(line + "\n" for line in lines).encode()
    return subprocess.run(
        [EDGELM, "chat", MODEL, *FIXED, *options],
        input=lines, capture_output=True, timeout=60, check=False,
    )


def errors(result):
    return result.stderr.decode()


def conversation(path):
    return [(m["role"], m["content"]) for m in json.loads(path.read_text())["messages"]]


class Lines(unittest.TestCase):
    def setUp(self):
        self.saved = FOLDER / f"{self.id()}.json"

    def contents(self, *lines, options=()):
        """What the user said, according to /save."""
        result = chat([*lines, f"/save {self.saved}"], "-n", "3", *options)
        self.assertEqual(result.returncode, 0, errors(result))
        return [text for role, text in conversation(self.saved) if role == "user"]

    def test_each_line_is_answered(self):
        result = chat(["one", "", "   ", "two"], "-n", "5", "--template", "plain")
        self.assertEqual(result.returncode, 0)
        self.assertEqual(errors(result).count("cut off after 5 tokens"), 2)
        self.assertTrue(result.stdout.endswith(b"\n"))

    def test_the_last_line_needs_no_newline(self):
        result = chat(b"one", "-n", "5")
        self.assertEqual(errors(result).count("cut off after 5 tokens"), 1)

    def test_several_lines_in_one_message(self):
        self.assertEqual(self.contents('"""', "a", "", " b", '"""', "c"), ["a\n\n b", "c"])
        self.assertEqual(self.contents("a\\", "b\\", "c"), ["a\nb\nc"])
        self.assertEqual(self.contents("//not a command"), ["/not a command"])

    def test_an_unknown_command(self):
        result = chat(["/nothing at all"])
        self.assertEqual(result.returncode, 1)
        self.assertIn("There is no command /nothing; /help lists them.", errors(result))

    def test_help_lists_every_command(self):
        listed = re.findall(r"^  /([a-z]+)", errors(chat(["/help"])), re.M)
        self.assertEqual(listed, ["help", "system", "reset", "save", "load", "stats", "quit"])

    def test_quit(self):
        result = chat(["/quit", "never read"], "-n", "5")
        self.assertEqual((result.returncode, result.stdout), (0, b""))

    def test_system_message(self):
        chat(["/system Be brief.", "hi", f"/save {self.saved}"], "-n", "2")
        self.assertEqual(conversation(self.saved)[0], ("system", "Be brief."))
        chat(["hi", f"/save {self.saved}"], "-n", "2", "--system", "Rhyme.")
        self.assertEqual(conversation(self.saved)[0], ("system", "Rhyme."))
        result = chat(["/system"])
        self.assertIn("There is no system message.", errors(result))

    def test_reset_keeps_the_system_message(self):
        chat(["hi", "/reset", f"/save {self.saved}"], "-n", "2", "--system", "Rhyme.")
        self.assertEqual(conversation(self.saved), [("system", "Rhyme.")])

    def test_save_and_load(self):
        chat(["one", f"/save {self.saved}"], "-n", "4")
        first = conversation(self.saved)
        self.assertEqual([role for role, _ in first], ["user", "assistant"])
        second = FOLDER / "second.json"
        for load in ([f"/load {self.saved}"], []):
            options = [] if load else ["--load", str(self.saved)]
            chat([*load, "two", f"/save {second}"], "-n", "4", *options)
            self.assertEqual(conversation(second)[:2], first)
            self.assertEqual(len(conversation(second)), 4)

    def test_files_that_are_no_conversation(self):
        for text, sentence in (
            ("", "line 1"),
            ("[]", 'no list "messages"'),
            ('{"messages": 3}', 'no list "messages"'),
            ('{"messages": [{"role": "user"}]}', "message 1"),
            ('{"messages": [{"role": "wizard", "content": "x"}]}', "message 1"),
            ('{"messages": [{"role": "user", "content": "x"}, {"role": "system", "content": "x"}]}',
             "message 2"),
        ):
            with self.subTest(text=text):
                bad = FOLDER / "bad.json"
                bad.write_text(text)
                result = chat(["kept", f"/load {bad}", f"/save {self.saved}"], "-n", "2")
                self.assertEqual(result.returncode, 1)
                self.assertIn(sentence, errors(result))
                self.assertEqual(conversation(self.saved)[0], ("user", "kept"))
        self.assertIn("No such file", errors(chat(["/load /no/such/file"])))
        self.assertIn("/no/such", errors(chat(["/save /no/such/folder/x"])))

    def test_stats_and_reuse_of_the_cache(self):
        text = errors(chat(["/stats", "one", "/stats", "two", "/stats"], "-n", "6"))
        self.assertIn("There is no answer yet.", text)
        self.assertRegex(text, r"TTFT +[\d.]+ ms")
        self.assertRegex(text, r"TBT +mean [\d.]+ ms, p50 [\d.]+, p95 [\d.]+, p99 [\d.]+ \(n=5\)")
        self.assertRegex(text, r"memory +[\d.]+ MiB at the peak")
        self.assertRegex(text, r"prompt +\d+ tokens, \d+ of them in the cache")

    def test_the_oldest_turns_make_room(self):
        long = "x" * 60
        result = chat([long + "1", long + "2", long + "3", f"/save {self.saved}"],
                      "-n", "20", "-c", "192", "--system", "Stay.")
        self.assertEqual(result.returncode, 0, errors(result))
        self.assertIn("The context of 192 tokens is full: the oldest 1 question and answer were dropped.",
                      errors(result))
        kept = conversation(self.saved)
        self.assertEqual(kept[0], ("system", "Stay."))
        self.assertNotIn(("user", long + "1"), kept)
        self.assertIn(("user", long + "3"), kept)

    def test_a_message_that_can_never_fit(self):
        result = chat(["x" * 100, "ok", f"/save {self.saved}"], "-c", "64", "-n", "4")
        self.assertEqual(result.returncode, 1)
        self.assertIn("leaves no room for an answer", errors(result))
        self.assertEqual([t for r, t in conversation(self.saved) if r == "user"], ["ok"])

    def test_an_answer_that_fills_the_context(self):
        result = chat(["hello"], "-c", "64")
        self.assertIn("The context is full: the answer is cut off.", errors(result))

    def test_templates(self):
        self.assertIn("has no chat template; using the plain format", errors(chat(["/quit"])))
        self.assertNotIn("template", errors(chat(["/quit"], "--template", "chatml")))
        good, bad = FOLDER / "good.jinja", FOLDER / "bad.jinja"
        good.write_text("{{ raise_exception('no thanks') if messages | length > 1 else 'a' }}")
        bad.write_text("{% if %}")
        result = chat(["one", "two", f"/save {self.saved}"], "-n", "2", "--template", str(good))
        self.assertEqual(result.returncode, 1)
        self.assertIn("no thanks", errors(result))
        self.assertEqual(len(conversation(self.saved)), 2) # the refused message is gone
        result = chat(["one"], "--template", str(bad))
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertIn("bad.jinja", errors(result))
        self.assertEqual(chat(["one"], "--template", "/no/such/file").returncode, 1)

    def test_lines_that_are_not_utf8(self):
        result = chat(b"\xff\xfe\nfine\n", "-n", "3")
        self.assertEqual(result.returncode, 1)
        self.assertIn("not valid UTF-8", errors(result))
        self.assertEqual(errors(result).count("cut off"), 1)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run(
                [EDGELM, "chat", MODEL, *FIXED, "-n", "3"], input=b"a\nb\n", stdout=full,
                stderr=subprocess.PIPE, timeout=60, check=False,
            )
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write to standard output", errors(result))


class Terminal(unittest.TestCase):
    def setUp(self):
        self.history = FOLDER / f"{self.id()}.history"
        environment = dict(os.environ, EDGELM_HISTORY=str(self.history), TERM="xterm", LC_ALL="C.UTF-8")
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.execve(EDGELM, [EDGELM, "chat", MODEL, *FIXED, "-c", "60000"], environment)
        self.shown = ""
        self.ended = None

    def tearDown(self):
        if self.ended is None:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.terminal)

    def type(self, text):
        os.write(self.terminal, text.encode())

    def expect(self, pattern, seconds=20):
        """Reads until the pattern appears in what came since the last one."""
        end = time.monotonic() + seconds
        while not (found := re.search(pattern, self.shown, re.S)):
            ready = select.select([self.terminal], [], [], max(0, end - time.monotonic()))[0]
            self.assertTrue(ready, f"waited for {pattern!r}, got {self.shown[-500:]!r}")
            try:
                self.shown += os.read(self.terminal, 65536).decode("utf-8", "replace")
            except OSError:
                self.fail(f"the program ended; waited for {pattern!r}, got {self.shown[-500:]!r}")
        self.shown = self.shown[found.end():]
        return found

    def wait(self):
        end = time.monotonic() + 20
        while self.ended is None and time.monotonic() < end:
            try:
                if select.select([self.terminal], [], [], 0.1)[0]:
                    self.shown += os.read(self.terminal, 65536).decode("utf-8", "replace")
            except OSError:
                pass
            done, status = os.waitpid(self.pid, os.WNOHANG)
            if done:
                self.ended = os.waitstatus_to_exitcode(status)
        self.assertIsNotNone(self.ended, f"it did not end; got {self.shown[-500:]!r}")
        return self.ended

    def test_ctrl_c_stops_the_answer_and_not_the_program(self):
        self.expect(r"/help explains, Ctrl-D leaves")
        self.expect("> ")
        self.type("tell me\r")
        self.expect(r"tell me\s+.{20}")
        self.type("\x03")
        self.expect(r"\[stopped\]")
        self.expect("> ")
        self.type("half a line\x03")
        self.expect(r"Ctrl-D or /quit leaves")
        self.expect("> ")
        self.type("/stats\r")
        self.expect(r"ended by: cancelled.*TTFT.*2 messages")
        self.expect("> ")
        self.type("\x04")
        self.assertEqual(self.wait(), 0)

    def test_earlier_lines_are_kept(self):
        self.expect("> ")
        self.type("/system Grüße\r")
        self.expect(r"system message: Grüße")
        self.expect("> ")
        self.type("\x1b[A")  # the last line again
        self.expect(r"/system")
        self.type(" und mehr\r")
        self.expect(r"system message: Grüße und mehr")
        self.type("/quit\r")
        self.assertEqual(self.wait(), 0)
        if self.history.exists():  # not without libedit
            self.assertIn("und", self.history.read_text("utf-8", "replace"))
            self.assertEqual(stat.S_IMODE(self.history.stat().st_mode), 0o600)


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    maker = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL = str(FOLDER / "tiny.gguf")
        subprocess.run([maker, MODEL, "60000"], check=True)
        unittest.main(verbosity=1)
