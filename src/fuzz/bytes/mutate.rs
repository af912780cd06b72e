//! Changes to a request that know its grammar: each says what it may change of the answer.

use super::draft::{Draft, Field};
use super::framing::{chunks, large, many_fields, odd_framing, odd_line, repeated_field};
use super::meaning::Effect;
use crate::model::Flow;
use crate::source::Random;

/// What a mutator may look at.
#[derive(Debug)]
pub(crate) struct Around<'a> {
    /// The flow.
    pub(crate) flow: Flow,
    /// A token that works.
    pub(crate) token: &'a str,
    /// The field that holds a token.
    pub(crate) credential: &'a str,
    /// The scheme word in front of it.
    pub(crate) scheme: &'a str,
    /// Whether the case of a token's letters may be ignored.
    pub(crate) folds: bool,
    /// Tokens that nobody issued, made from the good one.
    pub(crate) forged: &'a [String],
    /// Tokens that must be answered somehow.
    pub(crate) odd: &'a [String],
    /// Whether the request has a good credential.
    pub(crate) good: bool,
}

/// A mutator: changes the draft and says what that means; nothing where it does not fit.
pub(super) type Mutator = fn(&mut Draft, &Around<'_>, &mut Random) -> Option<Effect>;

/// Those that fit any request, the plainest first.
pub(crate) const ANY: [Mutator; 24] = [
    field_case,
    unknown_field,
    unknown_query,
    form_order,
    encoded_form,
    chunks,
    content_parameter,
    space_around,
    odd_method,
    odd_path,
    noise,
    large,
    odd_field,
    repeated_parameter,
    odd_form_value,
    repeated_field,
    odd_line,
    odd_framing,
    odd_json,
    many_fields,
    odd_query,
    odd_media_type,
    trusted_proxy,
    elsewhere,
];

pub(super) fn pick<'a, T>(random: &mut Random, of: &'a [T]) -> &'a T {
    &of[random.below(of.len())]
}

fn field_case(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let at = random.below(draft.fields.len());
    let upper = random.below(2) == 0;
    let name = &mut draft.fields.get_mut(at)?.name;
    if upper {
        name.make_ascii_uppercase();
    } else {
        name.make_ascii_lowercase();
    }
    Some(Effect::Same)
}

fn unknown_field(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let name =
        *pick(random, &["X-Unknown", "Accept-Language", "X-Request-Id", "Priority", "DNT", "Via"]);
    let at = random.below(draft.fields.len() + 1);
    draft.fields.insert(at, Field::new(name.as_bytes(), b"1"));
    Some(Effect::Same)
}

fn unknown_query(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let text = *pick(random, &["unknown=1", "_=1", "utm_source=x"]);
    let join = if draft.target.contains(&b'?') { b'&' } else { b'?' };
    draft.target.push(join);
    draft.target.extend_from_slice(text.as_bytes());
    Some(Effect::Same)
}

/// The parts of a form.
pub(super) fn form(draft: &Draft) -> Option<Vec<Vec<u8>>> {
    let is_form = draft.fields.iter().any(|field| {
        field.is("content-type") && field.value.starts_with(b"application/x-www-form-urlencoded")
    });
    let parts: Vec<Vec<u8>> = draft.body.split(|byte| *byte == b'&').map(<[u8]>::to_vec).collect();
    (is_form && !draft.body.is_empty()).then_some(parts)
}

fn form_order(draft: &mut Draft, _: &Around<'_>, _: &mut Random) -> Option<Effect> {
    let mut parts = form(draft)?;
    parts.reverse();
    draft.body = parts.join(&b'&');
    Some(Effect::Same)
}

fn encoded_form(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let mut parts = form(draft)?;
    let at = random.below(parts.len());
    let equals = parts[at].iter().position(|byte| *byte == b'=')? + 1;
    let lower = random.below(2) == 0;
    let names = random.below(4) == 0;
    let mut out = Vec::new();
    let mut encode = |byte: u8| {
        let text = if lower { format!("%{byte:02x}") } else { format!("%{byte:02X}") };
        out.extend_from_slice(text.as_bytes());
    };
    let (name, value) = (parts[at][..equals - 1].to_vec(), parts[at][equals..].to_vec());
    if value.contains(&b'%') || value.contains(&b'+') || name.contains(&b'%') {
        return None;
    }
    if names {
        name.iter().for_each(|byte| encode(*byte));
        out.push(b'=');
        out.extend_from_slice(&value);
    } else {
        value.iter().for_each(|byte| encode(*byte));
        out = [&name[..], b"=", &out].concat();
    }
    parts[at] = out;
    draft.body = parts.join(&b'&');
    Some(Effect::Same)
}

fn content_parameter(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let text = *pick(random, &["; charset=utf-8", ";charset=UTF-8"]);
    let field = draft.field("content-type")?;
    if !field.value.starts_with(b"application/x-www-form-urlencoded") {
        return None;
    }
    field.value.extend_from_slice(text.as_bytes());
    Some(Effect::Same)
}

/// White space around a value is no part of it (RFC 9110 section 5.5).
fn space_around(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let at = random.below(draft.fields.len());
    let field = draft.fields.get_mut(at)?;
    if field.is("host") {
        return None;
    }
    field.colon = pick(random, &[b":".to_vec(), b":  ".to_vec(), b": \t".to_vec()]).clone();
    if random.below(2) == 0 {
        field.value.push(b' ');
    }
    Some(Effect::Same)
}

fn odd_method(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const METHODS: [&str; 14] = [
        "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "POST", "GET", "TRACE", "FOO", "get",
        "PROPFIND", "GETX", "G", "QUERY",
    ];
    if random.below(6) == 0 {
        draft.fields.push(Field::new(b"X-HTTP-Method-Override", b"GET"));
    }
    let method = *pick(random, &METHODS);
    draft.method = method.as_bytes().to_vec();
    Some(Effect::Free)
}

fn odd_path(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let target = String::from_utf8(draft.target.clone()).ok()?;
    let (path, query) = target
        .split_once('?')
        .map_or((target.as_str(), String::new()), |(path, query)| (path, format!("?{query}")));
    let changed = match random.below(14) {
        0 => format!("/{path}"),
        1 => format!("{path}/"),
        2 => format!("/.{path}"),
        3 => path.to_uppercase(),
        4 => format!("{path};x=1"),
        5 => format!("/x/..{path}"),
        6 => path.replacen('/', "//", 2),
        7 => format!("{path}%2f"),
        8 => format!("{path}%00"),
        9 => path.replace('a', "%61"),
        10 => format!("{path}.json"),
        11 => path.trim_end_matches('/').to_owned(),
        12 => format!("{path}%20"),
        _ => {
            path.rsplit_once('/').map_or(path.to_owned(), |(start, end)| format!("{start}/./{end}"))
        }
    };
    draft.target = format!("{changed}{query}").into_bytes();
    Some(Effect::Free)
}

/// A byte that is another one, or gone, or there twice, anywhere in a value or in the content.
fn noise(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let own = around.credential;
    let mut places: Vec<&mut Vec<u8>> = vec![&mut draft.target];
    if !draft.body.is_empty() {
        places.push(&mut draft.body);
    }
    for field in &mut draft.fields {
        // A change to the credential means something and is for other mutators.
        if !field.is("host")
            && !field.is(own)
            && !field.is("content-length")
            && !field.is("transfer-encoding")
        {
            places.push(&mut field.value);
        }
    }
    let which = random.below(places.len());
    let place = &mut *places[which];
    let at = random.below(place.len() + 1);
    let byte = *pick(
        random,
        &[0, 0x7f, 0x80, 0xff, 0xc3, b'%', b'"', b'\'', b'<', b'\\', b'{', b'\t', b'a', 0x1b, b'&'],
    );
    match random.below(3) {
        0 => place.insert(at, byte),
        1 if at < place.len() => drop(place.remove(at)),
        _ if at < place.len() => place[at] = byte,
        _ => place.push(byte),
    }
    Some(Effect::Free)
}

/// A credential that is empty, or of odd bytes.
fn odd_field(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let name = around.credential;
    let (scheme, token) = (around.scheme, around.token);
    let value: Vec<u8> = match random.below(10) {
        0 => Vec::new(),
        1 => scheme.as_bytes().to_vec(),
        2 => format!("{scheme} ").into_bytes(),
        3 => [scheme.as_bytes(), b" \xff\xfe"].concat(),
        4 => [scheme.as_bytes(), b" \xc3\xa4"].concat(),
        5 => [scheme.as_bytes(), b" a\x01b"].concat(),
        6 => format!("{scheme} ' or 1=1 -- ").into_bytes(),
        7 => format!("{scheme} {}", "a.".repeat(40)).into_bytes(),
        8 => format!("{scheme} ../../etc/passwd").into_bytes(),
        _ => format!("{scheme} {}", token.chars().rev().collect::<String>()).into_bytes(),
    };
    draft.fields.retain(|field| !field.is(name));
    draft.fields.push(Field::new(name.as_bytes(), &value));
    Some(Effect::Broken)
}

fn repeated_parameter(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    let parts = form(draft)?;
    let part = pick(random, &parts).clone();
    let name = part.split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
    let value: &[u8] = if random.below(2) == 0 { b"other" } else { b"" };
    draft.body = [&parts.join(&b'&')[..], b"&", &name, b"=", value].concat();
    Some(Effect::Free)
}

fn odd_form_value(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const VALUES: [&[u8]; 14] = [
        b"%00",
        b"%ff",
        b"%",
        b"%zz",
        b"%E2%28%A1",
        b"%0d%0aX:1",
        b"'",
        b"\"",
        b"<script>",
        b"[]",
        b"%u0041",
        b"\xff",
        b"+",
        b"%ED%A0%80",
    ];
    let mut parts = form(draft)?;
    let at = random.below(parts.len());
    let value = *pick(random, &VALUES);
    match random.below(4) {
        0 => {
            let name = parts[at].split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
            parts[at] = [&name, &b"[]="[..], value].concat();
        }
        1 => {
            let name = parts[at].split(|byte| *byte == b'=').next().unwrap_or_default().to_vec();
            parts[at] = [&name, &b"="[..], value].concat();
        }
        2 => parts.push([b"device-info=", value].concat()),
        _ => parts[at].extend_from_slice(value),
    }
    draft.body = parts.join(&b'&');
    Some(Effect::Free)
}

fn odd_json(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const TEXTS: [&str; 8] = [
        "{",
        "[]",
        "null",
        "{\"name\":1}",
        "{\"username\":{}}",
        "\"text\"",
        "{\"a\":1e999}",
        "{\"name\":\"\\ud800\"}",
    ];
    let text =
        if random.below(4) == 0 { "[".repeat(3_000) } else { (*pick(random, &TEXTS)).to_owned() };
    draft.fields.retain(|field| !field.is("content-type"));
    draft.fields.push(Field::new(b"Content-Type", b"application/json"));
    draft.body = text.into_bytes();
    Some(Effect::Free)
}

fn odd_query(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const TEXTS: [&str; 12] = [
        "name=%00",
        "name=",
        "name=a&name=b",
        "%=1",
        "=",
        "&&",
        "name=%ff",
        "name[]=a",
        "name=%0d%0aSet-Cookie:a=b",
        "debug=1",
        "roomId=x",
        "name=<b>",
    ];
    let text = *pick(random, &TEXTS);
    draft.target.push(if draft.target.contains(&b'?') { b'&' } else { b'?' });
    draft.target.extend_from_slice(text.as_bytes());
    Some(Effect::Free)
}

fn odd_media_type(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const TYPES: [&str; 8] = [
        "",
        "text/plain",
        "application/xml",
        "multipart/form-data",
        "multipart/form-data; boundary=x",
        "application/json",
        "a",
        ";",
    ];
    let text = *pick(random, &TYPES);
    draft.field("content-type")?.value = text.as_bytes().to_vec();
    Some(Effect::Free)
}

/// Fields in which a proxy names a user.
fn trusted_proxy(draft: &mut Draft, _: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const NAMES: [&str; 9] = [
        "X-Forwarded-User",
        "X-Remote-User",
        "Remote-User",
        "X-Authenticated-User",
        "X-User",
        "X-Forwarded-For",
        "X-Original-URL",
        "X-Rewrite-URL",
        "Forwarded",
    ];
    let name = *pick(random, &NAMES);
    draft.fields.push(Field::new(name.as_bytes(), b"admin"));
    Some(Effect::Free)
}

/// A good token where nobody looks for one.
fn elsewhere(draft: &mut Draft, around: &Around<'_>, random: &mut Random) -> Option<Effect> {
    const FIELDS: [&str; 12] = [
        "X-Authorization",
        "X_Authorization",
        "HTTP_AUTHORIZATION",
        "Authorization_",
        "X-Auth-Token",
        "X-Api-Key",
        "Api-Key",
        "Proxy-Authorization",
        "X-Access-Token",
        "Token",
        "Access-Token",
        "Authentication",
    ];
    if around.good {
        return None;
    }
    let (token, scheme) = (around.token, around.scheme);
    match random.below(5) {
        0 | 1 => {
            let name = *pick(random, &FIELDS);
            let value =
                if random.below(2) == 0 { format!("{scheme} {token}") } else { token.to_owned() };
            draft.fields.push(Field::new(name.as_bytes(), value.as_bytes()));
        }
        2 => {
            let name = *pick(
                random,
                &["access_token", "token", "accesstoken", "auth", "Authorization", "api_key"],
            );
            draft.target.push(if draft.target.contains(&b'?') { b'&' } else { b'?' });
            let encoded: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
            let twice = random.below(3) == 0;
            let pair = format!("{name}={encoded}");
            draft.target.extend_from_slice(pair.as_bytes());
            if twice {
                draft.target.extend_from_slice(format!("&{pair}").as_bytes());
            }
        }
        3 => {
            let name = *pick(
                random,
                &["token", "access_token", "session", "fastapiusersauth", "Authorization", "auth"],
            );
            draft.fields.push(Field::new(b"Cookie", format!("{name}={token}").as_bytes()));
        }
        _ => {
            draft.fields.retain(|field| !field.is("content-type"));
            if random.below(2) == 0 {
                draft
                    .fields
                    .push(Field::new(b"Content-Type", b"application/x-www-form-urlencoded"));
                draft.body = format!("access_token={token}&token={token}").into_bytes();
            } else {
                draft.fields.push(Field::new(b"Content-Type", b"application/json"));
                draft.body = format!("{{\"access_token\":\"{token}\",\"token\":\"{token}\",\"accesstoken\":\"{token}\"}}").into_bytes();
            }
        }
    }
    Some(Effect::Free)
}
