//! Conditions on one value: raw JSON, so that `"3600"` is not `3600`.

mod parse;

use std::time::Duration;

use serde_json::Value;

use super::json_template::JsonTemplate;
use crate::model::parse_civil;
use crate::source::{JsonPath, Pattern, RenderError, Scope, Template, pattern};

/// Conditions that must all hold of a value.
#[derive(Clone, Debug)]
pub struct Matcher {
    rules: Vec<Rule>,
}

/// The value that a matcher is held against, and what surrounds it.
#[derive(Clone, Copy)]
pub struct Actual<'a> {
    /// The value; `None` when there is no such place.
    pub value: Option<&'a Value>,
    /// The document that it stands in.
    pub root: Option<&'a Value>,
    /// Reads the server's clock in seconds since 1970, where it is known.
    pub now: &'a dyn Fn() -> Option<i64>,
}

impl std::fmt::Debug for Actual<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Actual").field("value", &self.value).finish_non_exhaustive()
    }
}

/// Why a value does not meet a matcher.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Mismatch {
    /// Something else was wanted: what, in words.
    #[error("{0}")]
    Other(String),
    /// A template has no value, so that there is nothing to compare with. That says nothing of the server.
    #[error(transparent)]
    NoValue(#[from] RenderError),
}

#[derive(Clone, Debug)]
enum Rule {
    AnyOf(Vec<Matcher>),
    Contains(JsonTemplate),
    CountOf(JsonPath),
    EndsWith(Template),
    Equals(JsonTemplate),
    EqualsIgnoringCase(Template),
    Every(Matcher),
    KeysWithin(Vec<String>),
    Length { min: Option<u64>, max: Option<u64> },
    Matches(Pattern),
    MatchesTemplate(Template),
    Max(f64),
    Min(f64),
    NearNow(Nearby),
    Not(Matcher),
    OneOf(Vec<JsonTemplate>),
    Present(bool),
    StartsWith(Template),
    Type(Vec<String>),
}

/// A time on the server's clock.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Nearby {
    /// How far it may be off.
    pub within: Duration,
    /// How many seconds after now it lies.
    pub plus: Template,
    /// How it is written.
    pub form: TimeForm,
}

/// How a time is written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TimeForm {
    /// `YYYY-MM-DDTHH:MM:SS`, in any time zone.
    Civil,
    /// Seconds since 1970.
    Unix,
}

impl Matcher {
    /// The names that it needs.
    pub fn names(&self) -> Vec<&str> {
        self.rules.iter().flat_map(Rule::names).collect()
    }

    /// Whether it asks for the value not to be there.
    pub fn wants_absence(&self) -> bool {
        self.rules.iter().any(|rule| matches!(rule, Rule::Present(false)))
    }

    /// Only its conditions of the form `not`.
    pub fn negations(&self) -> Self {
        let rules = self.rules.iter().filter(|rule| matches!(rule, Rule::Not(_)));
        Self { rules: rules.cloned().collect() }
    }

    /// Holds the value against every condition.
    ///
    /// # Errors
    /// What was wanted, or that there is nothing to compare with.
    pub fn test(&self, actual: &Actual<'_>, scope: &Scope<'_>) -> Result<(), Mismatch> {
        for rule in &self.rules {
            if !rule.holds(actual, scope)? {
                return Err(Mismatch::Other(rule.describe(scope)));
            }
        }
        Ok(())
    }

    /// Whether every condition holds of the value.
    fn holds(&self, actual: &Actual<'_>, scope: &Scope<'_>) -> Result<bool, RenderError> {
        match self.test(actual, scope) {
            Ok(()) => Ok(true),
            Err(Mismatch::Other(_)) => Ok(false),
            Err(Mismatch::NoValue(error)) => Err(error),
        }
    }
}

impl Rule {
    fn holds(&self, actual: &Actual<'_>, scope: &Scope<'_>) -> Result<bool, RenderError> {
        match self {
            Self::Present(wanted) => return Ok(actual.value.is_some() == *wanted),
            Self::AnyOf(matchers) => return any_of(matchers, actual, scope),
            _ => {}
        }
        match actual.value {
            // `not` is the one condition besides absence that a missing value can meet.
            None => Ok(matches!(self, Self::Not(_))),
            Some(Value::String(text)) if self.is_about_text() => self.holds_of_text(text, scope),
            Some(value) => self.holds_of(value, actual, scope),
        }
    }

    const fn is_about_text(&self) -> bool {
        matches!(
            self,
            Self::EndsWith(_)
                | Self::EqualsIgnoringCase(_)
                | Self::Matches(_)
                | Self::MatchesTemplate(_)
                | Self::StartsWith(_)
        )
    }

    fn holds_of_text(&self, text: &str, scope: &Scope<'_>) -> Result<bool, RenderError> {
        Ok(match self {
            Self::EndsWith(wanted) => text.ends_with(&wanted.text(scope)?),
            Self::EqualsIgnoringCase(wanted) => text.eq_ignore_ascii_case(&wanted.text(scope)?),
            Self::Matches(regex) => regex.is_match(text),
            Self::MatchesTemplate(template) => {
                pattern(&template.text(scope)?).is_ok_and(|regex| regex.is_match(text))
            }
            Self::StartsWith(wanted) => text.starts_with(&wanted.text(scope)?),
            _ => false,
        })
    }

    fn holds_of(
        &self,
        value: &Value,
        actual: &Actual<'_>,
        scope: &Scope<'_>,
    ) -> Result<bool, RenderError> {
        Ok(match self {
            Self::Contains(wanted) => contains(value, &wanted.fill(scope)?),
            Self::CountOf(path) => {
                let counted =
                    actual.root.and_then(|root| path.first(root)).and_then(Value::as_array);
                counted.is_some_and(|items| value.as_u64() == Some(items.len() as u64))
            }
            Self::Equals(wanted) => *value == wanted.fill(scope)?,
            Self::Every(matcher) => {
                let Some(items) = value.as_array() else { return Ok(false) };
                for item in items {
                    if !matcher.holds(&Actual { value: Some(item), ..*actual }, scope)? {
                        return Ok(false);
                    }
                }
                true
            }
            Self::KeysWithin(names) => value
                .as_object()
                .is_some_and(|members| members.keys().all(|name| names.contains(name))),
            Self::Length { min, max } => length(value).is_some_and(|length| {
                min.is_none_or(|min| length >= min) && max.is_none_or(|max| length <= max)
            }),
            Self::Max(max) => value.as_f64().is_some_and(|number| number <= *max),
            Self::Min(min) => value.as_f64().is_some_and(|number| number >= *min),
            Self::NearNow(nearby) => nearby.holds(value, (actual.now)(), scope)?,
            Self::Not(matcher) => !matcher.holds(actual, scope)?,
            Self::OneOf(wanted) => {
                for one in wanted {
                    if *value == one.fill(scope)? {
                        return Ok(true);
                    }
                }
                false
            }
            Self::Type(names) => names.iter().any(|name| is_type(value, name)),
            // Conditions on text do not hold of anything else; the rest was told without the value.
            _ => false,
        })
    }

    fn describe(&self, scope: &Scope<'_>) -> String {
        let filled =
            |t: &Template| t.text(scope).map_or_else(|e| e.to_string(), |text| format!("{text:?}"));
        let json =
            |t: &JsonTemplate| t.fill(scope).map_or_else(|e| e.to_string(), |v| v.to_string());
        match self {
            Self::AnyOf(matchers) => {
                let all = matchers.iter().flat_map(|m| &m.rules).map(|rule| rule.describe(scope));
                all.collect::<Vec<_>>().join(", or ")
            }
            Self::Contains(wanted) => format!("something that contains {}", json(wanted)),
            Self::CountOf(path) => format!("the number of elements of {path}"),
            Self::EndsWith(wanted) => format!("a text that ends with {}", filled(wanted)),
            Self::Equals(wanted) => json(wanted),
            Self::EqualsIgnoringCase(wanted) => format!("{} in any case", filled(wanted)),
            Self::Every(matcher) => {
                let each =
                    matcher.rules.iter().map(|rule| rule.describe(scope)).collect::<Vec<_>>();
                format!("an array with, for each element, {}", each.join(" and "))
            }
            Self::KeysWithin(names) => {
                format!("an object with no members but {}", names.join(", "))
            }
            Self::Length { min, max } => match (min, max) {
                (Some(min), Some(max)) if min == max => format!("a length of {min}"),
                (min, max) => {
                    let (min, max) =
                        (min.unwrap_or_default(), max.map_or("any".to_owned(), |m| m.to_string()));
                    format!("a length from {min} to {max}")
                }
            },
            Self::Matches(regex) => format!("a text that matches /{regex}/"),
            Self::MatchesTemplate(template) => format!("a text that matches {}", filled(template)),
            Self::Max(max) => format!("a number up to {max}"),
            Self::Min(min) => format!("a number from {min}"),
            Self::NearNow(nearby) => nearby.describe(scope),
            Self::Not(matcher) => {
                let inner =
                    matcher.rules.iter().map(|rule| rule.describe(scope)).collect::<Vec<_>>();
                format!("not {}", inner.join(" and "))
            }
            Self::OneOf(wanted) => wanted.iter().map(json).collect::<Vec<_>>().join(" or "),
            Self::Present(true) => "it to be there".to_owned(),
            Self::Present(false) => "it not to be there".to_owned(),
            Self::StartsWith(wanted) => format!("a text that starts with {}", filled(wanted)),
            Self::Type(names) => format!("a value of type {}", names.join(" or ")),
        }
    }

    fn names(&self) -> Vec<&str> {
        match self {
            Self::AnyOf(matchers) => matchers.iter().flat_map(Matcher::names).collect(),
            Self::Contains(json) | Self::Equals(json) => json.names(),
            Self::EndsWith(t)
            | Self::EqualsIgnoringCase(t)
            | Self::StartsWith(t)
            | Self::MatchesTemplate(t)
            | Self::NearNow(Nearby { plus: t, .. }) => t.names().collect(),
            Self::Every(matcher) | Self::Not(matcher) => matcher.names(),
            Self::OneOf(several) => several.iter().flat_map(JsonTemplate::names).collect(),
            Self::CountOf(_)
            | Self::KeysWithin(_)
            | Self::Length { .. }
            | Self::Matches(_)
            | Self::Max(_)
            | Self::Min(_)
            | Self::Present(_)
            | Self::Type(_) => Vec::new(),
        }
    }
}

/// One that holds is enough, whether or not the others have something to compare with.
fn any_of(
    matchers: &[Matcher],
    actual: &Actual<'_>,
    scope: &Scope<'_>,
) -> Result<bool, RenderError> {
    let mut lacking = None;
    for matcher in matchers {
        match matcher.holds(actual, scope) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(error) => lacking = Some(error),
        }
    }
    lacking.map_or(Ok(false), Err)
}

impl Nearby {
    /// The time zones of the world lie on quarters of an hour.
    const ZONE_STEP: i64 = 900;

    fn holds(
        &self,
        value: &Value,
        now: Option<i64>,
        scope: &Scope<'_>,
    ) -> Result<bool, RenderError> {
        let Some(now) = now else { return Ok(false) };
        let plus: i64 = self.plus.text(scope)?.parse().unwrap_or(i64::MAX);
        let within = i64::try_from(self.within.as_secs()).unwrap_or(i64::MAX);
        let due = now.saturating_add(plus);
        Ok(match self.form {
            // A NumericDate may have a fraction (RFC 7519 section 2).
            TimeForm::Unix => {
                value.as_f64().is_some_and(|time| (time - due as f64).abs() <= within as f64)
            }
            TimeForm::Civil => value.as_str().and_then(parse_civil).is_some_and(|time| {
                let off = time - due;
                let from_zone =
                    (off + Self::ZONE_STEP / 2).rem_euclid(Self::ZONE_STEP) - Self::ZONE_STEP / 2;
                off.abs() <= 14 * 3_600 + within && from_zone.abs() <= within
            }),
        })
    }

    fn describe(&self, scope: &Scope<'_>) -> String {
        let form = match self.form {
            TimeForm::Civil => "a date-time",
            TimeForm::Unix => "a number of seconds since 1970",
        };
        let plus = self.plus.text(scope).unwrap_or_else(|error| error.to_string());
        format!("{form} within {:?} of the server's clock plus {plus} s", self.within)
    }
}

fn contains(value: &Value, wanted: &Value) -> bool {
    match (value, wanted) {
        (Value::String(text), Value::String(part)) => text.contains(part.as_str()),
        (Value::Array(items), wanted) => items.contains(wanted),
        _ => false,
    }
}

fn length(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => Some(text.chars().count() as u64),
        Value::Array(items) => Some(items.len() as u64),
        Value::Object(members) => Some(members.len() as u64),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

fn is_type(value: &Value, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        // 3600.0 is the same JSON number as 3600, but no client decodes it as an integer.
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => value.is_null(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;
    use crate::source::{Diagnostics, SourceFile, YamlPath};

    fn holds(matcher: Value, actual: Option<Value>) -> bool {
        let mut out = Diagnostics::new(&SourceFile::new("m", ""));
        let parsed = Matcher::parse(&matcher, &YamlPath::default(), &mut out);
        assert!(out.is_empty(), "{:?}", out.into_list());
        let bindings = BTreeMap::from([("name".to_owned(), "POS1".to_owned())]);
        let scope = Scope { bindings: &bindings, random: None };
        let root = json!({"items": [1, 2]});
        let actual = Actual { value: actual.as_ref(), root: Some(&root), now: &|| Some(1_000_000) };
        parsed.test(&actual, &scope).is_ok()
    }

    #[test]
    fn each_operator_holds_and_fails() {
        for (matcher, good, bad) in [
            (json!("3600"), json!("3600"), json!(3600)),
            (json!(3600), json!(3600), json!("3600")),
            (json!(null), json!(null), json!(0)),
            (json!("${name}"), json!("POS1"), json!("${name}")),
            (json!({"type": "integer"}), json!(1), json!(1.0)),
            (json!({"type": ["null", "string"]}), json!(null), json!(1)),
            (json!({"matches": "^[0-9a-f]{4}$"}), json!("00ff"), json!("00ffx")),
            (json!({"matches": "^${name}$"}), json!("POS1"), json!("POS2")),
            (json!({"contains": "b"}), json!("abc"), json!("ac")),
            (json!({"contains": 2}), json!([1, 2]), json!([1])),
            (json!({"starts_with": "live_"}), json!("live_x"), json!("sandbox_x")),
            (json!({"ends_with": "x"}), json!("live_x"), json!("x_")),
            (json!({"equals_ignoring_case": "bearer"}), json!("Bearer"), json!("Token")),
            (json!({"length": 3}), json!("äöü"), json!("ab")),
            (json!({"length": {"min": 1}}), json!([1]), json!([])),
            (json!({"min": 1, "max": 3}), json!(3), json!(4)),
            (json!({"one_of": [1, "a"]}), json!("a"), json!("b")),
            (json!({"any_of": [{"type": "null"}, {"length": 1}]}), json!("a"), json!("ab")),
            (json!({"not": {"contains": "x"}}), json!("abc"), json!("axc")),
            (json!({"keys_within": ["a"]}), json!({"a": 1}), json!({"b": 1})),
            (json!({"every": {"type": "string"}}), json!(["a"]), json!(["a", 1])),
            (json!({"count_of": "$.items"}), json!(2), json!(3)),
            (
                json!({"near_now": {"within": "5s", "plus": "1h"}}),
                json!(1_003_605),
                json!(1_003_606),
            ),
        ] {
            assert!(holds(matcher.clone(), Some(good)), "{matcher}");
            assert!(!holds(matcher.clone(), Some(bad)), "{matcher}");
        }
    }

    #[test]
    fn a_local_date_time_may_lie_in_any_time_zone() {
        let civil = json!({"near_now": {"within": "5s", "form": "civil"}});
        for (text, near) in [
            ("1970-01-12T13:46:40", true),
            ("1970-01-12T19:16:42", true),
            ("1970-01-12T14:00:00", false),
            ("1970-01-14T13:46:40", false),
            ("yesterday", false),
        ] {
            assert_eq!(holds(civil.clone(), Some(json!(text))), near, "{text}");
        }
    }

    #[test]
    fn a_value_that_is_not_there_meets_only_absence() {
        assert!(holds(json!({"absent": true}), None));
        assert!(holds(json!({"any_of": [{"absent": true}, "x"]}), None));
        assert!(holds(json!({"not": "x"}), None));
        assert!(!holds(json!({"present": true}), None));
        assert!(!holds(json!({"type": "null"}), None));
        assert!(!holds(json!({"length": {"min": 0}}), None));
    }
}
