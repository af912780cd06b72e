//! `gatecrash load --find-capacity`.

use std::io;
use std::time::Duration;

use super::{Audience, wrong};
use crate::cli::World;
use crate::cli::arguments::Load;
use crate::cli::exit::Exit;
use crate::cli::sinks::Sinks;
use crate::load::{
    Arrival, LoadSettings, Model, Prepared, Probe, Stage, Stop, find_capacity, load,
};
use crate::model::{CapacityReport, Flow, KnownSecrets, LoadReport, ProbeReport, ThresholdState};
use crate::report::Document;

/// The rate that is tried first, without another one.
const FIRST: f64 = 1_000.0;
/// How long each rate is tried, without another time.
const LENGTH: Duration = Duration::from_secs(5);

/// Tries one rate after the other and prints the curve.
pub(super) fn search(
    prepared: &Prepared,
    mut settings: LoadSettings,
    (arguments, mut sinks): (&Load, Sinks),
    stop: &Stop,
    world: World,
) -> anyhow::Result<Exit> {
    let length = arguments.duration.unwrap_or(LENGTH);
    let arrival = match &settings.model {
        Model::Open(_, arrival) => *arrival,
        Model::Closed(_) => Arrival::Constant,
    };
    say!("{}", world.paint.dim(&format!("{:>12}  {:>12}  ", "rate", "p99")));
    let mut none = Sinks::default();
    let mut probes = Vec::new();
    let mut flow = Flow::Common;
    let capacity = find_capacity(arguments.rate.unwrap_or(FIRST), |rate| {
        settings.model = Model::Open(vec![Stage::steady(length, rate)], arrival);
        let mut audience = Audience::new(&mut none).map_err(anyhow::Error::from)?;
        let report = load(prepared, &settings, &mut audience, stop).map_err(wrong)?;
        audience.finish()?;
        if report.interrupted {
            return Ok(None);
        }
        let why = lost(&report).join("; ");
        let kept = why.is_empty();
        flow = report.flow;
        let (answered, response) = (report.rate, report.response);
        probes.push(ProbeReport { rate, answered, response, kept, why: why.clone() });
        let probe = Probe { rate, p99: report.response.p99, kept, why };
        let word = if probe.kept { "kept" } else { &probe.why };
        say!("{:>12.0}  {:>12.2?}  {word}", probe.rate, probe.p99);
        Ok::<_, anyhow::Error>(Some(probe))
    })?;
    match capacity.highest {
        Some(rate) => {
            say!("{}", world.paint.bold(&format!("capacity {rate:.0} requests a second")));
        }
        None => {
            say!("{}", world.paint.bold("not even the lowest rate was kept"));
        }
    }
    io::Write::flush(&mut crate::cli::Output)?;
    let result = CapacityReport {
        target: settings.target.clone(),
        flow,
        seed: settings.seed,
        thresholds: arguments.threshold.iter().map(ToString::to_string).collect(),
        probes,
        highest: capacity.highest,
        interrupted: stop.is_set(),
    };
    sinks.write(&Document::Capacity(Box::new(result)), &KnownSecrets::default())?;
    Ok(match (stop.is_set(), capacity.highest) {
        (true, _) => Exit::Interrupted,
        (false, Some(_)) => Exit::Conformant,
        (false, None) => Exit::Findings,
    })
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
