#!/usr/bin/env python3
"""Measures any server of OpenAI's API from outside, over streams of /v1/completions.

usage: bench_serve.py PORT streams N TOKENS PROMPT  N streams at once, each of TOKENS tokens after a
                                                    prompt of PROMPT tokens
       bench_serve.py PORT prefix PROMPT            the same prompt again and again: time to the
                                                    first token
       bench_serve.py PORT arrival TOKENS PROMPT    a stream of TOKENS tokens, in whose middle a
                                                    prompt of PROMPT tokens arrives

One thread reads all sockets and notes when bytes came; they are looked at afterwards, so that the
client takes little of the processor that it measures.
"""

import json
import random
import selectors
import socket
import sys
import time


class Stream:
    """One request and when its events came."""

    def __init__(self, port, prompt, tokens):
        body = json.dumps({"prompt": prompt, "max_tokens": tokens, "temperature": 0,
                           "stream": True, "ignore_eos": True,
                           "stream_options": {"include_usage": True}}).encode()
        self.received = []
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.start = time.perf_counter()
        self.socket.sendall(b"POST /v1/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                            b"Content-Type: application/json\r\n"
                            b"Content-Length: %d\r\n\r\n%s" % (len(body), body))

    def read(self):
        """False at the end."""
        data = self.socket.recv(1 << 16)
        self.received.append((time.perf_counter(), data))
        if not data:
            self.socket.close()
        return bool(data)

    def look(self):
        """Times of events with text, and the tokens that the server has counted."""
        self.times, self.tokens, self.error = [], 0, None
        line = b""
        for when, data in self.received:
            *lines, line = (line + data).split(b"\n")
            for text in lines:
                if not text.startswith(b"data: {"):
                    continue
                event = json.loads(text[6:])
                if "error" in event:
                    self.error = event["error"].get("message")
                    continue
                usage = event.get("usage") or {}
                self.tokens = usage.get("completion_tokens", self.tokens)
                if any(choice.get("text") for choice in event["choices"]):
                    self.times.append(when)
        self.tokens = self.tokens or len(self.times)  # where no usage came
        if not self.times:
            raise SystemExit(f"no text came: {self.received[0][1][:300]!r}")


def run(streams):
    selector = selectors.DefaultSelector()
    for stream in streams:
        selector.register(stream.socket, selectors.EVENT_READ, stream)
    while selector.get_map():
        for key, _ in selector.select():
            if not key.data.read():
                selector.unregister(key.fileobj)
    for stream in streams:
        stream.look()
    return streams


def percentile(values, percent):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]


def gaps_of(stream):
    return [b - a for a, b in zip(stream.times, stream.times[1:])]


def prompt_of(count, salt):
    """A prompt of exactly so many tokens, none like that of another salt."""
    rng = random.Random(salt)
    return [rng.randrange(3, 256) for _ in range(count)]


def measure_streams(port, count, tokens, prompt):
    salt = time.time_ns() % 1000003
    begin = time.perf_counter()
    streams = run([Stream(port, prompt_of(prompt, salt + i), tokens) for i in range(count)])
    first = [s.times[0] - s.start for s in streams]
    gaps = [gap for s in streams for gap in gaps_of(s)]
    total = sum(s.tokens for s in streams)
    seconds = max(s.times[-1] for s in streams) - begin
    # From the moment at which all streams have their first token.
    since = max(s.times[0] for s in streams)
    later = sum(when > since for s in streams for when in s.times)
    return {"streams": count, "tokens": total, "seconds": seconds, "tokens_per_s": total / seconds,
            "decode_tokens_per_s": later / (max(s.times[-1] for s in streams) - since),
            "ttft_ms_p50": 1e3 * percentile(first, 50), "ttft_ms_max": 1e3 * max(first),
            "tbt_ms_p50": 1e3 * percentile(gaps, 50), "tbt_ms_p99": 1e3 * percentile(gaps, 99),
            "tbt_ms_max": 1e3 * max(gaps), "n": len(gaps),
            "errors": [s.error for s in streams if s.error]}


def measure_prefix(port, prompt):
    text = prompt_of(prompt, time.time_ns() % 1000003)
    times = []
    for i in range(6):
        stream, = run([Stream(port, text, 1)])
        times.append(1e3 * (stream.times[0] - stream.start))
    return {"ttft_ms_first": times[0], "ttft_ms_again": times[1:],
            "times_faster": times[0] / percentile(times[1:], 50)}


def measure_arrival(port, tokens, prompt):
    salt = time.time_ns() % 1000003
    alone, = run([Stream(port, prompt_of(30, salt), tokens)])
    normal = gaps_of(alone)
    running = Stream(port, prompt_of(30, salt + 1), tokens)
    while sum(data.count(b"data: ") for _, data in running.received) < tokens // 4:
        running.read()
    late = Stream(port, prompt_of(prompt, salt + 2), 4)
    run([running, late])
    during = [gap for when, gap in zip(running.times[1:], gaps_of(running))
              if late.start < when <= late.times[0]]
    return {"tbt_ms_p50_alone": 1e3 * percentile(normal, 50),
            "tbt_ms_max_alone": 1e3 * max(normal),
            "tbt_ms_p50_during": 1e3 * percentile(during, 50),
            "tbt_ms_max_during": 1e3 * max(during), "n": len(during),
            "ttft_ms_of_the_prompt": 1e3 * (late.times[0] - late.start)}


def main():
    port, what, *numbers = sys.argv[1:]
    measure = {"streams": measure_streams, "prefix": measure_prefix, "arrival": measure_arrival}
    result = measure[what](int(port), *map(int, numbers))
    print(json.dumps(result, default=float, indent=1))


main()
