//! The last look at an artefact before it is written: does a secret of the run stand in it?
//!
//! Redaction is done where findings are made. This is the check on it, over the finished text, so that a mistake there
//! costs a report and not a secret.

use std::collections::{BTreeMap, HashMap};

use super::secret::forms;

/// Every secret of a run, ready to be looked for in long texts.
#[derive(Clone, Debug, Default)]
pub struct KnownSecrets {
    /// The value, and the name that stands for it.
    names: BTreeMap<String, String>,
}

impl KnownSecrets {
    /// Shorter values are words that occur anywhere.
    const SHORTEST: usize = 8;

    /// Notes a secret with its name.
    pub fn note(&mut self, value: &str, name: &str) {
        if value.len() >= Self::SHORTEST && !self.names.contains_key(value) {
            self.names.insert(value.to_owned(), name.to_owned());
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// The name of a secret that stands in the text: as it is, percent-encoded, escaped, or in base64.
    ///
    /// A run issues thousands of tokens and a report has megabytes: each place of the text is looked up in a table of
    /// the secrets' last bytes, and only what is found there is compared in full.
    pub fn found_in(&self, text: &[u8]) -> Option<&str> {
        let mut ends: HashMap<&[u8], Vec<(&[u8], &str)>> = HashMap::new();
        let forms: Vec<(Vec<u8>, &str)> = self
            .names
            .iter()
            .flat_map(|(value, name)| {
                forms(value).into_iter().map(move |form| (form.into_bytes(), name.as_str()))
            })
            .filter(|(form, _)| form.len() >= Self::SHORTEST)
            .collect();
        for (form, name) in &forms {
            let end = &form[form.len() - Self::SHORTEST..];
            ends.entry(end).or_default().push((form, name));
        }
        let windows = text.windows(Self::SHORTEST).enumerate();
        windows.filter_map(|(at, window)| Some((at, ends.get(window)?))).find_map(|(at, known)| {
            let until = at + Self::SHORTEST;
            known.iter().find(|(form, _)| text[..until].ends_with(form)).map(|(_, name)| *name)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form_and_a_part_of_it_is_not() {
        let mut known = KnownSecrets::default();
        known.note("s3cret+value", "password");
        known.note("short", "word");
        assert_eq!(known.len(), 1);
        for (text, found) in [
            ("", None),
            ("nothing", None),
            ("value and +value", None),
            ("short", None),
            ("a s3cret+value b", Some("password")),
            ("s3cret+value", Some("password")),
            ("a=s3cret%2Bvalue", Some("password")),
            ("Basic czNjcmV0K3ZhbHVl", Some("password")),
        ] {
            assert_eq!(known.found_in(text.as_bytes()), found, "{text}");
        }
    }

    #[test]
    fn thousands_of_secrets_in_a_long_text_are_told_apart() {
        let mut known = KnownSecrets::default();
        for number in 0..5000 {
            known.note(&format!("token-{number:012}-of-the-run"), &format!("token {number}"));
        }
        let mut text = "x".repeat(1 << 20);
        assert_eq!(known.found_in(text.as_bytes()), None);
        text.push_str("token-000000004999-of-the-run");
        assert_eq!(known.found_in(text.as_bytes()), Some("token 4999"));
    }
}
