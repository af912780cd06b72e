//! Reads matchers.

use std::time::Duration;

use serde_json::Value;

use super::{Matcher, Nearby, Rule, TimeForm};
use crate::model::parse_duration;
use crate::scenario::json_template::JsonTemplate;
use crate::source::{Diagnostics, JsonPath, Template, YamlPath, pattern};

const OPERATORS: [&str; 20] = [
    "absent",
    "any_of",
    "contains",
    "count_of",
    "ends_with",
    "equals",
    "equals_ignoring_case",
    "every",
    "keys_within",
    "length",
    "matches",
    "max",
    "min",
    "near_now",
    "not",
    "one_of",
    "present",
    "starts_with",
    "type",
    "types",
];

const TYPES: [&str; 7] = ["string", "integer", "number", "boolean", "object", "array", "null"];

impl Matcher {
    /// Reads a matcher; what is wrong with it is noted.
    pub fn parse(value: &Value, path: &YamlPath, out: &mut Diagnostics) -> Self {
        let Value::Object(operators) = value else {
            let literal = note(JsonTemplate::parse(value), path, out);
            return Self { rules: literal.map(Rule::Equals).into_iter().collect() };
        };
        let mut rules = Vec::new();
        if operators.is_empty() {
            out.value("scenario::matcher", path, "a matcher needs at least one operator");
        }
        for (name, argument) in operators {
            let path = path.key(name);
            if !OPERATORS.contains(&name.as_str()) {
                out.key("scenario::matcher", &path, format!("`{name}` is not an operator"));
                out.did_you_mean(name, OPERATORS);
                continue;
            }
            rules.extend(rule(name, argument, &path, out));
        }
        Self { rules }
    }
}

fn rule(name: &str, argument: &Value, path: &YamlPath, out: &mut Diagnostics) -> Option<Rule> {
    let template = |out: &mut Diagnostics| match argument.as_str() {
        Some(text) => note(Template::parse(text), path, out),
        None => {
            out.value("scenario::matcher", path, format!("`{name}` takes a text"));
            None
        }
    };
    match name {
        "absent" | "present" => match argument.as_bool() {
            Some(given) => Some(Rule::Present(given == (name == "present"))),
            None => {
                out.value("scenario::matcher", path, format!("`{name}` is true or false"));
                None
            }
        },
        "any_of" => {
            let items = list(argument, path, out);
            let items =
                items.iter().enumerate().map(|(i, item)| Matcher::parse(item, &path.index(i), out));
            Some(Rule::AnyOf(items.collect()))
        }
        "contains" => note(JsonTemplate::parse(argument), path, out).map(Rule::Contains),
        "count_of" => {
            let parsed = JsonPath::parse(argument.as_str().unwrap_or_default());
            note(parsed, path, out).map(Rule::CountOf)
        }
        "ends_with" => template(out).map(Rule::EndsWith),
        "equals" => note(JsonTemplate::parse(argument), path, out).map(Rule::Equals),
        "equals_ignoring_case" => template(out).map(Rule::EqualsIgnoringCase),
        "every" => Some(Rule::Every(Matcher::parse(argument, path, out))),
        "keys_within" => Some(Rule::KeysWithin(words(argument, path, out))),
        "length" => length_rule(argument, path, out),
        "matches" => matches_rule(template(out)?, path, out),
        "max" | "min" => match argument.as_f64() {
            Some(number) => Some(if name == "max" { Rule::Max(number) } else { Rule::Min(number) }),
            None => {
                out.value("scenario::matcher", path, format!("`{name}` takes a number"));
                None
            }
        },
        "near_now" => nearby(argument, path, out).map(Rule::NearNow),
        "not" => Some(Rule::Not(Matcher::parse(argument, path, out))),
        "one_of" => {
            let items = list(argument, path, out);
            let parsed: Result<_, String> = items.iter().map(JsonTemplate::parse).collect();
            note(parsed, path, out).map(Rule::OneOf)
        }
        "starts_with" => template(out).map(Rule::StartsWith),
        _ => {
            let names = words(argument, path, out);
            for wrong in names.iter().filter(|name| !TYPES.contains(&name.as_str())) {
                out.value("scenario::matcher", path, format!("`{wrong}` is not a type"));
                out.did_you_mean(wrong, TYPES);
            }
            Some(Rule::Type(names))
        }
    }
}

fn matches_rule(template: Template, path: &YamlPath, out: &mut Diagnostics) -> Option<Rule> {
    let Some(plain) = template.as_plain() else {
        return Some(Rule::MatchesTemplate(template));
    };
    let compiled = pattern(plain).map_err(|error| format!("not a regular expression: {error}"));
    note(compiled, path, out).map(Rule::Matches)
}

fn length_rule(argument: &Value, path: &YamlPath, out: &mut Diagnostics) -> Option<Rule> {
    let bound = |name: &str| argument.get(name).and_then(Value::as_u64);
    let (min, max) = match argument.as_u64() {
        Some(exact) => (Some(exact), Some(exact)),
        None => (bound("min"), bound("max")),
    };
    let known =
        argument.as_object().is_none_or(|o| o.keys().all(|key| key == "min" || key == "max"));
    if min.is_none() && max.is_none() || !known {
        out.value("scenario::matcher", path, "`length` is a number, or a map with `min` and `max`");
        return None;
    }
    Some(Rule::Length { min, max })
}

fn nearby(argument: &Value, path: &YamlPath, out: &mut Diagnostics) -> Option<Nearby> {
    let known = argument
        .as_object()
        .is_some_and(|o| o.keys().all(|k| ["within", "plus", "form"].contains(&k.as_str())));
    let text = |name: &str| argument.get(name).and_then(Value::as_str);
    let within = text("within").map(parse_duration).transpose();
    // A duration, or a lifetime of the flow by its name.
    let plus = match text("plus") {
        Some(name) if name.starts_with(|c: char| c.is_ascii_lowercase()) => {
            Template::parse(&format!("${{lifetime.{name}}}"))
        }
        Some(text) => parse_duration(text).map(|plus| Template::plain(plus.as_secs().to_string())),
        None => Ok(Template::plain("0")),
    };
    let form = match argument.get("form").and_then(Value::as_str) {
        Some("civil") => Some(TimeForm::Civil),
        Some("unix") | None => Some(TimeForm::Unix),
        Some(_) => None,
    };
    match (known, within, plus, form) {
        (true, Ok(within), Ok(plus), Some(form)) => {
            Some(Nearby { within: within.unwrap_or(Duration::from_secs(5)), plus, form })
        }
        _ => {
            let help =
                "`near_now` is a map with `within: 5s`, `plus: 30d` and `form: unix` or `civil`";
            out.value("scenario::matcher", path, help);
            None
        }
    }
}

fn list<'a>(argument: &'a Value, path: &YamlPath, out: &mut Diagnostics) -> &'a [Value] {
    match argument.as_array() {
        Some(items) if !items.is_empty() => items,
        _ => {
            out.value("scenario::matcher", path, "a list is needed here");
            &[]
        }
    }
}

fn words(argument: &Value, path: &YamlPath, out: &mut Diagnostics) -> Vec<String> {
    match argument {
        Value::String(one) => vec![one.clone()],
        Value::Array(several) if several.iter().all(Value::is_string) => {
            several.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        _ => {
            out.value("scenario::matcher", path, "a word or a list of words is needed here");
            Vec::new()
        }
    }
}

fn note<T>(result: Result<T, String>, path: &YamlPath, out: &mut Diagnostics) -> Option<T> {
    match result {
        Ok(value) => Some(value),
        Err(message) => {
            out.value("scenario::matcher", path, message);
            None
        }
    }
}
