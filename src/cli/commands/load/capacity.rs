//! `gatecrash load --find-capacity`.

use std::io;
use std::time::Duration;

use super::{Audience, wrong};
use crate::cli::World;
use crate::cli::arguments::Load;
use crate::cli::exit::Exit;
use crate::cli::sinks::Sinks;
use crate::load::{
    Arrival, LoadSettings, Model, Prepared, Probe, Stage, Stop, Threshold, find_capacity,
    limits_of_generator, load,
};
use crate::model::{CapacityReport, Flow, KnownSecrets, LoadReport, ProbeReport, ThresholdState};
use crate::report::Document;

/// The rate that is tried first, without another one.
const FIRST: f64 = 1_000.0;
/// How long each rate is tried at least, without another time.
const LENGTH: Duration = Duration::from_secs(5);
/// How many more answers are asked for than thresholds need: some are late, some are sent before the run counts.
const SPARE: f64 = 1.1;

/// Tries one rate after the other and prints the curve.
pub(super) fn search(
    prepared: &Prepared,
    mut settings: LoadSettings,
    (arguments, mut sinks): (&Load, Sinks),
    stop: &Stop,
    world: World,
) -> anyhow::Result<Exit> {
    let needed = settings.thresholds.iter().map(Threshold::answers_needed).max().unwrap_or(1);
    let length = |rate: f64| {
        let enough = Duration::from_secs_f64(needed as f64 * SPARE / rate);
        arguments.duration.unwrap_or(LENGTH.max(enough))
    };
    let arrival = match &settings.model {
        Model::Open(_, arrival) => *arrival,
        Model::Closed(_) => Arrival::Constant,
    };
    say!("{}", world.paint.dim(&format!("{:>12}  {:>12}  ", "rate", "p99")));
    let mut none = Sinks::default();
    let mut probes = Vec::new();
    let mut flow = Flow::Common;
    let capacity = find_capacity(arguments.rate.unwrap_or(FIRST), |rate| {
        settings.model = Model::Open(vec![Stage::steady(length(rate), rate)], arrival);
        let mut audience = Audience::new(&mut none).map_err(anyhow::Error::from)?;
        let report = load(prepared, &settings, &mut audience, stop).map_err(wrong)?;
        audience.finish()?;
        if report.interrupted {
            return Ok(None);
        }
        let why = lost(&report).join("; ");
        let kept = why.is_empty();
        let of_generator = !limits_of_generator(&report).is_empty();
        flow = report.flow;
        let (answered, response) = (report.rate, report.response);
        probes.push(ProbeReport { rate, answered, response, kept, of_generator, why: why.clone() });
        let probe = Probe { rate, p99: report.response.p99, kept, why };
        let word = if probe.kept { "kept" } else { &probe.why };
        say!("{:>12.0}  {:>12.2?}  {word}", probe.rate, probe.p99);
        Ok::<_, anyhow::Error>(Some(probe))
    })?;
    let result = CapacityReport {
        target: settings.target.clone(),
        flow,
        seed: settings.seed,
        thresholds: arguments.threshold.iter().map(ToString::to_string).collect(),
        probes,
        highest: capacity.highest,
        interrupted: stop.is_set(),
    };
    say!("{}", world.paint.bold(&conclusion(&result)));
    io::Write::flush(&mut crate::cli::Output)?;
    let exit = match (result.interrupted, result.highest, result.limit_of_generator()) {
        (true, ..) => Exit::Interrupted,
        (false, Some(_), _) => Exit::Conformant,
        (false, None, None) => Exit::Findings,
        (false, None, Some(_)) => Exit::Inconclusive,
    };
    sinks.write(&Document::Capacity(Box::new(result)), &KnownSecrets::default())?;
    Ok(exit)
}

/// What came of the search, in one line.
fn conclusion(report: &CapacityReport) -> String {
    let limit = report.limit_of_generator();
    match (report.highest, limit) {
        (Some(rate), None) => format!("capacity {rate:.0} requests a second"),
        (Some(rate), Some(limit)) => format!(
            "capacity {rate:.0} requests a second or more: at {limit:.0} the generator was the limit, not the server"
        ),
        (None, None) => "not even the lowest rate was kept".to_owned(),
        (None, Some(limit)) => {
            format!(
                "nothing is known of the server: already at {limit:.0} requests a second the generator was the limit"
            )
        }
    }
}

/// What a run did not keep, in a few words each.
fn lost(report: &LoadReport) -> Vec<String> {
    let crossed = report.thresholds.iter().filter(|one| one.state != ThresholdState::Held);
    let mut lost: Vec<String> =
        crossed.map(|one| format!("{}: {}", one.threshold, one.measured)).collect();
    if report.wrong > 0 {
        lost.push(format!("{} wrong answers", report.wrong));
    }
    if report.failed() > 0 {
        lost.push(format!("{} requests without an answer", report.failed()));
    }
    lost.extend(report.invalid.iter().cloned());
    lost
}
