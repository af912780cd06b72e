//! `gatecrash replay RUN.json#CHECK`: one check of a report once more, against the same kind of target, with the same
//! seed.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::Parser as _;

use super::{check, replay, report};
use crate::cli::World;
#[cfg(feature = "reference-server")]
use crate::cli::arguments::Altered;
use crate::cli::arguments::{Arguments, Command};
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
    // Whoever wrote no more than the findings ran checks.
    let started = earlier
        .origin
        .clone()
        .unwrap_or_else(|| Origin { command: "check".to_owned(), ..Origin::default() });
    let origin = now_or_then(then, started, arguments, scenarios);
    let seed = arguments.seed.unwrap_or(earlier.seed);
    let Some(mut words) = origin.words_again(then, seed) else {
        let message = format!(
            "{check} was written nowhere: `gatecrash fuzz --seed {seed} --corpus DIR` finds it again and writes it down"
        );
        return Err(UsageError(message).into());
    };
    if arguments.strict {
        words.push("--strict".to_owned());
    }
    words.extend(arguments.report.iter().flat_map(|one| ["--report".to_owned(), one.clone()]));
    let parsed = Arguments::try_parse_from(words).map_err(|error| {
        UsageError(format!("the report does not say how its run can be done again: {error}"))
    })?;
    let scenarios = parsed.scenarios.as_deref();
    match parsed.command {
        Command::Check(again) => {
            let (exit, now) = check::run_reported(&again, scenarios, world)?;
            let now = now.context("a run that is no rehearsal has a report")?;
            let now = now.findings.iter().find(|finding| finding.check == then.check);
            tell(then, now, world);
            Ok(exit)
        }
        Command::Replay(again) => replay::run_files(&again, scenarios, world),
        _ => anyhow::bail!("a run was started by a command that has no findings"),
    }
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

/// How the run was started, where nothing else is said now.
fn now_or_then(
    then: &Finding,
    mut origin: Origin,
    arguments: &Replay,
    scenarios: Option<&Path>,
) -> Origin {
    if let Some(scenarios) = scenarios {
        origin.scenarios = Some(scenarios.display().to_string());
    }
    let reach = arguments.reach.words();
    if arguments.target.is_some() || !reach.is_empty() {
        origin.reach = reach;
    }
    if let Some(target) = &arguments.target {
        origin.target = Some(target.clone());
        (origin.faults, origin.variants, origin.lifetimes) = Default::default();
    }
    #[cfg(feature = "reference-server")]
    {
        let Altered { fault, variant, lifetime } = &arguments.altered;
        for (kept, now) in [
            (&mut origin.faults, fault),
            (&mut origin.variants, variant),
            (&mut origin.lifetimes, lifetime),
        ] {
            if !now.is_empty() {
                kept.clone_from(now);
            }
        }
    }
    // A shorter case may have taken the place of the one that fuzz wrote.
    let file = then.evidence.written.as_ref().zip(origin.corpus.first());
    let file = file.map(|(name, folder)| Path::new(folder).join(name));
    if let Some(file) = file.filter(|file| file.exists()) {
        origin.corpus = vec![file.display().to_string()];
    }
    origin
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
