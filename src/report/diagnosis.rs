//! An examination of a target for people: what works, what does not and what to change, and what a run would
//! come to.

use std::io::{self, Write};

use super::Paint;
use crate::model::{Diagnosis, Examination, Readiness, Verdict};

/// Writes everything that was tried, and the table of what a run would come to.
///
/// # Errors
/// When the writer fails.
pub fn write_diagnosis(diagnosis: &Diagnosis, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let width = diagnosis.examined.iter().map(|one| one.subject.chars().count()).max().unwrap_or(0);
    for examined in &diagnosis.examined {
        let (verdict, said) = match &examined.result {
            Examination::Good(seen) => (Verdict::Pass, seen),
            Examination::Problem { what, .. } => (Verdict::Fail, what),
            Examination::Untried(reason) => (Verdict::NotApplicable, reason),
        };
        let sign = paint.verdict(verdict, Paint::sign(verdict));
        writeln!(out, "  {sign} {:width$}  {}", examined.subject, plain(said))?;
        if let Examination::Problem { change, .. } = &examined.result {
            writeln!(out, "    {:width$}  change: {}", "", plain(change))?;
        }
    }
    if diagnosis.readiness.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n  {:18} {:>6} {:>6} {:>6} {:>8}", "flow", "checks", "run", "na", "blocked")?;
    for readiness in &diagnosis.readiness {
        row(readiness, out)?;
    }
    Ok(())
}

/// Writes only what does not work.
///
/// # Errors
/// When the writer fails.
pub fn write_problems(diagnosis: &Diagnosis, out: &mut dyn Write) -> io::Result<()> {
    for (subject, what, change) in diagnosis.problems() {
        writeln!(out, "  ✗ {subject}: {}\n    change: {}", plain(what), plain(change))?;
    }
    Ok(())
}

fn row(readiness: &Readiness, out: &mut dyn Write) -> io::Result<()> {
    let sum = |reasons: &std::collections::BTreeMap<String, usize>| reasons.values().sum::<usize>();
    let Readiness { flow, checks, runs, not_applicable, blocked } = readiness;
    writeln!(
        out,
        "  {:18} {checks:>6} {runs:>6} {:>6} {:>8}",
        flow.name(),
        sum(not_applicable),
        sum(blocked)
    )?;
    for (word, reasons) in [("na", not_applicable), ("blocked", blocked)] {
        for (reason, count) in reasons {
            writeln!(out, "      {word} {count:>3}  {reason}")?;
        }
    }
    Ok(())
}

/// What a server said stays on one line and moves no cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
