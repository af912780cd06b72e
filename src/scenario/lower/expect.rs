//! Expectations and captures.

use std::sync::Arc;

use serde_json::Value;

use super::Context;
use crate::model::{ExpectationSet, parse_duration};
use crate::scenario::expectation::{
    Assertion, Expectation, Filter, JwtAssertion, Kind, SameAs, StatusPattern,
};
use crate::scenario::matcher::Matcher;
use crate::scenario::one_or_many::OneOrMany;
use crate::scenario::raw::{
    RawExpectation, RawFilter, RawJwt, RawRaceExpectation, RawSampleExpectation,
};
use crate::scenario::vocabulary::{GENERAL_OUTCOMES, Vocabulary};
use crate::source::{Diagnostic, JsonPath, SourceFile, YamlPath};

/// Reads an assertion that stands outside a scenario: what an outcome is recognised by.
///
/// # Errors
/// Everything that is wrong with it.
pub fn lower_assertion(
    raw: &RawExpectation,
    file: &Arc<SourceFile>,
    path: &YamlPath,
    vocabulary: &Vocabulary,
) -> Result<Assertion, Vec<Diagnostic>> {
    let mut context = Context::new(vocabulary, file);
    let assertion = context.assertion(raw, path);
    context.only_assertion(raw, path);
    if context.out.is_empty() { Ok(assertion) } else { Err(context.out.into_list()) }
}

const EVENTS: [&str; 6] = ["opened", "refused", "message", "closed", "silent", "pong"];

impl Context<'_> {
    pub(super) fn set(&mut self, raw: &[RawExpectation], path: &YamlPath) -> ExpectationSet {
        let expectations = self.expectations(raw, path);
        self.keep(expectations)
    }

    pub(super) fn some_set(
        &mut self,
        raw: &[RawExpectation],
        path: &YamlPath,
    ) -> Option<ExpectationSet> {
        (!raw.is_empty()).then(|| self.set(raw, path))
    }

    pub(super) fn expectations(
        &mut self,
        raw: &[RawExpectation],
        path: &YamlPath,
    ) -> Vec<Expectation> {
        raw.iter()
            .enumerate()
            .map(|(index, raw)| self.expectation(raw, &path.index(index)))
            .collect()
    }

    fn expectation(&mut self, raw: &RawExpectation, path: &YamlPath) -> Expectation {
        let check = self.named_check(raw.check.as_deref(), path);
        let when = self.when(raw.when.as_ref(), &path.key("when"));
        let filter = raw.filter.as_ref().map(|filter| self.filter(filter, &path.key("where")));
        let kind = match (&raw.choice, &raw.record) {
            (Some(gap), _) => self.decision(gap, raw, path),
            (None, Some(label)) => {
                if check.is_none() {
                    self.out.key(
                        "scenario::expect",
                        &path.key("record"),
                        "`record` needs a `check`",
                    );
                }
                Kind::Record(label.clone())
            }
            (None, None) => {
                let assertion = self.assertion(raw, path);
                if assertion.is_empty() {
                    self.out.value(
                        "scenario::expect",
                        path,
                        "this expects nothing, so it can never fail",
                    );
                    self.out.help("say what the answer must be: `outcome`, `status`, `json`, ...");
                }
                Kind::Answer(Box::new(assertion))
            }
        };
        Expectation { check, when, filter, kind }
    }

    fn decision(&mut self, gap: &str, raw: &RawExpectation, path: &YamlPath) -> Kind {
        let allowed = self.vocabulary.gaps.get(gap).cloned();
        if allowed.is_none() {
            self.out.value(
                "scenario::gap",
                &path.key("choice"),
                format!("`{gap}` is not a gap of this flow"),
            );
            self.out.did_you_mean(gap, self.vocabulary.gaps.keys().map(String::as_str));
        }
        if raw.check.is_none() || raw.answers.is_empty() {
            self.out.value("scenario::gap", path, "`choice` needs a `check` and `answers`");
        }
        let mut answers = Vec::new();
        for (name, answer) in &raw.answers {
            let path = path.key("answers").key(name);
            if let Some(allowed) = allowed.as_ref().filter(|allowed| !allowed.contains(name)) {
                self.out.key(
                    "scenario::gap",
                    &path,
                    format!("`{name}` is not an allowed answer to `{gap}`"),
                );
                self.out.did_you_mean(name, allowed.iter().map(String::as_str));
            }
            self.only_assertion(answer, &path);
            answers.push((name.clone(), self.assertion(answer, &path)));
        }
        Kind::Decide { gap: gap.to_owned(), answers }
    }

    /// Complains of keys that make no sense where only an assertion can stand.
    fn only_assertion(&mut self, raw: &RawExpectation, path: &YamlPath) {
        let misplaced = [
            ("check", raw.check.is_some()),
            ("when", raw.when.is_some()),
            ("where", raw.filter.is_some()),
            ("choice", raw.choice.is_some()),
            ("answers", !raw.answers.is_empty()),
            ("record", raw.record.is_some()),
        ];
        for (key, _) in misplaced.iter().filter(|(_, there)| *there) {
            self.out.key("scenario::expect", &path.key(key), format!("`{key}` cannot stand here"));
        }
    }

    fn filter(&mut self, raw: &RawFilter, path: &YamlPath) -> Filter {
        // A filter may name operations of other flows: a common file serves all of them.
        Filter {
            operation: many(raw.operation.as_ref()),
            status: self.statuses(raw.status.as_ref(), &path.key("status")),
            outcome: many(raw.outcome.as_ref()),
            method: many(raw.method.as_ref()),
            media_type: many(raw.media_type.as_ref()),
            credential: raw.credential,
        }
    }

    pub(super) fn outcomes(
        &mut self,
        raw: Option<&OneOrMany<String>>,
        path: &YamlPath,
    ) -> Vec<String> {
        let names = many(raw);
        for name in &names {
            let known = self.vocabulary.outcomes.contains(name)
                || GENERAL_OUTCOMES.contains(&name.as_str());
            if !known {
                self.out.value(
                    "scenario::outcome",
                    path,
                    format!("`{name}` is not an outcome of this flow"),
                );
                let words =
                    self.vocabulary.outcomes.iter().map(String::as_str).chain(GENERAL_OUTCOMES);
                self.out.did_you_mean(name, words);
            }
        }
        names
    }

    fn statuses(&mut self, raw: Option<&OneOrMany<Value>>, path: &YamlPath) -> Vec<StatusPattern> {
        let mut patterns = Vec::new();
        for value in raw.map_or(&[][..], |raw| &raw.0) {
            match StatusPattern::parse(value) {
                Some(pattern) => patterns.push(pattern),
                None => {
                    let message = format!("`{value}` is not a status code; write `401` or `4xx`");
                    self.out.value("scenario::status", path, message);
                }
            }
        }
        patterns
    }

    fn assertion(&mut self, raw: &RawExpectation, path: &YamlPath) -> Assertion {
        let documented = self.outcomes(raw.documented.as_ref(), &path.key("documented"));
        let event = many(raw.event.as_ref());
        for wrong in event.iter().filter(|name| !EVENTS.contains(&name.as_str())) {
            self.out.value(
                "scenario::event",
                &path.key("event"),
                format!("`{wrong}` is not an event"),
            );
            self.out.did_you_mean(wrong, EVENTS);
        }
        Assertion {
            outcome: self.outcomes(raw.outcome.as_ref(), &path.key("outcome")),
            documented,
            status: self.statuses(raw.status.as_ref(), &path.key("status")),
            media_type: many(raw.media_type.as_ref()),
            headers: self.named_matchers(&raw.headers, &path.key("headers")),
            text: raw.text.as_ref().map(|value| self.matcher(value, &path.key("text"))),
            json: self.path_matchers(&raw.json, &path.key("json")),
            jwt: raw.jwt.as_ref().map(|jwt| self.jwt(jwt, &path.key("jwt"))),
            values: raw
                .values
                .iter()
                .map(|(text, value)| {
                    let path = path.key("values").key(text);
                    (self.template(text, &path), self.matcher(value, &path))
                })
                .collect(),
            same_as: raw.same_as.as_ref().map(|same| {
                if !self.step_ids.contains(&same.step) {
                    let path = path.key("same_as").key("step");
                    self.out.value(
                        "scenario::step",
                        &path,
                        format!("no earlier step has the id `{}`", same.step),
                    );
                    let known: Vec<String> = self.step_ids.iter().cloned().collect();
                    self.out.did_you_mean(&same.step, known.iter().map(String::as_str));
                }
                SameAs {
                    step: same.step.clone(),
                    except: same.except.iter().map(|h| h.to_lowercase()).collect(),
                }
            }),
            no_secrets: raw.no_secrets.as_ref().map(|secrets| secrets.except.clone()),
            status_equals: raw
                .status_equals
                .as_ref()
                .and_then(|at| self.json_path(at, &path.key("status_equals"))),
            event,
            close_code: raw
                .close_code
                .as_ref()
                .map(|value| self.matcher(value, &path.key("close_code"))),
            within: raw.within.as_ref().and_then(|text| self.duration(text, &path.key("within"))),
        }
    }

    fn jwt(&mut self, raw: &RawJwt, path: &YamlPath) -> JwtAssertion {
        JwtAssertion {
            token: self.template(&raw.token, &path.key("token")),
            header: self.path_matchers(&raw.header, &path.key("header")),
            payload: self.path_matchers(&raw.payload, &path.key("payload")),
            guessable: raw.guessable.unwrap_or(true),
        }
    }

    fn named_matchers(
        &mut self,
        raw: &indexmap::IndexMap<String, Value>,
        path: &YamlPath,
    ) -> Vec<(String, Matcher)> {
        raw.iter()
            .map(|(name, value)| (name.clone(), self.matcher(value, &path.key(name))))
            .collect()
    }

    fn path_matchers(
        &mut self,
        raw: &indexmap::IndexMap<String, Value>,
        path: &YamlPath,
    ) -> Vec<(JsonPath, Matcher)> {
        let mut matchers = Vec::new();
        for (at, value) in raw {
            let path = path.key(at);
            let matcher = self.matcher(value, &path);
            matchers.extend(self.json_path_of_key(at, &path).map(|at| (at, matcher)));
        }
        matchers
    }

    fn matcher(&mut self, value: &Value, path: &YamlPath) -> Matcher {
        let matcher = Matcher::parse(value, path, &mut self.out);
        self.know(matcher.names(), path);
        matcher
    }

    pub(super) fn json_path(&mut self, text: &str, path: &YamlPath) -> Option<JsonPath> {
        let parsed = JsonPath::parse(text);
        note(parsed, |message| {
            self.out.value("scenario::path", path, message);
        })
    }

    fn json_path_of_key(&mut self, text: &str, path: &YamlPath) -> Option<JsonPath> {
        note(JsonPath::parse(text), |message| {
            self.out.key("scenario::path", path, message);
        })
    }

    pub(super) fn duration(&mut self, text: &str, path: &YamlPath) -> Option<std::time::Duration> {
        note(parse_duration(text), |message| {
            self.out.value("scenario::duration", path, message);
        })
    }

    pub(super) fn race_expectations(
        &mut self,
        raw: &[RawRaceExpectation],
        path: &YamlPath,
    ) -> ExpectationSet {
        let mut expectations = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let path = path.index(index);
            if raw.at_least.is_none() && raw.at_most.is_none() {
                self.out.value(
                    "scenario::race",
                    &path,
                    "a race counts: give `at_most`, `at_least` or both",
                );
            }
            let check = self.named_check(raw.check.as_deref(), &path);
            let outcome = self.outcomes(Some(&raw.outcome), &path.key("outcome"));
            let RawRaceExpectation { after, at_least, at_most, .. } = *raw;
            let kind = Kind::Count { after, outcome, at_least, at_most };
            expectations.push(Expectation { check, when: None, filter: None, kind });
        }
        self.keep(expectations)
    }

    pub(super) fn collections(
        &mut self,
        raw: &[RawSampleExpectation],
        path: &YamlPath,
    ) -> Vec<Expectation> {
        let mut expectations = Vec::new();
        for (index, raw) in raw.iter().enumerate() {
            let path = path.index(index);
            if !raw.identical && !raw.is_of_values() {
                self.out.value(
                    "scenario::sample",
                    &path,
                    "give `distinct: true`, `identical: true`, `patternless: true` or `random_bits`",
                );
            }
            let check = self.named_check(raw.check.as_deref(), &path);
            let RawSampleExpectation { distinct, identical, patternless, random_bits, .. } = *raw;
            let kind = Kind::Collection { distinct, identical, patternless, random_bits };
            expectations.push(Expectation { check, when: None, filter: None, kind });
        }
        expectations
    }
}

impl Assertion {
    fn is_empty(&self) -> bool {
        self.outcome.is_empty()
            && self.documented.is_empty()
            && self.status.is_empty()
            && self.media_type.is_empty()
            && self.headers.is_empty()
            && self.text.is_none()
            && self.json.is_empty()
            && self.jwt.is_none()
            && self.values.is_empty()
            && self.same_as.is_none()
            && self.no_secrets.is_none()
            && self.status_equals.is_none()
            && self.event.is_empty()
            && self.close_code.is_none()
            && self.within.is_none()
    }
}

pub(super) fn many(raw: Option<&OneOrMany<String>>) -> Vec<String> {
    raw.map(|raw| raw.0.clone()).unwrap_or_default()
}

pub(super) fn note<T>(result: Result<T, String>, complain: impl FnOnce(String)) -> Option<T> {
    result.map_err(complain).ok()
}
