//! The place of a key or value in a YAML file.
//!
//! Positions are found only when there is something to say about them: the file is read a second
//! time along the path, and the deserializer is made to fail on purpose at the target. The
//! parser's own error position is the answer, so that no second parser is needed.

use std::fmt;
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// One step of a path into a document.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// The value of a key.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// A path into a document: `steps[1].expect[0].outcome`.
///
/// One is made for every value that is read, and looked at only where something is wrong: so a path is its last segment and
/// the path above it, which all that is below shares. Lists of segments took a tenth of the time of reading.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct YamlPath(Option<Arc<Below>>);

#[derive(Debug, Eq, PartialEq)]
struct Below {
    above: YamlPath,
    segment: Segment,
}

impl YamlPath {
    /// The path of the value of a key below this one.
    #[must_use]
    pub fn key(&self, key: &str) -> Self {
        self.with(Segment::Key(key.to_owned()))
    }

    /// The path of an element below this one.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.with(Segment::Index(index))
    }

    fn with(&self, segment: Segment) -> Self {
        Self(Some(Arc::new(Below { above: self.clone(), segment })))
    }

    /// The segments, from the root on.
    pub fn segments(&self) -> Vec<Segment> {
        let mut segments = Vec::new();
        let mut here = self;
        while let Some(below) = &here.0 {
            segments.push(below.segment.clone());
            here = &below.above;
        }
        segments.reverse();
        segments
    }
}

impl fmt::Display for YamlPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, segment) in self.segments().iter().enumerate() {
            match segment {
                Segment::Key(key) if at == 0 => f.write_str(key)?,
                Segment::Key(key) => write!(f, ".{key}")?,
                Segment::Index(index) => write!(f, "[{index}]")?,
            }
        }
        Ok(())
    }
}

/// A place in a text, for people (line and column from 1) and for pictures (bytes).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Location {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// The bytes from the start of the text.
    pub bytes: std::ops::Range<usize>,
}

/// Finds the value at a path, or its key; where there is no such place, the nearest one above.
pub fn locate(text: &str, path: &YamlPath, key: bool) -> Option<Location> {
    let all = path.segments();
    let mut segments = &all[..];
    let mut at_key = key;
    loop {
        let seek = Seek { path: segments, key: at_key };
        let failure = seek.deserialize(serde_yaml::Deserializer::from_str(text)).err();
        if let Some(error) = failure
            && error.to_string().contains(FOUND)
            && let Some(place) = error.location()
        {
            return Some(location(text, place.index()));
        }
        at_key = false;
        segments = segments.split_last()?.1;
    }
}

/// The place that starts at a byte and reaches to the end of the word there.
pub(super) fn location(text: &str, start: usize) -> Location {
    let start =
        (0..=start.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    Location {
        line: before.matches('\n').count() + 1,
        column: text[line_start..start].chars().count() + 1,
        bytes: start..start + word_length(&text[start..]),
    }
}

fn word_length(rest: &str) -> usize {
    let line = rest.lines().next().unwrap_or_default();
    let quoted = |quote: char| {
        line.strip_prefix(quote).and_then(|inner| inner.find(quote)).map(|end| end + 2)
    };
    let word = quoted('"').or_else(|| quoted('\'')).unwrap_or_else(|| {
        let end = line.find([',', '}', ']', '#']).unwrap_or(line.len());
        let colon = line.find(": ").or_else(|| line.ends_with(':').then(|| line.len() - 1));
        line[..colon.map_or(end, |colon| colon.min(end))].trim_end().len()
    });
    word.clamp(usize::from(!line.is_empty()), line.len())
}

const FOUND: &str = "the place that was looked for";

struct Seek<'a> {
    path: &'a [Segment],
    key: bool,
}

impl Seek<'_> {
    fn here<E: serde::de::Error>(&self) -> Result<(), E> {
        Err(E::custom(if self.path.is_empty() { FOUND } else { "no such place" }))
    }
}

impl<'de> DeserializeSeed<'de> for Seek<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seek<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.here()
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.here()
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.here()
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.here()
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.here()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.here()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let Some((Segment::Index(wanted), rest)) = self.path.split_first() else {
            return self.here();
        };
        for _ in 0..*wanted {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return self.here();
            }
        }
        items.next_element_seed(Seek { path: rest, key: self.key })?;
        self.here()
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        let Some((Segment::Key(wanted), rest)) = self.path.split_first() else {
            return self.here();
        };
        let stop = self.key && rest.is_empty();
        while let Some(found) = entries.next_key_seed(SeekKey { wanted, stop })? {
            if found {
                entries.next_value_seed(Seek { path: rest, key: self.key })?;
            } else {
                entries.next_value::<IgnoredAny>()?;
            }
        }
        self.here()
    }
}

struct SeekKey<'a> {
    wanted: &'a str,
    stop: bool,
}

impl<'de> DeserializeSeed<'de> for SeekKey<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for SeekKey<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<bool, E> {
        let found = key == self.wanted;
        if found && self.stop { Err(E::custom(FOUND)) } else { Ok(found) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "scenario: a\nsteps:\n  - send: {operation: generate}\n  - id: \"two\"\n    expect:\n      - status: 401\n        json: {$.a: 1}\n";

    fn at(path: YamlPath, key: bool) -> (usize, usize, &'static str) {
        let place = locate(TEXT, &path, key).unwrap();
        (place.line, place.column, &TEXT[place.bytes])
    }

    #[test]
    fn keys_and_values_are_found_at_their_line_and_column() {
        let steps = YamlPath::default().key("steps");
        assert_eq!(at(steps.index(0).key("send").key("operation"), false), (3, 23, "generate"));
        assert_eq!(at(steps.index(0).key("send").key("operation"), true), (3, 12, "operation"));
        assert_eq!(at(steps.index(1).key("id"), false), (4, 9, "\"two\""));
        let status = steps.index(1).key("expect").index(0).key("status");
        assert_eq!(at(status, false), (6, 17, "401"));
    }

    #[test]
    fn a_place_that_is_not_there_is_answered_with_the_nearest_above() {
        let missing = YamlPath::default().key("steps").index(0).key("send").key("nothing");
        assert_eq!(at(missing, false).0, 3);
        assert_eq!(at(YamlPath::default().key("nowhere"), false).0, 1);
    }
}
