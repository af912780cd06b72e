//! The visitor-login flow: an opaque token of thirty days, and the visitors it opens.
//!
//! Follows the visitor-management documents. Every answer is JSON: `success` with `data`, or `success: false` with
//! `errors` of three strings; what each error code says lives in [`errors`], the visitors themselves in [`register`].

mod defect;
pub(crate) mod errors;
pub(crate) mod register;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::header::{HeaderValue, LOCATION};
use axum::http::{HeaderMap, StatusCode, Uri};

use crate::account::{Flow, LiveAccount};
use crate::app::App;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{
    Answer, Credentials, FORM, Field, Form, credentials, json, media_type, read_body, secret, with,
};
use crate::store::{Digest, Store, hex, random};
use crate::variant::Variant;

use errors::{Error, refuse};
use register::Register;
pub(crate) use register::{add, exit, no_id, one, photo, visitees};

/// Characters of device information that are accepted, by the document.
const DEVICE_INFO: usize = 200;

/// Everything the flow remembers.
#[derive(Debug)]
pub(crate) struct Visitors {
    tokens: Store<Token>,
    pub(crate) register: Register,
    /// Set by the control plane: the simulated database answers nothing.
    pub(crate) database_failing: AtomicBool,
    /// How often the list was asked for, kept only by the defect that tells it.
    listed: AtomicU64,
}

#[derive(Debug)]
struct Token {
    account: usize,
    /// UNIX time in seconds, as the document has it.
    expiry: u64,
}

impl Visitors {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            tokens: Store::new(),
            register: Register::new(now),
            database_failing: AtomicBool::new(false),
            listed: AtomicU64::new(0),
        }
    }

    pub(crate) fn reset(&self, now: u64) {
        self.tokens.clear();
        self.register.reset(now);
        self.database_failing.store(false, Ordering::Relaxed);
        self.listed.store(0, Ordering::Relaxed);
    }

    pub(crate) fn revoke(&self, token: &str) -> bool {
        self.tokens.remove(&Digest::of(token)).is_some()
    }

    fn issue(&self, app: &App, account: usize) -> (String, u64) {
        if app.faults.has(Fault::LoginRevokesOthers) {
            self.tokens.clear();
        }
        let now = app.clock.now() / 1000;
        let text = if app.faults.has(Fault::ShortTokens) {
            format!("{}{}", "0".repeat(36), hex(&random::<2>()))
        } else {
            defect::token(app, account, now).unwrap_or_else(|| hex(&random::<20>()))
        };
        let expiry = now + app.lifetimes.visitor.as_secs();
        if !app.faults.has(Fault::VisitorTokenDeadAtOnce) {
            let token = Token { account, expiry };
            self.tokens.insert(Digest::of(&text), token, |token| token.expiry > now);
        }
        (text, expiry)
    }
}

/// Adds a live token of the first account.
pub(crate) fn seed(app: &App) -> Option<String> {
    let account = app.accounts.first(Flow::VisitorLogin)?.index;
    Some(app.visitor.issue(app, account).0)
}

/// What a login form says.
struct Login {
    username: String,
    password: String,
}

/// `POST /v1/oauth/`: a token for form fields `username` and `password`.
pub(crate) async fn login(State(app): State<Arc<App>>, request: Request) -> Answer {
    let (parts, body) = match read_body(&app, request).await {
        Ok(read) => read,
        Err(broken) => return problem(&app, &Uri::default(), broken.status()),
    };
    if app.faults.has(Fault::IndexPathMissing) && parts.uri.path().ends_with("index.php") {
        return errors::unknown_path(&app, &parts.uri);
    }
    let form = match media_type(&parts.headers).as_str() {
        FORM => Form::parse(&body),
        _ if app.faults.has(Fault::AnyBodyIsForm) => Form::parse(&body),
        _ => Some(Form::default()),
    };
    let Some(mut form) = form else {
        return refuse(&app, Error::BadFormat);
    };
    if app.faults.has(Fault::VisitorQueryLogin)
        && let Some(query) = Form::of_query(&parts.uri)
        && matches!(form.field("username"), Field::Absent)
    {
        form = query;
    }
    let debug = debug_wanted(&app, &form);
    let answer = match log_in(&app, &form) {
        Ok(account) => issued(&app, account),
        Err((error, hint)) => {
            app.counters.count(Flow::VisitorLogin, Tally::Denied);
            errors::refuse_with(&app, error, hint.filter(|_| debug))
        }
    };
    defect::reflect(&app, answer, form.field("device-info").filled())
}

/// Debug output is for the development branch, and only the value `1` asks for it.
fn debug_wanted(app: &App, form: &Form) -> bool {
    let one = form.field("debug") == Field::One("1");
    let loose = app.faults.has(Fault::DebugByAnyValue)
        && form.field("debug").filled().is_some_and(|value| value != "0");
    let development =
        app.variants.is(Variant::Branch, "development") || app.faults.has(Fault::DebugInProduction);
    ((one || loose) && development) || app.faults.has(Fault::DebugAlways)
}

type Hint = Option<(&'static str, &'static str)>;

/// Checks a login form; an error comes with what debug mode would add.
fn log_in<'a>(app: &'a App, form: &Form) -> Result<&'a LiveAccount, (Error, Hint)> {
    if app.visitor.database_failing.load(Ordering::Relaxed) {
        let hint = Some(("mysql", "the database is not available"));
        return Err((defect::database_failure(app, Error::WrongCredentials), hint));
    }
    let login = read_login(app, form).map_err(|error| (error, None))?;
    let (flow, throttle) = (Flow::VisitorLogin, Variant::VisitorThrottle);
    if app.throttles(throttle, flow, &login.username)
        && !(app.faults.has(Fault::ThrottleSparesOwner) && find(app, &login).is_ok())
    {
        return Err((Error::Throttled, None));
    }
    find(app, &login).inspect_err(|_| app.login_failed(throttle, flow, &login.username))
}

/// The account of these credentials; its state is judged after the password, and never told.
fn find<'a>(app: &'a App, login: &Login) -> Result<&'a LiveAccount, (Error, Hint)> {
    let any_case = app.variants.is(Variant::VisitorUsernameCase, "insensitive")
        || app.faults.has(Fault::VisitorUsernameFolded);
    if let Some(account) = defect::injected(app, &login.username) {
        return Ok(account);
    }
    let Some(account) = app.accounts.find(Flow::VisitorLogin, &login.username, any_case) else {
        if !app.faults.has(Fault::FastUnknownUser) {
            app.accounts.spend_a_hash(&login.password);
        }
        let error = if app.faults.has(Fault::UnknownUserTold) {
            Error::UnknownUser
        } else {
            Error::WrongCredentials
        };
        return Err((error, Some(("username", "Username not found"))));
    };
    if !account.matches(0, &login.password) && !defect::matches(app, account, &login.password) {
        if app.gives_in() {
            return Ok(account);
        }
        return Err((Error::WrongCredentials, Some(("password", "Password incorrect"))));
    }
    if !account.is_active() {
        return Err((Error::WrongCredentials, None));
    }
    Ok(account)
}

fn read_login(app: &App, form: &Form) -> Result<Login, Error> {
    defect::read_login(app, form)?;
    let empty_is_missing = app.variants.is(Variant::EmptyCredentials, "missing")
        && !app.faults.has(Fault::EmptyCredentialsWrong)
        && !app.faults.has(Fault::EmptyPasswordLogsIn);
    let field = |name: &str| match defect::field(app, form, name) {
        Field::Absent if app.faults.has(Fault::MissingCredentialsWrong) => {
            Err(Error::WrongCredentials)
        }
        Field::Absent => Err(Error::MissingCredentials),
        Field::One("") if empty_is_missing => Err(Error::MissingCredentials),
        Field::One(value) => Ok(value.to_owned()),
        Field::Repeated(last) if app.faults.has(Fault::RepeatedFieldAccepted) => {
            Ok(last.to_owned())
        }
        Field::Repeated(_) => Err(Error::BadFormat),
    };
    let login = Login { username: field("username")?, password: field("password")? };
    match form.field("device-info") {
        Field::Repeated(_) => Err(Error::BadFormat),
        Field::One(info) => {
            let length = if app.faults.has(Fault::DeviceInfoInBytes) {
                info.len()
            } else {
                info.chars().count()
            };
            let limit = DEVICE_INFO - usize::from(app.faults.has(Fault::DeviceInfoLimitShort));
            let cut = app.variants.is(Variant::LongDeviceInfo, "cut");
            if length > limit && app.faults.has(Fault::DeviceInfoBreaksServer) {
                Err(Error::Server)
            } else if length > limit && !cut {
                Err(Error::BadFormat)
            } else {
                Ok(login)
            }
        }
        Field::Absent => Ok(login),
    }
}

fn issued(app: &App, account: &LiveAccount) -> Answer {
    let (text, expiry) = app.visitor.issue(app, account.index);
    app.counters.count(Flow::VisitorLogin, Tally::Issued);
    let detail = format!("{}: {}", Flow::VisitorLogin, account.username());
    app.events.push(app.clock.now(), "issued", detail);
    let expiry = if app.faults.has(Fault::ExpiryMilliseconds) {
        (expiry * 1000).to_string()
    } else if app.faults.has(Fault::ExpiryText) {
        format!("\"{expiry}\"")
    } else if app.faults.has(Fault::ExpiryIsDuration) {
        app.lifetimes.visitor.as_secs().to_string()
    } else {
        expiry.to_string()
    };
    let success = if app.faults.has(Fault::SuccessText) { "\"true\"" } else { "true" };
    let errors = if app.faults.has(Fault::ErrorsBesideData) { r#","errors":{}"# } else { "" };
    let body = format!(
        r#"{{"success":{success},"data":{{"access_token":"{text}","expiry":{expiry}}}{errors}}}"#
    );
    secret(app, json(StatusCode::OK, body))
}

/// `POST /v1/oauth`: discarded, as the document warns.
pub(crate) async fn login_without_slash(state: State<Arc<App>>, request: Request) -> Answer {
    if state.0.faults.has(Fault::SlashlessLogin) {
        return login(state, request).await;
    }
    without_slash(state, request).await
}

/// A known path without its final slash: redirected or unknown, by variant.
pub(crate) async fn without_slash(State(app): State<Arc<App>>, request: Request) -> Answer {
    let status = match app.variants.value(Variant::NoSlash) {
        "redirect" => StatusCode::MOVED_PERMANENTLY,
        "redirect_308" => StatusCode::PERMANENT_REDIRECT,
        _ => return problem(&app, request.uri(), StatusCode::NOT_FOUND),
    };
    let mut answer = errors::unknown_path(&app, request.uri());
    *answer.status_mut() = status;
    // The path alone: the query may hold credentials, and Host is the client's word.
    let mut location = format!("{}/", request.uri().path());
    if app.faults.has(Fault::RedirectElsewhere) {
        location.insert_str(0, "https://visitors.example");
    }
    match HeaderValue::try_from(location) {
        Ok(location) => with(answer, LOCATION, location),
        Err(_) => answer,
    }
}

/// `GET /v1/get/`: all visitors.
pub(crate) fn validate(app: &App, parts: (&HeaderMap, &Uri)) -> Answer {
    let outcome = authorize(app, parts);
    let answer = match outcome {
        Ok(()) => json(StatusCode::OK, app.visitor.register.all()),
        Err(error) => refuse(app, error),
    };
    defect::numbered(app, outcome, answer)
}

/// `GET /v1/get/` by way of the router: HEAD, and GET when the validation lane is off.
pub(crate) async fn validate_routed(State(app): State<Arc<App>>, request: Request) -> Answer {
    validate(&app, (request.headers(), request.uri()))
}

/// Whether the request presents a live token in its `Token` header.
fn authorize(app: &App, parts: (&HeaderMap, &Uri)) -> Result<(), Error> {
    if let Some(outcome) = defect::authorize(app, parts.0) {
        return outcome;
    }
    let vendor = app.variants.is(Variant::VisitorSchemeCase, "vendor");
    let presented = credentials(app, parts, "Token", !vendor);
    let outcome = match presented {
        Credentials::Token(token) => check_token(app, &token),
        Credentials::OtherScheme(scheme) if vendor && scheme == "token" => {
            let text = parts.0.get(axum::http::header::AUTHORIZATION);
            let text = text.and_then(|value| value.to_str().ok()).unwrap_or_default();
            check_token(app, text.split_once(' ').map_or("", |(_, token)| token))
        }
        Credentials::Empty if app.faults.has(Fault::EmptyHeaderBreaks) => Err(Error::Server),
        // The scheme is right, so it is the token that is wrong.
        Credentials::Empty | Credentials::Malformed => Err(Error::InvalidToken),
        Credentials::Absent if app.faults.has(Fault::MissingTokenIsInvalid) => {
            Err(Error::InvalidToken)
        }
        Credentials::Absent => Err(Error::NoToken),
        Credentials::OtherScheme(_) | Credentials::Repeated => Err(Error::WrongHeader),
    };
    let tally = if outcome.is_ok() { Tally::Accepted } else { Tally::Denied };
    app.counters.count(Flow::VisitorLogin, tally);
    outcome
}

/// Whether a token is live; one that has expired is forgotten when it is presented.
fn check_token(app: &App, token: &str) -> Result<(), Error> {
    if app.visitor.database_failing.load(Ordering::Relaxed) {
        if app.faults.has(Fault::DatabaseFailureForgets) {
            app.visitor.tokens.remove(&Digest::of(token));
        }
        return Err(defect::database_failure(app, Error::InvalidToken));
    }
    let token = if app.faults.has(Fault::TokenSuffixIgnored) {
        token.get(..40).unwrap_or(token)
    } else {
        token
    };
    let digest = Digest::of(token);
    let known = app.visitor.tokens.get(&digest).ok_or(Error::InvalidToken)?;
    let now = app.clock.now();
    let mut ends = known.expiry * 1000;
    if app.faults.has(Fault::VisitorTokenEndsEarly) {
        ends = ends.saturating_sub(86_400_000);
    }
    if app.faults.has(Fault::VisitorTokenOutlivesExpiry) {
        ends += 86_400_000;
    }
    if now >= ends {
        if !app.faults.has(Fault::AddIgnoresExpiry) {
            app.visitor.tokens.remove(&digest);
        }
        if app.faults.has(Fault::ExpiredTokenTold) {
            return Err(Error::ExpiredToken);
        }
        return Err(Error::InvalidToken);
    }
    if app.accounts.at(known.account).may_use_tokens() { Ok(()) } else { Err(Error::InvalidToken) }
}

/// What is wrong with a request before the flow looks at it, in the flow's error object.
pub(crate) fn problem(app: &App, uri: &Uri, status: StatusCode) -> Answer {
    let mut answer = match status {
        StatusCode::NOT_FOUND => return errors::unknown_path(app, uri),
        StatusCode::METHOD_NOT_ALLOWED => refuse(app, Error::Unsupported),
        _ => refuse(app, Error::BadFormat),
    };
    *answer.status_mut() = status;
    answer
}
