//! What the faults of the shared HTTP layer do. Nothing here runs while no fault is installed.

use std::borrow::Cow;

use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, AUTHORIZATION,
    CONTENT_LENGTH, CONTENT_TYPE, COOKIE, HeaderName, HeaderValue, LOCATION, PRAGMA, RETRY_AFTER,
    SEC_WEBSOCKET_ACCEPT, SET_COOKIE, UPGRADE, WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
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
    if faults.has(Fault::BareTokenAccepted) && is_bare_token(text, scheme) {
        return Credentials::Token(Cow::Borrowed(text));
    }
    if let Some(token) = loosely(faults, text, scheme) {
        return Credentials::Token(Cow::Borrowed(token));
    }
    if faults.has(Fault::SpacesRefused) && text.contains("  ") {
        return Credentials::Malformed;
    }
    let absent = presented == Credentials::Absent;
    let cookie = if absent { Fault::CookieTokenAccepted } else { Fault::CookieOverridesHeader };
    let elsewhere = if faults.has(cookie) { cookie_token(headers) } else { None };
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
        None => now_and_then_another(faults, presented),
    }
}

/// Presented credentials; with a defect, one token in a thousand is read wrong.
fn now_and_then_another<'a>(faults: &Faults, presented: Credentials<'a>) -> Credentials<'a> {
    match presented {
        Credentials::Token(token)
            if faults.has(Fault::OneInAThousandRefused) && faults.tick() % 1000 == 50 =>
        {
            Credentials::Token(Cow::Owned(format!("{token}x")))
        }
        other => other,
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

/// A value that is a token of some length and no scheme.
fn is_bare_token(text: &str, scheme: &str) -> bool {
    !text.eq_ignore_ascii_case(scheme)
        && text.len() > 8
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
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
pub(crate) fn breaks_on(faults: &Faults, parts: (&HeaderMap, &Uri)) -> bool {
    let (headers, uri) = parts;
    if faults.has(Fault::EmptyValueBreaksServer)
        && headers.get(AUTHORIZATION).is_some_and(HeaderValue::is_empty)
    {
        return true;
    }
    if faults.has(Fault::ServerErrorOnLargeRequest) && is_large(headers, uri) {
        return true;
    }
    let value = headers.get(AUTHORIZATION).map(HeaderValue::as_bytes);
    let value = value.unwrap_or_default();
    (faults.has(Fault::ServerErrorOnLongToken) && value.len() > 1024)
        || (faults.has(Fault::ServerErrorOnOddBytes) && !value.is_ascii())
}

/// Whether a request is beyond the buffers of the defect: 8 kB for a field or the address, 1 MB for a body.
fn is_large(headers: &HeaderMap, uri: &Uri) -> bool {
    let announced = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    uri.query().is_some_and(|query| query.len() > 8000)
        || headers.values().any(|value| value.len() > 8000)
        || announced
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: u64| length > 1 << 20)
}

/// What a defect wants to remember of a request until its answer is written.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    authorization: Option<HeaderValue>,
    origin: Option<HeaderValue>,
    method: Method,
    uri: Uri,
}

impl Memory {
    pub(crate) fn of<B>(request: &Request<B>) -> Self {
        let headers = request.headers();
        Self {
            authorization: headers.get(AUTHORIZATION).cloned(),
            origin: headers.get("origin").cloned(),
            method: request.method().clone(),
            uri: request.uri().clone(),
        }
    }

    /// The Authorization header as the server read it.
    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }
}

/// Changes the challenge of an answer.
fn tamper_challenge(faults: &Faults, headers: &mut HeaderMap) {
    if faults.has(Fault::NoChallenge) {
        headers.remove(WWW_AUTHENTICATE);
    }
    let challenge = [
        (Fault::ChallengeWithoutError, r#"Bearer realm="api""#),
        (Fault::ChallengeParameterTwice, r#"Bearer realm="api", realm="tokens""#),
        (
            Fault::ChallengeOddCharacters,
            r#"Bearer realm="api", error="invalid_token", error_description="unknown\expired""#,
        ),
    ];
    for (fault, challenge) in challenge {
        if faults.has(fault) && headers.contains_key(WWW_AUTHENTICATE) {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
    }
}

/// Changes what an answer says of another protocol.
fn tamper_upgrade(faults: &Faults, headers: &mut HeaderMap) {
    if faults.has(Fault::NoUpgradeField) && !headers.contains_key(SEC_WEBSOCKET_ACCEPT) {
        headers.remove(UPGRADE);
    }
    if faults.has(Fault::WrongAcceptKey) && headers.contains_key(SEC_WEBSOCKET_ACCEPT) {
        let example = HeaderValue::from_static("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        headers.insert(SEC_WEBSOCKET_ACCEPT, example);
    }
}

/// The header lines that a decoded address would bring into an answer that repeats it.
fn add_injected(headers: &mut HeaderMap, uri: &Uri) {
    let address = decoded(&uri.to_string());
    for (name, value) in address.lines().skip(1).filter_map(|line| line.split_once(':')) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value.trim()))
        {
            headers.insert(name, value);
        }
    }
}

/// A text without its percent signs, read as if it were a form field.
fn decoded(text: &str) -> String {
    let pair = text.replace('&', "%26").replace('=', "%3D");
    let form = Form::parse(format!("x={pair}").as_bytes()).unwrap_or_default();
    form.field("x").filled().unwrap_or_default().to_owned()
}

/// A page that repeats the path of a request.
pub(crate) fn markup(status: StatusCode, uri: &Uri) -> Answer {
    let html = HeaderValue::from_static("text/html; charset=utf-8");
    let path = decoded(&uri.to_string());
    answer(status, html, format!("<html><body>There is no {path} here.</body></html>"))
}

/// A redirect to the path without its last slash, at the host that the request names or another one.
pub(crate) fn absolute_redirect(headers: &HeaderMap, uri: &Uri) -> Option<Answer> {
    let path = uri.path().strip_suffix('/')?;
    let host = headers.get("x-forwarded-host").and_then(|host| host.to_str().ok());
    let location = format!("https://{}{path}", host.unwrap_or("www.example.com"));
    let mut redirect = answer(StatusCode::FOUND, TEXT, "");
    redirect.headers_mut().insert(LOCATION, HeaderValue::try_from(location).ok()?);
    Some(redirect)
}

/// The request itself, as TRACE answers it where nobody has switched it off.
pub(crate) fn trace(headers: &HeaderMap) -> Answer {
    let mut body = String::from("TRACE / HTTP/1.1\r\n");
    for (name, value) in headers {
        body.extend([name.as_str(), ": ", value.to_str().unwrap_or_default(), "\r\n"]);
    }
    answer(StatusCode::OK, HeaderValue::from_static("message/http"), body)
}

/// Changes an answer on its way out.
pub(crate) fn tamper(faults: &Faults, memory: Memory, answer: &mut Answer) {
    let status = answer.status();
    let headers = answer.headers_mut();
    let carries_token = headers.contains_key(PRAGMA);
    tamper_challenge(faults, headers);
    tamper_upgrade(faults, headers);
    if faults.has(Fault::LineEndsDecoded) {
        add_injected(headers, &memory.uri);
    }
    if faults.has(Fault::ChallengeErrorWithoutToken) && status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderValue::from_static(r#"Bearer realm="api", error="invalid_token""#);
        headers.insert(WWW_AUTHENTICATE, challenge);
    }
    if faults.has(Fault::NoAllow) {
        headers.remove(ALLOW);
    }
    if faults.has(Fault::NoRetryAfter) {
        headers.remove(RETRY_AFTER);
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
        && status.is_client_error()
        && (faults.has(Fault::TokenEchoed)
            || (faults.has(Fault::HeadEchoesToken) && memory.method == Method::HEAD))
    {
        headers.insert(HeaderName::from_static("x-refused"), authorization);
    }
}
