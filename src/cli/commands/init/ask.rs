//! Questions to whoever is there, one line each.

use std::io::{self, BufRead, Read as _};

use crate::cli::exit::UsageError;

/// A question, and the flag that answers it beforehand.
#[derive(Debug)]
pub(super) struct Question<'a> {
    pub(super) flag: &'static str,
    pub(super) text: &'a str,
    /// What an empty line means.
    pub(super) default: &'a str,
}

/// Asks, where that is allowed.
#[derive(Debug)]
pub(super) struct Asker {
    allowed: bool,
}

/// Whoever gives so many answers that are none does not listen.
const TRIES: usize = 3;

/// Longer lines are no answers.
const LONGEST: u64 = 4096;

impl Asker {
    pub(super) fn new(allowed: bool) -> Self {
        Self { allowed }
    }

    /// Asks until the answer is one.
    pub(super) fn ask<T>(
        &self,
        question: &Question<'_>,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> anyhow::Result<T> {
        let Question { flag, text, default } = question;
        let missing = |why: &str| {
            UsageError(format!("{flag} is missing, and {why}: give it, as in {flag} {default}"))
        };
        if !self.allowed {
            return Err(missing("--no-input forbids to ask for it").into());
        }
        let mut complaint = String::new();
        for _ in 0..TRIES {
            eprint!("{text} [{default}]: ");
            let Some(line) = line(&mut io::stdin().lock()) else {
                eprintln!();
                return Err(missing("nobody answers").into());
            };
            let answer = line.trim();
            match read(if answer.is_empty() { default } else { answer }) {
                Ok(answer) => return Ok(answer),
                Err(message) => complaint = message,
            }
            eprintln!("{complaint}");
        }
        Err(UsageError(format!("{flag}: {complaint}")).into())
    }
}

/// One line; none at the end of the input, and where the input is no text.
fn line(input: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    let read = input.by_ref().take(LONGEST).read_line(&mut line).ok()?;
    (read > 0).then_some(line)
}
