//! `gatecrash replay RUN.json#CHECK`: one check of a report once more, against the same kind of target, with the same
//! seed.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Parser as _;

use super::{check, replay, report};
use crate::cli::World;
#[cfg(feature = "reference-server")]
use crate::cli::arguments::Altered;
use crate::cli::arguments::{Arguments, Check, Command};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::fuzz_arguments::Replay;
use crate::model::{Finding, Origin, Report, Verdict};
use crate::report::Document;
use crate::source::closest;

/// The file and the check that an argument names, if it does.
pub(super) fn reference(argument: &Path) -> Option<(PathBuf, String)> {
    // A file that is there is meant, whatever its name.
    if argument.exists() {
        return None;
    }
    let (file, check) = argument.to_str()?.rsplit_once('#')?;
    Some((PathBuf::from(file), check.to_owned()))
}

pub(super) fn run(
    (file, check): (&Path, &str),
    arguments: &Replay,
    scenarios: Option<&Path>,
    world: World,
) -> anyhow::Result<Exit> {
    let Document::Run(earlier) = report::read(file)? else {
        let message = format!("{} is no report of a run with checks", file.display());
        return Err(UsageError(message).into());
    };
    let then = find(&earlier, check, file)?;
    let origin = earlier.origin.clone().unwrap_or_default();
    let kept = origin.scenarios.as_ref().map(PathBuf::from);
    let scenarios = scenarios.or(kept.as_deref());
    if earlier.clauses.is_empty() {
        let again = as_replay(&earlier, then, &origin, arguments)?;
        return replay::run_files(&again, scenarios, world);
    }
    let again = as_check(&earlier, then, &origin, arguments)?;
    let (exit, now) = check::run_reported(&again, scenarios, world)?;
    let now = now.context("a run that is no rehearsal has a report")?;
    let now = now.findings.iter().find(|finding| finding.check == then.check);
    tell(then, now, world);
    Ok(exit)
}

fn find<'a>(report: &'a Report, check: &str, file: &Path) -> anyhow::Result<&'a Finding> {
    let found = report.findings.iter().find(|finding| finding.check.as_str() == check);
    found.ok_or_else(|| {
        let ids = report.findings.iter().map(|finding| finding.check.as_str());
        let hint = closest(check, ids).map(|near| format!("; did you mean `{near}`?"));
        let message =
            format!("{} has no check `{check}`{}", file.display(), hint.unwrap_or_default());
        UsageError(message).into()
    })
}

/// The command line that does it again: what is said now comes before what was said then.
fn as_check(
    earlier: &Report,
    then: &Finding,
    origin: &Origin,
    arguments: &Replay,
) -> anyhow::Result<Check> {
    let mut words = vec!["gatecrash".to_owned(), "check".to_owned()];
    words.extend(arguments.target.clone().or_else(|| origin.target.clone()));
    let seed = arguments.seed.unwrap_or(earlier.seed);
    let pairs = [("--only", then.check.base().to_owned()), ("--seed", seed.to_string())];
    words.extend(pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
    words.extend(["--flow".to_owned(), then.flow.to_string()]);
    if !origin.level.is_empty() {
        words.extend(["--level".to_owned(), origin.level.clone()]);
    }
    words.extend(origin.corpus.iter().flat_map(|one| ["--corpus".to_owned(), one.clone()]));
    words.extend(circumstances(origin, arguments));
    match parsed(words)? {
        Command::Check(check) => Ok(check),
        _ => anyhow::bail!("`check` was parsed as another command"),
    }
}

/// The same for what `fuzz` found: the file that it wrote, or the folder where a shorter case took its place.
fn as_replay(
    earlier: &Report,
    then: &Finding,
    origin: &Origin,
    arguments: &Replay,
) -> anyhow::Result<Replay> {
    let written = then.evidence.written.as_deref();
    let file =
        written.zip(origin.corpus.first()).map(|(name, folder)| Path::new(folder).join(name));
    let files = match file.filter(|file| file.exists()) {
        Some(file) => vec![file.display().to_string()],
        None => origin.corpus.clone(),
    };
    if files.is_empty() {
        let message = format!(
            "{} was written nowhere: `gatecrash fuzz --seed {} --corpus DIR` finds it again and writes it down",
            then.check, earlier.seed
        );
        return Err(UsageError(message).into());
    }
    let mut words = vec!["gatecrash".to_owned(), "replay".to_owned()];
    words.extend(files);
    let target = arguments.target.clone().or_else(|| origin.target.clone());
    words.extend(target.into_iter().flat_map(|target| ["--target".to_owned(), target]));
    let seed = arguments.seed.unwrap_or(earlier.seed);
    words.extend(["--seed".to_owned(), seed.to_string()]);
    words.extend(circumstances(origin, arguments));
    match parsed(words)? {
        Command::Replay(replay) => Ok(replay),
        _ => anyhow::bail!("`replay` was parsed as another command"),
    }
}

/// How the server is altered or reached, and what is reported.
fn circumstances(origin: &Origin, arguments: &Replay) -> Vec<String> {
    let mut words = Vec::new();
    #[cfg(feature = "reference-server")]
    if arguments.target.is_none() && origin.target.is_none() {
        let pick = |now: &[String], then: &[String]| match now {
            [] => then.to_vec(),
            now => now.to_vec(),
        };
        let Altered { fault, variant, lifetime } = &arguments.altered;
        let altered = Altered {
            fault: pick(fault, &origin.faults),
            variant: pick(variant, &origin.variants),
            lifetime: pick(lifetime, &origin.lifetimes),
        };
        words.extend(altered.words());
    }
    let reach = arguments.reach.words();
    let elsewhere = arguments.target.is_some();
    words.extend(if reach.is_empty() && !elsewhere { origin.reach.clone() } else { reach });
    if arguments.strict {
        words.push("--strict".to_owned());
    }
    words.extend(arguments.report.iter().flat_map(|one| ["--report".to_owned(), one.clone()]));
    words
}

fn parsed(words: Vec<String>) -> anyhow::Result<Command> {
    let wrong = |error: clap::Error| {
        UsageError(format!("the report does not say how its run can be done again: {error}"))
    };
    Ok(Arguments::try_parse_from(words).map_err(wrong)?.command)
}

/// Whether it went as it did then.
fn tell(then: &Finding, now: Option<&Finding>, world: World) {
    let Some(now) = now else {
        say!("\nDIFFERENT  {} was {} and was not heard of now", then.check, then.verdict);
        return;
    };
    let paint =
        |verdict: Verdict, word: &str| world.paint.bold(&world.paint.verdict(verdict, word));
    let got = |finding: &Finding| {
        finding.evidence.violation.as_ref().map(|violation| without_digits(&violation.got))
    };
    if then.verdict != now.verdict {
        let word = paint(now.verdict, "DIFFERENT");
        say!("\n{word}  {} was {}, and is {} now", then.check, then.verdict, now.verdict);
    } else if got(then) == got(now) {
        say!(
            "\n{}  {} is {} again, in the same way",
            paint(now.verdict, "ALIKE"),
            now.check,
            now.verdict
        );
    } else {
        let word = paint(now.verdict, "OTHERWISE");
        say!("\n{word}  {} is {} again, but in another way than then", now.check, now.verdict);
    }
}

/// Times, ports and counts differ from run to run.
fn without_digits(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('0') => {}
            '0'..='9' => out.push('0'),
            c => out.push(c),
        }
    }
    out
}
