//! Two requests at the same moment: one of the two orders must explain their answers and all that follows.

use super::case::{Call, Step};
use super::cell::cell;
use super::lower;
use super::model::State;
use super::oracle::{Failure, Judge, Oracle, Walk, is_one_of, unique};
use crate::engine::{Class, Face, classify, picture};
use crate::model::{Entry, Exchange, Trace, Trial, Violation};

impl Judge<'_> {
    /// Both orders of a pair, and what was asked after it: at least one must explain everything.
    pub(super) fn follow_race(
        &self,
        ways: &[State],
        (step, pair): (&Step, &[Call; 2]),
        (trace, entry): (&Trace, &Entry),
        trial: &Trial,
        walk: &mut Walk,
    ) -> Result<Vec<State>, Box<Failure>> {
        let [first, second] = trial.exchanges.as_slice() else {
            return Ok(ways.to_vec());
        };
        let faces = [Face::new(first), Face::new(second)];
        let classes = [classify(self.binding, &faces[0]), classify(self.binding, &faces[1])];
        for (call, (class, exchange)) in pair.iter().zip(classes.iter().zip([first, second])) {
            walk.cells.push(cell(call, class, exchange));
        }
        let mut next = Vec::new();
        let mut explained = Vec::new();
        for order in [[0_usize, 1], [1, 0]] {
            for state in ways {
                let ends = self.in_order(
                    state,
                    order,
                    (step.id, pair),
                    &classes,
                    [first, second],
                    &mut explained,
                );
                next.extend(ends);
            }
        }
        let next = unique(next.into_iter());
        let (next, shown_after) = self.asked_after(next, (step.id, pair), entry, trial);
        let silent = [first, second].into_iter().find(|exchange| exchange.reply.is_err());
        if !next.is_empty() || (silent.is_some() && trace.stop.is_some()) {
            return Ok(next);
        }
        if let Some(exchange) = silent {
            return Err(Box::new(unanswered(step.id, exchange)));
        }
        let mut seen: Vec<(String, String)> = pair
            .iter()
            .zip(&classes)
            .map(|(call, class)| (call.operation.to_owned(), class.name().to_owned()))
            .collect();
        seen.extend(shown_after);
        let got: Vec<String> =
            seen.iter().map(|(call, class)| format!("{call}: {class}")).collect();
        explained.sort();
        explained.dedup();
        let clause = ways.first().and_then(|state| {
            self.rules.answers(state, &pair[0], (step.id, 0)).first().map(|branch| branch.clause)
        });
        Err(Box::new(Failure {
            step: step.id,
            oracle: Oracle::Race(seen),
            clause: race_clause(pair).or(clause).unwrap_or("X-70"),
            violation: Violation { wanted: explained, got: got.join(", then ") },
            allowed: Vec::new(),
            exchange: Some(picture(second)),
            timeline: Vec::new(),
        }))
    }

    /// The states that also explain what was asked after a pair, and the classes of those answers.
    fn asked_after(
        &self,
        mut next: Vec<State>,
        (step, pair): (u16, &[Call; 2]),
        entry: &Entry,
        trial: &Trial,
    ) -> (Vec<State>, Vec<(String, String)>) {
        let mut shown = Vec::new();
        let mut asked = trial.after.iter();
        for call in &lower::after_race(self.binding, step, pair) {
            // Left out when the pair did not give its token.
            let given =
                call.bearer.token().is_none_or(|id| entry.bindings.contains_key(&id.to_string()));
            let Some(exchange) = given.then(|| asked.next()).flatten() else {
                continue;
            };
            let face = Face::new(exchange);
            let class = classify(self.binding, &face);
            shown.push((call.operation.to_owned(), class.name().to_owned()));
            let branches =
                next.iter().flat_map(|state| self.rules.answers(state, call, (u16::MAX, 0)));
            let fitting = branches.filter(|branch| is_one_of(&branch.outcomes, &class, exchange));
            next = unique(fitting.map(|branch| branch.next).collect::<Vec<_>>().into_iter());
        }
        (next, shown)
    }

    /// The states after a pair in one order, if that order explains the answers.
    fn in_order(
        &self,
        state: &State,
        order: [usize; 2],
        (step, pair): (u16, &[Call; 2]),
        classes: &[Class<'_>; 2],
        exchanges: [&Exchange; 2],
        explained: &mut Vec<String>,
    ) -> Vec<State> {
        let mut states = vec![(state.clone(), Vec::new())];
        let mut ends = Vec::new();
        for (turn, side) in order.into_iter().enumerate() {
            let number = u8::try_from(side).unwrap_or_default();
            let mut after = Vec::new();
            for (state, told) in states {
                for branch in self.rules.answers(&state, &pair[side], (step, number)) {
                    let mut told: Vec<String> = told.clone();
                    told.push(format!("{} {}", pair[side].operation, branch.outcomes.join("/")));
                    if turn == 1 {
                        explained.push(told.join(", "));
                    }
                    let fits = is_one_of(&branch.outcomes, &classes[side], exchanges[side]);
                    after.push((branch.next, told, fits));
                }
            }
            if turn == 1 {
                ends.extend(
                    after.iter().filter(|(.., fits)| *fits).map(|(state, ..)| state.clone()),
                );
            }
            states = after
                .into_iter()
                .filter(|(.., fits)| *fits)
                .map(|(state, told, _)| (state, told))
                .collect();
        }
        ends
    }
}

/// One of the two was not answered, which no order explains.
fn unanswered(step: u16, exchange: &Exchange) -> Failure {
    let got = exchange.reply.as_ref().map_or_else(ToString::to_string, |_| String::new());
    Failure {
        step,
        oracle: Oracle::Unanswered,
        clause: "X-68",
        violation: Violation::new("an answer", got),
        allowed: Vec::new(),
        exchange: Some(picture(exchange)),
        timeline: Vec::new(),
    }
}

fn race_clause(pair: &[Call; 2]) -> Option<&'static str> {
    match (pair[0].operation, pair[1].operation) {
        ("generate", "generate") if pair[0].login.is_none() => Some("BTN-07"),
        ("generate", _) if pair[0].environment.is_none() => Some("CHN-21"),
        ("refresh", _) => Some("JWT-76"),
        ("revoke", _) => Some("BTN-55"),
        _ => None,
    }
}
