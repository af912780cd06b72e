//! The environment-token flow: client id and secret for a token that is good in one environment only.
//!
//! Follows the channel-manager document: generate takes the headers `client-id` (base64 of a domain) and
//! `client-secret`; tokens start with `sandbox_` or `live_`; `expire_in` is a string of seconds. Every refusal, of
//! credentials and of tokens alike, is the one "Authorization Required" body with error 497.

mod defect;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

use crate::account::{Flow, LiveAccount};
use crate::app::App;
use crate::clock::milliseconds;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{Answer, Credentials, Form, allow, challenged, json, retry_later, secret};
use crate::store::{Digest, Store, lock, random};
use crate::variant::Variant;

const REQUIRED: &str =
    r#"{"Status":"Fail","Errors":[{"Code":"497","ShortText":"Authorization Required"}]}"#;
const LIMIT: &str =
    r#"{"Status":"Fail","Errors":[{"Code":"548","ShortText":"Limit has been reached"}]}"#;

const CHALLENGE: &str = r#"Bearer realm="environment""#;
const INVALID_TOKEN: &str = r#"Bearer realm="environment", error="invalid_token""#;

/// How many tokens a tenant may generate in one minute where throttling is on.
const TOKENS_A_MINUTE: u32 = 10;

/// Random bytes of a token: 384 bits, 64 base64 characters without padding.
const TOKEN_BYTES: usize = 48;

/// Where a token is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Environment {
    Sandbox,
    Production,
}

impl Environment {
    fn of(uri: &Uri) -> Self {
        if uri.path().starts_with("/sandbox/") { Self::Sandbox } else { Self::Production }
    }

    fn other(self) -> Self {
        match self {
            Self::Sandbox => Self::Production,
            Self::Production => Self::Sandbox,
        }
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Sandbox => "sandbox_",
            Self::Production => "live_",
        }
    }
}

/// Everything the flow remembers.
#[derive(Debug)]
pub(crate) struct Tokens {
    tokens: Store<Token>,
    /// The newest token of each tenant and environment, for the variant that replaces it.
    newest: Mutex<HashMap<(usize, Environment), Digest>>,
    /// When the running minute of each tenant and environment began, and how many tokens it has seen.
    issues: Mutex<HashMap<(usize, Environment), (u64, u32)>>,
}

#[derive(Debug)]
struct Token {
    account: usize,
    environment: Environment,
    expires: std::sync::atomic::AtomicU64,
}

impl Token {
    fn expires(&self) -> u64 {
        self.expires.load(std::sync::atomic::Ordering::Relaxed)
    }
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self {
            tokens: Store::new(),
            newest: Mutex::new(HashMap::new()),
            issues: Mutex::new(HashMap::new()),
        }
    }

    pub(crate) fn reset(&self) {
        self.tokens.clear();
        lock(&self.newest).clear();
        lock(&self.issues).clear();
    }

    pub(crate) fn revoke(&self, token: &str) -> bool {
        self.tokens.remove(&Digest::of(token)).is_some()
    }

    fn issue(&self, app: &App, account: usize, environment: Environment) -> String {
        let text = new_token(app, environment);
        let stored = stored_form(app, &text);
        let digest = Digest::of(&stored);
        let now = app.clock.now();
        let lifetime = milliseconds(app.lifetimes.environment);
        let lifetime = if app.faults.has(Fault::ExpireInLies) { lifetime / 2 } else { lifetime };
        let token = Token { account, environment, expires: (now + lifetime).into() };
        if app.faults.has(Fault::NewestTokenOnly) {
            self.tokens.clear();
        }
        if app.variants.is(Variant::EnvironmentPreviousToken, "replaced") || app.faults.any() {
            let previous = lock(&self.newest).insert((account, environment), digest);
            if let Some(previous) = previous
                && app.variants.is(Variant::EnvironmentPreviousToken, "replaced")
            {
                self.tokens.remove(&previous);
            }
        }
        self.tokens.insert(digest, token, |token| token.expires() > now);
        text
    }

    /// Ends the newest token of a tenant.
    fn end_newest(&self, key: (usize, Environment)) {
        if let Some(newest) = lock(&self.newest).remove(&key) {
            self.tokens.remove(&newest);
        }
    }

    /// Counts one issue; `false` once the running minute is full.
    fn within_limit(&self, now: u64, key: (usize, Environment)) -> bool {
        let mut issues = lock(&self.issues);
        let (began, count) = issues.entry(key).or_insert((now, 0));
        if now >= *began + 60_000 {
            (*began, *count) = (now, 0);
        }
        *count += 1;
        *count <= TOKENS_A_MINUTE
    }
}

fn new_token(app: &App, environment: Environment) -> String {
    let prefix = if app.faults.has(Fault::WrongPrefix) {
        environment.other().prefix()
    } else {
        environment.prefix()
    };
    if let Some(text) = defect::token(app, prefix) {
        return text;
    }
    let mut bytes: [u8; TOKEN_BYTES] = random();
    if app.faults.has(Fault::ShortTokens) {
        bytes[2..].fill(0);
    }
    format!("{prefix}{}", STANDARD.encode(bytes))
}

/// The part of a token that is hashed: all of it, or by a defect what follows the prefix.
fn stored_form<'a>(app: &App, text: &'a str) -> Cow<'a, str> {
    if app.faults.has(Fault::PrefixCosmetic) {
        Cow::Borrowed(text.rsplit('_').next().unwrap_or(text))
    } else {
        defect::stored_form(app, text)
    }
}

/// Adds a live token of the first tenant.
pub(crate) fn seed(app: &App, environment: Environment) -> Option<String> {
    let account = app.accounts.first(Flow::EnvironmentToken)?.index;
    Some(app.environment.issue(app, account, environment))
}

/// `GET .../generate-access-token`: a token for the headers `client-id` and `client-secret`.
pub(crate) async fn generate(State(app): State<Arc<App>>, request: Request) -> Answer {
    let environment = Environment::of(request.uri());
    if request.method() == Method::HEAD && app.faults.has(Fault::HeadBreaks) {
        return problem(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let Some(tenant) = tenant(&app, (request.headers(), request.uri()), environment) else {
        app.counters.count(Flow::EnvironmentToken, Tally::Denied);
        let refusal = defect::refusal(&app, request.headers(), environment);
        let answer = challenged(refusal.unwrap_or_else(|| required(&app)), CHALLENGE);
        return echo_secret(&app, request.headers(), answer);
    };
    if request.method() == Method::HEAD && !app.faults.has(Fault::HeadMints) {
        defect::head(&app, (tenant.index, environment));
        return success(&app, &new_token(&app, environment));
    }
    let throttle = app.variants.value(Variant::Throttle);
    let key = (tenant.index, environment);
    if app.faults.has(Fault::QuotaForGood) && !defect::within_quota(&app, key) {
        return limited("422");
    }
    if throttle != "off" && !app.environment.within_limit(app.clock.now(), key) {
        return limited(throttle);
    }
    let text = app.environment.issue(&app, tenant.index, environment);
    app.counters.count(Flow::EnvironmentToken, Tally::Issued);
    app.events.push(app.clock.now(), "issued", Flow::EnvironmentToken.name());
    success(&app, &text)
}

/// `POST .../generate-access-token`: refused, or served like GET.
pub(crate) async fn generate_by_post(state: State<Arc<App>>, request: Request) -> Answer {
    if state.0.variants.is(Variant::PostGenerate, "served")
        || state.0.faults.has(Fault::AnyMethodGenerates)
    {
        return generate(state, request).await;
    }
    allow(problem(StatusCode::METHOD_NOT_ALLOWED), "GET,HEAD")
}

fn limited(throttle: &str) -> Answer {
    if throttle == "422" {
        return json(StatusCode::UNPROCESSABLE_ENTITY, LIMIT);
    }
    retry_later(json(StatusCode::TOO_MANY_REQUESTS, LIMIT))
}

fn success(app: &App, token: &str) -> Answer {
    let day = app.faults.has(Fault::LifetimeOfDay);
    let seconds = if day { 86_400 } else { app.lifetimes.environment.as_secs() };
    let expire_in = if app.faults.has(Fault::ExpireInNumber) {
        seconds.to_string()
    } else {
        format!("\"{seconds}\"")
    };
    let kind = if app.faults.has(Fault::TokenTypeLowerCase) { "bearer" } else { "Bearer" };
    let [success, data, message] = spelling(app);
    let said = if app.faults.has(Fault::SuccessMessageReworded) {
        "access token generated"
    } else {
        "Access Token generated successfully"
    };
    let body = format!(
        r#"{{{success},"{data}":{{"token_type":"{kind}","token":"{token}","expire_in":{expire_in}}},"{message}":"{said}"}}"#
    );
    let created = app.faults.has(Fault::GenerateUnder201);
    secret(app, json(if created { StatusCode::CREATED } else { StatusCode::OK }, body))
}

/// The member that says success, and the names of the other two.
fn spelling(app: &App) -> [&'static str; 3] {
    if app.faults.has(Fault::MixedSpelling) {
        [r#""success":true"#, "Data", "Message"]
    } else if app.variants.is(Variant::Spelling, "newer") {
        [r#""Status":"Success""#, "Data", "Message"]
    } else {
        [r#""success":true"#, "data", "message"]
    }
}

/// The tenant whose id and secret the request presents. Both are looked at whatever the other one is.
fn tenant<'a>(
    app: &'a App,
    parts: (&HeaderMap, &Uri),
    environment: Environment,
) -> Option<&'a LiveAccount> {
    let (headers, uri) = parts;
    if let Some(tenant) = defect::tenant(app, parts, environment) {
        return tenant;
    }
    let query = if app.faults.has(Fault::QuerySecretAccepted) {
        Form::of_query(uri).unwrap_or_default()
    } else {
        Form::default()
    };
    let id = single(headers, "client-id").or_else(|| query.field("client-id").filled())?;
    let secret =
        single(headers, "client-secret").or_else(|| query.field("client-secret").filled())?;
    let account = domain_of(app, id)
        .and_then(|domain| app.accounts.find(Flow::EnvironmentToken, &domain, false));
    let Some(account) = account else {
        app.accounts.spend_a_hash(secret);
        return None;
    };
    let mut right = account.matches(environment as usize, secret);
    if app.faults.has(Fault::EitherSecretAccepted) {
        right |= account.matches(environment.other() as usize, secret);
    }
    right |= app.faults.has(Fault::SecretNotChecked);
    if !right && app.faults.has(Fault::FailedGenerateRevokes) {
        app.environment.end_newest((account.index, environment));
    }
    (right && account.is_active()).then_some(account)
}

/// The value of a header that is there exactly once.
fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    (values.next().is_none() && !value.is_empty()).then_some(value)
}

/// The domain that a client id stands for.
fn domain_of(app: &App, id: &str) -> Option<String> {
    if app.faults.has(Fault::PlainDomainAccepted) && id.contains('.') {
        return Some(id.to_owned());
    }
    let bytes = if app.variants.is(Variant::ClientIdForms, "lenient")
        || app.faults.has(Fault::UnpaddedClientIdAccepted)
    {
        let config =
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let standard = id.replace('-', "+").replace('_', "/");
        GeneralPurpose::new(&alphabet::STANDARD, config).decode(standard)
    } else {
        STANDARD.decode(id)
    };
    String::from_utf8(bytes.ok()?).ok()
}

/// `GET .../validate-access-token`.
pub(crate) fn validate(app: &App, parts: (&HeaderMap, &Uri), environment: Environment) -> Answer {
    let presented = defect::presented(app, parts);
    let good = match &presented {
        Credentials::Token(token) => is_live(app, token, environment),
        _ => false,
    };
    if !defect::vouched(app, parts, environment).unwrap_or(good) {
        return match presented {
            Credentials::Absent | Credentials::OtherScheme(_) => denied(app, CHALLENGE),
            _ => denied(app, INVALID_TOKEN),
        };
    }
    if app.faults.has(Fault::AppIdRequired) && !parts.0.contains_key("app-id") {
        return denied(app, INVALID_TOKEN);
    }
    app.counters.count(Flow::EnvironmentToken, Tally::Accepted);
    let body = match spelling(app) {
        [_, "data", _] => r#"{"success":true,"message":"Access Token is valid"}"#,
        [success, _, message] => {
            return json(
                StatusCode::OK,
                format!(r#"{{{success},"{message}":"Access Token is valid"}}"#),
            );
        }
    };
    json(StatusCode::OK, body)
}

fn is_live(app: &App, token: &str, environment: Environment) -> bool {
    let text = stored_form(app, token);
    let length = environment.prefix().len() + TOKEN_BYTES / 3 * 4;
    let text = if app.faults.has(Fault::TokenSuffixIgnored) {
        text.get(..length).unwrap_or(&text)
    } else {
        &*text
    };
    let digest = Digest::of(text);
    let Some(known) = app.environment.tokens.get(&digest) else {
        return false;
    };
    let here = known.environment == environment;
    if here == app.faults.has(Fault::EnvironmentCheckInverted)
        && !app.faults.has(Fault::OtherEnvironmentAccepted)
        && !app.faults.has(Fault::PrefixCosmetic)
    {
        if app.faults.has(Fault::CrossUseRevokes) {
            app.environment.tokens.remove(&digest);
        }
        return false;
    }
    let now = app.clock.now();
    if now >= known.expires() && !app.faults.has(Fault::EnvironmentTokenNeverExpires) {
        app.environment.tokens.remove(&digest);
        return false;
    }
    if app.faults.has(Fault::ValidationExtends) {
        let later = now + milliseconds(app.lifetimes.environment);
        known.expires.store(later, std::sync::atomic::Ordering::Relaxed);
    }
    app.accounts.at(known.account).is_active()
}

fn denied(app: &App, challenge: &'static str) -> Answer {
    app.counters.count(Flow::EnvironmentToken, Tally::Denied);
    let answer = defect::reworded(app, challenge).unwrap_or_else(|| required(app));
    challenged(answer, challenge)
}

fn required(app: &App) -> Answer {
    if app.faults.has(Fault::SuccessOnFailure) {
        return json(StatusCode::OK, r#"{"success":true,"message":"Authorization Required"}"#);
    }
    json(StatusCode::UNAUTHORIZED, REQUIRED)
}

/// A defect: the error repeats the secret it was given.
fn echo_secret(app: &App, headers: &HeaderMap, answer: Answer) -> Answer {
    match headers.get("client-secret") {
        Some(secret) if app.faults.has(Fault::SecretEchoed) => {
            let name = axum::http::HeaderName::from_static("x-client-secret");
            crate::http::with(answer, name, secret.clone())
        }
        _ => answer,
    }
}

/// `GET .../validate-access-token` by way of the router: HEAD, and GET when the validation lane is off.
pub(crate) async fn validate_routed(State(app): State<Arc<App>>, request: Request) -> Answer {
    let uri = request.uri();
    validate(&app, (request.headers(), uri), Environment::of(uri))
}

/// What is wrong with a request before the flow looks at it, in the flow's error envelope.
pub(crate) fn problem(status: StatusCode) -> Answer {
    let text = status.canonical_reason().unwrap_or("Bad Request");
    let code = status.as_u16();
    json(
        status,
        format!(r#"{{"Status":"Fail","Errors":[{{"Code":"{code}","ShortText":"{text}"}}]}}"#),
    )
}
