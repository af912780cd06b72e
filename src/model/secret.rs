//! Values that must not be printed, and the book that knows their symbolic names.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A secret. Its `Debug` form hides it; only the wires take it out.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Secret(String);

impl Secret {
    /// Wraps a value.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Every secret of a run with the name that stands for it in reports: `${token}`.
///
/// Redaction is by value, wherever the value turns up: bodies, headers, addresses, commands.
#[derive(Clone, Debug, Default)]
pub struct SecretBook {
    entries: Vec<(Secret, String)>,
}

impl SecretBook {
    /// Shorter values are words, not secrets: they would blank out half of a report.
    const SHORTEST: usize = 6;

    /// Notes a secret and the name that replaces it.
    pub fn note(&mut self, value: &str, name: &str) {
        if value.len() < Self::SHORTEST || self.entries.iter().any(|(known, _)| known.0 == value) {
            return;
        }
        self.entries.push((Secret::new(value), format!("${{{name}}}")));
        // Longest first, so that a secret inside another one does not leave the rest of it behind.
        self.entries.sort_by_key(|(secret, _)| std::cmp::Reverse(secret.0.len()));
    }

    /// Every secret with the name that replaces it.
    pub fn into_entries(self) -> impl Iterator<Item = (String, String)> {
        self.entries.into_iter().map(|(secret, name)| {
            let bare = name.trim_start_matches("${").trim_end_matches('}').to_owned();
            (secret.0, bare)
        })
    }

    /// Those secrets that are too short to be looked for in long texts.
    pub fn short(&self) -> Self {
        let is_short = |(secret, _): &&(Secret, String)| secret.0.len() < LONG;
        Self { entries: self.entries.iter().filter(is_short).cloned().collect() }
    }

    /// Whether it has no secret.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The text with every known secret replaced by its name: as it stands, percent-encoded,
    /// escaped as in a quoted text, in base64, and where a cut left its beginning.
    pub fn redact(&self, text: &str) -> String {
        let mut out = text.to_owned();
        for (secret, name) in &self.entries {
            for form in forms(&secret.0) {
                if out.contains(&form) {
                    out = out.replace(&form, name);
                }
            }
        }
        if out.contains(CUT) { self.redact_beginnings(&out) } else { out }
    }

    /// The bytes with every known secret replaced by its name, also where they are not all text; `cut` when more
    /// followed, so that they may end in the beginning of a secret.
    pub fn redact_bytes(&self, bytes: &[u8], cut: bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(bytes.len());
        let last = bytes.utf8_chunks().count();
        for (at, chunk) in bytes.utf8_chunks().enumerate() {
            if cut && at + 1 == last && chunk.invalid().len() < 4 {
                let text = self.redact(&format!("{}{CUT}", chunk.valid()));
                out.extend(text.strip_suffix(CUT).unwrap_or(&text).as_bytes());
            } else {
                out.extend(self.redact(chunk.valid()).as_bytes());
            }
            out.extend(chunk.invalid());
        }
        out
    }

    /// A text that was cut may end in the beginning of a secret.
    fn redact_beginnings(&self, text: &str) -> String {
        let mut parts: Vec<String> = text.split(CUT).map(str::to_owned).collect();
        let last = parts.len() - 1;
        for part in &mut parts[..last] {
            for (secret, name) in &self.entries {
                let most = secret.0.len().min(part.len());
                let is_end = |length: &usize| {
                    secret.0.is_char_boundary(*length) && part.ends_with(&secret.0[..*length])
                };
                if let Some(length) = (Self::SHORTEST..=most).rev().find(is_end) {
                    part.truncate(part.len() - length);
                    part.push_str(name);
                }
            }
        }
        parts.join(CUT)
    }

    /// The name of the first known secret that occurs in the text.
    pub fn find(&self, text: &str) -> Option<&str> {
        self.entries.iter().find(|(secret, _)| text.contains(&secret.0)).map(|(_, name)| &**name)
    }
}

/// From this length on, a secret is looked for in whole artefacts.
pub(super) const LONG: usize = 8;

/// What stands where a text was cut.
pub const CUT: &str = "... (";

/// The ways in which a secret turns up in texts.
pub(super) fn forms(secret: &str) -> Vec<String> {
    let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let mut forms = vec![
        secret.to_owned(),
        encoded,
        secret.escape_debug().to_string(),
        serde_json::Value::from(secret).to_string().trim_matches('"').to_owned(),
        STANDARD.encode(secret),
        STANDARD.encode(format!("{secret}:")),
    ];
    // A secret with its first or last letter changed, as negative tests send it, is as good as told.
    let last = secret.char_indices().last().map_or(0, |(at, _)| at);
    let second = secret.char_indices().nth(1).map_or(0, |(at, _)| at);
    if secret.len() >= NEARLY {
        forms.extend([secret[..last].to_owned(), secret[second..].to_owned()]);
    }
    forms.dedup();
    forms
}

/// From this length on, a secret without one letter still tells it.
const NEARLY: usize = 12;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_replaced_wherever_its_value_turns_up() {
        let mut book = SecretBook::default();
        book.note("s3cret+value", "password");
        book.note("s3cret+value-and-more", "token");
        assert_eq!(
            book.redact("a=s3cret%2Bvalue&t=s3cret+value-and-more"),
            "a=${password}&t=${token}"
        );
        assert_eq!(book.find("nothing here"), None);
        assert_eq!(book.find("has s3cret+value in it"), Some("${password}"));
    }

    #[test]
    fn a_secret_is_found_escaped_encoded_and_cut() {
        let mut book = SecretBook::default();
        book.note("pass\"word\\1", "p");
        book.note("0123456789abcdef", "token");
        assert_eq!(book.redact("{\"a\":\"pass\\\"word\\\\1\"}"), "{\"a\":\"${p}\"}");
        assert_eq!(book.redact("Basic MDEyMzQ1Njc4OWFiY2RlZg=="), "Basic ${token}");
        assert_eq!(book.redact("x 01234567... (99 bytes)"), "x ${token}... (99 bytes)");
        assert_eq!(book.redact("x 01234... (99 bytes)"), "x 01234... (99 bytes)");
        assert_eq!(book.redact("0123456789abcdeX"), "${token}X");
    }

    #[test]
    fn a_secret_does_not_show_in_debug_output() {
        assert_eq!(format!("{:?}", Secret::new("hunter22")), "[redacted]");
    }
}
