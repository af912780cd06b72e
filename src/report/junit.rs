//! A run as JUnit XML: a test case for each check.
//!
//! A broken clause is a failure; a check without a conclusion is an error, so that no reader takes
//! it for green; what was left out or does not apply is skipped.

use std::collections::BTreeMap;
use std::io;

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::text::{limited, printable_lines};
use crate::model::{Finding, Report, Verdict};

/// Writes a report as JUnit. With `strict`, warnings are failures.
///
/// # Errors
/// When it cannot be written.
pub(super) fn write_junit(
    report: &Report,
    strict: bool,
    out: &mut dyn io::Write,
) -> io::Result<()> {
    let mut document = Document::new("gatecrash");
    document.set_time(report.elapsed);
    let mut suites: BTreeMap<String, Vec<&Finding>> = BTreeMap::new();
    for finding in &report.findings {
        suites.entry(format!("{}/{}", finding.flow, finding.scenario)).or_default().push(finding);
    }
    for (name, findings) in suites {
        let mut suite = TestSuite::new(name.clone());
        for remark in &report.remarks {
            suite.add_property(("remark", remark.as_str()));
        }
        for finding in findings {
            suite.add_test_case(test_case(finding, &name, strict));
        }
        document.add_test_suite(suite);
    }
    document.serialize(out).map_err(io::Error::other)
}

fn test_case(finding: &Finding, suite: &str, strict: bool) -> TestCase {
    let mut case =
        TestCase::new(format!("{} {}", finding.check, finding.title), status(finding, strict));
    case.set_classname(suite);
    case.add_property(("verdict", finding.verdict.word()));
    case.add_property(("level", finding.level.to_string().as_str()));
    for clause in &finding.covers {
        case.add_property(("clause", clause.as_str()));
    }
    let evidence = &finding.evidence;
    let mut text = evidence.observed.join("\n");
    if let Some(exchange) = &evidence.exchange {
        text = format!(
            "{text}\nsent:\n{}\nreceived:\n{}\ncurl: {}",
            exchange.sent, exchange.received, exchange.curl
        );
    }
    if !text.trim().is_empty() {
        case.set_system_out(printable_lines(text.trim()));
    }
    case
}

fn status(finding: &Finding, strict: bool) -> TestCaseStatus {
    let kind = match finding.verdict {
        Verdict::Pass | Verdict::Info => return TestCaseStatus::success(),
        Verdict::Warn if !strict => return TestCaseStatus::success(),
        Verdict::Excluded | Verdict::NotApplicable | Verdict::Known => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(message(finding));
            return status;
        }
        Verdict::Fail | Verdict::Unstable | Verdict::Stale | Verdict::Warn => {
            NonSuccessKind::Failure
        }
        Verdict::Blocked | Verdict::Error => NonSuccessKind::Error,
    };
    let mut status = TestCaseStatus::non_success(kind);
    status.set_type(finding.verdict.word());
    status.set_message(message(finding));
    status
}

/// Longer messages are cut.
const LONGEST: usize = 1_000;

fn message(finding: &Finding) -> String {
    let evidence = &finding.evidence;
    match (&evidence.violation, &evidence.reason) {
        (Some(violation), _) => {
            let wanted: Vec<String> =
                violation.wanted.iter().map(|one| limited(one, LONGEST)).collect();
            format!("wanted {}, got {}", wanted.join(" or "), limited(&violation.got, LONGEST))
        }
        (None, Some(reason)) => format!("{}: {}", finding.verdict, limited(reason, LONGEST)),
        (None, None) => finding.verdict.to_string(),
    }
}
