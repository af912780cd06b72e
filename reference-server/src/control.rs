//! The control plane: what a test needs that no client of the flows may do.
//!
//! It listens on a port of its own, so that no request to the flows can reach it. Bodies are JSON both ways; an
//! error is always `{"error": "sentence"}` with a 4xx status.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, Uri};
use axum::routing::{get, post};
use serde_json::{Map, Value, json};

use crate::account::{AccountState, Flow, parse_name};
use crate::app::App;
use crate::button::device::Press;
use crate::button::orders::Change;
use crate::fault::Fault;
use crate::http::{Answer, json_value, read_body};
use crate::variant::{Variant, Variants};

/// What a control act ends with.
type Outcome = Result<Value, (StatusCode, String)>;

#[derive(Debug, Clone)]
struct Plane {
    app: Arc<App>,
    api: SocketAddr,
}

/// The routes of the control plane.
pub(crate) fn router(app: Arc<App>, api: SocketAddr) -> Router {
    Router::new()
        .route("/", get(ready))
        .route("/accounts", post(accounts))
        .route("/clock", get(clock))
        .route("/clock/advance", post(advance))
        .route("/counters", get(counters))
        .route("/database", post(database))
        .route("/events", get(events))
        .route("/faults", get(faults).put(put_faults))
        .route("/orders", post(orders))
        .route("/press", post(press))
        .route("/reset", post(reset))
        .route("/restart", post(restart))
        .route("/revoke", post(revoke))
        .route("/variants", get(variants).put(put_variants))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Plane { app, api })
}

async fn unknown(uri: Uri) -> Answer {
    let path = uri.path();
    render(Err((
        StatusCode::NOT_FOUND,
        format!("the control plane has no `{path}`; `GET /` says that it is ready"),
    )))
}

async fn wrong_method(method: Method, uri: Uri) -> Answer {
    let path = uri.path();
    render(Err((
        StatusCode::METHOD_NOT_ALLOWED,
        format!("`{path}` does not take {method}; see the header Allow"),
    )))
}

async fn ready(State(plane): State<Plane>) -> Answer {
    let clock = clock_mode(&plane.app);
    render(Ok(json!({
        "ready": true,
        "api": format!("http://{}", plane.api),
        "clock": clock,
    })))
}

fn clock_mode(app: &App) -> &'static str {
    if app.clock.is_virtual() { "virtual" } else { "real" }
}

async fn press(State(plane): State<Plane>, request: Request) -> Answer {
    let act = |body: &Map<String, Value>| {
        let press = match body.get("kind") {
            None => Press::Short,
            Some(_) => named(body, "kind")?,
        };
        let pressed = plane.app.press(press);
        Ok(json!({
            "pressed_at_ms": pressed.at_ms,
            "window_ends_at_ms": pressed.window_ends_at_ms,
        }))
    };
    with_object(&plane.app, request, act).await
}

async fn clock(State(plane): State<Plane>) -> Answer {
    let app = &plane.app;
    render(Ok(json!({ "mode": clock_mode(app), "now_ms": app.clock.now() })))
}

async fn advance(State(plane): State<Plane>, request: Request) -> Answer {
    let act = |body: &Map<String, Value>| {
        let milliseconds = body.get("milliseconds").and_then(Value::as_u64);
        let milliseconds = milliseconds.ok_or_else(|| {
            bad("`milliseconds` must be a whole number, for example {\"milliseconds\": 119999}")
        })?;
        match plane.app.advance(Duration::from_millis(milliseconds)) {
            Some(now) => Ok(json!({ "now_ms": now })),
            None => Err((
                StatusCode::CONFLICT,
                "the clock is real and cannot be advanced; start the server with a virtual clock"
                    .to_owned(),
            )),
        }
    };
    with_object(&plane.app, request, act).await
}

async fn reset(State(plane): State<Plane>) -> Answer {
    plane.app.reset();
    render(Ok(json!({ "now_ms": plane.app.clock.now() })))
}

async fn restart(State(plane): State<Plane>) -> Answer {
    plane.app.restart();
    render(Ok(json!({ "now_ms": plane.app.clock.now() })))
}

async fn accounts(State(plane): State<Plane>, request: Request) -> Answer {
    let act = |body: &Map<String, Value>| {
        let flow: Flow = named(body, "flow")?;
        let state: AccountState = named(body, "state")?;
        let username = text(body, "username")?;
        match plane.app.set_account_state(flow, username, state) {
            Some(previous) => Ok(json!({ "previous": previous.name() })),
            None => Err((StatusCode::NOT_FOUND, format!("{flow} has no account `{username}`"))),
        }
    };
    with_object(&plane.app, request, act).await
}

async fn revoke(State(plane): State<Plane>, request: Request) -> Answer {
    let act = |body: &Map<String, Value>| {
        let flow: Flow = named(body, "flow")?;
        if plane.app.revoke(flow, text(body, "token")?) {
            Ok(json!({ "revoked": true }))
        } else {
            // The token itself is not repeated.
            Err((StatusCode::NOT_FOUND, format!("{flow} has no such live token")))
        }
    };
    with_object(&plane.app, request, act).await
}

async fn orders(State(plane): State<Plane>, request: Request) -> Answer {
    let act = |body: &Map<String, Value>| {
        let name = text(body, "change")?;
        let change = parse_name("change of an order", name, &Change::ALL, Change::name)
            .map_err(|error| bad(&error.to_string()))?;
        let now = plane.app.clock.now();
        Ok(json!({ "orders": plane.app.button.orders.change(change, now) }))
    };
    with_object(&plane.app, request, act).await
}

async fn database(State(plane): State<Plane>, request: Request) -> Answer {
    let act = |body: &Map<String, Value>| {
        let failing = body.get("failing").and_then(Value::as_bool);
        let failing = failing.ok_or_else(|| bad("`failing` must be true or false"))?;
        let switch = &plane.app.visitor.database_failing;
        let previous = switch.swap(failing, Ordering::Relaxed);
        Ok(json!({ "previous": previous }))
    };
    with_object(&plane.app, request, act).await
}

async fn faults(State(plane): State<Plane>) -> Answer {
    render(Ok(installed(&plane.app)))
}

fn installed(app: &App) -> Value {
    let installed = app.faults.installed();
    installed.iter().map(|fault| fault.name()).collect()
}

async fn put_faults(State(plane): State<Plane>, request: Request) -> Answer {
    let app = &plane.app;
    let act = |body: Value| {
        let names: Option<Vec<&str>> =
            body.as_array().and_then(|names| names.iter().map(Value::as_str).collect());
        let names = names.ok_or_else(|| bad("the body must be an array of fault names"))?;
        let faults: Result<Vec<Fault>, _> = names.into_iter().map(Fault::from_str).collect();
        app.faults.replace(&faults.map_err(|error| bad(&error.to_string()))?);
        Ok(installed(app))
    };
    with_body(app, request, act).await
}

async fn variants(State(plane): State<Plane>) -> Answer {
    render(Ok(chosen(&plane.app)))
}

fn chosen(app: &App) -> Value {
    let values = Variant::all().map(|variant| {
        let value = Value::from(app.variants.value(variant));
        (variant.name().to_owned(), value)
    });
    Value::Object(values.collect())
}

/// Sets the variants that are named and leaves the others alone; all or none of them.
async fn put_variants(State(plane): State<Plane>, request: Request) -> Answer {
    let app = &plane.app;
    let act = |body: &Map<String, Value>| {
        let mut checked = Variants::default();
        for key in body.keys() {
            checked.set(key, text(body, key)?).map_err(|error| bad(&error.to_string()))?;
        }
        for (key, value) in body {
            let value = value.as_str().unwrap_or_default();
            app.variants.set(key, value).map_err(|error| bad(&error.to_string()))?;
        }
        Ok(chosen(app))
    };
    with_object(app, request, act).await
}

async fn counters(State(plane): State<Plane>) -> Answer {
    let counters = plane.app.counters.snapshot();
    render(Ok(counters.into_iter().map(|(name, count)| (name, Value::from(count))).collect()))
}

async fn events(State(plane): State<Plane>) -> Answer {
    let events = plane.app.events.snapshot();
    render(Ok(events
        .iter()
        .map(|event| json!({ "at_ms": event.at_ms, "kind": event.kind, "detail": event.detail }))
        .collect()))
}

/// Reads a JSON object, or nothing as an empty one, and answers with what `act` makes of it.
async fn with_object(
    app: &App,
    request: Request,
    act: impl FnOnce(&Map<String, Value>) -> Outcome,
) -> Answer {
    let act = |body: Value| match body {
        Value::Object(body) => act(&body),
        Value::Null => act(&Map::new()),
        _ => Err(bad("the body must be a JSON object")),
    };
    with_body(app, request, act).await
}

async fn with_body(app: &App, request: Request, act: impl FnOnce(Value) -> Outcome) -> Answer {
    let outcome = match read_body(app, request).await {
        Ok((_, body)) if body.is_empty() => act(Value::Null),
        Ok((_, body)) => match serde_json::from_slice(&body) {
            Ok(value) => act(value),
            Err(error) => Err(bad(&format!("the body is not JSON: {error}"))),
        },
        Err(broken) => Err((broken.status(), "the body could not be read".to_owned())),
    };
    render(outcome)
}

fn render(outcome: Outcome) -> Answer {
    match outcome {
        Ok(value) => json_value(StatusCode::OK, &value),
        Err((status, sentence)) => json_value(status, &json!({ "error": sentence })),
    }
}

fn bad(sentence: &str) -> (StatusCode, String) {
    (StatusCode::BAD_REQUEST, sentence.to_owned())
}

fn text<'a>(body: &'a Map<String, Value>, member: &str) -> Result<&'a str, (StatusCode, String)> {
    body.get(member)
        .and_then(Value::as_str)
        .ok_or_else(|| bad(&format!("`{member}` must be a string")))
}

fn named<T>(body: &Map<String, Value>, member: &str) -> Result<T, (StatusCode, String)>
where
    T: FromStr<Err: ToString>,
{
    text(body, member)?.parse().map_err(|error: T::Err| bad(&error.to_string()))
}
