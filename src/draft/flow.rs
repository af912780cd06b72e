//! What a draft says of one flow.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::adapt::{self, Adapted};
use super::lines::{Lines, Members};
use super::{Draft, Drafted, matching, words};
use crate::model::Flow;
use crate::scenario::{Need, Scenario};
use crate::source::{Diagnostic, decode};
use crate::target::{FlowBinding, KEY_HOLDERS, Library};

/// The keys below a flow's name.
pub(super) fn section(
    library: &Library,
    draft: &Draft<'_>,
    flow: Flow,
    drafted: &mut Drafted,
) -> Result<Lines, Vec<Diagnostic>> {
    let binding = library.bind(flow, draft.base_url, None)?;
    let documented = match library.flow_file(flow) {
        Some(file) => decode::<Value>(file)?,
        None => Value::Null,
    };
    let adapted = draft.description.map_or_else(Adapted::default, |description| {
        adapt::adapt(&binding, description, matching::find(&binding, description))
    });
    let found = adapted.found.iter();
    drafted.operations.extend(found.map(|(name, found)| (flow, name.clone(), found.clone())));
    let about = About { library, draft, flow, binding: &binding, documented: &documented };
    let mut keys = Lines::default();
    keys.within(0, about.capabilities(&adapted));
    about.addresses(&mut keys);
    about.choices(&mut keys);
    about.lifetimes(&mut keys);
    about.identities(&mut keys, &mut drafted.variables);
    about.operations(&adapted, &mut keys);
    about.outcomes(&mut keys);
    Ok(keys)
}

/// The hooks that scenarios of these flows need, and the one that every server can use.
pub(super) fn hooks(library: &Library, flows: &[Flow]) -> Vec<String> {
    let scenarios = library.scenarios.iter().filter(|scenario| flows.contains(&scenario.flow));
    let needed: BTreeSet<&str> = scenarios
        .flat_map(|scenario| &scenario.needs)
        .filter_map(|need| match need {
            Need::Hook(name) => Some(name.as_str()),
            _ => None,
        })
        .chain(["reset"])
        .collect();
    // In the order in which they are listed everywhere.
    let listed = crate::scenario::HOOKS.into_iter();
    listed.filter(|name| needed.contains(name)).map(str::to_owned).collect()
}

struct About<'a> {
    library: &'a Library,
    draft: &'a Draft<'a>,
    flow: Flow,
    binding: &'a FlowBinding,
    documented: &'a Value,
}

impl About<'_> {
    fn scenarios(&self) -> impl Iterator<Item = &Scenario> {
        self.library.scenarios.iter().filter(|scenario| scenario.flow == self.flow)
    }

    /// Always in use: a flow without any key would be no map.
    fn capabilities(&self, adapted: &Adapted) -> Lines {
        let mut needed: BTreeMap<String, usize> = BTreeMap::new();
        for scenario in self.scenarios() {
            for need in &scenario.needs {
                let name = match need {
                    Need::Capability(name) => name.clone(),
                    Need::Identity(role) if !KEY_HOLDERS.contains(&role.as_str()) => {
                        need.to_string()
                    }
                    _ => continue,
                };
                *needed.entry(name).or_default() += scenario.checks.len();
            }
        }
        let mut members = Members::default();
        for (name, count) in &needed {
            let what = match name.strip_prefix("identity.") {
                Some(role) => format!("there can be an account `{role}`"),
                None => words::capability(name).unwrap_or("the scenarios ask for it").to_owned(),
            };
            let noun = if *count == 1 { "check needs" } else { "checks need" };
            let reason = adapted.capabilities.get(name);
            let mut words = Lines::default();
            words.say(&format!(
                "{name}: {what} ({count} {noun} it). {}",
                reason.map_or("", String::as_str)
            ));
            let mut keys = Lines::default();
            keys.entry(name, &Value::Bool(false));
            members.add(words, keys, reason.is_some() || name == "burst");
        }
        let mut lines = Lines::default();
        if needed.contains_key("burst") {
            lines.say("What the server lacks: `false` makes what needs it not applicable. What is not named is there.");
            lines.within(0, members.below("capabilities"));
        } else {
            lines.line("capabilities: {}");
        }
        lines
    }

    fn addresses(&self, keys: &mut Lines) {
        if self.draft.flows.len() > 1 {
            let mut off = Lines::default();
            keys.say("Where this flow has a server of its own.");
            off.entry("base_url", &json!(self.draft.base_url));
            keys.off(off);
        }
        if !self.binding.environments.is_empty() {
            let (mut off, mut urls) = (Lines::default(), Lines::default());
            for name in &self.binding.environments {
                urls.entry(name, &json!(self.draft.base_url));
            }
            keys.say("Where environments have servers of their own; the name of the environment is then not in the path.");
            off.section("environments", urls);
            keys.off(off);
        }
    }

    fn choices(&self, keys: &mut Lines) {
        let contract = self.library.catalogue.contract(self.flow);
        let mut choices = Lines::default();
        for (name, gap) in contract.into_iter().flat_map(|contract| &contract.gaps) {
            choices.say(&gap.question);
            for (answer, meaning) in &gap.answers {
                choices.say(&format!("- {answer}: {meaning}"));
            }
            if let Some(first) = gap.answers.keys().next() {
                choices.entry(name, &json!(first));
            }
        }
        if choices.is_empty() {
            return;
        }
        let mut off = Lines::default();
        keys.say("What the documents leave open. What you decide here the server is held to; what you do not is recorded.");
        off.section("choices", choices);
        keys.off(off);
    }

    fn lifetimes(&self, keys: &mut Lines) {
        let Some(Value::Object(lifetimes)) = self.documented.get("lifetimes") else {
            return;
        };
        let mut entries = Lines::default();
        for (name, lifetime) in lifetimes {
            entries.entry(name, lifetime);
        }
        let mut off = Lines::default();
        keys.say("How long things live, where it is not as documented: 250ms, 120s, 2m, 1h, 30d.");
        off.section("lifetimes", entries);
        keys.off(off);
    }

    fn identities(&self, keys: &mut Lines, variables: &mut Vec<String>) {
        let roles = self.roles();
        if roles.is_empty() {
            return;
        }
        let mut members = Members::default();
        for (role, used) in roles {
            let names = self.fields(&role);
            let mut fields = Lines::default();
            for field in &names {
                let variable = variable(self.flow, &role, field);
                let kind = if words::is_public(field) { "public_env" } else { "env" };
                fields.entry(field, &json!({kind: variable}));
                if used {
                    variables.push(variable);
                }
            }
            if names.is_empty() {
                continue;
            }
            let (mut words, mut keys) = (Lines::default(), Lines::default());
            if let Some(said) = words::role(&role) {
                words.say(said);
            }
            keys.section(&role, fields);
            members.add(words, keys, used);
        }
        keys.say("Accounts, by what scenarios call them. Take the `#` away from those that you have: what needs another one is blocked. A value comes from `env` (a variable with a secret), `public_env` (one without), `file`, or stands here as `public`.");
        keys.within(0, members.below("identities"));
    }

    /// The roles that scenarios need, and whether the draft uses them. Two ordinary accounts are easily made; a
    /// reference server has the others too, but for keys.
    fn roles(&self) -> Vec<(String, bool)> {
        let mut roles: BTreeMap<String, bool> = BTreeMap::new();
        for scenario in self.scenarios() {
            for need in &scenario.needs {
                if let Need::Identity(role) = need {
                    let there = self.draft.control.is_some() || role == "second";
                    roles.insert(role.clone(), there && !KEY_HOLDERS.contains(&role.as_str()));
                }
            }
        }
        if self.binding.operations.values().any(|operation| !operation.identity.is_empty()) {
            roles.insert("first".to_owned(), true);
        }
        let mut roles: Vec<(String, bool)> = roles.into_iter().collect();
        let rank = |role: &str| match role {
            "first" => 0,
            "second" => 1,
            role if KEY_HOLDERS.contains(&role) => 3,
            _ => 2,
        };
        roles.sort_by_key(|(role, _)| rank(role));
        roles
    }

    /// The fields of a role that its scenarios use: by name, and through the operations that they call for it.
    fn fields(&self, role: &str) -> Vec<String> {
        let needs = |scenario: &Scenario| {
            role == "first"
                || scenario
                    .needs
                    .iter()
                    .any(|need| matches!(need, Need::Identity(needed) if needed == role))
        };
        let texts: Vec<&str> = self
            .scenarios()
            .filter(|scenario| needs(scenario))
            .map(|scenario| scenario.source.text.as_str())
            .collect();
        let mut fields: Vec<String> = Vec::new();
        let mut add = |field: String| {
            if !fields.contains(&field) {
                fields.push(field);
            }
        };
        if let Some(key) = words::key(role) {
            add(key.to_owned());
        } else {
            for (name, operation) in &self.binding.operations {
                let call = format!("operation: {name}");
                let login = ["login", "generate"].contains(&name.as_str());
                if !login && !texts.iter().any(|text| has_word(text, &call)) {
                    continue;
                }
                for field in operation.identity.values() {
                    for expanded in self.expanded(field) {
                        add(expanded);
                    }
                }
            }
        }
        let reference = format!("identity.{role}.");
        for text in &texts {
            for (at, _) in text.match_indices(&reference) {
                let rest = &text[at + reference.len()..];
                add(rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect());
            }
        }
        // A name before its secret, whatever the operations are called.
        fields.sort_by_key(|field| !matches!(field.as_str(), "username" | "client_id" | "domain"));
        fields
    }

    fn expanded(&self, field: &str) -> Vec<String> {
        if !field.contains("{environment}") {
            return vec![field.to_owned()];
        }
        let environments = self.binding.environments.iter();
        environments.map(|name| field.replace("{environment}", name)).collect()
    }

    fn operations(&self, adapted: &Adapted, keys: &mut Lines) {
        let Some(Value::Object(operations)) = self.documented.get("operations") else {
            return;
        };
        let mut members = Members::default();
        for (name, operation) in operations {
            let (title, documented) = without_title(operation);
            let mut words = Lines::default();
            if let Some(title) = title {
                words.say(&title);
            }
            let mut entries = Lines::default();
            let changed = adapted.operations.get(name);
            if let Some(changed) = changed {
                for note in &changed.notes {
                    words.say(note);
                }
                for (key, value) in &changed.keys {
                    entries.entry(key, value);
                }
            }
            let mut rest = Lines::default();
            for (key, value) in &documented {
                match changed {
                    Some(changed) if changed.keys.contains_key(key) => {}
                    Some(changed) => {
                        rest.entry(key, changed.open.get(key).unwrap_or(value));
                    }
                    None => {
                        entries.entry(key, value);
                    }
                }
            }
            for (key, value) in changed.iter().flat_map(|changed| &changed.open) {
                if !documented.contains_key(key) {
                    rest.entry(key, value);
                }
            }
            entries.off(rest);
            let mut keys = Lines::default();
            keys.section(name, entries);
            members.add(words, keys, changed.is_some());
        }
        keys.say("What the server offers. Behind `#` it stands as the documents spell it, to be changed.");
        keys.within(0, members.below("operations"));
    }

    fn outcomes(&self, keys: &mut Lines) {
        let mut members = Members::default();
        for name in OUTCOMES {
            let Some(Value::Object(outcome)) =
                self.documented.get("outcomes").and_then(|outcomes| outcomes.get(name))
            else {
                continue;
            };
            let (mut words, mut entries) = (Lines::default(), Lines::default());
            if let Some(title) = outcome.get("title").and_then(Value::as_str) {
                words.say(title);
            }
            for key in ["recognise", "documented"] {
                if let Some(value) = outcome.get(key) {
                    entries.entry(key, value);
                }
            }
            let mut keys = Lines::default();
            keys.section(name, entries);
            members.add(words, keys, false);
        }
        keys.say("How answers are told apart (`recognise`: by as little as will do), and what they are held against. The flow has more of them; these are the ones that everything rests on.");
        keys.within(0, members.below("outcomes"));
    }
}

/// The outcomes that a profile changes before all others.
const OUTCOMES: [&str; 4] = ["issued", "accepted", "denied", "bad_credentials"];

fn without_title(operation: &Value) -> (Option<String>, Map<String, Value>) {
    let mut keys = operation.as_object().cloned().unwrap_or_default();
    let title = keys.shift_remove("title");
    (title.and_then(|title| title.as_str().map(str::to_owned)), keys)
}

/// The environment variable of a field: `GATECRASH_JWT_LOGIN_FIRST_PASSWORD`.
fn variable(flow: Flow, role: &str, field: &str) -> String {
    let name = format!("GATECRASH_{}_{role}_{field}", flow.name());
    name.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
        .collect()
}

/// Whether a text has these words with no letter of another name behind them.
fn has_word(text: &str, words: &str) -> bool {
    text.match_indices(words).any(|(at, _)| {
        let next = text[at + words.len()..].chars().next();
        !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}
