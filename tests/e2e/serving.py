"""A server to be tested from outside, and how to talk to it."""

import contextlib
import http.client
import json
import re
import signal
import socket
import ssl
import subprocess
import threading
import time


class Server:
    """`edgelm serve` in a process of its own, at a port that was free."""

    def __init__(self, edgelm, *arguments, tls=False):
        self.tls = tls
        self.process = subprocess.Popen(
            [edgelm, "serve", *arguments, "--port", "0"], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True, bufsize=1)
        self.said, self.port, self.ended = [], 0, False
        for line in self.process.stderr:
            self.said.append(line)
            found = re.search(r"listening at https?://\S+:(\d+)", line)
            if found:
                self.port = int(found.group(1))
                break
        # All that it says is read at once, so that it never waits for that.
        self.reader = threading.Thread(target=lambda: self.said.extend(self.process.stderr))
        self.reader.start()
        if not self.port:
            raise AssertionError(self.end()[1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def end(self):
        """Exit code and all that was said."""
        self.terminate()
        code = self.process.wait(timeout=30)
        self.reader.join()
        self.process.stderr.close()
        return code, "".join(self.said)

    def terminate(self):
        """Once: a second signal would end it at once."""
        if not self.ended:
            self.process.send_signal(signal.SIGTERM)
        self.ended = True

    def connect(self):
        if self.tls:
            trusting = ssl.create_default_context()
            trusting.check_hostname = False
            trusting.verify_mode = ssl.CERT_NONE
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60,
                                               context=trusting)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method, path, body=None, headers=None):
        """Status, headers, text."""
        connection = self.connect()
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        text = reply.read().decode()
        connection.close()
        return reply.status, reply.headers, text

    def post(self, path, body, expected=200):
        status, _, text = self.ask("POST", path, body)
        assert status == expected, (status, text)
        return json.loads(text)

    def events(self, path, body):
        """What a stream tells; without the end mark."""
        _, headers, text = self.ask("POST", path, {**body, "stream": True})
        assert headers["Content-Type"] == "text/event-stream", text
        parts = text.split("\n\n")
        assert parts.pop() == ""
        data = [part[len("data: "):] for part in parts if part.startswith("data: ")]
        if path != "/completion":
            assert data.pop() == "[DONE]"
        return [json.loads(line) for line in data]

    def chat(self, content, **more):
        return self.post("/v1/chat/completions",
                         {"messages": [{"role": "user", "content": content}], "temperature": 0,
                          **more})

    def metric(self, name):
        _, _, text = self.ask("GET", "/metrics")
        return float(re.search(rf"^{re.escape(name)} (\S+)$", text, re.M).group(1))

    def running(self):
        return sum(slot["is_processing"] for slot in json.loads(self.ask("GET", "/slots")[2]))

    def raw(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)


def request_bytes(body, path="/completion", headers=""):
    body = json.dumps(body).encode()
    return (f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
            f"{headers}\r\n").encode() + body


def read_all(connection):
    """Reads to the end, and closes."""
    data = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while more := connection.recv(65536):
            data += more
    return data


def until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True
