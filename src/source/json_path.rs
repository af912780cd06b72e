//! Paths into JSON: `$.items[*].name`. A small part of RFC 9535: names, indices and the wildcard.

use std::fmt;

use serde_json::Value;

/// A path into a JSON value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct JsonPath {
    text: String,
    steps: Vec<Step>,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Step {
    Name(String),
    Index(usize),
    All,
}

impl JsonPath {
    /// Reads a path.
    ///
    /// # Errors
    /// A sentence that says what a path looks like.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is not a path; write `$`, `$.name`, `$.items[0]`, `$.items[*].name` or `$[\"odd name\"]`"
            )
        };
        let mut rest = text.strip_prefix('$').ok_or_else(wrong)?;
        let mut steps = Vec::new();
        while !rest.is_empty() {
            let (step, after) = step(rest).ok_or_else(wrong)?;
            steps.push(step);
            rest = after;
        }
        Ok(Self { text: text.to_owned(), steps })
    }

    /// Every value that the path leads to; none when there is no such place.
    pub fn find<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        let mut found = vec![value];
        for step in &self.steps {
            found = found.into_iter().flat_map(|value| step.take(value)).collect();
        }
        found
    }

    /// The first value that the path leads to.
    pub fn first<'a>(&self, value: &'a Value) -> Option<&'a Value> {
        self.find(value).into_iter().next()
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl Step {
    fn take<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match (self, value) {
            (Self::Name(name), Value::Object(members)) => members.get(name).into_iter().collect(),
            (Self::Index(index), Value::Array(items)) => items.get(*index).into_iter().collect(),
            (Self::All, Value::Array(items)) => items.iter().collect(),
            (Self::All, Value::Object(members)) => members.values().collect(),
            _ => Vec::new(),
        }
    }
}

fn step(rest: &str) -> Option<(Step, &str)> {
    if let Some(named) = rest.strip_prefix('.') {
        let end = named.find(['.', '[']).unwrap_or(named.len());
        let (name, after) = named.split_at(end);
        return (!name.is_empty()).then(|| (Step::Name(name.to_owned()), after));
    }
    let inner = rest.strip_prefix('[')?;
    if let Some(quoted) = inner.strip_prefix('"') {
        let (name, after) = quoted.split_once("\"]")?;
        return Some((Step::Name(name.to_owned()), after));
    }
    let (index, after) = inner.split_once(']')?;
    match index {
        "*" => Some((Step::All, after)),
        digits => digits.parse().ok().map(|index| (Step::Index(index), after)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_names_indices_and_everything() {
        let value = json!({"a": {"b c": 1}, "items": [{"n": 1}, {"n": 2}, {}]});
        for (path, found) in [
            ("$", json!([value])),
            ("$.a[\"b c\"]", json!([1])),
            ("$.items[1].n", json!([2])),
            ("$.items[*].n", json!([1, 2])),
            ("$.nothing.here", json!([])),
            ("$.items[9]", json!([])),
        ] {
            let values: Vec<Value> =
                JsonPath::parse(path).unwrap().find(&value).into_iter().cloned().collect();
            assert_eq!(Value::Array(values), found, "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for wrong in ["", "a", "$a", "$.", "$[", "$[x]", "$..a", "$[\"a]"] {
            assert!(JsonPath::parse(wrong).is_err(), "{wrong}");
        }
    }
}
