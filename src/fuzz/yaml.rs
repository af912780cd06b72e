//! Steps as the YAML that a person would write.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::scenario::raw::{RawPlace, RawSend};

/// A request as a map of the keys that it uses.
pub(crate) fn send_value(raw: &RawSend) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            out.insert(key.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.clone().map(Value::from);
    let many = |count: usize, value: Value| (count > 0).then_some(value);
    put("operation", Some(Value::from(raw.operation.clone())));
    put("method", text(&raw.method));
    put("environment", text(&raw.environment));
    put("identity", text(&raw.identity));
    put("token", text(&raw.token));
    put("authorization", text(&raw.authorization));
    put("with", many(raw.with.len(), json!(raw.with)));
    put("without", many(raw.without.len(), json!(raw.without)));
    let place = |place: &RawPlace| json!({"in": place.part.name()});
    let placed = raw.place.iter().map(|(name, at)| (name.clone(), place(at)));
    put("place", many(raw.place.len(), Value::Object(placed.collect())));
    let headers: Vec<Value> = raw
        .headers
        .iter()
        .map(|header| json!({"name": header.name, "value": header.value}))
        .collect();
    put("headers", many(headers.len(), Value::from(headers)));
    put("query", text(&raw.query));
    put("path", text(&raw.path));
    put(
        "body",
        raw.body.as_ref().map(|body| {
            let mut out = Map::new();
            out.extend(
                body.media_type.clone().map(|media| ("media_type".to_owned(), Value::from(media))),
            );
            out.extend(body.text.clone().map(|text| ("text".to_owned(), Value::from(text))));
            out.extend(body.json.clone().map(|json| ("json".to_owned(), json)));
            Value::Object(out)
        }),
    );
    put("verbatim", text(&raw.verbatim));
    Value::Object(out)
}

/// Writes a step as an item of the list of steps.
pub(crate) fn write_step(text: &mut String, step: &Value) {
    let Some(members) = step.as_object() else {
        return;
    };
    for (at, (key, value)) in members.iter().enumerate() {
        let lead = if at == 0 { "  - " } else { "    " };
        let long = matches!(key.as_str(), "race" | "sample");
        match value.as_object().filter(|_| long) {
            None => {
                let _ = writeln!(text, "{lead}{key}: {}", flow(value));
            }
            Some(inner) => {
                let _ = writeln!(text, "{lead}{key}:");
                for (key, value) in inner {
                    match value.as_array().filter(|items| !items.is_empty() && key != "outcome") {
                        Some(items) => {
                            let _ = writeln!(text, "        {key}:");
                            for item in items {
                                let _ = writeln!(text, "          - {}", flow(item));
                            }
                        }
                        None => {
                            let _ = writeln!(text, "        {key}: {}", flow(value));
                        }
                    }
                }
            }
        }
    }
}

/// A value in the flow style of YAML, with as few quotation marks as it takes.
pub(crate) fn flow(value: &Value) -> String {
    match value {
        Value::String(text) if is_plain(text) => text.clone(),
        Value::Array(items) => {
            format!("[{}]", items.iter().map(flow).collect::<Vec<_>>().join(", "))
        }
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| {
                    format!("{}: {}", flow(&Value::from(key.as_str())), flow(value))
                })
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        other => other.to_string(),
    }
}

fn is_plain(text: &str) -> bool {
    let letters = |c: char| c.is_ascii_alphanumeric() || "_-./ ".contains(c);
    let word = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"]
        .contains(&text.to_ascii_lowercase().as_str());
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic());
    begins && !word && text.chars().all(letters) && !text.ends_with(' ')
}
