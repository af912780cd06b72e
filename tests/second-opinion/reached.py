"""Whether a run of Schemathesis looked at everything: a run that tests nothing finds nothing.

Every operation of the description was tested, and every one was seen to succeed, but for those below.
"""

import json
import re
import sys

NO_SUCCESS = {
    "GET /api/v2/websocket": "Schemathesis opens no WebSocket; tests/second-opinion/clients does",
    "GET /v1/photo/{id}": "no visitor has a photo",
}

with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    described = len(re.findall(r"^      operationId:", file.read(), re.MULTILINE))

wrong = []
if not report["complete"]:
    wrong.append(f"the run is not complete: {report['stop_reason']}")
if report["operations"]["tested"] != described:
    wrong.append(f"{report['operations']['tested']} of {described} operations were tested")
for operation, phases in report["valid_rates"].items():
    accepted = sum(phase["accepted"] for phase in phases.values())
    if not accepted and operation not in NO_SUCCESS:
        wrong.append(f"{operation} was never seen to succeed")
reached = len(report["valid_rates"])
if reached != described:
    wrong.append(f"valid requests went to {reached} of {described} operations")
for line in wrong:
    print(f"second opinion: {line}", file=sys.stderr)
if wrong:
    sys.exit(1)
cases = report["test_cases"]
print(
    f"second opinion: nothing found; {described} operations, {cases['generated']} requests, "
    f"{cases['generated'] - cases['without_checks']} of them held against the description, "
    f"{report['running_time']:.1f} s"
)
