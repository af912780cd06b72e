//! Lines of a file that people go on writing: keys in use, keys that wait behind one `#`, and words behind two.
//!
//! Taking one `#` away everywhere, as editors do, puts keys into use and leaves words what they are.

use serde_json::Value;

use super::yaml::{comment, inline, scalar};

/// How long a line of words may be, and a value before its members get lines of their own.
const WIDTH: usize = 96;

/// Lines at one indentation.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines(Vec<String>);

impl Lines {
    /// Adds words, over as many lines as they need.
    pub(super) fn say(&mut self, words: &str) -> &mut Self {
        let mut line = String::from("##");
        for word in comment(words).split(' ') {
            if line.len() + word.len() >= WIDTH && line.len() > 2 {
                self.0.push(std::mem::replace(&mut line, String::from("##")));
            }
            line.push(' ');
            line.push_str(word);
        }
        self.0.push(line);
        self
    }

    /// Adds a line of YAML.
    pub(super) fn line(&mut self, line: impl Into<String>) -> &mut Self {
        self.0.push(line.into());
        self
    }

    /// Adds an empty line.
    pub(super) fn gap(&mut self) -> &mut Self {
        self.line("")
    }

    /// Adds a key with its value: on one line where it fits.
    pub(super) fn entry(&mut self, key: &str, value: &Value) -> &mut Self {
        let line = format!("{}: {}", scalar(key), inline(value));
        match value {
            Value::Object(members) if line.len() > WIDTH && !members.is_empty() => {
                let mut inner = Self::default();
                for (key, value) in members {
                    inner.entry(key, value);
                }
                self.line(format!("{}:", scalar(key))).within(2, inner)
            }
            _ => self.line(line),
        }
    }

    /// Adds a key with the lines below it.
    pub(super) fn section(&mut self, key: &str, lines: Self) -> &mut Self {
        self.line(format!("{}:", scalar(key))).within(2, lines)
    }

    /// Adds lines as they are, so many columns to the right.
    pub(super) fn within(&mut self, indent: usize, lines: Self) -> &mut Self {
        let pad = " ".repeat(indent);
        self.0.extend(lines.0.into_iter().map(|line| match line.is_empty() {
            true => line,
            false => format!("{pad}{line}"),
        }));
        self
    }

    /// Adds lines that are not in use yet.
    pub(super) fn off(&mut self, lines: Self) -> &mut Self {
        self.0.extend(lines.0.into_iter().map(|line| match line.is_empty() {
            true => line,
            false => format!("# {line}"),
        }));
        self
    }

    /// Whether there are no lines.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The text of the file.
    pub(super) fn text(&self) -> String {
        self.0.iter().flat_map(|line| [line.as_str(), "\n"]).collect()
    }
}

/// What stands below one key: each with words in front of it, in use or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Members(Vec<(Lines, Lines, bool)>);

impl Members {
    /// Adds a member.
    pub(super) fn add(&mut self, words: Lines, keys: Lines, used: bool) {
        self.0.push((words, keys, used));
    }

    /// The key with its members. Where none is in use the key is not either, for a key without a value is no map;
    /// nothing where there are none.
    pub(super) fn below(self, key: &str) -> Lines {
        let mut below = Lines::default();
        let any_used = self.0.iter().any(|(.., used)| *used);
        for (words, keys, used) in self.0 {
            below.within(0, words);
            if used || !any_used {
                below.within(0, keys);
            } else {
                below.off(keys);
            }
        }
        let mut section = Lines::default();
        if !below.is_empty() {
            section.section(key, below);
        }
        let mut out = Lines::default();
        if any_used {
            out.within(0, section)
        } else {
            out.off(section)
        };
        out
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_wait_behind_one_sign_and_words_behind_two() {
        let mut inner = Lines::default();
        inner.say("What it is.").entry("first", &json!({"in": "form"}));
        let mut lines = Lines::default();
        lines.off(inner.clone()).section("used", inner);
        assert_eq!(
            lines.text(),
            "# ## What it is.\n# first: {in: form}\nused:\n  ## What it is.\n  first: {in: form}\n"
        );
    }

    #[test]
    fn long_values_and_long_words_get_more_lines() {
        let mut lines = Lines::default();
        lines.entry("k", &json!({"a": "x".repeat(90), "b": 1})).say(&"word ".repeat(30));
        let text = lines.text();
        assert!(text.starts_with("k:\n  a: xxx"), "{text}");
        assert!(text.contains("\n  b: 1\n## word word"), "{text}");
        assert!(text.lines().all(|line| line.len() <= WIDTH), "{text}");
    }
}
