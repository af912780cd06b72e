//! Vectors as typed to vectors as meant.

use std::sync::Arc;

use indexmap::IndexMap;

use super::Context;
use crate::scenario::raw::RawForge;
use crate::scenario::vector::{Algorithm, Edit, Expected, Forge, RawEdit, RawVector, Sign, Vector};
use crate::source::{Diagnostics, Template, YamlPath};

/// What a vector may name besides what the scenario has captured.
const OWN_NAMES: [&str; 8] = [
    "header",
    "payload",
    "signature",
    "genuine.header",
    "genuine.payload",
    "genuine.signature",
    "own.rsa_jwk",
    "own.ec_jwk",
];

const WHOLE: &str = "${header}.${payload}.${signature}";

impl Context<'_> {
    /// The vectors that a step asks for by their flags.
    pub(super) fn forge(&mut self, raw: &RawForge, path: &YamlPath) -> Forge {
        let from = self.template(&raw.from, &path.key("from"));
        let vocabulary = self.vocabulary;
        let Some(table) = &vocabulary.vectors else {
            self.out.value("scenario::forge", path, "the flow has no file vectors.yaml");
            return Forge { from, vectors: Vec::new() };
        };
        for (index, flag) in raw.flags.iter().enumerate() {
            if !table.vectors.values().any(|vector| vector.flags.0.contains(flag)) {
                let path = path.key("flags").index(index);
                self.out.value(
                    "scenario::forge",
                    &path,
                    format!("no vector has the flag `{flag}`"),
                );
                let known = table.vectors.values().flat_map(|vector| &vector.flags.0);
                self.out.did_you_mean(flag, known.map(String::as_str));
            }
        }
        let wanted = |vector: &RawVector| raw.flags.iter().any(|f| vector.flags.0.contains(f));
        let chosen: Vec<(&String, &RawVector)> =
            table.vectors.iter().filter(|(_, vector)| wanted(vector)).collect();
        let mixed = chosen.windows(2).any(|pair| pair[0].1.expected != pair[1].1.expected);
        if raw.flags.is_empty() || mixed {
            let message = "a step forges vectors of at least one flag that all expect the same";
            self.out.value("scenario::forge", path, message);
        }
        let file = Arc::clone(&table.file);
        let own = std::mem::replace(&mut self.out, Diagnostics::new(&file));
        let names = self.names.clone();
        OWN_NAMES.iter().for_each(|name| self.names.add(name));
        let vectors = chosen.iter().map(|(id, vector)| self.vector(id, vector)).collect();
        self.names = names;
        let of_table = std::mem::replace(&mut self.out, own);
        self.elsewhere.extend(of_table.into_list());
        Forge { from, vectors }
    }

    fn vector(&mut self, id: &str, raw: &RawVector) -> Vector {
        let path = YamlPath::default().key("vectors").key(id);
        let sign = match (raw.sign.with, &raw.sign.key) {
            (None, None) => Sign::Genuine,
            (Some(algorithm), key) => {
                let sign = path.key("sign");
                let wants_key =
                    matches!(algorithm, Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512);
                if wants_key != key.is_some() {
                    let message = "an HMAC has a `key`, and nothing else has one";
                    self.out.value("vector::sign", &sign, message);
                }
                let key = key.as_deref().unwrap_or_default();
                Sign::New(algorithm, self.template(key, &sign.key("key")))
            }
            (None, Some(_)) => {
                self.out.value("vector::sign", &path.key("sign"), "a key without an algorithm");
                Sign::Genuine
            }
        };
        let vector = Vector {
            id: id.to_owned(),
            header: self.edit(&raw.header, &path.key("header")),
            payload: self.edit(&raw.payload, &path.key("payload")),
            sign,
            token: self.template(raw.token.as_deref().unwrap_or(WHOLE), &path.key("token")),
        };
        let unchanged = matches!(vector.sign, Sign::Genuine)
            && raw.token.is_none()
            && vector.header.is_nothing()
            && vector.payload.is_nothing();
        if unchanged && raw.expected != Expected::Accepted {
            self.out.value("vector::same", &path, "this is the genuine token, unchanged");
        }
        vector
    }

    fn edit(&mut self, raw: &RawEdit, path: &YamlPath) -> Edit {
        Edit {
            text: self.optional(raw.text.as_deref(), &path.key("text")),
            first: self.members(&raw.first, &path.key("first")),
            set: self.members(&raw.set, &path.key("set")),
            last: self.members(&raw.last, &path.key("last")),
            remove: raw.remove.clone(),
            add: raw.add.iter().map(|(name, number)| (name.clone(), *number)).collect(),
        }
    }

    fn members(
        &mut self,
        raw: &IndexMap<String, String>,
        path: &YamlPath,
    ) -> Vec<(String, Template)> {
        raw.iter()
            .map(|(name, text)| (name.clone(), self.template(text, &path.key(name))))
            .collect()
    }
}
