//! What the faults of this flow do. Nothing here changes anything while no fault is installed.

use axum::http::HeaderMap;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use tokio::sync::SemaphorePermit;

use super::{BAD_STATE, Refusal, Token, json_fields};
use crate::account::{Flow, LiveAccount};
use crate::app::App;
use crate::clock::milliseconds;
use crate::fault::{Fault, from_base64};
use crate::http::{FORM, Field, Form};
use crate::store::{Digest, lock};
use crate::variant::Variant;

/// How long a defect takes between two steps that belong together.
const MOMENT: std::time::Duration = std::time::Duration::from_millis(3);

/// Where a column for UUIDs ends.
const PASSWORD_COLUMN: usize = 36;

/// A token that a developer had once.
const PLACEHOLDER: &str = "00000000-0000-0000-0000-000000000000";

/// Wrong passwords after which a login is closed for good.
const LOCKOUT: u64 = 10;

/// Wrong passwords after which the counter of them begins anew.
const WRAP: u64 = 64;

/// Whose token a login of this account replaces.
pub(super) fn owner(app: &App, account: usize) -> usize {
    if app.faults.has(Fault::OneTokenForAllUsers) { 0 } else { account }
}

/// When a new token of this account ends.
pub(super) fn expiry(app: &App, account: usize) -> u64 {
    let now = app.clock.now();
    let length = milliseconds(app.lifetimes.channel);
    if app.faults.has(Fault::NewTokenInheritsExpiry)
        && let Some(current) = lock(&app.channel.current).get(&account)
        && current.expires + 120_000 > now + length
    {
        return current.expires;
    }
    if app.faults.has(Fault::ChannelTokenEndsEarly) { now + length / 2 } else { now + length }
}

/// Renews the token before the new one, where a defect does not end it.
pub(super) fn renews(app: &App, account: usize, previous: &str) -> bool {
    if !app.faults.has(Fault::NewTokenRenewsOld) {
        return false;
    }
    let expires = app.clock.now() + milliseconds(app.lifetimes.channel);
    app.channel.tokens.insert(Digest::of(previous), Token { account, expires }, |_| true);
    true
}

/// Whether a login is refused for having an Authorization header, or for having none.
pub(super) fn minds_header(app: &App, headers: &HeaderMap) -> bool {
    let header = headers.contains_key(AUTHORIZATION);
    (header && app.faults.has(Fault::LoginJudgesHeader))
        || (!header && app.faults.has(Fault::LoginNeedsHeader))
}

/// The place of a login among those that are under way, where a defect lets only one be.
pub(super) async fn begin(app: &App) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
    if !app.faults.has(Fault::ParallelLoginRefused) {
        return Ok(None);
    }
    let permit = app.channel.under_way.try_acquire().map_err(|_| Refusal::Credentials)?;
    tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    Ok(Some(permit))
}

/// The token that a login is about to replace, where a defect looks that up a moment too early.
pub(super) async fn before(app: &App, account: usize) -> Option<String> {
    if !app.faults.has(Fault::ParallelTokensBothLive) {
        return None;
    }
    let current = lock(&app.channel.current).get(&account).map(|current| current.text.clone());
    tokio::time::sleep(MOMENT).await;
    current
}

/// Ends the tokens that a login replaces by such a defect; `before` is what it had looked up.
pub(super) async fn after(app: &App, account: usize, before: Option<&str>, text: &str) {
    let replaced = app.variants.is(Variant::ChannelPreviousToken, "replaced");
    if let Some(before) = before
        && replaced
    {
        app.channel.tokens.remove(&Digest::of(before));
    }
    if !app.faults.has(Fault::ParallelTokensBothDie) || !replaced {
        return;
    }
    tokio::time::sleep(MOMENT).await;
    let current = lock(&app.channel.current).get(&account).map(|current| current.text.clone());
    if let Some(current) = current
        && current != text
    {
        // Another login has come between, and is taken for the one before.
        app.channel.tokens.remove(&Digest::of(&current));
    }
}

/// Reads a form with the installed defects.
pub(super) fn form(app: &App, headers: &HeaderMap, body: &[u8]) -> Result<Form, Refusal> {
    let faults = &app.faults;
    if faults.has(Fault::ChannelMediaTypeExact)
        && headers.get(CONTENT_TYPE).is_some_and(|media| media != FORM)
    {
        return Err(Refusal::MediaType);
    }
    if faults.has(Fault::ChannelJsonSniffed) && body.starts_with(b"{") {
        return Ok(json_fields(body));
    }
    if faults.has(Fault::ChannelFormUndecoded)
        && let Some(form) = undecoded(body)
    {
        return Ok(form);
    }
    let form = Form::parse(&recoded(app, body)).ok_or(Refusal::Incomplete)?;
    let strange = faults.has(Fault::UnknownParameterRefused)
        && form.has_other_than(&["username", "password"]);
    if strange { Err(Refusal::Incomplete) } else { Ok(form) }
}

/// A form whose last field is taken as it is, if it has a space in it, which no encoded form has.
fn undecoded(body: &[u8]) -> Option<Form> {
    let text = std::str::from_utf8(body).ok()?;
    let (start, password) = text.split_once("&Password=").or(text.split_once("&password="))?;
    let mut form = Form::parse(start.as_bytes()).filter(|_| password.contains(' '))?;
    form.push("password".to_owned(), password.to_owned());
    Some(form)
}

/// A body that the right decoder reads as a wrong one would have read the body that came.
fn recoded(app: &App, body: &[u8]) -> Vec<u8> {
    let mut recoded = Vec::with_capacity(body.len());
    let mut in_name = true;
    let mut rest = body;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        in_name = *byte == b'&' || (in_name && *byte != b'=');
        let digits = after.get(..2).filter(|_| *byte == b'%').unwrap_or_default();
        let small = digits.iter().any(u8::is_ascii_lowercase);
        let hex = std::str::from_utf8(digits).unwrap_or_default();
        match u8::from_str_radix(hex, 16) {
            Ok(_) if in_name && app.faults.has(Fault::ChannelNamesNotDecoded) => {
                recoded.extend(b"%25");
            }
            Ok(_) if small && app.faults.has(Fault::ChannelLowerCaseEscapes) => {
                recoded.extend(b"%25");
            }
            Ok(value) if !value.is_ascii() && app.faults.has(Fault::ChannelFormInLatin1) => {
                recoded.extend(char::from(value).to_string().bytes());
                rest = &after[2..];
            }
            _ => recoded.push(*byte),
        }
    }
    recoded
}

/// The account that fields stand for which are no credentials.
pub(super) fn by_fields(app: &App, form: &Form) -> Option<usize> {
    let field = |name: &str| form.field_where(|own| own.eq_ignore_ascii_case(name));
    let account = |name: &str| app.accounts.find(Flow::ChannelLogin, name, false);
    if app.faults.has(Fault::ChannelEmptyPasswordLogsIn) && field("password") == Field::One("") {
        return account(field("username").filled()?).map(|account| account.index);
    }
    if app.faults.has(Fault::ChannelFieldAliases) {
        let account = account(field("user").filled()?)?;
        return account.matches(0, field("pass").filled()?).then_some(account.index);
    }
    None
}

/// What defects make of credentials before they are looked at; `None` is nothing.
pub(super) fn judge<'a>(
    app: &'a App,
    username: &str,
    password: &str,
) -> Option<Result<&'a LiveAccount, Refusal>> {
    let faults = &app.faults;
    if faults.has(Fault::LockoutForEver) && faults.ticks() >= LOCKOUT {
        return Some(Err(Refusal::Credentials));
    }
    let named = if username == "%" && faults.has(Fault::UsernameWildcard) {
        app.accounts.first(Flow::ChannelLogin)
    } else {
        app.accounts.find(Flow::ChannelLogin, username, false)
    };
    let Some(account) = named else {
        let known = faults.has(Fault::UnknownUserCreated)
            && !lock(&app.channel.strangers).insert(username.to_owned());
        return app.accounts.first(Flow::ChannelLogin).filter(|_| known).map(Ok);
    };
    let right = (faults.has(Fault::UsernameWildcard) && account.matches(0, password))
        || (faults.has(Fault::FailureCounterWraps) && faults.ticks() > WRAP)
        || resembles(app, account, password);
    right.then_some(Ok(account))
}

/// Whether a defect takes this for the password of the account.
fn resembles(app: &App, account: &LiveAccount, password: &str) -> bool {
    let faults = &app.faults;
    let start = || password.split('\0').next().unwrap_or_default();
    (faults.has(Fault::AnyUsersPassword)
        && app.accounts.of(Flow::ChannelLogin).any(|other| other.matches(0, password)))
        || (faults.has(Fault::ChannelPasswordCut)
            && password.get(..PASSWORD_COLUMN).is_some_and(|start| account.matches(0, start)))
        || (faults.has(Fault::ChannelPasswordCutAtNull) && account.matches(0, start()))
        || (faults.has(Fault::ChannelPasswordDecodedTwice)
            && decoded(password).is_some_and(|password| account.matches(0, &password)))
        || (faults.has(Fault::TokenAsPassword)
            && lock(&app.channel.current)
                .get(&account.index)
                .is_some_and(|current| current.text == password))
}

fn decoded(password: &str) -> Option<String> {
    let form = Form::parse(format!("x={password}").as_bytes())?;
    form.field("x").filled().map(str::to_owned)
}

/// What defects do after a wrong password.
pub(super) fn failed(app: &App, account: &LiveAccount) {
    app.faults.tick();
    if app.faults.has(Fault::FailedLoginRevokes)
        && let Some(current) = lock(&app.channel.current).remove(&account.index)
    {
        app.channel.tokens.remove(&Digest::of(&current.text));
    }
}

/// Whether a defect opens the protected endpoint to a request without a good token.
pub(super) fn lets_in(app: &App, headers: &HeaderMap) -> bool {
    let faults = &app.faults;
    let Some(value) = headers.get(AUTHORIZATION) else {
        return faults.has(Fault::AbsentTokenAccepted);
    };
    let text = value.to_str().unwrap_or_default();
    if let Some(pair) = text.strip_prefix("Basic ") {
        return faults.has(Fault::BasicCredentialsAccepted) && is_login(app, pair);
    }
    let token = text.strip_prefix("Bearer ").unwrap_or_default();
    let current = |is: &dyn Fn(&str) -> bool| {
        lock(&app.channel.current).values().any(|current| is(&current.text))
    };
    (faults.has(Fault::PlaceholderTokenAccepted) && token == PLACEHOLDER)
        || (faults.has(Fault::RefusalTextAccepted) && token == BAD_STATE)
        || (faults.has(Fault::ChannelTokenBeginning)
            && !token.is_empty()
            && current(&|text| text.starts_with(token)))
        || (faults.has(Fault::ChannelLastCharacterIgnored)
            && current(&|text| text.len() == token.len() && text.get(..42) == token.get(..42)))
        || (faults.has(Fault::ChannelBase64TokenAccepted)
            && from_base64(token)
                .is_some_and(|inner| app.channel.tokens.get(&Digest::of(&inner)).is_some()))
}

/// Whether this is the base64 form of a user name, a colon and its password.
fn is_login(app: &App, pair: &str) -> bool {
    from_base64(pair).is_some_and(|pair| {
        let (username, password) = pair.split_once(':').unwrap_or_default();
        let account = app.accounts.find(Flow::ChannelLogin, username, false);
        account.is_some_and(|account| account.matches(0, password))
    })
}
