//! What faults read into a request that says something else, or let in unread: header fields, the query, the body,
//! the method and the address, before the flow sees them. Nothing here runs while no fault is installed.

use std::future::poll_fn;
use std::net::IpAddr;
use std::pin::Pin;

use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use axum::http::{Method, Request, Uri};
use hyper::body::{Body as _, Incoming};

use super::Fault;
use crate::account::Flow;
use crate::app::{App, lane};
use crate::http::{Field, Form, decode};

/// A path that asks for a token.
struct Guarded {
    path: &'static str,
    method: Method,
    flow: Flow,
    scheme: &'static str,
}

const VALIDATE: &str = "/sandbox/SUAPI/jservice/auth/validate-access-token";

static GUARDED: [Guarded; 5] = [
    guarded("/api/v2/accesstoken", Method::GET, Flow::GatewayButton, "Bearer"),
    guarded("/updateCalendarInventory", Method::POST, Flow::ChannelLogin, "Bearer"),
    guarded("/v1/get/", Method::GET, Flow::VisitorLogin, "Token"),
    guarded("/users/me", Method::GET, Flow::JwtLogin, "Bearer"),
    guarded(VALIDATE, Method::GET, Flow::EnvironmentToken, "Bearer"),
];

const fn guarded(path: &'static str, method: Method, flow: Flow, scheme: &'static str) -> Guarded {
    Guarded { path, method, flow, scheme }
}

/// A longer body is no token.
const MAX_BODY: usize = 16 * 1024;

/// Changes a request as the installed defects read it.
pub(crate) async fn rewrite(app: &App, peer: IpAddr, request: &mut Request<Incoming>) {
    if app.faults.has(Fault::LooseFieldName) {
        rename(request);
    }
    let raw = request.uri().path().to_owned();
    let Some(place) = GUARDED.iter().find(|place| same_path(app, place, &raw)) else {
        return;
    };
    if unguarded(app, place, request) {
        let_in(app, place, request);
        return;
    }
    let token = if app.faults.has(Fault::BodyTokenOverridesHeader) && place.method == Method::GET {
        body_token(request).await
    } else {
        elsewhere(app, request)
    };
    if let Some(token) = token {
        authorize(place, request, &token);
    }
    if app.faults.has(Fault::ValueTrimmed)
        && let Some(value) = text(request, &AUTHORIZATION).map(|value| trimmed(&value))
        && let Ok(value) = HeaderValue::try_from(value)
    {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
    if app.faults.has(Fault::AnyWordAccepted)
        && request.headers().get_all(AUTHORIZATION).iter().count() == 1
        && let Some(value) = text(request, &AUTHORIZATION)
    {
        let mut words = value.split([' ', ',']).filter(|word| !word.is_empty());
        if let Some(word) = words.find(|word| counts(app, place, request, peer, word)) {
            authorize(place, request, word);
        }
    }
}

/// Whether a path is a guarded one, or by the defect of a router that reads more into it than the guard does.
fn same_path(app: &App, place: &Guarded, raw: &str) -> bool {
    raw == place.path || (app.faults.has(Fault::GuardByRawPath) && plain(raw) == plain(place.path))
}

/// A path as a forgiving router compares it: decoded, without parameters, dot segments, surplus slashes and case.
fn plain(path: &str) -> String {
    let decoded = decode(path.as_bytes()).unwrap_or_default();
    let mut segments = Vec::new();
    for segment in decoded.split('/') {
        match segment.split(';').next().unwrap_or_default().trim_matches(['\0', ' ', '\t']) {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            name => segments.push(name.to_ascii_lowercase()),
        }
    }
    segments.join("/")
}

/// Whether a defect keeps the guard from looking at this request.
fn unguarded(app: &App, place: &Guarded, request: &Request<Incoming>) -> bool {
    let headers = request.headers();
    let has = |fault| app.faults.has(fault);
    let named = |names: &[&str]| names.iter().any(|name| headers.contains_key(*name));
    let method = request.method();
    (has(Fault::RepeatedHeaderUnchecked) && headers.get_all(AUTHORIZATION).iter().count() > 1)
        || (has(Fault::ProxyUserTrusted) && named(&["remote-user", "x-forwarded-user"]))
        || (has(Fault::GuardByRawPath) && request.uri().path() != place.path)
        || (has(Fault::GuardByMethod)
            && ((*method != place.method && *method != Method::OPTIONS)
                || named(&["x-http-method-override"])))
        || (has(Fault::OptionsServes) && *method == Method::OPTIONS)
}

/// Serves a request as if it had come with a good token.
fn let_in(app: &App, place: &Guarded, request: &mut Request<Incoming>) {
    if let Some(token) = app.seed(place.flow, 1).pop() {
        authorize(place, request, &token);
    }
    *request.method_mut() = place.method.clone();
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = Uri::try_from(format!("{}{query}", place.path)) {
        *request.uri_mut() = uri;
    }
}

fn authorize(place: &Guarded, request: &mut Request<Incoming>, token: &str) {
    if let Ok(value) = HeaderValue::try_from(format!("{} {token}", place.scheme)) {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
}

/// Whether a token would be accepted here.
fn counts(
    app: &App,
    place: &Guarded,
    request: &Request<Incoming>,
    peer: IpAddr,
    token: &str,
) -> bool {
    let mut headers = request.headers().clone();
    let Ok(value) = HeaderValue::try_from(format!("{} {token}", place.scheme)) else {
        return false;
    };
    headers.insert(AUTHORIZATION, value);
    lane(app, &Method::GET, (&headers, request.uri()), peer)
        .is_some_and(|answer| answer.status().is_success())
}

fn text(request: &Request<Incoming>, name: &HeaderName) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(str::to_owned)
}

/// A value without the marks that some clients put around its words.
fn trimmed(value: &str) -> String {
    let value = decode(value.replace('+', "%2B").as_bytes()).unwrap_or_default();
    value.replace(['"', '\'', '<', '>', ';', ',', ':', '\0'], "")
}

/// The token in another header field or in the query.
fn elsewhere(app: &App, request: &Request<Incoming>) -> Option<String> {
    if app.faults.has(Fault::OtherFieldTokenAccepted) {
        let names = [HeaderName::from_static("x-auth-token"), HeaderName::from_static("x-api-key")];
        let value = names.iter().find_map(|name| text(request, name))?;
        return value.split(' ').next_back().map(str::to_owned);
    }
    if !app.faults.has(Fault::RepeatedQueryTokenAccepted) {
        return None;
    }
    match Form::of_query(request.uri())?.field("access_token") {
        Field::Repeated(last) => Some(last.to_owned()),
        _ => None,
    }
}

/// The token in the body, read to its end.
async fn body_token(request: &mut Request<Incoming>) -> Option<String> {
    let mut bytes = Vec::new();
    let body = request.body_mut();
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await {
        if let Ok(data) = frame.into_data()
            && bytes.len() + data.len() <= MAX_BODY
        {
            bytes.extend_from_slice(&data);
        }
    }
    if let Ok(value) = serde_json::from_slice::<serde_json::Value>(&bytes) {
        return value.get("access_token")?.as_str().map(str::to_owned);
    }
    Form::parse(&bytes)?.field("access_token").filled().map(str::to_owned)
}

/// Gives fields whose names only resemble these the names themselves, where they are absent.
fn rename(request: &mut Request<Incoming>) {
    for name in ["authorization", "client-secret", "refresh-token"] {
        let resembles = |other: &str| {
            let other = other.replace('_', "-");
            let other = other.strip_prefix("http-").unwrap_or(&other);
            other.strip_prefix("x-").unwrap_or(other).trim_end_matches('-') == name
        };
        let headers = request.headers_mut();
        if headers.contains_key(name) {
            continue;
        }
        let found = headers.iter().find(|(other, _)| resembles(other.as_str()));
        if let Some(value) = found.map(|(_, value)| value.clone()) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
}
