//! A run as a badge: the shape that shields.io reads from an address.

use std::io;

use serde_json::json;

use super::text::write_line;
use crate::model::{Report, RunVerdict, Verdict};

/// Writes the badge. "Proved N of M" stands on it whatever the verdict is, so that it never says more than was seen.
pub(super) fn write(report: &Report, strict: bool, out: &mut dyn io::Write) -> io::Result<()> {
    let warned = strict && report.counts().with(Verdict::Warn) > 0;
    let (word, colour) = match report.verdict {
        _ if report.interrupted => ("interrupted", "lightgrey"),
        RunVerdict::Nonconformant => ("nonconformant", "red"),
        _ if warned => ("warnings", "red"),
        RunVerdict::Inconclusive => ("inconclusive", "yellow"),
        RunVerdict::Partial => ("partial", "yellowgreen"),
        RunVerdict::Conformant => ("conformant", "brightgreen"),
    };
    let message = if report.clauses.is_empty() {
        word.to_owned()
    } else {
        format!("{word}, {} of {} proved", report.proved(), report.clauses.len())
    };
    let badge = json!({
        "schemaVersion": 1,
        "label": "gatecrash",
        "message": message,
        "color": colour,
        "isError": matches!(report.verdict, RunVerdict::Nonconformant),
    });
    write_line(&badge, out)
}
