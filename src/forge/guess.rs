//! Guesses at the key of an issued token, offline: the harness holds signature and input.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;

/// Keys of tutorials, templates and careless hands, one a line.
const DICTIONARY: &str = include_str!("weak_keys.txt");

/// The key of an HMAC-signed token, when it is a well-known or a tiny one (RFC 7518 section 3.2 asks
/// for as many bits as the hash has; RFC 8725 section 3.5 forbids human passwords).
///
/// Tried are the dictionary, each of its words once or twice in lower and upper case and with usual
/// endings, a row of 16, 32 or 64 equal bytes, and every key of up to two bytes.
pub fn guess_key(token: &str) -> Option<String> {
    let (input, signature) = token.rsplit_once('.')?;
    let header = URL_SAFE_NO_PAD.decode(input.split('.').next()?).ok()?;
    let header: serde_json::Value = serde_json::from_slice(&header).ok()?;
    let algorithm = match header.get("alg")?.as_str()? {
        "HS256" => hmac::HMAC_SHA256,
        "HS384" => hmac::HMAC_SHA384,
        "HS512" => hmac::HMAC_SHA512,
        _ => return None,
    };
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let fits = |key: &[u8]| {
        hmac::verify(&hmac::Key::new(algorithm, key), input.as_bytes(), &signature).is_ok()
    };
    candidates().find(|key| fits(key)).map(|key| shown(&key))
}

fn candidates() -> impl Iterator<Item = Vec<u8>> {
    let words = DICTIONARY.lines().filter(|line| !line.starts_with("# ")).flat_map(forms);
    let rows = [16, 32, 64]
        .into_iter()
        .flat_map(|length| (0..=u8::MAX).map(move |byte| vec![byte; length]));
    let short = std::iter::once(Vec::new())
        .chain((0..=u8::MAX).map(|byte| vec![byte]))
        .chain((0..=u16::MAX).map(|two| two.to_be_bytes().to_vec()));
    words.chain(rows).chain(short)
}

/// A word in the forms in which people use it.
fn forms(word: &str) -> Vec<Vec<u8>> {
    let plain = [word.to_owned(), word.to_lowercase(), word.to_uppercase(), word.repeat(2)];
    let endings = ["1", "123", "!", "_key", "-key", "_secret", "\n"];
    let ended = endings.iter().map(|ending| format!("{word}{ending}"));
    plain.into_iter().chain(ended).map(String::into_bytes).collect()
}

fn shown(key: &[u8]) -> String {
    match key {
        [] => "the empty key".to_owned(),
        [first, rest @ ..] if rest.len() > 2 && rest.iter().all(|byte| byte == first) => {
            format!("{} bytes of {first:#04x}", key.len())
        }
        _ => match std::str::from_utf8(key) {
            Ok(text) => format!("{text:?}"),
            Err(_) => format!("{key:02x?}"),
        },
    }
}
