//! The jwt-login flow: a password login that gives a JWT access token and a single-use refresh token.
//!
//! Follows the document, and the base library's published behaviour where the document is silent: `detail` bodies,
//! 400 for bad credentials, 422 for requests of the wrong shape, 401 for everything unauthorized. Tokens live in
//! [`token`], refresh families in [`session`], the
//! endpoints that rotate them in [`refresh`].

mod defect;
mod hs256;
pub(crate) mod refresh;
mod session;
mod token;

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Multipart, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use crate::account::{AccountState, Flow, LiveAccount};
use crate::app::{App, no_content};
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{
    Answer, Credentials, FORM, Field, Form, challenged, credentials, json as json_text, json_value,
    media_type, parse_credentials, quoted, read_body, retry_later, secret,
};
use crate::store::Digest;
use crate::variant::Variant;

use session::{Pair, Sessions, access_token};
use token::{Keys, Kind, verify};

const UNAUTHORIZED: &str = r#"{"detail":"Unauthorized"}"#;
const BAD_CREDENTIALS: &str = r#"{"detail":"LOGIN_BAD_CREDENTIALS"}"#;
const NOT_VERIFIED: &str = r#"{"detail":"LOGIN_USER_NOT_VERIFIED"}"#;

const CHALLENGE: &str = r#"Bearer realm="users""#;
const INVALID_TOKEN: &str = r#"Bearer realm="users", error="invalid_token""#;

/// Everything the flow remembers.
#[derive(Debug)]
pub(crate) struct Jwt {
    keys: Keys,
    sessions: Sessions,
}

impl Jwt {
    pub(crate) fn new(key: Option<[u8; 32]>) -> Self {
        Self { keys: Keys::new(key), sessions: Sessions::new() }
    }

    pub(crate) fn reset(&self) {
        self.sessions.reset();
    }

    /// Revokes an access token, or the family of a refresh token.
    pub(crate) fn revoke(&self, app: &App, token: &str) -> bool {
        if self.sessions.end(token) {
            return true;
        }
        let live = authorized(app, token).is_some();
        if live {
            self.sessions.revoke_access(app, Digest::of(token));
        }
        live
    }
}

/// Makes an access token of the first account.
pub(crate) fn seed(app: &App) -> Option<String> {
    Some(access_token(app, app.accounts.first(Flow::JwtLogin)?))
}

/// Why a request gives no tokens.
#[derive(Debug)]
enum Refusal {
    /// 400 for an unknown user, a wrong password and a deactivated account alike.
    BadCredentials,
    /// The body breaks a limit or cannot be decoded.
    Body(StatusCode),
    /// A defect: a deactivated account is told so.
    Inactive,
    /// 400 where unverified users may not log in.
    NotVerified,
    /// 422: fields are missing or of the wrong shape.
    Shape(Vec<Value>),
    /// 429: too many wrong passwords for this name.
    Throttled,
    /// 401: the refresh token does not count.
    Unauthorized,
    /// A defect: an unknown user is told so.
    UnknownUser,
}

impl Refusal {
    fn answer(self, app: &App) -> Answer {
        let detail = |status, detail: &str| json_value(status, &json!({ "detail": detail }));
        match self {
            Self::BadCredentials if app.faults.has(Fault::BadCredentialsUnauthorized) => {
                json_text(StatusCode::UNAUTHORIZED, BAD_CREDENTIALS)
            }
            Self::BadCredentials => json_text(StatusCode::BAD_REQUEST, BAD_CREDENTIALS),
            Self::Body(status) => problem(status),
            Self::Inactive => detail(StatusCode::BAD_REQUEST, "LOGIN_USER_INACTIVE"),
            Self::NotVerified => json_text(StatusCode::BAD_REQUEST, NOT_VERIFIED),
            Self::Shape(details) => unprocessable(&details),
            Self::Throttled => retry_later(problem(StatusCode::TOO_MANY_REQUESTS)),
            Self::Unauthorized => unauthorized(app, INVALID_TOKEN),
            Self::UnknownUser => detail(StatusCode::NOT_FOUND, "USER_NOT_FOUND"),
        }
    }
}

/// `POST /auth/jwt/login`.
pub(crate) async fn login(State(app): State<Arc<App>>, request: Request) -> Answer {
    let form = match read_form(&app, request).await {
        Ok((_, form)) => form,
        Err(refusal) => return refusal.answer(&app),
    };
    match log_in(&app, &form) {
        Ok(account) => {
            let pair = app.jwt.sessions.begin(&app, account);
            issued(&app, &pair, Grant::Login)
        }
        Err(refusal) => {
            app.counters.count(Flow::JwtLogin, Tally::Denied);
            refusal.answer(&app)
        }
    }
}

/// Reads a form, URL-encoded or multipart; any other body counts as a form without fields.
async fn read_form(app: &App, request: Request) -> Result<(Parts, Form), Refusal> {
    let read = read_body(app, request).await;
    let (parts, body) = read.map_err(|broken| Refusal::Body(broken.status()))?;
    let form = match media_type(&parts.headers).as_str() {
        FORM => Form::parse(&body),
        "multipart/form-data" => read_multipart(&parts, body).await,
        "application/json" if app.faults.has(Fault::JwtJsonLogin) => json_fields(&body),
        _ if app.faults.has(Fault::JwtQueryLogin) => Form::of_query(&parts.uri),
        _ => Some(Form::default()),
    };
    match form {
        Some(form) => Ok((parts, form)),
        None => Err(Refusal::Body(StatusCode::BAD_REQUEST)),
    }
}

async fn read_multipart(parts: &Parts, body: Bytes) -> Option<Form> {
    let mut rebuilt = Request::new(Body::from(body));
    *rebuilt.headers_mut() = parts.headers.clone();
    *rebuilt.method_mut() = parts.method.clone();
    let mut fields = Multipart::from_request(rebuilt, &()).await.ok()?;
    let mut form = Form::default();
    for _ in 0..64 {
        let Some(field) = fields.next_field().await.ok()? else {
            return Some(form);
        };
        let name = field.name().unwrap_or_default().to_owned();
        let value = String::from_utf8(field.bytes().await.ok()?.to_vec()).ok()?;
        form.push(name, value);
    }
    None
}

fn json_fields(body: &[u8]) -> Option<Form> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let mut form = Form::default();
    for (name, value) in value.as_object()? {
        form.push(name.clone(), value.as_str()?.to_owned());
    }
    Some(form)
}

/// One field of a form under the rule on repeats (RFC 6749 section 3.2); an empty value counts as none.
fn parameter<'a>(
    app: &App,
    form: &'a Form,
    name: &'static str,
) -> Result<Option<&'a str>, Refusal> {
    match form.field(name) {
        Field::Repeated(last)
            if app.variants.is(Variant::RepeatedParameter, "last")
                || app.faults.has(Fault::RepeatedFieldAccepted) =>
        {
            Ok(Some(last).filter(|value| !value.is_empty()))
        }
        Field::Repeated(_) => Err(Refusal::Shape(vec![detail(
            "repeated",
            ["body", name],
            "Field must not be repeated",
        )])),
        other => Ok(other.filled()),
    }
}

fn log_in<'a>(app: &'a App, form: &Form) -> Result<&'a LiveAccount, Refusal> {
    let grant_type = parameter(app, form, "grant_type")?;
    let username = parameter(app, form, "username")?;
    let password = parameter(app, form, "password")?;
    for optional in ["scope", "client_id", "client_secret"] {
        parameter(app, form, optional)?;
    }
    let mut details = defect::details(app, form);
    let tolerant = app.variants.is(Variant::MissingGrantType, "accepted")
        || app.faults.has(Fault::GrantTypeIgnored);
    match grant_type {
        Some("password") => {}
        Some(_) if app.faults.has(Fault::GrantTypeIgnored) => {}
        Some(_) => details.push(wrong_grant_type("password")),
        None if tolerant => {}
        None => details.push(missing("body", "grant_type")),
    }
    for (name, value) in [("username", username), ("password", password)] {
        if value.is_none() {
            let unnamed = app.faults.has(Fault::MissingFieldUnnamed);
            details.push(missing("body", if unnamed { "form" } else { name }));
        }
    }
    if let Some(account) = defect::bound(app, form, username) {
        return Ok(account);
    }
    match (username, password) {
        (Some(username), Some(password)) if details.is_empty() => {
            let (flow, throttle) = (Flow::JwtLogin, Variant::JwtThrottle);
            if app.throttles(throttle, flow, username)
                && !(app.faults.has(Fault::ThrottleSparesOwner)
                    && check(app, username, password).is_ok())
            {
                return Err(Refusal::Throttled);
            }
            check(app, username, password)
                .inspect_err(|_| app.login_failed(throttle, flow, username))
        }
        _ => Err(Refusal::Shape(details)),
    }
}

/// Checks credentials. The state of the account is judged after the password, and told only where documented.
fn check<'a>(app: &'a App, username: &str, password: &str) -> Result<&'a LiveAccount, Refusal> {
    let any_case = app.variants.is(Variant::JwtUsernameCase, "insensitive")
        && !app.faults.has(Fault::JwtUsernameExact);
    let Some(account) = app.accounts.find(Flow::JwtLogin, username, any_case) else {
        if !app.faults.has(Fault::FastUnknownUser) {
            app.accounts.spend_a_hash(password);
        }
        if app.faults.has(Fault::UnknownUserTold) {
            return Err(Refusal::UnknownUser);
        }
        return Err(Refusal::BadCredentials);
    };
    let mut right = account.matches(0, password);
    if app.faults.has(Fault::PasswordTrimmed) {
        right |= account.matches(0, password.trim());
    }
    if app.faults.has(Fault::JwtPasswordFolded) {
        right |= account.matches(0, &password.to_lowercase());
    }
    if !right && !app.gives_in() {
        return Err(Refusal::BadCredentials);
    }
    if app.faults.has(Fault::ReactivationIgnored) && app.jwt.sessions.shut_out(account) {
        return Err(Refusal::BadCredentials);
    }
    match account.state() {
        AccountState::Active => Ok(account),
        AccountState::Unverified
            if app.variants.is(Variant::UnverifiedLogin, "accepted")
                && !app.faults.has(Fault::UnverifiedRefused) =>
        {
            Ok(account)
        }
        AccountState::Unverified => Err(Refusal::NotVerified),
        _ if app.faults.has(Fault::InactiveAccountLogsIn) => Ok(account),
        _ if app.faults.has(Fault::InactiveAccountTold) => Err(Refusal::Inactive),
        _ => Err(Refusal::BadCredentials),
    }
}

/// What tokens are issued for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Grant {
    Login,
    Refresh,
}

fn issued(app: &App, pair: &Pair, grant: Grant) -> Answer {
    app.counters.count(Flow::JwtLogin, Tally::Issued);
    app.events.push(app.clock.now(), "issued", Flow::JwtLogin.name());
    let seconds = app.lifetimes.jwt_access.as_secs();
    let expires_in = if app.faults.has(Fault::ExpiresInText) {
        format!("\"{seconds}\"")
    } else if app.faults.has(Fault::ExpiresInWrong) {
        (seconds * 24).to_string()
    } else {
        seconds.to_string()
    };
    let kind = if app.faults.has(Fault::TokenTypeWrong) { "jwt" } else { "bearer" };
    let empty = grant == Grant::Login && app.faults.has(Fault::LoginEmptyRefreshToken);
    let mut body = format!(
        r#"{{"access_token":"{}","refresh_token":"{}","token_type":"{kind}","expires_in":{expires_in}}}"#,
        pair.access,
        if empty { "" } else { &pair.refresh },
    );
    if grant == Grant::Refresh && app.faults.has(Fault::RefreshForgetsExpiresIn) {
        body = body.replace(&format!(r#","expires_in":{expires_in}"#), "");
    }
    let created = app.faults.has(Fault::TokensUnder201);
    secret(app, json_text(if created { StatusCode::CREATED } else { StatusCode::OK }, body))
}

/// `POST /auth/jwt/logout`: 204 for a valid token, which stays valid unless the variant says otherwise.
pub(crate) async fn logout(State(app): State<Arc<App>>, request: Request) -> Answer {
    match bearer(&app, (request.headers(), request.uri())) {
        Ok((token, account)) => {
            if app.faults.has(Fault::LogoutEndsSessions) {
                app.jwt.sessions.end_all(account.index);
            }
            if app.variants.is(Variant::Logout, "revoking") || app.faults.has(Fault::LogoutRevokes)
            {
                app.jwt.sessions.revoke_access(&app, Digest::of(&token));
                app.counters.count(Flow::JwtLogin, Tally::Revoked);
            }
            no_content()
        }
        Err(challenge) => unauthorized(&app, challenge),
    }
}

/// `GET /users/me`: who the presented token belongs to.
pub(crate) fn validate(app: &App, parts: (&HeaderMap, &Uri)) -> Answer {
    let account = match bearer(app, parts) {
        Ok((_, account)) => account,
        Err(challenge) => {
            return defect::refusal(app, parts).unwrap_or_else(|| unauthorized(app, challenge));
        }
    };
    app.counters.count(Flow::JwtLogin, Tally::Accepted);
    let verified = account.state() != AccountState::Unverified;
    let body = format!(
        r#"{{"id":"{}","email":{},"is_active":true,"is_superuser":false,"is_verified":{verified}}}"#,
        account.id(),
        quoted(account.username())
    );
    json_text(StatusCode::OK, body)
}

/// `GET /users/me` by way of the router: HEAD, and GET when the validation lane is off.
pub(crate) async fn validate_routed(State(app): State<Arc<App>>, request: Request) -> Answer {
    validate(&app, (request.headers(), request.uri()))
}

/// The presented access token and its account; else the challenge to answer.
fn bearer<'a>(
    app: &'a App,
    parts: (&'a HeaderMap, &'a Uri),
) -> Result<(Cow<'a, str>, &'a LiveAccount), &'static str> {
    let mut presented = credentials(app, parts, "Bearer", true);
    if presented == Credentials::Repeated
        && app.variants.is(Variant::TwoAuthorizationHeaders, "first")
        && let Some(first) = parts.0.get(axum::http::header::AUTHORIZATION)
    {
        presented = parse_credentials(first, "Bearer", true);
    }
    if presented == Credentials::Repeated
        && let Some(found) = defect::any_bearer(app, parts.0)
    {
        return Ok(found);
    }
    match presented {
        Credentials::Absent | Credentials::OtherScheme(_) => Err(CHALLENGE),
        Credentials::Empty | Credentials::Malformed | Credentials::Repeated => Err(INVALID_TOKEN),
        Credentials::Token(token) => match authorized(app, &token) {
            Some(account) => Ok((token, account)),
            None => Err(INVALID_TOKEN),
        },
    }
}

/// The account of an access token that counts.
fn authorized<'a>(app: &'a App, token: &str) -> Option<&'a LiveAccount> {
    if token == defect::DOCUMENT_TOKEN && app.faults.has(Fault::DocumentTokenAccepted) {
        return app.accounts.first(Flow::JwtLogin);
    }
    let Some(id) = verify(app, Kind::Access, token) else {
        if app.faults.has(Fault::RefreshSpentByValidation) {
            app.jwt.sessions.mark_used(app, token);
        }
        return None;
    };
    let account = account_of(app, &id)?;
    let usable = account.may_use_tokens() || app.faults.has(Fault::InactiveTokenAccepted);
    (usable && !app.jwt.sessions.is_revoked(token)).then_some(account)
}

/// The account that a subject names.
fn account_of<'a>(app: &'a App, subject: &str) -> Option<&'a LiveAccount> {
    if app.faults.has(Fault::SubjectIsNumber) {
        return subject.parse().ok().map(|number| app.accounts.at(number));
    }
    app.accounts.by_id(subject)
}

fn unauthorized(app: &App, challenge: &'static str) -> Answer {
    app.counters.count(Flow::JwtLogin, Tally::Denied);
    let answer = json_text(StatusCode::UNAUTHORIZED, UNAUTHORIZED);
    if app.variants.is(Variant::Challenge, "absent") {
        return answer;
    }
    challenged(answer, challenge)
}

fn detail(kind: &str, place: [&str; 2], message: &str) -> Value {
    // The input is never repeated: it may be a secret.
    json!({ "type": kind, "loc": place, "msg": message, "input": null })
}

fn missing(place: &str, name: &str) -> Value {
    detail("missing", [place, name], "Field required")
}

fn wrong_grant_type(expected: &str) -> Value {
    let pattern = format!("^{expected}$");
    let message = format!("String should match pattern '{pattern}'");
    let mut wrong = detail("string_pattern_mismatch", ["body", "grant_type"], &message);
    wrong["ctx"] = json!({ "pattern": pattern });
    wrong
}

fn unprocessable(details: &[Value]) -> Answer {
    json_value(StatusCode::UNPROCESSABLE_ENTITY, &json!({ "detail": details }))
}

/// What is wrong with a request before the flow looks at it, in the flow's `detail` body.
pub(crate) fn problem(status: StatusCode) -> Answer {
    let reason = status.canonical_reason().unwrap_or("Bad Request");
    json_value(status, &json!({ "detail": reason }))
}

/// The path without its surplus slash, if that is a path of this flow.
pub(crate) fn canonical_path(path: &str) -> Option<&'static str> {
    let known = [
        "/auth/jwt/login",
        "/auth/jwt/refresh",
        "/auth/jwt/postman-refresh",
        "/auth/jwt/logout",
        "/users/me",
    ];
    let short = path.strip_suffix('/')?;
    known.into_iter().find(|known| *known == short)
}
