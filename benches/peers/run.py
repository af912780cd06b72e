#!/usr/bin/env python3
"""gatecrash load, wrk and oha against the reference server, in turn and pinned: the server on core 0, the client on core 1.

Pairs are interleaved (A B A B), and ratios are taken inside each pair: on a shared machine a figure drifts by half from one
minute to the next, a ratio does not. Client CPU is user and system time of the whole process, its start included. Before each
pair the machine is given a while to become idle; a pair during which others took more than a tenth of both cores is thrown away
and taken again, up to five times as often as pairs are wanted.

Needs GNU time, taskset and wrk (Debian packages of these names, the second in util-linux).

usage: benches/peers/run.py [--gatecrash PATH] [--pairs N] [--seconds N] [--tokens N] [SECTION...]
sections: plain (one token), rotate (many tokens, every answer checked; wrk with a Lua script), oha (when it is installed)
"""

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import tempfile
import time

from common import PATH, generator, mint, serving

CONNECTIONS = 64


def ticks(path, fields):
    """Hundredths of a second of processor time, from a file of /proc."""
    with open(path) as stat:
        words = stat.readline().rsplit(")", 1)[-1].split()
    return sum(int(words[field]) for field in fields)


def busy():
    return ticks("/proc/stat", (1, 2, 3, 6, 7, 8))


def wait_for_quiet(patience):
    """Waits until the machine is nearly idle, or patience ends."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = busy()
        time.sleep(1)
        if busy() - before < 20:
            return


def measure(command, requests, server):
    """Runs a client on core 1: requests a second, CPU seconds per million requests, peak MiB, the share of others."""
    of_server = lambda: ticks(f"/proc/{server}/stat", (11, 12))
    busy_before, server_before, began = busy(), of_server(), time.monotonic()
    with tempfile.NamedTemporaryFile("r") as usage:
        # A process inherits the peak memory of the one that started it, so that one must be small.
        command = ["time", "-q", "-f", "%U %S %M", "-o", usage.name, "taskset", "-c", "1", *command]
        out = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        count, seconds = requests(out)
        user, system, memory = map(float, usage.read().split())
    others = (busy() - busy_before - of_server() + server_before) / 100 - user - system
    others /= 2 * (time.monotonic() - began)
    return count / seconds, (user + system) / count * 1e6, memory / 1024, others


def of_wrk(text):
    found = re.search(r"(\d+) requests in ([\d.]+)s", text)
    if "Non-2xx" in text or "wrong" in text:
        raise SystemExit("wrk was refused:\n" + text[:2000])
    return int(found[1]), float(found[2])


def of_oha(text):
    summary = json.loads(text)
    return sum(summary["statusCodeDistribution"].values()), summary["summary"]["total"]


def of_gatecrash(text):
    if not text.startswith("RIGHT"):
        raise SystemExit("gatecrash was not content:\n" + text[:2000])
    found = re.search(r"([\d,]+) requests sent in ([\d.]+) s", text)
    return int(found[1].replace(",", "")), float(found[2])


ROTATE = """
local tokens, at, complained = {}, 0, false
function init()
  for line in io.lines("%s") do
    tokens[#tokens + 1] = wrk.format("GET", "%s", { Authorization = "Bearer " .. line })
  end
end
function request()
  at = at %% #tokens + 1
  return tokens[at]
end
function response(status, headers, body)
  if not complained and (status ~= 200 or not body:find('"returnCode":1', 1, true)) then
    complained = true
    print("wrong: " .. status .. " " .. body)
  end
end
"""


def pairs(name, first, second, given, server):
    """Runs two clients in turn and prints what they came to."""
    rows = {label: [] for label, _, _ in (first, second)}
    ratios = []
    tried = 0
    while len(ratios) < given.pairs and tried < 5 * given.pairs:
        order = (first, second) if tried % 2 == 0 else (second, first)
        tried += 1
        wait_for_quiet(given.patience)
        got = {label: measure(command, requests, server) for label, command, requests in order}
        if max(row[3] for row in got.values()) > given.others:
            continue
        for label, row in got.items():
            rows[label].append(row)
        mine, other = got[first[0]], got[second[0]]
        ratios.append((mine[1] / other[1], mine[0] / other[0]))
    if not ratios:
        print(f"| {name} | none of {tried} pairs was left alone | | | | |", flush=True)
        return
    for label, measured in rows.items():
        rate, cpu, memory, others = (statistics.median(column) for column in zip(*measured))
        print(f"| {name} | {label} | {rate:,.0f} | {cpu:.2f} | {memory:.1f} | {others:.0%} |")
    cpu, rate = zip(*ratios)
    show = lambda values: f"{statistics.median(values):.3f} ({min(values):.2f}-{max(values):.2f})"
    print(f"| {name} | ratio | {show(rate)} | {show(cpu)} | | {len(ratios)} of {tried} pairs |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("sections", nargs="*", default=["plain", "rotate", "oha"])
    parser.add_argument("--gatecrash", default="target/release/gatecrash")
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--tokens", type=int, default=100_000)
    parser.add_argument("--patience", type=int, default=60, help="seconds to wait for an idle machine before each pair")
    parser.add_argument("--others", type=float, default=0.1, help="the share of both cores that others may take in a pair")
    given = parser.parse_args()
    with serving(given.gatecrash) as (server, api, control):
        count = given.tokens if "rotate" in given.sections else 1
        tokens = mint(api, control, count)
        url, length = api + PATH, f"{given.seconds}s"
        header = "Authorization: Bearer " + tokens[0]
        load = [*generator(given.gatecrash, api, control), "--duration", length, "--connections", str(CONNECTIONS)]
        print("| against | client | requests a second | client CPU s per million | peak MiB | others |")
        print("|---|---|---|---|---|---|")
        one = ("gatecrash", [*load, "--tokens", "1"], of_gatecrash)
        if "plain" in given.sections:
            wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{length}", "-H", header, url]
            pairs("wrk", one, ("wrk", wrk, of_wrk), given, server)
        if "oha" in given.sections and shutil.which("oha"):
            oha = ["oha", "-z", length, "-c", str(CONNECTIONS), "--no-tui", "--output-format", "json", "-H", header, url]
            pairs("oha", one, ("oha", oha, of_oha), given, server)
        if "rotate" in given.sections:
            with tempfile.TemporaryDirectory() as folder:
                listed, script = os.path.join(folder, "tokens"), os.path.join(folder, "rotate.lua")
                with open(listed, "w") as out:
                    out.write("\n".join(tokens))
                with open(script, "w") as out:
                    out.write(ROTATE % (listed, PATH))
                wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{length}", "-s", script, url]
                many = ("gatecrash, 100k tokens", [*load, "--tokens-from", listed], of_gatecrash)
                pairs("wrk + Lua", many, ("wrk + Lua, 100k tokens", wrk, of_wrk), given, server)


main()
