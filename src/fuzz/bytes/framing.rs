//! Changes to the frame of a request: its lines, its lengths, its sizes.

use super::draft::{Draft, Field, Framing};
use super::meaning::Effect;
use super::mutate::{Around, form, pick};
use crate::model::Flow;
use crate::source::Random;

pub(super) fn chunks(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    if draft.body.is_empty() || draft.framing != Framing::Length {
        return None;
    }
    draft.framing = Framing::Chunked(1 + random.below(40));
    Some(Effect::Same)
}

/// Something in the head that is no head.
pub(super) fn odd_line(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    match random.below(9) {
        0 => draft.version = b"HTTP/1.0".to_vec(),
        1 => draft.version = b"HTTP/2.0".to_vec(),
        2 => draft.version = b"HTTP/9.9".to_vec(),
        3 => draft.space = b"  ".to_vec(),
        4 => draft.line_end = b"\n".to_vec(),
        5 => draft.fields.push(Field {
            name: b"no colon".to_vec(),
            colon: Vec::new(),
            value: Vec::new(),
        }),
        6 => draft.fields.push(Field {
            name: b"X-Space ".to_vec(),
            colon: b": ".to_vec(),
            value: b"1".to_vec(),
        }),
        7 => draft.fields.retain(|field| !field.is("host")),
        _ => draft.before = b"\r\n".to_vec(),
    }
    Some(Effect::Unframed)
}

/// Lengths that contradict each other, and codings that nobody knows, must not be let pass.
pub(super) fn odd_framing(
    draft: &mut Draft,
    _: &Around<'_>,
    random: &mut Random,
) -> Option<Effect> {
    let length = draft.body.len();
    draft.framing = Framing::Own;
    let mut put = |name: &str, value: String| {
        draft.fields.push(Field::new(name.as_bytes(), value.as_bytes()));
    };
    match random.below(7) {
        0 => {
            put("Content-Length", length.to_string());
            put("Content-Length", (length + 1).to_string());
        }
        1 => put("Content-Length", "-1".to_owned()),
        2 => put("Content-Length", format!("{length}x")),
        3 => put("Transfer-Encoding", "xchunked".to_owned()),
        4 => {
            put("Content-Length", length.to_string());
            put("Transfer-Encoding", "xchunked".to_owned());
        }
        5 => put("Content-Length", "99999999999999999999".to_owned()),
        _ => {
            put("Content-Length", (length + 40).to_string());
            return Some(Effect::Unframed);
        }
    }
    Some(Effect::Refused)
}

pub(super) fn many_fields(
    draft: &mut Draft,
    _: &Around<'_>,
    random: &mut Random,
) -> Option<Effect> {
    let count = *pick(random, &[30, 99, 150]);
    for number in 0..count {
        draft.fields.push(Field::new(format!("X-{number}").as_bytes(), b"1"));
    }
    Some(Effect::Unframed)
}

pub(super) fn large(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let size = *pick(random, &[1_100, 4_200, 5_000, 9_000, 17_000, 70_000]);
    let long = vec![b'a'; size];
    let scheme = format!("{} ", around.scheme);
    let refresh = around.flow == Flow::JwtLogin && random.below(2) == 0;
    match random.below(5) {
        0 => draft.fields.push(Field::new(b"X-Long", &long)),
        1 => {
            draft.target.push(if draft.target.contains(&b'?') { b'&' } else { b'?' });
            draft.target.extend_from_slice(b"long=");
            draft.target.extend_from_slice(&long);
        }
        2 if form(draft).is_some() => {
            let mut parts = form(draft)?;
            parts.push(pick(random, &[&b"long="[..], b"device-info=", b"scope="]).to_vec());
            let at = random.below(parts.len());
            let name = parts[at].split(|byte| *byte == b'=').next().unwrap_or_default();
            parts[at] = [name, b"=", &long].concat();
            draft.body = parts.join(&b'&');
        }
        3 if refresh => {
            draft.fields.retain(|field| !field.is("refresh-token"));
            draft.fields.push(Field::new(b"refresh-token", &long));
        }
        _ => match draft.field("client-secret") {
            Some(field) => field.value = long,
            None => {
                let name = around.credential;
                draft.fields.retain(|field| !field.is(name));
                draft
                    .fields
                    .push(Field::new(name.as_bytes(), &[scheme.as_bytes(), &long].concat()));
                return Some(Effect::Broken);
            }
        },
    }
    Some(Effect::Free)
}

/// A field twice: alike, or with another value.
pub(super) fn repeated_field(
    draft: &mut Draft,
    around: &Around<'_>,
    random: &mut Random,
) -> Option<Effect> {
    let at = random.below(draft.fields.len());
    let mut field = draft.fields.get(at)?.clone();
    if field.is("content-length") {
        return None;
    }
    let host = field.is("host");
    if random.below(2) == 0 {
        field.value.push(b'x');
    }
    let _ = around;
    draft.fields.push(field);
    Some(if host { Effect::Unframed } else { Effect::Free })
}
