//! The error table of the visitor-management documents: code, type, message, and the status that fits.

use axum::http::{StatusCode, Uri};
use serde_json::{Value, json};

use super::defect;
use crate::app::App;
use crate::fault::Fault;
use crate::http::{Answer, challenged, json_value, retry_later};
use crate::variant::Variant;

/// What went wrong. Several of them share a code where the documents do not tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Error {
    BadFormat,
    CardNumber,
    ExpiredToken,
    ImageFormat,
    ImageMissing,
    InvalidToken,
    MissingCredentials,
    MissingData,
    Mobile,
    NoSuchVisitor(u64),
    NoToken,
    Purpose,
    Server,
    Throttled,
    UnknownUser,
    Unsupported,
    WrongCredentials,
    WrongHeader,
}

pub(super) const OAUTH: &str = "OAuthException";
const METHOD: &str = "APIMethodException";
pub(super) const OBJECT: &str = "RequestedObjectException";
const SERVER: &str = "ServerSideException";

const NO_TOKEN: &str =
    "An active access token must be used to query information about the current visitors.";

/// Status, code, type and message.
pub(super) type Row = (u16, u16, &'static str, &'static str);

impl Error {
    fn row(self) -> Row {
        match self {
            Self::WrongCredentials => {
                (401, 1142, OAUTH, "Wrong username/password. Please try again.")
            }
            // The documents have no code for it; to a client it is one more refused login.
            Self::Throttled => (429, 1142, OAUTH, "Wrong username/password. Please try again."),
            Self::UnknownUser => (401, 1142, OAUTH, "No such user. Please try again."),
            Self::MissingCredentials => (400, 1157, OAUTH, "Username/password not supplied."),
            Self::NoToken | Self::WrongHeader => (401, 1190, OAUTH, NO_TOKEN),
            Self::InvalidToken => (401, 1403, OAUTH, "Invalid OAuth access token."),
            Self::ExpiredToken => (401, 1403, OAUTH, "Expired OAuth access token."),
            Self::MissingData => (
                400,
                2200,
                METHOD,
                "Required data not supplied. Please check documentation for more information.",
            ),
            Self::CardNumber => (400, 2301, METHOD, "Incorrect format for field 'cardno'"),
            Self::Mobile => (400, 2302, METHOD, "Incorrect format for field 'mobile'"),
            Self::Purpose => (400, 2303, METHOD, "Incorrect format for field 'purpose'"),
            Self::BadFormat => (
                400,
                2400,
                METHOD,
                "Incorrect data format or data supplied is too large. Please check documentation for more information.",
            ),
            Self::ImageFormat => (415, 2415, METHOD, "Incorrect format for image file"),
            Self::Unsupported => (
                400,
                3100,
                METHOD,
                "Unsupported get request. Please check documentation for more information.",
            ),
            Self::NoSuchVisitor(_) => (404, 3404, METHOD, "Unsupported get request."),
            Self::ImageMissing => (404, 4515, OBJECT, "Image not available."),
            Self::Server => {
                (503, 5501, SERVER, "Server encountered an error. Please try again later")
            }
        }
    }

    /// The challenge that goes with a 401; an error code only where a token was presented (RFC 6750 section 3.1).
    fn challenge(self) -> Option<&'static str> {
        match self {
            Self::InvalidToken | Self::ExpiredToken => {
                Some(r#"Token realm="visitor-management", error="invalid_token""#)
            }
            Self::NoToken | Self::WrongHeader | Self::WrongCredentials | Self::UnknownUser => {
                Some(r#"Token realm="visitor-management""#)
            }
            _ => None,
        }
    }
}

/// The answer to an error.
pub(crate) fn refuse(app: &App, error: Error) -> Answer {
    refuse_with(app, error, None)
}

/// The answer to an error, with a member of the object `debug`.
pub(crate) fn refuse_with(
    app: &App,
    error: Error,
    debug: Option<(&'static str, &'static str)>,
) -> Answer {
    let (status, code, kind, message) = defect::row(app, error.row());
    let message = match error {
        Error::NoSuchVisitor(id) => format!(
            "Unsupported get request. Object with ID '{id}' does not exist. Please check documentation for more information."
        ),
        Error::Server if app.faults.has(Fault::SqlShown) => {
            "SQLSTATE[HY000] [2002] SELECT id FROM tokens WHERE hash = ?".to_owned()
        }
        _ => message.to_owned(),
    };
    let mut body = errors(app, code, kind, &message);
    if let Some((member, text)) = debug {
        body["debug"] = json!({ member: text });
    }
    let answer = json_value(status_of(app, status), &body);
    match error.challenge() {
        Some(challenge) if answer.status() == StatusCode::UNAUTHORIZED => {
            challenged(answer, challenge)
        }
        _ if error == Error::Throttled => retry_later(answer),
        _ => answer,
    }
}

/// The answer to a path that does not exist; what the client wrote is escaped by the JSON writer.
pub(crate) fn unknown_path(app: &App, uri: &Uri) -> Answer {
    let path = uri.path().trim_start_matches("/v1/");
    let shown: String = path.chars().take(200).collect();
    if let Some(answer) = defect::unknown_path(app, uri) {
        return answer;
    }
    let body = errors(app, 2600, METHOD, &format!("Unknown path components: {shown}"));
    // Even the vendor's deployment keeps the 404 here.
    json_value(StatusCode::NOT_FOUND, &body)
}

fn errors(app: &App, code: u16, kind: &str, message: &str) -> Value {
    let code = if app.faults.has(Fault::ErrorCodeNumber) {
        Value::from(code)
    } else {
        Value::from(code.to_string())
    };
    let error = json!({ "message": message, "type": kind, "code": code });
    let success = app.faults.has(Fault::SuccessOnFailure);
    if app.faults.has(Fault::ErrorsArray) {
        return json!({ "success": success, "errors": [error] });
    }
    json!({ "success": success, "errors": error })
}

fn status_of(app: &App, status: u16) -> StatusCode {
    if app.variants.is(Variant::ErrorStatus, "200") || app.faults.has(Fault::FailuresUnder200) {
        return StatusCode::OK;
    }
    StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST)
}
