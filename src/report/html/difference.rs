//! What was wanted beside what was there, with what differs marked.

use std::io::{self, Write};

use super::escape::Text;

/// Longer texts are compared as a whole: the table of a comparison grows with their product.
const MOST_WORDS: usize = 400;
/// Below this share of common words nothing is marked: everything differs.
const ALIKE: f64 = 0.35;

/// Writes the rows `wanted` and `got`.
pub(super) fn write(wanted: &[String], got: &str, out: &mut dyn Write) -> io::Result<()> {
    let nearest = wanted.iter().map(|one| alike(one, got)).fold(0.0, f64::max);
    writeln!(out, "<dl class=\"diff\">")?;
    for one in wanted {
        let marks = nearest >= ALIKE && alike(one, got) >= nearest;
        write!(out, "<dt>wanted</dt><dd class=\"wanted\">")?;
        marked(one, got, marks, out)?;
        writeln!(out, "</dd>")?;
    }
    let near = wanted.iter().find(|one| nearest >= ALIKE && alike(one, got) >= nearest);
    write!(out, "<dt>got</dt><dd class=\"got\">")?;
    marked(got, near.map_or("", |one| one), near.is_some(), out)?;
    writeln!(out, "</dd></dl>")
}

/// Words, spaces and signs, each by itself.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = 0;
    let mut last = false;
    for (at, c) in text.char_indices() {
        let letter = c.is_alphanumeric();
        if at > start && !(letter && last) {
            words.push(&text[start..at]);
            start = at;
        }
        last = letter;
    }
    if start < text.len() {
        words.push(&text[start..]);
    }
    words
}

/// Which words of the first text also stand in the second one, in the same order.
fn common(a: &[&str], b: &[&str]) -> Vec<bool> {
    let width = b.len() + 1;
    let mut table = vec![0_u16; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            table[i * width + j] = if a[i] == b[j] {
                table[(i + 1) * width + j + 1] + 1
            } else {
                table[(i + 1) * width + j].max(table[i * width + j + 1])
            };
        }
    }
    let mut kept = vec![false; a.len()];
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            kept[i] = true;
            (i, j) = (i + 1, j + 1);
        } else if table[(i + 1) * width + j] >= table[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    kept
}

/// The share of words that two texts have in common; 0 for texts that are too long to tell.
fn alike(a: &str, b: &str) -> f64 {
    let (a, b) = (words(a), words(b));
    let most = a.len().max(b.len());
    if most == 0 || most > MOST_WORDS {
        return 0.0;
    }
    let counts = |word: &&&str| word.trim().len() > 1;
    let kept = common(&a, &b);
    let same = a.iter().zip(kept).filter(|(word, kept)| *kept && word.trim().len() > 1).count();
    let all = a.iter().filter(counts).count().max(b.iter().filter(counts).count());
    same as f64 / all.max(1) as f64
}

fn marked(text: &str, other: &str, marks: bool, out: &mut dyn Write) -> io::Result<()> {
    if !marks {
        return write!(out, "<mark>{}</mark>", Text(text));
    }
    let (own, others) = (words(text), words(other));
    let mut inside = false;
    for (word, same) in own.iter().zip(common(&own, &others)) {
        if same == inside {
            write!(out, "{}", if same { "</mark>" } else { "<mark>" })?;
            inside = !same;
        }
        write!(out, "{}", Text(word))?;
    }
    if inside { write!(out, "</mark>") } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(wanted: &[&str], got: &str) -> String {
        let mut out = Vec::new();
        let wanted: Vec<String> = wanted.iter().map(|one| (*one).to_owned()).collect();
        write(&wanted, got, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_differs_is_marked_and_what_is_alike_is_not() {
        let page = page(&["status 200, body ok"], "status 500, body ok");
        assert!(page.contains("status <mark>200</mark>, body ok"), "{page}");
        assert!(page.contains("status <mark>500</mark>, body ok"), "{page}");
    }

    #[test]
    fn texts_that_have_nothing_in_common_are_marked_as_a_whole() {
        let page = page(&["denied", "window_closed"], "issued: <b>status</b> 201");
        assert!(page.contains("<mark>denied</mark>"), "{page}");
        assert!(page.contains("<mark>issued: &lt;b&gt;status&lt;/b&gt; 201</mark>"), "{page}");
    }

    #[test]
    fn long_texts_are_not_compared_word_by_word() {
        let long = "a ".repeat(100_000);
        assert!(page(&[&long], &long).contains("<mark>"));
    }
}
