#!/usr/bin/env python3
"""Black-box tests of what all commands share: exit codes, help, errors, completion, manual page.

usage: test_program.py PATH-OF-EDGELM
"""

import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest

EDGELM = ""


def edgelm(*args, **kwargs):
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    kwargs.setdefault("stdout", subprocess.PIPE)
    return subprocess.run(
        [EDGELM, *args], stderr=subprocess.PIPE, text=True, timeout=60, check=False, **kwargs
    )


def verbs(*path):
    """The names under "Commands:" in the help of a command."""
    text = edgelm(*path, "--help").stdout
    section = re.search(r"^Commands:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  (\S+)", section.group(1), re.M) if section else []


def leaves(*path):
    """Every command that does something, as a tuple of words."""
    names = verbs(*path)
    for name in names:
        yield from leaves(*path, name)
    if not names:
        yield path


class Help(unittest.TestCase):
    def test_no_argument_prints_the_table(self):
        result = edgelm()
        self.assertEqual(result.returncode, 0)
        self.assertIn("Commands:\n", result.stdout)
        self.assertEqual(result.stderr, "")

    def test_every_command_explains_itself(self):
        found = list(leaves())
        self.assertGreater(len(found), 2)
        for path in found:
            with self.subTest(command=" ".join(path)):
                result = edgelm(*path, "--help")
                self.assertEqual(result.returncode, 0)
                self.assertTrue(result.stdout.startswith(f"Usage: edgelm {' '.join(path)} [OPTION]..."))
                self.assertEqual(result.stderr, "")
                self.assertEqual(edgelm("help", *path).stdout, result.stdout)
                self.assertNotRegex(result.stdout, r"[ \t]\n")
                for line in result.stdout.splitlines():
                    if not line.startswith(("Usage", "  edgelm", "  source", "  printf", "  echo")):
                        self.assertLessEqual(len(line), 80, line)

    def test_version(self):
        for option in ("--version", "-V"):
            self.assertRegex(edgelm(option).stdout, r"^edgelm \d+\.\d+\.\d+\n$")

    def test_help_wins_over_missing_arguments_and_writes_to_stdout(self):
        self.assertEqual(edgelm("completion", "-h").returncode, 0)


class WrongUsage(unittest.TestCase):
    def check(self, args, sentence):
        result = edgelm(*args)
        self.assertEqual(result.returncode, 2, result)
        self.assertEqual(result.stdout, "")
        self.assertIn(sentence, result.stderr)
        self.assertRegex(result.stderr, r'\nTry "edgelm.* --help"\.\n$')

    def test_sentences(self):
        self.check(["completio"], 'there is no command "completio"; did you mean "completion"?')
        self.check(["xyzzy"], 'edgelm: there is no command "xyzzy"')
        self.check(["--verson"], "there is no option --verson; did you mean --version?")
        self.check(["help", "--verbsoe"], "edgelm help: there is no option --verbsoe; did you mean --verbose?")
        self.check(["--zzzzzzzz"], "there is no option --zzzzzzzz\n")
        self.check(["-Z"], "there is no option -Z")
        self.check(["--quiet=1"], "--quiet takes no value")
        self.check(["completion"], "SHELL is missing")
        self.check(["completion", "csh"], 'SHELL "csh" is not one of: bash')
        self.check(["completion", "bash", "more"], 'one argument too many: "more"')
        self.check(["help", "nothing"], '"edgelm" has no command "nothing"')
        self.check(["completion", "--", "--help"], 'SHELL "--help" is not one of')
        self.check([""], 'there is no command ""')

    def test_every_command_refuses_an_unknown_option(self):
        for path in leaves():
            with self.subTest(command=" ".join(path)):
                self.check([*path, "--no-such-option"], "there is no option --no-such-option")

    def test_hostile_words_are_made_printable(self):
        result = edgelm("\x1b[2J\nforged")
        self.assertIn('there is no command "?[2J?forged"', result.stderr)
        self.assertEqual(edgelm("x" * 100000).returncode, 2)

    def test_a_lone_letter_group(self):
        self.assertEqual(edgelm("-vq", "completion", "bash").returncode, 0)
        self.assertEqual(edgelm("completion", "-vv", "bash").returncode, 0)


class Output(unittest.TestCase):
    def test_a_full_disk_is_a_failure(self):
        with open("/dev/full", "w") as full:
            result = edgelm("completion", "bash", stdout=full)
        self.assertEqual(result.returncode, 1)
        self.assertIn("cannot write to standard output: No space left", result.stderr)

    def test_a_reader_that_left_is_a_failure(self):
        read_end, write_end = os.pipe()
        os.close(read_end)
        with os.fdopen(write_end, "w") as pipe:
            result = edgelm("completion", "bash", stdout=pipe)
        self.assertEqual(result.returncode, 1)
        self.assertIn("Broken pipe", result.stderr)

    def test_closed_descriptors(self):
        for closing, code in ((">&-", 1), (">/dev/null <&-", 0), (">/dev/null 2>&-", 0)):
            with self.subTest(closing=closing):
                command = f'"$0" completion bash {closing}'
                run = subprocess.run(
                    ["sh", "-c", command, EDGELM], capture_output=True, check=False, timeout=60
                )
                self.assertEqual(run.returncode, code)


def complete(script, *words):
    """What the script offers for the last word."""
    quoted = " ".join("'" + word + "'" for word in words)
    run = subprocess.run(
        ["bash", "--norc", "-c", f'source "$0"; COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}; _edgelm; printf "%s\\n" "${{COMPREPLY[@]}}"', script],
        capture_output=True, text=True, check=True, timeout=60,
    )
    return run.stdout.split()


@unittest.skipUnless(shutil.which("bash"), "bash is missing")
class Completion(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.script = os.path.join(cls.folder.name, "edgelm.bash")
        pathlib.Path(cls.script).write_text(edgelm("completion", "bash").stdout)

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def test_commands_and_options(self):
        self.assertEqual(complete(self.script, "edgelm", "compl"), ["completion"])
        self.assertEqual(complete(self.script, "edgelm", "completion", ""), ["--verbose", "--quiet", "--help", "bash"])
        self.assertEqual(complete(self.script, "edgelm", "--vers"), ["--version"])
        self.assertIn("completion", complete(self.script, "edgelm", "help", "co"))

    def test_every_command_offers_its_options(self):
        for path in leaves():
            with self.subTest(command=" ".join(path)):
                text = edgelm(*path, "--help").stdout
                options = set(re.findall(r"^ +(?:--?[\w-]+, )*(--[\w-]+)(?![\w,-])", text, re.M))
                self.assertEqual(set(complete(self.script, "edgelm", *path, "--")), options)

    def test_a_real_shell_completes(self):
        """Through readline on a pseudo-terminal: edgelm compl<TAB> runs edgelm completion."""
        environment = dict(os.environ, PATH=os.path.dirname(EDGELM) + ":" + os.environ["PATH"], PS1="$ ", TERM="dumb")
        pid, terminal = pty.fork()
        if pid == 0:
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], environment)
        try:
            os.write(terminal, f"source {self.script}\nedgelm compl\tba\t | head -n 1\nexit\n".encode())
            seen = b""
            while True:
                try:
                    piece = os.read(terminal, 4096)
                except OSError:
                    break
                if not piece:
                    break
                seen += piece
        finally:
            os.close(terminal)
            os.waitpid(pid, 0)
        self.assertIn(b"# bash completion for edgelm", seen)


class ManualPage(unittest.TestCase):
    @unittest.skipUnless(shutil.which("groff"), "groff is missing")
    def test_no_warnings(self):
        for path in [(), *leaves()]:
            page = edgelm("man", *path).stdout
            run = subprocess.run(
                ["groff", "-man", "-ww", "-Tutf8", "-z"], input=page, capture_output=True, text=True, check=True, timeout=60
            )
            self.assertEqual(run.stderr, "", path)

    @unittest.skipUnless(shutil.which("man"), "man is missing")
    def test_man_shows_every_command_and_option(self):
        page = edgelm("man").stdout
        environment = dict(os.environ, MANWIDTH="200", LC_ALL="C.UTF-8", MAN_KEEP_FORMATTING="")
        run = subprocess.run(
            ["man", "--warnings", "-E", "ascii", "-l", "-"], input=page, capture_output=True, text=True, env=environment, check=True, timeout=60,
        )
        self.assertEqual(run.stderr, "")
        shown = re.sub(".\b", "", run.stdout)
        for path in leaves():
            self.assertIn("edgelm " + " ".join(path), shown)
            for option in re.findall(r"^ +(?:-\w, )?(--[\w-]+)", edgelm(*path, "--help").stdout, re.M):
                self.assertIn(option, shown)


if __name__ == "__main__":
    EDGELM = os.path.abspath(sys.argv.pop(1))
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    unittest.main(verbosity=1)
