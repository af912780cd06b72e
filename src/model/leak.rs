//! The last look at an artefact before it is written: does a secret of the run stand in it?
//!
//! Redaction is done where findings are made. This is the check on it, over the finished text, so that a mistake there
//! costs a report and not a secret.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::secret::{LONG, SecretBook, forms};

/// Every secret of a run, ready to be looked for in long texts.
///
/// A run issues thousands of tokens and a report has megabytes: each place of a text is looked up in a table of the
/// secrets' last bytes, and only what is found there is compared in full.
#[derive(Clone, Debug, Default)]
pub struct KnownSecrets {
    /// The value, and the name that stands for it.
    names: BTreeMap<String, String>,
    /// By its last bytes: each form in which a secret turns up, with its value.
    ends: HashMap<u64, Vec<(Vec<u8>, String)>>,
    /// A bit for the hash of each of these ends: almost every place of a text is passed over by one look at it.
    seen: Vec<u64>,
}

/// The place of an end among the bits.
const fn bit(end: u64) -> (usize, u64) {
    // Fibonacci hashing: the upper bits of the product are well mixed.
    let hash = end.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 44;
    ((hash >> 6) as usize, 1 << (hash & 63))
}

const WORDS: usize = 1 << 14;

impl KnownSecrets {
    /// Notes a secret with its name. Shorter values than eight bytes are words that occur anywhere.
    pub fn note(&mut self, value: &str, name: &str) {
        if value.len() < LONG || self.names.contains_key(value) {
            return;
        }
        self.names.insert(value.to_owned(), name.to_owned());
        for form in forms(value) {
            if let Some(end) = form.as_bytes().last_chunk::<LONG>() {
                let end = u64::from_le_bytes(*end);
                let (word, mask) = bit(end);
                self.seen.resize(WORDS, 0);
                self.seen[word] |= mask;
                self.ends.entry(end).or_default().push((form.into_bytes(), value.to_owned()));
            }
        }
    }

    /// Takes over what others know.
    pub fn absorb(&mut self, other: &Self) {
        for (value, name) in &other.names {
            self.note(value, name);
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
    pub fn found_in(&self, text: &[u8]) -> Option<&str> {
        self.standing_in(text, true).first().map(|(_, name)| *name)
    }

    /// The secrets that stand in the text, for redacting them.
    pub fn book_of(&self, text: &[u8]) -> SecretBook {
        let mut book = SecretBook::default();
        for (value, name) in self.standing_in(text, false) {
            book.note(value, name);
        }
        book
    }

    /// The secrets that stand in the text, each with its name; only the first one where that is enough.
    fn standing_in(&self, text: &[u8], one_will_do: bool) -> BTreeSet<(&str, &str)> {
        let mut found = BTreeSet::new();
        if self.seen.is_empty() {
            return found;
        }
        let mut end = 0;
        for (at, byte) in text.iter().enumerate() {
            end = (end >> 8) | (u64::from(*byte) << 56);
            let (word, mask) = bit(end);
            if self.seen[word] & mask == 0 || at + 1 < LONG {
                continue;
            }
            for (form, value) in self.ends.get(&end).into_iter().flatten() {
                if text[..=at].ends_with(form) {
                    found.insert((value.as_str(), self.names[value].as_str()));
                    if one_will_do {
                        return found;
                    }
                }
            }
        }
        found
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
    fn all_secrets_that_stand_in_a_text_can_be_redacted() {
        let mut known = KnownSecrets::default();
        known.note("first-secret", "one");
        known.note("second-secret", "two");
        known.note("third-secret", "three");
        let text = "first-secret, second-secret, second-secret";
        assert_eq!(known.book_of(text.as_bytes()).redact(text), "${one}, ${two}, ${two}");
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
