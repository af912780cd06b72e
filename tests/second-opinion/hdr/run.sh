#!/usr/bin/env bash
# Reads our histogram log with HdrHistogram's own reader for Python and holds p50 and p99 against our JSON report.
# Needs python3 with venv and a network for `pip install hdrhistogram`; not part of `cargo test`.
# usage: tests/second-opinion/hdr/run.sh [GATECRASH]
set -euo pipefail
cd "$(dirname "$0")/../../.."
gatecrash=${1:-target/release/gatecrash}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet hdrhistogram
"$gatecrash" load --duration 5s --tokens 10 --report "json=$work/load.json" --report "hdr=$work/load.hdr" | head -1
"$work/venv/bin/python" - "$work/load.hdr" "$work/load.json" <<'PYTHON'
import json
import sys

from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

total = HdrHistogram(1, 3_600_000_000_000, 3)
reader = HistogramLogReader(sys.argv[1], total)
intervals = 0
while True:
    interval = reader.get_next_interval_histogram()
    if interval is None:
        break
    total.add(interval)
    intervals += 1
response = json.load(open(sys.argv[2]))["load"]["response"]
print(f"{intervals} intervals, {total.get_total_count()} values, {response['count']} in the report")
assert total.get_total_count() == response["count"]
for percentile, name in ((50, "p50_us"), (99, "p99_us")):
    theirs, ours = total.get_value_at_percentile(percentile) / 1e3, response[name]
    print(f"p{percentile}: {theirs:.3f} us by its reader, {ours:.3f} us in the report")
    assert abs(theirs / ours - 1) < 0.002, "more than the histogram's own precision apart"
PYTHON
