#!/usr/bin/env python3
"""Two workers under a headless Locust master beside the same two processes without it, turn by turn, and what reporting takes.

benches/locust.py GATECRASH LOCUST [ROUNDS]

GATECRASH is a release build, LOCUST the program of an installation of it. All on loopback. For each round: two `load`
runs of 32 connections, then two `worker`s of 32 users each, for ten seconds. The processor time of a worker's threads is
read from /proc: those named `load-*` make requests, all others report.
"""
import json
import os
import pathlib
import socket
import statistics
import subprocess
import sys
import tempfile
import time

gatecrash, locust = sys.argv[1:3]
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 3
SECONDS, EACH = 10, 32


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def processor(pid):
    """Processor seconds of a process: of the threads that make requests, and of all others."""
    load = other = 0.0
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        # In nanoseconds; the usual ticks are hundredths of a second, which is more than all the reporting.
        used = int((task / "schedstat").read_text().split()[0]) / 1e9
        if (task / "comm").read_text().startswith("load-"):
            load += used
        else:
            other += used
    return load, other


def rate(paths):
    loads = [json.loads(pathlib.Path(path).read_text())["load"] for path in paths]
    assert all(load["wrong"] == 0 and not load["failures"] for load in loads)
    return sum(load["answers"] / (load["elapsed"]["secs"] + load["elapsed"]["nanos"] / 1e9) for load in loads)


folder = tempfile.mkdtemp()
os.chdir(folder)
api, control = port(), port()
server = subprocess.Popen(
    [gatecrash, "serve", "--listen", f"127.0.0.1:{api}", "--control", f"127.0.0.1:{control}"], stdout=subprocess.DEVNULL
)
target = [f"http://127.0.0.1:{api}", "--accounts", "reference", "--flow", "jwt-login"]
time.sleep(1)
pathlib.Path("locustfile.py").write_text(
    subprocess.run([gatecrash, "worker", *target, "--print-locustfile"], capture_output=True, text=True, check=True).stdout
)
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def alone():
    runs = [
        subprocess.Popen(
            [gatecrash, "load", *target, "-c", str(EACH), "--duration", f"{SECONDS}s", "--warm-up", "0s", "--report", f"json=load-{n}.json"],
            **quiet,
        )
        for n in (1, 2)
    ]
    for run in runs:
        run.wait()
    return rate(["load-1.json", "load-2.json"])


def under_a_master():
    at = port()
    master = subprocess.Popen(
        [locust, "-f", "locustfile.py", "--master", "--headless", "--master-bind-host", "127.0.0.1", "--master-bind-port", str(at),
         "--expect-workers", "2", "-u", str(2 * EACH), "-r", str(2 * EACH), "-t", f"{SECONDS}s", "--only-summary"],
        **quiet,
    )
    workers = [
        subprocess.Popen(
            [gatecrash, "worker", *target, "--locust-master", f"127.0.0.1:{at}", "-c", str(EACH), "--report", f"json=worker-{n}.json"],
            **quiet,
        )
        for n in (1, 2)
    ]
    # From well inside the run to well inside the run.
    time.sleep(4)
    before = [processor(worker.pid) for worker in workers]
    time.sleep(6)
    after = [processor(worker.pid) for worker in workers]
    for one in (master, *workers):
        one.wait()
    reporting = [(end[1] - start[1]) / 6 * 100 for start, end in zip(before, after)]
    return rate(["worker-1.json", "worker-2.json"]), statistics.mean(reporting)


ratios, shares = [], []
try:
    for number in range(rounds):
        load = alone()
        worker, reporting = under_a_master()
        ratios.append(worker / load)
        shares.append(reporting)
        print(f"round {number + 1}: without a master {load:9.0f}/s, under one {worker:9.0f}/s ({ratios[-1]:.3f}); reporting {reporting:.3f} % of a processor", flush=True)
finally:
    server.kill()
print(f"median ratio {statistics.median(ratios):.3f}, reporting {statistics.median(shares):.3f} % of a processor for each worker")
