#!/usr/bin/env python3
"""Many clients at once for some time: none may see an error that it did not cause, and each greedy
answer must be that which the request gets alone.

usage: load_serve.py PATH-OF-EDGELM MODEL [SECONDS [CLIENTS [OPTION...]]]

Some clients go away in the middle, some ask wrongly, some have long prompts. At the end the server
gets a SIGTERM while all are busy: what it has begun to answer must be complete and right. Prints what
happened and the resident memory after a third of the time and at the end, which in a run of a minute
or more may differ by 2 %.
"""

import collections
import http.client
import json
import random
import re
import signal
import subprocess
import sys
import threading
import time

PARALLEL = 16
PROMPTS = [f"Once upon a time {i} there was" for i in range(40)]
LONG = ["she said that he was there " * (20 + i) for i in range(8)]


class Load:
    def __init__(self, port, seconds):
        self.port, self.end = port, time.monotonic() + seconds
        self.alone = {}
        self.counts, self.wrong = collections.Counter(), []
        self.stopping = False

    def ask(self, prompt, stream=True, leave=0):
        """The text, or None for one that was left after so many events."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        body = json.dumps({"prompt": prompt, "n_predict": 48, "temperature": 0, "ignore_eos": True,
                           "stream": stream})
        reply = self.answer_to(connection, body)
        if not reply:
            return None
        if not stream:
            return json.loads(reply.read())["content"]
        text, events = [], 0
        for line in reply:
            if not line.startswith(b"data: "):
                continue
            event = json.loads(line[6:])
            text.append(event["content"])
            events += 1
            if leave and events >= leave:
                reply.close()
                connection.close()
                return None
        connection.close()
        if not event["stop"]:
            raise AssertionError("the stream ended early")
        return "".join(text)

    def answer_to(self, connection, body, expected=(200,)):
        """The reply; None where a server that stops has not taken the request."""
        try:
            connection.request("POST", "/completion", body)
            reply = connection.getresponse()
        except OSError:
            if self.stopping:
                return None
            raise
        if reply.status == 503 and self.stopping:
            return None
        if reply.status not in expected:
            raise AssertionError((reply.status, reply.read()[:300]))
        return reply

    def ask_wrongly(self, rng):
        body = rng.choice(["{bad", '{"prompt": 1}', '{"prompt": "a", "grammar": "root ::= ("}'])
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        self.answer_to(connection, body, (400, 500))
        connection.close()

    def client(self, seed):
        rng = random.Random(seed)
        while not self.stopping and len(self.wrong) < 10:
            what = rng.choices(["stream", "whole", "leave", "wrong", "long"], [6, 3, 3, 1, 1])[0]
            try:
                if what == "wrong":
                    self.ask_wrongly(rng)
                else:
                    prompt = rng.choice(LONG if what == "long" else PROMPTS)
                    text = self.ask(prompt, what != "whole",
                                    rng.randint(1, 40) if what == "leave" else 0)
                    if text is None:
                        what = "left" if what == "leave" else "not taken"
                    elif text != self.alone[prompt]:
                        raise AssertionError(f"{prompt!r}: {text!r}, not {self.alone[prompt]!r}")
                self.counts[what + " while stopping" if self.stopping else what] += 1
            except (AssertionError, OSError, http.client.HTTPException, ValueError) as error:
                self.wrong.append(f"{what}: {error!r}")


def resident(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read()).group(1))


def main():
    edgelm, model = sys.argv[1:3]
    seconds = float(sys.argv[3]) if len(sys.argv) > 3 else 10
    clients = int(sys.argv[4]) if len(sys.argv) > 4 else 64
    server = subprocess.Popen(
        [edgelm, "serve", model, "--port", "0", "--ctx", "1024", "--parallel", str(PARALLEL),
         "--queue", str(clients), "--template", "chatml", "--no-engine-cache", "--access-log",
         "/dev/null", *sys.argv[5:]], stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        found = re.search(r"listening at \S+:(\d+)", line)
        if found:
            break
    load = Load(int(found.group(1)), seconds)
    for prompt in PROMPTS + LONG:
        load.alone[prompt] = load.ask(prompt, stream=False)
    load.end = time.monotonic() + seconds
    threads = [threading.Thread(target=load.client, args=(i,)) for i in range(clients)]
    for thread in threads:
        thread.start()
    time.sleep(seconds / 3)
    early = resident(server.pid)
    time.sleep(max(0, load.end - time.monotonic()))
    late = resident(server.pid)
    load.stopping = True
    server.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    said = server.stderr.read()
    code = server.wait(timeout=60)
    print(f"{clients} clients, {seconds:g} s: {dict(load.counts)}; resident {early} kB after a "
          f"third, {late} kB at the end ({100 * (late - early) / early:+.1f} %); exit code {code}")
    for problem in load.wrong:
        print(problem)
    if code:
        print(said)
    grown = seconds >= 60 and abs(late - early) > 0.02 * early
    return 1 if load.wrong or code or grown or not load.counts else 0


sys.exit(main())
