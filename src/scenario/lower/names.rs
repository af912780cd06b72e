//! The names that templates can use at some point of a scenario.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Context;
use crate::scenario::json_template::JsonTemplate;
use crate::scenario::vocabulary::{Need, Vocabulary};
use crate::source::{Template, YamlPath};

#[derive(Clone)]
pub(super) struct Names {
    known: BTreeSet<String>,
}

impl Names {
    pub(super) fn new(vocabulary: &Vocabulary) -> Self {
        let mut known: BTreeSet<String> =
            ["host", "flow", "environment", "path"].map(str::to_owned).into();
        known.extend(vocabulary.lifetimes.keys().map(|name| format!("lifetime.{name}")));
        known.extend(vocabulary.constants.iter().map(|name| format!("constant.{name}")));
        Self { known }
    }

    pub(super) fn add(&mut self, name: &str) {
        self.known.insert(name.to_owned());
    }

    pub(super) fn add_item(&mut self, items: &[Value]) {
        self.known.insert("each".to_owned());
        let keys = items.iter().filter_map(Value::as_object).flat_map(|members| members.keys());
        self.known.extend(keys.map(|key| format!("each.{key}")));
    }

    fn has(&self, name: &str) -> bool {
        // Which fields an identity has is for the profile to say.
        self.known.contains(name) || name.starts_with("identity.")
    }
}

impl Context<'_> {
    pub(super) fn template(&mut self, text: &str, path: &YamlPath) -> Template {
        match Template::parse(text) {
            Ok(template) => {
                self.know(template.names(), path);
                template
            }
            Err(message) => {
                self.out.value("scenario::template", path, message);
                Template::plain(text)
            }
        }
    }

    pub(super) fn optional(&mut self, text: Option<&str>, path: &YamlPath) -> Option<Template> {
        text.map(|text| self.template(text, path))
    }

    pub(super) fn json(&mut self, value: &Value, path: &YamlPath) -> JsonTemplate {
        match JsonTemplate::parse(value) {
            Ok(template) => {
                self.know(template.names(), path);
                template
            }
            Err(message) => {
                self.out.value("scenario::template", path, message);
                JsonTemplate::Plain(Value::Null)
            }
        }
    }

    pub(super) fn know<'n>(&mut self, names: impl IntoIterator<Item = &'n str>, path: &YamlPath) {
        for name in names {
            if let Some((role, _)) = name.strip_prefix("identity.").and_then(|n| n.split_once('.'))
            {
                self.needs_identity(role, path);
            }
            if self.names.has(name) {
                continue;
            }
            self.out.value(
                "scenario::capture",
                path,
                format!("`${{{name}}}` is not captured by an earlier step"),
            );
            let known: Vec<String> = self.names.known.iter().cloned().collect();
            self.out.did_you_mean(name, known.iter().map(String::as_str));
        }
    }

    /// Complains of an account that is used and not needed: what runs into its absence half-way blocks checks that
    /// nobody foretold. The first account alone goes without saying, and where nothing is checked nothing is blocked.
    pub(super) fn needs_identity(&mut self, role: &str, path: &YamlPath) {
        let need = Need::Identity(role.to_owned());
        let unsaid = role == "first" || role.contains("${") || self.checks.is_empty();
        if unsaid || self.needed.contains(&need) {
            return;
        }
        let message =
            format!("the identity `{role}` is used and not needed; a profile may not have it");
        self.out.value("scenario::need", path, message);
        self.out.help(format!(
            "add `{need}` to `needs`, or move these steps to a scenario that needs it"
        ));
    }
}
