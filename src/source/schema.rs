//! Holds a value against the JSON Schema of a type: the shipped schemas and the complaints of
//! `lint` have one source, the Rust types.
//!
//! Only what the schema generator writes for our types is understood: references, objects, arrays, enumerations, alternatives.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use schemars::JsonSchema;
use serde_json::{Map, Value};

use super::diagnostic::Diagnostics;
use super::locate::YamlPath;

/// Notes every place where the value is not of the shape of `T`, and returns those that could be left out.
pub(super) fn check<T: JsonSchema>(value: &Value, diagnostics: &mut Diagnostics) -> Vec<YamlPath> {
    let schema = of::<T>();
    let walk = Walk { root: &schema, misfits: RefCell::default() };
    walk.check(value, &schema, &YamlPath::default(), diagnostics);
    walk.misfits.into_inner()
}

/// The schema of a type, made once: making it for each of 150 files took a fifth of the time to read them.
fn of<T: JsonSchema>() -> Arc<Value> {
    static MADE: OnceLock<Mutex<HashMap<String, Arc<Value>>>> = OnceLock::new();
    let made = MADE.get_or_init(Mutex::default);
    let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
    let schema = made
        .entry(T::schema_id().into_owned())
        .or_insert_with(|| Arc::new(schemars::schema_for!(T).to_value()));
    Arc::clone(schema)
}

struct Walk<'a> {
    root: &'a Value,
    misfits: RefCell<Vec<YamlPath>>,
}

impl<'a> Walk<'a> {
    fn check(&self, value: &Value, schema: &'a Value, path: &YamlPath, out: &mut Diagnostics) {
        let schema = self.resolve(schema);
        let alternatives = schema.get("anyOf").or_else(|| schema.get("oneOf"));
        if let Some(Value::Array(alternatives)) = alternatives {
            return self.check_alternatives(value, alternatives, path, out);
        }
        if let Some(Value::Array(words)) = schema.get("enum") {
            return self.check_words(value, words, path, out);
        }
        if !fits_type(value, schema) {
            let wanted = type_names(schema).join(" or ");
            self.misfit(path);
            out.value("yaml::type", path, format!("expected {wanted}, found {}", kind(value)));
            return;
        }
        if value.as_u64().is_none()
            && schema.get("minimum").and_then(Value::as_u64) == Some(0)
            && value.is_number()
        {
            self.misfit(path);
            out.value("yaml::type", path, "expected a number that is not negative");
        }
        match value {
            Value::Object(members) => self.check_members(members, schema, path, out),
            Value::Array(items) => {
                if let Some(item_schema) = schema.get("items") {
                    for (index, item) in items.iter().enumerate() {
                        self.check(item, item_schema, &path.index(index), out);
                    }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn check_members(
        &self,
        members: &Map<String, Value>,
        schema: &'a Value,
        path: &YamlPath,
        out: &mut Diagnostics,
    ) {
        let properties = schema.get("properties").and_then(Value::as_object);
        let additional = schema.get("additionalProperties");
        for (name, member) in members {
            let member_path = path.key(name);
            match (properties.and_then(|known| known.get(name)), additional) {
                (Some(member_schema), _) => self.check(member, member_schema, &member_path, out),
                (None, Some(Value::Bool(false))) => {
                    self.misfit(&member_path);
                    out.key("yaml::unknown-key", &member_path, format!("unknown key `{name}`"));
                    out.did_you_mean(
                        name,
                        properties.into_iter().flat_map(Map::keys).map(String::as_str),
                    );
                }
                (None, Some(member_schema @ Value::Object(_))) => {
                    self.check(member, member_schema, &member_path, out);
                }
                (None, _) => {}
            }
        }
        let required = schema.get("required").and_then(Value::as_array).into_iter().flatten();
        for name in required.filter_map(Value::as_str).filter(|name| !members.contains_key(*name)) {
            out.value("yaml::missing-key", path, format!("missing key `{name}`"));
        }
    }

    fn check_alternatives(
        &self,
        value: &Value,
        alternatives: &'a [Value],
        path: &YamlPath,
        out: &mut Diagnostics,
    ) {
        let words: Vec<Value> =
            alternatives.iter().filter_map(|a| a.get("const").cloned()).collect();
        if words.len() == alternatives.len() {
            return self.check_words(value, &words, path, out);
        }
        let resolved: Vec<&Value> = alternatives.iter().map(|a| self.resolve(a)).collect();
        match resolved.iter().find(|schema| self.could_be(value, schema)) {
            Some(schema) => self.check(value, schema, path, out),
            None => {
                self.misfit(path);
                let wanted: Vec<String> = resolved.iter().flat_map(|s| type_names(s)).collect();
                out.value(
                    "yaml::type",
                    path,
                    format!("expected {}, found {}", wanted.join(" or "), kind(value)),
                );
            }
        }
    }

    fn could_be(&self, value: &Value, schema: &'a Value) -> bool {
        if let Some(Value::Array(inner)) = schema.get("oneOf").or_else(|| schema.get("anyOf")) {
            return inner.iter().any(|one| self.could_be(value, self.resolve(one)));
        }
        fits_type(value, schema)
    }

    fn check_words(&self, value: &Value, words: &[Value], path: &YamlPath, out: &mut Diagnostics) {
        if words.contains(value) {
            return;
        }
        self.misfit(path);
        let known: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        match value {
            Value::String(word) => {
                out.value("yaml::unknown-word", path, format!("`{word}` is not known here"));
                out.did_you_mean(word, known);
            }
            _ => {
                let wanted = known.join(", ");
                out.value(
                    "yaml::type",
                    path,
                    format!("expected one of {wanted}, found {}", kind(value)),
                );
            }
        }
    }

    fn misfit(&self, path: &YamlPath) {
        self.misfits.borrow_mut().push(path.clone());
    }

    fn resolve(&self, schema: &'a Value) -> &'a Value {
        let pointer = schema.get("$ref").and_then(Value::as_str).and_then(|r| r.strip_prefix('#'));
        match pointer {
            Some("") => self.root,
            Some(pointer) => self.root.pointer(pointer).unwrap_or(schema),
            None => schema,
        }
    }
}

fn fits_type(value: &Value, schema: &Value) -> bool {
    let fits = |name: &str| match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    match schema.get("type") {
        Some(Value::String(name)) => fits(name),
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).any(fits),
        _ => schema.get("const").is_none_or(|only| only == value),
    }
}

fn type_names(schema: &Value) -> Vec<String> {
    let name = |name: &str| match name {
        "null" => "nothing",
        "boolean" => "true or false",
        "integer" => "an integer",
        "number" => "a number",
        "string" => "a string",
        "array" => "a list",
        "object" => "a map",
        _ => "a value",
    };
    match schema.get("type") {
        Some(Value::String(one)) => vec![name(one).to_owned()],
        Some(Value::Array(several)) => several
            .iter()
            .filter_map(Value::as_str)
            .filter(|one| *one != "null")
            .map(|one| name(one).to_owned())
            .collect(),
        _ => Vec::new(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "true or false",
        Value::Number(n) if n.is_f64() => "a number",
        Value::Number(_) => "an integer",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}
