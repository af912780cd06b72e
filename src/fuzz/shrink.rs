//! Makes a failing case as short as it can be: a step is left out together with all that rests on it, and what is left
//! is made plainer, for as long as the case fails in the same way.

use super::case::{Act, Bearer, Call, Case, Step, TokenId};
use super::oracle::Failure;

/// The shortest case that fails like `failure`. `fails` runs a case and says how it fails.
pub(crate) fn shrink(
    case: &Case,
    failure: &Failure,
    fails: &mut dyn FnMut(&Case) -> Option<Failure>,
) -> (Case, Failure) {
    let mut best = (upto(case, failure.step), failure.clone());
    if let Some(found) = fails(&best.0).filter(|found| found.oracle.is_like(&failure.oracle)) {
        best.1 = found;
    } else {
        best = (case.clone(), failure.clone());
    }
    let mut tries = MOST;
    loop {
        let mut better = None;
        for candidate in shorter(&best.0).into_iter().chain(plainer(&best.0)) {
            if tries == 0 {
                return best;
            }
            tries -= 1;
            let found = fails(&candidate).filter(|found| found.oracle.is_like(&best.1.oracle));
            if let Some(found) = found {
                better = Some((upto(&candidate, found.step), found));
                break;
            }
        }
        match better {
            Some(next) => best = next,
            None => return best,
        }
    }
}

/// More attempts than this are not made.
const MOST: usize = 400;

/// The case up to the step that failed.
pub(crate) fn upto(case: &Case, last: u16) -> Case {
    let at =
        case.steps.iter().position(|step| step.id == last).map_or(case.steps.len(), |at| at + 1);
    Case { flow: case.flow, steps: case.steps[..at].to_vec() }
}

/// The case without one of its steps, and without what rests on it; the longest cuts first.
fn shorter(case: &Case) -> Vec<Case> {
    let mut cuts: Vec<Case> = (0..case.steps.len().saturating_sub(1))
        .map(|at| {
            let mut gone = vec![case.steps[at].id];
            let mut steps = Vec::new();
            for (place, step) in case.steps.iter().enumerate() {
                if place == at || needed(step).iter().any(|id| gone.contains(id)) {
                    gone.push(step.id);
                } else {
                    steps.push(step.clone());
                }
            }
            Case { flow: case.flow, steps }
        })
        .filter(|cut| cut.steps.last() == case.steps.last())
        .collect();
    cuts.sort_by_key(|cut| cut.steps.len());
    cuts
}

/// The steps whose answers a step rests on.
fn needed(step: &Step) -> Vec<u16> {
    needed_ids(step).into_iter().map(|id| id.step).collect()
}

/// The tokens that a step names.
fn needed_ids(step: &Step) -> Vec<TokenId> {
    let of = |call: &Call| -> Vec<TokenId> {
        [call.bearer.token(), call.refresh.and_then(Bearer::token)].into_iter().flatten().collect()
    };
    match &step.act {
        Act::Call(call) => of(call),
        Act::Race(pair) => pair.iter().flat_map(of).collect(),
        Act::Revoke(id) => vec![*id],
        Act::Account { .. } | Act::Advance(_) | Act::Database(_) | Act::Press(_) | Act::Restart => {
            Vec::new()
        }
    }
}

/// The case with one step said more plainly.
fn plainer(case: &Case) -> Vec<Case> {
    let mut all = Vec::new();
    for (at, step) in case.steps.iter().enumerate() {
        let mut acts = plainer_acts(&step.act);
        // An earlier token may do as well, and what issued the later one can then go.
        for id in needed_ids(step) {
            let earlier = case.steps[..at].iter().flat_map(needed_ids);
            let mut earlier: Vec<TokenId> =
                earlier.filter(|other| other.kind == id.kind && other.step < id.step).collect();
            earlier.dedup();
            for other in earlier {
                let instead = |known: TokenId| if known == id { other } else { known };
                acts.push(step.act.with_tokens(&instead));
            }
        }
        for act in acts {
            let mut steps = case.steps.clone();
            steps[at].act = act;
            all.push(Case { flow: case.flow, steps });
        }
    }
    all
}

fn plainer_acts(act: &Act) -> Vec<Act> {
    let mut acts = Vec::new();
    match act {
        Act::Call(call) => {
            if call.idle.is_some() {
                acts.push(Act::Call(Call { idle: None, ..call.clone() }));
            }
            if !call.with.is_empty() {
                acts.push(Act::Call(Call { with: Vec::new(), ..call.clone() }));
            }
            if call.bearer != Bearer::None && call.refresh.is_some() {
                acts.push(Act::Call(Call { bearer: Bearer::None, ..call.clone() }));
            }
            if let Bearer::Spelt(id, _) | Bearer::Altered(id, _) | Bearer::Twice(id, _) =
                call.bearer
            {
                acts.push(Act::Call(Call { bearer: Bearer::Token(id), ..call.clone() }));
            }
        }
        Act::Press(kind) if *kind != "short" => acts.push(Act::Press("short")),
        _ => {}
    }
    acts
}

#[cfg(test)]
mod tests {
    use super::super::case::TokenKind;
    use super::super::oracle::Oracle;
    use super::*;
    use crate::model::{Flow, Violation};

    fn token(step: u16) -> Bearer {
        Bearer::Token(TokenId { step, side: 0, kind: TokenKind::Access })
    }

    fn call(id: u16, operation: &'static str, bearer: Bearer) -> Step {
        Step { id, act: Act::Call(Call { operation, bearer, ..Call::default() }) }
    }

    fn failure(step: u16) -> Failure {
        Failure {
            step,
            oracle: Oracle::State(Vec::new()),
            clause: "BTN-55",
            violation: Violation::default(),
            allowed: Vec::new(),
            exchange: None,
            timeline: Vec::new(),
        }
    }

    #[test]
    fn what_rests_on_a_step_goes_with_it_and_what_the_failure_needs_stays() {
        let press = |id| Step { id, act: Act::Press("short") };
        let steps = vec![
            press(1),
            call(2, "generate", Bearer::None),
            call(3, "validate", token(2)),
            press(4),
            call(5, "generate", Bearer::None),
            call(6, "revoke", token(5)),
            call(7, "list", token(2)),
            call(8, "validate", token(5)),
            call(9, "validate", token(2)),
        ];
        let case = Case { flow: Flow::GatewayButton, steps };
        // Fails wherever a token is used that was revoked before.
        let mut fails = |case: &Case| {
            let acts = |id: u16| case.steps.iter().any(|step| step.id == id);
            (acts(4) && acts(5) && acts(6) && acts(8)).then(|| failure(8))
        };
        let (shortest, found) = shrink(&case, &failure(8), &mut fails);
        let ids: Vec<u16> = shortest.steps.iter().map(|step| step.id).collect();
        assert_eq!((ids, found.step), (vec![4, 5, 6, 8], 8));
    }
}
