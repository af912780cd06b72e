//! Whether a run says anything of the server.

use std::time::Duration;

use super::start::too_late;
use crate::model::LoadReport;

/// Less of the asked rate than this was not the asked load.
const LEAST_SENT: f64 = 0.95;
/// A generator that waits for a smaller share of its time than this is what was measured.
const LEAST_IDLE: f64 = 0.02;
/// A run that needs a greater share than this of what the generator does at most measures the generator.
const MOST_BUSY: f64 = 0.9;
/// Requests that are written later than this do not keep the schedule; one in a hundred may.
const LATEST: Duration = Duration::from_millis(1);

/// Why a run is INVALID: nothing can be told from it, good or bad.
pub(super) fn invalid(report: &LoadReport) -> Vec<String> {
    let mut reasons = Vec::new();
    if let Some(asked) = report.asked.filter(|_| !report.interrupted) {
        let share = report.sent as f64 / asked.max(1) as f64;
        if share < LEAST_SENT {
            reasons.push(format!(
                "only {} of {asked} requests that were due were sent ({:.1} %): every connection was waiting for the server; allow more with --connections, or ask for less with --rate",
                report.sent,
                share * 100.0
            ));
        }
    }
    reasons.extend(limits_of_generator(report));
    reasons.extend(report.start.as_ref().and_then(too_late));
    let unexpected = report.wrong + report.failed();
    let all = report.answers + report.failed();
    if all == 0 {
        reasons.push("there was not one answer".to_owned());
    } else if unexpected * 2 > all {
        reasons.push(format!(
            "{unexpected} of {all} answers were not what they had to be: the time that such answers take says nothing"
        ));
    }
    reasons
}

/// In what the generator, and not the server, was the limit of a run.
pub fn limits_of_generator(report: &LoadReport) -> Vec<String> {
    let mut reasons = Vec::new();
    let late = report.generator.lateness.filter(|lateness| lateness.p99 > LATEST);
    if let Some(lateness) = late {
        reasons.push(format!(
            "the generator was the bottleneck: one request in a hundred was written more than {:?} late; use more --workers or another machine",
            lateness.p99
        ));
    } else if report.generator.idle < LEAST_IDLE && report.answers > 0 {
        reasons.push(format!(
            "the generator was the bottleneck: it waited only {:.1} % of the time; use more --workers or another machine",
            report.generator.idle * 100.0
        ));
    }
    if let Some(most) = report.generator.calibrated.filter(|most| report.rate > most * MOST_BUSY) {
        reasons.push(format!(
            "the generator was the bottleneck: {:.0} answers a second, and not more than {most:.0} from a server that does nothing; use more --workers or another machine",
            report.rate
        ));
    }
    reasons
}

/// A wave of refusals in words: seconds in which nearly every valid token was refused, after others in which it was not.
/// That is no fault of single answers: the tokens have ended, all of them.
pub(super) fn wave(report: &LoadReport) -> Option<String> {
    let (_, valid, outcome) = report.refused_valid()?;
    let share = valid as f64 / report.answers.max(1) as f64;
    let seconds: Vec<(u64, bool)> = report
        .timeline
        .iter()
        .filter(|second| second.answers > 0)
        .map(|one| (one.second, one.wrong as f64 >= NEARLY * share * one.answers as f64))
        .collect();
    let first = seconds.iter().position(|(_, bad)| *bad)?;
    let length = seconds[first..].iter().take_while(|(_, bad)| *bad).count();
    let began = seconds[first].0;
    let over = seconds.get(first + length).map(|(second, _)| *second);
    let when = match (first, over) {
        (0, None) => return None,
        (_, None) => format!("from second {} on", began + 1),
        (_, Some(over)) => format!("from second {} to second {over}", began + 1),
    };
    Some(format!(
        "{when} nearly every valid token was answered `{outcome}`: they all ended at once, because they expired, were revoked, or the server lost them when it started again"
    ))
}

/// This share of the answers to valid tokens is nearly every one of them.
const NEARLY: f64 = 0.9;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::load::tests::report;
    use crate::model::{CaseReport, FailureReport, Quantiles, SecondReport};

    #[test]
    fn a_wave_of_refusals_is_told_from_single_ones() {
        for (wrong, wanted) in [
            (&[0, 0, 0][..], None),
            (&[0, 5, 2], None),
            (&[100, 100, 100], None),
            (&[0, 40, 100, 100], Some("from second 3 on nearly every valid token")),
            (&[0, 95, 0, 0], Some("from second 2 to second 2 nearly")),
            (&[100, 100, 0], Some("from second 1 to second 2 nearly")),
        ] {
            let mut report = report();
            let refused: u64 = wrong.iter().sum();
            let answers = wrong.len() as u64 * 100;
            let outcomes = [("accepted", answers - refused), ("denied", refused)]
                .map(|(n, c)| (n.to_owned(), c));
            report.answers = answers;
            report.cases = vec![CaseReport {
                name: "valid".to_owned(),
                expected: "accepted".to_owned(),
                tokens: 1,
                outcomes: BTreeMap::from(outcomes),
            }];
            let second = |(at, wrong): (usize, &u64)| SecondReport {
                second: at as u64,
                answers: 100,
                wrong: *wrong,
                ..SecondReport::default()
            };
            report.timeline = wrong.iter().enumerate().map(second).collect();
            let wave = wave(&report);
            match wanted {
                None => assert_eq!(wave, None, "{wrong:?}"),
                Some(wanted) => assert!(wave.unwrap().contains(wanted), "{wrong:?}"),
            }
        }
    }

    type Change = fn(&mut LoadReport);

    #[test]
    fn a_run_is_invalid_for_a_reason_that_is_said() {
        let changes: [(&str, Change); 11] = [
            ("", |_| {}),
            ("", |r| (r.asked, r.sent) = (Some(1_000), 950)),
            ("were due were sent", |r| (r.asked, r.sent) = (Some(1_000), 949)),
            ("", |r| (r.asked, r.sent, r.interrupted) = (Some(1_000), 10, true)),
            ("written more than", |r| {
                r.generator.lateness =
                    Some(Quantiles { p99: Duration::from_micros(1_001), ..Quantiles::default() });
            }),
            ("waited only 1.0 %", |r| r.generator.idle = 0.01),
            ("", |r| r.generator.calibrated = Some(2_000.0)),
            ("from a server that does nothing", |r| r.generator.calibrated = Some(1_050.0)),
            ("not one answer", |r| r.answers = 0),
            ("501 of 1000", |r| r.wrong = 501),
            ("1001 of 2001", |r| {
                let (kind, reason) = (String::new(), String::new());
                r.failures = vec![FailureReport { kind, count: 1_001, reason }];
            }),
        ];
        for (wanted, change) in changes {
            let mut report = report();
            change(&mut report);
            let reasons = invalid(&report).join("; ");
            assert_eq!(reasons.is_empty(), wanted.is_empty(), "{wanted:?}: {reasons}");
            assert!(reasons.contains(wanted), "{wanted:?}: {reasons}");
        }
    }
}
