//! Regular expressions, each compiled once and not before somebody matches with it: scenarios that are common to all flows have
//! the same ones five times, most runs ask few of what they read, and one with a name in it is filled in for every answer.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use regex::{Captures, Error, Regex};
use regex_syntax::Parser;
use regex_syntax::hir::{Class, Hir, HirKind};

/// A regular expression whose syntax is right.
#[derive(Clone, Debug)]
pub struct Pattern(Arc<Compiled>);

#[derive(Debug)]
struct Compiled {
    text: String,
    regex: OnceLock<Regex>,
}

/// More are not remembered: values that servers make up can be part of one.
const MOST: usize = 1_000;
/// One that may have more states than this is compiled at once: it could be larger than the crate allows, which is some
/// hundred thousand states, and whoever wrote it should hear of that.
const SURELY_ALLOWED: u64 = 50_000;

/// The regular expression of a text.
///
/// # Errors
/// When the text is none, or a much too large one.
pub fn pattern(text: &str) -> Result<Pattern, Error> {
    static KNOWN: Mutex<Option<HashMap<String, Pattern>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(pattern) = known.get(text) {
        return Ok(pattern.clone());
    }
    let syntax = Parser::new().parse(text).map_err(|error| Error::Syntax(error.to_string()))?;
    let regex = match states(&syntax) {
        0..=SURELY_ALLOWED => OnceLock::new(),
        _ => Regex::new(text)?.into(),
    };
    let pattern = Pattern(Arc::new(Compiled { text: text.to_owned(), regex }));
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(text.to_owned(), pattern.clone());
    Ok(pattern)
}

impl Pattern {
    /// Whether it is found somewhere in a text.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex().is_match(text)
    }

    /// Where it and its groups are found first.
    pub fn captures<'a>(&self, text: &'a str) -> Option<Captures<'a>> {
        self.regex().captures(text)
    }

    fn regex(&self) -> &Regex {
        let Compiled { text, regex } = &*self.0;
        regex.get_or_init(|| Regex::new(text).expect("its syntax is right, and it is not large"))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.text)
    }
}

/// How many states a compiled expression may have, generously: twice as many would still be allowed.
fn states(of: &Hir) -> u64 {
    // All characters are nine sequences of one to four ranges of bytes (RFC 3629 section 4), 27 together; most ranges are far fewer.
    const BYTES_OF_A_RANGE: u64 = 32;
    match of.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64 + 1,
        HirKind::Class(Class::Unicode(class)) => {
            BYTES_OF_A_RANGE * (1 + class.ranges().len() as u64)
        }
        HirKind::Class(Class::Bytes(class)) => 1 + class.ranges().len() as u64,
        HirKind::Repetition(repetition) => {
            let times = u64::from(repetition.max.unwrap_or(repetition.min)).max(1);
            states(&repetition.sub).saturating_add(2).saturating_mul(times.saturating_add(1))
        }
        HirKind::Capture(capture) => states(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(1 + parts.len() as u64, u64::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_same_the_second_time_and_after_many_others() {
        for _ in 0..2 {
            assert!(pattern("^a+$").unwrap().is_match("aaa"));
            assert!(!pattern("^b+$").unwrap().is_match("aaa"));
            assert!(pattern("(").is_err());
            for number in 0..MOST {
                assert!(pattern(&format!("^{number}$")).unwrap().is_match(&number.to_string()));
            }
        }
    }

    #[test]
    fn what_is_refused_is_refused_when_it_is_read_and_in_the_words_of_the_crate() {
        for wrong in
            ["(", "*a", "[z-a]", "a{2,1}", "\\p{nothing}", "(?P<n>a)(?P<n>b)", "\\w{100000}"]
        {
            let wanted = Regex::new(wrong).unwrap_err().to_string();
            assert_eq!(pattern(wrong).unwrap_err().to_string(), wanted, "{wrong}");
        }
    }

    #[test]
    fn only_what_cannot_be_too_large_waits_to_be_compiled() {
        for (text, waits) in [
            ("^[0-9a-f]{48}$", true),
            (r#""token"\s*:\s*"([^"]*)""#, true),
            (r"^\d{4}-\d{2}$", true),
            (r"^\d+$", true),
            (r"\w{9}", false),
            ("(a{200}){100}", false),
            ("((a{9}){9}){9}", true),
            ("a{60000}", false),
        ] {
            let found = pattern(text).unwrap();
            assert_eq!(found.0.regex.get().is_none(), waits, "{text}");
        }
        let found = pattern("k=([0-9]+)").unwrap();
        assert_eq!(&found.captures("k=12").unwrap()[1], "12");
        assert_eq!(found.to_string(), "k=([0-9]+)");
    }
}
