//! Attack vectors on signed tokens: how each is made from a genuine token.
//!
//! A table in the manner of Wycheproof: an id, a comment, flags, what is expected. Made is nothing here.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use super::one_or_many::OneOrMany;
use crate::source::Template;

/// A file of vectors: `FLOW/vectors.yaml`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawVectors {
    /// The flow whose tokens they are made from.
    pub attacks: String,
    /// The vectors by their permanent ids.
    pub vectors: IndexMap<String, RawVector>,
}

/// A token that is made from a genuine one.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawVector {
    /// What is odd about it, in a sentence.
    pub comment: String,
    /// The kinds of attack that it belongs to; scenarios pick vectors by them.
    pub flags: OneOrMany<String>,
    /// What a right server does with it.
    pub expected: Expected,
    /// Changes to the JOSE header.
    #[serde(default)]
    pub header: RawEdit,
    /// Changes to the payload.
    #[serde(default)]
    pub payload: RawEdit,
    /// The signature; the genuine one without it.
    #[serde(default)]
    pub sign: RawSign,
    /// The parts put together; `${header}.${payload}.${signature}` without it.
    pub token: Option<String>,
}

/// What a right server does with a vector.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// Refuses it.
    Refused,
    /// Accepts it: a positive control for the forging itself.
    Accepted,
    /// Accepts or refuses it, but answers.
    Answered,
}

/// Changes to a JSON object, member by member; values are JSON texts, templates among them.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawEdit {
    /// A whole text in place of the object.
    pub text: Option<String>,
    /// Members that come first, even when the object has them already.
    #[serde(default)]
    pub first: IndexMap<String, String>,
    /// Members that are replaced, or added.
    #[serde(default)]
    pub set: IndexMap<String, String>,
    /// Members that come last, even when the object has them already.
    #[serde(default)]
    pub last: IndexMap<String, String>,
    /// Members that are taken out.
    #[serde(default)]
    pub remove: Vec<String>,
    /// Numbers that are added to members.
    #[serde(default)]
    pub add: IndexMap<String, i64>,
}

/// How a forged token is signed.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawSign {
    /// The algorithm; the genuine signature stays without it.
    pub with: Option<Algorithm>,
    /// The key of an HMAC, as a template; the other algorithms use the harness's own keys.
    pub key: Option<String>,
}

/// An algorithm of RFC 7518 section 3.1.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
pub enum Algorithm {
    /// No signature at all.
    #[serde(rename = "none")]
    None,
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSA with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519 (RFC 8037).
    EdDSA,
}

/// A vector as meant.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Its permanent id.
    pub id: String,
    /// Changes to the header.
    pub header: Edit,
    /// Changes to the payload.
    pub payload: Edit,
    /// The signature.
    pub sign: Sign,
    /// The parts put together.
    pub token: Template,
}

/// Changes to a JSON object as meant.
#[derive(Clone, Debug, Default)]
pub struct Edit {
    /// A whole text in place of the object.
    pub text: Option<Template>,
    /// Members that come first.
    pub first: Vec<(String, Template)>,
    /// Members that are replaced, or added.
    pub set: Vec<(String, Template)>,
    /// Members that come last.
    pub last: Vec<(String, Template)>,
    /// Members that are taken out.
    pub remove: Vec<String>,
    /// Numbers that are added to members.
    pub add: Vec<(String, i64)>,
}

impl Edit {
    /// Whether nothing is changed: the genuine part then stays as it is, byte for byte.
    pub fn is_nothing(&self) -> bool {
        self.text.is_none()
            && self.first.is_empty()
            && self.set.is_empty()
            && self.last.is_empty()
            && self.remove.is_empty()
            && self.add.is_empty()
    }
}

/// A signature as meant.
#[derive(Clone, Debug)]
pub enum Sign {
    /// The one of the genuine token.
    Genuine,
    /// A new one; the key is that of an HMAC.
    New(Algorithm, Template),
}

/// The vectors of a step, and the token that they are made from.
#[derive(Clone, Debug)]
pub struct Forge {
    /// The genuine token.
    pub from: Template,
    /// The vectors.
    pub vectors: Vec<Vector>,
}
