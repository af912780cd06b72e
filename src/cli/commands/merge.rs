//! `gatecrash merge`.

use std::io::{BufWriter, Write as _};
use std::time::{Duration, UNIX_EPOCH};

use super::load::{exit, hdr_log};
use super::report::read;
use crate::cli::arguments::Merge;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::sinks::Sinks;
use crate::cli::{Output, World};
use crate::load::merge;
use crate::model::{KnownSecrets, LoadReport};
use crate::report::{Document, Format, write_load};
use crate::stats::Histogram;

pub(in crate::cli) fn run(arguments: &Merge, world: World) -> anyhow::Result<Exit> {
    let mut parts = Vec::new();
    for path in &arguments.reports {
        let name = path.display().to_string();
        match read(path)? {
            Document::Load(report) => parts.push((name, *report)),
            other => {
                let message = format!(
                    "{name} is the report of {}; `merge` puts load runs together",
                    other.kind()
                );
                return Err(UsageError(message).into());
            }
        }
    }
    let mut report = merge(&parts).map_err(|error| UsageError(error.to_string()))?;
    for threshold in &arguments.threshold {
        let text = threshold.to_string();
        if report.thresholds.iter().all(|one| one.threshold != text) {
            let held = threshold.hold(&report);
            report.thresholds.push(held);
        }
    }
    // Opened when nothing can be refused any more: one of them may be an earlier result of the same name.
    let mut sinks = Sinks::open(&arguments.report, &Format::OF_LOAD)?;
    let mut out = BufWriter::new(Output);
    write_load(&report, world.paint, &mut out)?;
    out.flush()?;
    log(&report, &mut sinks)?;
    let exit = exit(&report, arguments.strict);
    sinks.write(&Document::Load(Box::new(report)), &KnownSecrets::default())?;
    Ok(exit)
}

/// The seconds of the whole run as a log of histograms, where that is asked for.
fn log(report: &LoadReport, sinks: &mut Sinks) -> anyhow::Result<()> {
    let began = report.start.map_or(0.0, |start| start.at);
    let began = UNIX_EPOCH + Duration::try_from_secs_f64(began).unwrap_or_default();
    let Some(mut log) = hdr_log(sinks, began)? else { return Ok(()) };
    for (second, times) in report.timeline.iter().zip(&report.histograms.seconds) {
        let times = Histogram::decode(times).map_err(anyhow::Error::msg)?;
        log.interval(
            &times,
            Duration::from_secs(second.second),
            Duration::from_secs(1),
            "response",
        )?;
    }
    log.finish()?;
    Ok(())
}
