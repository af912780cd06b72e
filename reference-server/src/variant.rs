//! Variants: where the documents leave a question open, each allowed answer can be switched on.
//!
//! A variant is named `flow.key` and has a fixed list of values; the first is the default. Every value keeps the
//! contract: what breaks it is a [fault](crate::Fault).

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicU8, Ordering};

use thiserror::Error;

use crate::suggestion::{hint, nearest};

macro_rules! variants {
    ($($variant:ident $name:literal [$($value:literal),+ $(,)?] $sentence:literal;)+) => {
        /// One question that the documents leave open.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        #[repr(u8)]
        pub enum Variant {
            $(#[doc = $sentence] $variant,)+
        }

        const TABLE: &[Row] = &[
            $(Row {
                variant: Variant::$variant,
                name: $name,
                values: &[$($value),+],
                sentence: $sentence,
            },)+
        ];
    };
}

struct Row {
    variant: Variant,
    name: &'static str,
    values: &'static [&'static str],
    sentence: &'static str,
}

variants! {
    // gateway-button
    SecondPress "gateway-button.second_press" ["restart", "ignore"]
        "Whether a press inside an open window starts the two minutes again or is ignored.";
    WindowEnd "gateway-button.window_end" ["exclusive", "inclusive"]
        "Whether the moment exactly one window length after the press still belongs to the window.";
    BasicScheme "gateway-button.basic_scheme" ["malformed", "denied"]
        "Whether a `Basic` value counts as malformed (400/-1) or as no accepted token (401/-2).";
    NamePrecedence "gateway-button.name_precedence" ["name", "window"]
        "Which error wins when the name is bad and the window is closed.";
    DuplicateNames "gateway-button.duplicate_names" ["allowed", "refused"]
        "Whether two tokens may carry one name (the default name is always free).";
    RestartWindow "gateway-button.restart_window" ["closed", "kept"]
        "Whether a restart closes an open window.";
    SocketBadHeader "gateway-button.socket_bad_header" ["refuse", "message"]
        "Whether a bad header refuses the handshake or is answered by an error message after it.";
    SocketAfterRevoke "gateway-button.socket_after_revoke" ["closed", "open"]
        "Whether deleting a token ends the sockets that it opened.";
    TokenCase "gateway-button.token_case" ["exact", "insensitive"]
        "Whether the hexadecimal token is compared exactly.";
    LastUsedOfReader "gateway-button.last_used_of_reader" ["after", "before"]
        "Whether a token that asks about itself sees this use or the one before.";
    GatewaySchemeCase "gateway-button.scheme_case" ["insensitive", "exact"]
        "Whether the scheme word may be written in any case (RFC 9110 section 11.1) or only as documented.";
    // channel-login
    AnswerType "channel-login.answer_type" ["text", "json"]
        "Which media type the plain body is declared as; the document names both.";
    FailureStatus "channel-login.failure_status" ["401", "400", "200"]
        "The status of refused credentials; 200 makes every refusal a 200, as an in-band reading of the document.";
    QueryCredentials "channel-login.query_credentials" ["refused", "accepted"]
        "Whether credentials in the query string log in, as the vendor's example shows.";
    FieldCase "channel-login.field_case" ["any", "exact", "lower"]
        "Which spelling of the two field names is accepted.";
    ChannelPreviousToken "channel-login.previous_token" ["replaced", "kept"]
        "What becomes of the token before a new one.";
    TokenWithoutGenerate "channel-login.token_without_generate" ["refused", "minted"]
        "What getToken does for a user who has no current token.";
    TrailingNewline "channel-login.trailing_newline" ["no", "yes"]
        "Whether plain bodies end with a newline.";
    PasswordCase "channel-login.password_case" ["exact", "insensitive"]
        "Whether a password that is a UUID may be written in upper case.";
    ChannelThrottle "channel-login.throttle" ["off", "429"]
        "Whether ten wrong passwords for one name within a minute close it for the rest of that minute.";
    // visitor-login
    EmptyCredentials "visitor-login.empty_credentials" ["missing", "wrong"]
        "Whether an empty user name or password is missing (1157) or wrong (1142).";
    ErrorStatus "visitor-login.error_status" ["4xx", "200"]
        "Whether errors carry a fitting status or, as the vendor's deployment does, always 200.";
    LongDeviceInfo "visitor-login.long_device_info" ["refused", "cut"]
        "Whether device information over 200 characters is refused (2400) or cut.";
    AddHeaderOnly "visitor-login.add_header_only" ["refused", "accepted"]
        "Whether /v1/add/ takes the token from the header when the body has none.";
    VisitorSchemeCase "visitor-login.scheme_case" ["insensitive", "vendor"]
        "Whether the scheme word may be written in any case, or only `Token` and `token`.";
    VisitorUsernameCase "visitor-login.username_case" ["exact", "insensitive"]
        "Whether user names are compared exactly.";
    NoSlash "visitor-login.no_slash" ["redirect", "not_found", "redirect_308"]
        "What a path without its final slash answers: 301, 404 or 308.";
    Branch "visitor-login.branch" ["production", "development"]
        "Whether debug=1 is honoured on failures, as only the development branch does.";
    VisitorThrottle "visitor-login.throttle" ["off", "429"]
        "Whether ten wrong passwords for one name within a minute close it for the rest of that minute.";
    // jwt-login
    MissingGrantType "jwt-login.missing_grant_type" ["refused", "accepted"]
        "Whether a login without grant_type is refused (the document) or accepted (the base library).";
    TrailingSlash "jwt-login.trailing_slash" ["not_found", "redirect"]
        "What a path with a surplus final slash answers: 404, or 307 to the path without it.";
    JwtUsernameCase "jwt-login.username_case" ["insensitive", "exact"]
        "Whether e-mail addresses are compared exactly.";
    TwoAuthorizationHeaders "jwt-login.two_authorization_headers" ["refused", "first"]
        "Whether two Authorization headers are refused or the first counts.";
    PreviousAccessToken "jwt-login.previous_access_token" ["valid", "revoked"]
        "What becomes of the access token after its refresh token was used.";
    RefreshPlace "jwt-login.refresh_place" ["header", "anywhere"]
        "Whether the refresh token may also come in the form, the query or the Authorization header.";
    RotationLifetime "jwt-login.rotation_lifetime" ["sliding", "fixed"]
        "Whether each rotation extends the lifetime of the session or the first login fixes it.";
    RefreshRetry "jwt-login.refresh_retry" ["strict", "grace"]
        "Whether a spent refresh token may be tried once more within ten seconds of its use.";
    Postman "jwt-login.postman" ["on", "off"]
        "Whether the development endpoint postman-refresh exists.";
    ClientId "jwt-login.client_id" ["checked", "ignored"]
        "Whether a client_id sent with a refresh must be the account's own.";
    UnverifiedLogin "jwt-login.unverified_login" ["accepted", "refused"]
        "Whether an unverified user may log in.";
    Logout "jwt-login.logout" ["stateless", "revoking"]
        "Whether logout leaves the access token valid until it expires.";
    Audience "jwt-login.audience" ["array", "string"]
        "The JSON type of the audience claim.";
    Subject "jwt-login.subject" ["sub", "user_id"]
        "The name of the subject claim.";
    RepeatedParameter "jwt-login.repeated_parameter" ["refused", "last"]
        "Whether a repeated form parameter is refused (RFC 6749 section 3.2) or the last counts.";
    Challenge "jwt-login.challenge" ["present", "absent"]
        "Whether a 401 carries WWW-Authenticate; the base library sends none.";
    JwtThrottle "jwt-login.throttle" ["off", "429"]
        "Whether ten wrong passwords for one name within a minute close it for the rest of that minute.";
    // environment-token
    Spelling "environment-token.spelling" ["document", "newer"]
        "Whether bodies use success/data/message or the newer Status/Data/Message.";
    EnvironmentPreviousToken "environment-token.previous_token" ["valid", "replaced"]
        "What becomes of older tokens when a new one is generated.";
    ClientIdForms "environment-token.client_id_forms" ["standard", "lenient"]
        "Whether client-id must be padded standard base64 or may be URL-safe or unpadded.";
    PostGenerate "environment-token.post_generate" ["refused", "served"]
        "Whether POST on generate is 405 or served like GET.";
    Throttle "environment-token.throttle" ["off", "422", "429"]
        "What answers more than ten tokens a minute for one tenant and environment.";
}

const COUNT: usize = TABLE.len();

impl Variant {
    /// All variants, in the order of their flows.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.variant)
    }

    /// Its name, `flow.key`.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What it decides, in one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().sentence
    }

    /// The allowed values; the first is the default.
    #[must_use]
    pub fn values(self) -> &'static [&'static str] {
        self.row().values
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    fn position(self, value: &str) -> Option<u8> {
        let position = self.values().iter().position(|known| *known == value)?;
        u8::try_from(position).ok()
    }
}

impl fmt::Display for Variant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Variant {
    type Err = VariantError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.variant).ok_or_else(|| {
            VariantError::UnknownKey {
                key: name.to_owned(),
                allowed: TABLE.iter().map(|row| row.name).collect(),
                suggestion: nearest(name, TABLE.iter().map(|row| row.name)),
            }
        })
    }
}

/// Why a variant could not be set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum VariantError {
    /// The text is not of the form `flow.key=value`.
    #[error("`{text}` is not a variant: expected `flow.key=value`, for example `{}={}`", TABLE[0].name, TABLE[0].values[1])]
    NoValue {
        /// What was given.
        text: String,
    },
    /// No variant has this name.
    #[error("there is no variant `{key}`{}; the variants are: {}", hint(*suggestion), allowed.join(", "))]
    UnknownKey {
        /// The name that was given.
        key: String,
        /// All names.
        allowed: Vec<&'static str>,
        /// The nearest name, if one is near.
        suggestion: Option<&'static str>,
    },
    /// The variant has no such value.
    #[error("variant `{variant}` has no value `{value}`{}; its values are: {}", hint(*suggestion), variant.values().join(", "))]
    UnknownValue {
        /// The variant.
        variant: Variant,
        /// The value that was given.
        value: String,
        /// The nearest value, if one is near.
        suggestion: Option<&'static str>,
    },
}

/// One value for each variant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variants {
    /// Only what differs from the default, in the order it was set.
    chosen: Vec<(Variant, u8)>,
}

impl Variants {
    /// Sets a variant by name.
    ///
    /// # Errors
    ///
    /// An unknown name or value; the error lists what is allowed.
    pub fn set(&mut self, key: &str, value: &str) -> Result<(), VariantError> {
        let (variant, position) = resolve(key, value)?;
        self.chosen.retain(|(known, _)| *known != variant);
        if position != 0 {
            self.chosen.push((variant, position));
        }
        Ok(())
    }

    /// Sets a variant from `flow.key=value`, as a command line gives it.
    ///
    /// # Errors
    ///
    /// A text without `=`, an unknown name or an unknown value.
    pub fn set_assignment(&mut self, text: &str) -> Result<(), VariantError> {
        let (key, value) =
            text.split_once('=').ok_or_else(|| VariantError::NoValue { text: text.to_owned() })?;
        self.set(key.trim(), value.trim())
    }

    /// The chosen value.
    #[must_use]
    pub fn value(&self, variant: Variant) -> &'static str {
        let position = self
            .chosen
            .iter()
            .find(|(known, _)| *known == variant)
            .map_or(0, |(_, position)| *position);
        variant.values()[usize::from(position)]
    }
}

impl FromStr for Variants {
    type Err = VariantError;

    /// One assignment `flow.key=value`; everything else keeps its default.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut variants = Self::default();
        variants.set_assignment(text)?;
        Ok(variants)
    }
}

/// The variants of a running server: read on every request, changed by the control plane.
#[derive(Debug)]
pub(crate) struct LiveVariants([AtomicU8; COUNT]);

impl LiveVariants {
    pub(crate) fn new(variants: &Variants) -> Self {
        let live = Self(std::array::from_fn(|_| AtomicU8::new(0)));
        live.replace(variants);
        live
    }

    /// Whether `variant` has `value`. A value that the table does not list is a slip in this program.
    pub(crate) fn is(&self, variant: Variant, value: &str) -> bool {
        debug_assert!(variant.position(value).is_some(), "{variant} has no value `{value}`");
        self.value(variant) == value
    }

    pub(crate) fn value(&self, variant: Variant) -> &'static str {
        let position = self.0[variant as usize].load(Ordering::Relaxed);
        variant.values()[usize::from(position)]
    }

    pub(crate) fn set(&self, key: &str, value: &str) -> Result<(), VariantError> {
        let (variant, position) = resolve(key, value)?;
        self.0[variant as usize].store(position, Ordering::Relaxed);
        Ok(())
    }

    pub(crate) fn replace(&self, variants: &Variants) {
        for slot in &self.0 {
            slot.store(0, Ordering::Relaxed);
        }
        for (variant, position) in &variants.chosen {
            self.0[*variant as usize].store(*position, Ordering::Relaxed);
        }
    }
}

fn resolve(key: &str, value: &str) -> Result<(Variant, u8), VariantError> {
    let variant: Variant = key.parse()?;
    match variant.position(value) {
        Some(position) => Ok((variant, position)),
        None => Err(VariantError::UnknownValue {
            variant,
            value: value.to_owned(),
            suggestion: nearest(value, variant.values().iter().copied()),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Flow;

    #[test]
    fn the_table_is_in_order_and_its_names_and_values_are_unique() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.variant as usize, index);
            assert!(TABLE[..index].iter().all(|earlier| earlier.name != row.name));
            let (flow, _) = row.name.split_once('.').unwrap();
            assert!(flow.parse::<Flow>().is_ok(), "{} names no flow", row.name);
            for (at, value) in row.values.iter().enumerate() {
                assert!(!row.values[..at].contains(value));
            }
        }
    }

    #[test]
    fn an_unknown_name_or_value_is_answered_with_what_is_allowed() {
        let mut variants = Variants::default();
        for (text, expected) in [
            ("gateway-button.second_pres=ignore", "did you mean `gateway-button.second_press`?"),
            (
                "gateway-button.second_press=ignroe",
                "did you mean `ignore`?; its values are: restart, ignore",
            ),
            ("gateway-button.second_press", "expected `flow.key=value`"),
            ("nonsense=1", "the variants are: gateway-button.second_press, "),
        ] {
            let error = variants.set_assignment(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        assert_eq!(variants, Variants::default());
    }

    #[test]
    fn the_last_assignment_wins_and_the_default_can_be_set_again() {
        let mut variants: Variants = "jwt-login.logout=revoking".parse().unwrap();
        assert_eq!(variants.value(Variant::Logout), "revoking");
        let live = LiveVariants::new(&variants);
        assert!(live.is(Variant::Logout, "revoking"));
        variants.set("jwt-login.logout", "stateless").unwrap();
        live.replace(&variants);
        assert!(live.is(Variant::Logout, "stateless"));
    }
}
