//! What the workers of a run brought back, put together into its report.

use std::time::Duration;

use super::clerk::Tallied;
use super::plan::Plan;
use super::recorder::{Counts, Failure};
use super::run::Model;
use super::seconds::{Seconds, quantiles};
use super::shard::{Shard, Turn};
use super::worker::Work;
use crate::model::{
    CaseReport, ComplaintReport, FailureReport, Flow, GeneratorReport, HistogramsReport,
    LoadReport, ShardReport,
};
use crate::stats::{Histogram, PackedHistogram};

/// The rows and columns of what is counted.
pub(super) struct Table {
    pub(super) flow: Flow,
    /// The outcomes that answers can have.
    pub(super) outcomes: Vec<String>,
    /// What is asked, with nothing counted yet.
    pub(super) cases: Vec<CaseReport>,
    pub(super) notes: Vec<String>,
}

impl Table {
    pub(super) fn report(&self, plan: &Plan<'_>, works: Vec<Work>, seconds: Seconds) -> LoadReport {
        let settings = plan.settings;
        let Seconds { response, timeline, each, .. } = seconds;
        let mut service = Histogram::default();
        let mut lateness = Histogram::default();
        let mut counts = Counts::default();
        let mut generator =
            GeneratorReport { workers: works.len(), idle: 1.0, ..Default::default() };
        let mut tallies: Vec<Tallied> = Vec::new();
        let mut last = 0;
        for work in works {
            service.add(&work.recorder.service);
            lateness.add(&work.recorder.lateness);
            counts.add(&work.recorder.counts);
            generator.idle = generator.idle.min(work.idle as f64 / work.ran.max(1) as f64);
            generator.judged += work.judged;
            last = last.max(work.last);
            merge(&mut tallies, work.tallies);
        }
        let service = plan.schedule.is_some().then_some(service);
        generator.calibrated = settings.calibrated;
        generator.connects = counts.connects;
        generator.lateness = plan.schedule.is_some().then(|| quantiles(&lateness));
        let elapsed = Duration::from_nanos(last).saturating_sub(settings.warm_up);
        LoadReport {
            target: settings.target.clone(),
            flow: self.flow,
            seed: settings.seed,
            model: match &settings.model {
                Model::Closed(_) => "closed".to_owned(),
                Model::Open(_, arrival) => format!("open, {arrival}"),
            },
            connections: settings.connections,
            asked: asked(plan),
            elapsed,
            sent: counts.sent,
            answers: response.count(),
            rate: a_second(response.count(), elapsed),
            wrong: counts.wrong,
            response: quantiles(&response),
            service: quantiles(service.as_ref().unwrap_or(&response)),
            cases: self.cases(&counts),
            complaints: self.complaints(tallies),
            failures: failures(&counts),
            bytes_sent: counts.bytes_sent,
            bytes_received: counts.bytes_received,
            generator,
            timeline,
            thresholds: Vec::new(),
            invalid: Vec::new(),
            notes: self.notes.clone(),
            interrupted: false,
            setup: settings.setup.clone(),
            shard: shard(settings.shard),
            start: None,
            histograms: histograms((response, service, lateness), each),
        }
    }

    fn cases(&self, counts: &Counts) -> Vec<CaseReport> {
        let rows = counts.outcomes.chunks(self.outcomes.len());
        let filled = self.cases.iter().zip(rows).map(|(case, row)| {
            let named = self.outcomes.iter().cloned().zip(row.iter().copied());
            let outcomes = named.filter(|(_, count)| *count > 0).collect();
            CaseReport { outcomes, ..case.clone() }
        });
        filled.collect()
    }

    fn complaints(&self, mut tallies: Vec<Tallied>) -> Vec<ComplaintReport> {
        tallies.sort_by_key(|one| (!one.complaint.wrong, std::cmp::Reverse(one.count)));
        let report = |tallied: Tallied| ComplaintReport {
            case: self.cases[tallied.case].name.clone(),
            what: tallied.complaint.what,
            wrong: tallied.complaint.wrong,
            count: tallied.count,
            first: Duration::from_nanos(tallied.first),
            exchange: tallied.complaint.exchange,
        };
        tallies.into_iter().map(report).collect()
    }
}

/// What the schedule asks for in the measured time; a schedule of rounds asks for no number of requests.
fn asked(plan: &Plan<'_>) -> Option<u64> {
    let settings = plan.settings;
    let (pacer, _) = plan.schedule.as_ref().filter(|_| !plan.has_rounds())?;
    let (from, to) = (settings.warm_up, pacer.length());
    let asked = match settings.shard.is_whole() {
        true => pacer.requests_between(from, to).round() as u64,
        false => pacer.due_between(from, to, Turn::new(settings.shard, 0, 1)),
    };
    Some(asked.min(settings.requests.unwrap_or(u64::MAX)))
}

fn shard(shard: Shard) -> Option<ShardReport> {
    let (number, of) = (shard.number(), shard.of());
    (!shard.is_whole()).then_some(ShardReport { number, of })
}

/// Without a schedule service times are the response times. Each is given back before the next one is encoded.
fn histograms(
    (response, service, lateness): (Histogram, Option<Histogram>, Histogram),
    seconds: Vec<PackedHistogram>,
) -> HistogramsReport {
    let encoded = |histogram: Histogram| histogram.encode();
    let response = encoded(response);
    HistogramsReport {
        service: service.map_or_else(|| response.clone(), encoded),
        lateness: encoded(lateness),
        seconds: seconds.into_iter().map(|second| encoded(second.unpack())).collect(),
        response,
    }
}

fn a_second(count: u64, elapsed: Duration) -> f64 {
    if elapsed.is_zero() { 0.0 } else { count as f64 / elapsed.as_secs_f64() }
}

fn merge(all: &mut Vec<Tallied>, more: Vec<Tallied>) {
    for tallied in more {
        let same = |one: &&mut Tallied| {
            one.case == tallied.case && one.complaint.what == tallied.complaint.what
        };
        match all.iter_mut().find(same) {
            Some(found) => {
                found.count += tallied.count;
                found.first = found.first.min(tallied.first);
            }
            None => all.push(tallied),
        }
    }
}

fn failures(counts: &Counts) -> Vec<FailureReport> {
    Failure::ALL
        .iter()
        .map(|(failure, kind)| FailureReport {
            kind: (*kind).to_owned(),
            count: counts.failures[*failure as usize],
            reason: counts.reasons[*failure as usize].clone().unwrap_or_default(),
        })
        .filter(|failure| failure.count > 0)
        .collect()
}
