//! Conditions on the server.

use super::Context;
use super::expect::many;
use crate::scenario::condition::{Decided, Placed, When};
use crate::scenario::raw::RawWhen;
use crate::source::YamlPath;

impl Context<'_> {
    pub(super) fn when(&mut self, raw: Option<&RawWhen>, path: &YamlPath) -> Option<When> {
        let raw = raw?;
        match (&raw.choice, &raw.capability, &raw.parameter) {
            (Some(gap), None, None) => Some(When::Choice(self.decided(gap, raw, path))),
            (None, Some(name), None) => {
                self.only_with_choice(raw, path);
                Some(When::Capability(name.clone()))
            }
            (None, None, Some(text)) => {
                self.only_with_choice(raw, path);
                self.placed(text, &path.key("parameter")).map(When::Parameter)
            }
            _ => {
                let message = "a condition has exactly one of `choice`, `capability`, `parameter`";
                self.out.value("scenario::condition", path, message);
                None
            }
        }
    }

    fn only_with_choice(&mut self, raw: &RawWhen, path: &YamlPath) {
        for (key, there) in [("is", raw.is.is_some()), ("is_not", raw.is_not.is_some())] {
            if there {
                let message = format!("`{key}` goes with `choice`");
                self.out.key("scenario::condition", &path.key(key), message);
            }
        }
    }

    fn decided(&mut self, gap: &str, raw: &RawWhen, path: &YamlPath) -> Decided {
        if raw.is.is_some() == raw.is_not.is_some() {
            self.out.value(
                "scenario::gap",
                path,
                "a condition has exactly one of `is` and `is_not`",
            );
        }
        let (is, is_not) = (many(raw.is.as_ref()), many(raw.is_not.as_ref()));
        match self.vocabulary.gaps.get(gap) {
            Some(answers) => {
                for wrong in is.iter().chain(&is_not).filter(|answer| !answers.contains(*answer)) {
                    let key = if raw.is.is_some() { "is" } else { "is_not" };
                    let message = format!("`{wrong}` is not an allowed answer to `{gap}`");
                    self.out.value("scenario::gap", &path.key(key), message);
                    self.out.did_you_mean(wrong, answers.iter().map(String::as_str));
                }
            }
            None => {
                let message = format!("`{gap}` is not a gap of this flow");
                self.out.value("scenario::gap", &path.key("choice"), message);
                self.out.did_you_mean(gap, self.vocabulary.gaps.keys().map(String::as_str));
            }
        }
        Decided { choice: gap.to_owned(), is, is_not }
    }

    fn placed(&mut self, text: &str, path: &YamlPath) -> Option<Placed> {
        match Placed::parse(text) {
            Ok(placed) => {
                self.known_place(&placed, path);
                Some(placed)
            }
            Err(message) => {
                self.out.value("scenario::parameter", path, message);
                None
            }
        }
    }

    /// Complains of a parameter that the flow does not have.
    pub(super) fn known_place(&mut self, placed: &Placed, path: &YamlPath) {
        let operations = &self.vocabulary.operations;
        let Some(words) = operations.get(&placed.operation) else {
            let message = format!("`{}` is not an operation of this flow", placed.operation);
            self.out.value("scenario::operation", path, message);
            self.out.did_you_mean(&placed.operation, operations.keys().map(String::as_str));
            return;
        };
        if !words.parameters.contains(&placed.parameter) {
            let message = format!("`{}` is not a parameter of this operation", placed.parameter);
            self.out.value("scenario::parameter", path, message);
            let known = words.parameters.iter().map(String::as_str);
            self.out.did_you_mean(&placed.parameter, known);
        }
    }
}
