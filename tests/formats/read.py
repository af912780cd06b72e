"""SARIF, JUnit and NDJSON, read by programs that others wrote; each must say what the JSON report says."""

import collections
import json
import pathlib
import warnings

import junitparser

warnings.simplefilter("ignore")  # the models are older than the library that they are made with
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Sarif  # noqa: E402

findings = json.loads(pathlib.Path("run.json").read_text())["run"]["findings"]
verdicts = collections.Counter(finding["verdict"] for finding in findings)

sarif = Sarif.model_validate(json.loads(pathlib.Path("run.sarif").read_text()))
results = sarif.runs[0].results
assert len(results) == len(findings), (len(results), len(findings))
errors = sum(str(getattr(result.level, "value", result.level)) == "error" for result in results)
assert errors == verdicts["fail"] + verdicts["unstable"] + verdicts["stale"], errors

suites = junitparser.JUnitXml.fromfile("run.xml")
assert suites.tests == len(findings), suites.tests
assert suites.failures == verdicts["fail"] + verdicts["unstable"] + verdicts["stale"], suites.failures
assert suites.errors == verdicts["blocked"] + verdicts["error"], suites.errors

events = [json.loads(line) for line in pathlib.Path("run.ndjson").read_text().splitlines()]
assert events[-1]["event"] == "run-finished" and len(events[-1]["run"]["findings"]) == len(findings)
assert json.loads(pathlib.Path("badge.json").read_text())["schemaVersion"] == 1
print(f"SARIF, JUnit, NDJSON and the badge are read by others: {len(findings)} checks, {errors} errors")
