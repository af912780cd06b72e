//! The defects of this flow that take more than a line where they act. Without a fault, every function here leaves
//! things as they are.

use std::borrow::Cow;

use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{CHALLENGE, Environment, domain_of, new_token, problem, single};
use crate::account::{Flow, LiveAccount};
use crate::app::App;
use crate::fault::{Fault, from_base64};
use crate::http::{Answer, Credentials, Form, credentials, decode, json, parse_credentials};
use crate::store::{Digest, hex, lock, random};
use crate::variant::Variant;

/// How much of a token `token-start-suffices` looks at: the longer prefix and sixteen characters behind it.
const START: usize = 24;

/// How many wrong secrets some defects bear.
const GUESSES: u64 = 50;

/// How many tokens a client gets that has a quota for good.
const QUOTA: u32 = 100;

/// A token that is not what it should be.
pub(super) fn token(app: &App, prefix: &str) -> Option<String> {
    if app.faults.has(Fault::EnvironmentTokenOfSecond) {
        let second = Digest::of(&(app.clock.now() / 1000).to_string());
        return Some(format!("{prefix}{}", STANDARD.encode(second.bytes())));
    }
    let text = app.faults.has(Fault::EnvironmentTokenWithPipe).then(|| hex(&random::<24>()))?;
    Some(format!("{prefix}17|{text}"))
}

/// The part of a token that is hashed.
pub(super) fn stored_form<'a>(app: &App, text: &'a str) -> Cow<'a, str> {
    if app.faults.has(Fault::EnvironmentTokenFolded) {
        return Cow::Owned(text.to_lowercase());
    }
    if app.faults.has(Fault::TokenStartSuffices) {
        return Cow::Borrowed(text.get(..START).unwrap_or(text));
    }
    Cow::Borrowed(text)
}

/// What a HEAD changes that should change nothing.
pub(super) fn head(app: &App, key: (usize, Environment)) {
    if app.faults.has(Fault::HeadReplacesToken) {
        app.environment.end_newest(key);
    }
    if app.faults.has(Fault::HeadCounted) && !app.variants.is(Variant::Throttle, "off") {
        app.environment.within_limit(app.clock.now(), key);
    }
}

/// Counts one issue for good; `false` once the quota is used up.
pub(super) fn within_quota(app: &App, key: (usize, Environment)) -> bool {
    let mut issues = lock(&app.environment.issues);
    let (_, count) = issues.entry(key).or_insert((u64::MAX - 60_000, 0));
    *count += 1;
    *count <= QUOTA
}

/// Finds the tenant in place of the rules.
pub(super) fn tenant<'a>(
    app: &'a App,
    parts: (&HeaderMap, &Uri),
    environment: Environment,
) -> Option<Option<&'a LiveAccount>> {
    if !app.faults.any() {
        return None;
    }
    let (headers, _) = parts;
    let has = |fault| app.faults.has(fault);
    if has(Fault::ProductionClientUnknown) && environment == Environment::Production {
        return Some(None);
    }
    let named = |domain: &str| app.accounts.find(Flow::EnvironmentToken, domain, false);
    let id = single(headers, "client-id");
    let account = id.and_then(|id| domain_of(app, id)).and_then(|domain| named(&domain));
    let secret = single(headers, "client-secret");
    let right =
        |account: &&LiveAccount, secret: &str| account.matches(environment as usize, secret);
    let secrets =
        || headers.get_all("client-secret").iter().filter_map(|value| value.to_str().ok());
    if has(Fault::RepeatedSecretUnchecked) && secrets().count() > 1 {
        return Some(account);
    }
    if has(Fault::RepeatedSecretAccepted) && secrets().count() > 1 {
        let found = account.filter(|account| secrets().any(|secret| right(account, secret)));
        return Some(found);
    }
    if has(Fault::CookieCredentialsAccepted)
        && let Some(cookies) = headers.get(COOKIE).and_then(|cookies| cookies.to_str().ok())
    {
        return Some(in_cookies(app, cookies, environment));
    }
    if let (Some(account), Some(secret)) = (account, secret)
        && !right(&account, secret)
        && app.gives_in()
    {
        return Some(Some(account));
    }
    if has(Fault::ClientLockedForEver)
        && let (Some(account), Some(secret)) = (account, secret)
    {
        return Some(unless_locked(app, account, right(&account, secret)));
    }
    tenant_by_part(app, parts, (id, account, secret), environment)
}

/// The tenant where some part of the credentials is missing or stands elsewhere.
fn tenant_by_part<'a>(
    app: &'a App,
    (headers, uri): (&HeaderMap, &Uri),
    (id, account, secret): (Option<&str>, Option<&'a LiveAccount>, Option<&str>),
    environment: Environment,
) -> Option<Option<&'a LiveAccount>> {
    let has = |fault| app.faults.has(fault);
    let named = |domain: &str| app.accounts.find(Flow::EnvironmentToken, domain, false);
    let right =
        |account: &&LiveAccount, secret: &str| account.matches(environment as usize, secret);
    if has(Fault::MissingSecretIgnored) && secret.is_none() {
        return Some(account);
    }
    if has(Fault::ClientSecretSuffices)
        && account.is_none()
        && let (Some(_), Some(secret)) = (id, secret)
    {
        let first = app.accounts.first(Flow::EnvironmentToken);
        return Some(first.filter(|first| right(first, secret)));
    }
    if has(Fault::QuerySecretOverrides)
        && let Some(query) = Form::of_query(uri)
        && let Some(secret) = query.field("client-secret").filled()
        && let Some(account) = account.filter(|account| right(account, secret))
    {
        return Some(Some(account));
    }
    if has(Fault::BasicGenerates)
        && id.is_none()
        && let Some(value) = headers.get(AUTHORIZATION)
        && let Credentials::Token(pair) = parse_credentials(value, "Basic", true)
        && let Some((id, secret)) = from_base64(&pair)?.split_once(':')
    {
        let account = domain_of(app, id).and_then(|domain| named(&domain));
        return Some(account.filter(|account| right(account, secret)));
    }
    None
}

/// The tenant whose credentials stand in cookies.
fn in_cookies<'a>(
    app: &'a App,
    cookies: &str,
    environment: Environment,
) -> Option<&'a LiveAccount> {
    let cookie = |name: &str| {
        let mut pairs = cookies.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| decode(value.as_bytes()))?
    };
    let domain = domain_of(app, &cookie("client-id")?)?;
    let account = app.accounts.find(Flow::EnvironmentToken, &domain, false);
    let secret = cookie("client-secret").unwrap_or_default();
    account.filter(|account| account.matches(environment as usize, &secret))
}

/// A tenant with the right secret, until there were too many wrong ones; then nobody for good.
fn unless_locked<'a>(app: &App, account: &'a LiveAccount, right: bool) -> Option<&'a LiveAccount> {
    let closed = app.faults.ticks() >= GUESSES;
    if !right {
        app.faults.tick();
    }
    (right && !closed).then_some(account)
}

/// A refusal of a request for a token that says too much.
pub(super) fn refusal(app: &App, headers: &HeaderMap, environment: Environment) -> Option<Answer> {
    if !app.faults.any() {
        return None;
    }
    let has = |fault| app.faults.has(fault);
    if has(Fault::RefusalCarriesToken) {
        let token = new_token(app, environment);
        return Some(json(
            StatusCode::UNAUTHORIZED,
            format!(
                r#"{{"Status":"Fail","Errors":[{{"Code":"497","ShortText":"Authorization Required"}}],"Data":{{"token":"{token}"}}}}"#
            ),
        ));
    }
    let id = single(headers, "client-id").and_then(|id| domain_of(app, id));
    let known = |domain: &str| app.accounts.find(Flow::EnvironmentToken, domain, false).is_some();
    if has(Fault::PatienceWithoutTime) && app.faults.tick() > GUESSES {
        return Some(problem(StatusCode::TOO_MANY_REQUESTS));
    }
    if has(Fault::UnknownClientBreaks)
        && !id.as_ref().is_some_and(|domain| known(domain))
        && app.faults.tick() > GUESSES
    {
        return Some(problem(StatusCode::INTERNAL_SERVER_ERROR));
    }
    if has(Fault::LongSecretBreaks) && headers.values().any(|value| value.len() > 4096) {
        return Some(problem(StatusCode::INTERNAL_SERVER_ERROR));
    }
    if has(Fault::UnknownClientTold) && !id.is_some_and(|domain| known(&domain)) {
        return Some(problem(StatusCode::FORBIDDEN));
    }
    let secret = single(headers, "client-secret").unwrap_or_default();
    let anybody_has = |secret: &str| {
        let mut tenants = app.accounts.of(Flow::EnvironmentToken);
        tenants.any(|tenant| tenant.matches(environment as usize, secret))
    };
    if has(Fault::ForeignSecretTold) && anybody_has(secret) {
        let body = r#"{"Status":"Fail","Errors":[{"Code":"497","ShortText":"Authorization Required for this client"}]}"#;
        return Some(json(StatusCode::UNAUTHORIZED, body));
    }
    None
}

/// What a validation presents.
pub(super) fn presented<'a>(app: &'a App, parts: (&'a HeaderMap, &'a Uri)) -> Credentials<'a> {
    let presented = credentials(app, parts, "Bearer", true);
    if !app.faults.any() {
        return presented;
    }
    let text = |name: &str| parts.0.get(name).and_then(|value| value.to_str().ok());
    let authorization = text("authorization").unwrap_or_default();
    match presented {
        Credentials::OtherScheme(word)
            if word.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("bearer"))
                && app.faults.has(Fault::BearerStartCompared) =>
        {
            let token = authorization.split_once(' ').map_or("", |(_, token)| token.trim());
            Credentials::Token(Cow::Borrowed(token))
        }
        Credentials::Malformed if app.faults.has(Fault::TextBehindTokenIgnored) => {
            let token = authorization.split_once(' ').map_or("", |(_, token)| token);
            let token = token.split([' ', ',', ';', '\t']).next().unwrap_or_default();
            Credentials::Token(Cow::Borrowed(token))
        }
        Credentials::Absent if app.faults.has(Fault::TokenInOtherHeaders) => {
            text("x-auth-token").map_or(presented, |token| Credentials::Token(Cow::Borrowed(token)))
        }
        _ => presented,
    }
}

/// Judges a validation by what stands beside its token.
pub(super) fn vouched(
    app: &App,
    parts: (&HeaderMap, &Uri),
    environment: Environment,
) -> Option<bool> {
    if !app.faults.any() {
        return None;
    }
    if app.faults.has(Fault::CredentialsValidate)
        && super::tenant(app, parts, environment).is_some()
    {
        return Some(true);
    }
    let id = single(parts.0, "app-id")?;
    let domain = domain_of(app, id).unwrap_or_default();
    let known = app.accounts.find(Flow::EnvironmentToken, &domain, false).is_some();
    if known && app.faults.has(Fault::AppIdSuffices) {
        return Some(true);
    }
    (!known && app.faults.has(Fault::AppIdChecked)).then_some(false)
}

/// The refusal of a token in other words.
pub(super) fn reworded(app: &App, challenge: &str) -> Option<Answer> {
    let (fault, text) = if challenge == CHALLENGE {
        (Fault::MissingTokenReworded, "Token missing")
    } else {
        (Fault::InvalidTokenReworded, "Token not valid")
    };
    app.faults.has(fault).then(|| {
        let body =
            format!(r#"{{"Status":"Fail","Errors":[{{"Code":"401","ShortText":"{text}"}}]}}"#);
        json(StatusCode::UNAUTHORIZED, body)
    })
}
