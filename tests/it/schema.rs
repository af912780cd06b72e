//! Holds a value against a JSON Schema. Small enough to be read; a keyword that it does not know is a mistake, so that no
//! schema says more than is looked at.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::Value;

/// Everything at which a value is not as its schema says.
pub(crate) fn misfits(value: &Value, schema: &Value) -> Vec<String> {
    let mut found = Vec::new();
    walk(value, schema, schema, "$", &mut found);
    found
}

const SILENT: [&str; 9] = [
    "$schema",
    "$id",
    "$defs",
    "definitions",
    "title",
    "description",
    "default",
    "format",
    "examples",
];

fn walk(value: &Value, schema: &Value, root: &Value, path: &str, found: &mut Vec<String>) {
    let rules = match schema {
        Value::Bool(true) => return,
        Value::Bool(false) => return found.push(format!("{path}: nothing may be here")),
        Value::Object(rules) => rules,
        other => panic!("{other} is no schema"),
    };
    let own = found.len();
    let mut said = Vec::new();
    let mut say = |what: String| said.push(format!("{path}: {what}"));
    for (keyword, rule) in rules {
        match keyword.as_str() {
            keyword if SILENT.contains(&keyword) => {}
            // Looked at with the members.
            "properties" | "patternProperties" | "additionalProperties" => {}
            "type" => {
                let words: Vec<&str> = match rule {
                    Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
                    word => word.as_str().into_iter().collect(),
                };
                if !words.iter().any(|word| is(value, word)) {
                    say(format!("is no {}: {}", words.join(" or "), short(value)));
                }
            }
            "enum" if !rule.as_array().unwrap().contains(value) => {
                say(format!("is none of {rule}: {value}"))
            }
            "const" if rule != value => say(format!("is not {rule}: {}", short(value))),
            "minimum" if value.as_f64().is_some_and(|n| n < rule.as_f64().unwrap()) => {
                say(format!("is below {rule}"))
            }
            "maximum" if value.as_f64().is_some_and(|n| n > rule.as_f64().unwrap()) => {
                say(format!("is above {rule}"))
            }
            "minItems"
                if value
                    .as_array()
                    .is_some_and(|list| list.len() < rule.as_u64().unwrap() as usize) =>
            {
                say("has too few".to_owned())
            }
            "maxItems"
                if value
                    .as_array()
                    .is_some_and(|list| list.len() > rule.as_u64().unwrap() as usize) =>
            {
                say("has too many".to_owned())
            }
            "enum" | "const" | "minimum" | "maximum" | "minItems" | "maxItems" => {}
            "uniqueItems" => {
                let list: Vec<String> =
                    value.as_array().into_iter().flatten().map(ToString::to_string).collect();
                if list.iter().collect::<BTreeSet<_>>().len() < list.len() {
                    say("has something twice".to_owned());
                }
            }
            "pattern" => {
                let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
                if value.as_str().is_some_and(|text| !pattern.is_match(text)) {
                    say(format!("does not match {rule}: {}", short(value)));
                }
            }
            "required" => {
                for name in rule.as_array().unwrap().iter().filter_map(Value::as_str) {
                    if value.as_object().is_some_and(|members| !members.contains_key(name)) {
                        say(format!("has no {name}"));
                    }
                }
            }
            "$ref" => {
                let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
                walk(value, root.pointer(pointer).unwrap(), root, path, found);
            }
            "items" => {
                for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                    walk(item, rule, root, &format!("{path}[{at}]"), found);
                }
            }
            "prefixItems" => {
                let rules = rule.as_array().unwrap();
                for (at, (item, rule)) in
                    value.as_array().into_iter().flatten().zip(rules).enumerate()
                {
                    walk(item, rule, root, &format!("{path}[{at}]"), found);
                }
            }
            "anyOf" | "oneOf" => {
                let all = rule.as_array().unwrap().iter().map(|rule| {
                    let mut inner = Vec::new();
                    walk(value, rule, root, path, &mut inner);
                    inner
                });
                let all: Vec<Vec<String>> = all.collect();
                let fitting = all.iter().filter(|inner| inner.is_empty()).count();
                if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
                    say(format!("fits {fitting} alternatives: {all:?}"));
                }
            }
            other => panic!("the keyword {other} is not known here"),
        }
    }
    found.splice(own..own, said);
    members(value, rules, root, path, found);
}

fn members(
    value: &Value,
    rules: &serde_json::Map<String, Value>,
    root: &Value,
    path: &str,
    found: &mut Vec<String>,
) {
    for (name, member) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let own = rules.get("properties").and_then(|properties| properties.get(name));
        let patterns = rules.get("patternProperties").and_then(Value::as_object);
        let pattern = patterns
            .into_iter()
            .flatten()
            .find(|(pattern, _)| Regex::new(pattern).unwrap().is_match(name));
        let rule = own.or(pattern.map(|(_, rule)| rule)).or(rules.get("additionalProperties"));
        if let Some(rule) = rule {
            walk(member, rule, root, &path, found);
        }
    }
}

fn is(value: &Value, word: &str) -> bool {
    match word {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("{other} is no type"),
    }
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(80).collect()
}

#[test]
fn a_value_that_does_not_fit_is_named_with_its_place() {
    let schema = serde_json::json!({
        "type": "object", "required": ["a"], "additionalProperties": false,
        "properties": {"a": {"$ref": "#/$defs/list"}},
        "$defs": {"list": {"type": "array", "items": {"enum": [1, 2]}}},
    });
    for (value, wanted) in [
        (serde_json::json!({"a": [1, 2]}), &[][..]),
        (serde_json::json!({"a": [3]}), &["$.a[0]: is none of [1,2]: 3"]),
        (serde_json::json!({}), &["$: has no a"]),
        (serde_json::json!({"a": [], "b": 1}), &["$.b: nothing may be here"]),
        (serde_json::json!([]), &["$: is no object: []"]),
    ] {
        assert_eq!(misfits(&value, &schema), wanted, "{value}");
    }
}
