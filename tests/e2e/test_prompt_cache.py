#!/usr/bin/env python3
"""Tests of the prompt cache on disk from outside: restarts, kill -9, damage, a shared
folder, keys, limits.

usage: test_prompt_cache.py PATH-OF-EDGELM PATH-OF-MAKE_TINY_MODEL
"""

import concurrent.futures
import pathlib
import random
import re
import subprocess
import sys
import tempfile
import time
import unittest

import serving
from serving import until

EDGELM = MODEL = ""
FOLDER = pathlib.Path()
PROMPT = "the he th " * 60


def Server(cache, *options):
    # Scalar kernels compute a token alike in any company, so that answers can be compared.
    return serving.Server(EDGELM, MODEL, "--threads", "1", "--ctx", "2048", "--parallel", "4",
                          "--isa", "scalar", "--no-engine-cache", "--metrics",
                          "--prompt-cache", str(cache), *options)


def ask(server, prompt=PROMPT, **more):
    reply = server.post("/completion", {"prompt": prompt, "n_predict": 8, "temperature": 0,
                                        "ignore_eos": True, **more})
    return reply["content"], reply["timings"]["cache_n"]


def metric(server, name):
    return server.metric("edgelm_prompt_cache_" + name)


def blocks(cache):
    return [p for p in cache.iterdir() if re.fullmatch(r"[0-9a-f]{16}\.kv", p.name)]


class PromptCache(unittest.TestCase):
    def setUp(self):
        self.cache = FOLDER / self.id()

    def fill(self, prompt=PROMPT):
        """Asks once, and returns the answer when all blocks of the prompt are written."""
        with Server(self.cache) as server:
            text, reused = ask(server, prompt)
            self.assertEqual(reused, 0)
        return text

    def test_prompts_survive_a_restart(self):
        text = self.fill()
        written = len(blocks(self.cache))
        self.assertGreater(written, 10)
        self.assertEqual(self.cache.stat().st_mode & 0o777, 0o700)
        self.assertEqual({p.stat().st_mode & 0o777 for p in self.cache.iterdir()}, {0o600})
        with Server(self.cache) as server:
            again, reused = ask(server)
            self.assertEqual(again, text)
            self.assertEqual(reused, 32 * written)
            self.assertEqual(metric(server, "blocks_read_total"), written)
            self.assertEqual(metric(server, "blocks_written_total"), 0)
            # A text that goes on differently shares the beginning.
            other, reused = ask(server, PROMPT[:300] + "xyz " * 40)
            self.assertGreaterEqual(reused, 64)
            self.assertEqual(metric(server, "blocks_read_total"), written)
        self.assertNotEqual(other, text)

    def test_a_killed_server_leaves_nothing_wrong(self):
        prompts = [f"{i} he " * 150 for i in range(6)]
        with Server(FOLDER / "calm") as server:
            right = [ask(server, p)[0] for p in prompts]
        chance = random.Random(1)
        for _ in range(6):
            server = Server(self.cache)
            with concurrent.futures.ThreadPoolExecutor(3) as pool:
                asked = [pool.submit(ask, server, p) for p in prompts[:3]]
                time.sleep(chance.uniform(0.02, 0.4))
                server.process.kill()
                server.ended = True
                for one in asked:
                    one.exception()
            server.end()
        with Server(self.cache) as server:
            answers = [ask(server, p) for p in prompts]
            self.assertEqual([text for text, _ in answers], right)
            self.assertEqual(metric(server, "damaged_total"), 0)

    def test_damage_is_noticed_counted_and_mended(self):
        text = self.fill()
        files = sorted(blocks(self.cache))
        for i, path in enumerate(files):
            data = bytearray(path.read_bytes())
            if i % 3 == 0:
                data[len(data) // 2] ^= 1
            elif i % 3 == 1:
                data = data[:-1]
            else:
                data = bytearray(files[i - 1].read_bytes())
            path.write_bytes(data)
        # Each reading ends at the first file that is damaged.
        for _ in range(len(files) + 1):
            with Server(self.cache) as server:
                again, reused = ask(server)
                damaged = metric(server, "damaged_total")
            self.assertEqual(again, text)
            self.assertEqual(reused % 32, 0)
            if not damaged:
                break
        self.assertEqual(reused, 32 * len(files))

    def test_two_servers_share_a_folder(self):
        with Server(self.cache) as one, Server(self.cache) as other:
            text, _ = ask(one)
            self.assertTrue(until(lambda: metric(one, "blocks_written_total") > 10))
            again, reused = ask(other)
            self.assertEqual(again, text)
            self.assertGreater(reused, 300)
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                prompts = [f"{i % 4} the " * 100 for i in range(16)]
                answers = pool.map(ask, [one, other] * 8, prompts)
                seen = {}
                for prompt, (text, _) in zip(prompts, answers):
                    self.assertEqual(seen.setdefault(prompt, text), text)
            self.assertEqual(metric(one, "damaged_total") + metric(other, "damaged_total"), 0)

    def test_who_does_not_want_it(self):
        with Server(self.cache) as server:
            ask(server, cache_prompt=False)
        self.assertEqual(blocks(self.cache), [])
        self.fill()
        with Server(self.cache) as server:
            self.assertEqual(ask(server, cache_prompt=False)[1], 0)

    def test_keys_do_not_find_each_others_prompts(self):
        keys = FOLDER / "keys"
        bearer = lambda key: {"Authorization": "Bearer " + key}
        body = {"prompt": PROMPT, "n_predict": 1}
        reused = lambda server, key: int(re.search(
            r'"cache_n":(\d+)', server.ask("POST", "/completion", body, bearer(key))[2])[1])
        keys.write_text("first-key-0123456789\nsecond-key-0123456789\n")
        with Server(self.cache, "--api-key-file", str(keys)) as server:
            self.assertEqual(reused(server, "first-key-0123456789"), 0)
        # The order of keys has changed, and with it their numbers.
        keys.write_text("second-key-0123456789\nfirst-key-0123456789\n")
        with Server(self.cache, "--api-key-file", str(keys)) as server:
            self.assertEqual(reused(server, "second-key-0123456789"), 0)
            self.assertGreater(reused(server, "first-key-0123456789"), 300)

    def test_limits(self):
        with Server(self.cache, "--prompt-cache-size", "60K") as server:
            for i in range(5):
                ask(server, f"{i} he " * 150)
            self.assertTrue(until(lambda: metric(server, "deleted_total") > 5))
            self.assertLessEqual(metric(server, "bytes"), 60 * 1024)
        size = sum(p.stat().st_size for p in blocks(self.cache))
        self.assertGreater(size, 0)
        self.assertLessEqual(size, 60 * 1024)
        cache = FOLDER / "daily"
        for _ in range(2):
            with Server(cache, "--prompt-cache-daily-writes", "60K") as server:
                for i in range(5):
                    ask(server, f"{i} he " * 150)
                self.assertTrue(until(lambda: metric(server, "skipped_total") > 5))
        self.assertLessEqual(sum(p.stat().st_size for p in blocks(cache)), 60 * 1024)

    def test_wrong_settings_are_refused(self):
        for options, said in ((["--prompt-cache-size", "1G"], "needs --prompt-cache"),
                              (["--prompt-cache", "x", "--no-prefix-cache"], "--no-prefix-cache"),
                              (["--prompt-cache", "/dev/null/x"], "/dev/null/x")):
            done = subprocess.run([EDGELM, "serve", MODEL, *options, "--port", "0"],
                                  capture_output=True, text=True)
            self.assertIn(done.returncode, (1, 2))
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    EDGELM, make_tiny_model = sys.argv[1:3]
    with tempfile.TemporaryDirectory() as folder:
        FOLDER = pathlib.Path(folder)
        MODEL = str(FOLDER / "tiny.gguf")
        subprocess.run([make_tiny_model, MODEL, "2048"], check=True)
        unittest.main(argv=sys.argv[:1] + sys.argv[3:], verbosity=2)
