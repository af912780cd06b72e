//! Changes to a credential after which it is none.

use super::draft::{Draft, Field};
use super::meaning::Effect;
use super::mutate::{Around, Mutator, pick};
use crate::model::Flow;
use crate::source::Random;

/// Those that break a good credential, the plainest first.
pub(crate) const BREAKING: [Mutator; 8] =
    [bit, odd_character, cut_or_longer, scheme, wrapped, renamed, forged, folded];

/// The value of the credential: where the token begins in it.
fn credential<'a>(draft: &'a mut Draft, around: &Around<'_>) -> Option<(&'a mut Field, usize)> {
    let token = around.token.as_bytes().to_vec();
    let field = draft.field(around.credential)?;
    let at = field.value.windows(token.len()).position(|window| window == token)?;
    Some((field, at))
}

/// One bit of a token is another one.
fn bit(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let length = around.token.len();
    // The last character of a signature has bits that count for nothing.
    let usable = if around.flow == Flow::JwtLogin { length - 1 } else { length };
    let (field, at) = credential(draft, around)?;
    let place = at + random.below(usable);
    let old = field.value[place];
    let new = old ^ (1 << random.below(7));
    if new.eq_ignore_ascii_case(&old) && around.folds {
        return None;
    }
    field.value[place] = new;
    // White space at the end of a value is no part of it, but then the token is another one all the same.
    Some(Effect::Broken)
}

/// A character in a token that is none of its own.
fn odd_character(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let length = around.token.len();
    let (field, at) = credential(draft, around)?;
    let byte = *pick(
        random,
        &[0, 0x01, 0x7f, 0x80, 0xc3, 0xff, b' ', b'\t', b',', b'%', b'"', 0x0b, 0x1f],
    );
    let place = at + 1 + random.below(length - 1);
    field.value.insert(place, byte);
    Some(Effect::Broken)
}

fn cut_or_longer(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let length = around.token.len();
    let (field, at) = credential(draft, around)?;
    match random.below(6) {
        0 => field.value.truncate(at + 1 + random.below(length - 2)),
        1 => drop(field.value.drain(at..at + 1 + random.below(length - 2))),
        2 => field.value.extend_from_slice(b"0"),
        3 => {
            let more =
                pick(random, &[&b"\0"[..], b"\0x", b" x", b";x", b",x", b"=", b"%00"]).to_vec();
            // Padding at the end of a JWT may be overlooked.
            if more == b"=" && around.flow == Flow::JwtLogin {
                return None;
            }
            field.value.extend_from_slice(&more);
        }
        4 => {
            let own = field.value[at..].to_vec();
            field.value.extend_from_slice(&own);
        }
        _ => {
            let own = field.value[at..].to_vec();
            let upper = own.to_ascii_uppercase();
            let lower = own.to_ascii_lowercase();
            let other = if random.below(2) == 0 { upper } else { lower };
            if other == own || around.folds {
                return None;
            }
            field.value.splice(at.., other);
        }
    }
    Some(Effect::Broken)
}

fn scheme(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const WORDS: [&str; 12] = [
        "",
        "Basic ",
        "Digest ",
        "Negotiate ",
        "Apikey ",
        "JWT ",
        "OAuth ",
        "BearerX ",
        "Beare ",
        "Token: ",
        "Bearer: ",
        "Bearer, ",
    ];
    let (field, at) = credential(draft, around)?;
    let separators = [&b""[..], b",", b":", b"=", b"/", b";", b"\x0b", b"_"];
    let head = if random.below(3) == 0 {
        [around.scheme.as_bytes(), *pick(random, &separators)].concat()
    } else {
        pick(random, &WORDS).as_bytes().to_vec()
    };
    if head.eq_ignore_ascii_case(format!("{} ", around.scheme).as_bytes()) {
        return None;
    }
    field.value.splice(..at, head);
    Some(Effect::Broken)
}

fn wrapped(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let (token, scheme) = (around.token, around.scheme);
    let value = match random.below(12) {
        0 => format!("{scheme} \"{token}\""),
        1 => format!("\"{scheme} {token}\""),
        2 => format!("{scheme} <{token}>"),
        3 => format!("{scheme} [{token}]"),
        4 => format!("{scheme} {}", STANDARD.encode(token)),
        5 => format!("{scheme} {}", STANDARD.encode(format!("{token}:"))),
        6 => format!("Basic {}", STANDARD.encode(format!("{token}:"))),
        7 => format!("{scheme} wrong {token}"),
        8 => format!("{scheme} wrong, {scheme} {token}"),
        9 => format!("{scheme} token={token}"),
        10 => format!("{scheme} {token} wrong"),
        _ => format!(
            "{scheme} {}",
            form_urlencoded::byte_serialize(format!(" {token}").as_bytes()).collect::<String>()
        ),
    };
    draft.field(around.credential)?.value = value.into_bytes();
    Some(Effect::Broken)
}

fn renamed(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const NAMES: [&str; 8] = [
        "X-Authorization",
        "Authorization2",
        "HTTP_AUTHORIZATION",
        "Authorization_",
        "Proxy-Authorization",
        "Auth",
        "uthorization",
        "X_Authorization",
    ];
    let name = *pick(random, &NAMES);
    draft.field(around.credential)?.name = name.as_bytes().to_vec();
    Some(Effect::Broken)
}

fn forged(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let scheme = around.scheme;
    let (list, effect) = if !around.odd.is_empty() && random.below(5) == 0 {
        (around.odd, Effect::Free)
    } else {
        (around.forged, Effect::Broken)
    };
    if list.is_empty() {
        return None;
    }
    let token = pick(random, list);
    // A refresh token is forged like an access token.
    let field = draft.field(around.credential)?;
    // What another change broke stays broken with a token that may count.
    if effect == Effect::Free && field.value != format!("{scheme} {}", around.token).as_bytes() {
        return None;
    }
    field.value = format!("{scheme} {token}").into_bytes();
    Some(effect)
}

/// A line that goes on in the next one is refused, or read with a space (RFC 9112 section 5.2).
fn folded(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let length = around.token.len();
    let (field, at) = credential(draft, around)?;
    let place = at + 1 + random.below(length - 2);
    field.value.splice(place..place, b"\r\n ".iter().copied());
    Some(Effect::Broken)
}
