//! Steps that are repeated: for each item of a list, for each attack vector.

use std::sync::Arc;

use serde_json::Value;

use super::capture::plain;
use super::run::{Runner, Stopped};
use crate::forge::forge;
use crate::scenario::{Forge, JsonTemplate, Sign, Step, Vector};

impl Runner<'_> {
    pub(super) async fn items(&mut self, step: &Step) -> Stopped {
        if let Some(forge) = &step.forge {
            return self.forged(step, forge).await;
        }
        if step.each.is_empty() {
            return self.once(step).await;
        }
        for (index, item) in step.each.iter().enumerate() {
            let label = format!("item {}{}", index + 1, shown_name(item));
            let bound = self.bind_item(item, step);
            self.item(step, &label, item_name(item, index), bound).await?;
        }
        Ok(())
    }

    /// The step once for each vector, with its token made from the genuine one.
    async fn forged(&mut self, step: &Step, vectors: &Forge) -> Stopped {
        let stop = |runner: &Self, why: &str| runner.stopped(step, why);
        let genuine = vectors.from.text(&self.scope());
        let genuine = genuine.map_err(|error| stop(self, &error.to_string()))?;
        for vector in &vectors.vectors {
            let token = forge(&genuine, vector, &self.scope());
            let token = token
                .map_err(|error| stop(self, &format!("{} cannot be made: {error}", vector.id)))?;
            if self.signs_for_the_server(vector) {
                self.note_secret("each.token", &token, &step.label);
            }
            self.bind("each.id", vector.id.clone());
            self.bind("each.token", token);
            let label = format!("vector {}", vector.id);
            self.item(step, &label, vector.id.clone(), Ok(())).await?;
        }
        Ok(())
    }

    /// Whether a vector is signed with a key of the server: what is made of it may well be a token that works.
    fn signs_for_the_server(&self, vector: &Vector) -> bool {
        let Sign::New(_, key) = &vector.sign else {
            return false;
        };
        key.names().any(|name| self.trace.secrets.iter().any(|known| known.name == name))
    }

    /// The step for one item; what the server lacks may be in this item only.
    async fn item(&mut self, step: &Step, label: &str, name: String, bound: Stopped) -> Stopped {
        let outer = (self.item.clone(), self.item_name.clone());
        self.item = format!("{} {label}", outer.0);
        self.item_name =
            Some(outer.1.as_ref().map_or(name.clone(), |outer| format!("{outer} / {name}")));
        let result = match bound {
            Ok(()) => self.once(step).await,
            unbound => unbound,
        };
        Arc::make_mut(&mut self.bindings)
            .retain(|name, _| name != "each" && !name.starts_with("each."));
        (self.item, self.item_name) = outer;
        self.pass_over(step, result)
    }

    fn bind_item(&mut self, item: &Value, step: &Step) -> Stopped {
        let template = JsonTemplate::parse(item).unwrap_or(JsonTemplate::Plain(Value::Null));
        let filled =
            template.fill(&self.scope()).map_err(|error| self.stopped(step, &error.to_string()))?;
        if let Value::Object(members) = &filled {
            for (key, value) in members {
                self.bind(&format!("each.{key}"), plain(value).unwrap_or_default());
            }
        }
        self.bind("each", plain(&filled).unwrap_or_default());
        Ok(())
    }
}

/// What an item calls itself, or what it is.
fn own_name(item: &Value) -> Option<&str> {
    item.get("id").and_then(Value::as_str).or_else(|| item.as_str())
}

/// The name that a baseline calls an item by: as it is written in the scenario, or its number.
fn item_name(item: &Value, index: usize) -> String {
    own_name(item).map_or_else(|| (index + 1).to_string(), str::to_owned)
}

fn shown_name(item: &Value) -> String {
    let name = own_name(item).filter(|name| name.len() <= 40);
    name.map(|name| format!(" ({name})")).unwrap_or_default()
}
