//! Values as YAML, on one line, so that every parser reads the same values back.
//!
//! Not a general writer: no block texts, no anchors, no tags.

use serde_json::Value;

/// A value in flow style.
pub(super) fn inline(value: &Value) -> String {
    match value {
        Value::Object(members) if members.is_empty() => "{}".to_owned(),
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{}: {}", scalar(key), inline(value)))
                .collect();
            format!("{{{}}}", members.join(", "))
        }
        Value::Array(items) => {
            format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", "))
        }
        Value::String(text) => scalar(text),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A text: plain where no parser can take it for anything else, quoted otherwise.
pub(super) fn scalar(text: &str) -> String {
    if is_plain(text) {
        text.to_owned()
    } else if text.chars().all(is_printable) && text.contains(['"', '\\']) {
        format!("'{}'", text.replace('\'', "''"))
    } else {
        double_quoted(text)
    }
}

/// A comment may hold anything but what ends it or moves a cursor.
pub(super) fn comment(text: &str) -> String {
    let shown: String = text.chars().map(|c| if is_printable(c) { c } else { ' ' }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Words that some YAML 1.1 parser reads as a truth value or as nothing.
const WORDS: [&str; 9] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n"];

fn is_plain(text: &str) -> bool {
    // The documents write classes of statuses this way.
    let class = text.len() == 3 && text.ends_with("xx") && text.starts_with(['2', '3', '4', '5']);
    let begins = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/' || c == '$');
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let duration = digits.len() < text.len() && ["ms", "s", "m", "h", "d"].contains(&digits);
    let inner = |c: char| c.is_ascii_alphanumeric() || "_-./$@ ".contains(c);
    class
        || duration
        || (begins
            && text.chars().all(inner)
            && !text.ends_with(' ')
            && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(text)))
}

fn is_printable(c: char) -> bool {
    c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric()
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            _ if is_printable(c) => out.push(c),
            _ => out.push_str(&escaped(u32::from(c))),
        }
    }
    out.push('"');
    out
}

fn escaped(code: u32) -> String {
    if code < 0x1_0000 { format!("\\u{code:04X}") } else { format!("\\U{code:08X}") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_could_be_read_as_something_else_is_quoted() {
        for (text, written) in [
            ("password", "password"),
            ("$.data.access_token", "$.data.access_token"),
            ("/auth/login", "/auth/login"),
            ("4xx", "4xx"),
            ("3600s", "3600s"),
            ("250ms", "250ms"),
            ("Limit has been reached", "Limit has been reached"),
            ("trailing ", "\"trailing \""),
            ("", "\"\""),
            ("on", "\"on\""),
            ("422", "\"422\""),
            ("1e5", "\"1e5\""),
            ("/v1/{id}", "\"/v1/{id}\""),
            ("a: b # c", "\"a: b # c\""),
            (r"^\d+$", r"'^\d+$'"),
            ("it's \"x\"", "'it''s \"x\"'"),
            ("a\nb\u{7f}", "\"a\\u000Ab\\u007F\""),
        ] {
            assert_eq!(scalar(text), written);
        }
        let value = json!({"in": "form", "name": "refresh-token", "more": [1, null, true]});
        assert_eq!(inline(&value), "{in: form, name: refresh-token, more: [1, null, true]}");
    }

    #[test]
    fn a_comment_stays_on_its_line() {
        assert_eq!(comment("a\n  b\r\n\u{1b}[2Jc\u{2028}d"), "a b [2Jc d");
    }

    proptest! {
        #[test]
        fn every_text_is_read_back_as_it_was(text in "\\PC*|[\\x00-\\x7f]{0,12}|\\p{any}{0,6}") {
            let value = json!({"key": [&text], &*text: 1});
            let read: Value = serde_yaml::from_str(&inline(&value)).unwrap();
            prop_assert_eq!(read, value);
        }
    }
}
