//! A run in the Test Anything Protocol, version 14 (testanything.org): a test point for each check.
//!
//! What was left out or does not apply is `# SKIP`; what the baseline knows is `# TODO`. A check without a conclusion is
//! `not ok`: TAP has no word between, and green it is not.

use std::io;

use serde_json::{Map, Value, json};

use super::text::limited;
use crate::model::{Finding, Report, RunVerdict, Verdict};

/// Writes a report as TAP 14. With `strict`, warnings are not ok.
pub(super) fn write(report: &Report, strict: bool, out: &mut dyn io::Write) -> io::Result<()> {
    writeln!(out, "TAP version 14")?;
    writeln!(out, "1..{}", report.findings.len())?;
    writeln!(out, "# gatecrash {}  seed {}", env!("CARGO_PKG_VERSION"), report.seed)?;
    writeln!(out, "# target {}", limited(&report.target, LONGEST))?;
    for remark in &report.remarks {
        writeln!(out, "# {}", limited(remark, LONGEST))?;
    }
    for (at, finding) in report.findings.iter().enumerate() {
        point(finding, at + 1, strict, out)?;
    }
    if report.interrupted {
        return writeln!(out, "Bail out! the run was interrupted");
    }
    writeln!(
        out,
        "# {}  proved {} of {} clauses",
        report.verdict,
        report.proved(),
        report.clauses.len()
    )?;
    // A run that saw nothing must not read as green.
    if report.findings.is_empty() && report.verdict == RunVerdict::Inconclusive {
        return writeln!(out, "Bail out! nothing was checked");
    }
    Ok(())
}

/// Longer texts are cut.
const LONGEST: usize = 600;

fn point(
    finding: &Finding,
    number: usize,
    strict: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let (ok, directive) = match finding.verdict {
        Verdict::Pass | Verdict::Info => (true, None),
        Verdict::Warn => (!strict, None),
        Verdict::NotApplicable | Verdict::Excluded => (true, Some("SKIP")),
        Verdict::Known => (false, Some("TODO")),
        Verdict::Fail | Verdict::Unstable | Verdict::Stale | Verdict::Blocked | Verdict::Error => {
            (false, None)
        }
    };
    let word = if ok { "ok" } else { "not ok" };
    let title = format!("{} {}", finding.check, finding.title);
    write!(out, "{word} {number} - {}", escaped(&limited(&title, LONGEST)))?;
    let evidence = &finding.evidence;
    match directive {
        Some(directive) => {
            let reason = evidence.reason.as_deref().unwrap_or(finding.verdict.word());
            writeln!(out, " # {directive} {}", escaped(&limited(reason, LONGEST)))?;
        }
        None => writeln!(out)?,
    }
    if ok && finding.verdict != Verdict::Warn {
        return Ok(());
    }
    diagnostic(finding, out)
}

/// The block below a test point: YAML whose values are JSON texts, which every reader of YAML takes.
fn diagnostic(finding: &Finding, out: &mut dyn io::Write) -> io::Result<()> {
    let evidence = &finding.evidence;
    let clauses: Vec<&str> = finding.covers.iter().map(|clause| clause.as_str()).collect();
    let mut block = Map::from_iter([
        ("verdict".to_owned(), json!(finding.verdict.word())),
        ("level".to_owned(), json!(finding.level.to_string())),
        ("flow".to_owned(), json!(finding.flow.name())),
        ("clauses".to_owned(), json!(clauses)),
    ]);
    let mut add = |name: &str, value: Option<&String>| {
        if let Some(value) = value {
            block.insert(name.to_owned(), json!(limited(value, LONGEST)));
        }
    };
    add("step", evidence.step.as_ref());
    add("reason", evidence.reason.as_ref());
    add("found", evidence.violation.as_ref().map(|violation| &violation.got));
    if let Some(violation) = &evidence.violation {
        let wanted = violation.wanted.iter().map(|one| limited(one, LONGEST));
        block.insert("wanted".to_owned(), Value::from_iter(wanted));
    }
    writeln!(out, "  ---")?;
    for (name, value) in block {
        writeln!(out, "  {name}: {value}")?;
    }
    writeln!(out, "  ...")
}

/// In descriptions and directives a backslash and a number sign are escaped.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('#', "\\#")
}
