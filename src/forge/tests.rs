//! Forged tokens, held against tokens made by hand.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::scenario::{Algorithm, Edit, Sign, Vector};

/// The example of RFC 7515 appendix A.1 has this key; the token here is made the same way.
const KEY: &str = "a key of this test that is in no dictionary";

fn genuine() -> String {
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
    let payload = URL_SAFE_NO_PAD.encode(r#"{"sub":"alice","exp":1700000000}"#);
    signed(&format!("{header}.{payload}"), KEY)
}

fn signed(input: &str, key: &str) -> String {
    let signature = keys::hmac(ring::hmac::HMAC_SHA256, key.as_bytes(), input.as_bytes());
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn plain(text: &str) -> Template {
    Template::parse(text).unwrap()
}

fn vector() -> Vector {
    Vector {
        id: "v".to_owned(),
        header: Edit::default(),
        payload: Edit::default(),
        sign: Sign::Genuine,
        token: plain("${header}.${payload}.${signature}"),
    }
}

fn made(vector: &Vector) -> String {
    let bindings = BTreeMap::from([("key".to_owned(), KEY.to_owned())]);
    forge(&genuine(), vector, &Scope { bindings: &bindings, random: None }).unwrap()
}

fn text(token: &str, part: usize) -> String {
    let part = token.split('.').nth(part).unwrap();
    String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn an_unchanged_vector_is_the_genuine_token_byte_for_byte() {
    assert_eq!(made(&vector()), genuine());
}

#[test]
fn members_are_replaced_added_doubled_moved_and_taken_out() {
    let member = |name: &str, value: &str| vec![(name.to_owned(), plain(value))];
    for (edit, wanted) in [
        (Edit { set: member("exp", "1e400"), ..Edit::default() }, r#"{"sub":"alice","exp":1e400}"#),
        (
            Edit { first: member("sub", "\"bob\""), ..Edit::default() },
            r#"{"sub":"bob","sub":"alice","exp":1700000000}"#,
        ),
        (
            Edit { last: member("sub", "\"bob\""), ..Edit::default() },
            r#"{"sub":"alice","exp":1700000000,"sub":"bob"}"#,
        ),
        (Edit { remove: vec!["exp".to_owned()], ..Edit::default() }, r#"{"sub":"alice"}"#),
        (
            Edit { add: vec![("exp".to_owned(), -60)], ..Edit::default() },
            r#"{"sub":"alice","exp":1699999940}"#,
        ),
        (Edit { text: Some(plain("[]")), ..Edit::default() }, "[]"),
    ] {
        let token = made(&Vector { payload: edit, ..vector() });
        assert_eq!(text(&token, 1), wanted);
        assert_eq!(token.split('.').next(), genuine().split('.').next(), "the header is untouched");
    }
}

#[test]
fn signing_again_with_the_same_key_gives_the_genuine_token() {
    let sign = Sign::New(Algorithm::HS256, plain("${key}"));
    assert_eq!(made(&Vector { sign, ..vector() }), genuine());
}

#[test]
fn every_algorithm_gives_a_signature_of_its_length() {
    for (algorithm, length) in [
        (Algorithm::None, 0),
        (Algorithm::HS256, 32),
        (Algorithm::HS384, 48),
        (Algorithm::HS512, 64),
        (Algorithm::RS256, 256),
        (Algorithm::ES256, 64),
        (Algorithm::EdDSA, 64),
    ] {
        let token = made(&Vector { sign: Sign::New(algorithm, plain("${key}")), ..vector() });
        let signature = token.split('.').nth(2).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.decode(signature).unwrap().len(), length, "{algorithm:?}");
    }
}

#[test]
fn the_own_keys_are_a_jwk_set_that_verifies_what_they_sign() {
    let set: Value = serde_json::from_str(&own_keys()).unwrap();
    let number = |key: usize, name: &str| {
        URL_SAFE_NO_PAD.decode(set["keys"][key][name].as_str().unwrap()).unwrap()
    };
    let token = made(&Vector { sign: Sign::New(Algorithm::RS256, plain("")), ..vector() });
    let (input, signature) = token.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    ring::signature::RsaPublicKeyComponents { n: number(0, "n"), e: number(0, "e") }
        .verify(&ring::signature::RSA_PKCS1_2048_8192_SHA256, input.as_bytes(), &signature)
        .unwrap();
    assert_eq!((number(1, "x").len(), number(1, "y").len()), (32, 32));
}

#[test]
fn a_token_that_is_no_jwt_cannot_be_forged() {
    let nothing = BTreeMap::new();
    let scope = Scope { bindings: &nothing, random: None };
    assert!(forge("abc", &vector(), &scope).unwrap_err().contains("no JWT"));
    let edit = Edit { remove: vec!["a".to_owned()], ..Edit::default() };
    assert!(forge("a.b.c", &Vector { header: edit, ..vector() }, &scope).is_err());
}

#[test]
fn weak_keys_are_guessed_and_a_good_one_is_not() {
    let input = genuine().rsplit_once('.').unwrap().0.to_owned();
    for (key, shown) in [
        ("SECRET", "\"SECRET\""),
        ("your-256-bit-secret", "\"your-256-bit-secret\""),
        ("changeme123", "\"changeme123\""),
        ("", "the empty key"),
        ("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", "32 bytes of 0x00"),
        ("q7", "\"q7\""),
    ] {
        let found = guess_key(&signed(&input, key));
        // An HMAC pads its key with zero bytes: the empty key and a row of them are one key.
        let same = found.as_deref() == Some(shown) || key.bytes().all(|byte| byte == 0);
        assert!(found.is_some() && same, "{key:?}: {found:?}");
    }
    assert_eq!(guess_key(&genuine()), None);
    assert_eq!(guess_key("no.jwt"), None);
}
