//! Two runs held against each other: which verdicts changed, and what the server does otherwise where the documents
//! leave it open.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::paint::Paint;
use super::text::{limited, printable};
use crate::model::{CheckId, ClauseId, ClauseState, Finding, Report, Verdict};

/// What changed from one run to the next.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    /// Checks with another verdict: the check with its title, the verdict before, the verdict now.
    pub verdicts: Vec<(CheckId, String, Verdict, Verdict)>,
    /// Clauses of which another thing is said now.
    pub clauses: Vec<(ClauseId, ClauseState, ClauseState)>,
    /// Checks whose recorded behaviour is another one, with what is gone and what is new.
    pub recorded: Vec<(CheckId, Vec<String>, Vec<String>)>,
    /// Checks that only the first run had.
    pub gone: Vec<CheckId>,
    /// Checks that only the second run had, with their verdicts.
    pub new: Vec<(CheckId, Verdict)>,
    /// Why the comparison may mislead.
    pub cautions: Vec<String>,
}

impl Changes {
    /// What changed between two runs.
    pub fn between(base: &Report, new: &Report) -> Self {
        let of = |report: &Report| -> BTreeMap<CheckId, Finding> {
            report.findings.iter().map(|f| (f.check.clone(), f.clone())).collect()
        };
        let (olds, news) = (of(base), of(new));
        let mut changes = Self { cautions: cautions(base, new), ..Self::default() };
        for (id, old) in &olds {
            let Some(now) = news.get(id) else {
                changes.gone.push(id.clone());
                continue;
            };
            if old.verdict != now.verdict {
                let change = (id.clone(), now.title.clone(), old.verdict, now.verdict);
                changes.verdicts.push(change);
            }
            changes.record(id, old, now);
        }
        let added = news.iter().filter(|(id, _)| !olds.contains_key(*id));
        changes.new = added.map(|(id, finding)| (id.clone(), finding.verdict)).collect();
        for (id, old) in &base.clauses {
            if let Some(now) = new.clauses.get(id).filter(|now| *now != old) {
                changes.clauses.push((id.clone(), *old, *now));
            }
        }
        changes
    }

    /// Notes where recorded behaviour is another one.
    fn record(&mut self, id: &CheckId, old: &Finding, now: &Finding) {
        if !matches!((old.verdict, now.verdict), (Verdict::Info, _) | (_, Verdict::Info)) {
            return;
        }
        let lines = |finding: &Finding| -> BTreeMap<String, String> {
            let lines = finding.evidence.observed.iter();
            lines.map(|line| (fingerprint(line), line.clone())).collect()
        };
        let (olds, news) = (lines(old), lines(now));
        let only = |these: &BTreeMap<String, String>, those: &BTreeMap<String, String>| {
            let differs = these.iter().filter(|(key, _)| !those.contains_key(*key));
            differs.map(|(_, line)| line.clone()).collect::<Vec<_>>()
        };
        let (lost, found) = (only(&olds, &news), only(&news, &olds));
        if !lost.is_empty() || !found.is_empty() {
            self.recorded.push((id.clone(), lost, found));
        }
    }

    /// Whether something is worse than it was.
    pub fn is_worse(&self) -> bool {
        let worse =
            |(_, _, old, now): &(CheckId, String, Verdict, Verdict)| gravity(*now) > gravity(*old);
        self.verdicts.iter().any(worse) || self.new.iter().any(|(_, now)| gravity(*now) == 3)
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.verdicts.is_empty()
            && self.recorded.is_empty()
            && self.gone.is_empty()
            && self.new.is_empty()
    }
}

/// How bad a verdict is for whoever compares: `known` is accepted, `blocked` is not known to be right.
const fn gravity(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Pass
        | Verdict::Info
        | Verdict::NotApplicable
        | Verdict::Excluded
        | Verdict::Known => 0,
        Verdict::Warn => 1,
        Verdict::Blocked | Verdict::Error => 2,
        Verdict::Fail | Verdict::Unstable | Verdict::Stale => 3,
    }
}

/// What of a line is the server's way and not the moment's: numbers of more than three digits are times, sizes and
/// counts, and differ from run to run; so do measured fractions.
fn fingerprint(line: &str) -> String {
    let mut out = String::new();
    let mut number = String::new();
    for c in line.chars().chain([' ']) {
        if c.is_ascii_digit() || (c == '.' && !number.is_empty()) {
            number.push(c);
            continue;
        }
        let varies = number.trim_end_matches('.').contains('.') || number.len() > 3;
        out.push_str(if varies { "#" } else { &number });
        number.clear();
        out.push(c);
    }
    out
}

fn cautions(base: &Report, new: &Report) -> Vec<String> {
    let mut cautions = Vec::new();
    let mut differs = |what: &str, old: &str, now: &str| {
        if old != now {
            cautions.push(format!("the runs differ in {what}: {old} and {now}"));
        }
    };
    differs("their target", &base.target, &new.target);
    differs("their clock", &base.clock, &new.clock);
    let level = |report: &Report| {
        report.origin.as_ref().map_or_else(String::new, |origin| origin.level.clone())
    };
    differs("their level", &level(base), &level(new));
    for (name, report) in [("first", base), ("second", new)] {
        if report.interrupted {
            cautions.push(format!("the {name} run was interrupted"));
        }
    }
    cautions
}

/// Writes what changed, the worst first.
///
/// # Errors
/// When it cannot be written.
pub fn write_changes(changes: &Changes, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    let (verdict, word) = match (changes.is_worse(), changes.is_empty()) {
        (true, _) => (Verdict::Fail, "WORSE"),
        (false, true) => (Verdict::Pass, "THE SAME"),
        (false, false) => (Verdict::Pass, "NO WORSE"),
    };
    writeln!(out, "{}", paint.bold(&paint.verdict(verdict, word)))?;
    for caution in &changes.cautions {
        writeln!(out, "caution: {}", printable(caution))?;
    }
    let mut verdicts: Vec<_> = changes.verdicts.iter().collect();
    verdicts.sort_by_key(|(id, _, old, now)| {
        (i16::from(gravity(*old)) - i16::from(gravity(*now)), id.clone())
    });
    for (id, title, old, now) in verdicts {
        let sign = paint.verdict(*now, Paint::sign(*now));
        let id = printable(id.as_str());
        writeln!(out, "{sign} {id:26} {old:8} -> {now:8}  {}", printable(title))?;
    }
    for (id, verdict) in &changes.new {
        let sign = paint.verdict(*verdict, Paint::sign(*verdict));
        writeln!(out, "{sign} {:26} new      -> {verdict}", printable(id.as_str()))?;
    }
    for id in &changes.gone {
        writeln!(out, "- {:26} is not in the second run", printable(id.as_str()))?;
    }
    for (id, lost, found) in &changes.recorded {
        writeln!(out, "i {:26} what was recorded is another thing now", printable(id.as_str()))?;
        for (sign, lines) in [('-', lost), ('+', found)] {
            for line in lines {
                writeln!(out, "    {sign} {}", limited(line, 400))?;
            }
        }
    }
    for (id, old, now) in &changes.clauses {
        let word = |state: &ClauseState| format!("{state:?}").to_lowercase();
        writeln!(out, "  clause {id:19} {:8} -> {}", word(old), word(now))?;
    }
    writeln!(
        out,
        "verdicts changed {}, recorded behaviour changed {}, new {}, gone {}",
        changes.verdicts.len(),
        changes.recorded.len(),
        changes.new.len(),
        changes.gone.len()
    )
}

#[cfg(test)]
mod tests {
    use super::fingerprint;

    #[test]
    fn a_fingerprint_keeps_what_the_server_does_and_forgets_the_moment() {
        for (a, b, same) in [
            ("denied: status 401, body \"x\"", "denied: status 401, body \"x\"", true),
            ("denied: status 401", "denied: status 403", false),
            ("p 0.4312 of 2000 pairs", "p 0.5107 of 2001 pairs", true),
            ("expires at 1482566674", "expires at 1482566999", true),
        ] {
            assert_eq!(fingerprint(a) == fingerprint(b), same, "{a} and {b}");
        }
    }
}
