//! The defects of this flow that take more than a line where they act. Without a fault, every function here leaves
//! things as they are.

use std::borrow::Cow;

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac, digest::KeyInit};
use jsonwebtoken::{Algorithm, EncodingKey, crypto};
use serde_json::Value;
use sha2::{Sha256, Sha384, Sha512};

use super::token::{Kind, verify};
use super::{authorized, detail, problem};
use crate::account::{AccountState, Flow, LiveAccount};
use crate::app::App;
use crate::fault::Fault;
use crate::http::{Answer, Credentials, Field, Form, credentials, json_value, parse_credentials};

/// The access token that the document shows in its examples.
pub(super) const DOCUMENT_TOKEN: &str = concat!(
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.",
    "eyJ1c2VyX2lkIjoiOTIyMWZmYzktNjQwZi00MzcyLTg2ZDMtY2U2NDJjYmE1NjAzIiwiYXVkIjoiZmFzdGFwaS11c2VyczphdXRoIiwiZXhw",
    "IjoxNTcxNTA0MTkzfQ.M10bjOe45I5Ncu_uXvOmVV8QxnL-nZfcH96U90JaocI"
);

/// What a login form is refused for, though it should not be.
pub(super) fn details(app: &App, form: &Form) -> Vec<Value> {
    const OPTIONAL: [&str; 3] = ["scope", "client_id", "client_secret"];
    let mut details = Vec::new();
    let mut refuse = |name: &str| {
        details.push(detail("extra_forbidden", ["body", name], "Extra inputs are not permitted"));
    };
    let known = |name: &str| {
        ["grant_type", "username", "password"].contains(&name) || OPTIONAL.contains(&name)
    };
    if app.faults.has(Fault::LoginParameterRefused) {
        form.names().filter(|name| !known(name)).for_each(&mut refuse);
    }
    if app.faults.has(Fault::ScopeRefused) && form.field("scope").filled().is_some() {
        refuse("scope");
    }
    if app.faults.has(Fault::EmptyParameterRefused) {
        OPTIONAL.into_iter().filter(|name| form.field(name) == Field::One("")).for_each(refuse);
    }
    details
}

/// The account that an empty password opens.
pub(super) fn bound<'a>(
    app: &'a App,
    form: &Form,
    username: Option<&str>,
) -> Option<&'a LiveAccount> {
    let empty = form.field("password") == Field::One("");
    if !empty || !app.faults.has(Fault::EmptyPasswordBinds) {
        return None;
    }
    app.accounts.find(Flow::JwtLogin, username?, true)
}

/// Another answer than the 401 for a token that does not count.
pub(super) fn refusal(app: &App, parts: (&HeaderMap, &Uri)) -> Option<Answer> {
    if !app.faults.any() {
        return None;
    }
    let has = |fault| app.faults.has(fault);
    match credentials(app, parts, "Bearer", true) {
        Credentials::Absent if has(Fault::MissingBearerForbidden) => {
            let body = serde_json::json!({ "detail": "Not authenticated" });
            Some(json_value(StatusCode::FORBIDDEN, &body))
        }
        Credentials::Token(token) => {
            let mut pieces = token.split('.');
            let header = pieces.next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
            let header = header.and_then(|header| serde_json::from_slice::<Value>(&header).ok());
            if has(Fault::BrokenHeaderBreaks) && !header.is_some_and(|header| header.is_object()) {
                return Some(problem(StatusCode::INTERNAL_SERVER_ERROR));
            }
            let odd = || is_odd(app, &token);
            if has(Fault::OddClaimsBreak) && odd() {
                return Some(problem(StatusCode::INTERNAL_SERVER_ERROR));
            }
            if has(Fault::MalformedJwtIsBadRequest) && pieces.count() != 2 {
                return Some(problem(StatusCode::BAD_REQUEST));
            }
            let account = app.accounts.by_id(&verify(app, Kind::Access, &token)?)?;
            let gone = account.state() == AccountState::Deleted;
            (gone && has(Fault::DeletedUserNotFound)).then(|| problem(StatusCode::NOT_FOUND))
        }
        _ => None,
    }
}

/// Whether a token is well signed, and its claims are not an object with a text for a subject.
fn is_odd(app: &App, token: &str) -> bool {
    let Some((message, signature)) = token.rsplit_once('.') else {
        return false;
    };
    let signed = URL_SAFE_NO_PAD
        .decode(signature)
        .is_ok_and(|signature| signs::<Hmac<Sha256>>(&app.jwt.keys.raw, message, &signature));
    let claims = message.split('.').nth(1).and_then(|claims| URL_SAFE_NO_PAD.decode(claims).ok());
    let claims = claims.and_then(|claims| serde_json::from_slice::<Value>(&claims).ok());
    signed && !claims.is_some_and(|claims| claims["exp"].is_u64() && claims["aud"].is_string())
}

/// The first good token of several Authorization headers.
pub(super) fn any_bearer<'a>(
    app: &'a App,
    headers: &'a HeaderMap,
) -> Option<(Cow<'a, str>, &'a LiveAccount)> {
    if !app.faults.has(Fault::AnyBearerHeaderCounts) {
        return None;
    }
    headers.get_all(AUTHORIZATION).iter().find_map(|value| {
        match parse_credentials(value, "Bearer", true) {
            Credentials::Token(token) => authorized(app, &token).map(|account| (token, account)),
            _ => None,
        }
    })
}

/// Whether a refresh is refused for the access token beside it.
pub(super) fn bearer_refused(app: &App, headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(AUTHORIZATION) else {
        return app.faults.has(Fault::RefreshNeedsBearer);
    };
    if !app.faults.has(Fault::RefreshRejectsStaleBearer) {
        return false;
    }
    match parse_credentials(value, "Bearer", true) {
        Credentials::Token(token) => authorized(app, &token).is_none(),
        _ => true,
    }
}

/// The part of a refresh token that is hashed: all of it, or by a defect its claims alone.
pub(super) fn stored_form<'a>(app: &App, token: &'a str) -> &'a str {
    let by_claims = app.faults.has(Fault::RefreshSignatureIgnored)
        || app.faults.has(Fault::RefreshSpentBeforeCheck);
    if by_claims { token.split('.').nth(1).unwrap_or(token) } else { token }
}

/// A new token as a defect makes it.
pub(super) fn tampered(app: &App, token: String, key: &EncodingKey) -> String {
    if app.faults.has(Fault::PaddedJwtIssued) {
        return token + "=";
    }
    if app.faults.has(Fault::ClaimsNotUtf8)
        && let Some(token) = in_latin_1(&token, key)
    {
        return token;
    }
    token
}

/// The same claims with one more, whose text is not UTF-8.
fn in_latin_1(token: &str, key: &EncodingKey) -> Option<String> {
    let mut pieces = token.split('.');
    let (header, payload) = (pieces.next()?, pieces.next()?);
    let mut claims = URL_SAFE_NO_PAD.decode(payload).ok()?;
    claims.pop();
    claims.extend_from_slice(b",\"name\":\"Zo\xeb\"}");
    let message = format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims));
    let signature = crypto::sign(message.as_bytes(), key, Algorithm::HS256).ok()?;
    Some(format!("{message}.{signature}"))
}

/// Claims as text, whatever their encoding was.
pub(super) fn as_utf8(app: &App, claims: Vec<u8>) -> Vec<u8> {
    if app.faults.has(Fault::ClaimsNotUtf8) {
        return String::from_utf8_lossy(&claims).into_owned().into_bytes();
    }
    claims
}

/// Whether a header names its algorithm more than once, and none at last.
pub(super) fn repeated_none(app: &App, header: &[u8]) -> bool {
    app.faults.has(Fault::RepeatedAlgorithmCounts)
        && serde_json::from_slice(header).is_ok_and(|last: Value| last["alg"] == "none")
        && header.windows(4).filter(|name| name.eq_ignore_ascii_case(b"alg\"")).count() > 1
}

/// Whether a defect trusts a signature that the rules do not.
pub(super) fn vouched(app: &App, kind: Kind, token: (&str, &str)) -> bool {
    if !app.faults.any() || kind != Kind::Access {
        return false;
    }
    let (message, signature) = token;
    let header = message.split('.').next().and_then(|header| URL_SAFE_NO_PAD.decode(header).ok());
    let header: Value =
        header.and_then(|header| serde_json::from_slice(&header).ok()).unwrap_or_default();
    let Ok(signature) = URL_SAFE_NO_PAD.decode(signature) else {
        return false;
    };
    if app.faults.has(Fault::KeyUrlFetched)
        && let Some(address) = header["jku"].as_str().or(header["x5u"].as_str())
    {
        knock(address);
    }
    if app.faults.has(Fault::EmbeddedKeyTrusted)
        && let Some(key) = header["jwk"]["k"].as_str()
        && let Ok(key) = URL_SAFE_NO_PAD.decode(key)
    {
        return signs::<Hmac<Sha256>>(&key, message, &signature);
    }
    if app.faults.has(Fault::UnknownAlgorithmUnverified) {
        let known = |name: &str| name == "HS256" || name.eq_ignore_ascii_case("none");
        return header["alg"].as_str().is_some_and(|name| !known(name));
    }
    let key = &app.jwt.keys.raw;
    app.faults.has(Fault::HmacFamilyAccepted)
        && match header["alg"].as_str() {
            Some("HS384") => signs::<Hmac<Sha384>>(key, message, &signature),
            Some("HS512") => signs::<Hmac<Sha512>>(key, message, &signature),
            _ => false,
        }
}

fn signs<M: Mac + KeyInit>(key: &[u8], message: &str, signature: &[u8]) -> bool {
    <M as Mac>::new_from_slice(key).is_ok_and(|mut mac| {
        mac.update(message.as_bytes());
        mac.verify_slice(signature).is_ok()
    })
}

/// Asks the host of an address for its key, and makes nothing of the answer.
fn knock(address: &str) {
    let host = address.split("//").nth(1).and_then(|rest| rest.split('/').next());
    let Some(host) = host.and_then(|host| host.parse::<std::net::SocketAddr>().ok()) else {
        return;
    };
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let second = std::time::Duration::from_secs(1);
        let Ok(mut stream) = std::net::TcpStream::connect_timeout(&host, second) else {
            return;
        };
        // Whatever becomes of it: the key is not used.
        let _ = stream.set_read_timeout(Some(second));
        let _ = write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        let _ = stream.read(&mut [0; 512]);
    });
}

/// The subject, or by a defect the first account's where nobody is meant.
pub(super) fn known(app: &App, subject: Option<String>) -> Option<String> {
    let first = app.accounts.first(Flow::JwtLogin).map(|first| first.id().to_owned());
    let stranger = subject.as_ref().is_none_or(|subject| app.accounts.by_id(subject).is_none());
    if stranger && app.faults.has(Fault::UnknownSubjectIsFirst) { first } else { subject }
}

/// What defects read in the fields of a refresh: a token, or a finished answer.
pub(super) fn refresh_token(app: &App, headers: &HeaderMap) -> Option<Result<String, Answer>> {
    if !app.faults.any() {
        return None;
    }
    let has = |fault| app.faults.has(fault);
    let values: Vec<&str> =
        headers.get_all("refresh-token").iter().filter_map(|value| value.to_str().ok()).collect();
    if has(Fault::LongRefreshTokenBreaks) && values.iter().any(|value| value.len() > 4096) {
        return Some(Err(problem(StatusCode::INTERNAL_SERVER_ERROR)));
    }
    if has(Fault::RefreshUncheckedWhenRepeated) && values.len() > 1 {
        let pair = app.jwt.sessions.begin(app, app.accounts.first(Flow::JwtLogin)?);
        return Some(Ok(pair.refresh));
    }
    if has(Fault::LastRefreshTokenCounts) && values.len() > 1 {
        let last = values.last()?;
        return Some(Ok((*last).to_owned()));
    }
    if has(Fault::RefreshListAccepted) {
        let mut words = values.iter().flat_map(|value| value.split([',', ' ', ';', '"']));
        let word = words.find(|word| app.jwt.sessions.is_fresh(word))?;
        return Some(Ok(word.to_owned()));
    }
    let cookies = headers.get(COOKIE).filter(|_| has(Fault::RefreshCookieAccepted))?;
    let (_, token) = cookies.to_str().ok()?.split_once('=')?;
    Some(Ok(token.to_owned()))
}
