//! From a case to requests: first to the words of a scenario file, then to a scenario that the engine runs. What is
//! written into a corpus and what is sent are made from the same words.

use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;
use serde_json::{Value, json};

use super::case::{
    Act, Bearer, Call, Case, Claim, Idle, Place, Spelling, Step, TokenId, TokenKind,
};
use super::model::{Rules, State};
use crate::model::{Flow, WireKind};
use crate::scenario::raw::{RawBody, RawHeader, RawPart, RawPlace, RawSend};
use crate::scenario::{
    Action, Body, Capture, HookStep, JsonTemplate, Place as PlaceMeant, Race, Scenario, SendStep,
    Source, Span, Step as ScenarioStep, Wait,
};
use crate::source::{SourceFile, Template};
use crate::target::{Credential, FlowBinding, Operation};

/// The connection that all requests of a case share: what a server remembers of one is part of its state.
pub(crate) const CONNECTION: &str = "one";

/// The request of a call, in the words of a scenario file.
pub(crate) fn words(binding: &FlowBinding, call: &Call) -> RawSend {
    let mut send = RawSend {
        operation: call.operation.to_owned(),
        environment: call.environment.clone(),
        method: call.method.map(str::to_owned),
        ..RawSend::default()
    };
    let Some(operation) = binding.operations.get(call.operation) else {
        return send;
    };
    for (name, value) in &call.with {
        if *name == "grant_type" && value.is_empty() {
            send.without.push((*name).to_owned());
        } else {
            send.with.insert((*name).to_owned(), Value::from(value.replace("${", "$${")));
        }
    }
    if let Some((role, claim)) = &call.login {
        log_in(binding, operation, &mut send, (role, *claim), call.environment.as_deref());
    }
    present(operation, &mut send, call.bearer);
    if let Some(refresh) = call.refresh {
        present_refresh(&mut send, refresh);
    }
    match call.idle {
        None => {}
        Some(Idle::Query) => send.query = Some("unexpected=1".to_owned()),
        Some(Idle::Field) => field(&mut send, "X-Unexpected", "1"),
        Some(Idle::Origin) => field(&mut send, "Origin", "https://unexpected.example"),
        Some(Idle::Cookie) => field(&mut send, "Cookie", "unexpected=1"),
        Some(Idle::Parameter) => {
            send.with.insert("unexpected".to_owned(), Value::from("1"));
            send.place.insert("unexpected".to_owned(), place(RawPart::Body));
        }
    }
    send
}

fn place(part: RawPart) -> RawPlace {
    RawPlace { part, name: None, scheme: None }
}

fn field(send: &mut RawSend, name: &str, value: &str) {
    send.headers.push(RawHeader { name: name.to_owned(), value: value.to_owned() });
}

/// The parameters that hold the user's name and the password, with the fields of the account that fill them.
pub(crate) fn credentials(operation: &Operation) -> Option<(&str, &str, &str, &str)> {
    let find = |fits: &dyn Fn(&str) -> bool| {
        operation
            .identity
            .iter()
            .find(|(_, field)| fits(field))
            .map(|(name, field)| (name.as_str(), field.as_str()))
    };
    let (user, user_field) = find(&|field| field == "username" || field == "client_id")?;
    let (password, password_field) =
        find(&|field| field.contains("password") || field.contains("secret"))?;
    Some((user, user_field, password, password_field))
}

fn log_in(
    binding: &FlowBinding,
    operation: &Operation,
    send: &mut RawSend,
    (role, claim): (&str, Claim),
    environment: Option<&str>,
) {
    send.identity = Some(role.to_owned());
    let Some((user, user_field, password, password_field)) = credentials(operation) else {
        return;
    };
    let secret_field = password_field.replace("{environment}", environment.unwrap_or_default());
    let secret = |role: &str, change: &str| {
        Value::from(format!("${{identity.{role}.{secret_field}{change}}}"))
    };
    let name = |change: &str| Value::from(format!("${{identity.{role}.{user_field}{change}}}"));
    let mut set = |parameter: &str, value: Value| {
        send.with.insert(parameter.to_owned(), value);
    };
    match claim {
        Claim::Right => {}
        Claim::Wrong => set(password, secret(role, "|flip_last")),
        Claim::Foreign => {
            let other = binding
                .identities
                .keys()
                .find(|other| *other != role && ["first", "second"].contains(&other.as_str()));
            set(
                password,
                other.map_or_else(|| secret(role, "|flip_first"), |other| secret(other, "")),
            );
        }
        Claim::Unknown if user_field == "client_id" => {
            set(user, Value::from("bm9ib2R5LmV4YW1wbGU="));
        }
        Claim::Unknown => set(user, Value::from("nobody.of.this.name")),
        Claim::NoPassword => send.without.push(password.to_owned()),
        Claim::NoUsername => send.without.push(user.to_owned()),
        Claim::EmptyPassword => set(password, Value::from("")),
        Claim::Padded => {
            set(password, Value::from(format!("${{identity.{role}.{secret_field}}} ")));
        }
        Claim::Longer => {
            set(password, Value::from(format!("${{identity.{role}.{secret_field}}}x")));
        }
        Claim::Folded => set(password, secret(role, "|upper")),
        Claim::NameFolded => set(user, name("|upper")),
        Claim::Wildcard if binding.flow == Flow::VisitorLogin => {
            set(user, Value::from(format!("${{identity.{role}.{user_field}}}' -- ")));
            set(password, Value::from("x"));
        }
        Claim::Wildcard => set(user, Value::from("%")),
        Claim::Repeated => set(password, json!([secret(role, "|flip_last"), secret(role, "")])),
        Claim::Query | Claim::Json => {
            let part = if claim == Claim::Query { RawPart::Query } else { RawPart::Json };
            // All of them: a request has one body.
            for parameter in operation.parameters.keys() {
                let given = operation.identity.contains_key(parameter)
                    || operation.defaults.contains_key(parameter);
                if given || send.with.contains_key(parameter) {
                    send.place.insert(parameter.clone(), place(part));
                }
            }
        }
        Claim::Untyped => field(send, "Content-Type", "text/plain"),
    }
}

/// The header field that holds the token of an operation, and the scheme word in front of it.
pub(crate) fn credential<'a>(binding: &'a FlowBinding, operation: &str) -> (&'a str, &'a str) {
    binding.operations.get(operation).map_or(("Authorization", "Bearer"), header_of)
}

fn header_of(operation: &Operation) -> (&str, &str) {
    match &operation.credential {
        Some(Credential::Header { name, scheme }) => (name, scheme.as_deref().unwrap_or("Bearer")),
        _ => ("Authorization", "Bearer"),
    }
}

fn present(operation: &Operation, send: &mut RawSend, bearer: Bearer) {
    let (header, scheme) = header_of(operation);
    let has_place = operation.credential.is_some();
    match bearer {
        Bearer::None => {}
        Bearer::Token(id) if has_place => send.token = Some(format!("${{{id}}}")),
        Bearer::Token(id) => field(send, header, &format!("{scheme} ${{{id}}}")),
        Bearer::Stranger if has_place => send.token = Some(STRANGER.to_owned()),
        Bearer::Stranger => field(send, header, &format!("{scheme} {STRANGER}")),
        Bearer::Altered(id, guise) => send.token = Some(guise.template(id)),
        Bearer::Spelt(id, spelling) => {
            let lower = header.to_lowercase();
            let name = if spelling == Spelling::LowerField { &lower } else { header };
            field(send, name, &spelling.template(scheme, id));
        }
        Bearer::Twice(id, good_first) => {
            let good = format!("{scheme} ${{{id}}}");
            let bad = format!("{scheme} {STRANGER}");
            let (first, last) = if good_first { (good, bad) } else { (bad, good) };
            field(send, header, &first);
            field(send, header, &last);
        }
        Bearer::Elsewhere(id, at) => elsewhere(send, scheme, id, at),
    }
}

fn elsewhere(send: &mut RawSend, scheme: &str, id: TokenId, at: Place) {
    match at {
        Place::Query(name) => send.query = Some(format!("{name}=${{{id}|percent}}")),
        Place::Cookie(name) => field(send, "Cookie", &format!("{name}=${{{id}}}")),
        Place::Field(name) if name.ends_with("Authorization") => {
            field(send, name, &format!("{scheme} ${{{id}}}"));
        }
        Place::Field(name) => field(send, name, &format!("${{{id}}}")),
        Place::Form => {
            let text = format!(
                "access_token=${{{id}|percent}}&refresh_token=${{{id}|percent}}&token=${{{id}|percent}}"
            );
            send.body = Some(RawBody {
                media_type: Some("application/x-www-form-urlencoded".to_owned()),
                text: Some(text),
                json: None,
            });
        }
        Place::Json => {
            let token = format!("${{{id}}}");
            let json = json!({"access_token": token, "refresh_token": token, "accesstoken": token, "token": token});
            send.body = Some(RawBody { media_type: None, text: None, json: Some(json) });
        }
    }
}

fn present_refresh(send: &mut RawSend, refresh: Bearer) {
    let value = match refresh {
        Bearer::None => return,
        Bearer::Token(id) => format!("${{{id}}}"),
        Bearer::Stranger => STRANGER.to_owned(),
        Bearer::Altered(id, guise) => guise.template(id),
        Bearer::Elsewhere(id, at) => {
            elsewhere(send, "Bearer", id, at);
            return;
        }
        Bearer::Spelt(id, _) | Bearer::Twice(id, _) => format!("x ${{{id}}}"),
    };
    send.with.insert("refresh_token".to_owned(), Value::from(value));
}

/// A token that nobody issued, in the form of most.
const STRANGER: &str = "${random_hex(48)}";

/// The names that the answer to a call is kept under, with the fields of the answer.
pub(crate) fn captures(
    binding: &FlowBinding,
    call: &Call,
    at: (u16, u8),
) -> Vec<(String, &'static str)> {
    let fields = binding.operations.get(call.operation).map(|operation| &operation.answer);
    let known = |name: &str| fields.is_some_and(|fields| fields.contains_key(name));
    let wanted = [
        ("token", TokenKind::Access),
        ("access_token", TokenKind::Access),
        ("refresh_token", TokenKind::Refresh),
    ];
    let named = wanted.into_iter().filter(|(field, _)| known(field));
    named
        .map(|(field, kind)| (TokenId { step: at.0, side: at.1, kind }.to_string(), field))
        .collect()
}

/// What is asked after two requests at the same moment, to see what they left behind.
pub(crate) fn after_race(binding: &FlowBinding, step: u16, pair: &[Call; 2]) -> Vec<Call> {
    let mut after = Vec::new();
    let mut ask = |bearer: Bearer, environment: &Option<String>| {
        let call = Call {
            operation: "validate",
            environment: environment.clone(),
            bearer,
            ..Call::default()
        };
        if !after.contains(&call) {
            after.push(call);
        }
    };
    for (side, call) in (0..).zip(pair) {
        if captures(binding, call, (step, side)).is_empty() {
            if let Bearer::Token(id) = call.bearer {
                ask(Bearer::Token(id), &call.environment);
            }
        } else {
            ask(Bearer::Token(TokenId { step, side, kind: TokenKind::Access }), &call.environment);
        }
    }
    after
}

/// The label of a step in a trace.
pub(crate) fn label(step: u16) -> String {
    format!("step {step}")
}

/// The scenario of a case. `tidy` puts back what it changed, for a server that others use after it.
///
/// # Errors
/// A template that is none, which is a mistake in this module.
pub(crate) fn scenario(
    binding: &FlowBinding,
    rules: &Rules,
    case: &Case,
    source: &Arc<SourceFile>,
) -> Result<Scenario, String> {
    let mut steps = Vec::new();
    for step in &case.steps {
        steps.push(lower_step(binding, step)?);
    }
    if !rules.fresh {
        steps.extend(tidy(rules, case)?);
    }
    Ok(Scenario {
        name: "fuzz".to_owned(),
        title: String::new(),
        flow: case.flow,
        needs: Vec::new(),
        checks: IndexMap::new(),
        controls: IndexMap::new(),
        steps,
        always: Vec::new(),
        expectations: Vec::new(),
        source: Arc::clone(source),
    })
}

/// Accounts go back to the states they had.
fn tidy(rules: &Rules, case: &Case) -> Result<Vec<ScenarioStep>, String> {
    let start: State = rules.start();
    let mut changed: Vec<&String> = Vec::new();
    let mut failing = false;
    for step in &case.steps {
        match &step.act {
            Act::Account { role, .. } if !changed.contains(&role) => changed.push(role),
            Act::Database(fails) => failing = *fails,
            _ => {}
        }
    }
    let mut steps = Vec::new();
    for role in changed {
        let state = start.accounts.get(role).copied().unwrap_or("active");
        steps.push(hook("tidy", "accounts", &[("identity", role), ("state", state)])?);
    }
    if failing {
        steps.push(hook("tidy", "database", &[("failing", "false")])?);
    }
    Ok(steps)
}

fn lower_step(binding: &FlowBinding, step: &Step) -> Result<ScenarioStep, String> {
    let label = label(step.id);
    match &step.act {
        Act::Account { role, state } => {
            hook(&label, "accounts", &[("identity", role), ("state", state)])
        }
        Act::Advance(by) => {
            let span = Span::Fixed(Duration::from_millis(*by));
            Ok(plain(&label, Action::Wait(Wait { span, since: None })))
        }
        Act::Database(failing) => {
            hook(&label, "database", &[("failing", if *failing { "true" } else { "false" })])
        }
        Act::Press(kind) => hook(&label, "press", &[("kind", kind)]),
        Act::Restart => hook(&label, "restart", &[]),
        Act::Revoke(id) => hook(&label, "revoke", &[("token", &format!("${{{id}}}"))]),
        Act::Call(call) => {
            let send = lower_send(&words(binding, call))?;
            let mut lowered = plain(&label, Action::Send(Box::new(send)));
            lowered.capture = kept(binding, call, (step.id, 0));
            Ok(lowered)
        }
        Act::Race(pair) => {
            let alone = |call: &Call| -> Result<SendStep, String> {
                Ok(SendStep { connection: None, ..lower_send(&words(binding, call))? })
            };
            let after = after_race(binding, step.id, pair);
            let race = Race {
                repeats: 1,
                prepare: Vec::new(),
                requests: [alone(&pair[0])?, alone(&pair[1])?],
                keep: [
                    kept(binding, &pair[0], (step.id, 0)),
                    kept(binding, &pair[1], (step.id, 1)),
                ],
                after: after
                    .iter()
                    .map(|call| lower_send(&words(binding, call)))
                    .collect::<Result<_, _>>()?,
            };
            Ok(plain(&label, Action::Race(Box::new(race))))
        }
    }
}

fn plain(label: &str, action: Action) -> ScenarioStep {
    ScenarioStep {
        label: label.to_owned(),
        when: None,
        each: Vec::new(),
        forge: None,
        controls: Vec::new(),
        mark: None,
        action,
        expect: None,
        capture: Vec::new(),
    }
}

fn hook(label: &str, name: &str, with: &[(&str, &str)]) -> Result<ScenarioStep, String> {
    let with: Result<Vec<(String, Template)>, String> =
        with.iter().map(|(key, value)| Ok(((*key).to_owned(), Template::parse(value)?))).collect();
    Ok(plain(label, Action::Hook(HookStep { name: name.to_owned(), say: None, with: with? })))
}

fn kept(binding: &FlowBinding, call: &Call, at: (u16, u8)) -> Vec<Capture> {
    let capture = |(name, field): (String, &str)| Capture {
        name,
        source: Source::Field(field.to_owned()),
        secret: true,
    };
    captures(binding, call, at).into_iter().map(capture).collect()
}

/// A request as meant, from the words of a scenario file.
///
/// # Errors
/// A template that is none.
pub(crate) fn lower_send(raw: &RawSend) -> Result<SendStep, String> {
    let template = |text: &Option<String>| text.as_deref().map(Template::parse).transpose();
    let values = |value: &Value| match value {
        Value::Array(items) => items.iter().map(JsonTemplate::parse).collect::<Result<Vec<_>, _>>(),
        one => Ok(vec![JsonTemplate::parse(one)?]),
    };
    let body = match &raw.body {
        Some(body) => Some(Body {
            media_type: body.media_type.clone(),
            text: template(&body.text)?,
            json: body.json.as_ref().map(JsonTemplate::parse).transpose()?,
        }),
        None => None,
    };
    let placed = |place: &RawPlace| PlaceMeant {
        part: place.part,
        name: place.name.clone(),
        scheme: place.scheme.clone(),
    };
    Ok(SendStep {
        operation: raw.operation.clone(),
        environment: template(&raw.environment)?,
        identity: template(&raw.identity)?,
        token: template(&raw.token)?,
        authorization: template(&raw.authorization)?,
        with: raw
            .with
            .iter()
            .map(|(name, value)| Ok((name.clone(), values(value)?)))
            .collect::<Result<_, String>>()?,
        without: raw.without.clone(),
        place: raw.place.iter().map(|(name, place)| (name.clone(), placed(place))).collect(),
        headers: raw
            .headers
            .iter()
            .map(|header| Ok((header.name.clone(), Template::parse(&header.value)?)))
            .collect::<Result<_, String>>()?,
        method: raw.method.clone(),
        path: template(&raw.path)?,
        query: template(&raw.query)?,
        body,
        wire: WireKind::Raw,
        connection: Some(CONNECTION.to_owned()),
        verbatim: template(&raw.verbatim)?,
    })
}
