//! YAML to typed data, with everything that is wrong said at once.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::diagnostic::{Diagnostic, Diagnostics, SourceFile};
use super::schema;

/// Reads a file as a `T`.
///
/// # Errors
/// Every unknown key, missing key and wrong type, each at its place. A file that is no YAML, or
/// that repeats a key, gives the parser's one complaint.
pub fn decode<T: DeserializeOwned + JsonSchema>(
    file: &Arc<SourceFile>,
) -> Result<T, Vec<Diagnostic>> {
    let mut diagnostics = Diagnostics::new(file);
    if let Some(value) = parse(file, &mut diagnostics) {
        schema::check::<T>(&value, &mut diagnostics);
        if diagnostics.is_empty() {
            match serde_json::from_value(value) {
                Ok(typed) => return Ok(typed),
                Err(error) => {
                    diagnostics.byte("yaml::type", None, error.to_string());
                }
            }
        }
    }
    Err(diagnostics.into_list())
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
    #[expect(dead_code, reason = "only the shape matters")]
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
