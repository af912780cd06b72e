//! What is kept of an answer.

use indexmap::IndexMap;

use super::Context;
use super::expect::note;
use crate::scenario::action::{Capture, Source};
use crate::scenario::raw::RawCapture;
use crate::source::{YamlPath, pattern};

impl Context<'_> {
    pub(super) fn captures(
        &mut self,
        raw: &IndexMap<String, RawCapture>,
        operation: Option<&str>,
        path: &YamlPath,
    ) -> Vec<Capture> {
        let mut captures = Vec::new();
        for (name, raw) in raw {
            captures.extend(self.capture(name, raw, operation, &path.key(name)));
            self.names.add(name);
        }
        captures
    }

    pub(super) fn capture(
        &mut self,
        name: &str,
        raw: &RawCapture,
        operation: Option<&str>,
        path: &YamlPath,
    ) -> Option<Capture> {
        let mut sources: Vec<Source> = Vec::new();
        if let Some(field) = &raw.field {
            let words = operation.and_then(|operation| self.vocabulary.operations.get(operation));
            if let Some(words) = words.filter(|words| !words.fields.contains(field)) {
                let known: Vec<String> = words.fields.iter().cloned().collect();
                let message = format!("the answer of this operation has no field `{field}`");
                self.out.value("scenario::field", &path.key("field"), message);
                self.out.did_you_mean(field, known.iter().map(String::as_str));
            }
            sources.push(Source::Field(field.clone()));
        }
        if let Some(at) = &raw.json {
            sources.extend(self.json_path(at, &path.key("json")).map(Source::Json));
        }
        sources.extend(raw.header.clone().map(Source::Header));
        if let Some(text) = &raw.text {
            let compiled =
                pattern(text).map_err(|error| format!("not a regular expression: {error}"));
            let regex = note(compiled, |message| {
                self.out.value("scenario::capture", &path.key("text"), message);
            });
            sources.extend(regex.map(Source::Text));
        }
        if let Some(claim) = &raw.claim {
            let token = self.template(&claim.token, &path.key("claim").key("token"));
            let at = self.json_path(&claim.path, &path.key("claim").key("path"));
            sources.extend(at.map(|at| Source::Claim(token, at)));
        }
        if let Some(text) = &raw.value {
            sources.push(Source::Value(self.template(text, &path.key("value"))));
        }
        if sources.len() > 1 || (sources.is_empty() && self.out.is_empty()) {
            let message =
                "a capture has exactly one of `field`, `json`, `header`, `text`, `claim`, `value`";
            self.out.value("scenario::capture", path, message);
        }
        let source = sources.into_iter().next()?;
        let secret = raw.secret.unwrap_or(matches!(source, Source::Field(_)));
        Some(Capture { name: name.to_owned(), source, secret })
    }
}
