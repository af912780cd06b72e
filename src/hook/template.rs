//! `${key}` in text and in JSON.

use serde_json::Value;

/// The text with each `${key}` replaced by what `value` says of the key. An opening without a
/// closing brace stands for itself.
///
/// # Errors
/// The first key that `value` does not know.
pub(crate) fn fill(text: &str, value: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let Some(length) = rest[start + 2..].find('}') else {
            break;
        };
        let key = &rest[start + 2..start + 2 + length];
        filled.push_str(&rest[..start]);
        filled.push_str(&value(key).ok_or_else(|| key.to_owned())?);
        rest = &rest[start + 3 + length..];
    }
    filled.push_str(rest);
    Ok(filled)
}

/// The JSON value with each `${key}` in its strings replaced. A string that is one `${key}` and
/// nothing else becomes the value as it is, so that a number stays a number.
///
/// # Errors
/// The first key that `value` does not know.
pub(super) fn fill_json(
    json: &Value,
    value: &dyn Fn(&str) -> Option<Value>,
) -> Result<Value, String> {
    match json {
        Value::String(text) => {
            let whole = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
            match whole.filter(|key| !key.contains('}')) {
                Some(key) => value(key).ok_or_else(|| key.to_owned()),
                None => fill(text, &|key| value(key).map(|value| plain(&value))).map(Value::String),
            }
        }
        Value::Array(items) => {
            let items: Result<_, _> = items.iter().map(|item| fill_json(item, value)).collect();
            items.map(Value::Array)
        }
        Value::Object(members) => {
            let members: Result<_, _> = members
                .iter()
                .map(|(name, member)| Ok((name.clone(), fill_json(member, value)?)))
                .collect();
            members.map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

/// A value as text: a string without its quotation marks.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn value(key: &str) -> Option<Value> {
        match key {
            "user" => Some(json!("a\"b")),
            "ms" => Some(json!(120)),
            _ => None,
        }
    }

    #[test]
    fn names_in_json_are_replaced_wherever_they_stand_in_strings() {
        for (template, filled) in [
            (json!("${user}"), json!("a\"b")),
            (json!({"n": ["${ms}", "${ms} ms", 1]}), json!({"n": [120, "120 ms", 1]})),
            (json!({"${user}": "x${user}y${ms}"}), json!({"${user}": "xa\"by120"})),
            (json!("$ {user} ${user"), json!("$ {user} ${user")),
            (json!(null), json!(null)),
        ] {
            assert_eq!(fill_json(&template, &value), Ok(filled), "{template}");
        }
    }

    #[test]
    fn a_name_that_stands_for_nothing_is_told() {
        for template in [json!("${usr}"), json!(["x ${usr} ${user}"])] {
            assert_eq!(fill_json(&template, &value), Err("usr".to_owned()), "{template}");
        }
    }
}
