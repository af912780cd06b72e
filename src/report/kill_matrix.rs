//! The kill matrix as a page of Markdown, for a repository or the summary of a CI job.

use std::io::{self, Write};

use crate::model::{FaultRow, KillMatrix, Verdict};

/// Writes the matrix as Markdown.
///
/// # Errors
/// When the writer fails.
pub fn write_kill_matrix(matrix: &KillMatrix, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "# Kill matrix\n")?;
    let verdict = if matrix.holds() { "holds" } else { "does NOT hold" };
    writeln!(
        out,
        "The self-test {verdict}: {} of {} faults noticed, {} of {} checks noticed at least one, {} false alarms in {} runs of the server without a fault.\n",
        matrix.killed(),
        matrix.faults.len(),
        matrix.sharp.len(),
        matrix.sharp.len() + matrix.idle.len(),
        matrix.false_alarms.len(),
        matrix.clean_runs,
    )?;
    if !matrix.false_alarms.is_empty() {
        writeln!(
            out,
            "## False alarms\n\n| seed | variants | check | verdict | why |\n|---|---|---|---|---|"
        )?;
        for alarm in &matrix.false_alarms {
            let check = alarm.check.as_ref().map_or("the run", |check| check.as_str());
            let (variants, reason) = (alarm.variants.join(", "), cell(&alarm.reason));
            writeln!(
                out,
                "| {} | {variants} | {check} | {} | {reason} |",
                alarm.seed, alarm.verdict
            )?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "## Faults\n\n| fault | what is wrong | clauses | noticed by |\n|---|---|---|---|"
    )?;
    for row in &matrix.faults {
        let clauses: Vec<&str> = row.clauses.iter().map(|clause| clause.as_str()).collect();
        let with = if row.variants.is_empty() {
            String::new()
        } else {
            format!(" (with {})", row.variants.join(", "))
        };
        let sentence = cell(&row.sentence);
        writeln!(
            out,
            "| `{}` | {sentence}{with} | {} | {} |",
            row.name,
            clauses.join(" "),
            killers(row)
        )?;
    }
    list(out, "Checks that noticed nothing", &matrix.idle)?;
    list(out, "Checks that only observe", &matrix.observational)
}

fn killers(row: &FaultRow) -> String {
    if let Some(error) = &row.error {
        return format!("**survived**: {}", cell(error));
    }
    if row.survived() {
        return format!("**survived** {} checks", row.ran);
    }
    let killers = row.killers.iter().map(|(check, verdict)| match verdict {
        Verdict::Fail => check.to_string(),
        other => format!("{check} ({other})"),
    });
    killers.collect::<Vec<_>>().join(" ")
}

fn list<'a>(
    out: &mut dyn Write,
    title: &str,
    ids: impl IntoIterator<Item = &'a String>,
) -> io::Result<()> {
    let ids: Vec<&str> = ids.into_iter().map(String::as_str).collect();
    if ids.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n## {title}\n\n{} of them: {}", ids.len(), ids.join(" "))
}

/// A text that does not end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}
