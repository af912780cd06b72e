//! Whether a run says anything of the server.

use std::time::Duration;

use crate::model::LoadReport;

/// Less of the asked rate than this was not the asked load.
const LEAST_SENT: f64 = 0.95;
/// A generator that waits for a smaller share of its time than this is what was measured.
const LEAST_IDLE: f64 = 0.02;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::tests::report;
    use crate::model::{FailureReport, Quantiles};

    type Change = fn(&mut LoadReport);

    #[test]
    fn a_run_is_invalid_for_a_reason_that_is_said() {
        let changes: [(&str, Change); 9] = [
            ("", |_| {}),
            ("", |r| (r.asked, r.sent) = (Some(1_000), 950)),
            ("were due were sent", |r| (r.asked, r.sent) = (Some(1_000), 949)),
            ("", |r| (r.asked, r.sent, r.interrupted) = (Some(1_000), 10, true)),
            ("written more than", |r| {
                r.generator.lateness =
                    Some(Quantiles { p99: Duration::from_micros(1_001), ..Quantiles::default() });
            }),
            ("waited only 1.0 %", |r| r.generator.idle = 0.01),
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
