//! `gatecrash compare`.

use std::io::BufWriter;

use super::report::read;
use crate::cli::arguments::Compare;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::{Output, World};
use crate::load::{Comparison, compare};
use crate::model::{LoadReport, Report, Verdict};
use crate::report::{Changes, ComparedRow, Document, Paint, write_changes, write_comparison};

pub(in crate::cli) fn run(arguments: &Compare, world: World) -> anyhow::Result<Exit> {
    let (base, new) = (read(&arguments.base)?, read(&arguments.new)?);
    match (base, new) {
        (Document::Run(base), Document::Run(new)) => {
            if !arguments.report.is_empty() {
                let message = "--report is for two load runs".to_owned();
                return Err(UsageError(message).into());
            }
            runs(&base, &new, world)
        }
        (Document::Load(base), Document::Load(new)) => loads(&base, &new, arguments, world),
        (base, new) => {
            let message = format!(
                "{} is the report of {}, and {} that of {}; compare two runs, or two load runs",
                arguments.base.display(),
                base.kind(),
                arguments.new.display(),
                new.kind()
            );
            Err(UsageError(message).into())
        }
    }
}

/// What changed between two runs.
fn runs(base: &Report, new: &Report, world: World) -> anyhow::Result<Exit> {
    let changes = Changes::between(base, new);
    write_changes(&changes, world.paint, &mut BufWriter::new(Output))?;
    Ok(if changes.is_worse() { Exit::Findings } else { Exit::Conformant })
}

/// The page that `--report html=PATH` asks for, opened before anything is compared.
fn page(reports: &[String]) -> anyhow::Result<Option<std::fs::File>> {
    let wrong = |message: String| anyhow::Error::from(UsageError(message));
    let mut file = None;
    for report in reports {
        let Some(path) = report.strip_prefix("html=").filter(|_| file.is_none()) else {
            return Err(wrong(format!(
                "`{report}` is not a report of two load runs; there is html=PATH, once"
            )));
        };
        let opened = std::fs::File::create(path)
            .map_err(|error| wrong(format!("{path} cannot be written: {error}")))?;
        file = Some(opened);
    }
    Ok(file)
}

fn rows(comparison: &Comparison) -> Vec<ComparedRow> {
    let row = |row: &crate::load::Compared| ComparedRow {
        name: row.name.to_owned(),
        base: row.base,
        new: row.new,
        ratio: row.ratio.map(|ratio| (ratio.value, ratio.low, ratio.high)),
        worse: row.worse,
    };
    comparison.rows.iter().map(row).collect()
}

fn loads(
    base: &LoadReport,
    new: &LoadReport,
    arguments: &Compare,
    world: World,
) -> anyhow::Result<Exit> {
    let page = page(&arguments.report)?;
    let comparison = compare(base, new);
    let worse = comparison.rows.iter().any(|row| row.worse);
    // A server that answers wrongly is not compared by how fast it does.
    let wrong = new.wrong > 0 && base.wrong == 0 || new.failed() > 0 && base.failed() == 0;
    let undecided = comparison.rows.iter().all(|row| row.ratio.is_none());
    let (verdict, word) = match (worse || wrong, undecided) {
        (true, _) => (Verdict::Fail, "WORSE"),
        (false, true) => (Verdict::Blocked, "UNDECIDED"),
        (false, false) => (Verdict::Pass, "NO WORSE"),
    };
    if let Some(file) = page {
        let said = (rows(&comparison), comparison.cautions.clone());
        let mut out = BufWriter::new(file);
        write_comparison((base, new), (verdict, word), (&said.0, &said.1), &mut out)?;
        std::io::Write::flush(&mut out)?;
    }
    say!("{}", world.paint.bold(&world.paint.verdict(verdict, word)));
    say!("{:18}{:>14}{:>14}{:>10}  95 % of chance", "", "base", "new", "ratio");
    for row in &comparison.rows {
        let verdict = if row.worse { Verdict::Fail } else { Verdict::Pass };
        let sign = world.paint.verdict(verdict, Paint::sign(verdict));
        let ratio = row.ratio.map_or_else(
            || "  too few seconds".to_owned(),
            |ratio| format!("{:>10.3}  {:.3} to {:.3}", ratio.value, ratio.low, ratio.high),
        );
        say!("{sign} {:16}{:>14.1}{:>14.1}{ratio}", row.name, row.base, row.new);
    }
    say!("wrong {} and {}, failed {} and {}", base.wrong, new.wrong, base.failed(), new.failed());
    for caution in &comparison.cautions {
        say!("caution: {caution}");
    }
    let invalid = !base.invalid.is_empty() || !new.invalid.is_empty();
    Ok(match (worse || wrong, undecided || invalid) {
        (true, _) => Exit::Findings,
        (false, true) => Exit::Inconclusive,
        (false, false) => Exit::Conformant,
    })
}
