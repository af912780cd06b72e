//! Whether one run was worse than another by more than chance.

use crate::model::{LoadReport, SecondReport};
use crate::stats::{Interval, ratio_of_means};

/// One measured quantity of two runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// What it is, with its unit.
    pub name: &'static str,
    /// Its mean over the seconds of the first run.
    pub base: f64,
    /// Its mean over the seconds of the second run.
    pub new: f64,
    /// The second divided by the first; `None` when a run has fewer than five whole seconds.
    pub ratio: Option<Interval>,
    /// Whether the second run is worse, and chance does not explain it.
    pub worse: bool,
}

/// Two runs held against each other.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// What was compared.
    pub rows: Vec<Compared>,
    /// Why the comparison may mislead.
    pub cautions: Vec<String>,
}

/// A quantity of a second, with whether more of it is better.
type Quantity = (&'static str, bool, fn(&SecondReport) -> f64);

const QUANTITIES: [Quantity; 3] = [
    ("answers a second", true, |second| second.answers as f64),
    ("p50 (us)", false, |second| second.response.p50.as_nanos() as f64 / 1e3),
    ("p99 (us)", false, |second| second.response.p99.as_nanos() as f64 / 1e3),
];

/// Compares two runs, second by second. With all quantities together, equal runs are called different once in twenty times.
pub fn compare(base: &LoadReport, new: &LoadReport) -> Comparison {
    let whole = |report: &LoadReport| {
        // The last second is rarely a whole one.
        let count = report.timeline.len().saturating_sub(1);
        report.timeline[..count].to_vec()
    };
    let (old_seconds, new_seconds) = (whole(base), whole(new));
    let confidence = 1.0 - 0.05 / QUANTITIES.len() as f64;
    let row = |(name, more_is_better, of): &Quantity| {
        let olds: Vec<f64> = old_seconds.iter().map(of).collect();
        let news: Vec<f64> = new_seconds.iter().map(of).collect();
        let ratio = ratio_of_means(&olds, &news, confidence, base.seed ^ new.seed);
        let worse = ratio
            .is_some_and(|ratio| if *more_is_better { ratio.high < 1.0 } else { ratio.low > 1.0 });
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        Compared { name, base: mean(&olds), new: mean(&news), ratio, worse }
    };
    Comparison { rows: QUANTITIES.iter().map(row).collect(), cautions: cautions(base, new) }
}

fn cautions(base: &LoadReport, new: &LoadReport) -> Vec<String> {
    let mut cautions = Vec::new();
    let mut differs = |what: &str, old: String, now: String| {
        if old != now {
            cautions.push(format!("the runs differ in {what}: {old} and {now}"));
        }
    };
    differs("their flow", base.flow.to_string(), new.flow.to_string());
    differs("their model", base.model.clone(), new.model.clone());
    differs("their connections", base.connections.to_string(), new.connections.to_string());
    let cases = |report: &LoadReport| {
        report.cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>().join(", ")
    };
    differs("what is asked", cases(base), cases(new));
    for (name, report) in [("first", base), ("second", new)] {
        for reason in &report.invalid {
            cautions.push(format!("the {name} run is INVALID: {reason}"));
        }
        if report.timeline.len() < 6 {
            cautions.push(format!(
                "the {name} run has {} whole seconds; at least 5 are needed to tell chance from change",
                report.timeline.len().saturating_sub(1)
            ));
        }
    }
    cautions
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::load::tests::report;
    use crate::model::Quantiles;
    use crate::source::Random;

    fn run(rate: f64, p99: f64, seconds: u64, seed: u64) -> LoadReport {
        let mut random = Random::new(seed);
        let mut noise = || 0.97 + random.below(600) as f64 / 10_000.0;
        let timeline = (0..seconds).map(|second| SecondReport {
            second,
            answers: (rate * noise()) as u64,
            response: Quantiles {
                p50: Duration::from_micros(100),
                p99: Duration::from_secs_f64(p99 * noise() / 1e6),
                ..Quantiles::default()
            },
            ..SecondReport::default()
        });
        LoadReport { timeline: timeline.collect(), seed, ..report() }
    }

    #[test]
    fn a_run_is_worse_when_chance_does_not_explain_it() {
        let base = run(10_000.0, 500.0, 21, 1);
        for (rate, p99, worse) in [
            (10_000.0, 500.0, &[][..]),
            (9_000.0, 500.0, &["answers a second"]),
            (10_000.0, 600.0, &["p99 (us)"]),
            (12_000.0, 400.0, &[]),
        ] {
            let comparison = compare(&base, &run(rate, p99, 21, 2));
            let found: Vec<&str> =
                comparison.rows.iter().filter(|row| row.worse).map(|row| row.name).collect();
            assert_eq!(found, worse, "{rate} {p99}: {comparison:#?}");
            assert!(comparison.cautions.is_empty());
        }
    }

    #[test]
    fn what_makes_a_comparison_doubtful_is_said() {
        let base = run(10_000.0, 500.0, 21, 1);
        let mut other = run(5_000.0, 500.0, 4, 2);
        other.connections = 7;
        other.invalid.push("late".to_owned());
        let comparison = compare(&base, &other);
        assert!(comparison.rows.iter().all(|row| row.ratio.is_none() && !row.worse));
        let cautions = comparison.cautions.join("; ");
        for wanted in ["connections: 1 and 7", "second run is INVALID: late", "has 3 whole seconds"]
        {
            assert!(cautions.contains(wanted), "{wanted}: {cautions}");
        }
    }
}
