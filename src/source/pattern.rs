//! Regular expressions, each compiled once: scenarios that are common to all flows have the same ones five times, and one with
//! a name in it is filled in for every answer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use regex::Regex;

/// More are not remembered: values that servers make up can be part of one.
const MOST: usize = 1_000;

/// The regular expression of a text.
///
/// # Errors
/// When the text is none, or a much too large one.
pub fn pattern(text: &str) -> Result<Regex, regex::Error> {
    static KNOWN: Mutex<Option<HashMap<String, Regex>>> = Mutex::new(None);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if let Some(regex) = known.get(text) {
        return Ok(regex.clone());
    }
    let regex = Regex::new(text)?;
    if known.len() >= MOST {
        known.clear();
    }
    known.insert(text.to_owned(), regex.clone());
    Ok(regex)
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
}
