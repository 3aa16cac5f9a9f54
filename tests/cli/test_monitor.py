#!/usr/bin/env python3
"""edgelm monitor from outside: once, as JSON, as CSV, on a terminal, and of a server.

usage: test_monitor.py PATH-OF-EDGELM PATH-OF-MAKE_DEVICE_TREE
"""

import contextlib
import csv
import fcntl
import http.server
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import unittest

EDGELM = MAKE_TREE = ""
FOLDER = None


def tree(name):
    """A folder with the files of a device."""
    folder = os.path.join(FOLDER.name, name)
    if not os.path.isdir(folder):
        os.mkdir(folder)
        subprocess.run([MAKE_TREE, name, folder], check=True)
    return folder


def monitor(*args, **kwargs):
    return subprocess.run([EDGELM, "monitor", *args], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=60, check=False, **kwargs)


class Once(unittest.TestCase):
    def test_a_jetson(self):
        result = monitor("--once", "--sysroot", tree("jetson-nano"), "-i", "0.01")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for part in ("NVIDIA Jetson Nano Developer Kit", "mode 5W", "jetson_clocks off", "27.3 % gpu, 614 MHz",
                     "4.71 W (board)", "POM_5V_CPU 1.0 W", "nvenc off", "1325 rpm", "AO-therm 41.5 C",
                     "64.00 KiB of 256.00 KiB", "20.0 %, 1600 MHz", "1428 MHz (schedutil)"):
            self.assertIn(part, result.stdout)

    def test_without_a_terminal_it_prints_once(self):
        result = monitor("--sysroot", tree("laptop"), "-i", "0.01")
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        self.assertIn("81.0 % Discharging, 4.83 W, mains off", result.stdout)

    def test_what_is_not_measured_says_so(self):
        os.makedirs(os.path.join(FOLDER.name, "nothing"), exist_ok=True)
        result = monitor("--once", "--sysroot", os.path.join(FOLDER.name, "nothing"), "-i", "0.01")
        self.assertEqual(result.returncode, 0)
        for label in ("CPU", "Memory", "Temperature", "Power", "Process"):
            self.assertRegex(result.stdout, rf"(?m)^{label} +unmeasured: ")

    def test_json(self):
        result = monitor("--once", "--json", "--sysroot", tree("orin-nano"), "-i", "0.01")
        look = json.loads(result.stdout)
        self.assertEqual(look["model"], "NVIDIA Jetson Orin Nano Developer Kit")
        self.assertAlmostEqual(look["device"]["gpu"]["value"], 99.8)
        self.assertEqual(look["device"]["gpu"]["unit"], "%")
        self.assertAlmostEqual(look["device"]["power"]["value"], 5.056 * 1.384)
        self.assertIn("unmeasured", look["device"]["mains"])

    def test_another_process(self):
        result = monitor("--once", "--json", "-p", str(os.getpid()), "-i", "0.05")
        process = json.loads(result.stdout)["device"]["process"]
        self.assertGreater(process["rss"]["value"], 1000000)
        # Python that runs this is larger than the monitor, and its time is longer than a look.
        self.assertGreater(process["time"]["value"], 0.01)
        result = monitor("--once", "-p", str(os.getpid()), "-i", "0.05")
        self.assertRegex(result.stdout, rf"(?m)^Process .*, {os.getpid()} \S+, resident ")
        self.assertNotIn("Process", monitor("--once", "-i", "0.05").stdout)
        result = monitor("--once", "--json", "-p", "4194303", "-i", "0.05")
        self.assertIn("no such process", json.loads(result.stdout)["device"]["process"]["rss"]["unmeasured"])

    def test_wrong_use(self):
        for args in (["--interval", "0"], ["--pid", "0"], ["--csv", "--json"], ["--api-key-file", "x"],
                     ["--url", "http://127.0.0.1:1", "--csv"], ["--url", "http://127.0.0.1:1", "--pid", "1"]):
            self.assertEqual(monitor(*args).returncode, 2, args)


class Lines(unittest.TestCase):
    def test_json_lines(self):
        result = monitor("--json", "-n", "3", "-i", "0.02", "--sysroot", tree("laptop"))
        looks = [json.loads(line) for line in result.stdout.splitlines()]
        self.assertEqual(len(looks), 3)
        self.assertLess(looks[0]["clock"], looks[2]["clock"])
        self.assertEqual(looks[0]["device"]["rails"][0]["name"], "package-0")
        self.assertIn("value", looks[0]["device"]["rails"][0])

    def test_csv(self):
        result = monitor("--csv", "-n", "20", "-i", "0.01", "--sysroot", tree("jetson-nano"))
        self.assertEqual(result.returncode, 0)
        rows = list(csv.DictReader(result.stdout.splitlines()))
        self.assertEqual(len(rows), 20)
        self.assertEqual(float(rows[0]["seconds"]), 0)
        self.assertGreater(float(rows[19]["seconds"]), 0.15)
        self.assertEqual(float(rows[5]["process_rss (B)"]), 900000 * 1024)
        self.assertEqual(float(rows[5]["power (W)"]), 4.712)
        self.assertEqual(float(rows[5]["power_POM_5V_IN (W)"]), 4.712)
        self.assertEqual(float(rows[5]["gpu (%)"]), 27.3)
        self.assertEqual(rows[5]["battery (%)"], "")
        self.assertIn("of one core", result.stderr)
        self.assertIn("battery: unmeasured: the kernel shows no battery", result.stderr)
        quiet = monitor("--csv", "-n", "2", "-i", "0.01", "-q", "--sysroot", tree("jetson-nano"))
        self.assertEqual(quiet.stderr, "")

    def test_interrupting_csv(self):
        with subprocess.Popen([EDGELM, "monitor", "--csv", "-i", "0.01"], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True) as process:
            process.stdout.readline()
            process.stdout.readline()
            process.send_signal(signal.SIGINT)
            rest, errors = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(rest and rest[-1:], rest and "\n")
        self.assertIn("rows in", errors)


STATUS = {
    "version": "9.9", "clock": 100.0, "uptime": 50.0,
    "models": [{"name": "tiny", "state": "loaded", "facts": {}, "memory_pressure": "none",
                "requests": {"running": 2, "waiting": 1, "refused": 0}, "kv": {"blocks": 8, "used": 2},
                "tokens": {"prompt": 500, "generated": 1000},
                "time_to_first_token": {"count": 4, "sum": 2.0}}],
    "device": {"cpu": {"value": 12.5, "unit": "%"}, "cores": []},
}


@contextlib.contextmanager
def serve():
    """A server that shows the status above, each time a second and 30 tokens later."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path != "/edgelm/status":
                self.send_error(404)
                return
            self.server.asked.append(self.headers.get("Authorization"))
            STATUS["clock"] += 1
            STATUS["models"][0]["tokens"]["generated"] += 30
            body = json.dumps(STATUS).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.asked = []
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class Server(unittest.TestCase):
    def setUp(self):
        if "libcurl" in monitor("--once", "--url", "http://127.0.0.1:1").stderr:
            self.skipTest("built without libcurl")

    def test_figures_and_rates(self):
        key = os.path.join(FOLDER.name, "key")
        with open(key, "w", encoding="utf-8") as file:
            file.write("secret\n")
        with serve() as server:
            url = f"http://127.0.0.1:{server.server_address[1]}/"
            result = monitor("--once", "--url", url, "--api-key-file", key, "-i", "0.01")
            self.assertEqual(set(server.asked), {"Bearer secret"})
        self.assertEqual((result.returncode, result.stderr), (0, ""))
        for part in ("edgelm 9.9, up 0:00:50", "tiny (loaded)", "2 running, 1 waiting", "30.0/s written",
                     "first after 0.500 s", "2 of 8 blocks", "12.5 %"):
            self.assertIn(part, result.stdout)

    def test_json_has_the_whole_status(self):
        with serve() as server:
            result = monitor("--once", "--json", "--url", f"http://127.0.0.1:{server.server_address[1]}", "-i", "0.01")
        look = json.loads(result.stdout)
        self.assertEqual(look["server"]["models"][0]["name"], "tiny")
        self.assertEqual(look["device"]["cpu"]["value"], 12.5)
        self.assertNotIn("device", look["server"])

    def test_no_server(self):
        result = monitor("--once", "--url", "http://127.0.0.1:1", "-i", "0.01")
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stdout, r"(?m)^Trouble +\S")
        result = monitor("--once", "--json", "--url", "http://127.0.0.1:1", "-i", "0.01")
        self.assertEqual(result.returncode, 1)
        self.assertIn("trouble", json.loads(result.stdout))
        with serve() as server:
            result = monitor("--once", "--url", f"http://127.0.0.1:{server.server_address[1]}/other", "-i", "0.01")
        self.assertEqual(result.returncode, 1)
        self.assertIn("404", result.stdout)


class Terminal:
    """The monitor on a pseudo-terminal of a size."""

    def __init__(self, columns, lines, *args, **environment):
        self.seen = b""
        self.status = None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
            os.execve(EDGELM, [EDGELM, "monitor", "-i", "0.1", *args],
                      {**os.environ, "TERM": "xterm-256color", "NO_COLOR": "", **environment})

    def resize(self, columns, lines):
        fcntl.ioctl(self.terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, until=None, seconds=20):
        """Reads until a text comes, or to the end."""
        end = time.monotonic() + seconds
        start = len(self.seen)
        while until is None or until not in self.seen[start:]:
            ready, _, _ = select.select([self.terminal], [], [], max(0, end - time.monotonic()))
            if not ready:
                raise AssertionError(f"nothing came: {self.seen[-500:]!r}")
            try:
                piece = os.read(self.terminal, 65536)
            except OSError:
                piece = b""
            if not piece:
                break
            self.seen += piece
        return self.seen[start:]

    def write(self, keys):
        os.write(self.terminal, keys)

    def end(self):
        self.read()
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.terminal)
        return self.status


class View(unittest.TestCase):
    def setUp(self):
        terminal = Terminal(80, 24, "--sysroot", tree("laptop"))
        seen = terminal.read(b"Device") if b"ncurses" not in terminal.seen else b""
        terminal.write(b"q")
        terminal.end()
        if b"without ncurses" in terminal.seen or not seen:
            self.skipTest("built without ncurses")

    def test_shows_and_ends(self):
        for keys in (b"q", b"\x03", b"\x1b"):
            with self.subTest(keys=keys):
                terminal = Terminal(100, 40, "--sysroot", tree("jetson-nano"))
                seen = terminal.read(b"q quit")
                self.assertIn(b"NVIDIA Jetson Nano", seen)
                self.assertIn(b"27.3 % gpu", seen)
                terminal.write(keys)
                self.assertEqual(terminal.end(), 0)
                # The screen that was there before is shown again, with its cursor.
                self.assertIn(b"\x1b[?1049l", terminal.seen)
                self.assertGreater(terminal.seen.rfind(b"\x1b[?25h"), terminal.seen.rfind(b"\x1b[?25l"))

    def test_a_signal_restores_the_terminal(self):
        terminal = Terminal(80, 24, "--sysroot", tree("jetson-nano"))
        terminal.read(b"q quit")
        os.kill(terminal.pid, signal.SIGTERM)
        self.assertEqual(terminal.end(), 0)
        self.assertIn(b"\x1b[?1049l", terminal.seen)

    def test_sizes(self):
        for columns, lines in ((1, 1), (5, 2), (12, 3), (20, 5), (300, 100)):
            with self.subTest(columns=columns, lines=lines):
                terminal = Terminal(columns, lines, "--sysroot", tree("jetson-nano"))
                terminal.read(b"\x1b[?1049h")
                time.sleep(0.3)
                terminal.write(b"jjkq")
                self.assertEqual(terminal.end(), 0)

    def test_resizing(self):
        terminal = Terminal(80, 10, "--sysroot", tree("jetson-nano"))
        self.assertNotIn(b"Process", terminal.read(b"scroll"))
        terminal.resize(120, 50)
        self.assertIn(b"Process", terminal.read(b"q quit"))
        terminal.resize(3, 2)
        time.sleep(0.3)
        terminal.resize(80, 10)
        terminal.read(b"scroll")
        terminal.write(b"\x1b[4~")  # End
        terminal.read(b"Process")
        terminal.write(b"q")
        self.assertEqual(terminal.end(), 0)

    def test_colours_are_left_out_when_asked(self):
        colour = b"\x1b[32m"
        terminal = Terminal(80, 24, "--sysroot", tree("jetson-nano"))
        self.assertIn(colour, terminal.read(b"q quit"))
        terminal.write(b"q")
        self.assertEqual(terminal.end(), 0)
        for change in ({"NO_COLOR": "1"}, {"TERM": "vt100"}):
            terminal = Terminal(80, 24, "--sysroot", tree("jetson-nano"), **change)
            self.assertNotIn(colour, terminal.read(b"q quit"))
            terminal.write(b"q")
            self.assertEqual(terminal.end(), 0)

    def test_an_unknown_terminal(self):
        terminal = Terminal(80, 24, "--sysroot", tree("jetson-nano"), TERM="nonsense")
        self.assertEqual(terminal.end(), 1)
        self.assertIn(b"--once prints plain text", terminal.seen)

    def test_a_terminal_that_goes_away(self):
        terminal = Terminal(80, 24, "--sysroot", tree("jetson-nano"))
        terminal.read(b"q quit")
        os.close(terminal.terminal)
        for _ in range(200):
            pid, _ = os.waitpid(terminal.pid, os.WNOHANG)
            if pid:
                return
            time.sleep(0.05)
        os.kill(terminal.pid, signal.SIGKILL)
        os.waitpid(terminal.pid, 0)
        self.fail("it goes on without a terminal")


if __name__ == "__main__":
    EDGELM, MAKE_TREE = (os.path.abspath(path) for path in sys.argv[1:3])
    with tempfile.TemporaryDirectory() as name:
        FOLDER = type("Folder", (), {"name": name})
        unittest.main(argv=sys.argv[:1])
