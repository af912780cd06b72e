//! Findings of one check from several scenarios, and what a run says of each clause.

use std::collections::BTreeMap;

use indexmap::IndexMap;

use crate::contract::Catalogue;
use crate::model::{CheckId, ClauseId, ClauseState, Evidence, Finding, Level, Verdict};
use crate::target::Baseline;

/// Puts the findings of one check together: the gravest verdict stands.
pub(super) fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: IndexMap<CheckId, Finding> = IndexMap::new();
    for finding in findings {
        match merged.get_mut(&finding.check) {
            None => drop(merged.insert(finding.check.clone(), finding)),
            Some(standing) => {
                let assertions = standing.assertions + finding.assertions;
                if finding.verdict > standing.verdict {
                    *standing = finding;
                }
                standing.assertions = assertions;
            }
        }
    }
    merged.into_values().collect()
}

/// A check that was selected but of which nothing was heard is not proved.
pub(super) fn unheard(finding: Finding, reason: &str) -> Finding {
    let evidence = Evidence { reason: Some(reason.to_owned()), ..Evidence::default() };
    Finding { verdict: Verdict::Blocked, assertions: 0, evidence, ..finding }
}

/// Holds findings against the baseline: what is listed and fails is known, what is listed and
/// passes, or whose day has come, is stale.
pub(super) fn apply_baseline(findings: &mut [Finding], baseline: &[Baseline], today: i64) {
    for entry in baseline {
        for finding in findings.iter_mut() {
            if finding.check.as_str() != entry.check && finding.check.base() != entry.check {
                continue;
            }
            let failing =
                matches!(finding.verdict, Verdict::Fail | Verdict::Warn | Verdict::Unstable);
            let expired = today >= entry.until;
            let (verdict, reason) = match (failing, expired) {
                (true, false) => (Verdict::Known, entry.because.clone()),
                (true, true) => {
                    (Verdict::Stale, format!("the baseline entry has expired: {}", entry.because))
                }
                (false, _) if finding.verdict == Verdict::Pass => (
                    Verdict::Stale,
                    format!("the baseline lists it, and it passes: {}", entry.because),
                ),
                (false, _) => continue,
            };
            finding.verdict = verdict;
            finding.evidence.reason = Some(reason);
        }
    }
}

/// What a run says of each clause of the catalogue.
pub(super) fn clause_states(
    catalogue: &Catalogue,
    findings: &[Finding],
) -> BTreeMap<ClauseId, ClauseState> {
    let mut verdicts: BTreeMap<&ClauseId, Vec<(Verdict, Level)>> = BTreeMap::new();
    for finding in findings {
        for clause in &finding.covers {
            verdicts.entry(clause).or_default().push((finding.verdict, finding.level));
        }
    }
    let state = |id: &ClauseId| {
        let Some(verdicts) = verdicts.get(id) else {
            return ClauseState::Unchecked;
        };
        let any = |wanted: &[Verdict]| verdicts.iter().any(|(verdict, _)| wanted.contains(verdict));
        if any(&[Verdict::Fail, Verdict::Unstable, Verdict::Warn, Verdict::Known]) {
            ClauseState::Broken
        } else if any(&[Verdict::Blocked, Verdict::Error]) {
            ClauseState::Open
        } else if any(&[Verdict::Pass, Verdict::Stale]) {
            ClauseState::Proved
        } else if any(&[Verdict::Info]) {
            ClauseState::Recorded
        } else {
            ClauseState::Unchecked
        }
    };
    catalogue.clauses().map(|(_, clause)| (clause.id.clone(), state(&clause.id))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Flow;

    fn finding(check: &str, verdict: Verdict) -> Finding {
        Finding {
            check: CheckId::new(check),
            title: String::new(),
            flow: Flow::JwtLogin,
            scenario: String::new(),
            covers: Vec::new(),
            level: Level::Must,
            verdict,
            deviation: None,
            assertions: 1,
            evidence: Evidence::default(),
        }
    }

    #[test]
    fn the_gravest_verdict_of_a_check_stands() {
        let merged = merge(vec![
            finding("A", Verdict::Pass),
            finding("A", Verdict::Fail),
            finding("A", Verdict::Blocked),
            finding("B", Verdict::Pass),
        ]);
        let verdicts: Vec<_> =
            merged.iter().map(|f| (f.check.as_str(), f.verdict, f.assertions)).collect();
        assert_eq!(verdicts, [("A", Verdict::Fail, 3), ("B", Verdict::Pass, 1)]);
    }

    #[test]
    fn a_baseline_entry_excuses_for_a_while_and_goes_stale() {
        let entry = Baseline { check: "A".to_owned(), because: "ticket".to_owned(), until: 100 };
        for (verdict, today, wanted) in [
            (Verdict::Fail, 99, Verdict::Known),
            (Verdict::Fail, 100, Verdict::Stale),
            (Verdict::Pass, 99, Verdict::Stale),
            (Verdict::Blocked, 99, Verdict::Blocked),
        ] {
            let mut findings = [finding("A", verdict)];
            apply_baseline(&mut findings, std::slice::from_ref(&entry), today);
            assert_eq!(findings[0].verdict, wanted, "{verdict} on {today}");
        }
    }
}
