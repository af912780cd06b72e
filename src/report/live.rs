//! How far a run has come, as a tree that is drawn again and again at a terminal: flows, and below them what is wrong.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::paint::Paint;
use super::text::limited;
use crate::model::{Finding, Flow, Verdict};

/// More findings of one flow are only counted: the tree must fit on a screen.
const MOST_TROUBLES: usize = 3;

/// One flow so far.
#[derive(Debug, Default)]
struct Branch {
    scenarios: usize,
    done: usize,
    counts: BTreeMap<Verdict, usize>,
    troubles: Vec<(Verdict, String)>,
}

/// The tree.
#[derive(Debug, Default)]
pub(super) struct Live {
    branches: BTreeMap<Flow, Branch>,
    /// Lines on the screen that belong to the tree.
    drawn: usize,
    width: usize,
}

impl Live {
    /// A tree on a screen that is so many columns wide.
    pub(super) fn new(width: usize) -> Self {
        Self { width: width.max(20), ..Self::default() }
    }

    /// Takes in what is planned.
    pub(super) fn plan(&mut self, flows: &[(Flow, usize)]) {
        for (flow, scenarios) in flows {
            self.branches.entry(*flow).or_default().scenarios = *scenarios;
        }
    }

    /// Takes in what a scenario found.
    pub(super) fn note(&mut self, flow: Flow, findings: &[Finding]) {
        let branch = self.branches.entry(flow).or_default();
        branch.done += 1;
        for finding in findings {
            *branch.counts.entry(finding.verdict).or_default() += 1;
            if finding.verdict >= Verdict::Stale && branch.troubles.len() < MOST_TROUBLES {
                branch
                    .troubles
                    .push((finding.verdict, format!("{}  {}", finding.check, finding.title)));
            }
        }
    }

    /// Draws the tree where it stood before.
    pub(super) fn draw(&mut self, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
        self.wipe(out)?;
        for (flow, branch) in &self.branches {
            let Branch { scenarios, done, counts, .. } = branch;
            let sign = if done < scenarios { "…" } else { "·" };
            let counted = counts.iter().filter(|(verdict, _)| **verdict != Verdict::Excluded);
            let counted: Vec<String> = counted
                .rev()
                .map(|(verdict, n)| format!("{} {n}", Paint::sign(*verdict)))
                .collect();
            let line =
                format!("  {sign} {flow:18} {done:>3}/{scenarios:<3}  {}", counted.join("  "));
            writeln!(out, "{}", limited(&line, self.width - 1))?;
            self.drawn += 1;
            for (verdict, text) in &branch.troubles {
                let line =
                    limited(&format!("      {} {text}", Paint::sign(*verdict)), self.width - 1);
                writeln!(out, "{}", paint.verdict(*verdict, &line))?;
                self.drawn += 1;
            }
        }
        out.flush()
    }

    /// Takes the tree off the screen.
    pub(super) fn wipe(&mut self, out: &mut dyn Write) -> io::Result<()> {
        if self.drawn > 0 {
            write!(out, "\x1b[{}A\r\x1b[J", self.drawn)?;
        }
        self.drawn = 0;
        Ok(())
    }
}

/// A text in lines of at most this many columns, broken between words where there are any.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut room = width;
    for word in text.split_inclusive(' ') {
        let mut word = word;
        loop {
            let length = word.trim_end().chars().count();
            if length <= room {
                break;
            }
            if room == width || length > width {
                // A word that fits nowhere is cut where the line ends.
                let at = word.char_indices().nth(room).map_or(word.len(), |(at, _)| at);
                if room > 0 {
                    lines.last_mut().expect("there is always a line").push_str(&word[..at]);
                    word = &word[at..];
                }
            }
            lines.push(String::new());
            room = width;
        }
        lines.last_mut().expect("there is always a line").push_str(word);
        room = room.saturating_sub(word.chars().count());
    }
    lines.iter().map(|line| line.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_drawn_over_itself_and_no_line_is_wider_than_the_screen() {
        let mut live = Live::new(40);
        live.plan(&[(Flow::GatewayButton, 2), (Flow::JwtLogin, 1)]);
        let mut out = Vec::new();
        live.draw(Paint::default(), &mut out).unwrap();
        live.note(Flow::JwtLogin, &[]);
        live.draw(Paint::default(), &mut out).unwrap();
        live.wipe(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(
            text,
            "  … gateway-button       0/2\n  … jwt-login            0/1\n\
             \u{1b}[2A\r\u{1b}[J  … gateway-button       0/2\n  · jwt-login            1/1\n\
             \u{1b}[2A\r\u{1b}[J"
                .replace("/2\n", "/2    \n")
                .replace("/1\n", "/1    \n")
        );
    }

    #[test]
    fn long_lines_are_broken_between_words_or_where_they_must() {
        for (text, width, wanted) in [
            ("one two three", 7, &["one two", "three"][..]),
            ("abcdefghij", 4, &["abcd", "efgh", "ij"]),
            ("a abcdefghij", 4, &["a ab", "cdef", "ghij"]),
            ("", 4, &[""]),
        ] {
            assert_eq!(wrap(text, width), wanted, "{text}");
        }
    }
}
