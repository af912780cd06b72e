//! The defects of this flow that take more than a line where they act. Without a fault, every function here leaves
//! things as they are.

use std::sync::atomic::Ordering;

use axum::http::header::{AUTHORIZATION, HeaderName, HeaderValue};
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::check_token;
use super::errors::{Error, OAUTH, OBJECT, Row};
use crate::account::{Flow, LiveAccount};
use crate::app::App;
use crate::fault::Fault;
use crate::http::{Answer, Credentials, Field, Form, decode, json, parse_credentials};
use crate::store::{Digest, hex, random};

/// Passwords longer than this break the server that has `long-password-breaks`.
const LONG_PASSWORD: usize = 4096;

/// A token that is not what it should be.
pub(super) fn token(app: &App, account: usize, now: u64) -> Option<String> {
    if app.faults.has(Fault::VisitorTokenUpperCase) {
        return Some(hex(&random::<20>()).to_uppercase());
    }
    if app.faults.has(Fault::VisitorTokenNamesUser) {
        let name = app.accounts.at(account).username();
        return Some(URL_SAFE_NO_PAD.encode(format!("{name}:{}", hex(&random::<10>()))));
    }
    if app.faults.has(Fault::VisitorTokenOfSecond) {
        return Some(hex(&Digest::of(&format!("{account} {now}")).bytes()[..20]));
    }
    None
}

/// What a login is refused for, though it should not be.
pub(super) fn read_login(app: &App, form: &Form) -> Result<(), Error> {
    let known = |name: &str| ["username", "password", "device-info", "debug"].contains(&name);
    if app.faults.has(Fault::UnknownFieldRefused) && !form.names().all(known) {
        return Err(Error::BadFormat);
    }
    let long = form.field("password").filled().is_some_and(|text| text.len() > LONG_PASSWORD);
    if app.faults.has(Fault::LongPasswordBreaks) && long {
        return Err(Error::Server);
    }
    match form.field("device-info") {
        Field::One("") if app.faults.has(Fault::EmptyDeviceInfoRefused) => Err(Error::BadFormat),
        Field::One(info) if info.contains('\'') && app.faults.has(Fault::DeviceInfoQuoteBreaks) => {
            Err(Error::Server)
        }
        _ => Ok(()),
    }
}

/// A field of the login form.
pub(super) fn field<'a>(app: &App, form: &'a Form, name: &str) -> Field<'a> {
    if app.faults.has(Fault::ArrayParametersAccepted) {
        return form.field_where(|known| known.split('[').next() == Some(name));
    }
    form.field(name)
}

/// The account of a user name that comments the rest of its statement out.
pub(super) fn injected<'a>(app: &'a App, username: &str) -> Option<&'a LiveAccount> {
    let (name, rest) = username.split_once('\'')?;
    let comment = rest.trim_start().starts_with("--") || rest.starts_with('#');
    if !comment || !app.faults.has(Fault::SqlInUsername) {
        return None;
    }
    app.accounts.find(Flow::VisitorLogin, name, false)
}

/// Whether a password counts that is not the right one.
pub(super) fn matches(app: &App, account: &LiveAccount, password: &str) -> bool {
    let faults = &app.faults;
    faults.any()
        && ((faults.has(Fault::PasswordTailIgnored) && account.matches_cut(password))
            || (faults.has(Fault::VisitorPasswordFolded)
                && account.matches(0, &password.to_lowercase()))
            || (faults.has(Fault::VisitorPasswordTrimmed) && account.matches(0, password.trim()))
            || (faults.has(Fault::EmptyPasswordLogsIn) && password.is_empty()))
}

/// What a failing database is answered with; `otherwise` is what a row that is not there means.
pub(super) fn database_failure(app: &App, otherwise: Error) -> Error {
    if app.faults.has(Fault::DatabaseFailureIsRefusal) { otherwise } else { Error::Server }
}

/// Judges an Authorization header in place of the rules.
pub(super) fn authorize(app: &App, headers: &HeaderMap) -> Option<Result<(), Error>> {
    let values = headers.get_all(AUTHORIZATION);
    if app.faults.has(Fault::UpperCaseSchemeRefused)
        && values.iter().any(|value| value.as_bytes().starts_with(b"TOKEN"))
    {
        return Some(Err(Error::WrongHeader));
    }
    let good = |value| match parse_credentials(value, "Token", true) {
        Credentials::Token(token) => check_token(app, &token).is_ok(),
        _ => false,
    };
    (app.faults.has(Fault::VisitorAnyHeaderCounts) && values.iter().any(good)).then_some(Ok(()))
}

/// Judges the token of a new visitor in place of the rules.
pub(super) fn check_add_token(
    app: &App,
    header: &Credentials<'_>,
    token: &str,
) -> Option<Result<(), Error>> {
    let header_counts = |token: &Credentials<'_>| match token {
        Credentials::Token(token) => check_token(app, token).is_ok(),
        _ => false,
    };
    let expired = || {
        let known = app.visitor.tokens.get(&Digest::of(token));
        known.is_some_and(|known| app.clock.now() >= known.expiry * 1000)
    };
    let faults = &app.faults;
    if faults.has(Fault::AddReadsHeaderOnly) && !header_counts(header) {
        return Some(Err(Error::MissingData));
    }
    let good = (faults.has(Fault::AddTokenUnchecked) && !token.is_empty())
        || (faults.has(Fault::AddIgnoresExpiry) && expired())
        || (faults.has(Fault::AddHeaderRescues) && !token.is_empty() && header_counts(header))
        || (faults.has(Fault::AddHeaderOnlyAccepted) && token.is_empty() && header_counts(header));
    good.then_some(Ok(()))
}

/// A row of the error table with something wrong in it.
pub(super) fn row(app: &App, row: Row) -> Row {
    let (status, code, kind, message) = row;
    let faults = &app.faults;
    match code {
        2301..=2303 if faults.has(Fault::FieldErrorOfWrongType) => (status, code, OAUTH, message),
        3404 if faults.has(Fault::UnknownObjectOfWrongType) => (status, code, OBJECT, message),
        4515 if faults.has(Fault::PhotoErrorUnknown) => (status, 4404, kind, message),
        _ if faults.has(Fault::MessagesReworded) => {
            (status, code, kind, message.strip_suffix('.').unwrap_or(message))
        }
        _ => row,
    }
}

/// The answer to an unknown path whose text is not escaped, or that begins new header fields.
pub(super) fn unknown_path(app: &App, uri: &Uri) -> Option<Answer> {
    if !app.faults.has(Fault::PathNotEscaped) && !app.faults.has(Fault::LineEndsReflected) {
        return None;
    }
    let path = decode(uri.path().as_bytes()).unwrap_or_default();
    let shown = if app.faults.has(Fault::PathNotEscaped) { path.as_str() } else { "" };
    let body = format!(
        r#"{{"success":false,"errors":{{"message":"Unknown path components: {shown}","type":"APIMethodException","code":"2600"}}}}"#
    );
    Some(reflect(app, json(StatusCode::NOT_FOUND, body), Some(&path)))
}

/// Header fields from the lines of a text that the client wrote.
pub(super) fn reflect(app: &App, mut answer: Answer, text: Option<&str>) -> Answer {
    let text = text.filter(|_| app.faults.has(Fault::LineEndsReflected)).unwrap_or_default();
    for line in text.lines().skip(1) {
        if let Some((name, value)) = line.split_once(':')
            && let Ok(name) = HeaderName::try_from(name.trim())
            && let Ok(value) = HeaderValue::try_from(value.trim().trim_end_matches('/'))
        {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}

/// An answer of the list with its number.
pub(super) fn numbered(app: &App, outcome: Result<(), Error>, answer: Answer) -> Answer {
    let judged = matches!(outcome, Ok(()) | Err(Error::InvalidToken));
    if !judged || !app.faults.has(Fault::AnswersNumbered) {
        return answer;
    }
    let number = app.visitor.listed.fetch_add(1, Ordering::Relaxed);
    let content = if outcome.is_ok() {
        r#""success":true,"data":[]"#
    } else {
        r#""success":false,"errors":{"message":"Invalid OAuth access token.","type":"OAuthException","code":"1403"}"#
    };
    json(answer.status(), format!(r#"{{{content},"request":{number}}}"#))
}
