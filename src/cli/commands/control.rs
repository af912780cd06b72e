//! `gatecrash press` and `gatecrash advance`: they talk to the control plane of a running server.

use serde_json::{Value, json};

use crate::cli::arguments::{Advance, Press};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::plane::post;
use crate::model::parse_duration;

pub(in crate::cli) fn press(arguments: &Press) -> anyhow::Result<Exit> {
    let answer = post(&arguments.control, "/press", &json!({ "kind": arguments.kind }))?;
    let seconds = |name: &str| answer.get(name).and_then(Value::as_i64).unwrap_or_default();
    let window = (seconds("window_ends_at_ms") - seconds("pressed_at_ms")) / 1_000;
    say!("pressed; a token can be generated for {window} s");
    Ok(Exit::Conformant)
}

pub(in crate::cli) fn advance(arguments: &Advance) -> anyhow::Result<Exit> {
    let by = parse_duration(&arguments.by).map_err(UsageError)?;
    let milliseconds = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    let answer =
        post(&arguments.control, "/clock/advance", &json!({ "milliseconds": milliseconds }))?;
    let now = answer.get("now_ms").and_then(Value::as_i64).unwrap_or_default();
    say!(
        "advanced by {}; the server's clock is at {}.{:03} s since 1970",
        arguments.by,
        now / 1_000,
        now % 1_000
    );
    Ok(Exit::Conformant)
}
