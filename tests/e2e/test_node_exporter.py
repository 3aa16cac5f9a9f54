#!/usr/bin/env python3
"""The same trees of files read by edgelm monitor and by Debian's prometheus-node-exporter: where
both read a thing, they must agree. Skipped without the exporter.

usage: test_node_exporter.py PATH-OF-EDGELM PATH-OF-MAKE_DEVICE_TREE
"""

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

EDGELM = MAKE_TREE = ""
EXPORTER = shutil.which("prometheus-node-exporter")
COLLECTORS = ["hwmon", "thermal_zone", "cpufreq", "powersupplyclass", "rapl", "cpu", "meminfo"]
TREES = ["jetson-nano", "orin-nano", "agx-orin", "raspberry-pi-4", "raspberry-pi-5", "laptop"]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def exporter(tree):
    port = free_port()
    with subprocess.Popen(
        [EXPORTER, f"--path.sysfs={tree}/sys", f"--path.procfs={tree}/proc", f"--web.listen-address=127.0.0.1:{port}",
         "--collector.disable-defaults", *(f"--collector.{name}" for name in COLLECTORS)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield f"http://127.0.0.1:{port}/metrics"
        finally:
            process.kill()


def fetch(url):
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=10) as reply:
                return reply.read().decode()
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise AssertionError("the exporter does not answer")


def metrics(tree):
    """{(name, frozenset of labels): value}"""
    with exporter(tree) as url:
        text = fetch(url)
    found = {}
    for name, labels, value in re.findall(r"^(\w+)(?:\{(.*)\})? (\S+)$", text, re.M):
        found[name, frozenset(re.findall(r'(\w+)="([^"]*)"', labels))] = float(value)
    return found


def look(tree):
    result = subprocess.run([EDGELM, "monitor", "--once", "--json", "-i", "0.01", "--sysroot", tree],
                            capture_output=True, check=True, timeout=60)
    return json.loads(result.stdout)["device"]


@unittest.skipUnless(EXPORTER, "prometheus-node-exporter is not installed: scripts/install-deps.sh prometheus-node-exporter")
class SameFiles(unittest.TestCase):
    def setUp(self):
        self.compared = 0

    def same(self, reading, value, what):
        if value is None:
            return
        self.assertIn("value", reading, what)
        self.assertAlmostEqual(reading["value"], value, delta=1e-6 * abs(value) + 1e-9, msg=what)
        self.compared += 1

    def compare_temperatures(self, device, theirs):
        ours = {item["name"]: item for item in device["temperatures"]}
        labels = {(l["chip"], l["sensor"]): l["label"] for l in
                  (dict(key[1]) for key in theirs if key[0] == "node_hwmon_sensor_label")}
        for (name, found), value in theirs.items():
            label = dict(found)
            if name == "node_thermal_zone_temp" and label["type"] in ours and value > -60:
                self.same(ours[label["type"]], value, label["type"])
            if name == "node_hwmon_temp_celsius":
                chip, sensor = label["chip"], label["sensor"]
                known = f"{chip} {labels.get((chip, sensor), sensor)}"
                self.same(ours[known], value, known)

    def compare_clocks(self, device, theirs):
        for key, member in (("", "now"), ("_min", "lowest"), ("_max", "highest")):
            for i, clock in enumerate(device["clocks"]):
                name = f"node_cpu_scaling_frequency{key}_hertz"
                self.same(clock[member], theirs.get((name, frozenset({("cpu", str(i))}))), f"{name} {i}")

    def compare_fans(self, device, theirs):
        speeds = sorted(value for key, value in theirs.items() if key[0] == "node_hwmon_fan_rpm")
        duties = sorted(value / 255 * 100 for key, value in theirs.items() if key[0] == "node_hwmon_pwm")
        ours = device["fans"]
        for name, member, expected in (("speed", "speed", speeds), ("duty", "duty", duties)):
            found = sorted(f[member]["value"] for f in ours if "value" in f[member])
            for theirs_value in expected:
                nearest = min(found, key=lambda v, t=theirs_value: abs(v - t))
                self.assertAlmostEqual(nearest, theirs_value, places=6, msg=name)
                self.compared += 1

    def compare_supply(self, device, theirs):
        battery = frozenset({("power_supply", "BAT0")})
        for name, member in (("capacity", "level"), ("voltage_volt", "voltage"), ("power_watt", "power"),
                             ("energy_watthour", "energy"), ("energy_full", "energy_full")):
            self.same(device["battery"][member], theirs.get((f"node_power_supply_{name}", battery)), name)
        self.same(device["mains"], theirs.get(("node_power_supply_online", frozenset({("power_supply", "AC")}))), "mains")

    def compare_memory(self, device, theirs):
        def bytes_of(name):
            return theirs.get((f"node_memory_{name}_bytes", frozenset()))

        self.same(device["memory"]["total"], bytes_of("MemTotal"), "total")
        self.same(device["memory"]["available"], bytes_of("MemAvailable"), "available")
        self.same(device["memory"]["swap_used"], bytes_of("SwapTotal") - bytes_of("SwapFree"), "swap")

    def compare_throttling(self, device, theirs):
        events = [value for key, value in theirs.items() if key[0] == "node_cpu_core_throttles_total"]
        if events:
            self.same(device["throttle_events"], sum(events), "throttling")

    def test_trees(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in TREES:
                with self.subTest(tree=name):
                    tree = os.path.join(folder, name)
                    os.mkdir(tree)
                    subprocess.run([MAKE_TREE, name, tree], check=True)
                    before = self.compared
                    device, theirs = look(tree), metrics(tree)
                    for compare in (self.compare_temperatures, self.compare_clocks, self.compare_fans,
                                    self.compare_supply, self.compare_memory, self.compare_throttling):
                        compare(device, theirs)
                    self.assertGreater(self.compared - before, 6)

    def test_energy_over_time(self):
        """Their counter and our sum, over the same time."""
        with tempfile.TemporaryDirectory() as tree:
            subprocess.run([MAKE_TREE, "laptop", tree], check=True)
            file = os.path.join(tree, "sys/class/powercap/intel-rapl:0/energy_uj")
            joules = [value for key, value in metrics(tree).items() if key[0] == "node_rapl_package_joules_total"]
            with subprocess.Popen([EDGELM, "monitor", "--json", "-i", "0.2", "--sysroot", tree],
                                  stdout=subprocess.PIPE, text=True) as process:
                first = json.loads(process.stdout.readline())["device"]
                with open(file, "r+", encoding="utf-8") as counter:
                    energy = int(counter.read()) + 7500000
                    counter.seek(0)
                    counter.write(f"{energy}\n")
                second = first
                for _ in range(100):
                    if second["energy"] == first["energy"]:
                        second = json.loads(process.stdout.readline())["device"]
                process.kill()
            joules += [value for key, value in metrics(tree).items() if key[0] == "node_rapl_package_joules_total"]
        self.assertAlmostEqual(joules[1] - joules[0], 7.5, places=3)
        self.assertAlmostEqual(second["energy"]["value"] - first["energy"]["value"], 7.5, places=6)


if __name__ == "__main__":
    EDGELM, MAKE_TREE = (os.path.abspath(path) for path in sys.argv[1:3])
    program = unittest.main(argv=sys.argv[:1], exit=False)
    if not program.result.wasSuccessful():
        sys.exit(1)
    if program.result.skipped:
        print(program.result.skipped[0][1])
        sys.exit(77)
