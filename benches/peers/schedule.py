#!/usr/bin/env python3
"""What a run on a schedule, a run of many connections and a long run come to: the figures beside those of run.py.

All of it on loopback, the reference server on core 0 and the client on core 1.

  stall     The server is stopped (SIGSTOP) for 0.5 s in every 5 s, at 2,000 requests a second for 30 s. A tenth of the requests
            fall into a stall, so P(longer than x) = (0.5 s - x) / 5 s: p99 is 450 ms and p99.9 is 495 ms. p50 is compared with that of a
            run without stalls. oha, where it is installed, is asked the same with and without its correction.
  lateness  10,000 requests a second for 5 s, four times: how late requests were sent.
  memory    Peak memory with 64, 1,000 and 10,000 connections, 4 s each.
  growth    Memory after 30 s and at the end of ten minutes at 5,000 a second (--minutes).

usage: benches/peers/schedule.py [--gatecrash PATH] [--minutes N] [SECTION...]     without a section: all but growth
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time

from common import PATH, generator, mint, serving

PERIOD, STALL = 5.0, 0.5


def run(command):
    """Runs a client on core 1 and returns what it printed, or ends where it was not content."""
    done = subprocess.run(["taskset", "-c", "1", *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    # 4 is a run that was marked INVALID: its figures are shown nevertheless.
    if done.returncode not in (0, 4):
        raise SystemExit(f"exit {done.returncode}: {command}\n{done.stdout[:2000]}{done.stderr[:2000]}")
    return done.stdout


def report(load, *more):
    """The report of a load run."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        run([*load, *more, "--report", "json=" + out.name])
        return json.load(out)["load"]


class Stalls(threading.Thread):
    """Stops a process for half a second in every five, until it is told to end."""

    def __init__(self, process):
        super().__init__()
        self.process, self.ended = process, threading.Event()

    def run(self):
        began = time.monotonic()
        turn = 1
        while not self.ended.wait(max(0, began + turn * PERIOD - STALL - time.monotonic())):
            os.kill(self.process, signal.SIGSTOP)
            time.sleep(max(0, began + turn * PERIOD - time.monotonic()))
            os.kill(self.process, signal.SIGCONT)
            turn += 1

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.ended.set()
        self.join()


def stall(load, api, token, server):
    asked = [*load, "--tokens", "1", "--rate", "2000", "--connections", "64"]
    row = lambda name, p: print(f"| {name} | " + " | ".join(f"{value:,.2f}" for value in p) + " |", flush=True)
    of = lambda times: [times[name] / 1e3 for name in ("p50_us", "p99_us", "p99_9_us", "max_us")]
    print("| 2,000 a second, 0.5 s of stall in every 5 s | p50 ms | p99 ms | p99.9 ms | max ms |\n|---|---|---|---|---|")
    row("no stall: gatecrash, response", of(report(asked, "--duration", "10s")["response"]))
    row("analytic", [float("nan"), 450, 495, 500])
    with Stalls(server):
        found = report(asked, "--duration", "30s")
        row("gatecrash, response", of(found["response"]))
        row("gatecrash, service", of(found["service"]))
    if not shutil.which("oha"):
        return
    oha = ["oha", "-z", "30s", "-c", "64", "-q", "2000", "--no-tui", "--output-format", "json",
           "-H", "Authorization: Bearer " + token, api + PATH]
    for name, flag in (("oha -q", []), ("oha -q --latency-correction", ["--latency-correction"])):
        with Stalls(server):
            found = json.loads(run([*oha, *flag]))
        times, summary = found["latencyPercentiles"], found["summary"]
        row(name, [1e3 * times["p50"], 1e3 * times["p99"], 1e3 * times["p99.9"], 1e3 * summary["slowest"]])


def lateness(load):
    print("| 10,000 a second, 5 s | lateness p50 us | p99 us | max us | response p99 us |\n|---|---|---|---|---|")
    for number in range(4):
        found = report(load, "--tokens", "1", "--rate", "10000", "--connections", "64", "--duration", "5s")
        late, response = found["generator"]["lateness"], found["response"]
        values = [late["p50_us"], late["p99_us"], late["max_us"], response["p99_us"]]
        print(f"| {number + 1} | " + " | ".join(f"{value:,.1f}" for value in values) + " |", flush=True)


def memory(load):
    print("| connections | peak MiB |\n|---|---|")
    for connections in (64, 1_000, 10_000):
        with tempfile.NamedTemporaryFile("r") as usage:
            run(["time", "-q", "-f", "%M", "-o", usage.name, *load, "--tokens", "1", "--duration", "4s",
                 "--connections", str(connections)])
            print(f"| {connections:,} | {int(usage.read()) / 1024:.1f} |", flush=True)


def growth(load, minutes):
    asked = [*load, "--tokens", "1", "--rate", "5000", "--connections", "64", "--duration", f"{minutes}m"]
    client = subprocess.Popen(["taskset", "-c", "1", *asked], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print("| after s | memory of its own, MiB |\n|---|---|")
    began, shown = time.monotonic(), 0
    while client.poll() is None:
        time.sleep(1)
        after = int(time.monotonic() - began)
        if after // 30 > shown:
            shown = after // 30
            with open(f"/proc/{client.pid}/status") as status:
                own = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
            print(f"| {30 * shown} | {own / 1024:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", default=["stall", "lateness", "memory"])
    parser.add_argument("--gatecrash", default="target/release/gatecrash")
    parser.add_argument("--minutes", type=int, default=10)
    given = parser.parse_args()
    with serving(given.gatecrash) as (server, api, control):
        load = generator(given.gatecrash, api, control)
        sections = {
            "stall": lambda: stall(load, api, mint(api, control, 1)[0], server),
            "lateness": lambda: lateness(load),
            "memory": lambda: memory(load),
            "growth": lambda: growth(load, given.minutes),
        }
        for section in given.sections:
            sections[section]()
            print()


main()
