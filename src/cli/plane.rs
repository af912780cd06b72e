//! The control plane of a running reference server, as the command line asks it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use serde_json::Value;

use super::exit::TargetError;
use crate::model::{Bytes, Header, Request};
use crate::wire::{TlsRoots, WireSettings, Wires};

/// Does an act.
///
/// # Errors
/// When nobody answers there, or the act is refused.
pub(super) fn post(control: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
    ask(control, "POST", path, Bytes(body.to_string().into_bytes()))
}

/// Reads something.
///
/// # Errors
/// When nobody answers there.
pub(super) fn get(control: &str, path: &str) -> anyhow::Result<Value> {
    ask(control, "GET", path, Bytes::default())
}

fn ask(control: &str, method: &str, path: &str, body: Bytes) -> anyhow::Result<Value> {
    let wires = Wires::new(WireSettings {
        deadline: Duration::from_secs(5),
        max_answer_bytes: 1 << 20,
        roots: TlsRoots::Public,
        started: Instant::now(),
    })?;
    let request = Request {
        base: control.trim_end_matches('/').to_owned(),
        method: method.to_owned(),
        target: path.to_owned(),
        headers: vec![Header::new("content-type", "application/json")],
        body,
        ..Request::default()
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime did not start")?;
    let (reply, _) = runtime.block_on(wires.send(&request));
    let response = reply.map_err(|error| {
        let question = "is `gatecrash serve` running?";
        TargetError(format!("the control plane at {control} did not answer: {error}; {question}"))
    })?;
    let answer = response.body.json().unwrap_or(Value::Null);
    if response.status >= 300 {
        let sentence = answer.get("error").and_then(Value::as_str).unwrap_or("no reason given");
        return Err(TargetError(format!("the control plane refused: {sentence}")).into());
    }
    Ok(answer)
}
