//! `gatecrash press` and `gatecrash advance`: they talk to the control plane of a running server.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::cli::arguments::{Advance, Press};
use crate::cli::exit::{Exit, TargetError, UsageError};
use crate::model::{Bytes, Header, Request, parse_duration};
use crate::wire::{TlsRoots, WireSettings, Wires};

pub(in crate::cli) fn press(arguments: &Press) -> anyhow::Result<Exit> {
    let answer = post(&arguments.control, "/press", &json!({ "kind": arguments.kind }))?;
    let seconds = |name: &str| answer.get(name).and_then(Value::as_i64).unwrap_or_default();
    let window = (seconds("window_ends_at_ms") - seconds("pressed_at_ms")) / 1_000;
    println!("pressed; a token can be generated for {window} s");
    Ok(Exit::Conformant)
}

pub(in crate::cli) fn advance(arguments: &Advance) -> anyhow::Result<Exit> {
    let by = parse_duration(&arguments.by).map_err(UsageError)?;
    let milliseconds = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    let answer =
        post(&arguments.control, "/clock/advance", &json!({ "milliseconds": milliseconds }))?;
    let now = answer.get("now_ms").and_then(Value::as_i64).unwrap_or_default();
    println!(
        "advanced by {}; the server's clock is at {}.{:03} s since 1970",
        arguments.by,
        now / 1_000,
        now % 1_000
    );
    Ok(Exit::Conformant)
}

fn post(control: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    let wires = Wires::new(WireSettings {
        deadline: Duration::from_secs(5),
        max_answer_bytes: 1 << 20,
        roots: TlsRoots::Public,
        started: Instant::now(),
    })?;
    let request = Request {
        base: control.trim_end_matches('/').to_owned(),
        method: "POST".to_owned(),
        target: path.to_owned(),
        headers: vec![Header::new("content-type", "application/json")],
        body: Bytes(body.to_string().into_bytes()),
        ..Request::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    let (reply, _) = runtime.block_on(wires.send(&request));
    let response = reply.map_err(|error| {
        TargetError(format!(
            "the control plane at {control} did not answer: {error}; is `gatecrash serve` running?"
        ))
    })?;
    let answer = response.body.json().unwrap_or(Value::Null);
    if response.status >= 300 {
        let sentence = answer.get("error").and_then(Value::as_str).unwrap_or("no reason given");
        return Err(TargetError(format!("the control plane refused: {sentence}")).into());
    }
    Ok(answer)
}
