//! A run in a page of Markdown: short enough for the summary of a CI job.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::format::Manner;
use super::load::{conclusion, grouped, time};
use super::paint::Paint;
use super::text::printable;
use crate::model::{ClauseState, Finding, Flow, LoadReport, Report, Verdict};

/// More findings than this are only counted: job summaries have a limit of a megabyte, and readers a smaller one.
const MOST: usize = 50;
/// Longer texts are cut.
const LONGEST: usize = 300;

/// Writes a run.
pub(super) fn write_run(report: &Report, manner: &Manner, out: &mut dyn Write) -> io::Result<()> {
    let cut = if report.interrupted { " (interrupted)" } else { "" };
    writeln!(out, "## {}{cut}\n", report.verdict)?;
    if report.clauses.is_empty() {
        write!(out, "{} ", counts(&report.findings))?;
    } else {
        let of = |wanted| report.clauses.values().filter(|state| **state == wanted).count();
        write!(
            out,
            "**Proved {} of {} clauses** ({} broken, {} open, {} recorded, {} unchecked). ",
            report.proved(),
            report.clauses.len(),
            of(ClauseState::Broken),
            of(ClauseState::Open),
            of(ClauseState::Recorded),
            of(ClauseState::Unchecked),
        )?;
    }
    writeln!(
        out,
        "Target {}, clock {}, seed {}, {:.1} s.\n",
        plain(&report.target, LONGEST),
        plain(&report.clock, LONGEST),
        report.seed,
        report.elapsed.as_secs_f64()
    )?;
    for remark in &report.remarks {
        writeln!(out, "> {}\n", plain(remark, LONGEST))?;
    }
    flows(report, out)?;
    let told: Vec<&Finding> =
        report.findings.iter().filter(|f| f.verdict > Verdict::Known).collect();
    findings(&told, manner, out)?;
    let known: Vec<&Finding> =
        report.findings.iter().filter(|f| f.verdict == Verdict::Known).collect();
    if !known.is_empty() {
        writeln!(out, "\n{} findings are known (baseline).", known.len())?;
    }
    Ok(())
}

fn counts(findings: &[Finding]) -> String {
    let of = |verdict: Verdict| findings.iter().filter(|f| f.verdict == verdict).count();
    let given = Verdict::ALL.into_iter().filter(|verdict| of(*verdict) > 0);
    given.map(|verdict| format!("{verdict} {}", of(verdict))).collect::<Vec<_>>().join(" · ")
}

fn flows(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut flows: BTreeMap<Flow, Vec<Finding>> = BTreeMap::new();
    for finding in &report.findings {
        flows.entry(finding.flow).or_default().push(finding.clone());
    }
    writeln!(out, "| flow | checks |\n|---|---|")?;
    for (flow, findings) in flows {
        writeln!(out, "| {flow} | {} |", counts(&findings))?;
    }
    Ok(())
}

fn findings(told: &[&Finding], manner: &Manner, out: &mut dyn Write) -> io::Result<()> {
    if told.is_empty() {
        return Ok(());
    }
    let mut told = told.to_vec();
    told.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    writeln!(out, "\n| | check | clauses | what |\n|---|---|---|---|")?;
    for finding in told.iter().take(MOST) {
        let clauses: Vec<&str> = finding.covers.iter().map(|clause| clause.as_str()).collect();
        let (sign, word) = (Paint::sign(finding.verdict), finding.verdict.word());
        writeln!(
            out,
            "| {sign} {word} | `{}` {} | {} | {} |",
            finding.check,
            plain(&finding.title, LONGEST),
            clauses.join(" "),
            what(finding)
        )?;
    }
    if told.len() > MOST {
        writeln!(out, "\n… and {} more.", told.len() - MOST)?;
    }
    let first = told[0];
    let explained = first.covers.first().map_or(first.check.base(), |clause| clause.as_str());
    writeln!(
        out,
        "\n```console\n$ gatecrash explain {explained}\n$ gatecrash replay {}#{}\n```",
        manner.json, first.check
    )
}

fn what(finding: &Finding) -> String {
    match (&finding.evidence.violation, &finding.evidence.reason) {
        (Some(violation), _) => {
            let wanted: Vec<String> =
                violation.wanted.iter().map(|one| plain(one, LONGEST)).collect();
            format!("wanted {}<br>got {}", wanted.join(" or "), plain(&violation.got, LONGEST))
        }
        (None, Some(reason)) => plain(reason, LONGEST),
        (None, None) => String::new(),
    }
}

/// Writes a load run.
pub(super) fn write_load(report: &LoadReport, out: &mut dyn Write) -> io::Result<()> {
    let (_, word, sentence) = conclusion(report);
    writeln!(out, "## {word}: {}\n", plain(&sentence, LONGEST))?;
    for reason in &report.invalid {
        writeln!(out, "> INVALID: {}\n", plain(reason, LONGEST))?;
    }
    writeln!(
        out,
        "{} at {}: {}, {} connections, **{:.0} answers a second** in {:.1} s, seed {}.\n",
        report.flow,
        plain(&report.target, LONGEST),
        plain(&report.model, LONGEST),
        report.connections,
        report.rate,
        report.elapsed.as_secs_f64(),
        report.seed
    )?;
    let names = report.response.points().map(|(name, _)| name).join(" | ");
    writeln!(out, "| | {names} |\n|---{}|", "|---".repeat(8))?;
    for (name, quantiles) in [("response", &report.response), ("service", &report.service)] {
        let values = quantiles.points().map(|(_, value)| time(value)).join(" | ");
        writeln!(out, "| {name} | {values} |")?;
    }
    writeln!(out, "\n| case | outcome | answers |\n|---|---|---|")?;
    for case in &report.cases {
        for (outcome, count) in &case.outcomes {
            let (name, outcome) = (plain(&case.name, LONGEST), plain(outcome, LONGEST));
            writeln!(out, "| {name} | {outcome} | {} |", grouped(*count))?;
        }
    }
    for failure in &report.failures {
        writeln!(out, "\n{} × {}", grouped(failure.count), plain(&failure.kind, LONGEST))?;
    }
    for complaint in report.complaints.iter().take(MOST) {
        let count = grouped(complaint.count);
        writeln!(out, "\n{count} × {}: {}", complaint.case, plain(&complaint.what, LONGEST))?;
    }
    for one in &report.thresholds {
        let word = format!("{:?}", one.state).to_lowercase();
        let (threshold, measured) = (plain(&one.threshold, LONGEST), plain(&one.measured, LONGEST));
        writeln!(out, "\n{threshold}: {word}, {measured}")?;
    }
    Ok(())
}

/// A text that is only text in Markdown, in a table or out of it: no markup, no table cell, nobody mentioned.
pub(super) fn plain(text: &str, most: usize) -> String {
    let text = printable(text);
    let mut out = String::new();
    for c in text.chars().take(most) {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '@' => out.push_str("&#64;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' | '!' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // Addresses must not become links.
            ':' => out.push_str("&#58;"),
            c => out.push(c),
        }
    }
    if text.chars().nth(most).is_some() {
        out.push('…');
    }
    out
}
