//! Writes a failing case down as a scenario that a person can read, and that `check` runs and fails on in the same way.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::case::{Act, Call, Case, Step, TokenId, TokenKind};
use super::laws::Laws;
use super::lower::{CONNECTION, after_race, captures, words};
use super::model::{Branch, Rules, State};
use super::oracle::{Failure, Oracle};
use super::scenario_file::{Head, OWN_CHECK, Origin, Written, assemble, needs};
use super::yaml::{flow, send_value};
use crate::model::Flow;
use crate::target::FlowBinding;

/// Writes a case down.
pub(crate) fn write(
    (binding, rules, laws): (&FlowBinding, &Rules, &Laws),
    case: &Case,
    failure: &Failure,
    origin: &Origin,
    connected: bool,
) -> Written {
    let writer = Writer { binding, rules, laws, case, failure, connected };
    let head = Head { flow: case.flow, title: writer.title(), needs: needs(case), failure, origin };
    assemble(&head, &format!("{case:?}"), writer.steps())
}

/// Writes a case of bytes down: a token by the documented way, and then these bytes, as a template.
pub(crate) fn write_bytes(
    (binding, rules, laws): (&FlowBinding, &Rules, &Laws),
    (operation, template): (&'static str, String),
    failure: &Failure,
    origin: &Origin,
) -> Written {
    let case = Case { flow: rules.flow, steps: Vec::new() };
    let writer = Writer { binding, rules, laws, case: &case, failure, connected: true };
    let call = Call { operation, ..Call::default() };
    let mut last = json!({"send": {"operation": operation, "verbatim": template}});
    let mut steps = vec![json!({"run": {"procedure": "obtain_token"}})];
    if failure.oracle == Oracle::OutOfStep {
        last["send"]["connection"] = Value::from(CONNECTION);
        steps.push(last);
        steps.push(json!({
            "send": {"operation": "validate", "token": "${token}", "connection": CONNECTION},
            "expect": [{"check": OWN_CHECK, "outcome": "accepted"}],
        }));
    } else {
        last["controls"] = json!(["token_works"]);
        last["expect"] = json!([writer.expectation(1, &call)]);
        steps.push(last);
    }
    let mut needs = Vec::new();
    if rules.flow == Flow::GatewayButton {
        needs.push("press".to_owned());
    }
    let digest = steps.iter().map(Value::to_string).collect::<String>();
    let head = Head { flow: rules.flow, title: writer.title(), needs, failure, origin };
    assemble(&head, &digest, steps)
}

struct Writer<'a> {
    binding: &'a FlowBinding,
    rules: &'a Rules,
    laws: &'a Laws,
    case: &'a Case,
    failure: &'a Failure,
    connected: bool,
}

impl Writer<'_> {
    fn title(&self) -> String {
        match &self.failure.oracle {
            Oracle::State(allowed) => format!("the last answer is {}", allowed.join(" or ")),
            Oracle::Fact(path, wanted) => format!("{path} of the last answer is {wanted}"),
            Oracle::OtherToken(id) => format!("the last answer gives {id} again"),
            Oracle::Law(law) => self
                .laws
                .check(law.check())
                .map_or_else(|| law.check().to_string(), |check| check.title.clone()),
            Oracle::Repeated(_) => "no two issued tokens have anything in common".to_owned(),
            Oracle::Failed => "the last request does not make the server fail".to_owned(),
            Oracle::Unanswered => "the last request is answered".to_owned(),
            Oracle::Echoed => "no token stands in the last answer".to_owned(),
            Oracle::OutOfStep => "the request behind it is answered as ever".to_owned(),
            Oracle::Frames(what) => format!("not so: {what}"),
            Oracle::Differs(class) => format!("the last answer is {class}, as without the change"),
            Oracle::Race(_) => {
                "two requests at the same moment are answered as one after the other".to_owned()
            }
        }
    }

    fn steps(&self) -> Vec<Value> {
        let Some((last, before)) = self.case.steps.split_last() else {
            return Vec::new();
        };
        let before: Vec<Value> = before.iter().map(|step| self.step(step)).collect();
        match (&last.act, &self.failure.oracle) {
            (Act::Race(pair), Oracle::Race(seen)) => vec![self.race(last.id, pair, seen, &before)],
            (Act::Race(pair), Oracle::Unanswered) => {
                let mut race = self.race(last.id, pair, &[], &before);
                race["race"]["expect"] =
                    json!([{"check": OWN_CHECK, "outcome": "answered", "at_least": 2}]);
                vec![race]
            }
            (Act::Call(call), Oracle::Repeated(id)) => vec![self.sample(call, *id, &before)],
            (Act::Call(call), _) => {
                let mut step = self.step(last);
                step["expect"] = json!([self.expectation(last.id, call)]);
                before.into_iter().chain([step]).collect()
            }
            _ => before.into_iter().chain([self.step(last)]).collect(),
        }
    }

    fn expectation(&self, step: u16, _call: &Call) -> Value {
        let mut one = Map::new();
        one.insert("check".to_owned(), Value::from(OWN_CHECK));
        match &self.failure.oracle {
            Oracle::Fact(path, wanted) => {
                let wanted: Value = serde_json::from_str(wanted).unwrap_or_default();
                one.insert("json".to_owned(), json!({ *path: wanted }));
            }
            Oracle::OtherToken(id) => {
                let own = TokenId { step, side: 0, kind: TokenKind::Access };
                one.insert(
                    "values".to_owned(),
                    json!({ format!("${{{own}}}"): format!("${{{id}}}") }),
                );
            }
            Oracle::Law(law) => match self.laws.typed(law).and_then(Value::as_object) {
                Some(typed) => {
                    let own = |kind| TokenId { step, side: 0, kind }.to_string();
                    let typed = Value::Object(typed.clone())
                        .to_string()
                        .replace("${token}", &format!("${{{}}}", own(TokenKind::Access)))
                        .replace("${refresh_token}", &format!("${{{}}}", own(TokenKind::Refresh)));
                    let typed: Value = serde_json::from_str(&typed).unwrap_or_default();
                    let members = typed.as_object().cloned().unwrap_or_default();
                    one.extend(
                        members.into_iter().filter(|(key, _)| key != "check" && key != "where"),
                    );
                }
                // The flow holds every answer against it; this says what else is right.
                None => drop(one.insert("outcome".to_owned(), json!(self.failure.allowed))),
            },
            Oracle::Failed => {
                one.insert("status".to_owned(), json!(["2xx", "3xx", "4xx", 501, 505]));
            }
            Oracle::State(allowed) => {
                one.insert("outcome".to_owned(), json!(allowed));
            }
            Oracle::Echoed => drop(one.insert("no_secrets".to_owned(), json!({}))),
            Oracle::Differs(class) => drop(one.insert("outcome".to_owned(), json!(class))),
            Oracle::Unanswered => drop(one.insert("outcome".to_owned(), json!("answered"))),
            Oracle::OutOfStep | Oracle::Frames(_) | Oracle::Race(_) | Oracle::Repeated(_) => {
                one.insert("outcome".to_owned(), json!(["refused", "succeeded"]));
            }
        }
        Value::Object(one)
    }

    fn step(&self, step: &Step) -> Value {
        let hook = |name: &str, with: Value| json!({"hook": {"name": name, "with": with}});
        match &step.act {
            Act::Account { role, state } => {
                hook("accounts", json!({"identity": role, "state": state}))
            }
            Act::Advance(by) => json!({ "wait": duration(*by) }),
            Act::Database(failing) => hook("database", json!({"failing": failing.to_string()})),
            Act::Press("short") => {
                json!({"hook": {"name": "press", "say": "Press the gateway button once."}})
            }
            Act::Press(kind) => hook("press", json!({ "kind": kind })),
            Act::Restart => json!({"hook": {"name": "restart"}}),
            Act::Revoke(id) => hook("revoke", json!({"token": format!("${{{id}}}")})),
            Act::Call(call) => {
                let mut out = json!({ "send": self.send(call, true) });
                let kept = captures(self.binding, call, (step.id, 0));
                let kept: Vec<_> =
                    kept.into_iter().filter(|(name, _)| self.is_named(name)).collect();
                if !kept.is_empty() {
                    let kept =
                        kept.into_iter().map(|(name, field)| (name, json!({ "field": field })));
                    out["capture"] = Value::Object(kept.collect());
                }
                out
            }
            Act::Race(_) => json!({"wait": "1ms"}),
        }
    }

    /// Whether another step, or what is expected, names a value.
    fn is_named(&self, name: &str) -> bool {
        let everything: String = self
            .case
            .steps
            .iter()
            .map(|step| match &step.act {
                Act::Call(call) => self.send(call, false).to_string(),
                Act::Race(pair) => {
                    pair.iter().map(|call| self.send(call, false).to_string()).collect()
                }
                Act::Revoke(id) => format!("${{{id}}}"),
                _ => String::new(),
            })
            .collect();
        let last = self.case.steps.last().map_or(0, |step| step.id);
        let expected = match &self.failure.oracle {
            Oracle::Law(_) | Oracle::OtherToken(_) => {
                name.split('_').nth(1) == Some(&last.to_string())
            }
            _ => false,
        };
        let original =
            matches!(&self.failure.oracle, Oracle::OtherToken(id) if id.to_string() == name);
        expected
            || original
            || everything.contains(&format!("${{{name}}}"))
            || everything.contains(&format!("${{{name}|"))
    }

    fn send(&self, call: &Call, alone: bool) -> Value {
        let raw = words(self.binding, call);
        let mut out = send_value(&raw);
        if self.connected && alone {
            out["connection"] = Value::from(CONNECTION);
        }
        out
    }

    fn sample(&self, call: &Call, id: TokenId, before: &[Value]) -> Value {
        let kept = captures(self.binding, call, (id.step, id.side));
        let field = kept
            .iter()
            .find(|(name, _)| *name == id.to_string())
            .map_or("token", |(_, field)| *field);
        json!({"sample": {
            "count": 40,
            "prepare": before,
            "send": self.send(call, false),
            "collect": {"field": field},
            "all": [{"check": OWN_CHECK, "distinct": true}, {"check": OWN_CHECK, "random_bits": 64}],
        }})
    }

    fn race(
        &self,
        step: u16,
        pair: &[Call; 2],
        seen: &[(String, String)],
        before: &[Value],
    ) -> Value {
        let keep = |side: u8, call: &Call| {
            let kept = captures(self.binding, call, (step, side));
            let kept = kept.into_iter().map(|(name, field)| (name, json!({ "field": field })));
            Value::Object(kept.collect())
        };
        let after: Vec<Value> = after_race(self.binding, step, pair)
            .iter()
            .map(|call| self.send(call, false))
            .collect();
        let mut race = json!({
            "repeats": 20,
            "requests": [self.send(&pair[0], false), self.send(&pair[1], false)],
            "expect": self.counts(step, pair, seen),
        });
        if !before.is_empty() {
            race["prepare"] = json!(before);
        }
        if !after.is_empty() {
            race["keep"] = json!([keep(0, &pair[0]), keep(1, &pair[1])]);
            race["after"] = json!(after);
        }
        json!({ "race": race })
    }

    /// The states in which the last step may find the server.
    fn states_before(&self) -> Vec<State> {
        let mut states = vec![self.rules.start()];
        for step in &self.case.steps[..self.case.steps.len() - 1] {
            states = match &step.act {
                Act::Call(call) => states
                    .iter()
                    .flat_map(|state| self.rules.answers(state, call, (step.id, 0)))
                    .map(|branch| branch.next)
                    .take(16)
                    .collect(),
                act => {
                    states.iter().flat_map(|state| self.rules.act(state, act)).take(16).collect()
                }
            };
        }
        states
    }

    /// How many answers of each class the two orders allow, where more or fewer were seen.
    fn counts(&self, step: u16, pair: &[Call; 2], seen: &[(String, String)]) -> Vec<Value> {
        let states = self.states_before();
        let orders: Vec<(Vec<Branch>, State)> = states
            .iter()
            .flat_map(|state| [[0_usize, 1], [1, 0]].map(|order| (state, order)))
            .flat_map(|(state, order)| {
                let answer = |state: &State, side: usize| {
                    self.rules.answers(
                        state,
                        &pair[side],
                        (step, u8::try_from(side).unwrap_or_default()),
                    )
                };
                let firsts = answer(state, order[0]);
                firsts.into_iter().flat_map(move |first| {
                    let seconds = answer(&first.next, order[1]);
                    seconds
                        .into_iter()
                        .map(move |second| (vec![first.clone(), second.clone()], second.next))
                        .collect::<Vec<_>>()
                })
            })
            .collect();
        let mut wanted = Vec::new();
        let of_pair = &seen[..seen.len().min(2)];
        bounds(
            of_pair,
            &orders.iter().map(|(branches, _)| branches.clone()).collect::<Vec<_>>(),
            false,
            &mut wanted,
        );
        let after = after_race(self.binding, step, pair);
        let later: Vec<Vec<Branch>> = orders
            .iter()
            .map(|(_, end)| {
                after
                    .iter()
                    .filter_map(|call| {
                        self.rules.answers(end, call, (u16::MAX, 0)).into_iter().next()
                    })
                    .collect()
            })
            .collect();
        bounds(&seen[seen.len().min(2)..], &later, true, &mut wanted);
        if wanted.is_empty() {
            let class = of_pair.first().map_or("refused", |(_, class)| class.as_str());
            wanted.push(json!({"check": OWN_CHECK, "outcome": class, "at_most": 1}));
        }
        wanted
    }
}

/// The bounds on the number of answers of each class that what was seen breaks.
fn bounds(
    seen: &[(String, String)],
    allowed: &[Vec<Branch>],
    after: bool,
    wanted: &mut Vec<Value>,
) {
    let classes: BTreeSet<&str> = seen.iter().map(|(_, class)| class.as_str()).collect();
    for class in classes {
        let count = seen.iter().filter(|(_, other)| other == class).count();
        let most = allowed
            .iter()
            .map(|way| way.iter().filter(|branch| branch.outcomes.contains(&class)).count())
            .max();
        if let Some(most) = most.filter(|most| count > *most) {
            let mut one = json!({"check": OWN_CHECK, "outcome": class, "at_most": most});
            if after {
                one["after"] = Value::Bool(true);
            }
            wanted.push(one);
        }
    }
}

fn duration(milliseconds: u64) -> String {
    if milliseconds.is_multiple_of(1000) {
        format!("{}s", milliseconds / 1000)
    } else {
        format!("{milliseconds}ms")
    }
}

/// The steps of a case, one a line, as they are written into a scenario.
pub(crate) fn case_lines(binding: &FlowBinding, case: &Case) -> Vec<String> {
    let line = |step: &Step| match &step.act {
        Act::Call(call) => format!("  send {}", flow(&send_value(&words(binding, call)))),
        Act::Race(pair) => {
            let requests: Vec<String> =
                pair.iter().map(|call| flow(&send_value(&words(binding, call)))).collect();
            format!("  race {}", requests.join(" with "))
        }
        Act::Account { role, state } => format!("  account {role} {state}"),
        Act::Advance(by) => format!("  wait {}", duration(*by)),
        Act::Database(failing) => format!("  database failing {failing}"),
        Act::Press(kind) => format!("  press {kind}"),
        Act::Restart => "  restart".to_owned(),
        Act::Revoke(id) => format!("  revoke {id}"),
    };
    case.steps.iter().map(line).collect()
}
