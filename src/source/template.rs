//! Text with `${names}` in it, filled from what a scenario has captured.
//!
//! A template is parsed once; what it names is known before anything runs, so that an undefined
//! name is a mistake in a file and not a surprise at run time.

use std::cell::RefCell;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use super::random::Random;

/// A parsed template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    parts: Vec<Part>,
}

/// What a template is filled from.
#[derive(Debug)]
pub struct Scope<'a> {
    /// The values by name.
    pub bindings: &'a BTreeMap<String, String>,
    /// The source of random texts; without one they cannot be made.
    pub random: Option<&'a RefCell<Random>>,
}

/// Why a template could not be filled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RenderError {
    /// A name has no value.
    #[error("`${{{0}}}` has no value here")]
    Unbound(String),
    /// A random text was asked for where none can be made.
    #[error("`${{{0}}}` makes a new text each time; capture it first")]
    NoRandom(String),
    /// The result is not text.
    #[error("the template makes bytes that are not UTF-8 where text is needed")]
    NotText,
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Part {
    Text(String),
    Value(Head, Vec<Function>),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Head {
    Name(String),
    Made(Function),
}

#[derive(Clone, Debug, Eq, PartialEq)]
struct Function {
    name: String,
    arguments: Vec<String>,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A sentence about the first thing that is no template syntax, or an unknown function.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("${") {
            if rest[..at].ends_with('$') {
                plain.push_str(&rest[..at]);
                plain.push('{');
                rest = &rest[at + 2..];
                continue;
            }
            plain.push_str(&rest[..at]);
            let inner = &rest[at + 2..];
            let end =
                inner.find('}').ok_or_else(|| format!("`{}` has no closing brace", &rest[at..]))?;
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(expression(&inner[..end])?);
            rest = &inner[end + 1..];
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self { parts })
    }

    /// A template that is plain text.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { parts: vec![Part::Text(text.into())] }
    }

    /// The names that it needs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Value(Head::Name(name), _) => Some(name.as_str()),
            Part::Value(Head::Made(_), _) | Part::Text(_) => None,
        })
    }

    /// Whether it is a single value that is meant as a number: `${lifetime.access_token|number}`.
    pub fn is_number(&self) -> bool {
        matches!(self.parts.as_slice(), [Part::Value(_, functions)]
            if functions.last().is_some_and(|function| function.name == "number"))
    }

    /// The text without anything filled in, when there is nothing to fill in.
    pub fn as_plain(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Fills the template, to bytes.
    ///
    /// # Errors
    /// A name without a value, or a random text without a source.
    pub fn bytes(&self, scope: &Scope<'_>) -> Result<Vec<u8>, RenderError> {
        let mut out = Vec::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.extend_from_slice(text.as_bytes()),
                Part::Value(head, functions) => {
                    let mut value = head.value(scope)?;
                    for function in functions {
                        value = function.apply(value);
                    }
                    out.extend_from_slice(&value);
                }
            }
        }
        Ok(out)
    }

    /// Fills the template, to text that another template can carry on: bytes that are not UTF-8 are kept as
    /// the last 256 code points of Unicode, and become themselves again in `bytes`.
    ///
    /// # Errors
    /// As `bytes`.
    pub fn carried(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        Ok(carry(&self.bytes(scope)?))
    }

    /// Fills the template, to text.
    ///
    /// # Errors
    /// As `bytes`, and when the result is not UTF-8.
    pub fn text(&self, scope: &Scope<'_>) -> Result<String, RenderError> {
        String::from_utf8(self.bytes(scope)?).map_err(|_| RenderError::NotText)
    }
}

const CARRIED: u32 = 0x10_ff00;

fn carry(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        let carried =
            chunk.invalid().iter().filter_map(|byte| char::from_u32(CARRIED + u32::from(*byte)));
        text.extend(carried);
    }
    text
}

/// The bytes that a carried text stands for.
pub fn bytes_of(text: &str) -> Vec<u8> {
    if !text.chars().any(|c| u32::from(c) >= CARRIED) {
        return text.as_bytes().to_vec();
    }
    let mut bytes = Vec::new();
    for c in text.chars() {
        match u32::from(c).checked_sub(CARRIED).and_then(|byte| u8::try_from(byte).ok()) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

impl Head {
    fn value(&self, scope: &Scope<'_>) -> Result<Vec<u8>, RenderError> {
        match self {
            Self::Name(name) => match scope.bindings.get(name) {
                Some(value) => Ok(bytes_of(value)),
                None => Err(RenderError::Unbound(name.clone())),
            },
            Self::Made(function) => function.make(scope),
        }
    }
}

/// Functions that change a value, each with the number of its arguments.
const CHANGES: [(&str, usize); 16] = [
    ("base64", 0),
    ("base64url", 0),
    ("drop_last", 0),
    ("first", 1),
    ("flip_first", 0),
    ("flip_last", 0),
    ("last", 1),
    ("lower", 0),
    ("number", 0),
    ("percent", 0),
    ("reverse", 0),
    ("skip", 1),
    ("strip_prefix", 1),
    ("strip_suffix", 1),
    ("trim", 0),
    ("upper", 0),
];

/// Functions that make a value, each with the number of its arguments.
const MAKERS: [(&str, usize); 4] =
    [("hex", 1), ("random_hex", 1), ("random_letters", 1), ("repeat", 2)];

impl Function {
    fn number(&self) -> usize {
        self.arguments.last().and_then(|n| n.parse().ok()).unwrap_or_default()
    }

    fn make(&self, scope: &Scope<'_>) -> Result<Vec<u8>, RenderError> {
        let alphabet: &[u8] = match self.name.as_str() {
            "hex" => return Ok(hex(&self.arguments[0]).unwrap_or_default()),
            "repeat" => return Ok(self.arguments[0].repeat(self.number()).into_bytes()),
            "random_hex" => b"0123456789abcdef",
            _ => b"abcdefghijklmnopqrstuvwxyz",
        };
        let random = scope.random.ok_or_else(|| RenderError::NoRandom(self.name.clone()))?;
        Ok(random.borrow_mut().text(alphabet, self.number()).into_bytes())
    }

    fn apply(&self, value: Vec<u8>) -> Vec<u8> {
        let number = self.number().min(value.len());
        match self.name.as_str() {
            "base64" => STANDARD.encode(value).into_bytes(),
            "base64url" => URL_SAFE_NO_PAD.encode(value).into_bytes(),
            "drop_last" => value[..value.len().saturating_sub(1)].to_vec(),
            "first" => value[..number].to_vec(),
            "flip_first" => flip(value, 0),
            "flip_last" => {
                let last = value.len().saturating_sub(1);
                flip(value, last)
            }
            "last" => value[value.len() - number..].to_vec(),
            "lower" => value.to_ascii_lowercase(),
            // Where the whole text is this value, JSON has it as a number; the digits stay.
            "number" => value,
            "percent" => {
                value.iter().flat_map(|byte| format!("%{byte:02X}").into_bytes()).collect()
            }
            "reverse" => value.into_iter().rev().collect(),
            "skip" => value[number..].to_vec(),
            "strip_prefix" => strip(&value, |v| v.strip_prefix(self.arguments[0].as_bytes())),
            "strip_suffix" => strip(&value, |v| v.strip_suffix(self.arguments[0].as_bytes())),
            "trim" => value.trim_ascii().to_vec(),
            _ => value.to_ascii_uppercase(),
        }
    }
}

fn strip(value: &[u8], by: impl Fn(&[u8]) -> Option<&[u8]>) -> Vec<u8> {
    by(value).unwrap_or(value).to_vec()
}

/// Replaces one letter or digit by another of its kind, so that the text stays well-formed.
fn flip(mut value: Vec<u8>, at: usize) -> Vec<u8> {
    if let Some(byte) = value.get_mut(at) {
        *byte = match *byte {
            b'0' => b'1',
            b'1'..=b'9' => b'0',
            b'a' => b'b',
            b'b'..=b'z' => b'a',
            b'A' => b'B',
            b'B'..=b'Z' => b'A',
            other => other ^ 1,
        };
    }
    value
}

fn hex(digits: &str) -> Option<Vec<u8>> {
    let even = digits.len().is_multiple_of(2) && digits.is_ascii();
    even.then(|| {
        (0..digits.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
            .collect()
    })
    .flatten()
}

fn expression(text: &str) -> Result<Part, String> {
    let mut pieces = text.split('|').map(str::trim);
    let first = pieces.next().unwrap_or_default();
    let head = if first.contains('(') {
        Head::Made(function(first, &MAKERS, text)?)
    } else if !first.is_empty()
        && first.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b))
    {
        Head::Name(first.to_owned())
    } else {
        return Err(format!(
            "`${{{text}}}` names nothing; write `${{name}}` or `${{name|function}}`"
        ));
    };
    let functions = pieces.map(|piece| function(piece, &CHANGES, text));
    Ok(Part::Value(head, functions.collect::<Result<_, _>>()?))
}

fn function(piece: &str, known: &[(&str, usize)], whole: &str) -> Result<Function, String> {
    let (name, inner) = match piece.split_once('(') {
        Some((name, rest)) => (
            name,
            rest.strip_suffix(')').ok_or_else(|| format!("`{piece}` has no closing bracket"))?,
        ),
        None => (piece, ""),
    };
    let arguments: Vec<String> = if inner.is_empty() {
        Vec::new()
    } else {
        inner.split(',').map(|a| a.trim().to_owned()).collect()
    };
    let Some((_, count)) = known.iter().find(|(candidate, _)| *candidate == name) else {
        let names = known.iter().map(|(name, _)| *name);
        let hint = match super::closest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("known here: {}", names.collect::<Vec<_>>().join(", ")),
        };
        return Err(format!("`{name}` in `${{{whole}}}` is not a function; {hint}"));
    };
    let function = Function { name: name.to_owned(), arguments };
    if function.arguments.len() != *count {
        return Err(format!(
            "`{name}` takes {count} arguments, and `{piece}` has {}",
            function.arguments.len()
        ));
    }
    let numeric = !matches!(name, "hex" | "strip_prefix" | "strip_suffix") && *count > 0;
    if numeric
        && function
            .arguments
            .last()
            .is_some_and(|n| n.parse::<usize>().map_or(true, |n| n > 4 << 20))
    {
        return Err(format!("`{piece}` needs a number up to 4194304"));
    }
    if name == "hex" && hex(&function.arguments[0]).is_none() {
        return Err(format!("`{piece}` needs pairs of hexadecimal digits"));
    }
    Ok(function)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fill(text: &str) -> String {
        let bindings = BTreeMap::from([("token".to_owned(), "live_abc9".to_owned())]);
        let random = RefCell::new(Random::new(1));
        let scope = Scope { bindings: &bindings, random: Some(&random) };
        Template::parse(text).unwrap().text(&scope).unwrap()
    }

    #[test]
    fn names_and_functions_are_filled_in() {
        for (template, filled) in [
            ("plain", "plain"),
            ("a ${token} b", "a live_abc9 b"),
            ("$${token}", "${token}"),
            ("${token|strip_prefix(live_)|upper}", "ABC9"),
            ("${token|flip_last}", "live_abc0"),
            ("${token|first(4)}-${token|last(4)}-${token|skip(5)}", "live-abc9-abc9"),
            ("${token|first(3)|base64}", "bGl2"),
            ("${token|last(1)|percent}", "%39"),
            ("${token|drop_last|reverse}", "cba_evil"),
            ("${repeat(ab,3)}${hex(2f)}", "ababab/"),
        ] {
            assert_eq!(fill(template), filled, "{template}");
        }
        assert_eq!(fill("${random_hex(48)}").len(), 48);
    }

    #[test]
    fn an_unknown_function_or_a_broken_template_is_refused() {
        for wrong in [
            "${",
            "${}",
            "${a|shout}",
            "${random_hx(4)}",
            "${a|first}",
            "${a|first(x)}",
            "${hex(0)}",
            "${repeat(a,99999999999)}",
        ] {
            assert!(Template::parse(wrong).is_err(), "{wrong}");
        }
        let message = Template::parse("${token|uper}").unwrap_err();
        assert!(message.contains("did you mean `upper`?"), "{message}");
    }

    #[test]
    fn bytes_that_are_no_text_are_carried_through_a_binding() {
        let nothing = BTreeMap::new();
        let scope = Scope { bindings: &nothing, random: None };
        let carried = Template::parse("a${hex(ff00c3)}b").unwrap().carried(&scope).unwrap();
        let bindings = BTreeMap::from([("each".to_owned(), carried)]);
        let scope = Scope { bindings: &bindings, random: None };
        let again = Template::parse("<${each}>").unwrap();
        assert_eq!(again.bytes(&scope).unwrap(), b"<a\xff\x00\xc3b>");
        assert_eq!(again.text(&scope), Err(RenderError::NotText));
    }

    #[test]
    fn a_name_without_a_value_is_an_error_that_names_it() {
        let scope = Scope { bindings: &BTreeMap::new(), random: None };
        let error = Template::parse("${gone}").unwrap().text(&scope).unwrap_err();
        assert_eq!(error, RenderError::Unbound("gone".to_owned()));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "\\PC*") {
            drop(Template::parse(&text));
        }

        #[test]
        fn text_without_a_dollar_is_itself(text in "[^$]*") {
            let scope = Scope { bindings: &BTreeMap::new(), random: None };
            prop_assert_eq!(Template::parse(&text).unwrap().text(&scope).unwrap(), text);
        }
    }
}
