//! The page of a self-test: the kill matrix.

use std::collections::BTreeSet;
use std::io::{self, Write};

use super::escape::Text;
use super::{counted, footer, page};
use crate::model::{FaultRow, KillMatrix, Verdict};
use crate::report::text::limited;

/// More killers of one fault are only counted.
const MOST_KILLERS: usize = 12;

/// Writes a self-test as a page.
pub(in crate::report) fn write_self_test(
    matrix: &KillMatrix,
    out: &mut dyn Write,
) -> io::Result<()> {
    let (word, tone) = if matrix.holds() { ("PROVEN", "pass") } else { ("NOT PROVEN", "fail") };
    page(&format!("{word} - self-test"), out, |out| {
        writeln!(
            out,
            "<header class=\"top tone-{tone}\"><p class=\"product\">gatecrash selftest</p><h1 id=\"verdict\">{word}</h1><p class=\"proved\">noticed <b>{}</b> of <b>{}</b> faults</p><dl class=\"facts\">",
            matrix.killed(),
            matrix.faults.len()
        )?;
        for (name, value) in [
            ("checks that noticed something", matrix.sharp.len().to_string()),
            ("checks that noticed nothing", matrix.idle.len().to_string()),
            ("checks that only observe", matrix.observational.len().to_string()),
            (
                "false alarms",
                format!(
                    "{} in {}",
                    matrix.false_alarms.len(),
                    counted(matrix.clean_runs, "clean run")
                ),
            ),
            ("took", format!("{:.1} s", matrix.elapsed.as_secs_f64())),
        ] {
            writeln!(out, "<div><dt>{name}</dt><dd>{value}</dd></div>")?;
        }
        writeln!(out, "</dl></header>\n<main>")?;
        alarms(matrix, out)?;
        faults(matrix, out)?;
        list("Checks that noticed nothing", &matrix.idle, out)?;
        list("Checks that only observe", &matrix.observational, out)?;
        writeln!(out, "</main>")?;
        footer(out)
    })
}

fn alarms(matrix: &KillMatrix, out: &mut dyn Write) -> io::Result<()> {
    if matrix.false_alarms.is_empty() {
        return Ok(());
    }
    writeln!(out, "<h2>False alarms</h2>\n<ul class=\"attention\">")?;
    for alarm in &matrix.false_alarms {
        let check = alarm.check.as_ref().map_or("the run", |check| check.as_str());
        writeln!(
            out,
            "<li><span class=\"badge v-fail\">{}</span> <b>{}</b> seed {} {}<small>{}</small></li>",
            alarm.verdict,
            Text(check),
            alarm.seed,
            Text(&limited(&alarm.reason, 300)),
            Text(&alarm.variants.join(", "))
        )?;
    }
    writeln!(out, "</ul>")
}

fn faults(matrix: &KillMatrix, out: &mut dyn Write) -> io::Result<()> {
    let mut rows: Vec<&FaultRow> = matrix.faults.iter().collect();
    rows.sort_by_key(|row| !row.survived());
    writeln!(
        out,
        "<h2>Faults</h2>\n<p><label>search <input type=\"search\" data-rows=\"faults\" hidden placeholder=\"window, JWT-73\"></label></p>\n<table id=\"faults\" class=\"clauses\"><thead><tr><th>fault</th><th>clauses</th><th>what is wrong</th><th>noticed by</th></tr></thead><tbody>"
    )?;
    for row in rows {
        let clauses: Vec<&str> = row.clauses.iter().map(|clause| clause.as_str()).collect();
        write!(
            out,
            "<tr><td><code>{}</code></td><td>{}</td><td>{}</td><td>",
            Text(&row.name),
            Text(&clauses.join(" ")),
            Text(&row.sentence)
        )?;
        if row.survived() {
            let why = row.error.clone().unwrap_or_else(|| counted(row.ran, "check"));
            write!(
                out,
                "<span class=\"badge v-fail\">✗ survived</span> {}",
                Text(&limited(&why, 200))
            )?;
        }
        for (check, verdict) in row.killers.iter().take(MOST_KILLERS) {
            let tone = if *verdict == Verdict::Warn { "warn" } else { "pass" };
            write!(
                out,
                "<span class=\"badge v-{tone}\" title=\"{verdict}\">{}</span> ",
                Text(check.as_str())
            )?;
        }
        let more = row.killers.len().saturating_sub(MOST_KILLERS);
        if more > 0 {
            write!(out, "<small>and {more} more</small>")?;
        }
        writeln!(out, "</td></tr>")?;
    }
    writeln!(out, "</tbody></table>")
}

fn list(title: &str, ids: &BTreeSet<String>, out: &mut dyn Write) -> io::Result<()> {
    if ids.is_empty() {
        return Ok(());
    }
    writeln!(out, "<details><summary>{title} ({})</summary><p>", ids.len())?;
    for id in ids {
        writeln!(out, "<code>{}</code>", Text(id))?;
    }
    writeln!(out, "</p></details>")
}
