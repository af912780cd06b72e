//! Faults: deliberate defects, one at a time, that a conformance tool must notice.
//!
//! Adding one takes two places: a row of the table below, and one `if app.faults.has(Fault::X)` where it acts.
//! Defects of the HTTP layer that every flow shares act in [`effect`]. No handler exists twice.

mod effect;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use thiserror::Error;

use crate::suggestion::{hint, nearest};

pub(crate) use effect::{
    Memory, breaks_on, from_base64, html_error, query_token, stack_trace, tamper,
    tampered_credentials,
};

macro_rules! faults {
    ($($fault:ident $name:literal $needs:literal [$($clause:literal),+ $(,)?]
        $(with [$($variant:literal),+])? $sentence:literal;)+) => {
        /// One deliberate defect.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        #[repr(u16)]
        pub enum Fault {
            $(#[doc = $sentence] $fault,)+
        }

        const TABLE: &[Row] = &[
            $(Row {
                fault: Fault::$fault,
                name: $name,
                needs: $needs,
                clauses: &[$($clause),+],
                variants: &[$($($variant),+)?],
                sentence: $sentence,
            },)+
        ];
    };
}

struct Row {
    fault: Fault,
    name: &'static str,
    needs: &'static str,
    clauses: &'static [&'static str],
    variants: &'static [&'static str],
    sentence: &'static str,
}

// Needs, beyond plain HTTP: btn a button press, clk a clock, acct2 a second account, state a change of an account,
// env2 both environments, key the signing key, raw a raw socket, ws a WebSocket, load concurrency or many samples,
// boot a restart, fault the failing database.
faults! {
    // Every flow: the Authorization header.
    AnySchemeAccepted "any-scheme-accepted" "" ["BTN-45", "VMS-30", "JWT-59", "SUC-19", "CHN-16"]
        "Any scheme word before a valid token is accepted.";
    ChallengeErrorWithoutToken "challenge-error-without-token" "" ["X-04"]
        "A 401 names the error invalid_token although no token was presented.";
    CookieTokenAccepted "cookie-token-accepted" "" ["BTN-47", "VMS-43", "JWT-27", "X-71"]
        "A token in any cookie is accepted in place of the header.";
    EitherHeaderAccepted "either-header-accepted" "raw" ["X-12"]
        "Of two Authorization headers the last one counts, unnoticed.";
    NoChallenge "no-challenge" "" ["X-01", "X-02", "CHN-17"]
        "A 401 carries no WWW-Authenticate header.";
    QueryTokenAccepted "query-token-accepted" "" ["X-36", "BTN-47", "JWT-58"]
        "A token in the query parameter access_token is accepted.";
    QueryTokenOverridesHeader "query-token-overrides-header" "" ["X-37"]
        "A good token in the query rescues a bad one in the header.";
    SchemeCaseSensitive "scheme-case-sensitive" "" ["X-08", "JWT-60"]
        "The scheme word is only accepted as documented, letter for letter.";
    SchemeGlued "scheme-glued" "" ["X-09", "BTN-42"]
        "The scheme word is accepted without a space before the token.";
    SpacesRefused "spaces-refused" "" ["X-09", "JWT-60"]
        "More than one space between scheme and token is refused.";
    StickyConnection "sticky-connection" "raw" ["X-19"]
        "A request without a token is judged by the token of an earlier one on the same connection.";
    TabAccepted "tab-accepted" "raw" ["X-09"]
        "A tab between scheme and token is accepted.";
    TokenSuffixIgnored "token-suffix-ignored" "" ["BTN-44", "VMS-31", "SUC-24", "CHN-16"]
        "Anything after the length of a real token is ignored.";
    // Every flow: answers.
    CacheableToken "cacheable-token" "" ["X-20", "CHN-37", "JWT-06", "SUC-34", "X-41"]
        "Answers that carry a token allow every cache to keep them.";
    CorsReflected "cors-reflected" "" ["X-72"]
        "Any Origin is reflected together with credentials.";
    HtmlErrors "html-errors" "" ["BTN-70", "VMS-37", "X-11"]
        "Unknown paths and wrong methods answer with a page of HTML.";
    HeadMints "head-mints" "btn" ["BTN-10", "SUC-33", "X-13"]
        "HEAD on a generating path mints a token.";
    NoAllow "no-allow" "" ["X-06", "JWT-22"]
        "A 405 does not list the allowed methods.";
    NoPragma "no-pragma" "" ["X-21"]
        "Answers that carry a token lack Pragma: no-cache.";
    ServerErrorOnLongToken "server-error-on-long-token" "" ["X-68", "X-16", "JWT-56"]
        "A token of more than 1024 bytes is answered by a 500.";
    ServerErrorOnOddBytes "server-error-on-odd-bytes" "raw" ["X-68"]
        "Bytes beyond ASCII in the Authorization header are answered by a 500.";
    SetsCookie "sets-cookie" "" ["JWT-26"]
        "Answers that carry a token set a session cookie.";
    StackTrace "stack-trace" "" ["X-67"]
        "Errors outside the contract show a stack trace with file names.";
    TokenEchoed "token-echoed" "" ["X-66", "BTN-49"]
        "A refused token is repeated in the answer.";
    WrongContentType "wrong-content-type" "" ["X-11", "VMS-18", "JWT-05"]
        "JSON is declared as text/html.";
    // Every flow: accounts and tokens.
    FastUnknownUser "fast-unknown-user" "load" ["X-65", "JWT-95", "VMS-45"]
        "An unknown user is refused before any password is hashed.";
    PasswordTrimmed "password-trimmed" "" ["JWT-25", "CHN-31"]
        "Spaces around a password are ignored.";
    RepeatedFieldAccepted "repeated-field-accepted" "" ["X-24", "JWT-21", "VMS-41"]
        "Of a repeated form field the last one counts.";
    SequentialTokens "sequential-tokens" "btn load" ["X-60", "X-62"]
        "Gateway tokens are made of the time and a counter.";
    ShortTokens "short-tokens" "load" ["X-60", "X-61", "BTN-17"]
        "Tokens hold sixteen random bits; the rest is padding.";
    SuccessOnFailure "success-on-failure" "" ["VMS-10", "VMS-16", "SUC-13", "SUC-16"]
        "A failure says that it is a success.";
    UnknownUserTold "unknown-user-told" "" ["X-64", "VMS-11", "JWT-10"]
        "An unknown user is told apart from a wrong password.";
    // gateway-button
    AbsentIsMalformed "absent-is-malformed" "" ["BTN-43"]
        "A request without a token is answered as malformed.";
    BadNameConsumesWindow "bad-name-consumes-window" "btn" ["BTN-09"]
        "A refused name uses the window up.";
    Base64TokenAccepted "base64-token-accepted" "btn" ["BTN-41"]
        "A token encoded once more in base64, as version 1 had it, is accepted.";
    ButtonNotNeeded "button-not-needed" "" ["BTN-01", "BTN-02"]
        "A token is issued without any press.";
    CreationDateWithZone "creation-date-with-zone" "btn" ["BTN-24"]
        "Dates carry a zone.";
    DeleteKeepsToken "delete-keeps-token" "btn" ["BTN-55"]
        "A deleted token still works.";
    DeleteRevokesAll "delete-revokes-all" "btn" ["BTN-56", "BTN-37"]
        "Deleting one token deletes all.";
    DenialOpensWindow "denial-opens-window" "" ["BTN-11"]
        "A refused generate opens the window for the next one.";
    DoublePressTwice "double-press-twice" "btn" ["BTN-05"]
        "A double press allows two tokens.";
    LastUsedNeverSet "last-used-never-set" "btn" ["BTN-53"]
        "The last use of a token is never noted.";
    MalformedIsDenied "malformed-is-denied" "" ["BTN-42", "BTN-32"]
        "A malformed Authorization value is answered as a denied token.";
    NewTokenRevokesOld "new-token-revokes-old" "btn" ["BTN-35"]
        "A new token ends all older ones.";
    PostConsumesWindow "post-consumes-window" "btn" ["BTN-34"]
        "Generating with a token uses an open window up.";
    PostNeedsWindow "post-needs-window" "btn" ["BTN-30"]
        "Generating with a token is refused outside the window.";
    PressQueued "press-queued" "btn" ["BTN-05", "BTN-07"]
        "One press allows two tokens, one after the other.";
    ReturnCodeAsText "return-code-as-text" "" ["BTN-70"]
        "The returnCode of an error is a string.";
    SameTokenEveryTime "same-token-every-time" "btn" ["BTN-35", "X-61"]
        "Every generate returns the same token.";
    SecondPressIgnored "second-press-ignored" "btn clk" ["BTN-08"]
        "A second press leaves the window as it is, whatever the variant says.";
    StatusMemberDiffers "status-member-differs" "" ["BTN-46"]
        "The member status of an error is 200.";
    TokenShownAgain "token-shown-again" "btn" ["BTN-50", "BTN-51"]
        "A token's text is shown again after its creation.";
    TokensLostOnRestart "tokens-lost-on-restart" "btn boot" ["BTN-62"]
        "A restart forgets all tokens.";
    UnknownTokenGenerates "unknown-token-generates" "" ["BTN-32"]
        "An unknown token is enough to generate another.";
    WindowNeverExpires "window-never-expires" "btn clk" ["BTN-04"]
        "The window stays open until it is used.";
    WindowNotClosed "window-not-closed" "btn" ["BTN-05", "BTN-07"]
        "A generated token leaves the window open.";
    WindowRace "window-race" "btn load" ["BTN-07"]
        "Two requests at the same moment both pass one window.";
    WindowSurvivesRestart "window-survives-restart" "btn boot" ["BTN-15"]
        "A restart leaves the window open, whatever the variant says.";
    WindowTooLong "window-too-long" "btn clk" ["BTN-04"]
        "The window lasts a second too long.";
    WindowTooShort "window-too-short" "btn clk" ["BTN-04"]
        "The window lasts a second too short.";
    WrongCount "wrong-count" "btn" ["BTN-51"]
        "The list counts one token too many.";
    WrongMessage "wrong-message" "" ["BTN-43"]
        "Error messages are written in other letters.";
    WrongReturnCode "wrong-return-code" "btn" ["BTN-16", "BTN-71"]
        "A new token comes with the returnCode of another endpoint.";
    // gateway-button: sockets
    PingResetsSocketTimer "ping-resets-socket-timer" "ws clk" ["X-83"]
        "A ping starts the socket's twenty seconds again.";
    SocketClosesInSilence "socket-closes-in-silence" "ws" ["BTN-84", "BTN-85", "BTN-86"]
        "A socket is closed without an error message.";
    SocketNeverTimesOut "socket-never-times-out" "ws clk" ["BTN-83"]
        "A socket without a token stays open.";
    SocketNewsBeforeToken "socket-news-before-token" "ws" ["BTN-87"]
        "Notifications reach sockets that have no token.";
    SocketOrdersBeforeToken "socket-orders-before-token" "ws" ["BTN-87"]
        "The orders are sent before the token has come.";
    SocketQueryToken "socket-query-token" "ws btn" ["BTN-88"]
        "A token in the socket's query authenticates it.";
    // channel-login
    BlockedAccountGetsToken "blocked-account-gets-token" "state" ["CHN-08"]
        "A blocked account is given a token.";
    BlockedTokenStillWorks "blocked-token-still-works" "state" ["CHN-33"]
        "The token of a blocked account still works.";
    ChannelGetGenerates "channel-get-generates" "" ["CHN-29", "X-30"]
        "GET generates a token from the query.";
    ChannelJsonAccepted "channel-json-accepted" "" ["CHN-28"]
        "A JSON body logs in.";
    ChannelLiteralsCapitalised "channel-literals-capitalised" "" ["CHN-06", "CHN-10"]
        "Refusals are written as a sentence, with a capital and a full stop.";
    ChannelTokenDeadAtOnce "channel-token-dead-at-once" "" ["CHN-15", "CHN-19"]
        "An issued token is never stored.";
    ChannelTokenNeverExpires "channel-token-never-expires" "clk" ["CHN-18"]
        "Tokens never expire.";
    ChannelTokenNotHeaderSafe "channel-token-not-header-safe" "" ["CHN-12"]
        "Tokens hold a space, which no header can carry.";
    ChannelTokenQuoted "channel-token-quoted" "" ["CHN-02", "CHN-12"]
        "The token comes in quotation marks.";
    GetTokenMints "get-token-mints" "" ["CHN-22"]
        "getToken makes a new token each time.";
    StateBeforePassword "state-before-password" "state" ["CHN-09"]
        "A wrong password on a blocked account tells its state.";
    UsernameFolded "username-folded" "" ["CHN-07"]
        "Channel user names are compared without their case.";
    // visitor-login
    DebugAlways "debug-always" "" ["VMS-24"]
        "Failures carry debug output without being asked.";
    DebugByAnyValue "debug-by-any-value" "" ["VMS-27"] with ["visitor-login.branch=development"]
        "On the development branch any value but 0 asks for debug output.";
    DebugInProduction "debug-in-production" "" ["VMS-25"]
        "Debug output is given in production.";
    DeviceInfoBreaksServer "device-info-breaks-server" "" ["VMS-21", "X-68"]
        "Over-long device information is a server error.";
    DeviceInfoInBytes "device-info-in-bytes" "" ["VMS-20"]
        "The length of device information is counted in bytes.";
    DeviceInfoLimitShort "device-info-limit-short" "" ["VMS-20"]
        "Device information of 200 characters is refused.";
    ErrorCodeNumber "error-code-number" "" ["VMS-14"]
        "Error codes are numbers.";
    ErrorsArray "errors-array" "" ["VMS-14"]
        "The member errors is an array.";
    ErrorsBesideData "errors-beside-data" "" ["VMS-16"]
        "A success carries errors as well.";
    ExpiredTokenTold "expired-token-told" "clk" ["VMS-32"]
        "An expired token is told apart from an unknown one.";
    ExpiryIsDuration "expiry-is-duration" "" ["VMS-04"]
        "The expiry is a duration in place of a timestamp.";
    ExpiryMilliseconds "expiry-milliseconds" "" ["VMS-04"]
        "The expiry is in milliseconds.";
    ExpiryText "expiry-text" "" ["VMS-02"]
        "The expiry is a string.";
    LoginRevokesOthers "login-revokes-others" "" ["VMS-06"]
        "A login ends the tokens of all earlier ones.";
    PasswordTailIgnored "password-tail-ignored" "" ["X-74", "VMS-47"]
        "Only the first 72 bytes of a password count.";
    SlashlessLogin "slashless-login" "" ["VMS-07"]
        "The path without its final slash logs in.";
    SqlShown "sql-shown" "fault" ["VMS-44", "X-67"]
        "A database failure shows its statement.";
    SuccessText "success-text" "" ["VMS-02"]
        "The member success is a string.";
    VisitorQueryLogin "visitor-query-login" "" ["VMS-19", "X-30"]
        "Credentials in the query log in.";
    VisitorTokenEndsEarly "visitor-token-ends-early" "clk" ["VMS-33"]
        "Tokens end a day before their expiry.";
    VisitorTokenOutlivesExpiry "visitor-token-outlives-expiry" "clk" ["VMS-32", "VMS-33"]
        "Tokens live a day past their expiry.";
    // jwt-login: access tokens
    AccessExpiresEarly "access-expires-early" "" ["JWT-32"]
        "Access tokens expire after half of what expires_in says.";
    AlgNoneAccepted "alg-none-accepted" "" ["JWT-43", "X-50"]
        "Tokens whose algorithm is none are accepted.";
    AudienceIgnored "audience-ignored" "key" ["JWT-51", "X-54"]
        "The audience of a token is not checked.";
    ClaimsLeakEmail "claims-leak-email" "" ["JWT-35"]
        "The claims hold the user's e-mail address.";
    CriticalHeaderIgnored "critical-header-ignored" "key" ["JWT-55"]
        "Critical header members that are not understood are ignored.";
    EmptySignatureAccepted "empty-signature-accepted" "" ["JWT-44"]
        "A token without its signature is accepted.";
    GenerousLeeway "generous-leeway" "clk" ["JWT-49", "X-53"]
        "Tokens are accepted for ten minutes past their expiry.";
    InactiveTokenAccepted "inactive-token-accepted" "state" ["JWT-54"]
        "The token of a deactivated user still works.";
    JwtExpiryIgnored "jwt-expiry-ignored" "clk" ["JWT-49", "X-53"]
        "The expiry of a JWT is not checked.";
    MissingExpiryAccepted "missing-expiry-accepted" "key" ["JWT-50"]
        "A token without an expiry is accepted.";
    NotBeforeIgnored "not-before-ignored" "key" ["JWT-52", "X-53"]
        "Tokens from the future are accepted.";
    PaddedJwtAccepted "padded-jwt-accepted" "" ["JWT-57"]
        "Padded base64url is accepted.";
    SignatureIgnored "signature-ignored" "" ["JWT-44", "JWT-45", "X-51"]
        "The signature of a token is not checked.";
    TokensRepeatWithinSecond "tokens-repeat-within-second" "" ["JWT-39"]
        "Two tokens of one second are identical.";
    WeakKey "weak-key" "" ["JWT-47", "X-52"]
        "Tokens are signed with a key from a tutorial.";
    // jwt-login: login and refresh
    AccessTokenRefreshes "access-token-refreshes" "" ["JWT-38", "X-56"]
        "An access token is accepted as a refresh token.";
    ExpiresInText "expires-in-text" "" ["JWT-04", "JWT-02"]
        "The lifetime of a token is a string.";
    ExpiresInWrong "expires-in-wrong" "" ["JWT-04", "JWT-32"]
        "The lifetime of a token is given as a day.";
    GrantTypeIgnored "grant-type-ignored" "" ["JWT-07", "JWT-08"]
        "Any grant_type logs in.";
    InactiveAccountLogsIn "inactive-account-logs-in" "state" ["JWT-11"]
        "A deactivated user logs in.";
    InactiveAccountRefreshes "inactive-account-refreshes" "state" ["JWT-85"]
        "A deactivated user refreshes.";
    InactiveAccountTold "inactive-account-told" "state" ["JWT-11", "X-64"]
        "A deactivated user is told so.";
    JwtJsonLogin "jwt-json-login" "" ["JWT-15"]
        "A JSON body logs in.";
    JwtQueryLogin "jwt-query-login" "" ["JWT-16", "X-30"]
        "Credentials in the query log in.";
    OneKindOfJwt "one-kind-of-jwt" "" ["JWT-37", "X-56"]
        "Access tokens and refresh tokens are of one kind.";
    PostmanReusesToken "postman-reuses-token" "" ["JWT-91"]
        "The development endpoint accepts spent refresh tokens.";
    RefreshChangesSubject "refresh-changes-subject" "acct2" ["JWT-80", "X-32"]
        "A refreshed token belongs to the first account.";
    RefreshEqualsAccess "refresh-equals-access" "" ["JWT-36"]
        "The refresh token is the access token.";
    RefreshNeverExpires "refresh-never-expires" "clk" ["JWT-74", "X-34"]
        "Refresh tokens never expire.";
    RefreshRace "refresh-race" "load" ["JWT-76"]
        "Two refreshes at the same moment both succeed.";
    RefreshReusable "refresh-reusable" "" ["JWT-73", "X-33"]
        "A refresh token works again and again.";
    RefreshTokenOpens "refresh-token-opens" "" ["JWT-37", "X-56"]
        "A refresh token is accepted as an access token.";
    RefusedRefreshSpends "refused-refresh-spends" "acct2" ["JWT-72"]
        "A refresh that is refused for its client uses the token up.";
    ReplayKeepsFamily "replay-keeps-family" "" ["JWT-75"]
        "A spent refresh token that comes back ends nothing.";
    SameRefreshToken "same-refresh-token" "" ["JWT-72"]
        "A refresh returns the refresh token it was given.";
    TokenTypeWrong "token-type-wrong" "" ["JWT-03"]
        "The token type is another word than bearer.";
    // environment-token
    AppIdRequired "app-id-required" "" ["SUC-20"]
        "Validation wants an app-id.";
    EitherSecretAccepted "either-secret-accepted" "env2" ["SUC-08"]
        "The secret of the other environment is accepted.";
    EnvironmentTokenNeverExpires "environment-token-never-expires" "clk" ["SUC-17", "SUC-25"]
        "Tokens never expire.";
    ExpireInLies "expire-in-lies" "clk" ["SUC-25"]
        "Tokens live half as long as they say.";
    ExpireInNumber "expire-in-number" "" ["SUC-04"]
        "The member expire_in is a number.";
    MixedSpelling "mixed-spelling" "" ["SUC-37", "SUC-02"]
        "One answer mixes both spellings of its members.";
    OtherEnvironmentAccepted "other-environment-accepted" "env2" ["SUC-22", "X-40"]
        "A token of one environment is accepted by the other.";
    PlainDomainAccepted "plain-domain-accepted" "" ["SUC-09"]
        "The plain domain is accepted as client-id.";
    PrefixCosmetic "prefix-cosmetic" "env2" ["SUC-23"]
        "The prefix of a token can be swapped or left out.";
    QuerySecretAccepted "query-secret-accepted" "" ["SUC-30", "X-30"]
        "Credentials in the query generate a token.";
    SecretEchoed "secret-echoed" "" ["X-66"]
        "A refusal repeats the client-secret.";
    SecretNotChecked "secret-not-checked" "" ["SUC-11"]
        "Any client-secret is accepted.";
    TokenTypeLowerCase "token-type-lower-case" "" ["SUC-03"]
        "The token type is written in lower case.";
    ValidationExtends "validation-extends" "clk" ["SUC-28"]
        "Each validation extends the life of a token.";
    WrongPrefix "wrong-prefix" "" ["SUC-06", "SUC-05"]
        "Tokens carry the prefix of the other environment.";
}

const COUNT: usize = TABLE.len();

impl Fault {
    /// All faults, in the order of their flows.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.fault)
    }

    /// Its name: words with hyphens.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// What is wrong, in one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().sentence
    }

    /// The clauses it breaks, the plainest first.
    #[must_use]
    pub fn clauses(self) -> &'static [&'static str] {
        self.row().clauses
    }

    /// The variants, `flow.key=value`, with which it shows; without them a server with it keeps its contract.
    #[must_use]
    pub fn variants(self) -> &'static [&'static str] {
        self.row().variants
    }

    /// What is needed to see it beyond plain HTTP: none or more of `btn`, `clk`, `acct2`, `state`, `env2`, `key`,
    /// `raw`, `ws`, `load`, `boot` and `fault`.
    pub fn needs(self) -> impl Iterator<Item = &'static str> {
        self.row().needs.split_whitespace()
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.fault).ok_or_else(|| FaultError {
            name: name.to_owned(),
            suggestion: nearest(name, TABLE.iter().map(|row| row.name)),
        })
    }
}

/// A name that is no fault's.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no fault `{name}`{}", hint(*suggestion))]
pub struct FaultError {
    name: String,
    suggestion: Option<&'static str>,
}

/// The faults of a running server: one bit each, read with a relaxed load, so that a server without faults pays
/// next to nothing for being able to have them.
#[derive(Debug)]
pub(crate) struct Faults {
    any: AtomicBool,
    bits: [AtomicU64; COUNT.div_ceil(64)],
}

impl Faults {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        let new =
            Self { any: AtomicBool::new(false), bits: std::array::from_fn(|_| AtomicU64::new(0)) };
        new.replace(faults);
        new
    }

    /// Whether any fault is installed.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    pub(crate) fn has(&self, fault: Fault) -> bool {
        let bits = self.bits[fault as usize / 64].load(Ordering::Relaxed);
        bits >> (fault as usize % 64) & 1 == 1
    }

    pub(crate) fn install(&self, fault: Fault) {
        self.bits[fault as usize / 64].fetch_or(1 << (fault as usize % 64), Ordering::Relaxed);
        self.any.store(true, Ordering::Relaxed);
    }

    pub(crate) fn replace(&self, faults: &[Fault]) {
        self.any.store(false, Ordering::Relaxed);
        for bits in &self.bits {
            bits.store(0, Ordering::Relaxed);
        }
        for fault in faults {
            self.install(*fault);
        }
    }

    pub(crate) fn installed(&self) -> Vec<Fault> {
        Fault::all().filter(|fault| self.has(*fault)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_order_and_its_names_are_the_variants_in_kebab_case() {
        for (index, row) in TABLE.iter().enumerate() {
            assert_eq!(row.fault as usize, index);
            let mut kebab = String::new();
            for character in format!("{:?}", row.fault).chars() {
                if character.is_ascii_uppercase() && !kebab.is_empty() {
                    kebab.push('-');
                }
                kebab.push(character.to_ascii_lowercase());
            }
            assert_eq!(row.name.replace('-', ""), kebab.replace('-', ""));
            assert!(row.sentence.ends_with('.'));
            assert!(row.name.parse::<Fault>() == Ok(row.fault));
        }
        const { assert!(COUNT >= 100) };
    }

    #[test]
    fn installing_one_fault_installs_no_other() {
        for fault in Fault::all() {
            let faults = Faults::new(&[fault]);
            assert_eq!(faults.installed(), [fault]);
            faults.replace(&[]);
            assert!(!faults.any() && !faults.has(fault));
        }
    }

    #[test]
    fn an_unknown_name_is_answered_with_the_nearest() {
        let error = "weak-kye".parse::<Fault>().unwrap_err().to_string();
        assert_eq!(error, "there is no fault `weak-kye`; did you mean `weak-key`?");
    }
}
