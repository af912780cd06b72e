//! The two kinds of JWT: what they say, how they are signed, and what makes one count.
//!
//! Access tokens and refresh tokens differ in `typ` and in audience, so neither passes for the other (RFC 8725
//! sections 3.11 and 3.12). Time is the server's clock, without leeway.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, crypto};
use serde::{Deserialize, Serialize};

use super::{defect, hs256};
use crate::app::App;
use crate::fault::Fault;
use crate::store::{hex, random};
use crate::variant::Variant;

/// What a JWT is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Access,
    Refresh,
}

impl Kind {
    fn audience(self, app: &App) -> &'static str {
        match self {
            Self::Access if app.faults.has(Fault::AudienceOtherwise) => "fastapi-users:verify",
            Self::Access => "fastapi-users:auth",
            Self::Refresh => "fastapi-users:refresh",
        }
    }

    fn typ(self, app: &App) -> &'static str {
        match self {
            Self::Access if app.faults.has(Fault::TypOtherwise) => "access",
            Self::Access => "JWT",
            Self::Refresh => "refresh+jwt",
        }
    }
}

/// The key, in both forms that signing and verifying ask for.
pub(super) struct Keys {
    signing: EncodingKey,
    verifying: DecodingKey,
    weak_signing: EncodingKey,
    weak_verifying: DecodingKey,
    /// The key itself, for defects that verify by themselves.
    pub(super) raw: [u8; 32],
}

/// The placeholder of the base library's documentation, for the fault that signs with it.
const WEAK_KEY: &[u8] = b"SECRET";

impl std::fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Keys(..)")
    }
}

impl Keys {
    pub(super) fn new(key: Option<[u8; 32]>) -> Self {
        hs256::install();
        let key = key.unwrap_or_else(random);
        Self {
            signing: EncodingKey::from_secret(&key),
            verifying: DecodingKey::from_secret(&key),
            weak_signing: EncodingKey::from_secret(WEAK_KEY),
            weak_verifying: DecodingKey::from_secret(WEAK_KEY),
            raw: key,
        }
    }
}

/// The claims of an issued token (RFC 7519 section 4.1).
#[derive(Debug, Serialize)]
struct Issued<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
    aud: Audience,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Audience {
    fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Several(several) => several.iter().any(|one| one == audience),
        }
    }
}

/// The claims of a presented token. A claim that is there twice is an error of serde's.
#[derive(Debug, Deserialize)]
struct Presented {
    sub: Option<String>,
    user_id: Option<String>,
    aud: Option<Audience>,
    exp: Option<u64>,
    nbf: Option<u64>,
    iat: Option<u64>,
}

/// Who a token is issued to.
pub(super) struct Subject<'a> {
    pub(super) id: Cow<'a, str>,
    pub(super) email: &'a str,
}

/// Signs a token that expires `expires` seconds after the epoch.
pub(super) fn sign(app: &App, kind: Kind, subject: &Subject<'_>, expires: u64) -> String {
    let in_array = app.variants.is(Variant::Audience, "array");
    let as_sub = app.variants.is(Variant::Subject, "sub");
    let repeats = app.faults.has(Fault::TokensRepeatWithinSecond);
    let kind_for_claims = if app.faults.has(Fault::OneKindOfJwt) { Kind::Access } else { kind };
    let audience = kind_for_claims.audience(app).to_owned();
    let second = app.clock.now() / 1000 + u64::from(app.faults.has(Fault::IssuedInFuture));
    let claims = Issued {
        sub: as_sub.then_some(&*subject.id),
        user_id: (!as_sub).then_some(&*subject.id),
        aud: if in_array { Audience::Several(vec![audience]) } else { Audience::One(audience) },
        exp: expires,
        iat: (!repeats).then_some(second),
        jti: (!repeats).then(|| hex(&random::<16>())),
        email: app.faults.has(Fault::ClaimsLeakEmail).then_some(subject.email),
    };
    let mut header = Header::new(Algorithm::HS256);
    header.typ = Some(kind_for_claims.typ(app).to_owned());
    let key = if app.faults.has(Fault::WeakKey) {
        &app.jwt.keys.weak_signing
    } else {
        &app.jwt.keys.signing
    };
    let token = jsonwebtoken::encode(&header, &claims, key)
        .expect("claims of strings and numbers serialise, and the key is an HMAC key");
    defect::tampered(app, token, key)
}

/// The header members that matter; all others are ignored, since nothing in a header may choose a key.
#[derive(Debug, Deserialize)]
struct PresentedHeader {
    alg: String,
    typ: Option<String>,
    crit: Option<serde::de::IgnoredAny>,
    b64: Option<serde::de::IgnoredAny>,
}

/// The subject of a token that counts, or nothing: an unauthorized client learns no reason.
pub(super) fn verify(app: &App, kind: Kind, token: &str) -> Option<String> {
    let token =
        if app.faults.has(Fault::PaddedJwtIssued) { token.trim_end_matches('=') } else { token };
    let (message, signature) = token.rsplit_once('.')?;
    let (header, payload) = message.split_once('.')?;
    if payload.contains('.') {
        return None;
    }
    let decode = |part: &str| {
        if app.faults.has(Fault::PaddedJwtAccepted) {
            return URL_SAFE_NO_PAD.decode(part.trim_end_matches('=')).ok();
        }
        URL_SAFE_NO_PAD.decode(part).ok()
    };
    let header = decode(header)?;
    let repeated = defect::repeated_none(app, &header);
    let header: PresentedHeader = serde_json::from_slice(&header).ok().or_else(|| {
        let last: Option<serde_json::Value> = serde_json::from_slice(&header).ok();
        last.filter(|_| repeated).and_then(|last| serde_json::from_value(last).ok())
    })?;
    let vouched = defect::vouched(app, kind, (message, signature));
    if !repeated && !vouched && !header_counts(app, kind, &header) {
        return None;
    }
    let unsigned =
        header.alg.eq_ignore_ascii_case("none") && app.faults.has(Fault::AlgNoneAccepted);
    let unsigned = unsigned || repeated || vouched;
    if !unsigned && !signature_counts(app, message, signature) {
        return None;
    }
    let claims = defect::as_utf8(app, decode(payload)?);
    let claims: Presented = serde_json::from_slice(&claims).ok()?;
    let now = app.clock.now();
    claims_count(app, kind, &claims, now).then_some(())?;
    let subject =
        if app.variants.is(Variant::Subject, "sub") { claims.sub } else { claims.user_id };
    defect::known(app, subject)
}

fn header_counts(app: &App, kind: Kind, header: &PresentedHeader) -> bool {
    let algorithm = header.alg == "HS256"
        || (app.faults.has(Fault::AlgNoneAccepted) && header.alg.eq_ignore_ascii_case("none"))
        || app.faults.has(Fault::SignatureIgnored);
    let critical = header.crit.is_some() || header.b64.is_some();
    // Access tokens may leave `typ` out (RFC 7519 section 5.1); refresh tokens say what they are.
    let typ = match (kind, header.typ.as_deref()) {
        (Kind::Access, None) => true,
        (Kind::Access, Some(typ)) => typ.eq_ignore_ascii_case(kind.typ(app)),
        (Kind::Refresh, typ) => {
            typ == Some(kind.typ(app))
                || app.faults.has(Fault::OneKindOfJwt)
                || app.faults.has(Fault::AccessTokenRefreshes)
        }
    };
    algorithm
        && (typ || app.faults.has(Fault::RefreshTokenOpens))
        && (!critical || app.faults.has(Fault::CriticalHeaderIgnored))
}

fn signature_counts(app: &App, message: &str, signature: &str) -> bool {
    if app.faults.has(Fault::SignatureIgnored) {
        return true;
    }
    if app.faults.has(Fault::EmptySignatureAccepted) && signature.is_empty() {
        return true;
    }
    let trimmed = if app.faults.has(Fault::PaddedJwtAccepted) {
        signature.trim_end_matches('=')
    } else {
        signature
    };
    let key = if app.faults.has(Fault::WeakKey) {
        &app.jwt.keys.weak_verifying
    } else {
        &app.jwt.keys.verifying
    };
    crypto::verify(trimmed, message.as_bytes(), key, Algorithm::HS256).unwrap_or(false)
}

fn claims_count(app: &App, kind: Kind, claims: &Presented, now: u64) -> bool {
    let leeway = if app.faults.has(Fault::GenerousLeeway) { 600_000 } else { 0 };
    let until = |seconds: u64| seconds.saturating_mul(1000).saturating_add(leeway);
    let live = match claims.exp {
        Some(exp) => now < until(exp),
        None => app.faults.has(Fault::MissingExpiryAccepted),
    };
    let live = live || app.faults.has(Fault::JwtExpiryIgnored);
    let last_minute = claims.exp.is_some_and(|exp| now + 60_000 >= until(exp));
    let live = live
        && !(kind == Kind::Access && last_minute && app.faults.has(Fault::AccessEndsMinuteEarly));
    let begun = [claims.nbf, claims.iat]
        .into_iter()
        .flatten()
        .all(|seconds| seconds.saturating_mul(1000) <= now);
    let audience =
        claims.aud.as_ref().is_some_and(|audience| audience.contains(kind.audience(app)));
    let crossed = app.faults.has(Fault::AudienceIgnored)
        || (kind == Kind::Access && app.faults.has(Fault::RefreshTokenOpens))
        || (kind == Kind::Refresh
            && (app.faults.has(Fault::AccessTokenRefreshes)
                || app.faults.has(Fault::OneKindOfJwt)));
    live && (begun || app.faults.has(Fault::NotBeforeIgnored)) && (audience || crossed)
}
