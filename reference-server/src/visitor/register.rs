//! The visitors themselves: who is in the house, who came, who left.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{FromRequest, Multipart, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use serde_json::{Value, json};

use super::errors::{Error, refuse};
use super::{authorize, check_token, defect};
use crate::account::Flow;
use crate::app::App;
use crate::clock::timestamp;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{Answer, Credentials, Field, Form, credentials, json_value, read_body};
use crate::variant::Variant;

/// More than this many visitors, and the first ones leave the register.
const MAX_VISITORS: usize = 100;

#[derive(Debug, Clone)]
struct Visitor {
    id: u64,
    name: String,
    cardno: String,
    mobile: String,
    purpose: String,
    photo: bool,
    entered: u64,
    left: Option<u64>,
}

impl Visitor {
    fn json(&self) -> Value {
        json!({
            "id": self.id.to_string(),
            "name": self.name,
            "cardno": self.cardno,
            "mobile": self.mobile,
            "purpose": self.purpose,
            "entry": timestamp(self.entered),
            "exit": self.left.map(timestamp),
        })
    }
}

#[derive(Debug)]
pub(crate) struct Register {
    visitors: Mutex<VecDeque<Visitor>>,
    /// The whole answer to `GET /v1/get/`, written when the register changes: a validation only copies a pointer.
    all: RwLock<Bytes>,
}

impl Register {
    pub(crate) fn new(now: u64) -> Self {
        let register = Self { visitors: Mutex::default(), all: RwLock::default() };
        register.reset(now);
        register
    }

    pub(crate) fn reset(&self, now: u64) {
        let first = Visitor {
            id: 1,
            name: "Ada Visitor".to_owned(),
            cardno: "17".to_owned(),
            mobile: "5550100200".to_owned(),
            purpose: "Meeting".to_owned(),
            photo: false,
            entered: now,
            left: None,
        };
        self.change(|visitors| {
            visitors.clear();
            visitors.push_back(first);
        });
    }

    pub(crate) fn all(&self) -> Bytes {
        self.all.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn change<T>(&self, change: impl FnOnce(&mut VecDeque<Visitor>) -> T) -> T {
        let mut visitors = crate::store::lock(&self.visitors);
        let result = change(&mut visitors);
        let data: Vec<Value> =
            visitors.iter().filter(|visitor| visitor.left.is_none()).map(Visitor::json).collect();
        let all = json!({ "success": true, "data": data }).to_string();
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = Bytes::from(all);
        result
    }

    fn find(&self, id: &PathId) -> Result<Visitor, Error> {
        let number =
            id.as_ref().ok().and_then(|Path(id)| id.parse().ok()).ok_or(Error::Unsupported)?;
        crate::store::lock(&self.visitors)
            .iter()
            .find(|visitor| visitor.id == number)
            .cloned()
            .ok_or(Error::NoSuchVisitor(number))
    }
}

/// The `<id>` of a path; one that is not UTF-8 is simply no id.
type PathId = Result<Path<String>, PathRejection>;

/// Authorizes, then answers with what `answer` finds.
fn secured(
    app: &App,
    parts: (&HeaderMap, &Uri),
    answer: impl FnOnce() -> Result<Value, Error>,
) -> Answer {
    match authorize(app, parts).and_then(|()| answer()) {
        Ok(data) => json_value(StatusCode::OK, &json!({ "success": true, "data": data })),
        Err(error) => refuse(app, error),
    }
}

/// `GET /v1/get/<id>`: one visitor.
pub(crate) async fn one(State(app): State<Arc<App>>, id: PathId, request: Request) -> Answer {
    secured(&app, (request.headers(), request.uri()), || {
        app.visitor.register.find(&id).map(|visitor| visitor.json())
    })
}

/// `GET /v1/get/visitee/`: whom visitors may come to see.
pub(crate) async fn visitees(State(app): State<Arc<App>>, request: Request) -> Answer {
    secured(&app, (request.headers(), request.uri()), || {
        Ok(json!([{ "id": "1", "name": "Grace Host" }]))
    })
}

/// `GET /v1/exit/<id>`: the visitor leaves.
pub(crate) async fn exit(State(app): State<Arc<App>>, id: PathId, request: Request) -> Answer {
    secured(&app, (request.headers(), request.uri()), || {
        let visitor = app.visitor.register.find(&id)?;
        // HEAD asks what would happen and must not make it happen.
        if request.method() != axum::http::Method::HEAD {
            let now = app.clock.now();
            app.visitor.register.change(|visitors| {
                let known = visitors.iter_mut().find(|known| known.id == visitor.id);
                if let Some(known) = known {
                    known.left.get_or_insert(now);
                }
            });
        }
        Ok(json!({ "id": visitor.id.to_string() }))
    })
}

/// `GET /v1/photo/<id>`: no photo is ever kept, so there is none to show.
pub(crate) async fn photo(State(app): State<Arc<App>>, id: PathId, request: Request) -> Answer {
    if app.faults.has(Fault::PhotoOpen) {
        let found = app.visitor.register.find(&id);
        return refuse(&app, found.err().unwrap_or(Error::ImageMissing));
    }
    secured(&app, (request.headers(), request.uri()), || {
        let visitor = app.visitor.register.find(&id)?;
        if visitor.photo {
            return Ok(json!({ "id": visitor.id.to_string(), "photo": true }));
        }
        Err(Error::ImageMissing)
    })
}

/// A path that needs an id and has none.
pub(crate) async fn no_id(State(app): State<Arc<App>>, request: Request) -> Answer {
    secured(&app, (request.headers(), request.uri()), || Err(Error::Unsupported))
}

/// `POST /v1/add/`: a new visitor, as `multipart/form-data` with the token in the field `access_token`.
pub(crate) async fn add(State(app): State<Arc<App>>, request: Request) -> Answer {
    let (parts, body) = match read_body(&app, request).await {
        Ok(read) => read,
        Err(broken) => return super::problem(&app, &Uri::default(), broken.status()),
    };
    let (headers, uri) = (parts.headers.clone(), parts.uri.clone());
    let rebuilt = Request::from_parts(parts, Body::from(body));
    let outcome = match read_parts(rebuilt).await {
        Ok((form, photo)) => enter(&app, (&headers, &uri), &form, photo.as_deref()),
        Err(error) => Err(error),
    };
    match outcome {
        Ok(id) => {
            let data = json!({ "success": true, "data": { "id": id.to_string() } });
            json_value(StatusCode::OK, &data)
        }
        Err(error) => refuse(&app, error),
    }
}

/// The text fields of a multipart body, and the bytes of the file field `photo`.
async fn read_parts(request: Request) -> Result<(Form, Option<Bytes>), Error> {
    // Another media type has no parts: everything required is missing.
    let mut parts = Multipart::from_request(request, &()).await.map_err(|_| Error::MissingData)?;
    let mut form = Form::default();
    let mut photo = None;
    for _ in 0..64 {
        let part = parts.next_field().await.map_err(|_| Error::BadFormat)?;
        let Some(part) = part else {
            return Ok((form, photo));
        };
        let name = part.name().unwrap_or_default().to_owned();
        let bytes = part.bytes().await.map_err(|_| Error::BadFormat)?;
        if name == "photo" {
            photo = Some(bytes);
        } else {
            let text = String::from_utf8(bytes.to_vec()).map_err(|_| Error::BadFormat)?;
            form.push(name, text);
        }
    }
    Err(Error::BadFormat)
}

/// Checks the token first, then what is missing, then what is wrong; returns the new visitor's id.
fn enter(
    app: &App,
    parts: (&HeaderMap, &Uri),
    form: &Form,
    photo: Option<&[u8]>,
) -> Result<u64, Error> {
    let field = |name: &str| match form.field(name) {
        Field::Repeated(_) => Err(Error::BadFormat),
        other => Ok(other.filled().unwrap_or_default().to_owned()),
    };
    let outcome = check_add_token(app, parts, &field("access_token")?);
    let tally = if outcome.is_ok() { Tally::Accepted } else { Tally::Denied };
    app.counters.count(Flow::VisitorLogin, tally);
    outcome?;
    let (name, cardno) = (field("name")?, field("cardno")?);
    let (mobile, purpose) = (field("mobile")?, field("purpose")?);
    if [&name, &cardno, &mobile, &purpose].iter().any(|value| value.is_empty()) {
        let format = app.faults.has(Fault::AddMissingDataIsFormat);
        return Err(if format { Error::BadFormat } else { Error::MissingData });
    }
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let words = |text: &str| text.chars().count() <= 100 && !text.chars().any(char::is_control);
    for (fits, error) in [
        (digits(&cardno) && cardno.len() <= 20, Error::CardNumber),
        (digits(&mobile) && mobile.len() == 10, Error::Mobile),
        (words(&purpose), Error::Purpose),
        (words(&name), Error::BadFormat),
        (photo.is_none_or(is_image), Error::ImageFormat),
    ] {
        if !fits {
            return Err(error);
        }
    }
    let entered = app.clock.now();
    Ok(app.visitor.register.change(|visitors| {
        if visitors.len() == MAX_VISITORS {
            visitors.pop_front();
        }
        let id = visitors.back().map_or(1, |last| last.id + 1);
        visitors.push_back(Visitor {
            id,
            name,
            cardno,
            mobile,
            purpose,
            photo: photo.is_some(),
            entered,
            left: None,
        });
        id
    }))
}

/// The token of the body; a header beside it must not say otherwise (RFC 6750 section 2).
fn check_add_token(app: &App, parts: (&HeaderMap, &Uri), token: &str) -> Result<(), Error> {
    let header = credentials(app, parts, "Token", true);
    if let Some(outcome) = defect::check_add_token(app, &header, token) {
        return outcome;
    }
    if token.is_empty() {
        return match header {
            Credentials::Token(header) if app.variants.is(Variant::AddHeaderOnly, "accepted") => {
                check_token(app, &header)
            }
            _ => Err(Error::MissingData),
        };
    }
    check_token(app, token)?;
    match header {
        Credentials::Token(header) if header != token => Err(Error::InvalidToken),
        Credentials::Repeated => Err(Error::WrongHeader),
        _ => Ok(()),
    }
}

/// JPEG or PNG by its first bytes.
fn is_image(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff]) || bytes.starts_with(b"\x89PNG\r\n\x1a\n")
}
