//! YAML to typed data, with everything that is wrong said at once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::diagnostic::{Diagnostic, Diagnostics, SourceFile};
use super::locate::Segment;
use super::schema;

/// Reads a file as a `T`.
///
/// # Errors
/// Every unknown key, missing key and wrong type, each at its place. A file that is no YAML, or
/// that repeats a key, gives the parser's one complaint.
pub fn decode<T: DeserializeOwned + JsonSchema>(
    file: &Arc<SourceFile>,
) -> Result<T, Vec<Diagnostic>> {
    let (typed, wrong) = decode_partly(file);
    match typed {
        Some(typed) if wrong.is_empty() => Ok(typed),
        _ => Err(wrong),
    }
}

/// Reads what can be read of a file: what is not of the right shape is left out, so that the meaning of the rest
/// can be looked at in the same run. With everything that is wrong, as [`decode`] says it.
pub fn decode_partly<T: DeserializeOwned + JsonSchema>(
    file: &Arc<SourceFile>,
) -> (Option<T>, Vec<Diagnostic>) {
    let mut diagnostics = Diagnostics::new(file);
    let Some(mut value) = parse(file, &mut diagnostics) else {
        return (None, diagnostics.into_list());
    };
    let misfits = schema::check::<T>(&value, &mut diagnostics);
    // The last elements of a list go first: the others keep their places.
    for path in misfits.iter().rev() {
        leave_out(&mut value, &path.segments());
    }
    let typed = match serde_json::from_value(value) {
        Ok(typed) => Some(typed),
        Err(error) => {
            if diagnostics.is_empty() {
                diagnostics.byte("yaml::type", None, error.to_string());
            }
            None
        }
    };
    (typed, diagnostics.into_list())
}

fn leave_out(value: &mut Value, path: &[Segment]) {
    match (path, value) {
        ([Segment::Key(key)], Value::Object(members)) => {
            members.shift_remove(key);
        }
        ([Segment::Index(index)], Value::Array(items)) if *index < items.len() => {
            items.remove(*index);
        }
        ([Segment::Key(key), rest @ ..], Value::Object(members)) => {
            if let Some(member) = members.get_mut(key) {
                leave_out(member, rest);
            }
        }
        ([Segment::Index(index), rest @ ..], Value::Array(items)) => {
            if let Some(item) = items.get_mut(*index) {
                leave_out(item, rest);
            }
        }
        _ => {}
    }
}

fn parse(file: &SourceFile, diagnostics: &mut Diagnostics) -> Option<Value> {
    // The detour by the YAML value refuses repeated keys, which a JSON map would swallow.
    let parsed = serde_yaml::from_str::<serde_yaml::Value>(&file.text);
    let converted = parsed.and_then(serde_yaml::from_value::<Value>);
    match converted {
        Ok(value) => Some(value),
        Err(error) => {
            let at = error.location().map(|place| place.index());
            let text = error.to_string();
            let message = text.split(" at line ").next().unwrap_or(&text).to_owned();
            diagnostics.byte("yaml::syntax", at, message);
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        name: String,
        count: Option<u32>,
        #[serde(default)]
        items: Vec<Item>,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only the shape matters")]
    struct Item {
        kind: Kind,
    }

    #[derive(Debug, Deserialize, JsonSchema)]
    #[serde(rename_all = "kebab-case")]
    enum Kind {
        Small,
        VeryLarge,
    }

    fn complaints(text: &str) -> Vec<String> {
        let file = SourceFile::new("sample.yaml", text);
        decode::<Sample>(&file).unwrap_err().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn everything_that_is_wrong_is_said_at_once() {
        let text = "nmae: x\ncount: many\nitems:\n  - kind: very-lrage\n  - {kind: small, extra: 1}\n  - 7\n";
        assert_eq!(
            complaints(text),
            [
                "sample.yaml:1:1: unknown key `nmae`; did you mean `name`?",
                "sample.yaml:1:1: missing key `name`",
                "sample.yaml:2:8: expected an integer, found a string",
                "sample.yaml:4:11: `very-lrage` is not known here; did you mean `very-large`?",
                "sample.yaml:5:19: unknown key `extra`; known here: kind",
                "sample.yaml:6:5: expected a map, found an integer",
            ]
        );
    }

    #[test]
    fn what_is_of_the_wrong_shape_is_left_out_and_the_rest_is_read() {
        let text = "name: a\ncount: many\nodd: 1\nitems:\n  - kind: small\n  - 7\n  - 8\n";
        let file = SourceFile::new("sample.yaml", text);
        let (sample, wrong) = decode_partly::<Sample>(&file);
        let sample = sample.unwrap();
        assert_eq!((&*sample.name, sample.count, sample.items.len()), ("a", None, 1));
        assert_eq!(wrong.len(), 4);
        // A key that must be there cannot be left out.
        assert!(decode_partly::<Sample>(&SourceFile::new("sample.yaml", "count: 1\n")).0.is_none());
    }

    #[test]
    fn a_repeated_key_and_broken_yaml_are_refused() {
        assert!(
            complaints("name: a\nname: b\n")[0].contains("duplicate"),
            "{:?}",
            complaints("name: a\nname: b\n")
        );
        assert!(!complaints("name: [a\n").is_empty());
        assert!(!complaints("").is_empty());
    }
}
