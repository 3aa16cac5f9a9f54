#!/usr/bin/env python3
"""Tests of what `edgelm serve` serves of its web page, and of /edgelm/status.

usage: test_serve_page.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import gzip
import html.parser
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest
import urllib.parse

import serving

EDGELM = MODEL = ""
FOLDER = pathlib.Path()


def Server(*options):
    return serving.Server(EDGELM, MODEL, "--threads", "1", "--ctx", "500", "--template", "chatml",
                          "--no-engine-cache", *options)


def fetch(server, method, path, **headers):
    """Status, headers, bytes."""
    connection = server.connect()
    connection.request(method, path, None, headers)
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    return reply.status, reply.headers, body


class Links(html.parser.HTMLParser):
    """What a page names: addresses of files, and scripts or styles inside it."""

    def __init__(self, text):
        super().__init__()
        self.addresses, self.inline = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.inline += [name for name in attributes if name.startswith("on") or name == "style"]
        if tag == "style" or (tag == "script" and "src" not in attributes):
            self.inline.append(tag)
        for name in ("src", "href"):
            if not attributes.get(name, "#").startswith("#"):
                self.addresses.append(attributes[name])


class Page(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        cls.server.end()

    def test_all_that_it_names_is_there(self):
        status, headers, body = fetch(self.server, "GET", "/")
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html; charset=utf-8"))
        links = Links(body.decode())
        self.assertEqual(links.inline, [])
        self.assertGreater(len(links.addresses), 3)
        for address in links.addresses:
            path = urllib.parse.urljoin("/", address)
            self.assertEqual(urllib.parse.urlsplit(path).netloc, "")
            self.assertEqual(fetch(self.server, "GET", path)[0], 200, path)
        self.assertEqual(fetch(self.server, "GET", "/assets/")[0], 404)
        self.assertEqual(fetch(self.server, "GET", "/assets/../index.html")[0], 404)
        self.assertEqual(fetch(self.server, "GET", "/assets/none.js")[0], 404)
        self.assertEqual(fetch(self.server, "POST", "/")[0], 405)

    def test_packed_for_those_who_take_it(self):
        _, plain_headers, plain = fetch(self.server, "GET", "/assets/app.css")
        self.assertNotIn("Content-Encoding", plain_headers)
        _, headers, packed = fetch(self.server, "GET", "/assets/app.css",
                                   **{"Accept-Encoding": "br, gzip;q=0.5"})
        self.assertEqual(headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed), plain)
        self.assertLess(len(packed), len(plain) / 2)
        self.assertEqual(headers["Vary"], "Accept-Encoding")
        refused = fetch(self.server, "GET", "/assets/app.css", **{"Accept-Encoding": "gzip;q=0"})
        self.assertEqual(refused[2], plain)
        status, headers, body = fetch(self.server, "HEAD", "/assets/app.css")
        self.assertEqual((status, headers["Content-Length"], body), (200, str(len(plain)), b""))

    def test_a_copy_that_is_still_right_is_not_sent_again(self):
        _, headers, _ = fetch(self.server, "GET", "/")
        tag = headers["ETag"]
        self.assertRegex(tag, r'^"[0-9a-f]{16}"$')
        status, headers, body = fetch(self.server, "GET", "/", **{"If-None-Match": f'W/{tag}, "x"'})
        self.assertEqual((status, headers["ETag"], body), (304, tag, b""))
        self.assertEqual(fetch(self.server, "GET", "/", **{"If-None-Match": '"x"'})[0], 200)
        self.assertNotEqual(fetch(self.server, "GET", "/assets/app.js")[1]["ETag"], tag)

    def test_nothing_from_elsewhere_may_run_in_it(self):
        for path in ("/", "/assets/app.js"):
            _, headers, _ = fetch(self.server, "GET", path)
            policy = dict(part.strip().split(" ", 1)
                          for part in headers["Content-Security-Policy"].split(";"))
            self.assertEqual(policy["default-src"], "'none'")
            self.assertEqual(policy["frame-ancestors"], "'none'")
            self.assertEqual({v for k, v in policy.items() if k.endswith("-src")},
                             {"'none'", "'self'"})
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")

    def test_it_can_be_left_out(self):
        with Server("--no-page") as server:
            self.assertEqual(fetch(server, "GET", "/")[0], 404)
            self.assertEqual(fetch(server, "GET", "/assets/app.js")[0], 404)
            self.assertEqual(server.ask("GET", "/edgelm/status")[0], 200)

    def test_it_needs_no_key_but_its_figures_do(self):
        keys = FOLDER / "keys"
        keys.write_text("secret\n")
        with Server("--api-key-file", str(keys)) as server:
            self.assertEqual(fetch(server, "GET", "/")[0], 200)
            self.assertEqual(server.ask("GET", "/edgelm/status")[0], 401)
            self.assertEqual(server.ask("GET", "/edgelm/status",
                                        headers={"Authorization": "Bearer secret"})[0], 200)


class Status(unittest.TestCase):
    def status(self, server):
        status, _, text = server.ask("GET", "/edgelm/status")
        self.assertEqual(status, 200, text)
        return json.loads(text)

    def test_figures_of_requests(self):
        with Server("--alias", "tiny") as server:
            before = self.status(server)
            server.chat("Hi", max_tokens=6, ignore_eos=True)
            after = self.status(server)
            _, said = server.end()
        self.assertGreater(after["clock"], before["clock"])
        self.assertGreater(after["uptime"], 0)
        old, new = before["models"][0], after["models"][0]
        self.assertEqual((new["name"], new["state"]), ("tiny", "loaded"))
        self.assertEqual(new["facts"]["context"], 500)
        self.assertEqual(new["tokens"]["generated"] - old["tokens"]["generated"], 6)
        self.assertEqual(new["requests"]["accepted"], 1)
        self.assertEqual(new["requests"]["finished"]["length"], 1)
        for name, count in (("time_to_first_token", 1), ("time_between_tokens", 5),
                            ("time_in_queue", 1)):
            histogram = new[name]
            self.assertEqual(sum(histogram["counts"]), histogram["count"])
            self.assertEqual(len(histogram["counts"]), len(histogram["bounds"]) + 1)
            self.assertLessEqual(histogram["count"], count)
        self.assertNotIn("/edgelm/status", said)

    def test_readings_are_values_or_reasons(self):
        def check(value):
            if isinstance(value, dict) and "unit" in value:
                self.assertEqual(("value" in value) + ("unmeasured" in value), 1, value)
            elif isinstance(value, (dict, list)):
                for one in value.values() if isinstance(value, dict) else value:
                    check(one)

        with Server() as server:
            device = self.status(server)["device"]
            check(device)
            self.assertGreater(device["process"]["rss"]["value"], 1 << 20)
            self.assertGreater(len(device["cores"]), 0)

    def test_readings_of_another_device(self):
        root = FOLDER / "root"
        for path, text in (("proc/meminfo", "MemTotal: 8000000 kB\nMemAvailable: 5000000 kB\n"),
                           ("sys/class/thermal/thermal_zone0/type", "soc-thermal\n"),
                           ("sys/class/thermal/thermal_zone0/temp", "48200\n")):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        with Server("--sysroot", str(root)) as server:
            device = self.status(server)["device"]
        self.assertEqual(device["memory"]["available"], {"value": 5000000 * 1024, "unit": "B"})
        self.assertEqual(device["temperature"], {"value": 48.2, "unit": "C"})
        self.assertEqual(device["hottest"], "soc-thermal")
        self.assertIn("no file", device["cpu"]["unmeasured"])
        self.assertIn("unmeasured", device["power"])


if __name__ == "__main__":
    EDGELM, make_tiny_model = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL = str(FOLDER / "tiny.gguf")
        subprocess.run([make_tiny_model, MODEL, "500"], check=True)
        unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
