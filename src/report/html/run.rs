//! The page of a run: the verdict, what needs attention, the matrix, and every check with its steps.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::escape::Text;
use super::{check, counted, footer, matrix, page, steps};
use crate::model::{
    ClauseState, Finding, Flow, Report, RunVerdict, ScenarioRecord, Verdict, civil_from_unix,
};
use crate::report::format::Manner;
use crate::report::paint::Paint;
use crate::report::text::limited;

/// Writes a run as a page.
pub(in crate::report) fn write_run(
    report: &Report,
    manner: &Manner,
    out: &mut dyn Write,
) -> io::Result<()> {
    let title = format!("{} - {}", report.verdict, limited(&report.target, 80));
    page(&title, out, |out| {
        header(report, out)?;
        writeln!(out, "<main>")?;
        attention(report, out)?;
        matrix::write(report, out)?;
        filters(report, out)?;
        checks(report, manner, out)?;
        clauses(report, out)?;
        writeln!(out, "</main>")?;
        footer(out)
    })
}

/// The class of a verdict on the page.
pub(super) fn class(verdict: Verdict) -> String {
    format!("v-{}", verdict.word())
}

/// The address of a check on the page.
pub(super) fn anchor(check: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
    format!("check-{}", check.chars().map(plain).collect::<String>())
}

/// A verdict as its sign and its word.
pub(super) fn badge(verdict: Verdict) -> String {
    format!(
        "<span class=\"badge {}\"><b aria-hidden=\"true\">{}</b> {}</span>",
        class(verdict),
        Paint::sign(verdict),
        verdict.word()
    )
}

fn header(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let tone = match report.verdict {
        RunVerdict::Conformant => "pass",
        RunVerdict::Partial => "warn",
        RunVerdict::Nonconformant => "fail",
        RunVerdict::Inconclusive => "blocked",
    };
    writeln!(out, "<header class=\"top tone-{tone}\">")?;
    writeln!(out, "<p class=\"product\">gatecrash</p>")?;
    writeln!(out, "<h1 id=\"verdict\">{}</h1>", report.verdict)?;
    let of = |wanted| report.clauses.values().filter(|state| **state == wanted).count();
    if !report.clauses.is_empty() {
        let (proved, all) = (report.proved(), report.clauses.len());
        writeln!(
            out,
            "<p id=\"proved\" class=\"proved\">proved <b>{proved}</b> of <b>{all}</b> clauses</p>"
        )?;
        let parts = [
            ("proved", proved, "pass"),
            ("broken", of(ClauseState::Broken), "fail"),
            ("open", of(ClauseState::Open), "blocked"),
            ("recorded", of(ClauseState::Recorded), "info"),
            ("unchecked", of(ClauseState::Unchecked), "na"),
        ];
        bar(&parts, all, out)?;
    }
    let counts = report.counts();
    writeln!(out, "<p class=\"counts\">")?;
    for verdict in Verdict::ALL.into_iter().filter(|verdict| counts.with(*verdict) > 0) {
        let count = counts.with(verdict);
        writeln!(
            out,
            "<span class=\"badge {}\"><b aria-hidden=\"true\">{}</b> {count} {verdict}</span>",
            class(verdict),
            Paint::sign(verdict)
        )?;
    }
    writeln!(out, "</p>")?;
    facts(report, out)?;
    if report.interrupted {
        writeln!(
            out,
            "<p class=\"remark\">The run was interrupted: what follows is not all of it.</p>"
        )?;
    }
    for remark in &report.remarks {
        writeln!(out, "<p class=\"remark\">{}</p>", Text(remark))?;
    }
    writeln!(out, "</header>")
}

/// What was checked, and how.
fn facts(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<dl class=\"facts\">")?;
    let mut fact = |name: &str, value: &str| {
        writeln!(out, "<div><dt>{name}</dt><dd>{}</dd></div>", Text(value))
    };
    fact("target", &limited(&report.target, 200))?;
    fact("clock", &report.clock)?;
    fact("seed", &report.seed.to_string())?;
    if report.started > 0 {
        fact("begun", &format!("{}Z", civil_from_unix(report.started)))?;
    }
    fact("took", &format!("{:.2} s", report.elapsed.as_secs_f64()))?;
    if report.excluded > 0 {
        fact("left out", &counted(report.excluded, "check"))?;
    }
    if let Some(origin) = report.origin.as_ref().filter(|origin| !origin.faults.is_empty()) {
        fact("faults", &origin.faults.join(", "))?;
    }
    writeln!(out, "</dl>")
}

/// The clauses as one bar.
fn bar(parts: &[(&str, usize, &str)], all: usize, out: &mut dyn Write) -> io::Result<()> {
    let label: Vec<String> =
        parts.iter().filter(|part| part.1 > 0).map(|(name, n, _)| format!("{n} {name}")).collect();
    writeln!(
        out,
        "<svg class=\"bar\" viewBox=\"0 0 1000 18\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{}\">",
        label.join(", ")
    )?;
    let mut x = 0.0;
    for (name, count, tone) in parts.iter().filter(|part| part.1 > 0) {
        let width = *count as f64 / all.max(1) as f64 * 1000.0;
        writeln!(
            out,
            "<rect class=\"fill-{tone}\" x=\"{x:.1}\" y=\"0\" width=\"{width:.1}\" height=\"18\"><title>{count} {name}</title></rect>"
        )?;
        x += width;
    }
    writeln!(out, "</svg>\n<p class=\"legend\">")?;
    for (name, count, tone) in parts.iter().filter(|part| part.1 > 0) {
        writeln!(out, "<span><i class=\"dot fill-{tone}\"></i>{count} {name}</span>")?;
    }
    writeln!(out, "</p>")
}

/// What is neither right nor beside the point, the gravest first.
fn attention(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut told: Vec<&Finding> = report.findings.iter().filter(|f| needs_attention(f)).collect();
    if told.is_empty() {
        return Ok(());
    }
    told.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    let (blocked, told): (Vec<&Finding>, Vec<&Finding>) =
        told.into_iter().partition(|finding| finding.verdict == Verdict::Blocked);
    writeln!(
        out,
        "<section id=\"attention\"><h2>What needs attention</h2>\n<ul class=\"attention\">"
    )?;
    for finding in told {
        let evidence = &finding.evidence;
        let said = match (&evidence.violation, &evidence.reason) {
            (Some(violation), _) => {
                let wanted = violation.wanted.join(" or ");
                format!("wanted {}, got {}", limited(&wanted, 120), limited(&violation.got, 120))
            }
            (None, Some(reason)) => limited(reason, 200),
            (None, None) => String::new(),
        };
        writeln!(
            out,
            "<li>{} <a href=\"#{}\">{}</a> {}<small>{}</small></li>",
            badge(finding.verdict),
            anchor(finding.check.as_str()),
            Text(finding.check.as_str()),
            Text(&finding.title),
            Text(&said)
        )?;
    }
    blocked_by_reason(&blocked, out)?;
    writeln!(out, "</ul></section>")
}

/// Checks without a conclusion, by the reason: one missing hook can block a hundred of them.
fn blocked_by_reason(blocked: &[&Finding], out: &mut dyn Write) -> io::Result<()> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for finding in blocked {
        let reason = finding.evidence.reason.as_deref().unwrap_or("no reason was given");
        reasons.entry(reason).or_default().push(finding.check.as_str());
    }
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by_key(|(_, checks)| std::cmp::Reverse(checks.len()));
    for (reason, checks) in reasons {
        let (count, reason) = (counted(checks.len(), "check"), limited(reason, 300));
        writeln!(out, "<li>{} {count}: {}<small>", badge(Verdict::Blocked), Text(&reason))?;
        for check in checks {
            writeln!(out, "<a href=\"#{}\">{}</a>", anchor(check), Text(check))?;
        }
        writeln!(out, "</small></li>")?;
    }
    Ok(())
}

/// Whether somebody has to look at it.
pub(super) fn needs_attention(finding: &Finding) -> bool {
    finding.verdict >= Verdict::Warn
}

fn filters(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let counts = report.counts();
    writeln!(
        out,
        "<h2 id=\"checks\">Checks</h2>\n<form id=\"filters\" class=\"filters\" hidden>\n<fieldset><legend>verdict</legend>"
    )?;
    for verdict in Verdict::ALL.into_iter().filter(|verdict| counts.with(*verdict) > 0) {
        writeln!(
            out,
            "<label><input type=\"checkbox\" name=\"verdict\" value=\"{verdict}\" checked> {verdict}</label>"
        )?;
    }
    writeln!(out, "</fieldset>")?;
    let mut flows: Vec<Flow> = report.findings.iter().map(|finding| finding.flow).collect();
    flows.sort();
    flows.dedup();
    let flows: Vec<String> = flows.iter().map(ToString::to_string).collect();
    choice("flow", &flows, out)?;
    let mut levels: Vec<_> = report.findings.iter().map(|finding| finding.level).collect();
    levels.sort();
    levels.dedup();
    let levels: Vec<String> = levels.iter().rev().map(ToString::to_string).collect();
    choice("level", &levels, out)?;
    writeln!(
        out,
        "<label class=\"search\">search <input type=\"search\" name=\"text\" placeholder=\"BTN-04, window, race\"></label>\n<p><output id=\"shown\"></output> <button type=\"button\" id=\"troubles\">only what needs attention</button> <button type=\"reset\">all</button></p>\n</form>"
    )
}

fn choice(name: &str, values: &[String], out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "<label>{name} <select name=\"{name}\"><option value=\"\">all</option>")?;
    for value in values {
        writeln!(out, "<option>{value}</option>")?;
    }
    writeln!(out, "</select></label>")
}

/// Every check, below its scenario, below its flow.
fn checks(report: &Report, manner: &Manner, out: &mut dyn Write) -> io::Result<()> {
    let mut flows: BTreeMap<Flow, BTreeMap<&str, Vec<&Finding>>> = BTreeMap::new();
    for finding in &report.findings {
        let scenarios = flows.entry(finding.flow).or_default();
        scenarios.entry(finding.scenario.as_str()).or_default().push(finding);
    }
    let records: BTreeMap<(Flow, &str), &ScenarioRecord> =
        report.scenarios.iter().map(|record| ((record.flow, &*record.name), record)).collect();
    for (flow, scenarios) in flows {
        writeln!(out, "<section class=\"flow\" id=\"flow-{flow}\"><h3>{flow}</h3>")?;
        for (name, findings) in scenarios {
            let record = records.get(&(flow, name)).copied();
            scenario(name, &findings, record, (report, manner), out)?;
        }
        writeln!(out, "</section>")?;
    }
    Ok(())
}

fn scenario(
    name: &str,
    findings: &[&Finding],
    record: Option<&ScenarioRecord>,
    (report, manner): (&Report, &Manner),
    out: &mut dyn Write,
) -> io::Result<()> {
    let trouble = findings.iter().any(|finding| needs_attention(finding));
    let open = if trouble { " open" } else { "" };
    writeln!(
        out,
        "<details class=\"scenario\"{open}><summary><span class=\"name\">{}</span>",
        Text(name)
    )?;
    for finding in findings {
        let (class, sign) = (class(finding.verdict), Paint::sign(finding.verdict));
        write!(out, "<i class=\"cell {class}\" aria-hidden=\"true\">{sign}</i>")?;
    }
    let title = match (record, name) {
        (Some(record), _) => record.title.as_str(),
        (None, "always") => "What every answer of the flow is held against",
        (None, _) => "",
    };
    writeln!(out, "<small>{}</small></summary>", Text(title))?;
    for finding in findings {
        check::write(finding, report, manner, out)?;
    }
    if let Some(record) = record {
        steps::write(record, findings, out)?;
    }
    writeln!(out, "</details>")
}

/// Every clause with what the run says of it.
fn clauses(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.catalogue.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "<h2>Clauses</h2>\n<details id=\"clauses\"><summary>{} with their text and what this run says of each</summary>\n<table class=\"clauses\"><thead><tr><th>clause</th><th>level</th><th>state</th><th>what it says</th></tr></thead><tbody>",
        counted(report.catalogue.len(), "clause")
    )?;
    for (id, clause) in &report.catalogue {
        let (word, tone) = match report.clauses.get(id) {
            Some(ClauseState::Proved) => ("proved", "pass"),
            Some(ClauseState::Broken) => ("broken", "fail"),
            Some(ClauseState::Open) => ("open", "blocked"),
            Some(ClauseState::Recorded) => ("recorded", "info"),
            Some(ClauseState::Unchecked) | None => ("unchecked", "na"),
        };
        writeln!(
            out,
            "<tr><td>{id}</td><td>{}</td><td><span class=\"badge v-{tone}\">{word}</span></td><td>{}<small>{}</small></td></tr>",
            clause.level,
            Text(&clause.text),
            Text(&clause.source)
        )?;
    }
    writeln!(out, "</tbody></table></details>")
}
