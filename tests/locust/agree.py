# Holds what a Locust master counted against what the workers' reports say, put together.
#
# agree.py STATS.csv MERGED.json MASTER.log
import csv
import json
import re
import sys

stats, merged, log = sys.argv[1:]
rows = list(csv.DictReader(open(stats)))
total = next(row for row in rows if row["Name"] == "Aggregated")
load = json.load(open(merged))["load"]
failed = sum(failure["count"] for failure in load["failures"])
wrong = []


def same(what, master, report):
    print(f"  {what:32} master {master:>12}  report {report:>12}")
    if master != report:
        wrong.append(what)


same("requests", int(total["Request Count"]), load["answers"] + failed)
same("failures", int(total["Failure Count"]), load["wrong"] + failed)
named = sum(int(row["Request Count"]) for row in rows if row["Name"] != "Aggregated")
same("requests of all names", named, load["answers"] + failed)
slowest = float(total["Max Response Time"])
# The master keeps what the worker's histogram tells apart: three digits.
if abs(slowest - load["response"]["max_us"] / 1e3) > slowest * 0.002:
    wrong.append(f"the slowest answer: {slowest} ms and {load['response']['max_us']} us")
# Each step of the ramp was reached, as the master says.
text = open(log).read()
for users in (10, 100, 20):
    if not re.search(rf"All users spawned: .*\({users} total users\)", text):
        wrong.append(f"the master never had {users} users")
if load["connections"] != 100:
    wrong.append(f"there were {load['connections']} users at most, and not 100")
if re.search(r"Traceback|Uncaught|Unknown message|different version", text):
    wrong.append("the master complains: see its log")
sys.exit("they disagree: " + "; ".join(wrong) if wrong else 0)
