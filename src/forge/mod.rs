//! Tokens that nobody issued: signed tokens taken apart, changed, signed again, put together.
//!
//! The harness's own JWT code, on purpose with none of a library's care: it writes what RFC 7515
//! forbids. Nothing is verified here but a guess at a key.

mod guess;
mod keys;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::scenario::{Algorithm, Edit, Sign, Vector};
use crate::source::{Scope, Template};

pub use guess::guess_key;

/// The public halves of the harness's own keys as a JWK set (RFC 7517 section 5).
pub fn own_keys() -> String {
    format!(r#"{{"keys":[{},{}]}}"#, keys::rsa_jwk(), keys::ec_jwk())
}

/// Makes the token of a vector from a genuine one. `scope` has what the scenario has captured.
///
/// # Errors
/// Why it cannot be made, in a sentence: the genuine token is no JWT, or a name has no value.
pub fn forge(genuine: &str, vector: &Vector, scope: &Scope<'_>) -> Result<String, String> {
    let parts: Vec<&str> = genuine.split('.').collect();
    let [header, payload, signature] = parts.as_slice() else {
        return Err("the genuine token is no JWT of three parts".to_owned());
    };
    let mut names = scope.bindings.clone();
    for (name, part) in [("header", header), ("payload", payload), ("signature", signature)] {
        names.insert(format!("genuine.{name}"), (*part).to_owned());
    }
    names.insert("own.rsa_jwk".to_owned(), keys::rsa_jwk());
    names.insert("own.ec_jwk".to_owned(), keys::ec_jwk());
    let header = part(header, &vector.header, &names, scope)?;
    let payload = part(payload, &vector.payload, &names, scope)?;
    let signature = match &vector.sign {
        Sign::Genuine => (*signature).to_owned(),
        Sign::New(algorithm, key) => {
            let key = bytes(key, &names, scope)?;
            let input = format!("{header}.{payload}");
            URL_SAFE_NO_PAD.encode(signature_of(*algorithm, &key, input.as_bytes()))
        }
    };
    names.insert("header".to_owned(), header);
    names.insert("payload".to_owned(), payload);
    names.insert("signature".to_owned(), signature);
    let scope = Scope { bindings: &names, random: scope.random };
    vector.token.carried(&scope).map_err(|error| error.to_string())
}

fn signature_of(algorithm: Algorithm, key: &[u8], input: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::None => Vec::new(),
        Algorithm::HS256 => keys::hmac(ring::hmac::HMAC_SHA256, key, input),
        Algorithm::HS384 => keys::hmac(ring::hmac::HMAC_SHA384, key, input),
        Algorithm::HS512 => keys::hmac(ring::hmac::HMAC_SHA512, key, input),
        Algorithm::RS256 => keys::rsa(input),
        Algorithm::ES256 => keys::ec(input),
        Algorithm::EdDSA => keys::ed25519(input),
    }
}

/// A changed part, in base64url; an unchanged one stays as it is, byte for byte.
fn part(
    genuine: &str,
    edit: &Edit,
    names: &BTreeMap<String, String>,
    scope: &Scope<'_>,
) -> Result<String, String> {
    if edit.is_nothing() {
        return Ok(genuine.to_owned());
    }
    let text = match &edit.text {
        Some(text) => bytes(text, names, scope)?,
        None => object(genuine, edit, names, scope)?,
    };
    Ok(URL_SAFE_NO_PAD.encode(text))
}

fn object(
    genuine: &str,
    edit: &Edit,
    names: &BTreeMap<String, String>,
    scope: &Scope<'_>,
) -> Result<Vec<u8>, String> {
    let no_object = || "a part of the genuine token is no JSON object".to_owned();
    let decoded = URL_SAFE_NO_PAD.decode(genuine).map_err(|_| no_object())?;
    let value: Value = serde_json::from_slice(&decoded).map_err(|_| no_object())?;
    let Value::Object(genuine) = value else {
        return Err(no_object());
    };
    let filled = |members: &[(String, Template)]| -> Result<Vec<(String, Vec<u8>)>, String> {
        members.iter().map(|(name, text)| Ok((name.clone(), bytes(text, names, scope)?))).collect()
    };
    let set = filled(&edit.set)?;
    let mut members = filled(&edit.first)?;
    for (name, value) in &genuine {
        let replaced = set.iter().any(|(other, _)| other == name) || edit.remove.contains(name);
        if !replaced {
            members.push((name.clone(), moved(name, value, edit)?));
        }
    }
    members.extend(set);
    members.extend(filled(&edit.last)?);
    let mut out = b"{".to_vec();
    for (index, (name, value)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(Value::from(name.as_str()).to_string().as_bytes());
        out.push(b':');
        out.extend_from_slice(value);
    }
    out.push(b'}');
    Ok(out)
}

/// A member's JSON text, with the number added that the edit adds to it.
fn moved(name: &str, value: &Value, edit: &Edit) -> Result<Vec<u8>, String> {
    let Some((_, by)) = edit.add.iter().find(|(other, _)| other == name) else {
        return Ok(value.to_string().into_bytes());
    };
    let number =
        value.as_f64().ok_or_else(|| format!("`{name}` is no number in the genuine token"))?;
    #[expect(clippy::cast_precision_loss, reason = "times of some years are exact")]
    let sum = number + *by as f64;
    Ok(format!("{sum:.0}").into_bytes())
}

fn bytes(
    template: &Template,
    names: &BTreeMap<String, String>,
    scope: &Scope<'_>,
) -> Result<Vec<u8>, String> {
    let scope = Scope { bindings: names, random: scope.random };
    template.bytes(&scope).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
