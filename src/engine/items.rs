//! Steps that are repeated: for each item of a list, for each attack vector.

use std::sync::Arc;

use serde_json::Value;

use super::capture::plain;
use super::run::{Runner, Stopped};
use crate::forge::forge;
use crate::scenario::{Forge, JsonTemplate, Step};

impl Runner<'_> {
    pub(super) async fn items(&mut self, step: &Step) -> Stopped {
        if let Some(forge) = &step.forge {
            return self.forged(step, forge).await;
        }
        if step.each.is_empty() {
            return self.once(step).await;
        }
        let outer_item = self.item.clone();
        for (index, item) in step.each.iter().enumerate() {
            self.bind_item(item, step)?;
            self.item = format!("{outer_item} item {}{}", index + 1, item_name(item));
            let result = self.once(step).await;
            self.forget_item();
            result?;
        }
        self.item = outer_item;
        Ok(())
    }

    /// The step once for each vector, with its token made from the genuine one.
    async fn forged(&mut self, step: &Step, vectors: &Forge) -> Stopped {
        let outer_item = self.item.clone();
        let stop = |runner: &Self, why: &str| runner.stopped(step, why);
        let genuine = vectors.from.text(&self.scope());
        let genuine = genuine.map_err(|error| stop(self, &error.to_string()))?;
        for vector in &vectors.vectors {
            let token = forge(&genuine, vector, &self.scope());
            let token = token
                .map_err(|error| stop(self, &format!("{} cannot be made: {error}", vector.id)))?;
            self.bind("each.id", vector.id.clone());
            self.bind("each.token", token);
            self.item = format!("{outer_item} vector {}", vector.id);
            let result = self.once(step).await;
            self.forget_item();
            result?;
        }
        self.item = outer_item;
        Ok(())
    }

    fn forget_item(&mut self) {
        Arc::make_mut(&mut self.bindings)
            .retain(|name, _| name != "each" && !name.starts_with("each."));
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

fn item_name(item: &Value) -> String {
    let name = item.get("id").and_then(Value::as_str).or_else(|| item.as_str());
    name.filter(|name| name.len() <= 40).map(|name| format!(" ({name})")).unwrap_or_default()
}
