//! The keys that forged tokens are signed with. They guard nothing.

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use ring::{hmac, rsa};

/// An attacker's key for RSA, made for this project: ring makes none itself.
const OWN_RSA_KEY: &str = include_str!("own_rsa_key.txt");

struct Own {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
    random: SystemRandom,
}

/// The keys, made once; none when the operating system has no randomness.
fn own() -> Option<&'static Own> {
    static OWN: OnceLock<Option<Own>> = OnceLock::new();
    OWN.get_or_init(|| {
        let random = SystemRandom::new();
        let text: String = OWN_RSA_KEY.split_whitespace().collect();
        let rsa = RsaKeyPair::from_pkcs8(&STANDARD.decode(text).ok()?).ok()?;
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(algorithm, &random).ok()?;
        let ec = EcdsaKeyPair::from_pkcs8(algorithm, document.as_ref(), &random).ok()?;
        let document = Ed25519KeyPair::generate_pkcs8(&random).ok()?;
        let ed25519 = Ed25519KeyPair::from_pkcs8(document.as_ref()).ok()?;
        Some(Own { rsa, ec, ed25519, random })
    })
    .as_ref()
}

pub(super) fn hmac(algorithm: hmac::Algorithm, key: &[u8], input: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(algorithm, key), input).as_ref().to_vec()
}

pub(super) fn rsa(input: &[u8]) -> Vec<u8> {
    let Some(own) = own() else {
        return Vec::new();
    };
    let mut signature = vec![0; own.rsa.public().modulus_len()];
    match own.rsa.sign(&RSA_PKCS1_SHA256, &own.random, input, &mut signature) {
        Ok(()) => signature,
        Err(_) => Vec::new(),
    }
}

pub(super) fn ec(input: &[u8]) -> Vec<u8> {
    own()
        .and_then(|own| own.ec.sign(&own.random, input).ok())
        .map(|signature| signature.as_ref().to_vec())
        .unwrap_or_default()
}

pub(super) fn ed25519(input: &[u8]) -> Vec<u8> {
    own().map(|own| own.ed25519.sign(input).as_ref().to_vec()).unwrap_or_default()
}

/// The public half of the RSA key as a JSON Web Key (RFC 7517, RFC 7518 section 6.3).
pub(super) fn rsa_jwk() -> String {
    let Some(own) = own() else {
        return "{}".to_owned();
    };
    let parts: rsa::PublicKeyComponents<Vec<u8>> = own.rsa.public().into();
    let (n, e) = (URL_SAFE_NO_PAD.encode(parts.n), URL_SAFE_NO_PAD.encode(parts.e));
    format!(r#"{{"kty":"RSA","alg":"RS256","use":"sig","kid":"own","n":"{n}","e":"{e}"}}"#)
}

/// The public half of the elliptic key as a JSON Web Key (RFC 7518 section 6.2).
pub(super) fn ec_jwk() -> String {
    let point = own().map(|own| own.ec.public_key().as_ref().to_vec()).unwrap_or_default();
    let coordinate =
        |from: usize| URL_SAFE_NO_PAD.encode(point.get(from..from + 32).unwrap_or(&[]));
    let (x, y) = (coordinate(1), coordinate(33));
    format!(
        r#"{{"kty":"EC","crv":"P-256","alg":"ES256","use":"sig","kid":"own","x":"{x}","y":"{y}"}}"#
    )
}
