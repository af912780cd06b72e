//! `gatecrash compare`.

use std::path::Path;

use serde::Deserialize;

use crate::cli::World;
use crate::cli::arguments::Compare;
use crate::cli::exit::{Exit, UsageError};
use crate::load::compare;
use crate::model::{LoadReport, Verdict};
use crate::report::{LOAD_SCHEMA_VERSION, Paint};

pub(in crate::cli) fn run(arguments: &Compare, world: World) -> anyhow::Result<Exit> {
    let (base, new) = (read(&arguments.base)?, read(&arguments.new)?);
    let comparison = compare(&base, &new);
    let worse = comparison.rows.iter().any(|row| row.worse);
    // A server that answers wrongly is not compared by how fast it does.
    let wrong = new.wrong > 0 && base.wrong == 0 || new.failed() > 0 && base.failed() == 0;
    let undecided = comparison.rows.iter().all(|row| row.ratio.is_none());
    let (verdict, word) = match (worse || wrong, undecided) {
        (true, _) => (Verdict::Fail, "WORSE"),
        (false, true) => (Verdict::Blocked, "UNDECIDED"),
        (false, false) => (Verdict::Pass, "NO WORSE"),
    };
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

#[derive(Deserialize)]
struct Document {
    schema_version: u32,
    load: LoadReport,
}

fn read(path: &Path) -> anyhow::Result<LoadReport> {
    let wrong = |why: String| UsageError(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let document: Document = serde_json::from_str(&text)
        .map_err(|error| wrong(format!("not the JSON report of a load run: {error}")))?;
    if document.schema_version != LOAD_SCHEMA_VERSION {
        let version = document.schema_version;
        let why =
            format!("its shape has version {version}; this program reads {LOAD_SCHEMA_VERSION}");
        return Err(wrong(why).into());
    }
    Ok(document.load)
}
