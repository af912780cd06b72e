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
    for (keyword, rule) in rules {
        let inner = match keyword.as_str() {
            "$ref" | "anyOf" | "oneOf" => alternatives(value, keyword, rule, root, path),
            "items" | "prefixItems" => elements(value, rule, root, path),
            keyword => misfit(value, keyword, rule)
                .map(|what| format!("{path}: {what}"))
                .into_iter()
                .collect(),
        };
        found.extend(inner);
    }
    members(value, rules, root, path, found);
}

/// What one keyword that looks at the value itself has against it.
fn misfit(value: &Value, keyword: &str, rule: &Value) -> Option<String> {
    let (number, list) = (value.as_f64(), value.as_array());
    let bound = || rule.as_f64().unwrap();
    match keyword {
        keyword if SILENT.contains(&keyword) => None,
        // Looked at with the members.
        "properties" | "patternProperties" | "additionalProperties" => None,
        "type" => {
            let words: Vec<&str> = match rule {
                Value::Array(words) => words.iter().filter_map(Value::as_str).collect(),
                word => word.as_str().into_iter().collect(),
            };
            let fits = words.iter().any(|word| is(value, word));
            (!fits).then(|| format!("is no {}: {}", words.join(" or "), short(value)))
        }
        "enum" => (!rule.as_array().unwrap().contains(value))
            .then(|| format!("is none of {rule}: {value}")),
        "const" => (rule != value).then(|| format!("is not {rule}: {}", short(value))),
        "minimum" => number.filter(|n| *n < bound()).map(|_| format!("is below {rule}")),
        "maximum" => number.filter(|n| *n > bound()).map(|_| format!("is above {rule}")),
        "minItems" => {
            list.filter(|list| (list.len() as f64) < bound()).map(|_| "has too few".to_owned())
        }
        "maxItems" => {
            list.filter(|list| list.len() as f64 > bound()).map(|_| "has too many".to_owned())
        }
        "uniqueItems" => {
            let texts: Vec<String> = list.into_iter().flatten().map(ToString::to_string).collect();
            let twice = texts.iter().collect::<BTreeSet<_>>().len() < texts.len();
            twice.then(|| "has something twice".to_owned())
        }
        "pattern" => {
            let pattern = Regex::new(rule.as_str().unwrap()).unwrap();
            let misses = value.as_str().is_some_and(|text| !pattern.is_match(text));
            misses.then(|| format!("does not match {rule}: {}", short(value)))
        }
        "required" => {
            let members = value.as_object()?;
            let mut names = rule.as_array().unwrap().iter().filter_map(Value::as_str);
            names.find(|name| !members.contains_key(*name)).map(|name| format!("has no {name}"))
        }
        other => panic!("the keyword {other} is not known here"),
    }
}

/// What the schemas that a keyword names have against a value.
fn alternatives(
    value: &Value,
    keyword: &str,
    rule: &Value,
    root: &Value,
    path: &str,
) -> Vec<String> {
    let against = |rule: &Value| {
        let mut inner = Vec::new();
        walk(value, rule, root, path, &mut inner);
        inner
    };
    if keyword == "$ref" {
        let pointer = rule.as_str().unwrap().strip_prefix('#').unwrap();
        return against(root.pointer(pointer).unwrap());
    }
    let all: Vec<Vec<String>> = rule.as_array().unwrap().iter().map(against).collect();
    let fitting = all.iter().filter(|inner| inner.is_empty()).count();
    if fitting == 0 || (keyword == "oneOf" && fitting > 1) {
        return vec![format!("{path}: fits {fitting} alternatives: {all:?}")];
    }
    Vec::new()
}

/// What is wrong with the elements of a list: all have one schema, or each its own.
fn elements(value: &Value, rule: &Value, root: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
        let own = match rule {
            Value::Array(rules) => rules.get(at),
            rule => Some(rule),
        };
        if let Some(own) = own {
            walk(item, own, root, &format!("{path}[{at}]"), &mut found);
        }
    }
    found
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
