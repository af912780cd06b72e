//! Bytes as a template: what is part of a token or of a password stands as the name of that value, so that the same bytes
//! can be made again when the value is another one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A piece of a value shorter than this is no piece of it.
const LEAST: usize = 8;

/// Bytes as a template over these names: the values themselves are not in it.
pub(crate) fn symbolic(bytes: &[u8], names: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut at = 0;
    while at < bytes.len() {
        match longest(&bytes[at..], names) {
            Some((piece, length)) => {
                text.push_str(&piece);
                at += length;
            }
            None => {
                push(&mut text, bytes[at]);
                at += 1;
            }
        }
    }
    text
}

/// The longest piece of a value that the bytes begin with.
fn longest(bytes: &[u8], names: &BTreeMap<String, String>) -> Option<(String, usize)> {
    let mut best: Option<(String, usize)> = None;
    for (name, value) in names {
        let value = value.as_bytes();
        for start in 0..value.len() {
            let same =
                value[start..].iter().zip(bytes).take_while(|(one, other)| one == other).count();
            // A word of a pass phrase may be the name of a parameter as well.
            let phrase = name.starts_with("identity.");
            let least = if phrase { LEAST.max(value.len().div_ceil(2)) } else { LEAST };
            if same < least || best.as_ref().is_some_and(|(_, length)| *length >= same) {
                continue;
            }
            // Writing to a string cannot fail.
            let mut piece = name.clone();
            if start > 0 {
                let _ = write!(piece, "|skip({start})");
            }
            if start + same < value.len() {
                let _ = write!(piece, "|first({same})");
            }
            best = Some((format!("${{{piece}}}"), same));
        }
    }
    best
}

fn push(text: &mut String, byte: u8) {
    match byte {
        b'\r' | b'\n' | b'\t' | 0x20..=0x23 | 0x25..=0x7e => text.push(char::from(byte)),
        // What is no text, and the sign that begins a name.
        other => {
            let merged = text.ends_with(")}")
                && text.rfind("${hex(").is_some_and(|at| {
                    text[at + 6..text.len() - 2].bytes().all(|byte| byte.is_ascii_hexdigit())
                });
            if merged {
                text.truncate(text.len() - 2);
            } else {
                text.push_str("${hex(");
            }
            let _ = write!(text, "{other:02x})}}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::symbolic;
    use crate::source::{Scope, Template};

    #[test]
    fn bytes_come_back_from_their_template_and_a_secret_is_not_in_it() {
        let token = "0123456789abcdefghij";
        let names = BTreeMap::from([("token".to_owned(), token.to_owned())]);
        for bytes in [
            b"GET / HTTP/1.1\r\nAuthorization: Bearer 0123456789abcdefghij\r\n\r\n".to_vec(),
            b"Bearer 0123456789Xbcdefghij".to_vec(),
            b"Bearer 0123456789\x00\xffabcdefghij${x}".to_vec(),
            b"".to_vec(),
        ] {
            let text = symbolic(&bytes, &names);
            assert!(!text.contains("01234567"), "{text}");
            let scope = Scope { bindings: &names, random: None };
            assert_eq!(Template::parse(&text).unwrap().bytes(&scope).unwrap(), bytes, "{text}");
        }
    }
}
