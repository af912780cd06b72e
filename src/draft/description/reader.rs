//! References, and schemas that are made of other schemas.

use std::collections::BTreeSet;

use serde_json::Value;

use super::DescriptionError;

/// So many places are looked at in one text; an honest one of ten megabytes has fewer.
pub(super) const MOST_PLACES: usize = 2_000_000;

/// So deep are schemas made of schemas.
const DEEPEST: usize = 32;

/// A member of an object that a schema describes.
#[derive(Clone, Debug)]
pub(super) struct Member<'a> {
    pub(super) name: String,
    pub(super) schema: &'a Value,
    pub(super) required: bool,
}

/// A text, and what was seen of it.
pub(super) struct Reader<'a> {
    pub(super) root: &'a Value,
    places: usize,
    notes: BTreeSet<String>,
}

static NOTHING: Value = Value::Null;

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self { root, places: 0, notes: BTreeSet::new() }
    }

    pub(super) fn into_notes(self) -> Vec<String> {
        self.notes.into_iter().collect()
    }

    fn step(&mut self) -> Result<(), DescriptionError> {
        self.places += 1;
        if self.places > MOST_PLACES { Err(DescriptionError::Entangled) } else { Ok(()) }
    }

    /// The value itself, or what it refers to. What is not there is nothing, and noted.
    pub(super) fn follow(&mut self, value: &'a Value) -> Result<&'a Value, DescriptionError> {
        let mut at = value;
        let mut seen: Vec<&str> = Vec::new();
        loop {
            self.step()?;
            let Some(reference) = at.get("$ref").and_then(Value::as_str) else {
                return Ok(at);
            };
            if seen.contains(&reference) {
                return Err(DescriptionError::Cycle(reference.to_owned()));
            }
            seen.push(reference);
            let Some(pointer) = reference.strip_prefix('#') else {
                self.notes.insert(format!("`{reference}` is outside the document: not followed"));
                return Ok(&NOTHING);
            };
            let Some(found) = self.root.pointer(&unescaped(pointer)) else {
                self.notes.insert(format!("`{reference}` leads nowhere"));
                return Ok(&NOTHING);
            };
            at = found;
        }
    }

    /// The members of an object, with those of all schemas that it is made of.
    pub(super) fn members(
        &mut self,
        schema: &'a Value,
    ) -> Result<Vec<Member<'a>>, DescriptionError> {
        let mut members = Vec::new();
        self.collect(schema, true, 0, &mut members)?;
        Ok(members)
    }

    fn collect(
        &mut self,
        schema: &'a Value,
        certain: bool,
        depth: usize,
        members: &mut Vec<Member<'a>>,
    ) -> Result<(), DescriptionError> {
        if depth > DEEPEST {
            let name = schema.get("$ref").and_then(Value::as_str).unwrap_or("allOf");
            return Err(DescriptionError::Cycle(name.to_owned()));
        }
        let schema = self.follow(schema)?;
        let required = schema.get("required").and_then(Value::as_array);
        let required: Vec<&str> =
            required.into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, value) in
            schema.get("properties").and_then(Value::as_object).into_iter().flatten()
        {
            self.step()?;
            members.push(Member {
                name: name.clone(),
                schema: value,
                required: certain && required.contains(&name.as_str()),
            });
        }
        for key in ["allOf", "oneOf", "anyOf"] {
            for part in schema.get(key).and_then(Value::as_array).into_iter().flatten() {
                self.collect(part, certain && key == "allOf", depth + 1, members)?;
            }
        }
        Ok(())
    }
}

/// A JSON pointer in a fragment is percent-encoded (RFC 6901 section 6).
fn unescaped(pointer: &str) -> String {
    if !pointer.contains('%') {
        return pointer.to_owned();
    }
    // The form decoder would take a plus for a space.
    let plain = pointer.replace('+', "%2B");
    let decoded = form_urlencoded::parse(plain.as_bytes()).next();
    decoded.map_or(plain.clone(), |(text, _)| text.into_owned())
}
