//! Generating tokens: for an open window, or under the authority of a token.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};

use super::defects::{is_child, newest};
use super::device::Press;
use super::{Refusal, TOKEN_LENGTH, Token, WINDOW, authorize, error, problem, token_json};
use crate::account::Flow;
use crate::app::{App, Peer};
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{Answer, FORM, Field, Form, json, media_type, read_body, secret};
use crate::variant::Variant;

const NAME: &str = "Invalid name for access token. Can only contain 1 to 32 letters, digits, spaces, \
                    hyphens and underscores, with no space at either end.";
const DUPLICATE: &str = "Invalid name for access token. Can only be used once.";

/// `GET /api/v2/accesstoken/generate`: one token for an open window.
pub(crate) async fn generate(State(app): State<Arc<App>>, request: Request) -> Answer {
    let name = Form::of_query(request.uri()).and_then(|query| name_of(&app, &query));
    let bearer = app.faults.has(Fault::BearerReplacesButton)
        && authorize(&app, (request.headers(), request.uri()), Peer::of(&request)).is_ok();
    let headless = app.faults.has(Fault::GenerateNeedsHeader)
        && !request.headers().contains_key(AUTHORIZATION);
    let name_first = app.variants.is(Variant::NamePrecedence, "name");
    let open = app.button.device.is_open(&app) || app.faults.has(Fault::ButtonNotNeeded);
    let Some(name) = name.filter(|name| is_free(&app, name)) else {
        if app.faults.has(Fault::BadNameConsumesWindow) {
            app.button.device.take(&app);
        }
        return if name_first || open { bad_name(&app) } else { window_closed(&app) };
    };
    if request.method() == Method::HEAD && !app.faults.has(Fault::HeadMints) {
        return if open { preview(&app, &name) } else { window_closed(&app) };
    }
    if app.faults.has(Fault::WindowRace) && open {
        // The defect: others may pass the check above before the window is taken below.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        app.button.device.take(&app);
    } else if headless
        || (!app.button.device.take(&app) && !app.faults.has(Fault::ButtonNotNeeded) && !bearer)
    {
        if app.faults.has(Fault::DenialOpensWindow) {
            app.button.device.press(&app, Press::Short);
        }
        return window_closed(&app);
    }
    app.events.push(app.clock.now(), "window-closed", "a token was generated");
    issued(&app, &name, false)
}

/// `POST /api/v2/accesstoken/generate`: one more token under the authority of a token.
pub(crate) async fn generate_with_token(State(app): State<Arc<App>>, request: Request) -> Answer {
    let peer = Peer::of(&request);
    let request = if app.faults.has(Fault::BodyTokenAccepted) {
        match crate::fault::with_body_token(&app, request).await {
            Ok(request) => request,
            Err(broken) => return problem(&app, broken.status()),
        }
    } else {
        request
    };
    match authorize(&app, (request.headers(), request.uri()), peer) {
        Ok((_, token, _)) if app.faults.has(Fault::ChildCannotGenerate) && is_child(&token) => {
            return Refusal::Denied.answer(&app);
        }
        Ok(_) => {}
        Err(Refusal::Denied) if app.faults.has(Fault::UnknownTokenGenerates) => {}
        Err(Refusal::Absent)
            if app.faults.has(Fault::WindowOpensPost) && app.button.device.is_open(&app) => {}
        Err(refusal) => {
            if app.faults.has(Fault::RefusedPostConsumesWindow) {
                app.button.device.take(&app);
            }
            return refusal.answer(&app);
        }
    }
    app.counters.count(Flow::GatewayButton, Tally::Accepted);
    let (parts, body) = match read_body(&app, request).await {
        Ok(read) => read,
        Err(broken) => return problem(&app, broken.status()),
    };
    let name = match posted_name(&app, &parts, &body) {
        Ok(name) => name,
        Err(status) => return problem(&app, status),
    };
    let Some(name) = name.filter(|name| is_free(&app, name)) else {
        return bad_name(&app);
    };
    if app.faults.has(Fault::PostNeedsWindow) && !app.button.device.take(&app) {
        return window_closed(&app);
    }
    if app.faults.has(Fault::PostConsumesWindow) {
        app.button.device.take(&app);
    }
    let newest = if app.faults.has(Fault::PostTakesNewestName) { newest(&app) } else { None };
    issued(&app, newest.as_ref().map_or(&name, |token| &token.name), true)
}

/// The name in a POST: from the query, a form or a JSON object; two names must agree. `Ok(None)` is a bad name.
fn posted_name(app: &App, parts: &Parts, body: &[u8]) -> Result<Option<String>, StatusCode> {
    let Some(mut fields) = Form::of_query(&parts.uri) else {
        return Ok(None);
    };
    if body.is_empty() {
        return Ok(name_of(app, &fields));
    }
    match media_type(&parts.headers).as_str() {
        FORM => match Form::parse(body).map(|form| form.field("name").into_owned()) {
            Some(Ok(Some(name))) => fields.push("name".to_owned(), name),
            Some(Ok(None)) => {}
            Some(Err(())) | None => return Ok(None),
        },
        "application/json" => {
            let value: serde_json::Value =
                serde_json::from_slice(body).map_err(|_| StatusCode::BAD_REQUEST)?;
            let object = value.as_object().ok_or(StatusCode::BAD_REQUEST)?;
            match object.get("name") {
                Some(serde_json::Value::String(name)) => {
                    fields.push("name".to_owned(), name.clone());
                }
                Some(_) => return Ok(None),
                None => {}
            }
        }
        _ => return Err(StatusCode::UNSUPPORTED_MEDIA_TYPE),
    }
    Ok(name_of(app, &fields))
}

impl Field<'_> {
    /// The value as an own string; `Err` if it is repeated.
    fn into_owned(self) -> Result<Option<String>, ()> {
        match self {
            Self::Absent => Ok(None),
            Self::One(value) => Ok(Some(value.to_owned())),
            Self::Repeated(_) => Err(()),
        }
    }
}

/// The name that a request asks for, `default` if it asks for none; `None` if it may not be used.
fn name_of(app: &App, fields: &Form) -> Option<String> {
    if app.faults.has(Fault::UnknownParameterRefused) && fields.has_other_than(&["name"]) {
        return None;
    }
    let name = match fields.field("name") {
        Field::One("") if app.faults.has(Fault::EmptyNameIsDefault) => "default",
        Field::Absent if app.faults.has(Fault::DefaultNameCapitalised) => "Default",
        Field::Absent => "default",
        Field::One(name) => name,
        Field::Repeated(_) => return None,
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b" _-".contains(&byte);
    let fits = (1..=32).contains(&name.len())
        && name.bytes().all(allowed)
        && name.trim_matches(' ') == name;
    fits.then(|| name.to_owned())
}

fn is_free(app: &App, name: &str) -> bool {
    name == "default"
        || app.variants.is(Variant::DuplicateNames, "allowed")
        || app.button.tokens.entries().iter().all(|token| token.name != name)
}

fn bad_name(app: &App) -> Answer {
    let duplicate = app.variants.is(Variant::DuplicateNames, "refused");
    let message = if duplicate { DUPLICATE } else { NAME };
    if app.faults.has(Fault::BadNameBreaksServer) {
        return error(app, StatusCode::INTERNAL_SERVER_ERROR, -33, "Internal error.");
    }
    let code = if app.faults.has(Fault::BadNameCodeDiffers) { -31 } else { -4 };
    error(app, StatusCode::BAD_REQUEST, code, message)
}

fn window_closed(app: &App) -> Answer {
    app.counters.count(Flow::GatewayButton, Tally::Denied);
    error(app, StatusCode::FORBIDDEN, -3, WINDOW)
}

fn issued(app: &App, name: &str, with_token: bool) -> Answer {
    let (text, token) = app.button.issue(app, name);
    if let Some(marks) = &token.marks {
        marks.child.store(with_token, Ordering::Relaxed);
    }
    app.counters.count(Flow::GatewayButton, Tally::Issued);
    app.events.push(app.clock.now(), "issued", format!("{}: {name}", Flow::GatewayButton));
    let used = token.used.load(Ordering::Relaxed);
    creation(app, &token_json(app, &token, used, Some(&text)))
}

/// What GET would answer to this HEAD, with nothing minted: the length of the body is the same.
fn preview(app: &App, name: &str) -> Answer {
    let token = Token {
        name: name.to_owned(),
        number: 0,
        created: app.clock.now(),
        used: AtomicU64::new(0),
        address: Mutex::new(None),
        revoked: AtomicBool::new(true),
        marks: None,
    };
    creation(app, &token_json(app, &token, 0, Some(&"0".repeat(TOKEN_LENGTH))))
}

fn creation(app: &App, token: &str) -> Answer {
    let code = if app.faults.has(Fault::WrongReturnCode) { 1 } else { 2 };
    let body = format!(r#"{{"status":201,"returnCode":{code},"token":{token}}}"#);
    secret(app, json(StatusCode::CREATED, body))
}
