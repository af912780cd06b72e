//! What the faults of the shared HTTP layer do. Nothing here runs while no fault is installed.

use std::borrow::Cow;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, AUTHORIZATION,
    CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, PRAGMA, SET_COOKIE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Fault, Faults};
use crate::http::{Answer, Credentials, Form, TEXT, answer, parse_credentials, plain_credentials};

/// Reads the Authorization header with the installed defects.
pub(crate) fn tampered_credentials<'a>(
    faults: &Faults,
    parts: (&'a HeaderMap, &'a Uri),
    scheme: &str,
    any_case: bool,
) -> Credentials<'a> {
    let (headers, uri) = parts;
    let any_case = any_case && !faults.has(Fault::SchemeCaseSensitive);
    let mut presented = plain_credentials(headers, scheme, any_case);
    let last = headers.get_all(AUTHORIZATION).iter().next_back();
    if presented == Credentials::Repeated
        && faults.has(Fault::EitherHeaderAccepted)
        && let Some(last) = last
    {
        presented = parse_credentials(last, scheme, any_case);
    }
    let text = last.and_then(|value| value.to_str().ok()).unwrap_or_default();
    if let Some(token) = loosely(faults, text, scheme) {
        return Credentials::Token(Cow::Borrowed(token));
    }
    if faults.has(Fault::SpacesRefused) && text.contains("  ") {
        return Credentials::Malformed;
    }
    let elsewhere = match presented {
        Credentials::Absent if faults.has(Fault::CookieTokenAccepted) => cookie_token(headers),
        _ => None,
    };
    let query = match presented {
        Credentials::Absent if faults.has(Fault::QueryTokenAccepted) => query_token(uri),
        _ if faults.has(Fault::QueryTokenOverridesHeader) => {
            // Only beside a header: without one this is another defect.
            query_token(uri).filter(|_| presented != Credentials::Absent)
        }
        _ => None,
    };
    match elsewhere.or(query) {
        Some(token) => Credentials::Token(Cow::Owned(token)),
        None => presented,
    }
}

/// The token of a value whose scheme or separator is not what it should be.
fn loosely<'a>(faults: &Faults, text: &'a str, scheme: &str) -> Option<&'a str> {
    if faults.has(Fault::AnySchemeAccepted)
        && let Some((word, token)) = text.split_once(' ')
        && !word.eq_ignore_ascii_case(scheme)
    {
        return Some(token.trim());
    }
    let rest = text.strip_prefix(scheme)?;
    if faults.has(Fault::TabAccepted) && rest.starts_with('\t') {
        return Some(rest.trim());
    }
    if faults.has(Fault::SchemeGlued) && rest.starts_with(|first: char| first.is_alphanumeric()) {
        return Some(rest);
    }
    None
}

fn cookie_token(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get(COOKIE)?.to_str().ok()?;
    let (_, value) = cookies.split(';').next()?.split_once('=')?;
    Some(value.trim().to_owned())
}

/// A token in the query, under the names a client might try.
pub(crate) fn query_token(uri: &Uri) -> Option<String> {
    let query = Form::of_query(uri)?;
    ["access_token", "accesstoken", "token"]
        .into_iter()
        .find_map(|name| query.field(name).filled().map(str::to_owned))
}

/// The text inside a base64 string, if there is one.
pub(crate) fn from_base64(text: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(text).ok()?).ok()
}

/// A page in place of the documented error.
pub(crate) fn html_error(status: StatusCode) -> Answer {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    answer(status, html, format!("<html><body><h1>{status}</h1></body></html>"))
}

/// An error that shows the inside of the server.
pub(crate) fn stack_trace(status: StatusCode, uri: &Uri) -> Answer {
    let trace = format!(
        "Traceback (most recent call last):\n  File \"/srv/app/main.py\", line 42, in dispatch\n    raise NotFound({:?})\n",
        uri.path()
    );
    answer(status, TEXT, trace)
}

/// Whether a request is answered by a 500 before anything reads it.
pub(crate) fn breaks_on(faults: &Faults, headers: &HeaderMap) -> bool {
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let value = value.unwrap_or_default();
    (faults.has(Fault::ServerErrorOnLongToken) && value.len() > 1024)
        || (faults.has(Fault::ServerErrorOnOddBytes) && !value.is_ascii())
}

/// What a defect wants to remember of a request until its answer is written.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    authorization: Option<HeaderValue>,
    origin: Option<HeaderValue>,
}

impl Memory {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        Self {
            authorization: headers.get(AUTHORIZATION).cloned(),
            origin: headers.get("origin").cloned(),
        }
    }
}

/// Changes an answer on its way out.
pub(crate) fn tamper(faults: &Faults, memory: Memory, answer: &mut Answer) {
    let status = answer.status();
    let headers = answer.headers_mut();
    let carries_token = headers.contains_key(PRAGMA);
    if faults.has(Fault::NoChallenge) {
        headers.remove(WWW_AUTHENTICATE);
    }
    if faults.has(Fault::ChallengeErrorWithoutToken) && status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#);
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if faults.has(Fault::NoAllow) {
        headers.remove(ALLOW);
    }
    if faults.has(Fault::NoPragma) {
        headers.remove(PRAGMA);
    }
    if faults.has(Fault::SetsCookie) && carries_token {
        let cookie = HeaderValue::from_static("session=5f2c9a; Path=/; HttpOnly");
        headers.insert(SET_COOKIE, cookie);
    }
    if faults.has(Fault::WrongContentType)
        && headers.get(CONTENT_TYPE).is_some_and(|media| media == "application/json")
    {
        let html = HeaderValue::from_static("text/html; charset=utf-8");
        headers.insert(CONTENT_TYPE, html);
    }
    if let Some(origin) = memory.origin
        && faults.has(Fault::CorsReflected)
    {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
    }
    if let Some(authorization) = memory.authorization
        && faults.has(Fault::TokenEchoed)
        && status.is_client_error()
    {
        headers.insert(HeaderName::from_static("x-refused"), authorization);
    }
}
