//! The matrix: a row for each area, a column for each flow, a cell for each check.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use super::escape::Text;
use super::run::{anchor, class, needs_attention};
use crate::model::{Finding, Flow, Report};
use crate::report::paint::Paint;

type Row<'a> = BTreeMap<Flow, Vec<&'a Finding>>;

/// Writes the matrix. Areas with something wrong come first, then those that most flows have.
pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut rows: BTreeMap<&str, Row<'_>> = BTreeMap::new();
    let mut flows: BTreeSet<Flow> = BTreeSet::new();
    for finding in &report.findings {
        flows.insert(finding.flow);
        let row = rows.entry(area(&finding.scenario)).or_default();
        row.entry(finding.flow).or_default().push(finding);
    }
    if flows.is_empty() {
        return Ok(());
    }
    let trouble = |row: &Row<'_>| row.values().flatten().any(|finding| needs_attention(finding));
    let mut rows: Vec<(&str, Row<'_>)> = rows.into_iter().collect();
    rows.sort_by_key(|(area, row)| {
        let first = row.keys().next().copied();
        (!trouble(row), std::cmp::Reverse(row.len()), first.filter(|_| row.len() == 1), *area)
    });
    writeln!(
        out,
        "<section><h2>Matrix</h2>\n<p class=\"hint\">A row for each area, a column for each flow, a cell for each check.</p>\n<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"matrix of areas and flows\"><table id=\"matrix\" class=\"matrix\"><thead><tr><th scope=\"col\">area</th>"
    )?;
    for flow in &flows {
        writeln!(out, "<th scope=\"col\"><a href=\"#flow-{flow}\">{flow}</a></th>")?;
    }
    writeln!(out, "</tr></thead><tbody>")?;
    for (area, row) in &rows {
        write!(out, "<tr><th scope=\"row\">{}</th>", Text(&area.replace('-', " ")))?;
        for flow in &flows {
            write!(out, "<td>")?;
            for finding in row.get(flow).into_iter().flatten() {
                cell(finding, out)?;
            }
            write!(out, "</td>")?;
        }
        writeln!(out, "</tr>")?;
    }
    writeln!(out, "</tbody></table></div></section>")
}

fn cell(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let (id, verdict) = (finding.check.as_str(), finding.verdict);
    write!(
        out,
        "<a class=\"cell {}\" href=\"#{}\" title=\"{} {verdict}: {}\">{}</a>",
        class(verdict),
        anchor(id),
        Text(id),
        Text(&finding.title),
        Paint::sign(verdict)
    )
}

/// What a scenario is about: its name without the flow.
fn area(scenario: &str) -> &str {
    match scenario {
        "always" => "every answer",
        name => name.rsplit('/').next().unwrap_or(name),
    }
}
