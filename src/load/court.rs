//! Holds every answer against the contract, each kind of answer once.
//!
//! The first answer of its kind is judged in full: its outcome, the documented answer of that outcome, and the checks
//! that every answer of the flow is held against. An answer that is the same but for its `Date` needs no second judging.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::engine::{
    Assessed, Class, Face, Law, Observed, assess, classify, from_field, judge, picture,
};
use crate::model::{
    Act, Bindings, ClauseId, Entry, Exchange, Finding, Flow, Kept, Level, Role, SecretBook,
    SentAndReceived, Trace, Verdict,
};
use crate::scenario::{Assertion, Scenario};
use crate::target::{Baseline, Field, FlowBinding, Library, OutcomeKind};

/// What an answer must be.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Expected {
    /// Of this outcome.
    Outcome(String),
    /// Any refusal but a failure of the server.
    Refusal,
}

impl Expected {
    /// In a word.
    pub(super) fn word(&self) -> &str {
        match self {
            Self::Outcome(name) => name,
            Self::Refusal => "a refusal",
        }
    }
}

/// Something wrong with an answer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Complaint {
    /// What is wrong, in a sentence.
    pub(super) what: String,
    /// Whether the answer is wrong, or only not as it should be.
    pub(super) wrong: bool,
    /// The exchange, without its secrets.
    pub(super) exchange: SentAndReceived,
}

/// What an answer was found to be.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// The place of its outcome among those of the flow; behind the last one when none recognises it.
    pub(super) outcome: usize,
    pub(super) complaints: Vec<Complaint>,
}

/// What answers are judged by. Shared by all workers.
#[derive(Debug)]
pub(super) struct Court {
    library: Arc<Library>,
    binding: FlowBinding,
    /// Has what every answer of the flow is held against.
    scenario: Scenario,
    /// Findings that the profile accepts.
    accepted: Vec<Baseline>,
    /// Tokens beside that of the request which must not be shown.
    secrets: Vec<String>,
}

impl Court {
    pub(super) const fn new(
        library: Arc<Library>,
        binding: FlowBinding,
        scenario: Scenario,
        accepted: Vec<Baseline>,
        secrets: Vec<String>,
    ) -> Self {
        Self { library, binding, scenario, accepted, secrets }
    }

    /// The names of all outcomes, and of what none of them is.
    pub(super) fn outcomes(&self) -> Vec<String> {
        let names = self.binding.outcomes.iter().map(|outcome| outcome.name.clone());
        names.chain(["unrecognised".to_owned()]).collect()
    }

    /// Judges an exchange in full. `token` is what must not be shown; `complaint`, what is wrong with it already.
    pub(super) fn judge(
        &self,
        expected: &Expected,
        exchange: Exchange,
        token: &str,
        complaint: Option<String>,
    ) -> Judgement {
        let face = Face::new(&exchange);
        let class = classify(&self.binding, &face);
        let (at, right) = match class {
            Class::Known(outcome) => {
                let at = self.binding.outcomes.iter().position(|one| one.name == outcome.name);
                let right = match expected {
                    Expected::Outcome(name) => *name == outcome.name,
                    Expected::Refusal => {
                        let broke = exchange.reply.as_ref().is_ok_and(|reply| reply.status >= 500);
                        outcome.kind == OutcomeKind::Refusal && !broke
                    }
                };
                (at.unwrap_or(self.binding.outcomes.len()), right)
            }
            _ => (self.binding.outcomes.len(), false),
        };
        let mut found = Vec::new();
        if !right {
            let clause = promised(self.binding.flow, &exchange.operation, expected);
            let clause = clause.map(|id| format!(" ({id})")).unwrap_or_default();
            let what = format!("`{}` instead of `{}`{clause}", class.name(), expected.word());
            found.push((what, true));
        }
        found.extend(complaint.filter(|_| right).map(|what| (what, true)));
        let trace = self.trace(exchange.clone(), token);
        if right {
            found.extend(self.undocumented(&class, &face, &trace));
        }
        let law = Law {
            catalogue: &self.library.catalogue,
            binding: &self.binding,
            always: self.library.always.get(&self.binding.flow).unwrap_or(&self.scenario.checks),
        };
        for finding in judge(&law, &self.scenario, &trace) {
            let breaks = matches!(finding.verdict, Verdict::Fail | Verdict::Warn);
            if breaks && !self.accepts(&finding) {
                let wrong = finding.verdict == Verdict::Fail && finding.level == Level::Must;
                let covers: Vec<&str> = finding.covers.iter().map(ClauseId::as_str).collect();
                let clauses = if covers.is_empty() {
                    String::new()
                } else {
                    format!(" ({})", covers.join(", "))
                };
                found
                    .push((format!("breaks {}: {}{clauses}", finding.check, finding.title), wrong));
            }
        }
        let book = self.book(token, &exchange);
        let shown = |exchange: &Exchange| {
            let SentAndReceived { sent, received, curl } = picture(exchange);
            let [sent, received, curl] = [sent, received, curl].map(|text| book.redact(&text));
            SentAndReceived { sent, received, curl }
        };
        let complaints = found.into_iter().map(|(what, wrong)| Complaint {
            what: book.redact(&what),
            wrong,
            exchange: shown(&exchange),
        });
        Judgement { outcome: at, complaints: complaints.collect() }
    }

    /// Whether the profile's baseline excuses a finding; one for single items of a repeated step does not.
    fn accepts(&self, finding: &Finding) -> bool {
        let got = finding.evidence.violation.as_ref().map_or("", |violation| &violation.got);
        let names = |name: &str| name == finding.check.as_str() || name == finding.check.base();
        self.accepted.iter().any(|one| {
            names(&one.check)
                && one.item.is_empty()
                && one.got.as_ref().is_none_or(|pattern| pattern.is_match(got))
        })
    }

    /// How an answer of the right class differs from the documented one.
    fn undocumented(
        &self,
        class: &Class<'_>,
        face: &Face<'_>,
        trace: &Trace,
    ) -> Option<(String, bool)> {
        let Class::Known(outcome) = class else { return None };
        outcome.documented.as_ref()?;
        let assertion =
            Assertion { documented: vec![outcome.name.clone()], ..Assertion::default() };
        let observed = Observed { face, event: None, entry: trace.entries.first()?, trace };
        match assess(&self.binding, &assertion, &observed) {
            Assessed::Breaks(violation) => {
                let wanted = violation.wanted.join(" or ");
                Some((
                    format!("is not the documented answer; wanted {wanted}; got {}", violation.got),
                    true,
                ))
            }
            Assessed::Holds | Assessed::NoAnswer(_) | Assessed::NoValue(_) => None,
        }
    }

    /// A trace with nothing but this exchange, for the judge.
    fn trace(&self, exchange: Exchange, token: &str) -> Trace {
        let secret = |name: &str, value: &str| Kept {
            name: name.to_owned(),
            value: value.to_owned(),
            origin: "the load".to_owned(),
        };
        let secrets: Vec<Kept> =
            if token.is_empty() { vec![] } else { vec![secret("token", token)] };
        let entry = Entry {
            step: "load".to_owned(),
            item: None,
            group: 0,
            role: Role::Step,
            expectations: None,
            bindings: Arc::new(Bindings::from([("token".to_owned(), token.to_owned())])),
            known_before: secrets.len(),
            act: Act::Exchange(Box::new(exchange)),
        };
        Trace {
            scenario: self.scenario.name.clone(),
            flow: self.binding.flow,
            entries: vec![entry],
            stop: None,
            secrets,
            unasked: Vec::new(),
            lacking: BTreeMap::new(),
            skipped: Vec::new(),
        }
    }

    fn book(&self, token: &str, exchange: &Exchange) -> SecretBook {
        let mut book = SecretBook::default();
        book.note(token, "token");
        self.secrets.iter().for_each(|secret| book.note(secret, "token"));
        if let (Some(operation), Ok(reply)) =
            (self.binding.operations.get(&exchange.operation), &exchange.reply)
        {
            let issued = operation.answer.iter().filter(|(name, _)| Field::is_token(name));
            for (name, field) in issued {
                from_field(field, reply).iter().for_each(|token| book.note(token, name));
            }
        }
        for (role, identity) in &self.binding.identities {
            for (field, value) in &identity.fields {
                if identity.secret.contains(field) {
                    book.note(value, &format!("identity.{role}.{field}"));
                }
            }
        }
        book
    }
}

/// The clause that says what a validation is answered with: one of a good token, or one of a token that was never issued.
fn promised(flow: Flow, operation: &str, expected: &Expected) -> Option<&'static str> {
    let (accepted, denied) = match flow {
        Flow::GatewayButton => ("BTN-40", "BTN-44"),
        Flow::ChannelLogin => ("CHN-15", "CHN-16"),
        Flow::VisitorLogin => ("VMS-28", "VMS-31"),
        Flow::JwtLogin => ("JWT-40", "JWT-44"),
        Flow::EnvironmentToken => ("SUC-15", "SUC-16"),
        Flow::Common => return None,
    };
    match expected.word() {
        _ if operation != "validate" => None,
        "accepted" => Some(accepted),
        "denied" => Some(denied),
        _ => None,
    }
}
