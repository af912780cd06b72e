//! Findings of one check from several scenarios, and what a run says of each clause.

use std::collections::{BTreeMap, BTreeSet};

use indexmap::IndexMap;

use crate::contract::Clause;
use crate::model::{
    CheckId, ClauseId, ClauseState, ClauseText, Evidence, Finding, Flow, Level, Verdict,
};
use crate::target::Library;

/// Puts the findings of one check together: the gravest verdict stands.
pub(super) fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: IndexMap<CheckId, Finding> = IndexMap::new();
    for finding in findings {
        match merged.get_mut(&finding.check) {
            None => drop(merged.insert(finding.check.clone(), finding)),
            Some(standing) => {
                let assertions = standing.assertions + finding.assertions;
                let mut other = finding;
                if other.verdict > standing.verdict {
                    std::mem::swap(standing, &mut other);
                }
                standing.assertions = assertions;
                standing.evidence.join(other.evidence);
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

/// What a run says of each clause that it is about: those of its flows, and those that they share with others.
pub(super) fn clause_states(
    library: &Library,
    flows: &BTreeSet<Flow>,
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
    let (mut of_some_flow, mut of_these) = (BTreeSet::new(), BTreeSet::new());
    for (flow, _, _, check) in library.checks() {
        of_some_flow.extend(&check.covers);
        of_these.extend(check.covers.iter().filter(|_| flows.contains(&flow)));
    }
    let meant = |(flow, clause): &(Flow, &Clause)| {
        flows.contains(flow)
            || (*flow == Flow::Common
                && (of_these.contains(&clause.id) || !of_some_flow.contains(&clause.id)))
    };
    let clauses = library.catalogue.clauses().filter(meant);
    clauses.map(|(_, clause)| (clause.id.clone(), state(&clause.id))).collect()
}

/// What each clause that a run is about says.
pub(super) fn texts(
    library: &Library,
    clauses: &BTreeMap<ClauseId, ClauseState>,
) -> BTreeMap<ClauseId, ClauseText> {
    let contracts = library.catalogue.contracts();
    let source = |flow: Flow| {
        let contract = contracts.iter().find(|contract| contract.flow == flow);
        contract.map_or_else(String::new, |contract| contract.source.trim().to_owned())
    };
    let of = library.catalogue.clauses().filter(|(_, clause)| clauses.contains_key(&clause.id));
    of.map(|(flow, clause)| {
        let source = clause.source.clone().unwrap_or_else(|| source(flow));
        let text = ClauseText { flow, level: clause.level, text: clause.text.clone(), source };
        (clause.id.clone(), text)
    })
    .collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::check) fn finding(check: &str, verdict: Verdict) -> Finding {
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
}
