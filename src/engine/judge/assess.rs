//! Holds one answer against one assertion.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::classify::is_class;
use super::evidence::{cut, shown};
use crate::model::{
    Act, Entry, Exchange, Header, Response, Role, SocketEvent, Trace, Violation, WireError, parse_http_date,
};
use crate::scenario::{Actual, Assertion, Filter, JwtAssertion, Matcher, SameAs};
use crate::source::{JsonPath, Scope};
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
}

/// What there is to look at.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// The exchange.
    pub exchange: &'a Exchange,
    /// What was seen on a socket.
    pub event: Option<&'a SocketEvent>,
    /// The entry of the trace that it belongs to.
    pub entry: &'a Entry,
    /// The whole trace.
    pub trace: &'a Trace,
}

/// An exchange by itself: enough to tell its class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lone<'a> {
    exchange: &'a Exchange,
}

impl Observed<'_> {
    pub(super) const fn alone(exchange: &Exchange) -> Lone<'_> {
        Lone { exchange }
    }
}

/// Holds what was observed against an assertion.
pub fn assess(binding: &FlowBinding, assertion: &Assertion, observed: &Observed<'_>) -> Assessed {
    if let Some(event) = observed.event {
        return settle(event_holds(assertion, event, observed));
    }
    let response = match &observed.exchange.reply {
        Ok(response) => response,
        Err(error) => return no_answer(assertion, error),
    };
    let checks = || -> Result<(), Violation> {
        outcome_holds(binding, assertion, observed)?;
        documented_holds(binding, assertion, observed)?;
        body_holds(assertion, response, &Surroundings::of(observed))?;
        relations_hold(assertion, response, observed)
    };
    settle(checks())
}

/// Holds an exchange against what an outcome is recognised by; nothing but the answer counts.
pub(super) fn holds_alone(assertion: &Assertion, lone: &Lone<'_>) -> Assessed {
    match &lone.exchange.reply {
        Ok(response) => settle(body_holds(assertion, response, &Surroundings::bare(lone.exchange))),
        Err(error) => Assessed::NoAnswer(error.to_string()),
    }
}

/// Whether a filter means this exchange.
pub(super) fn filter(binding: &FlowBinding, filter: &Filter, exchange: &Exchange) -> bool {
    let Ok(response) = &exchange.reply else { return false };
    let any = |list: &[String], holds: &dyn Fn(&str) -> bool| list.is_empty() || list.iter().any(|one| holds(one));
    let presented = exchange.request.headers.iter().any(|h| h.name.eq_ignore_ascii_case("authorization"));
    any(&filter.operation, &|name| name == exchange.operation)
        && any(&filter.method, &|method| method.eq_ignore_ascii_case(&exchange.request.method))
        && any(&filter.outcome, &|name| is_class(binding, exchange, name))
        && any(&filter.media_type, &|wanted| response.media_type().as_deref() == Some(wanted))
        && (filter.status.is_empty() || filter.status.iter().any(|s| s.matches(response.status)))
        && filter.credential.is_none_or(|wanted| wanted == presented)
}

fn settle(result: Result<(), Violation>) -> Assessed {
    match result {
        Ok(()) => Assessed::Holds,
        Err(violation) => Assessed::Breaks(violation),
    }
}

fn no_answer(assertion: &Assertion, error: &WireError) -> Assessed {
    let closed = matches!(error, WireError::Closed(_)) && assertion.outcome.iter().any(|name| name == "closed");
    if closed { Assessed::Holds } else { Assessed::NoAnswer(error.to_string()) }
}

/// The names and the clock around an answer.
struct Surroundings<'a> {
    scope: Scope<'a>,
    now: Option<i64>,
    exchange: &'a Exchange,
}

static NOTHING: std::collections::BTreeMap<String, String> = std::collections::BTreeMap::new();

impl<'a> Surroundings<'a> {
    fn of(observed: &Observed<'a>) -> Self {
        let scope = Scope { bindings: &observed.entry.bindings, random: None };
        Self { scope, now: server_now(observed.exchange), exchange: observed.exchange }
    }

    fn bare(exchange: &'a Exchange) -> Self {
        Self { scope: Scope { bindings: &NOTHING, random: None }, now: server_now(exchange), exchange }
    }
}

/// The server's own statement of its time, else what its clock hook said.
fn server_now(exchange: &Exchange) -> Option<i64> {
    let stated = exchange.reply.as_ref().ok().and_then(|r| r.header("date")).and_then(|date| parse_http_date(&date));
    stated.or_else(|| exchange.server_now.map(|millis| millis.div_euclid(1_000)))
}

fn outcome_holds(binding: &FlowBinding, assertion: &Assertion, observed: &Observed<'_>) -> Result<(), Violation> {
    let wanted = &assertion.outcome;
    if wanted.is_empty() || wanted.iter().any(|name| is_class(binding, observed.exchange, name)) {
        return Ok(());
    }
    Err(Violation { wanted: wanted.clone(), got: shown(binding, observed) })
}

fn documented_holds(binding: &FlowBinding, assertion: &Assertion, observed: &Observed<'_>) -> Result<(), Violation> {
    let Ok(response) = &observed.exchange.reply else { return Ok(()) };
    let mut failures = Violation::default();
    for name in &assertion.documented {
        let Some(outcome) = binding.outcome(name) else { continue };
        let Some(documented) = &outcome.documented else {
            return Err(Violation::new(
                format!("the documented answer of `{name}`"),
                "nothing to compare it with: neither the flow nor the profile says what it is",
            ));
        };
        let surroundings = Surroundings::of(observed);
        let result = body_holds(&outcome.recognise, response, &surroundings)
            .and_then(|()| body_holds(documented, response, &surroundings));
        match result {
            Ok(()) => return Ok(()),
            Err(violation) => {
                failures.wanted.extend(violation.wanted.into_iter().map(|w| format!("`{name}`: {w}")));
                failures.got = violation.got;
            }
        }
    }
    if assertion.documented.is_empty() { Ok(()) } else { Err(failures) }
}

fn body_holds(assertion: &Assertion, response: &Response, around: &Surroundings<'_>) -> Result<(), Violation> {
    let status = &assertion.status;
    if !status.is_empty() && !status.iter().any(|pattern| pattern.matches(response.status)) {
        let wanted = status.iter().map(|pattern| format!("status {pattern}")).collect();
        return Err(Violation { wanted, got: format!("status {}", response.status) });
    }
    media_type_holds(assertion, response)?;
    for (name, matcher) in &assertion.headers {
        header_holds(name, matcher, response, around)?;
    }
    if let Some(matcher) = &assertion.text {
        let text = Value::String(response.body.text().into_owned());
        one_holds("the body", matcher, Some(&text), None, around)?;
    }
    json_holds("the body", &assertion.json, response.body.json().as_ref(), || cut(&response.body.text()), around)?;
    if let Some(limit) = assertion.within {
        let took = around.exchange.timing.done.saturating_sub(around.exchange.timing.sent);
        if took > limit {
            return Err(Violation::new(format!("an answer within {limit:?}"), format!("an answer after {took:?}")));
        }
    }
    Ok(())
}

fn media_type_holds(assertion: &Assertion, response: &Response) -> Result<(), Violation> {
    let wanted = &assertion.media_type;
    let actual = response.media_type();
    if wanted.is_empty() || wanted.iter().any(|one| actual.as_deref() == Some(one)) {
        return Ok(());
    }
    let got = actual.map_or_else(|| "no media type".to_owned(), |actual| format!("media type {actual}"));
    Err(Violation { wanted: wanted.iter().map(|one| format!("media type {one}")).collect(), got })
}

fn header_holds(name: &str, matcher: &Matcher, response: &Response, around: &Surroundings<'_>) -> Result<(), Violation> {
    let values: Vec<Value> =
        response.header_values(name).map(|value| Value::String(value.text().into_owned())).collect();
    let what = format!("the header field {name}");
    // A repeated field is right when one of its values is (RFC 9110 section 5.3), unless it must not be there.
    let results: Vec<_> = match values.as_slice() {
        [] => vec![one_holds(&what, matcher, None, None, around)],
        values => values.iter().map(|value| one_holds(&what, matcher, Some(value), None, around)).collect(),
    };
    if results.iter().any(Result::is_ok) && !(matcher.wants_absence() && !values.is_empty()) {
        return Ok(());
    }
    results.into_iter().find(Result::is_err).unwrap_or(Ok(()))
}

fn json_holds(
    what: &str,
    members: &[(JsonPath, Matcher)],
    json: Option<&Value>,
    text: impl Fn() -> String,
    around: &Surroundings<'_>,
) -> Result<(), Violation> {
    if members.is_empty() {
        return Ok(());
    }
    let Some(json) = json else {
        if members.iter().all(|(_, matcher)| matcher.wants_absence()) {
            return Ok(());
        }
        return Err(Violation::new(format!("JSON in {what}"), format!("{:?}", text())));
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

fn one_holds(
    what: &str,
    matcher: &Matcher,
    value: Option<&Value>,
    root: Option<&Value>,
    around: &Surroundings<'_>,
) -> Result<(), Violation> {
    let actual = Actual { value, root, now: around.now };
    matcher.test(&actual, &around.scope).map_err(|wanted| {
        let got = value.map_or_else(|| "nothing there".to_owned(), |value| cut(&value.to_string()));
        Violation::new(format!("{what}: {wanted}"), format!("{what}: {got}"))
    })
}

fn relations_hold(assertion: &Assertion, response: &Response, observed: &Observed<'_>) -> Result<(), Violation> {
    let around = Surroundings::of(observed);
    values_hold(assertion, &around)?;
    if let Some(jwt) = &assertion.jwt {
        jwt_holds(jwt, &around)?;
    }
    if let Some(same) = &assertion.same_as {
        same_holds(same, response, observed)?;
    }
    if let Some(except) = &assertion.no_secrets {
        no_secrets(except, response, observed)?;
    }
    if let Some(path) = &assertion.status_equals {
        let json = response.body.json();
        let stated = json.as_ref().and_then(|json| path.first(json));
        if stated.and_then(Value::as_u64) != Some(u64::from(response.status)) {
            let got = stated.map_or_else(|| "nothing there".to_owned(), Value::to_string);
            let wanted = format!("{path} is the status code {}", response.status);
            return Err(Violation::new(wanted, format!("{path}: {got}")));
        }
    }
    Ok(())
}

fn values_hold(assertion: &Assertion, around: &Surroundings<'_>) -> Result<(), Violation> {
    for (template, matcher) in &assertion.values {
        let text = template
            .text(&around.scope)
            .map_err(|error| Violation::new("a captured value", error.to_string()))?;
        // A captured number is compared as the number that it was.
        let as_number = text.parse::<i64>().ok().map(Value::from);
        let as_text = Value::String(text);
        let what = "the captured value";
        let result = one_holds(what, matcher, Some(&as_text), None, around);
        match (result, as_number) {
            (Err(_), Some(number)) => one_holds(what, matcher, Some(&number), None, around)?,
            (result, _) => result?,
        }
    }
    Ok(())
}

fn jwt_holds(jwt: &JwtAssertion, around: &Surroundings<'_>) -> Result<(), Violation> {
    let wrong = |got: String| Violation::new("a JWT in compact form", got);
    let token = jwt.token.text(&around.scope).map_err(|error| wrong(error.to_string()))?;
    let segments: Vec<&str> = token.split('.').collect();
    let [header, payload, _] = segments.as_slice() else {
        return Err(wrong(format!("a token of {} segments", segments.len())));
    };
    for (name, segment, members) in [("the JOSE header", header, &jwt.header), ("the payload", payload, &jwt.payload)] {
        let decoded = URL_SAFE_NO_PAD.decode(segment).map_err(|error| wrong(format!("{name}: {error}")))?;
        let json: Option<Value> = serde_json::from_slice(&decoded).ok();
        json_holds(name, members, json.as_ref(), || String::from_utf8_lossy(&decoded).into_owned(), around)?;
    }
    Ok(())
}

fn same_holds(same: &SameAs, response: &Response, observed: &Observed<'_>) -> Result<(), Violation> {
    let named = |entry: &&Entry| entry.role == Role::Step && entry.step == same.step;
    let earlier = observed.trace.entries.iter().find(named).and_then(|entry| match &entry.act {
        Act::Exchange(exchange) => exchange.reply.as_ref().ok(),
        _ => None,
    });
    let Some(earlier) = earlier else {
        return Err(Violation::new(format!("the answer of `{}`", same.step), "no such answer to compare with"));
    };
    let wanted = |what: &str| format!("the same {what} as in `{}`", same.step);
    if earlier.status != response.status {
        let got = format!("status {} instead of {}", response.status, earlier.status);
        return Err(Violation::new(wanted("status"), got));
    }
    if earlier.body != response.body {
        let got = format!("{:?} instead of {:?}", cut(&response.body.text()), cut(&earlier.body.text()));
        return Err(Violation::new(wanted("body"), got));
    }
    let (ours, theirs) = (comparable(response, same), comparable(earlier, same));
    if ours != theirs {
        return Err(Violation::new(wanted("header fields"), format!("{ours:?} instead of {theirs:?}")));
    }
    Ok(())
}

/// Header fields that change from answer to answer without saying anything.
const INCIDENTAL: [&str; 8] =
    ["date", "x-request-id", "x-correlation-id", "server-timing", "age", "connection", "keep-alive", "set-cookie"];

fn comparable(response: &Response, same: &SameAs) -> Vec<(String, String)> {
    let named = |header: &Header| (header.name.to_lowercase(), header.value.text().into_owned());
    let mut headers: Vec<_> = response
        .headers
        .iter()
        .map(named)
        .filter(|(name, _)| !INCIDENTAL.contains(&name.as_str()) && !same.except.contains(name))
        .collect();
    headers.sort();
    headers
}

/// Shorter values are words, not secrets.
const SHORTEST_SECRET: usize = 6;

fn no_secrets(except: &[String], response: &Response, observed: &Observed<'_>) -> Result<(), Violation> {
    let body = response.body.text();
    let known = observed.trace.secrets.iter().take(observed.entry.known_before);
    for (name, value) in known.filter(|(_, value)| value.len() >= SHORTEST_SECRET) {
        let excused = except.iter().any(|one| observed.entry.bindings.get(one) == Some(value) || one == name);
        if excused {
            continue;
        }
        let in_header = response.headers.iter().find(|h| h.value.text().contains(value.as_str()));
        let place = match in_header {
            Some(header) => format!("the header field {}", header.name),
            None if body.contains(value.as_str()) => "the body".to_owned(),
            None => continue,
        };
        return Err(Violation::new("an answer without secrets of the run", format!("${{{name}}} in {place}")));
    }
    Ok(())
}

fn event_holds(assertion: &Assertion, event: &SocketEvent, observed: &Observed<'_>) -> Result<(), Violation> {
    let around = Surroundings::of(observed);
    let described = || super::evidence::event(event);
    if !assertion.event.is_empty() && !assertion.event.iter().any(|name| name == event.name()) {
        return Err(Violation { wanted: assertion.event.clone(), got: described() });
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
            json_holds("the message", &assertion.json, payload.json().as_ref(), described, &around)?;
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
        _ if assertion.json.is_empty() && assertion.text.is_none() => values_hold(assertion, &around),
        _ => Err(Violation::new("a message", described())),
    }
}

