//! Holds one answer against one assertion.

use serde_json::Value;

use super::classify::is_class;
use super::evidence::{cut, shown};
use super::face::Face;
use super::relations::{relations_hold, values_hold};
use crate::model::{Entry, Response, SocketEvent, Trace, Violation, WireError};
use crate::scenario::{Actual, Assertion, Filter, Matcher, Mismatch};
use crate::source::{JsonPath, RenderError, Scope};
use crate::target::FlowBinding;

/// What an assertion came to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Assessed {
    /// It holds.
    Holds,
    /// It does not.
    Breaks(Violation),
    /// There was nothing to hold it against, for this reason.
    NoAnswer(String),
    /// There was nothing to compare the answer with: a name has no value.
    NoValue(RenderError),
}

/// Why an assertion does not hold.
pub(super) enum Flaw {
    /// The answer is not right.
    Breaks(Violation),
    /// A name has no value, which says nothing of the answer.
    NoValue(RenderError),
}

impl From<Violation> for Flaw {
    fn from(violation: Violation) -> Self {
        Self::Breaks(violation)
    }
}

impl From<RenderError> for Flaw {
    fn from(error: RenderError) -> Self {
        Self::NoValue(error)
    }
}

/// What there is to look at.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The exchange.
    pub face: &'a Face<'a>,
    /// What was seen on a socket.
    pub event: Option<&'a SocketEvent>,
    /// The entry of the trace that it belongs to.
    pub entry: &'a Entry,
    /// The whole trace.
    pub trace: &'a Trace,
}

/// Holds what was observed against an assertion.
pub fn assess(binding: &FlowBinding, assertion: &Assertion, observed: &Observed<'_>) -> Assessed {
    if let Some(event) = observed.event {
        return settle(event_holds(assertion, event, observed));
    }
    let response = match &observed.face.exchange.reply {
        Ok(response) => response,
        Err(error) => return no_answer(assertion, error),
    };
    let checks = || -> Result<(), Flaw> {
        outcome_holds(binding, assertion, observed)?;
        documented_holds(binding, assertion, observed)?;
        body_holds(assertion, response, &Surroundings::of(observed))?;
        relations_hold(assertion, response, observed)
    };
    settle(checks())
}

/// Holds an exchange against what an outcome is recognised by; nothing but the answer counts.
pub(super) fn holds_alone(assertion: &Assertion, face: &Face<'_>) -> Assessed {
    match &face.exchange.reply {
        Ok(response) => settle(body_holds(assertion, response, &Surroundings::bare(face))),
        Err(error) => Assessed::NoAnswer(error.to_string()),
    }
}

/// Whether a filter means this exchange.
pub fn applies(binding: &FlowBinding, filter: &Filter, face: &Face<'_>) -> bool {
    let exchange = face.exchange;
    let Ok(response) = &exchange.reply else {
        return false;
    };
    let any = |list: &[String], holds: &dyn Fn(&str) -> bool| {
        list.is_empty() || list.iter().any(|one| holds(one))
    };
    let presented =
        exchange.request.headers.iter().any(|h| h.name.eq_ignore_ascii_case("authorization"));
    any(&filter.operation, &|name| name == exchange.operation)
        && any(&filter.method, &|method| method.eq_ignore_ascii_case(&exchange.request.method))
        && any(&filter.media_type, &|wanted| response.media_type().as_deref() == Some(wanted))
        && (filter.status.is_empty() || filter.status.iter().any(|s| s.matches(response.status)))
        && filter.credential.is_none_or(|wanted| wanted == presented)
        && any(&filter.outcome, &|name| is_class(binding, face, name))
}

fn settle(result: Result<(), Flaw>) -> Assessed {
    match result {
        Ok(()) => Assessed::Holds,
        Err(Flaw::Breaks(violation)) => Assessed::Breaks(violation),
        Err(Flaw::NoValue(error)) => Assessed::NoValue(error),
    }
}

fn no_answer(assertion: &Assertion, error: &WireError) -> Assessed {
    let names = |wanted: &str| assertion.outcome.iter().any(|name| name == wanted);
    if matches!(error, WireError::Closed(_)) && names("closed") {
        Assessed::Holds
    } else if names("answered") {
        Assessed::Breaks(Violation::new("an answer", error.to_string()))
    } else {
        Assessed::NoAnswer(error.to_string())
    }
}

/// The names and the clock around an answer.
pub(super) struct Surroundings<'a> {
    pub(super) scope: Scope<'a>,
    face: &'a Face<'a>,
}

static NOTHING: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();

impl<'a> Surroundings<'a> {
    pub(super) fn of(observed: &Observed<'a>) -> Self {
        Self {
            scope: Scope { bindings: &observed.entry.bindings, random: None },
            face: observed.face,
        }
    }

    fn bare(face: &'a Face<'a>) -> Self {
        Self { scope: Scope { bindings: &NOTHING, random: None }, face }
    }
}

fn outcome_holds(
    binding: &FlowBinding,
    assertion: &Assertion,
    observed: &Observed<'_>,
) -> Result<(), Flaw> {
    let wanted = &assertion.outcome;
    if wanted.is_empty() || wanted.iter().any(|name| is_class(binding, observed.face, name)) {
        return Ok(());
    }
    Err(Violation { wanted: wanted.clone(), got: shown(binding, observed) }.into())
}

fn documented_holds(
    binding: &FlowBinding,
    assertion: &Assertion,
    observed: &Observed<'_>,
) -> Result<(), Flaw> {
    let Ok(response) = &observed.face.exchange.reply else {
        return Ok(());
    };
    let mut failures = Violation::default();
    for name in &assertion.documented {
        let Some(outcome) = binding.outcome(name) else {
            continue;
        };
        let Some(documented) = &outcome.documented else {
            let got =
                "nothing to compare it with: neither the flow nor the profile says what it is";
            return Err(Violation::new(format!("the documented answer of `{name}`"), got).into());
        };
        let surroundings = Surroundings::of(observed);
        let result = body_holds(&outcome.recognise, response, &surroundings)
            .and_then(|()| body_holds(documented, response, &surroundings));
        match result {
            Ok(()) => return Ok(()),
            Err(Flaw::NoValue(error)) => return Err(error.into()),
            Err(Flaw::Breaks(violation)) => {
                failures
                    .wanted
                    .extend(violation.wanted.into_iter().map(|w| format!("`{name}`: {w}")));
                failures.got = violation.got;
            }
        }
    }
    if assertion.documented.is_empty() { Ok(()) } else { Err(failures.into()) }
}

fn body_holds(
    assertion: &Assertion,
    response: &Response,
    around: &Surroundings<'_>,
) -> Result<(), Flaw> {
    let status = &assertion.status;
    if !status.is_empty() && !status.iter().any(|pattern| pattern.matches(response.status)) {
        let wanted = status.iter().map(|pattern| format!("status {pattern}")).collect();
        return Err(Violation { wanted, got: format!("status {}", response.status) }.into());
    }
    media_type_holds(assertion, response)?;
    for (name, matcher) in &assertion.headers {
        header_holds(name, matcher, response, around)?;
    }
    if let Some(matcher) = &assertion.text {
        one_holds("the body", matcher, around.face.text(), None, around)?;
    }
    json_holds(
        "the body",
        &assertion.json,
        around.face.json(),
        || cut(&response.body.text()),
        around,
    )?;
    if let Some(limit) = assertion.within {
        let took =
            around.face.exchange.timing.done.saturating_sub(around.face.exchange.timing.sent);
        if took > limit {
            let got = format!("an answer after {took:?}");
            return Err(Violation::new(format!("an answer within {limit:?}"), got).into());
        }
    }
    Ok(())
}

fn media_type_holds(assertion: &Assertion, response: &Response) -> Result<(), Flaw> {
    let wanted = &assertion.media_type;
    let actual = response.media_type();
    if wanted.is_empty() || wanted.iter().any(|one| actual.as_deref() == Some(one)) {
        return Ok(());
    }
    let got =
        actual.map_or_else(|| "no media type".to_owned(), |actual| format!("media type {actual}"));
    let wanted = wanted.iter().map(|one| format!("media type {one}")).collect();
    Err(Violation { wanted, got }.into())
}

fn header_holds(
    name: &str,
    matcher: &Matcher,
    response: &Response,
    around: &Surroundings<'_>,
) -> Result<(), Flaw> {
    let values: Vec<Value> = response
        .header_values(name)
        .map(|value| Value::String(value.text().into_owned()))
        .collect();
    let what = format!("the header field {name}");
    // A repeated field is right when one of its values is (RFC 9110 section 5.3), unless it must not be there.
    let results: Vec<_> = match values.as_slice() {
        [] => vec![one_holds(&what, matcher, None, None, around)],
        values => values
            .iter()
            .map(|value| one_holds(&what, matcher, Some(value), None, around))
            .collect(),
    };
    let may_be_there = values.is_empty() || !matcher.wants_absence();
    if may_be_there && results.iter().any(Result::is_ok) {
        return Ok(());
    }
    results.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

pub(super) fn json_holds(
    what: &str,
    members: &[(JsonPath, Matcher)],
    json: Option<&Value>,
    text: impl Fn() -> String,
    around: &Surroundings<'_>,
) -> Result<(), Flaw> {
    if members.is_empty() {
        return Ok(());
    }
    let Some(json) = json else {
        if members.iter().all(|(_, matcher)| matcher.wants_absence()) {
            return Ok(());
        }
        return Err(Violation::new(format!("JSON in {what}"), format!("{:?}", text())).into());
    };
    for (path, matcher) in members {
        let found = path.find(json);
        let place = format!("{path} of {what}");
        if found.is_empty() {
            one_holds(&place, matcher, None, Some(json), around)?;
        }
        for value in found {
            one_holds(&place, matcher, Some(value), Some(json), around)?;
        }
    }
    Ok(())
}

pub(super) fn one_holds(
    what: &str,
    matcher: &Matcher,
    value: Option<&Value>,
    root: Option<&Value>,
    around: &Surroundings<'_>,
) -> Result<(), Flaw> {
    let actual = Actual { value, root, now: &|| around.face.now() };
    matcher.test(&actual, &around.scope).map_err(|mismatch| {
        let wanted = match mismatch {
            Mismatch::Other(wanted) => wanted,
            Mismatch::NoValue(error) => return error.into(),
        };
        let got = value.map_or_else(|| "nothing there".to_owned(), |value| cut(&value.to_string()));
        Violation::new(format!("{what}: {wanted}"), format!("{what}: {got}")).into()
    })
}

fn event_holds(
    assertion: &Assertion,
    event: &SocketEvent,
    observed: &Observed<'_>,
) -> Result<(), Flaw> {
    let around = Surroundings::of(observed);
    let described = || super::evidence::event(event);
    if !assertion.event.is_empty() && !assertion.event.iter().any(|name| name == event.name()) {
        return Err(Violation { wanted: assertion.event.clone(), got: described() }.into());
    }
    if let Some(matcher) = &assertion.close_code {
        let code = match event {
            SocketEvent::Closed { code, .. } => code.map(Value::from),
            _ => None,
        };
        one_holds("the close code", matcher, code.as_ref(), None, &around)?;
    }
    match event {
        SocketEvent::Message { payload, .. } => {
            let message = Response { body: payload.clone(), ..Response::default() };
            json_holds(
                "the message",
                &assertion.json,
                payload.json().as_ref(),
                described,
                &around,
            )?;
            if let Some(matcher) = &assertion.text {
                let text = Value::String(payload.text().into_owned());
                one_holds("the message", matcher, Some(&text), None, &around)?;
            }
            relations_hold(assertion, &message, observed)
        }
        SocketEvent::Refused(response) | SocketEvent::Opened(response) => {
            body_holds(assertion, response, &around)?;
            relations_hold(assertion, response, observed)
        }
        _ if assertion.json.is_empty() && assertion.text.is_none() => {
            values_hold(assertion, &around)
        }
        _ => Err(Violation::new("a message", described()).into()),
    }
}
