//! Text that a server had a hand in: nothing in it may move a cursor, turn the direction of writing, or fill a file.

use std::io;

use serde::Serialize;
use serde_json::ser::{CompactFormatter, Formatter, PrettyFormatter};

/// Whether a character does something instead of being something: control characters, and those that turn the
/// direction of writing or take no place.
pub(super) fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text on one line in which every character shows itself.
pub(super) fn printable(text: &str) -> String {
    shown(text, |_| false)
}

/// A text of several lines in which every character shows itself.
pub(super) fn printable_lines(text: &str) -> String {
    shown(&text.replace("\r\n", "\n"), |c| c == '\n')
}

fn shown(text: &str, harmless: fn(char) -> bool) -> String {
    text.chars()
        .flat_map(|c| if acts(c) && !harmless(c) { c.escape_default().collect() } else { vec![c] })
        .collect()
}

/// At most so many characters of a text on one line.
pub(super) fn limited(text: &str, most: usize) -> String {
    let text = printable(text);
    match text.char_indices().nth(most) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

/// JSON in which characters that act are escaped: whoever prints the file to a terminal is safe too.
struct Careful<F>(F);

impl<F: Formatter> Formatter for Careful<F> {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(acts) {
            let c = rest[at..].chars().next().unwrap_or_default();
            write!(out, "{}\\u{:04x}", &rest[..at], u32::from(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        out.write_all(rest.as_bytes())
    }

    fn begin_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_array(out)
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array(out)
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_array_value(out, first)
    }

    fn end_array_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_array_value(out)
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object(out)
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object(out)
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        out: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.0.begin_object_key(out, first)
    }

    fn begin_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.begin_object_value(out)
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, out: &mut W) -> io::Result<()> {
        self.0.end_object_value(out)
    }
}

/// Writes a value as JSON over several lines.
pub(super) fn write_pretty<T: Serialize>(value: &T, out: &mut dyn io::Write) -> io::Result<()> {
    let formatter = Careful(PrettyFormatter::new());
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter))?;
    writeln!(out)
}

/// Writes a value as one line of JSON.
pub(super) fn write_line<T: Serialize>(value: &T, out: &mut dyn io::Write) -> io::Result<()> {
    let formatter = Careful(CompactFormatter);
    value.serialize(&mut serde_json::Serializer::with_formatter(&mut *out, formatter))?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\x1b[31m\u{9b}2J\u{202e}b\r\nc\u{7}";

    #[test]
    fn a_server_cannot_write_escape_sequences_to_the_terminal() {
        assert_eq!(printable(HOSTILE), "a\\u{1b}[31m\\u{9b}2J\\u{202e}b\\r\\nc\\u{7}");
        assert_eq!(printable_lines(HOSTILE), "a\\u{1b}[31m\\u{9b}2J\\u{202e}b\nc\\u{7}");
        assert_eq!(limited("abcdef", 3), "abc…");
    }

    #[test]
    fn json_says_the_same_with_every_acting_character_escaped() {
        for write in [write_pretty, write_line] {
            let mut out = Vec::new();
            write(&serde_json::json!({"a": [HOSTILE, "\u{10ffff}ä"]}), &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(!text.trim_end().replace('\n', "").contains(acts), "{text:?}");
            let read: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(read["a"][0], HOSTILE);
        }
    }
}
