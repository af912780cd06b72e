//! Faults: deliberate defects, one at a time, that a conformance tool must notice.
//!
//! Adding one takes two places: a row of the table below, and one `if app.faults.has(Fault::X)` where it acts.
//! Defects of the HTTP layer that every flow shares act in [`effect`]. No handler exists twice.

mod effect;
mod rewrite;
mod route;
mod wire;

use std::fmt;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use thiserror::Error;

use crate::suggestion::{hint, nearest};

pub(crate) use effect::{
    Memory, absolute_redirect, breaks_on, from_base64, html_error, markup, query_token,
    stack_trace, tamper, tampered_credentials, trace,
};
pub(crate) use rewrite::rewrite;
pub(crate) use route::served_by_defect;
pub(crate) use wire::{tamper_bytes, with_body_token};

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
    AnyCredentialCounts "any-credential-counts" "btn raw" ["X-12", "BTN-42"]
        "Of several credentials in the header of the gateway, any good one counts.";
    AnySchemeAccepted "any-scheme-accepted" "" ["BTN-45", "VMS-30", "JWT-59", "SUC-19", "CHN-16", "BTN-42"]
        "Any scheme word before a valid token is accepted.";
    AnyWordAccepted "any-word-accepted" "raw" ["X-12"]
        "Any good token among the words of the header is enough.";
    BareTokenAccepted "bare-token-accepted" "" ["CHN-16", "X-09", "BTN-42"]
        "A token without any scheme word is accepted.";
    BodyTokenOverridesHeader "body-token-overrides-header" "" ["X-37", "JWT-41", "VMS-29", "SUC-36"]
        "A token in the body of a GET takes the place of the header.";
    ChallengeErrorWithoutToken "challenge-error-without-token" "" ["X-04"]
        "A 401 names the error invalid_token although no token was presented.";
    ChallengeOddCharacters "challenge-odd-characters" "" ["X-05"]
        "The challenge describes its error with a backslash in it.";
    ChallengeParameterTwice "challenge-parameter-twice" "" ["X-05"]
        "A challenge names its realm twice.";
    ChallengeWithoutError "challenge-without-error" "" ["X-03"]
        "The challenge to a bad token names no error.";
    ConnectionTrusted "connection-trusted" "raw" ["X-19"]
        "A connection that was let in once is let in with any header.";
    ControlBytesDropped "control-bytes-dropped" "raw" ["X-17"]
        "Null bytes in the head of a request are dropped.";
    ControlCharactersDropped "control-characters-dropped" "raw" ["X-68", "X-17"]
        "Control characters in the head of a request are dropped.";
    CookieOverridesHeader "cookie-overrides-header" "" ["X-37", "X-71"]
        "A good token in a cookie rescues a bad one in the header.";
    CookieTokenAccepted "cookie-token-accepted" "" ["BTN-47", "VMS-43", "JWT-27", "X-71", "CHN-16"]
        "A token in any cookie is accepted in place of the header.";
    CrossedRequests "crossed-requests" "load" ["X-70"]
        "Requests that arrive together are judged by the header of the last one.";
    CutAtControlByte "cut-at-control-byte" "raw" ["X-17", "CHN-16"]
        "A header value ends at a null byte.";
    EitherHeaderAccepted "either-header-accepted" "raw" ["X-12"]
        "Of two Authorization headers the last one counts, unnoticed.";
    EmptyValueBreaksServer "empty-value-breaks-server" "raw" ["BTN-42", "X-68"]
        "An empty Authorization value is answered by a 500.";
    FieldNameExact "field-name-exact" "raw" ["X-10"]
        "The field is only found as Authorization or authorization.";
    FoldedLineJoined "folded-line-joined" "raw" ["X-17"]
        "A folded line of the head is joined to the one before it, without a space.";
    GuardByMethod "guard-by-method" "raw" ["BTN-43", "CHN-16", "VMS-29", "JWT-41", "SUC-36"]
        "Tokens are asked for with the documented method alone, and every other one is served.";
    GuardByRawPath "guard-by-raw-path" "raw" ["BTN-43", "CHN-16", "VMS-29", "JWT-41", "SUC-36"]
        "The guard compares the path as it came, and the router one that it has tidied.";
    LooseFieldName "loose-field-name" "raw" ["BTN-43", "VMS-29", "JWT-41", "SUC-36", "SUC-10"]
        "Fields are found under names with underscores, and with X- or HTTP_ before them.";
    NoChallenge "no-challenge" "" ["X-01", "X-02", "CHN-17"]
        "A 401 carries no WWW-Authenticate header.";
    NonAsciiDropped "non-ascii-dropped" "raw" ["X-68"]
        "Bytes beyond ASCII in the head of a request are dropped.";
    OneInAThousandRefused "one-in-a-thousand-refused" "load" ["X-76"]
        "Of a thousand requests with a token one is refused, good as the token may be; the fiftieth is the first.";
    OptionsServes "options-serves" "raw" ["BTN-43", "VMS-29", "JWT-41", "SUC-36"]
        "OPTIONS asks for no token and is answered like the documented method.";
    OtherFieldTokenAccepted "other-field-token-accepted" "" ["X-37", "CHN-16", "VMS-29", "JWT-41", "SUC-36"]
        "A token in X-Auth-Token or X-Api-Key takes the place of the header.";
    ProxyUserTrusted "proxy-user-trusted" "raw" ["BTN-43", "CHN-16", "VMS-29", "JWT-41", "SUC-36"]
        "A request that names a user as a proxy does needs no token.";
    QueryTokenAccepted "query-token-accepted" "" ["X-36", "BTN-47", "JWT-58", "CHN-16"]
        "A token in the query parameter access_token is accepted.";
    QueryTokenOverridesHeader "query-token-overrides-header" "" ["X-37", "BTN-47", "CHN-16"]
        "A good token in the query rescues a bad one in the header.";
    RefusalSticks "refusal-sticks" "raw" ["BTN-40"]
        "A connection that was refused once stays refused.";
    RepeatedHeaderUnchecked "repeated-header-unchecked" "raw" ["X-12"]
        "A request with several Authorization fields is let in unread.";
    RepeatedQueryTokenAccepted "repeated-query-token-accepted" "" ["X-36"]
        "A token that the query names more than once is accepted, and the last one counts.";
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
    ValueTrimmed "value-trimmed" "raw" ["X-09"]
        "Quotation marks, brackets and punctuation in the header are taken off, and it is decoded.";
    // Every flow: answers.
    AbsoluteRedirect "absolute-redirect" "" ["X-15", "X-73"]
        "A path with a surplus slash redirects to the host that the client names.";
    CacheableToken "cacheable-token" "" ["X-20", "CHN-37", "JWT-06", "SUC-34", "X-41"]
        "Answers that carry a token allow every cache to keep them.";
    CorsReflected "cors-reflected" "" ["X-72"]
        "Any Origin is reflected together with credentials.";
    HeadEchoesToken "head-echoes-token" "raw" ["X-13", "X-66"]
        "A refused HEAD repeats the token in a header.";
    HeadMints "head-mints" "btn" ["BTN-10", "SUC-33", "X-13"]
        "HEAD on a generating path mints a token.";
    HeadNotServed "head-not-served" "raw" ["X-13"]
        "HEAD on a path that has GET is refused as a wrong method.";
    HtmlErrors "html-errors" "" ["BTN-70", "VMS-37", "X-11"]
        "Unknown paths and wrong methods answer with a page of HTML.";
    LaxFraming "lax-framing" "raw" ["X-18"]
        "Lengths that contradict each other and unknown transfer codings are let pass.";
    LineEndsDecoded "line-ends-decoded" "" ["X-73"]
        "The decoded address is written into a header, line ends and all.";
    MarkupReflected "markup-reflected" "" ["X-73"]
        "Unknown paths are shown in a page of HTML as they came.";
    NoAllow "no-allow" "" ["X-06", "JWT-22"]
        "A 405 does not list the allowed methods.";
    NoPragma "no-pragma" "" ["X-21"]
        "Answers that carry a token lack Pragma: no-cache.";
    ServerErrorOnLargeRequest "server-error-on-large-request" "raw" ["X-16", "X-68"]
        "A header field, an address or a body beyond a buffer is answered by a 500.";
    ServerErrorOnLongToken "server-error-on-long-token" "" ["X-68", "X-16", "JWT-56"]
        "A token of more than 1024 bytes is answered by a 500.";
    ServerErrorOnOddBytes "server-error-on-odd-bytes" "raw" ["X-68"]
        "Bytes beyond ASCII in the Authorization header are answered by a 500.";
    SetsCookie "sets-cookie" "" ["JWT-26"]
        "Answers that carry a token set a session cookie.";
    StackTrace "stack-trace" "" ["X-67"]
        "Errors outside the contract show a stack trace with file names.";
    TokenEchoed "token-echoed" "" ["X-66", "BTN-49", "BTN-50"]
        "A refused token is repeated in the answer.";
    TraceEchoes "trace-echoes" "raw" ["X-07"]
        "TRACE sends the request back with its credentials.";
    UnknownMethodIsGet "unknown-method-is-get" "raw" ["X-07"]
        "A method that nobody knows is served as GET.";
    WrongContentType "wrong-content-type" "" ["X-11", "VMS-18", "JWT-05"]
        "JSON is declared as text/html.";
    // Every flow: accounts and tokens.
    CrossUseRevokes "cross-use-revokes" "env2" ["X-40"]
        "A token that is shown to the other environment is dead afterwards.";
    FastUnknownUser "fast-unknown-user" "load" ["X-65", "JWT-95", "VMS-45"]
        "An unknown user is refused before any password is hashed.";
    FiftiethGuessWins "fiftieth-guess-wins" "load" ["JWT-09", "VMS-10", "CHN-38", "SUC-11"]
        "After fifty wrong passwords or secrets any other one will do.";
    NoRetryAfter "no-retry-after" "load" ["X-31"]
        with ["jwt-login.throttle=429", "visitor-login.throttle=429", "channel-login.throttle=429"]
        "An answer 429 does not say when to come back.";
    PasswordTrimmed "password-trimmed" "" ["JWT-25", "CHN-31"]
        "Spaces around a password are ignored.";
    RefusalsRunOut "refusals-run-out" "load" ["X-77"]
        "After sixty-four refusals the next ones are answered as too many requests.";
    RepeatedFieldAccepted "repeated-field-accepted" "" ["X-24", "JWT-21", "VMS-41"]
        "Of a repeated form field the last one counts.";
    RevocationLost "revocation-lost" "" ["X-69"]
        "A revocation is confirmed and not carried out.";
    SequentialTokens "sequential-tokens" "btn load" ["X-60", "X-62"]
        "Gateway tokens are made of the time and a counter.";
    ShortTokens "short-tokens" "load" ["X-60", "X-61", "BTN-17"]
        "Tokens hold sixteen random bits; the rest is padding.";
    SlowPrefixCompare "slow-prefix-compare" "btn load" ["X-63"]
        "Gateway tokens are compared with the known ones letter by letter, and slowly.";
    SuccessOnFailure "success-on-failure" "" ["VMS-10", "VMS-16", "SUC-13", "SUC-16"]
        "A failure says that it is a success.";
    ThrottleForEver "throttle-for-ever" "load clk" ["JWT-01", "VMS-01", "CHN-38"]
        with ["jwt-login.throttle=429", "visitor-login.throttle=429", "channel-login.throttle=429"]
        "A name that was closed for its wrong passwords is never opened again.";
    ThrottleForgotten "throttle-forgotten" "load" ["X-31"]
        with ["jwt-login.throttle=429", "visitor-login.throttle=429", "channel-login.throttle=429"]
        "Wrong passwords are never counted, whatever the variant says.";
    ThrottleKnowsUsers "throttle-knows-users" "load" ["X-64"]
        with ["jwt-login.throttle=429", "visitor-login.throttle=429", "channel-login.throttle=429"]
        "Only the wrong passwords of users that exist are counted.";
    ThrottleSparesOwner "throttle-spares-owner" "load" ["X-31"]
        with ["jwt-login.throttle=429", "visitor-login.throttle=429", "channel-login.throttle=429"]
        "The right password logs in while its name is closed.";
    TokensEndInTime "tokens-end-in-time" "btn load" ["X-62"]
        "Gateway tokens end in the time of their creation.";
    TokensHoldTime "tokens-hold-time" "btn load" ["X-62", "X-60"]
        "Gateway tokens hold the time of their creation and a counter in their middle.";
    UnknownParameterRefused "unknown-parameter-refused" "btn" ["BTN-26", "CHN-03", "X-26"]
        "A parameter that is not documented is refused.";
    UnknownUserTold "unknown-user-told" "" ["X-64", "VMS-11", "JWT-10", "CHN-07"]
        "An unknown user is told apart from a wrong password.";
    // gateway-button
    AbsentIsMalformed "absent-is-malformed" "" ["BTN-43", "BTN-31", "BTN-58"]
        "A request without a token is answered as malformed.";
    BadNameBreaksServer "bad-name-breaks-server" "btn" ["BTN-21", "X-68"]
        "A bad name is answered by a 500.";
    BadNameCodeDiffers "bad-name-code-differs" "btn" ["BTN-22"]
        "A bad name is refused with the code of an unreadable body.";
    BadNameConsumesWindow "bad-name-consumes-window" "btn" ["BTN-09"]
        "A refused name uses the window up.";
    Base64TokenAccepted "base64-token-accepted" "btn" ["BTN-41"]
        "A token encoded once more in base64, as version 1 had it, is accepted.";
    BearerReplacesButton "bearer-replaces-button" "btn" ["BTN-13"]
        "GET with a good token generates without a press.";
    BodyTokenAccepted "body-token-accepted" "btn" ["BTN-47"]
        "A token in the body of a POST is accepted in place of the header.";
    BusyDeleteRefused "busy-delete-refused" "btn load" ["BTN-54"]
        "A token that is used at the same moment cannot be deleted.";
    ButtonNotNeeded "button-not-needed" "" ["BTN-01", "BTN-02"]
        "A token is issued without any press.";
    ChildCannotGenerate "child-cannot-generate" "btn" ["BTN-39"]
        "A token that was generated with a token generates none.";
    CreationCountsAsUse "creation-counts-as-use" "btn" ["BTN-25"]
        "A new token has been used at its creation.";
    CreationDateShifts "creation-date-shifts" "btn clk" ["BTN-24", "BTN-52"]
        "The creation date is an hour later once the token has been used.";
    CreationDateWithZone "creation-date-with-zone" "btn" ["BTN-24"]
        "Dates carry a zone.";
    DefaultNameCapitalised "default-name-capitalised" "btn" ["BTN-19"]
        "A token without a name is called Default.";
    DeleteAnsweredTwice "delete-answered-twice" "btn load" ["BTN-55"]
        "Two deletions of one token at the same moment both succeed.";
    DeleteByQuery "delete-by-query" "btn" ["BTN-57"]
        "A token in the query of DELETE is deleted as well.";
    DeleteKeepsToken "delete-keeps-token" "btn" ["BTN-55", "BTN-63"]
        "A deleted token still works.";
    DeleteMessageDiffers "delete-message-differs" "btn" ["BTN-54"]
        "A deletion is confirmed in other words.";
    DeleteRevokesAll "delete-revokes-all" "btn" ["BTN-56", "BTN-37"]
        "Deleting one token deletes all.";
    DeletedTokenIsGone "deleted-token-is-gone" "btn" ["BTN-55", "BTN-59"]
        "A deleted token is answered as not found, and is still listed.";
    DeletionsCollide "deletions-collide" "btn load" ["BTN-54"]
        "Deletions of one token that meet are all refused.";
    DenialOpensWindow "denial-opens-window" "" ["BTN-11"]
        "A refused generate opens the window for the next one.";
    DescribesNewest "describes-newest" "btn" ["BTN-52"]
        "The newest token is described in place of the presented one.";
    DoublePressTwice "double-press-twice" "btn" ["BTN-05"]
        "A double press allows two tokens.";
    EmptyNameIsDefault "empty-name-is-default" "btn" ["BTN-21"]
        "An empty name is taken for none.";
    FirstUseDenied "first-use-denied" "btn" ["BTN-18", "BTN-40", "X-75"]
        "The first use of a token is denied.";
    GenerateNeedsHeader "generate-needs-header" "btn" ["BTN-12", "BTN-03"]
        "The window counts only for requests with an Authorization header.";
    HeadUnguarded "head-unguarded" "" ["BTN-43"]
        "HEAD asks for no token.";
    LastTokenLocksButton "last-token-locks-button" "btn" ["BTN-60"]
        "Once the last token is deleted, a press opens no window.";
    LastUsedNeverSet "last-used-never-set" "btn" ["BTN-53"]
        "The last use of a token is never noted.";
    ListLacksChildren "list-lacks-children" "btn" ["BTN-51"]
        "Tokens that were generated with a token are not listed.";
    ListTimesNumeric "list-times-numeric" "btn" ["BTN-53", "BTN-51"]
        "The list has the last use of a token as a number.";
    MalformedIsDenied "malformed-is-denied" "" ["BTN-42", "BTN-32", "BTN-58"]
        "A malformed Authorization value is answered as a denied token.";
    MessageIsNull "message-is-null" "" ["BTN-72"]
        "The message of an unknown path or method is null.";
    NameFolded "name-folded" "btn" ["BTN-20"]
        "Names are kept in lower case.";
    NewTokenRevokesOld "new-token-revokes-old" "btn" ["BTN-35"]
        "A new token ends all older ones.";
    PostConsumesWindow "post-consumes-window" "btn" ["BTN-34"]
        "Generating with a token uses an open window up.";
    PostNeedsWindow "post-needs-window" "btn" ["BTN-30"]
        "Generating with a token is refused outside the window.";
    PostTakesNewestName "post-takes-newest-name" "btn" ["X-70"]
        "A token that is generated with a token takes the name of the newest one.";
    PressDebounced "press-debounced" "btn" ["BTN-06"]
        "A press within ten seconds of another is taken for the same.";
    PressQueued "press-queued" "btn" ["BTN-05", "BTN-07"]
        "One press allows two tokens, one after the other.";
    RefusedPostConsumesWindow "refused-post-consumes-window" "btn" ["BTN-34"]
        "A refused POST uses an open window up.";
    RestartOpensWindow "restart-opens-window" "btn boot" ["BTN-11"]
        "A restart opens the window, as a press does.";
    ReturnCodeAsText "return-code-as-text" "" ["BTN-70"]
        "The returnCode of an error is a string.";
    RevokeInTwoSteps "revoke-in-two-steps" "btn load" ["BTN-55", "X-69"]
        "A use within a few milliseconds of a deletion writes the token back.";
    SameTokenEveryTime "same-token-every-time" "btn" ["BTN-35", "X-61"]
        "Every generate returns the same token.";
    SecondPressIgnored "second-press-ignored" "btn clk" ["BTN-08"]
        "A second press leaves the window as it is, whatever the variant says.";
    StaleWindowKept "stale-window-kept" "btn clk" ["BTN-06"]
        "A window that ended unused keeps the next press from opening another.";
    StatusMemberDiffers "status-member-differs" "" ["BTN-46"]
        "The member status of an error is 200.";
    TokenEndIgnored "token-end-ignored" "btn" ["BTN-44", "X-60"]
        "Only the first sixteen digits of a token are compared.";
    TokenShownAgain "token-shown-again" "btn" ["BTN-50", "BTN-51", "BTN-52"]
        "A token's text is shown again after its creation.";
    TokenTooShort "token-too-short" "btn" ["BTN-17", "X-60"]
        "Tokens have sixteen digits.";
    TokenWearsOut "token-wears-out" "btn load" ["BTN-36", "X-76", "BTN-61"]
        "A token stops working after sixty-four uses.";
    TokensLostOnRestart "tokens-lost-on-restart" "btn boot" ["BTN-62"]
        "A restart forgets all tokens.";
    UnknownTokenGenerates "unknown-token-generates" "" ["BTN-32"]
        "An unknown token is enough to generate another.";
    UnknownTokenMalformed "unknown-token-malformed" "" ["BTN-44"]
        "An unknown token is answered as malformed.";
    WindowNeverExpires "window-never-expires" "btn clk" ["BTN-04"]
        "The window stays open until it is used.";
    WindowNotClosed "window-not-closed" "btn" ["BTN-05", "BTN-07"]
        "A generated token leaves the window open.";
    WindowOpensPost "window-opens-post" "btn" ["BTN-31"]
        "Within the window, POST needs no token.";
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
    WrongReturnCode "wrong-return-code" "btn" ["BTN-16", "BTN-71", "BTN-33"]
        "A new token comes with the returnCode of another endpoint.";
    // gateway-button: sockets
    FragmentTakenWhole "fragment-taken-whole" "ws" ["X-84"]
        "The first fragment of a message is taken for all of it.";
    HandshakeVersionIgnored "handshake-version-ignored" "ws raw" ["X-80"]
        "A handshake of any version opens a socket, and needs no key.";
    HandshakeWordsExact "handshake-words-exact" "ws" ["X-80"]
        "The fields of a handshake are compared letter for letter.";
    IdleSocketsForgotten "idle-sockets-forgotten" "ws clk" ["BTN-91"]
        "Only the first two hundred sockets without a token are closed.";
    NoUpgradeField "no-upgrade-field" "" ["X-85"]
        "The answer 426 does not say what to upgrade to.";
    OneSocketPerToken "one-socket-per-token" "ws" ["BTN-36"]
        "A second socket with one token ends the first.";
    OrdersByPlainGet "orders-by-plain-get" "btn" ["X-85"]
        "A plain GET of the socket with a good token is answered with the orders.";
    OrdersWithReturnCode "orders-with-return-code" "ws" ["BTN-82"]
        "The active orders come with a returnCode.";
    PingIsMessage "ping-is-message" "ws" ["X-83"]
        "A ping is taken for a message without a token.";
    PingResetsSocketTimer "ping-resets-socket-timer" "ws clk" ["X-83"]
        "A ping starts the socket's twenty seconds again.";
    SecondTokenJudged "second-token-judged" "ws" ["BTN-93"]
        "A further token message that is wrong ends the socket.";
    SocketAnyHeaderOpens "socket-any-header-opens" "ws" ["BTN-87"]
        "A handshake with any header is sent the orders.";
    SocketClosesInSilence "socket-closes-in-silence" "ws" ["BTN-84", "BTN-85", "BTN-86"]
        "A socket is closed without an error message.";
    SocketDropped "socket-dropped" "ws" ["X-81"]
        "Sockets end without a close frame.";
    SocketHeaderIgnored "socket-header-ignored" "ws" ["BTN-80"]
        "A token in the handshake does not authenticate.";
    SocketLateTokenRefused "socket-late-token-refused" "ws clk" ["BTN-81"]
        "A first message counts within the first ten seconds only.";
    SocketMessageExact "socket-message-exact" "ws" ["BTN-81"]
        "A first message with white space in it is no token message.";
    SocketMessageOpensWindow "socket-message-opens-window" "ws btn" ["BTN-11"]
        "A message on an authenticated socket opens the window.";
    SocketNeverTimesOut "socket-never-times-out" "ws clk" ["BTN-83", "BTN-91"]
        "A socket without a token stays open.";
    SocketNewsBeforeToken "socket-news-before-token" "ws" ["BTN-87"]
        "Notifications reach sockets that have no token.";
    SocketOrdersBeforeToken "socket-orders-before-token" "ws" ["BTN-87"]
        "The orders are sent before the token has come.";
    SocketQueryToken "socket-query-token" "ws btn" ["BTN-88"]
        "A token in the socket's query authenticates it.";
    SocketShowsToken "socket-shows-token" "ws btn" ["BTN-50"]
        "Messages on a socket repeat its token.";
    SocketTimerRunsOn "socket-timer-runs-on" "ws clk" ["BTN-83", "BTN-91"]
        "The twenty seconds run on after the token has come.";
    SocketTimesOutEarly "socket-times-out-early" "ws clk" ["BTN-83"]
        "A socket without a token is closed after fifteen seconds.";
    SocketsLimited "sockets-limited" "ws" ["BTN-91"]
        "With two hundred sockets open, further ones are refused.";
    UnmaskedFramesAccepted "unmasked-frames-accepted" "ws" ["X-82"]
        "Frames of a client need no mask.";
    WrongAcceptKey "wrong-accept-key" "ws" ["X-80"]
        "Every handshake is answered with the accept value of the example.";
    // channel-login
    AbsentTokenAccepted "absent-token-accepted" "" ["CHN-16"]
        "A request without an Authorization header is let in.";
    AnyUsersPassword "any-users-password" "" ["CHN-06", "CHN-23"]
        "The password of any channel user counts for every other.";
    BasicCredentialsAccepted "basic-credentials-accepted" "" ["CHN-16"]
        "The user name and the password in a Basic header open the protected endpoint.";
    BlockedAccountGetsToken "blocked-account-gets-token" "state" ["CHN-08"]
        "A blocked account is given a token.";
    BlockedTokenStillWorks "blocked-token-still-works" "state" ["CHN-33"]
        "The token of a blocked account still works.";
    ChannelBase64TokenAccepted "channel-base64-token-accepted" "" ["CHN-16"]
        "A token encoded once more in base64 is accepted.";
    ChannelByteOrderMark "channel-byte-order-mark" "" ["CHN-12"]
        "The body of a token answer starts with a byte order mark.";
    ChannelEmptyPasswordLogsIn "channel-empty-password-logs-in" "" ["CHN-27", "X-25", "CHN-23"]
        "An empty password logs in.";
    ChannelExpiredIsForbidden "channel-expired-is-forbidden" "clk" ["CHN-17"]
        "An expired token is answered as forbidden.";
    ChannelFieldAliases "channel-field-aliases" "" ["CHN-26"]
        "The fields user and pass are read as well.";
    ChannelFormInLatin1 "channel-form-in-latin1" "" ["CHN-30"]
        "The form is read as Latin-1.";
    ChannelFormUndecoded "channel-form-undecoded" "" ["CHN-30"]
        "A password that was not encoded is read to the end of the body.";
    ChannelGetGenerates "channel-get-generates" "" ["CHN-29", "X-30"]
        "GET generates a token from the query.";
    ChannelJsonAccepted "channel-json-accepted" "" ["CHN-28"]
        "A JSON body logs in.";
    ChannelJsonSniffed "channel-json-sniffed" "" ["CHN-28"]
        "A body that starts like JSON is read as JSON, whatever it is declared as.";
    ChannelLastCharacterIgnored "channel-last-character-ignored" "" ["CHN-16"]
        "The last character of a token is not compared.";
    ChannelLiteralsCapitalised "channel-literals-capitalised" "" ["CHN-06", "CHN-10"]
        "Refusals are written as a sentence, with a capital and a full stop.";
    ChannelLowerCaseEscapes "channel-lower-case-escapes" "" ["CHN-30"]
        "Escapes with digits in lower case are not decoded.";
    ChannelMediaTypeExact "channel-media-type-exact" "" ["CHN-03"]
        "A form whose media type has a parameter is refused.";
    ChannelMissingFieldBreaksServer "channel-missing-field-breaks-server" "" ["CHN-26", "X-68"]
        "A missing field is answered by a 500.";
    ChannelNamesNotDecoded "channel-names-not-decoded" "" ["CHN-30"]
        "The names of form fields are not decoded.";
    ChannelPasswordCut "channel-password-cut" "" ["CHN-06", "CHN-23"]
        "A password counts up to its 36th character.";
    ChannelPasswordCutAtNull "channel-password-cut-at-null" "" ["CHN-06"]
        "A password ends at a null byte.";
    ChannelPasswordDecodedTwice "channel-password-decoded-twice" "" ["CHN-30"]
        "A wrong password is decoded once more.";
    ChannelQueryLogin "channel-query-login" "" ["X-30"]
        "Credentials in the query log in.";
    ChannelRefusalsOk "channel-refusals-ok" "state" ["CHN-14"]
        "Refusals carry status 200.";
    ChannelTokenBeginning "channel-token-beginning" "" ["CHN-16"]
        "The beginning of a token is enough.";
    ChannelTokenDeadAtOnce "channel-token-dead-at-once" "" ["CHN-15", "CHN-19", "CHN-21", "CHN-32", "CHN-34"]
        "An issued token is never stored.";
    ChannelTokenEndsEarly "channel-token-ends-early" "clk" ["CHN-18"]
        "Tokens live half as long as they should.";
    ChannelTokenNeverExpires "channel-token-never-expires" "clk" ["CHN-18", "X-38"]
        "Tokens never expire.";
    ChannelTokenNotHeaderSafe "channel-token-not-header-safe" "" ["CHN-12"]
        "Tokens hold a space, which no header can carry.";
    ChannelTokenQuoted "channel-token-quoted" "" ["CHN-02", "CHN-12"]
        "The token comes in quotation marks.";
    ChannelTokensByClock "channel-tokens-by-clock" "" ["CHN-32", "X-61"]
        "Tokens are made of the time alone.";
    FailedLoginRevokes "failed-login-revokes" "" ["CHN-32"]
        "A wrong password ends the current token of its user.";
    FailureCounterWraps "failure-counter-wraps" "load" ["CHN-38"]
        "After sixty-four wrong passwords any password logs in.";
    GetTokenAsJson "get-token-as-json" "" ["CHN-24", "CHN-11"]
        "The token that getToken answers is declared as JSON.";
    GetTokenIgnoresState "get-token-ignores-state" "state" ["CHN-33"]
        "A blocked account is shown its token.";
    GetTokenMints "get-token-mints" "" ["CHN-22"]
        "getToken makes a new token each time.";
    GetTokenShowsExpired "get-token-shows-expired" "clk" ["CHN-25"]
        "An expired token is presented as the current one.";
    LockoutForEver "lockout-for-ever" "load clk" ["CHN-38"]
        "Ten wrong passwords close the login for good.";
    LoginJudgesHeader "login-judges-header" "" ["CHN-01"]
        "A login with an Authorization header is refused.";
    LoginNeedsHeader "login-needs-header" "" ["CHN-01"]
        "A login without an Authorization header is refused.";
    NewTokenInheritsExpiry "new-token-inherits-expiry" "clk" ["CHN-19"]
        "A login within two minutes of another gets a token that ends with the other's.";
    NewTokenRenewsOld "new-token-renews-old" "clk" ["CHN-18"]
        "A new token renews the one before as well.";
    OneTokenForAllUsers "one-token-for-all-users" "acct2" ["CHN-32"]
        "A login replaces the token of every other user.";
    ParallelLoginRefused "parallel-login-refused" "load" ["CHN-21"]
        "A login is refused while another is under way.";
    ParallelTokensBothDie "parallel-tokens-both-die" "load" ["CHN-21"]
        "Two logins at the same moment each end the token of the other.";
    ParallelTokensBothLive "parallel-tokens-both-live" "load" ["CHN-20"]
        "Two logins at the same moment leave both their tokens alive.";
    PlaceholderTokenAccepted "placeholder-token-accepted" "" ["CHN-16"]
        "A token of zeros, left from the development, is accepted.";
    PutIsPost "put-is-post" "" ["CHN-29"]
        "PUT is served like POST.";
    RefusalTextAccepted "refusal-text-accepted" "" ["CHN-16"]
        "The words token expired open the protected endpoint.";
    RestoredAccountStaysBlocked "restored-account-stays-blocked" "state" ["CHN-34"]
        "Restoring an account has no effect.";
    StateBeforePassword "state-before-password" "state" ["CHN-09"]
        "A wrong password on a blocked account tells its state.";
    TokenAsPassword "token-as-password" "" ["CHN-23"]
        "The current token counts as the password.";
    TokenPoolRunsDry "token-pool-runs-dry" "load" ["CHN-13"]
        "After forty tokens the words of an error are handed out as one.";
    UnguardedByGet "unguarded-by-get" "" ["CHN-16"]
        "The protected path asks for a token on POST only.";
    UnknownUserCreated "unknown-user-created" "" ["CHN-35"]
        "A failed login with an unknown name creates the user.";
    UsernameFolded "username-folded" "" ["CHN-07"]
        "Channel user names are compared without their case.";
    UsernameWildcard "username-wildcard" "" ["CHN-06", "CHN-23"]
        "A percent sign as the user name stands for every user.";
    WrongPasswordForbidden "wrong-password-forbidden" "" ["X-23"]
        "A wrong password is answered as forbidden.";
    // visitor-login
    AddHeaderOnlyAccepted "add-header-only-accepted" "" ["VMS-36"]
        "A visitor is added with a token in the header alone, whatever the variant says.";
    AddHeaderRescues "add-header-rescues" "" ["X-37", "VMS-35"]
        "A good token in the header makes up for a bad one in the form.";
    AddIgnoresExpiry "add-ignores-expiry" "clk" ["X-69", "VMS-32"]
        "Visitors are added with expired tokens.";
    AddMissingDataIsFormat "add-missing-data-is-format" "" ["VMS-35"]
        "Missing data of a visitor is answered as data of a wrong format.";
    AddReadsHeaderOnly "add-reads-header-only" "" ["VMS-35"]
        "The token in the form of a new visitor is not read.";
    AddTokenUnchecked "add-token-unchecked" "" ["VMS-35"]
        "Any token in the form of a new visitor is good enough.";
    AnswersNumbered "answers-numbered" "" ["VMS-48"]
        "Each answer of the list tells how many came before it.";
    AnyBodyIsForm "any-body-is-form" "" ["VMS-40", "X-14"]
        "A body of any media type is read as a form.";
    ArrayParametersAccepted "array-parameters-accepted" "" ["VMS-41"]
        "Brackets behind the name of a field are ignored.";
    DatabaseFailureForgets "database-failure-forgets" "fault" ["VMS-06", "VMS-44"]
        "A token that is presented while the database fails is dropped.";
    DatabaseFailureIsRefusal "database-failure-is-refusal" "fault" ["VMS-44"]
        "What the database could not find is taken for wrong.";
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
    DeviceInfoQuoteBreaks "device-info-quote-breaks" "" ["VMS-22", "X-68"]
        "A quotation mark in device information is a server error.";
    EmptyCredentialsWrong "empty-credentials-wrong" "" ["VMS-13", "X-25"]
        "Empty credentials count as wrong ones, whatever the variant says.";
    EmptyDeviceInfoRefused "empty-device-info-refused" "" ["X-25", "VMS-20"]
        "Device information without a value is refused.";
    EmptyHeaderBreaks "empty-header-breaks" "" ["VMS-30", "X-68"]
        "The scheme word with nothing behind it is a server error.";
    EmptyPasswordLogsIn "empty-password-logs-in" "" ["VMS-12", "VMS-13", "X-25"]
        "An empty password is right for every user.";
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
    FailuresUnder200 "failures-under-200" "" ["VMS-17", "X-23"]
        "Every failure has status 200, whatever the variant says.";
    FieldErrorOfWrongType "field-error-of-wrong-type" "" ["VMS-15"]
        "The errors of single fields are of the type OAuthException.";
    IndexPathMissing "index-path-missing" "" ["VMS-09"]
        "The login is not found under index.php.";
    LineEndsReflected "line-ends-reflected" "" ["X-73"]
        "What the client wrote comes back in a header, and its line ends begin new ones.";
    LoginRevokesOthers "login-revokes-others" "" ["VMS-06"]
        "A login ends the tokens of all earlier ones.";
    LongPasswordBreaks "long-password-breaks" "" ["X-74", "X-68"]
        "A password of more than 4096 bytes is a server error.";
    MessagesReworded "messages-reworded" "" ["VMS-10", "VMS-12", "VMS-29", "VMS-31"]
        "The messages of errors lack their last full stop.";
    MissingCredentialsWrong "missing-credentials-wrong" "" ["VMS-12"]
        "Missing credentials count as wrong ones.";
    MissingTokenIsInvalid "missing-token-is-invalid" "" ["VMS-29"]
        "A request without a token is answered as one with a bad token.";
    PasswordTailIgnored "password-tail-ignored" "" ["X-74", "VMS-47"]
        "Only the first 72 bytes of a password count.";
    PathNotEscaped "path-not-escaped" "" ["VMS-37", "VMS-49"]
        "An unknown path is put into the JSON of its error as it is.";
    PhotoErrorUnknown "photo-error-unknown" "" ["VMS-15"]
        "A missing photo has an error code that no document knows.";
    PhotoOpen "photo-open" "" ["VMS-29", "VMS-31"]
        "Photos are shown to everybody.";
    RedirectElsewhere "redirect-elsewhere" "" ["VMS-08"]
        "The redirect of a path without its slash leads to another host.";
    SlashlessLogin "slashless-login" "" ["VMS-07"]
        "The path without its final slash logs in.";
    SqlInUsername "sql-in-username" "" ["VMS-42"]
        "A user name with an SQL comment in it switches the comparison of the password off.";
    SqlShown "sql-shown" "fault" ["VMS-44", "X-67"]
        "A database failure shows its statement.";
    SuccessText "success-text" "" ["VMS-02"]
        "The member success is a string.";
    UnknownFieldRefused "unknown-field-refused" "" ["X-26"]
        "A login with a field that the documents do not know is refused.";
    UnknownObjectOfWrongType "unknown-object-of-wrong-type" "" ["VMS-15"]
        "A visitor who does not exist is an error of the type RequestedObjectException.";
    UpperCaseSchemeRefused "upper-case-scheme-refused" "" ["VMS-38", "X-08"]
        "The scheme word in capitals is refused, whatever the variant says.";
    VisitorAnyHeaderCounts "visitor-any-header-counts" "raw" ["X-12"]
        "Of several Authorization headers one good one is enough.";
    VisitorLoginByPut "visitor-login-by-put" "" ["VMS-39", "X-28"]
        "PUT logs in as POST does.";
    VisitorPasswordFolded "visitor-password-folded" "" ["VMS-10"]
        "Passwords are compared without their case.";
    VisitorPasswordTrimmed "visitor-password-trimmed" "" ["VMS-10"]
        "White space around a password is ignored.";
    VisitorQueryLogin "visitor-query-login" "" ["VMS-19", "X-30"]
        "Credentials in the query log in.";
    VisitorTokenDeadAtOnce "visitor-token-dead-at-once" "" ["VMS-28", "VMS-01", "VMS-09"]
        "An issued token is never stored.";
    VisitorTokenEndsEarly "visitor-token-ends-early" "clk" ["VMS-33"]
        "Tokens end a day before their expiry.";
    VisitorTokenNamesUser "visitor-token-names-user" "" ["VMS-05", "VMS-03"]
        "Tokens are the user name and some random digits in base64.";
    VisitorTokenOfSecond "visitor-token-of-second" "" ["VMS-06"]
        "Tokens are made of the user and the second, so that they repeat.";
    VisitorTokenOutlivesExpiry "visitor-token-outlives-expiry" "clk" ["VMS-32", "VMS-33"]
        "Tokens live a day past their expiry.";
    VisitorTokenUpperCase "visitor-token-upper-case" "" ["VMS-03"]
        "Tokens are written in capitals.";
    VisitorUsernameFolded "visitor-username-folded" "" ["VMS-46"]
        "User names are compared without their case, whatever the variant says.";
    // jwt-login: access tokens
    AccessEndsMinuteEarly "access-ends-minute-early" "clk" ["JWT-40"]
        "Access tokens are refused in the last minute before their expiry.";
    AccessExpiresEarly "access-expires-early" "" ["JWT-32"]
        "Access tokens expire after half of what expires_in says.";
    AlgNoneAccepted "alg-none-accepted" "" ["JWT-43", "X-50"]
        "Tokens whose algorithm is none are accepted.";
    AnyBearerHeaderCounts "any-bearer-header-counts" "raw" ["JWT-61"]
        "Of several Authorization headers one good one is enough.";
    AudienceIgnored "audience-ignored" "key" ["JWT-51", "X-54"]
        "The audience of a token is not checked.";
    AudienceOtherwise "audience-otherwise" "" ["JWT-33", "JWT-80"]
        "Access tokens name an audience that is not the documented one.";
    BrokenHeaderBreaks "broken-header-breaks" "" ["X-59", "JWT-56"]
        "A token whose header is no JSON object is a server error.";
    ClaimsLeakEmail "claims-leak-email" "" ["JWT-35"]
        "The claims hold the user's e-mail address.";
    ClaimsNotUtf8 "claims-not-utf8" "" ["X-59"]
        "The claims hold a name in Latin-1.";
    CriticalHeaderIgnored "critical-header-ignored" "key" ["JWT-55"]
        "Critical header members that are not understood are ignored.";
    DeletedUserNotFound "deleted-user-not-found" "state" ["JWT-53", "X-55"]
        "The token of a deleted user is answered by a 404.";
    DocumentTokenAccepted "document-token-accepted" "" ["JWT-48"]
        "The token that the document prints opens the first account.";
    EmbeddedKeyTrusted "embedded-key-trusted" "" ["JWT-55", "X-58"]
        "The key that a token's header holds is the one that its signature is checked with.";
    EmptySignatureAccepted "empty-signature-accepted" "" ["JWT-44"]
        "A token without its signature is accepted.";
    GenerousLeeway "generous-leeway" "clk" ["JWT-49", "X-53"]
        "Tokens are accepted for ten minutes past their expiry.";
    HmacFamilyAccepted "hmac-family-accepted" "key" ["JWT-46", "X-50"]
        "The key of HS256 is taken for HS384 and HS512 as well.";
    InactiveTokenAccepted "inactive-token-accepted" "state" ["JWT-54"]
        "The token of a deactivated user still works.";
    IssuedInFuture "issued-in-future" "" ["JWT-40"]
        "The time of issue is rounded up, so that a new token waits for its second.";
    JwtExpiryIgnored "jwt-expiry-ignored" "clk" ["JWT-49", "X-53"]
        "The expiry of a JWT is not checked.";
    KeyUrlFetched "key-url-fetched" "" ["JWT-55", "X-58"]
        "The address in a token's header is asked for a key.";
    MalformedJwtIsBadRequest "malformed-jwt-is-bad-request" "" ["JWT-42"]
        "A token that does not have three parts is answered by a 400.";
    MissingBearerForbidden "missing-bearer-forbidden" "" ["JWT-41"]
        "A request without a token is answered by a 403.";
    MissingExpiryAccepted "missing-expiry-accepted" "key" ["JWT-50"]
        "A token without an expiry is accepted.";
    NotBeforeIgnored "not-before-ignored" "key" ["JWT-52", "X-53"]
        "Tokens from the future are accepted.";
    OddClaimsBreak "odd-claims-break" "key" ["JWT-56", "X-68"]
        "Well-signed claims of an unexpected shape are a server error.";
    PaddedJwtAccepted "padded-jwt-accepted" "" ["JWT-57"]
        "Padded base64url is accepted.";
    PaddedJwtIssued "padded-jwt-issued" "" ["JWT-30"]
        "Issued tokens end with padding.";
    RepeatedAlgorithmCounts "repeated-algorithm-counts" "" ["X-59", "X-50"]
        "Of an algorithm that a header names twice the last one counts, even none.";
    SignatureIgnored "signature-ignored" "" ["JWT-44", "JWT-45", "X-51"]
        "The signature of a token is not checked.";
    SubjectIsNumber "subject-is-number" "" ["JWT-34"]
        "The subject of a token is the number of a table row.";
    TokensRepeatWithinSecond "tokens-repeat-within-second" "" ["JWT-39"]
        "Two tokens of one second are identical.";
    TypOtherwise "typ-otherwise" "" ["JWT-31"]
        "The typ of access tokens is the word access.";
    UnknownAlgorithmUnverified "unknown-algorithm-unverified" "" ["JWT-46", "X-50"]
        "The signature of an algorithm that the server does not know is not checked.";
    UnknownSubjectIsFirst "unknown-subject-is-first" "key" ["JWT-53"]
        "A well-signed token whose subject nobody knows belongs to the first account.";
    WeakKey "weak-key" "" ["JWT-47", "X-52"]
        "Tokens are signed with a key from a tutorial.";
    // jwt-login: login and refresh
    AccessTokenEndsSession "access-token-ends-session" "" ["JWT-72"]
        "A refresh with an access token ends the sessions of its user.";
    AccessTokenRefreshes "access-token-refreshes" "" ["JWT-38", "X-56"]
        "An access token is accepted as a refresh token.";
    BadCredentialsUnauthorized "bad-credentials-unauthorized" "" ["JWT-09", "X-23"]
        "A wrong password is answered by a 401.";
    ClientIdIgnored "client-id-ignored" "acct2" ["JWT-93"]
        "The client_id of a refresh is not compared, whatever the variant says.";
    CookieLoginLeftOn "cookie-login-left-on" "" ["JWT-28"]
        "The login for cookies of the base library is still there.";
    EmptyParameterRefused "empty-parameter-refused" "" ["X-25"]
        "An optional parameter without a value is refused.";
    EmptyPasswordBinds "empty-password-binds" "" ["JWT-14", "X-25"]
        "An empty password logs a known user in, as an anonymous bind to a directory does.";
    ExpiresInText "expires-in-text" "" ["JWT-04", "JWT-02", "X-27"]
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
    JwtPasswordFolded "jwt-password-folded" "" ["JWT-25"]
        "Passwords are compared without their case.";
    JwtQueryLogin "jwt-query-login" "" ["JWT-16", "X-30"]
        "Credentials in the query log in.";
    JwtUsernameExact "jwt-username-exact" "" ["JWT-24"]
        "User names are compared with their case, whatever the variant says.";
    LastRefreshTokenCounts "last-refresh-token-counts" "raw" ["JWT-79"]
        "Of several fields with a refresh token the last one counts.";
    LoginEmptyRefreshToken "login-empty-refresh-token" "" ["JWT-02"]
        "A login answers with an empty refresh token: it is made when somebody asks for it.";
    LoginEndsSessions "login-ends-sessions" "" ["JWT-86"]
        "A login ends all earlier sessions of its user.";
    LoginParameterRefused "login-parameter-refused" "" ["JWT-20"]
        "A login with an unknown parameter is refused.";
    LogoutEndsSessions "logout-ends-sessions" "" ["JWT-86"]
        "A logout ends all sessions of its user.";
    LogoutRevokes "logout-revokes" "" ["JWT-94"]
        "A logout revokes its token, whatever the variant says.";
    LongRefreshTokenBreaks "long-refresh-token-breaks" "raw" ["X-16", "X-68"]
        "A refresh token of more than 4096 bytes is a server error.";
    MissingFieldUnnamed "missing-field-unnamed" "" ["JWT-13"]
        "A missing field is not named in the answer.";
    MissingRefreshTokenBreaks "missing-refresh-token-breaks" "" ["JWT-78"]
        "A refresh without a refresh token is a server error.";
    OneKindOfJwt "one-kind-of-jwt" "" ["JWT-37", "X-56"]
        "Access tokens and refresh tokens are of one kind.";
    PostmanLeftOn "postman-left-on" "" ["JWT-92"] with ["jwt-login.postman=off"]
        "The development endpoint answers although it is switched off.";
    PostmanReusesToken "postman-reuses-token" "" ["JWT-91"]
        "The development endpoint accepts spent refresh tokens.";
    PreviousAccessRevoked "previous-access-revoked" "" ["JWT-81"]
        "A refresh revokes the access token before it, whatever the variant says.";
    ReactivationIgnored "reactivation-ignored" "state" ["JWT-01"]
        "A user who was refused as inactive stays refused.";
    RefreshByGet "refresh-by-get" "" ["JWT-83"]
        "GET refreshes as POST does.";
    RefreshChangesSubject "refresh-changes-subject" "acct2" ["JWT-80", "X-32"]
        "A refreshed token belongs to the first account.";
    RefreshCookieAccepted "refresh-cookie-accepted" "" ["JWT-78"]
        "A refresh token in a cookie is accepted.";
    RefreshEndsOthers "refresh-ends-others" "" ["JWT-86"]
        "A refresh ends the other sessions of its user.";
    RefreshEqualsAccess "refresh-equals-access" "" ["JWT-36"]
        "The refresh token is the access token.";
    RefreshForgetsExpiresIn "refresh-forgets-expires-in" "" ["JWT-77"]
        "The answer of a refresh lacks expires_in.";
    RefreshKeepsExpiry "refresh-keeps-expiry" "clk" ["JWT-80"]
        "A refreshed access token expires with the first one.";
    RefreshListAccepted "refresh-list-accepted" "raw" ["JWT-79"]
        "Any good refresh token among the words of its field is enough.";
    RefreshNeedsBearer "refresh-needs-bearer" "" ["JWT-71"]
        "A refresh without an access token beside it is refused.";
    RefreshNeverExpires "refresh-never-expires" "clk" ["JWT-74", "X-34"]
        "Refresh tokens never expire.";
    RefreshRace "refresh-race" "load" ["JWT-76"]
        "Two refreshes at the same moment both succeed.";
    RefreshRejectsStaleBearer "refresh-rejects-stale-bearer" "clk" ["JWT-71"]
        "A refresh beside an expired access token is refused.";
    RefreshReusable "refresh-reusable" "" ["JWT-73", "X-33"]
        "A refresh token works again and again.";
    RefreshSignatureIgnored "refresh-signature-ignored" "" ["JWT-79", "X-50"]
        "Refresh tokens are found by their claims, and their signature is not checked.";
    RefreshSpentBeforeCheck "refresh-spent-before-check" "" ["JWT-72"]
        "A refresh token is marked as used before its signature is checked.";
    RefreshSpentByValidation "refresh-spent-by-validation" "" ["JWT-72"]
        "A refresh token that is presented as an access token is spent.";
    RefreshTokenAnywhere "refresh-token-anywhere" "" ["JWT-82"]
        "A refresh token is read in any place, whatever the variant says.";
    RefreshTokenOpens "refresh-token-opens" "" ["JWT-37", "X-56"]
        "A refresh token is accepted as an access token.";
    RefreshUncheckedWhenRepeated "refresh-unchecked-when-repeated" "raw" ["JWT-79"]
        "Several refresh tokens in one request are exchanged unread for tokens of the first account.";
    RefreshedTokenOfWrongKind "refreshed-token-of-wrong-kind" "" ["JWT-80"]
        "The access token of a refresh is made like a refresh token.";
    RefusedRefreshSpends "refused-refresh-spends" "acct2" ["JWT-72"]
        "A refresh that is refused for its client uses the token up.";
    ReplayEndsAllSessions "replay-ends-all-sessions" "" ["JWT-86"]
        "A spent refresh token that comes back ends all sessions of its user.";
    ReplayKeepsFamily "replay-keeps-family" "" ["JWT-75"]
        "A spent refresh token that comes back ends nothing.";
    RetryServed "retry-served" "" ["JWT-88"]
        "A refresh token may be tried again for ten seconds, whatever the variant says.";
    RotationNotProlonged "rotation-not-prolonged" "clk" ["JWT-87"]
        "A chain of refreshes ends with its first lifetime, whatever the variant says.";
    SameRefreshToken "same-refresh-token" "" ["JWT-72"]
        "A refresh returns the refresh token it was given.";
    ScopeRefused "scope-refused" "" ["JWT-18"]
        "A login that asks for a scope is refused.";
    SlashedLoginServed "slashed-login-served" "" ["JWT-23"]
        "The login answers behind a surplus slash, whatever the variant says.";
    TokenTypeWrong "token-type-wrong" "" ["JWT-03"]
        "The token type is another word than bearer.";
    TokensUnder201 "tokens-under-201" "" ["JWT-01", "JWT-70", "JWT-77", "JWT-90"]
        "Tokens are handed out under status 201.";
    UnverifiedRefused "unverified-refused" "" ["JWT-12"]
        "Unverified users may not log in, whatever the variant says.";
    // environment-token
    AnyMethodGenerates "any-method-generates" "" ["SUC-01", "SUC-32"]
        "Tokens are generated whatever the method is.";
    AppIdChecked "app-id-checked" "" ["SUC-21"]
        "An app-id that is not the client's makes a good token bad.";
    AppIdRequired "app-id-required" "" ["SUC-20"]
        "Validation wants an app-id.";
    AppIdSuffices "app-id-suffices" "" ["SUC-21"]
        "The client's app-id makes a bad token good.";
    BasicGenerates "basic-generates" "" ["SUC-10"]
        "Credentials under the scheme Basic generate a token.";
    BearerStartCompared "bearer-start-compared" "" ["SUC-16"]
        "A scheme word that only begins like Bearer is accepted.";
    CapitalFieldsUnread "capital-fields-unread" "raw" ["SUC-31", "JWT-84"]
        "Header fields whose names are in capitals are not read.";
    CookieCredentialsAccepted "cookie-credentials-accepted" "" ["SUC-10"]
        "Credentials in a cookie generate a token.";
    ClientLockedForEver "client-locked-for-ever" "load clk" ["SUC-01"]
        "Fifty wrong secrets close a client for good.";
    ClientSecretSuffices "client-secret-suffices" "" ["SUC-11"]
        "The client-secret alone finds the client, whatever the client-id is.";
    CredentialsValidate "credentials-validate" "" ["SUC-36"]
        "The client's credentials are accepted in place of a token.";
    EitherSecretAccepted "either-secret-accepted" "env2" ["SUC-08"]
        "The secret of the other environment is accepted.";
    EnvironmentCheckInverted "environment-check-inverted" "env2" ["SUC-15", "SUC-22"]
        "Each environment accepts the tokens of the other and refuses its own.";
    EnvironmentTokenFolded "environment-token-folded" "" ["SUC-24"]
        "Tokens are compared without their case.";
    EnvironmentTokenNeverExpires "environment-token-never-expires" "clk" ["SUC-17", "SUC-25"]
        "Tokens never expire.";
    EnvironmentTokenOfSecond "environment-token-of-second" "" ["SUC-39", "SUC-38"]
        "Tokens are made of the second, so that they repeat.";
    EnvironmentTokenWithPipe "environment-token-with-pipe" "" ["SUC-35"]
        "Tokens hold a vertical bar, which no bearer header can carry.";
    ExpireInLies "expire-in-lies" "clk" ["SUC-25"]
        "Tokens live half as long as they say.";
    ExpireInNumber "expire-in-number" "" ["SUC-04"]
        "The member expire_in is a number.";
    FailedGenerateRevokes "failed-generate-revokes" "" ["SUC-38"]
        "A wrong secret ends the tokens of the client whose id it came with.";
    ForeignSecretTold "foreign-secret-told" "acct2" ["SUC-12"]
        "The secret of another client is told apart from one that nobody has.";
    GenerateUnder201 "generate-under-201" "" ["SUC-01"]
        "Tokens are handed out under status 201.";
    HeadBreaks "head-breaks" "" ["SUC-33"]
        "HEAD on the generate path is a server error.";
    HeadCounted "head-counted" "" ["SUC-33"] with ["environment-token.throttle=429"]
        "HEAD on the generate path uses the limit up.";
    HeadReplacesToken "head-replaces-token" "" ["SUC-33"]
        "HEAD on the generate path ends the newest token of the client.";
    InvalidTokenReworded "invalid-token-reworded" "" ["SUC-16", "SUC-17", "SUC-18"]
        "A bad token is answered in other words and with another code.";
    LifetimeOfDay "lifetime-of-day" "" ["SUC-26", "SUC-25"]
        "The announced lifetime is a day.";
    LongSecretBreaks "long-secret-breaks" "raw" ["X-16", "X-68"]
        "A credential of more than 4096 bytes is a server error.";
    MissingSecretIgnored "missing-secret-ignored" "" ["SUC-10", "X-25"]
        "The client-id alone generates a token, unless a client-secret says otherwise.";
    MissingTokenReworded "missing-token-reworded" "" ["SUC-36", "SUC-18"]
        "A missing token is answered in other words and with another code.";
    MixedSpelling "mixed-spelling" "" ["SUC-37", "SUC-02"]
        "One answer mixes both spellings of its members.";
    NewestTokenOnly "newest-token-only" "acct2" ["SUC-38", "SUC-27"]
        "A new token ends the tokens of all clients.";
    OtherEnvironmentAccepted "other-environment-accepted" "env2" ["SUC-22", "X-40"]
        "A token of one environment is accepted by the other.";
    PatienceWithoutTime "patience-without-time" "load" ["X-31"]
        "After fifty wrong secrets a client is asked for patience, and not told for how long.";
    PlainDomainAccepted "plain-domain-accepted" "" ["SUC-09"]
        "The plain domain is accepted as client-id.";
    PrefixCosmetic "prefix-cosmetic" "env2" ["SUC-23"]
        "The prefix of a token can be swapped or left out.";
    ProductionClientUnknown "production-client-unknown" "env2" ["SUC-07"]
        "The clients of the sandbox are not known in production.";
    QuerySecretAccepted "query-secret-accepted" "" ["SUC-30", "X-30"]
        "Credentials in the query generate a token.";
    QuerySecretOverrides "query-secret-overrides" "" ["SUC-30"]
        "A right secret in the query rescues a wrong one in the header.";
    QuotaForGood "quota-for-good" "" ["SUC-01", "SUC-29"]
        "After a hundred tokens a client gets no more, ever.";
    RefusalCarriesToken "refusal-carries-token" "" ["SUC-10", "SUC-11"]
        "The token is made before the credentials are checked, and stays in the refusal.";
    RepeatedSecretAccepted "repeated-secret-accepted" "raw" ["SUC-11"]
        "Of two client-secrets any right one is enough.";
    RepeatedSecretUnchecked "repeated-secret-unchecked" "raw" ["SUC-11"]
        "Several client-secrets are not compared with anything.";
    SecretEchoed "secret-echoed" "" ["X-66"]
        "A refusal repeats the client-secret.";
    SecretNotChecked "secret-not-checked" "" ["SUC-11"]
        "Any client-secret is accepted.";
    SpaceInSecret "space-in-secret" "raw" ["SUC-01"]
        "White space around a client-secret counts as part of it.";
    SuccessMessageReworded "success-message-reworded" "" ["SUC-14"]
        "The message of a success is written in other letters.";
    TextBehindTokenIgnored "text-behind-token-ignored" "" ["SUC-16"]
        "What stands behind a token and is no part of it is ignored.";
    TokenInOtherHeaders "token-in-other-headers" "" ["SUC-36"]
        "A token in the header X-Auth-Token is accepted.";
    TokenStartSuffices "token-start-suffices" "" ["SUC-24"]
        "Only the first characters of a token count.";
    TokenTypeLowerCase "token-type-lower-case" "" ["SUC-03"]
        "The token type is written in lower case.";
    UnknownClientBreaks "unknown-client-breaks" "load" ["X-64", "X-68"]
        "After fifty wrong secrets a client that does not exist is a server error.";
    UnknownClientTold "unknown-client-told" "" ["SUC-12", "X-23"]
        "An unknown client-id is told apart by a 403.";
    UnpaddedClientIdAccepted "unpadded-client-id-accepted" "" ["SUC-09"]
        "A client-id without its padding is accepted, whatever the variant says.";
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
    /// For defects that count: from zero whenever other faults are installed.
    counted: AtomicU64,
}

impl Faults {
    pub(crate) fn new(faults: &[Fault]) -> Self {
        let new = Self {
            any: AtomicBool::new(false),
            bits: std::array::from_fn(|_| AtomicU64::new(0)),
            counted: AtomicU64::new(0),
        };
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

    /// Counts one more time of whatever the defect at hand counts.
    pub(crate) fn tick(&self) -> u64 {
        self.counted.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How often it has been counted.
    pub(crate) fn ticks(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    pub(crate) fn install(&self, fault: Fault) {
        self.bits[fault as usize / 64].fetch_or(1 << (fault as usize % 64), Ordering::Relaxed);
        self.any.store(true, Ordering::Relaxed);
    }

    pub(crate) fn replace(&self, faults: &[Fault]) {
        self.any.store(false, Ordering::Relaxed);
        self.counted.store(0, Ordering::Relaxed);
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
