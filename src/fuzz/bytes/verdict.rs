//! What is wrong with an answer to changed bytes, if anything is.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::meaning::Meaning;
use super::{Base, ByteBench, Credit, print_of};
use crate::engine::{Face, Observed, picture, shown};
use crate::fuzz::laws::LawId;
use crate::fuzz::lower;
use crate::fuzz::oracle::{Failure, Oracle};
use crate::model::{
    Act as Happened, Bindings, Entry, Exchange, Flow, Kept, Reply, Role, Trace, Violation,
    WireError,
};
use crate::target::OutcomeKind;

impl ByteBench<'_> {
    /// Whether the answer itself is wrong.
    pub(super) fn answer_is_wrong(
        &self,
        base: &Base,
        (meaning, draft): (Meaning, &Draft),
        exchange: &Exchange,
        (class, kind): (&str, Option<OutcomeKind>),
    ) -> Option<Failure> {
        let response = match &exchange.reply {
            Ok(response) => response,
            Err(WireError::Closed(_)) if !meaning.same => return None,
            Err(_) => return Some(self.failure(exchange, Oracle::Unanswered, "X-68", "an answer")),
        };
        if response.status >= 500 && !matches!(response.status, 501 | 505) {
            return Some(self.failure(
                exchange,
                Oracle::Failed,
                "X-68",
                "no failure of the server",
            ));
        }
        let granted = kind == Some(OutcomeKind::Success);
        let untold =
            draft.method == b"OPTIONS" || draft.method == b"HEAD" && self.rules.refuses_in_band();
        let untold = untold && response.body.0.is_empty();
        let entitled = base.credit == Credit::Good && !meaning.broken && !meaning.unserved
            || self.holds_the_password(base, draft);
        if granted && !entitled && !untold {
            let only_framed = base.credit == Credit::Good && !meaning.broken;
            let clause = if only_framed { "X-18" } else { clause_of(self.rules.flow) };
            let refused = Oracle::State(vec!["refused".to_owned()]);
            return Some(self.failure(exchange, refused, clause, "refused"));
        }
        if class == "an answer of no known class" {
            return Some(self.failure(
                exchange,
                Oracle::State(vec!["refused".to_owned()]),
                "X-68",
                "an answer of a known class",
            ));
        }
        let token = self.names.get("token")?;
        if base.call.operation != "current" && echoes(response, token) {
            return Some(self.failure(exchange, Oracle::Echoed, "X-66", "no token in the answer"));
        }
        let (plain, _) = base.plain.as_ref()?;
        let throttled = self.rules.may_throttle() && matches!(response.status, 422 | 429);
        if meaning.same && class != plain && !throttled {
            let wanted = format!("{plain}, as without the change");
            return Some(self.failure(exchange, Oracle::Differs(plain.clone()), "X-10", &wanted));
        }
        None
    }

    /// Whether chance has made a wrong password right.
    fn holds_the_password(&self, base: &Base, draft: &Draft) -> bool {
        let secret = || {
            let (role, _) = base.call.login.as_ref()?;
            let operation = self.binding.operations.get(base.call.operation)?;
            let (.., field) = lower::credentials(operation)?;
            let environment = base.call.environment.as_deref().unwrap_or_default();
            let field = field.replace("{environment}", environment);
            self.names.get(&format!("identity.{role}.{field}"))
        };
        let Some(secret) = secret().filter(|secret| !secret.is_empty()) else {
            return false;
        };
        let fields = draft.fields.iter().map(|field| &field.value);
        let parsed = fields.chain([&draft.body]).flat_map(|text| form_urlencoded::parse(text));
        parsed.flat_map(|(name, value)| [name, value]).any(|text| text.contains(secret.as_str()))
    }

    pub(super) fn law_is_broken(&mut self, exchange: &Exchange) -> Option<Failure> {
        let print = print_of(exchange);
        if !self.held.insert(print) {
            return None;
        }
        let (law, violation) = self.hold(exchange)?;
        self.held.remove(&print);
        let mut failure = self.failure(exchange, Oracle::Law(law), "", "");
        failure.violation = violation;
        Some(failure)
    }

    fn hold(&self, exchange: &Exchange) -> Option<(LawId, Violation)> {
        let secrets = ["token", "refresh_0"].into_iter().filter_map(|name| {
            let value = self.names.get(name)?.clone();
            Some(Kept { name: name.to_owned(), value, origin: "the beginning".to_owned() })
        });
        let trace = silence(self.rules.flow, secrets.collect());
        let known = if exchange.operation == "current" { 0 } else { trace.secrets.len() };
        let entry = somewhere(Arc::new(self.names.clone()), known);
        let face = Face::new(exchange);
        let observed = Observed { face: &face, event: None, entry: &entry, trace: &trace };
        self.laws.broken(self.binding, &observed, false, &self.excused)
    }

    /// The request behind the changed one is answered as ever, unless the server had a reason to hang up.
    pub(super) fn canary_is_wrong(
        &mut self,
        exchange: &Exchange,
        canary: Option<Reply>,
        (surplus, closed): (bool, bool),
    ) -> Option<Failure> {
        // Who does not read a body may hang up behind the answer.
        let refused = !exchange.request.body.0.is_empty()
            || exchange.reply.as_ref().is_ok_and(|response| response.status >= 300);
        let got = match canary {
            None if closed => return None,
            None | Some(Err(WireError::Closed(_))) if refused || exchange.reply.is_err() => {
                return None;
            }
            None => "no answer to the request behind it".to_owned(),
            Some(Err(error)) => format!("no answer to the request behind it: {error}"),
            Some(Ok(response)) => {
                let behind = Exchange {
                    operation: "validate".to_owned(),
                    reply: Ok(response),
                    ..exchange.clone()
                };
                let (class, _) = self.class(&behind);
                if class == self.canary_class && !surplus {
                    return None;
                }
                if surplus {
                    "more answers than requests".to_owned()
                } else {
                    let seen = behind.reply.as_ref().map_or(0, |response| response.status);
                    format!(
                        "the request behind it, with a good token, answered {class} (status {seen})"
                    )
                }
            }
        };
        let mut failure = self.failure(exchange, Oracle::OutOfStep, "X-18", "");
        failure.violation = Violation::new("the request behind it is accepted as ever", got);
        Some(failure)
    }

    pub(super) fn failure(
        &self,
        exchange: &Exchange,
        oracle: Oracle,
        clause: &'static str,
        wanted: &str,
    ) -> Failure {
        let face = Face::new(exchange);
        let got = match &exchange.reply {
            Ok(_) => {
                let entry = somewhere(Arc::default(), 0);
                let trace = silence(self.rules.flow, Vec::new());
                shown(
                    self.binding,
                    &Observed { face: &face, event: None, entry: &entry, trace: &trace },
                )
            }
            Err(error) => error.to_string(),
        };
        Failure {
            step: 1,
            oracle,
            clause,
            violation: Violation::new(wanted, got),
            allowed: vec!["refused".to_owned()],
            exchange: Some(picture(exchange)),
            timeline: Vec::new(),
        }
    }
}

fn clause_of(flow: Flow) -> &'static str {
    match flow {
        Flow::GatewayButton => "BTN-44",
        Flow::ChannelLogin => "CHN-16",
        Flow::VisitorLogin => "VMS-31",
        Flow::JwtLogin => "JWT-44",
        Flow::EnvironmentToken | Flow::Common => "SUC-16",
    }
}

fn echoes(response: &crate::model::Response, token: &str) -> bool {
    let holds = |bytes: &[u8]| bytes.windows(token.len()).any(|window| window == token.as_bytes());
    holds(&response.body.0) || response.headers.iter().any(|header| holds(&header.value.0))
}

/// A trace in which nothing happened, with what it keeps secret.
fn silence(flow: Flow, secrets: Vec<Kept>) -> Trace {
    Trace {
        scenario: "fuzz".to_owned(),
        flow,
        entries: Vec::new(),
        stop: None,
        secrets,
        unasked: Vec::new(),
        skipped: Vec::new(),
        lacking: BTreeMap::new(),
    }
}

/// The place of an exchange that belongs to no step.
fn somewhere(bindings: Arc<Bindings>, known_before: usize) -> Entry {
    Entry {
        step: String::new(),
        item: None,
        group: 0,
        role: Role::Step,
        expectations: None,
        bindings,
        known_before,
        act: Happened::Wait { milliseconds: 0 },
    }
}
