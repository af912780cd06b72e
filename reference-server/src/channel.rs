//! The channel-login flow: user name and password for a token, in plain text.
//!
//! Follows the channel document and its getToken page. Success and failure are both a bare string; the failure
//! literals are `invalid username or password` and, for an account whose state forbids tokens, `token expired`.
//! Because a client may tell a token from an error by that text alone, no other text ever answers a login.

mod defects;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use tokio::sync::Semaphore;

use crate::account::{AccountState, Flow, LiveAccount};
use crate::app::App;
use crate::clock::milliseconds;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{
    Answer, Credentials, FORM, Field, Form, JSON, TEXT, allow, answer, challenged, credentials,
    media_type, read_body, retry_later, secret,
};
use crate::store::{Digest, Store, lock, random};
use crate::variant::Variant;

const BAD_CREDENTIALS: &str = "invalid username or password";
const BAD_STATE: &str = "token expired";
const UNAUTHORIZED: &str = "unauthorized";

const CHALLENGE: &str = r#"Bearer realm="channel""#;
const INVALID_TOKEN: &str = r#"Bearer realm="channel", error="invalid_token""#;
/// How a defect tells expired tokens from unknown ones.
const EXPIRED: &str =
    r#"Bearer realm="channel", error="invalid_token", error_description="expired""#;

/// Everything the flow remembers.
#[derive(Debug)]
pub(crate) struct Channel {
    tokens: Store<Token>,
    /// The current token of each account. Its text is kept, because getToken must return it again.
    current: Mutex<HashMap<usize, Current>>,
    /// Names that a defect remembers of failed logins.
    strangers: Mutex<HashSet<String>>,
    /// Where a defect lets only one login be under way.
    under_way: Semaphore,
}

#[derive(Debug)]
struct Token {
    account: usize,
    expires: u64,
}

#[derive(Debug, Clone)]
struct Current {
    text: String,
    expires: u64,
}

impl Channel {
    pub(crate) fn new() -> Self {
        Self {
            tokens: Store::new(),
            current: Mutex::new(HashMap::new()),
            strangers: Mutex::new(HashSet::new()),
            under_way: Semaphore::new(1),
        }
    }

    pub(crate) fn reset(&self) {
        self.tokens.clear();
        lock(&self.current).clear();
        lock(&self.strangers).clear();
    }

    pub(crate) fn revoke(&self, token: &str) -> bool {
        lock(&self.current).retain(|_, current| current.text != token);
        self.tokens.remove(&Digest::of(token)).is_some()
    }

    /// Makes a new token the account's current one; by default the one before dies.
    fn issue(&self, app: &App, account: usize) -> String {
        let account = defects::owner(app, account);
        let expires = defects::expiry(app, account);
        let text = new_token(app);
        // Held over both maps, so that parallel logins leave exactly one live token.
        let mut current = lock(&self.current);
        let new = Current { text: text.clone(), expires };
        let previous = current.insert(account, new);
        if let Some(previous) = previous
            && !defects::renews(app, account, &previous.text)
            && app.variants.is(Variant::ChannelPreviousToken, "replaced")
            && !app.faults.has(Fault::ParallelTokensBothLive)
        {
            self.tokens.remove(&Digest::of(&previous.text));
        }
        self.store(app, &text, account, expires);
        text
    }

    fn store(&self, app: &App, text: &str, account: usize, expires: u64) {
        if app.faults.has(Fault::ChannelTokenDeadAtOnce) {
            return;
        }
        let now = app.clock.now();
        let token = Token { account, expires };
        self.tokens.insert(Digest::of(text), token, |token| token.expires > now);
    }
}

fn new_token(app: &App) -> String {
    if app.faults.has(Fault::ChannelTokenNotHeaderSafe) {
        return format!("token {}", URL_SAFE_NO_PAD.encode(random::<24>()));
    }
    if app.faults.has(Fault::ShortTokens) {
        return format!("{}{}", "A".repeat(40), URL_SAFE_NO_PAD.encode(random::<2>()));
    }
    if app.faults.has(Fault::ChannelTokensByClock) {
        return format!("{:043}", app.clock.now());
    }
    if app.faults.has(Fault::TokenPoolRunsDry) && app.faults.tick() > 40 {
        return BAD_STATE.to_owned();
    }
    URL_SAFE_NO_PAD.encode(random::<32>())
}

/// Adds a live token of the first account, beside its current one.
pub(crate) fn seed(app: &App) -> Option<String> {
    let account = app.accounts.first(Flow::ChannelLogin)?.index;
    let text = new_token(app);
    let expires = app.clock.now() + milliseconds(app.lifetimes.channel);
    app.channel.store(app, &text, account, expires);
    Some(text)
}

/// Why a login gives no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// A field is missing, repeated or not decodable.
    Incomplete,
    /// The body is not a form.
    MediaType,
    /// The body breaks a limit.
    Body(StatusCode),
    /// No such user, or another password.
    Credentials,
    /// No such user, where a defect tells that apart.
    Unknown,
    /// Too many wrong passwords for this name.
    Throttled,
    /// The account may have no token now.
    AccountState,
}

/// `POST /generateToken`: a new token.
pub(crate) async fn generate(State(app): State<Arc<App>>, request: Request) -> Answer {
    let spelling = app.variants.value(Variant::FieldCase);
    if app.faults.any() && defects::minds_header(&app, request.headers()) {
        return refused(&app, Refusal::Credentials);
    }
    let _under_way = match defects::begin(&app).await {
        Ok(permit) => permit,
        Err(refusal) => return refused(&app, refusal),
    };
    match log_in(&app, request, spelling).await {
        Ok(account)
            if app.faults.has(Fault::GetTokenIgnoresState)
                && !app.accounts.at(account).is_active() =>
        {
            refused(&app, Refusal::AccountState)
        }
        Ok(account) => {
            let before = defects::before(&app, account).await;
            let text = app.channel.issue(&app, account);
            defects::after(&app, account, before.as_deref(), &text).await;
            issued(&app, text)
        }
        Err(refusal) => refused(&app, refusal),
    }
}

/// `GET /generateToken` exists only as a defect.
pub(crate) async fn generate_by_get(State(app): State<Arc<App>>, request: Request) -> Answer {
    if !app.faults.has(Fault::ChannelGetGenerates) {
        return allow(problem(StatusCode::METHOD_NOT_ALLOWED), "POST");
    }
    let query = Form::of_query(request.uri()).unwrap_or_default();
    match check(&app, &query, "any", Fault::ChannelGetGenerates) {
        Ok(account) => issued(&app, app.channel.issue(&app, account)),
        Err(refusal) => refused(&app, refusal),
    }
}

/// `POST /getToken`: the current token again.
pub(crate) async fn current(State(app): State<Arc<App>>, request: Request) -> Answer {
    // How the names are spelt is open for generateToken only; the page of getToken has them in lower case.
    let account = match log_in(&app, request, "any").await {
        Ok(account) => account,
        Err(refusal) => return refused(&app, refusal),
    };
    let now = app.clock.now();
    let account = defects::owner(&app, account);
    let known = lock(&app.channel.current).get(&account).cloned();
    match known {
        Some(current) if app.faults.has(Fault::GetTokenAsJson) => {
            secret(&app, answer(StatusCode::OK, JSON, current.text))
        }
        Some(current) if app.faults.has(Fault::GetTokenShowsExpired) => {
            secret(&app, plain(&app, StatusCode::OK, &current.text, false))
        }
        Some(current) if current.expires > now && !app.faults.has(Fault::GetTokenMints) => {
            secret(&app, plain(&app, StatusCode::OK, &current.text, false))
        }
        _ if app.variants.is(Variant::TokenWithoutGenerate, "minted")
            || app.faults.has(Fault::GetTokenMints) =>
        {
            issued(&app, app.channel.issue(&app, account))
        }
        _ => refused(&app, Refusal::AccountState),
    }
}

fn issued(app: &App, text: String) -> Answer {
    app.counters.count(Flow::ChannelLogin, Tally::Issued);
    app.events.push(app.clock.now(), "issued", Flow::ChannelLogin.name());
    let text = if app.faults.has(Fault::ChannelTokenQuoted) { format!("\"{text}\"") } else { text };
    let mark = if app.faults.has(Fault::ChannelByteOrderMark) { "\u{feff}" } else { "" };
    let text = format!("{mark}{text}");
    secret(app, plain(app, StatusCode::OK, &text, true))
}

/// Reads the credentials of a request and returns the account they belong to.
async fn log_in(app: &App, request: Request, spelling: &str) -> Result<usize, Refusal> {
    let (parts, body) =
        read_body(app, request).await.map_err(|broken| Refusal::Body(broken.status()))?;
    let mut form = match media_type(&parts.headers).as_str() {
        FORM if app.faults.any() => defects::form(app, &parts.headers, &body)?,
        FORM => Form::parse(&body).ok_or(Refusal::Incomplete)?,
        _ if body.is_empty() => Form::default(),
        "application/json" if app.faults.has(Fault::ChannelJsonAccepted) => json_fields(&body),
        _ => return Err(Refusal::MediaType),
    };
    if app.variants.is(Variant::QueryCredentials, "accepted")
        || app.faults.has(Fault::ChannelQueryLogin)
    {
        let query = Form::of_query(&parts.uri).ok_or(Refusal::Incomplete)?;
        for name in ["Username", "Password"] {
            if let Some(value) =
                query.field_where(|known| known.eq_ignore_ascii_case(name)).filled()
            {
                // Under the spelling that `check` looks for.
                let name =
                    if spelling == "exact" { name.to_owned() } else { name.to_ascii_lowercase() };
                form.push(name, value.to_owned());
            }
        }
    }
    check(app, &form, spelling, Fault::ChannelJsonAccepted)
}

/// The members of a JSON object as if they were form fields.
fn json_fields(body: &[u8]) -> Form {
    let mut form = Form::default();
    let value: serde_json::Value = serde_json::from_slice(body).unwrap_or_default();
    for (name, value) in value.as_object().into_iter().flatten() {
        form.push(name.clone(), value.as_str().unwrap_or_default().to_owned());
    }
    form
}

fn check(app: &App, form: &Form, spelling: &str, any_case_by: Fault) -> Result<usize, Refusal> {
    let field = |documented: &str| {
        let is = |name: &str| match spelling {
            _ if app.faults.has(any_case_by) => name.eq_ignore_ascii_case(documented),
            "exact" => name == documented,
            "lower" => name == documented.to_ascii_lowercase(),
            _ => name.eq_ignore_ascii_case(documented),
        };
        match form.field_where(is) {
            Field::Repeated(last) if app.faults.has(Fault::RepeatedFieldAccepted) => Some(last),
            other => other.filled(),
        }
    };
    if app.faults.any()
        && let Some(account) = defects::by_fields(app, form)
    {
        return Ok(account);
    }
    let (Some(username), Some(password)) = (field("Username"), field("Password")) else {
        return Err(Refusal::Incomplete);
    };
    let (flow, throttle) = (Flow::ChannelLogin, Variant::ChannelThrottle);
    if app.throttles(throttle, flow, username)
        && !(app.faults.has(Fault::ThrottleSparesOwner) && find(app, username, password).is_ok())
    {
        return Err(Refusal::Throttled);
    }
    let account = find(app, username, password)
        .inspect_err(|_| app.login_failed(throttle, flow, username))?;
    match account.state() {
        AccountState::Active => Ok(account.index),
        _ if app.faults.has(Fault::BlockedAccountGetsToken)
            || app.faults.has(Fault::GetTokenIgnoresState) =>
        {
            Ok(account.index)
        }
        _ => Err(Refusal::AccountState),
    }
}

/// The account of these credentials. Its state is judged only after the password, so that it tells nothing.
fn find<'a>(app: &'a App, username: &str, password: &str) -> Result<&'a LiveAccount, Refusal> {
    if app.faults.any()
        && let Some(judged) = defects::judge(app, username, password)
    {
        return judged;
    }
    let any_case = app.faults.has(Fault::UsernameFolded);
    let Some(account) = app.accounts.find(Flow::ChannelLogin, username, any_case) else {
        if !app.faults.has(Fault::FastUnknownUser) {
            app.accounts.spend_a_hash(password);
        }
        let told = app.faults.has(Fault::UnknownUserTold);
        return Err(if told { Refusal::Unknown } else { Refusal::Credentials });
    };
    let lower = password.to_lowercase();
    let mut right = account.matches(0, password);
    if app.variants.is(Variant::PasswordCase, "insensitive") {
        right |= account.matches(0, &lower);
    }
    if app.faults.has(Fault::PasswordTrimmed) {
        right |= account.matches(0, password.trim());
    }
    if right {
        return Ok(account);
    }
    if !account.is_active() && app.faults.has(Fault::StateBeforePassword) {
        return Err(Refusal::AccountState);
    }
    if app.gives_in() {
        return Ok(account);
    }
    if app.faults.any() {
        defects::failed(app, account);
    }
    Err(Refusal::Credentials)
}

fn refused(app: &App, refusal: Refusal) -> Answer {
    app.counters.count(Flow::ChannelLogin, Tally::Denied);
    let credentials = match app.variants.value(Variant::FailureStatus) {
        "400" => StatusCode::BAD_REQUEST,
        "200" => StatusCode::OK,
        _ => StatusCode::UNAUTHORIZED,
    };
    let in_band = credentials == StatusCode::OK;
    let (status, text) = match refusal {
        Refusal::Body(status) => return problem(status),
        Refusal::Incomplete if app.faults.has(Fault::ChannelMissingFieldBreaksServer) => {
            return problem(StatusCode::INTERNAL_SERVER_ERROR);
        }
        Refusal::Unknown => (StatusCode::NOT_FOUND, BAD_CREDENTIALS),
        Refusal::Credentials if app.faults.has(Fault::WrongPasswordForbidden) => {
            (StatusCode::FORBIDDEN, BAD_CREDENTIALS)
        }
        Refusal::Credentials => (credentials, BAD_CREDENTIALS),
        Refusal::Throttled => (StatusCode::TOO_MANY_REQUESTS, BAD_CREDENTIALS),
        Refusal::AccountState if in_band => (StatusCode::OK, BAD_STATE),
        Refusal::AccountState => (StatusCode::FORBIDDEN, BAD_STATE),
        Refusal::Incomplete | Refusal::MediaType if in_band => (StatusCode::OK, BAD_CREDENTIALS),
        Refusal::Incomplete => (StatusCode::BAD_REQUEST, BAD_CREDENTIALS),
        Refusal::MediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, BAD_CREDENTIALS),
    };
    let text = if app.faults.has(Fault::ChannelLiteralsCapitalised) {
        "Invalid username or password."
    } else {
        text
    };
    let status = if app.faults.has(Fault::ChannelRefusalsOk) { StatusCode::OK } else { status };
    let answer = plain(app, status, text, true);
    match status {
        StatusCode::UNAUTHORIZED => challenged(answer, CHALLENGE),
        StatusCode::TOO_MANY_REQUESTS => retry_later(answer),
        _ => answer,
    }
}

/// A bare string; `declared` is whether the document also calls it JSON.
fn plain(app: &App, status: StatusCode, text: &str, declared: bool) -> Answer {
    let newline = if app.variants.is(Variant::TrailingNewline, "yes") { "\n" } else { "" };
    let media = if declared && app.variants.is(Variant::AnswerType, "json") { JSON } else { TEXT };
    answer(status, media, format!("{text}{newline}"))
}

/// `POST /updateCalendarInventory?roomId=12`: the protected endpoint; a JSON array of changes.
pub(crate) async fn update(app: &App, request: Request) -> Answer {
    if let Err(challenge) = authorize(app, (request.headers(), request.uri())) {
        app.counters.count(Flow::ChannelLogin, Tally::Denied);
        let expired = app.faults.has(Fault::ChannelExpiredIsForbidden) && challenge == EXPIRED;
        let status = if expired { StatusCode::FORBIDDEN } else { StatusCode::UNAUTHORIZED };
        return challenged(answer(status, TEXT, UNAUTHORIZED), challenge);
    }
    app.counters.count(Flow::ChannelLogin, Tally::Accepted);
    let room = Form::of_query(request.uri())
        .and_then(|query| query.field("roomId").filled().map(str::to_owned))
        .is_some_and(|room| room.len() <= 18 && room.bytes().all(|byte| byte.is_ascii_digit()));
    if !room {
        return answer(StatusCode::BAD_REQUEST, TEXT, "roomId must be a number");
    }
    let (parts, body) = match read_body(app, request).await {
        Ok(read) => read,
        Err(broken) => return problem(broken.status()),
    };
    if media_type(&parts.headers) != "application/json" {
        return problem(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    match serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&body) {
        Ok(_) => answer(StatusCode::OK, TEXT, "calendar inventory updated"),
        Err(_) => answer(StatusCode::BAD_REQUEST, TEXT, "the body must be a JSON array"),
    }
}

/// The same by way of the router, when the validation lane is off.
pub(crate) async fn update_routed(State(app): State<Arc<App>>, request: Request) -> Answer {
    update(&app, request).await
}

/// Whether the request presents a live token of an account in good standing; else the challenge to answer.
fn authorize(app: &App, parts: (&HeaderMap, &Uri)) -> Result<(), &'static str> {
    if app.faults.any() && defects::lets_in(app, parts.0) {
        return Ok(());
    }
    let token = match credentials(app, parts, "Bearer", true) {
        Credentials::Token(token) => token,
        Credentials::Absent | Credentials::OtherScheme(_) => return Err(CHALLENGE),
        Credentials::Empty | Credentials::Malformed | Credentials::Repeated => {
            return Err(INVALID_TOKEN);
        }
    };
    let text = if app.faults.has(Fault::TokenSuffixIgnored) {
        token.get(..43).unwrap_or(&token)
    } else {
        &token
    };
    let digest = Digest::of(text);
    let known = app.channel.tokens.get(&digest).ok_or(INVALID_TOKEN)?;
    if app.clock.now() >= known.expires && !app.faults.has(Fault::ChannelTokenNeverExpires) {
        app.channel.tokens.remove(&digest);
        let told = app.faults.has(Fault::ChannelExpiredIsForbidden);
        return Err(if told { EXPIRED } else { INVALID_TOKEN });
    }
    let account = app.accounts.at(known.account);
    if account.is_active() || app.faults.has(Fault::BlockedTokenStillWorks) {
        Ok(())
    } else {
        Err(INVALID_TOKEN)
    }
}

/// Whether a defect serves a request whose method its path does not have.
pub(crate) fn ignores_method(app: &App, request: &Request) -> bool {
    match request.uri().path() {
        "/generateToken" | "/getToken" => {
            app.faults.has(Fault::PutIsPost) && request.method() == Method::PUT
        }
        "/updateCalendarInventory" => app.faults.has(Fault::UnguardedByGet),
        _ => false,
    }
}

/// The answer to such a request.
pub(crate) async fn by_any_method(app: &Arc<App>, request: Request) -> Answer {
    let app = State(Arc::clone(app));
    match request.uri().path() {
        "/generateToken" => generate(app, request).await,
        "/getToken" => current(app, request).await,
        _ => answer(StatusCode::OK, TEXT, "calendar inventory"),
    }
}

/// What is wrong with a request before the flow looks at it, in plain text.
pub(crate) fn problem(status: StatusCode) -> Answer {
    let text = match status {
        StatusCode::NOT_FOUND => "not found",
        StatusCode::METHOD_NOT_ALLOWED => "method not allowed",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported media type",
        StatusCode::PAYLOAD_TOO_LARGE => "payload too large",
        StatusCode::REQUEST_TIMEOUT => "request timeout",
        _ => "bad request",
    };
    answer(status, TEXT, text)
}
