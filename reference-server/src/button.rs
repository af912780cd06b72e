//! The gateway-button flow: a token that needs the press of a button, and tokens made with that token.
//!
//! Follows the gateway document and its sibling pages on token generation, token management and sockets. Every
//! HTTP answer is the gateway's JSON envelope: `status` equal to the HTTP status, `returnCode`, and `message` on
//! errors and confirmations. What the button does lives in [`device`], new tokens in
//! [`generate`], sockets in [`socket`].

mod defects;
pub(crate) mod device;
pub(crate) mod generate;
pub(crate) mod orders;
pub(crate) mod socket;

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri};

use crate::account::Flow;
use crate::app::{App, Peer};
use crate::clock::timestamp;
use crate::counters::Tally;
use crate::fault::Fault;
use crate::http::{Answer, Credentials, challenged, credentials, json, quoted};
use crate::store::{Digest, Store, hex, lock, random};
use crate::variant::Variant;

use defects::{Gap, Marks};
use device::Device;
use orders::{News, Orders};

const MALFORMED: &str =
    "Invalid formatted Authorization header value. Must be Bearer ACCESS_TOKEN.";
const DENIED: &str = "Access denied using provided token or no access token provided.";
const WINDOW: &str = "Time window expired or gateway button not pressed.";

/// How many hexadecimal digits a token has.
const TOKEN_LENGTH: usize = 48;

/// Everything the gateway remembers.
#[derive(Debug)]
pub(crate) struct Gateway {
    pub(crate) device: Device,
    pub(crate) orders: Orders,
    tokens: Store<Token>,
    issued: AtomicU64,
}

/// What is known of one token.
#[derive(Debug)]
pub(crate) struct Token {
    name: String,
    /// Its place in the order of creation.
    number: u64,
    created: u64,
    /// The last use in milliseconds; 0 before the first.
    used: AtomicU64,
    address: Mutex<Option<IpAddr>>,
    revoked: AtomicBool,
    /// Only kept while a fault is installed.
    marks: Option<Box<Marks>>,
}

impl Gateway {
    pub(crate) fn new(now: u64) -> Self {
        Self {
            device: Device::default(),
            orders: Orders::new(now),
            tokens: Store::new(),
            issued: AtomicU64::new(0),
        }
    }

    pub(crate) fn reset(&self, now: u64) {
        self.device.close();
        self.tokens.clear();
        self.orders.reset(now);
    }

    pub(crate) fn revoke(&self, token: &str) -> bool {
        let Some(found) = self.tokens.remove(&Digest::of(token)) else {
            return false;
        };
        found.revoked.store(true, Ordering::Release);
        self.orders.tell(News::Revoked);
        true
    }

    /// Issues a token and returns its text, which is kept nowhere.
    pub(crate) fn issue(&self, app: &App, name: &str) -> (String, Arc<Token>) {
        if app.faults.has(Fault::NewTokenRevokesOld) {
            self.tokens.clear();
        }
        let number = self.issued.fetch_add(1, Ordering::Relaxed);
        let text = new_token(app, number);
        let token = Token {
            name: defects::kept_name(app, name),
            number,
            created: app.clock.now(),
            used: AtomicU64::new(defects::used_at_creation(app)),
            address: Mutex::new(None),
            revoked: AtomicBool::new(false),
            marks: app.faults.any().then(|| Box::new(Marks::new(&text))),
        };
        let token = self.tokens.insert(Digest::of(&text), token, |_| true);
        (text, token)
    }
}

fn new_token(app: &App, number: u64) -> String {
    if app.faults.has(Fault::SameTokenEveryTime) {
        return "5e".repeat(TOKEN_LENGTH / 2);
    }
    if app.faults.has(Fault::SequentialTokens) {
        return format!("{:048x}", app.clock.now() << 20 | number);
    }
    if app.faults.has(Fault::ShortTokens) {
        return format!("{}{}", "0".repeat(TOKEN_LENGTH - 4), hex(&random::<2>()));
    }
    if app.faults.has(Fault::TokensEndInTime) {
        return format!("{}{:012x}", hex(&random::<18>()), app.clock.now() / 1000);
    }
    if app.faults.has(Fault::TokensHoldTime) {
        let time = (app.clock.now() / 1000) << 12 | (number & 0xfff);
        return format!("{}{time:016x}{}", hex(&random::<8>()), hex(&random::<8>()));
    }
    if app.faults.has(Fault::TokenTooShort) {
        return hex(&random::<8>());
    }
    hex(&random::<{ TOKEN_LENGTH / 2 }>())
}

/// Why a request is not authorized.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// 401/-2 without any token.
    Absent,
    /// 401/-2 for a token that does not count.
    Denied,
    /// 400/-1.
    Malformed,
    /// 404/-5, which only a defect answers.
    Gone,
}

impl Refusal {
    fn answer(self, app: &App) -> Answer {
        app.counters.count(Flow::GatewayButton, Tally::Denied);
        let refusal = match self {
            Self::Malformed if app.faults.has(Fault::MalformedIsDenied) => Self::Denied,
            Self::Absent if app.faults.has(Fault::AbsentIsMalformed) => Self::Malformed,
            Self::Denied if app.faults.has(Fault::UnknownTokenMalformed) => Self::Malformed,
            other => other,
        };
        match refusal {
            Self::Absent => challenged(
                error(app, StatusCode::UNAUTHORIZED, -2, DENIED),
                r#"Bearer realm="gateway""#,
            ),
            Self::Denied => challenged(
                error(app, StatusCode::UNAUTHORIZED, -2, DENIED),
                r#"Bearer realm="gateway", error="invalid_token""#,
            ),
            Self::Malformed => challenged(
                error(app, StatusCode::BAD_REQUEST, -1, MALFORMED),
                r#"Bearer realm="gateway", error="invalid_request""#,
            ),
            Self::Gone => error(app, StatusCode::NOT_FOUND, -5, "There is no such token."),
        }
    }

    fn code(self) -> (u16, i32, &'static str) {
        match self {
            Self::Absent | Self::Denied | Self::Gone => (401, -2, DENIED),
            Self::Malformed => (400, -1, MALFORMED),
        }
    }
}

/// The token that a request presents, and its record.
fn authorize(
    app: &App,
    parts: (&HeaderMap, &Uri),
    peer: IpAddr,
) -> Result<(Digest, Arc<Token>, u64), Refusal> {
    if app.faults.has(Fault::AnyCredentialCounts)
        && let Some(found) = defects::any_credential(app, parts.0, peer)
    {
        return Ok(found);
    }
    let any_case = app.variants.is(Variant::GatewaySchemeCase, "insensitive");
    match credentials(app, parts, "Bearer", any_case) {
        Credentials::Absent => Err(Refusal::Absent),
        Credentials::OtherScheme(scheme)
            if scheme.eq_ignore_ascii_case("basic")
                && app.variants.is(Variant::BasicScheme, "denied") =>
        {
            Err(Refusal::Absent)
        }
        Credentials::Empty
        | Credentials::Malformed
        | Credentials::OtherScheme(_)
        | Credentials::Repeated => Err(Refusal::Malformed),
        Credentials::Token(text) => {
            let found = accept(app, &text, peer).ok_or(Refusal::Denied)?;
            let gone = app.faults.has(Fault::DeletedTokenIsGone)
                && found.1.revoked.load(Ordering::Acquire);
            if gone { Err(Refusal::Gone) } else { Ok(found) }
        }
    }
}

/// Looks a token up and notes its use; also returns when it was used before.
fn accept(app: &App, text: &str, peer: IpAddr) -> Option<(Digest, Arc<Token>, u64)> {
    let folded;
    let mut text = text;
    if app.variants.is(Variant::TokenCase, "insensitive") {
        folded = text.to_ascii_lowercase();
        text = &folded;
    }
    let decoded;
    if app.faults.has(Fault::Base64TokenAccepted) {
        decoded = crate::fault::from_base64(text);
        text = decoded.as_deref().map_or(text, |inner| inner.trim_end_matches(':'));
    }
    if app.faults.has(Fault::TokenSuffixIgnored) {
        text = text.get(..TOKEN_LENGTH).unwrap_or(text);
    }
    if app.faults.any() {
        defects::search_slowly(app, text);
    }
    let whole = if app.faults.any() { defects::whole_token(app, text) } else { None };
    let digest = Digest::of(whole.as_deref().unwrap_or(text));
    let token = app.button.tokens.get(&digest)?;
    if app.faults.any() && !defects::admits(app, &token) {
        return None;
    }
    let before = if app.faults.has(Fault::LastUsedNeverSet) {
        0
    } else {
        let before = token.used.swap(app.clock.now(), Ordering::Relaxed);
        *lock(&token.address) = Some(peer);
        before
    };
    Some((digest, token, before))
}

/// `GET /api/v2/accesstoken`: the details of the presented token.
pub(crate) fn validate(app: &App, parts: (&HeaderMap, &Uri), peer: IpAddr) -> Answer {
    let (_, token, before) = match authorize(app, parts, peer) {
        Ok(found) => found,
        Err(refusal) => return refusal.answer(app),
    };
    defects::validated(&token);
    app.counters.count(Flow::GatewayButton, Tally::Accepted);
    let used = if app.variants.is(Variant::LastUsedOfReader, "before") {
        before
    } else {
        token.used.load(Ordering::Relaxed)
    };
    let newest = if app.faults.has(Fault::DescribesNewest) { defects::newest(app) } else { None };
    let details = token_json(app, newest.as_ref().unwrap_or(&token), used, None);
    let body = format!(r#"{{"status":200,"returnCode":1,"token":{details}}}"#);
    json(StatusCode::OK, body)
}

/// The documented members of a token; its text only where it was just issued.
fn token_json(app: &App, token: &Token, used: u64, text: Option<&str>) -> String {
    let mut members = String::with_capacity(192);
    // The name rule leaves nothing that JSON would escape.
    members.extend([r#"{"name":""#, &token.name, "\""]);
    let again = token.marks.as_ref().filter(|_| app.faults.has(Fault::TokenShownAgain));
    if let Some(text) = text.or(again.map(|marks| marks.text.as_str())) {
        members.extend([r#","token":""#, text, "\""]);
    }
    let zone = if app.faults.has(Fault::CreationDateWithZone) { "Z" } else { "" };
    let created = token.created + defects::date_shift(app, token);
    members.extend([r#","creation_date":""#, &timestamp(created), zone, "\""]);
    match used {
        0 => members += r#","last_used":null"#,
        used => members.extend([r#","last_used":""#, &timestamp(used), "\""]),
    }
    match *lock(&token.address) {
        None => members += r#","ip_address":null}"#,
        Some(address) => members.extend([r#","ip_address":""#, &address.to_string(), r#""}"#]),
    }
    members
}

/// `GET /api/v2/accesstoken/all`: every token without its text, in the order of creation.
pub(crate) async fn list(State(app): State<Arc<App>>, request: Request) -> Answer {
    let peer = Peer::of(&request);
    if let Err(refusal) = authorize(&app, (request.headers(), request.uri()), peer) {
        return refusal.answer(&app);
    }
    app.counters.count(Flow::GatewayButton, Tally::Accepted);
    let mut tokens = app.button.tokens.entries();
    tokens.sort_by_key(|token| token.number);
    if app.faults.has(Fault::ListLacksChildren) {
        tokens.retain(|token| !defects::is_child(token));
    }
    let items: Vec<String> = tokens
        .iter()
        .map(|token| {
            let used = token.used.load(Ordering::Relaxed);
            let item = token_json(&app, token, used, None);
            let numeric = app.faults.has(Fault::ListTimesNumeric);
            if numeric { defects::numeric_use(&item, used) } else { item }
        })
        .collect();
    let count = items.len() + usize::from(app.faults.has(Fault::WrongCount));
    let items = items.join(",");
    let body = format!(r#"{{"status":200,"count":{count},"returnCode":3,"items":[{items}]}}"#);
    json(StatusCode::OK, body)
}

/// `DELETE /api/v2/accesstoken`: the presented token, and no other, is gone.
pub(crate) async fn revoke(State(app): State<Arc<App>>, request: Request) -> Answer {
    let peer = Peer::of(&request);
    if app.faults.has(Fault::BusyDeleteRefused) {
        // The defect: the token is looked up late, and whoever used it meanwhile holds it.
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let (digest, token, used) = match authorize(&app, (request.headers(), request.uri()), peer) {
        Ok(found) => found,
        Err(refusal) => return refusal.answer(&app),
    };
    if app.faults.has(Fault::BusyDeleteRefused) && used + 1000 > app.clock.now() {
        return error(&app, StatusCode::CONFLICT, -33, "The token is in use.");
    }
    let gap = defects::gap(&app, &token).await;
    if gap == Gap::Refused {
        return error(&app, StatusCode::CONFLICT, -33, "The token is in use.");
    }
    if app.faults.has(Fault::DeleteByQuery)
        && let Some(named) = crate::fault::query_token(request.uri())
    {
        app.button.revoke(&named);
    }
    if app.faults.has(Fault::DeleteRevokesAll) {
        app.button.tokens.clear();
    }
    // Of two deletes at the same moment only the one that removed the token confirms it.
    let removed = app.faults.has(Fault::DeleteKeepsToken)
        || app.faults.has(Fault::DeletedTokenIsGone)
        || app.faults.has(Fault::DeleteRevokesAll)
        || gap == Gap::Undone
        || app.button.tokens.remove(&digest).is_some()
        || app.faults.has(Fault::DeleteAnsweredTwice);
    if !removed {
        return Refusal::Denied.answer(&app);
    }
    token.revoked.store(gap != Gap::Undone, Ordering::Release);
    if app.faults.has(Fault::LastTokenLocksButton) && app.button.tokens.entries().is_empty() {
        app.button.device.lock_for_good();
    }
    app.button.orders.tell(News::Revoked);
    app.counters.count(Flow::GatewayButton, Tally::Revoked);
    app.events.push(app.clock.now(), "revoked", format!("{}: {}", Flow::GatewayButton, token.name));
    let body = if app.faults.has(Fault::DeleteMessageDiffers) {
        r#"{"status":200,"returnCode":1001,"message":"Access token deleted"}"#
    } else {
        r#"{"status":200,"returnCode":1001,"message":"Token deleted."}"#
    };
    json(StatusCode::OK, body)
}

/// `GET /api/v2/accesstoken` by way of the router: HEAD, and GET when the validation lane is off.
pub(crate) async fn validate_routed(State(app): State<Arc<App>>, request: Request) -> Answer {
    if app.faults.has(Fault::HeadUnguarded) && request.method() == Method::HEAD {
        return json(StatusCode::OK, "");
    }
    validate(&app, (request.headers(), request.uri()), Peer::of(&request))
}

/// What is wrong with a request before the flow looks at it, in the gateway's envelope.
pub(crate) fn problem(app: &App, status: StatusCode) -> Answer {
    let (code, message) = match status {
        StatusCode::NOT_FOUND => (-5, "Unavailable API."),
        StatusCode::METHOD_NOT_ALLOWED => (-5, "Method not available for this API."),
        StatusCode::UPGRADE_REQUIRED => (-5, "This API must be called as a WebSocket."),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (-31, "Payload must be a form or JSON."),
        StatusCode::PAYLOAD_TOO_LARGE => (-31, "Payload is too large."),
        StatusCode::REQUEST_TIMEOUT => (-33, "Timeout while waiting for the payload."),
        _ => (-31, "Invalid payload."),
    };
    if app.faults.has(Fault::MessageIsNull) {
        let body = envelope(status.as_u16(), code, message);
        return json(status, body.replace(&quoted(message), "null"));
    }
    error(app, status, code, message)
}

fn error(app: &App, status: StatusCode, code: i32, message: &str) -> Answer {
    let mut body = envelope(status.as_u16(), code, message);
    if app.faults.has(Fault::StatusMemberDiffers) {
        body = body.replacen(&format!(":{}", status.as_u16()), ":200", 1);
    }
    if app.faults.has(Fault::ReturnCodeAsText) {
        body = body.replacen(&format!(":{code},"), &format!(":\"{code}\","), 1);
    }
    if app.faults.has(Fault::WrongMessage) {
        body = body.replace("ccess", "CCESS");
    }
    json(status, body)
}

/// The envelope of errors.
fn envelope(status: u16, code: i32, message: &str) -> String {
    format!(r#"{{"status":{status},"returnCode":{code},"message":{}}}"#, quoted(message))
}
