//! One check: what it asserts and where that comes from, what was wanted and what was there, how to see it again.

use std::io::{self, Write};

use super::difference;
use super::escape::{Lines, Text};
use super::run::{anchor, badge, needs_attention};
use crate::model::{Evidence, Finding, Report, SentAndReceived};
use crate::report::format::Manner;
use crate::report::text::limited;

/// More breaches of one check than this are only counted.
const MOST_BREACHES: usize = 20;
/// More lines of what was observed are only counted.
const MOST_OBSERVED: usize = 20;
/// Longer texts are cut.
const LONGEST: usize = 1_200;

/// Writes a check.
pub(super) fn write(
    finding: &Finding,
    report: &Report,
    manner: &Manner,
    out: &mut dyn Write,
) -> io::Result<()> {
    let id = finding.check.as_str();
    let open = if needs_attention(finding) { " open" } else { "" };
    writeln!(
        out,
        "<details class=\"check\" id=\"{}\" data-verdict=\"{}\" data-flow=\"{}\" data-level=\"{}\"{open}><summary>{} <b>{}</b> {}</summary>",
        anchor(id),
        finding.verdict,
        finding.flow,
        finding.level,
        badge(finding.verdict),
        Text(id),
        Text(&finding.title)
    )?;
    for clause in &finding.covers {
        let Some(text) = report.catalogue.get(clause) else {
            let id = Text(clause.as_str());
            writeln!(out, "<p><b>{id}</b> <em>{}</em></p>", finding.level)?;
            continue;
        };
        writeln!(
            out,
            "<blockquote><b>{clause}</b> <em>{}</em> {}<cite>{}</cite></blockquote>",
            text.level,
            Text(&text.text),
            Text(&text.source)
        )?;
    }
    if let Some(reason) = &finding.deviation {
        writeln!(out, "<p><b>deviation</b> {}</p>", Text(reason))?;
    }
    evidence(&finding.evidence, out)?;
    again(finding, manner, out)?;
    writeln!(out, "</details>")
}

fn evidence(evidence: &Evidence, out: &mut dyn Write) -> io::Result<()> {
    if let Some(step) = &evidence.step {
        writeln!(out, "<p><b>step</b> <code>{}</code></p>", Text(step))?;
    }
    if let Some(reason) = &evidence.reason {
        writeln!(out, "<p><b>because</b> {}</p>", Text(&limited(reason, LONGEST)))?;
    }
    if let Some(items) = evidence.items.as_ref().filter(|items| !items.broken.is_empty()) {
        let names: Vec<String> =
            items.broken.iter().take(40).map(|name| limited(name, 120)).collect();
        let (broken, held) = (items.broken.len(), items.held);
        writeln!(out, "<p><b>items</b> {broken} of {held}: {}</p>", Text(&names.join(", ")))?;
    }
    if let Some(violation) = &evidence.violation {
        let wanted: Vec<String> =
            violation.wanted.iter().map(|one| limited(one, LONGEST)).collect();
        difference::write(&wanted, &limited(&violation.got, LONGEST), out)?;
    }
    if let Some(exchange) = &evidence.exchange {
        wire(exchange, out)?;
    }
    if evidence.breaches.len() > 1 {
        let (all, shown) = (evidence.breaches.len() + evidence.further, MOST_BREACHES);
        writeln!(out, "<details><summary>all {all} breaches</summary><ul>")?;
        for breach in evidence.breaches.iter().take(shown) {
            let item = breach.item.as_ref().map_or_else(String::new, |item| format!(" [{item}]"));
            let wanted = breach.violation.wanted.join(" or ");
            writeln!(
                out,
                "<li><code>{}{}</code> wanted {}, got {}</li>",
                Text(&breach.step),
                Text(&limited(&item, 120)),
                Text(&limited(&wanted, 200)),
                Text(&limited(&breach.violation.got, 300))
            )?;
        }
        writeln!(out, "</ul></details>")?;
    }
    if !evidence.observed.is_empty() {
        writeln!(out, "<details><summary>observed</summary><ul>")?;
        for line in evidence.observed.iter().take(MOST_OBSERVED) {
            writeln!(out, "<li>{}</li>", Text(&limited(line, LONGEST)))?;
        }
        writeln!(out, "</ul></details>")?;
    }
    Ok(())
}

fn wire(exchange: &SentAndReceived, out: &mut dyn Write) -> io::Result<()> {
    writeln!(
        out,
        "<div class=\"wire\"><figure><figcaption>sent</figcaption><pre>{}</pre></figure><figure><figcaption>received</figcaption><pre>{}</pre></figure></div>",
        Lines(&exchange.sent),
        Lines(&exchange.received)
    )?;
    writeln!(out, "<p class=\"command\"><b>curl</b> <code>{}</code></p>", Text(&exchange.curl))
}

/// The commands that say more, and that do it again.
fn again(finding: &Finding, manner: &Manner, out: &mut dyn Write) -> io::Result<()> {
    let explained = finding.covers.first().map_or(finding.check.base(), |clause| clause.as_str());
    writeln!(
        out,
        "<p class=\"command\"><b>explain</b> <code>gatecrash explain {}</code></p>\n<p class=\"command\"><b>replay</b> <code>gatecrash replay {}#{}</code></p>",
        Text(explained),
        Text(&manner.json),
        Text(finding.check.as_str())
    )
}
