#!/usr/bin/env python3
"""Compares `edgelm serve` with what llama-server has answered to the same requests: status, headers that
clients read, the members of every object with their order and types, and the framing of streams,
event by event.

usage: test_server_golden.py EDGELM GOLDEN-FOLDER
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import unittest

EDGELM, GOLDEN = "", pathlib.Path()

# Objects whose members are settings: ours are those that exist here.
SETTINGS = {"generation_settings", "params", "chat_template_caps", "modalities"}
# What only we have.
OURS = {
    "models": {".data[].status", ".data[].status.value"},
}
# What only they have.
THEIRS = {
    "props": {".cors_proxy_enabled", ".media_marker", ".ui_settings"},
}


def kind(value):
    if isinstance(value, bool):
        return "bool"
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def shape(value, path=""):
    """Every member as (path, kind), in order; of lists the first item stands for all."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield f"{path}.{key}", kind(item)
            if key not in SETTINGS:
                yield from shape(item, f"{path}.{key}")
    elif isinstance(value, list) and value:
        yield f"{path}[]", kind(value[0])
        yield from shape(value[0], f"{path}[]")


def settings(value):
    """The settings anywhere in it, as {name: kind}."""
    found = {}
    if isinstance(value, dict):
        for key, item in value.items():
            if key in SETTINGS:
                found.update({name: kind(v) for name, v in item.items()})
            else:
                found.update(settings(item))
    return found


def parse(raw):
    """Status, headers, the body with its chunks joined."""
    head, _, body = raw.partition(b"\r\n\r\n")
    lines = head.decode("latin1").split("\r\n")
    headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in lines[1:])}
    # What was recorded has its chunks joined already.
    if headers.get("transfer-encoding") == "chunked" and re.match(rb"[0-9a-fA-F]+\r\n", body):
        joined = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            joined, body = joined + body[:int(size, 16)], body[int(size, 16) + 2:]
        body = joined
    return int(lines[0].split()[1]), headers, body.decode()


def events(text):
    """The data of a stream. Every event is one line and ends with an empty one."""
    parts = text.split("\n\n")
    assert parts.pop().strip() == "", text[-80:]
    assert all(re.fullmatch(r"data: [^\n]+", part) for part in parts), text[:200]
    return [part[len("data: "):] for part in parts]


class Server(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.process = subprocess.Popen(
            [EDGELM, "serve", str(GOLDEN / "models/stories260K-F32.gguf"), "--port", "0", "--ctx",
             "128", "--parallel", "2", "--threads", "1", "--template", "chatml", "--metrics",
             "--slots", "--no-engine-cache"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            text=True)
        for line in cls.process.stderr:
            if found := re.search(r"listening at \S+:(\d+)", line):
                cls.port = int(found[1])
                return
        raise AssertionError("the server has ended")

    @classmethod
    def tearDownClass(cls):
        cls.process.terminate()
        cls.process.communicate()
        assert cls.process.returncode == 0

    def ask(self, name):
        first, _, body = (GOLDEN / "server" / f"{name}.request").read_text().partition("\n")
        body = body.rstrip("\n").encode()
        request = (f"{first} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   f"Content-Length: {len(body)}\r\n\r\n").encode() + body
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(request)
            raw = b""
            while more := connection.recv(65536):
                raw += more
        return parse(raw)

    def same_shape(self, name, ours, theirs):
        mine = [m for m in shape(ours) if m[0] not in OURS.get(name, ())]
        wanted = [m for m in shape(theirs) if m[0] not in THEIRS.get(name, ())]
        self.assertEqual(mine, wanted)
        known = settings(theirs)
        for setting, its_kind in settings(ours).items():
            self.assertEqual(known.get(setting, its_kind), its_kind, setting)

    def check(self, name):
        status, headers, text = self.ask(name)
        their_status, their_headers, their_text = parse(
            (GOLDEN / "server" / f"{name}.http").read_bytes())
        self.assertEqual(status, their_status, text)
        for header in ("content-type", "transfer-encoding", "x-accel-buffering"):
            self.assertEqual(headers.get(header), their_headers.get(header), header)
        if "transfer-encoding" not in headers:
            self.assertEqual(int(headers["content-length"]), len(text.encode()))
        if name == "metrics":
            kinds = re.compile(r"^# TYPE (llamacpp:\S+ \S+)$", re.M)
            self.assertEqual(kinds.findall(text), kinds.findall(their_text))
        elif "event-stream" in headers["content-type"]:
            mine, wanted = events(text), events(their_text)
            self.assertEqual(len(mine), len(wanted), text)
            for a, b in zip(mine, wanted):
                if "[DONE]" in (a, b):
                    self.assertEqual(a, b)
                else:
                    self.same_shape(name, json.loads(a), json.loads(b))
        else:
            self.same_shape(name, json.loads(text), json.loads(their_text))

    def test_every_recorded_request(self):
        names = sorted(path.stem for path in (GOLDEN / "server").glob("*.request"))
        self.assertGreater(len(names), 20)
        for name in names:
            with self.subTest(name):
                self.check(name)

    def test_what_does_not_depend_on_chance(self):
        for name in ("apply-template", "tokenize", "tokenize-plain", "detokenize", "health",
                     "slots", "completion-grammar"):
            with self.subTest(name):
                theirs = json.loads(parse((GOLDEN / "server" / f"{name}.http").read_bytes())[2])
                ours = json.loads(self.ask(name)[2])
                if name == "completion-grammar":
                    ours, theirs = ours["content"], theirs["content"]
                self.assertEqual(ours, theirs)


if __name__ == "__main__":
    EDGELM, GOLDEN = sys.argv[1], pathlib.Path(sys.argv[2])
    if not (GOLDEN / "server").is_dir():
        print(f"server_golden: skipped, {GOLDEN} has no recorded answers")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
