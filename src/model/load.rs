//! The result of a load run, as reports show it and as a later run is compared with it.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Flow, HistogramsReport, LoadSetup, SentAndReceived, ShardReport, StartReport};

/// Points of a distribution of durations. Written to files in microseconds.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Quantiles {
    /// How many durations there were.
    pub count: u64,
    /// Their arithmetic mean.
    #[serde(rename = "mean_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub mean: Duration,
    /// The median.
    #[serde(rename = "p50_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub p50: Duration,
    /// 75 of 100 took no longer.
    #[serde(rename = "p75_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub p75: Duration,
    /// 90 of 100 took no longer.
    #[serde(rename = "p90_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub p90: Duration,
    /// 95 of 100 took no longer.
    #[serde(rename = "p95_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub p95: Duration,
    /// 99 of 100 took no longer.
    #[serde(rename = "p99_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub p99: Duration,
    /// 999 of 1,000 took no longer.
    #[serde(rename = "p99_9_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub p99_9: Duration,
    /// 9,999 of 10,000 took no longer.
    #[serde(rename = "p99_99_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub p99_99: Duration,
    /// The longest.
    #[serde(rename = "max_us", with = "microseconds")]
    #[schemars(with = "f64")]
    pub max: Duration,
}

impl Quantiles {
    /// The points with their names, in rising order.
    pub fn points(&self) -> [(&'static str, Duration); 8] {
        [
            ("p50", self.p50),
            ("p75", self.p75),
            ("p90", self.p90),
            ("p95", self.p95),
            ("p99", self.p99),
            ("p99.9", self.p99_9),
            ("p99.99", self.p99_99),
            ("max", self.max),
        ]
    }
}

mod microseconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(duration.as_nanos() as f64 / 1e3)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let microseconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(microseconds / 1e6).map_err(serde::de::Error::custom)
    }
}

/// What was asked and answered in one case: valid tokens, unknown ones, and so on.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CaseReport {
    /// Its name: `valid`.
    pub name: String,
    /// The outcome that its answers must have; empty where a scenario says that of each answer.
    pub expected: String,
    /// How many tokens were in rotation.
    pub tokens: usize,
    /// How many answers had which outcome.
    pub outcomes: BTreeMap<String, u64>,
}

impl CaseReport {
    /// How many answers there were.
    pub fn answers(&self) -> u64 {
        self.outcomes.values().sum()
    }

    /// Whether an outcome is the one that answers must have.
    pub fn expects(&self, outcome: &str) -> bool {
        self.expected.is_empty() || self.expected == "a refusal" || self.expected == outcome
    }
}

/// Something that was wrong with answers.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ComplaintReport {
    /// The case.
    pub case: String,
    /// What was wrong.
    pub what: String,
    /// Whether it makes the answer wrong; otherwise it is only not as it should be.
    pub wrong: bool,
    /// How many answers it is about, those of the warm-up among them.
    pub count: u64,
    /// When it was seen first, counted from the start.
    pub first: Duration,
    /// The first of these exchanges.
    pub exchange: SentAndReceived,
}

/// Requests without an answer.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct FailureReport {
    /// What kind of failure it was.
    pub kind: String,
    /// How many requests.
    pub count: u64,
    /// The first of them in detail.
    pub reason: String,
}

/// One second of a run.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SecondReport {
    /// Its number, counted from the end of the warm-up.
    pub second: u64,
    /// Requests written.
    pub sent: u64,
    /// Answers.
    pub answers: u64,
    /// Answers that were wrong.
    pub wrong: u64,
    /// Requests without an answer.
    pub failed: u64,
    /// Their response times.
    pub response: Quantiles,
    /// The longest that a request was written behind its due moment because of the generator.
    pub latest: Duration,
}

/// What became of a threshold.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdState {
    /// It was kept.
    Held,
    /// It was crossed.
    Crossed,
    /// There was too little to tell.
    Undecided,
}

/// A threshold with what was measured.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ThresholdReport {
    /// As it was written: `p99<5ms`.
    pub threshold: String,
    /// What was measured, or why it could not be told.
    pub measured: String,
    /// What became of it.
    pub state: ThresholdState,
}

/// How the generator itself fared.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct GeneratorReport {
    /// Worker threads.
    pub workers: usize,
    /// The share of its time that the busiest worker waited for something to do.
    pub idle: f64,
    /// Answers that were judged in full; the others were the same as one of these.
    pub judged: u64,
    /// Connections that were made after the start.
    pub connects: u64,
    /// Answers a second that it got from a server in the same process that does nothing but answer, where that was tried.
    #[serde(default)]
    pub calibrated: Option<f64>,
    /// How late requests were written because of the generator; only where there is a schedule.
    pub lateness: Option<Quantiles>,
}

/// The result of a load run.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct LoadReport {
    /// What was asked: a profile's name or an address.
    pub target: String,
    /// The flow.
    pub flow: Flow,
    /// The seed of random choices.
    pub seed: u64,
    /// `closed`, or `open` with its arrivals: `open, constant`.
    pub model: String,
    /// Connections.
    pub connections: usize,
    /// Requests that the schedule asked for in the measured time; none without a schedule.
    pub asked: Option<u64>,
    /// How long was measured.
    pub elapsed: Duration,
    /// Requests that were written.
    pub sent: u64,
    /// Answers.
    pub answers: u64,
    /// Answers a second.
    pub rate: f64,
    /// Wrong answers.
    pub wrong: u64,
    /// From the due moment to the last byte of the answer.
    pub response: Quantiles,
    /// From the writing of the request to the last byte of the answer.
    pub service: Quantiles,
    /// What was asked and answered, by case.
    pub cases: Vec<CaseReport>,
    /// What was wrong with answers.
    pub complaints: Vec<ComplaintReport>,
    /// Requests without an answer.
    pub failures: Vec<FailureReport>,
    /// Bytes written.
    pub bytes_sent: u64,
    /// Bytes read.
    pub bytes_received: u64,
    /// How the generator fared.
    pub generator: GeneratorReport,
    /// Each second.
    pub timeline: Vec<SecondReport>,
    /// Thresholds.
    pub thresholds: Vec<ThresholdReport>,
    /// Why the run says nothing of the server.
    pub invalid: Vec<String>,
    /// What else a reader should know.
    pub notes: Vec<String>,
    /// Whether the run was interrupted.
    pub interrupted: bool,
    /// How it was set up.
    #[serde(default)]
    pub setup: LoadSetup,
    /// Which part of a run it is, where it is one.
    #[serde(default)]
    pub shard: Option<ShardReport>,
    /// When it began.
    #[serde(default)]
    pub start: Option<StartReport>,
    /// Everything that was measured, for `merge`.
    #[serde(default)]
    pub histograms: HistogramsReport,
}

impl LoadReport {
    /// Requests without an answer.
    pub fn failed(&self) -> u64 {
        self.failures.iter().map(|failure| failure.count).sum()
    }

    /// The share of answers to valid tokens that were not what a valid token must get, if any were not.
    pub fn refused_valid(&self) -> Option<(u64, u64, &str)> {
        let case = self.cases.iter().find(|case| case.name == "valid")?;
        let right = case.outcomes.get(&case.expected).copied().unwrap_or_default();
        let others = case.outcomes.iter().filter(|(name, _)| **name != case.expected);
        let (worst, _) = others.max_by_key(|(_, count)| **count)?;
        let refused = case.answers() - right;
        (refused > 0).then_some((refused, case.answers(), worst))
    }
}

/// One rate that a search for the capacity tried.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ProbeReport {
    /// Requests a second that were asked for.
    pub rate: f64,
    /// Answers a second that came.
    pub answered: f64,
    /// The response times.
    pub response: Quantiles,
    /// Whether every threshold was kept.
    pub kept: bool,
    /// Whether the generator, and not the server, was the limit: nothing of the server is known at this rate.
    #[serde(default)]
    pub of_generator: bool,
    /// What was not kept.
    pub why: String,
}

/// A search for the highest rate that keeps the thresholds.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct CapacityReport {
    /// What was asked: a profile's name or an address.
    pub target: String,
    /// The flow.
    pub flow: Flow,
    /// The seed of random choices.
    pub seed: u64,
    /// What had to be kept, as it was written.
    pub thresholds: Vec<String>,
    /// The rates in the order in which they were tried.
    pub probes: Vec<ProbeReport>,
    /// The highest rate that was kept.
    pub highest: Option<f64>,
    /// Whether the search was interrupted.
    pub interrupted: bool,
}

impl CapacityReport {
    /// The lowest rate that was not kept, if that says something of the generator and not of the server.
    pub fn limit_of_generator(&self) -> Option<f64> {
        let above = |probe: &&ProbeReport| {
            !probe.kept && self.highest.is_none_or(|highest| probe.rate > highest)
        };
        let lost = self.probes.iter().filter(above);
        let lowest = lost.min_by(|a, b| a.rate.total_cmp(&b.rate))?;
        lowest.of_generator.then_some(lowest.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_rate_beyond_the_capacity_tells_whose_limit_it_is() {
        // The highest rate that was kept, and each rate that was not, with whether it was the generator.
        type Probes = &'static [(f64, bool)];
        let cases: [(Option<f64>, Probes, Option<f64>); 6] = [
            (Some(400.0), &[], None),
            (Some(400.0), &[(500.0, false), (800.0, true)], None),
            (Some(400.0), &[(800.0, false), (500.0, true)], Some(500.0)),
            // Below the capacity: a hiccup.
            (Some(400.0), &[(300.0, true), (500.0, false)], None),
            (None, &[(1_000.0, false), (125.0, true)], Some(125.0)),
            (None, &[(1_000.0, true), (125.0, false)], None),
        ];
        for (highest, lost, wanted) in cases {
            let probes = lost.iter().map(|&(rate, of_generator)| ProbeReport {
                rate,
                of_generator,
                ..ProbeReport::default()
            });
            let report = CapacityReport {
                target: String::new(),
                flow: Flow::JwtLogin,
                seed: 1,
                thresholds: Vec::new(),
                probes: probes.collect(),
                highest,
                interrupted: false,
            };
            assert_eq!(report.limit_of_generator(), wanted, "{highest:?} {lost:?}");
        }
    }
}
