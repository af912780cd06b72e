//! A case: what is done to a server, step by step, in symbols. Values that an answer gives stand as names, so that the
//! same case can be sent again to a server in its first state, and a person can read it.

use std::fmt;

use crate::model::Flow;

/// A value that the answer to an earlier step gives.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) struct TokenId {
    /// The step, by its own number: other steps may be taken out of the case.
    pub(crate) step: u16,
    /// Which request of a pair.
    pub(crate) side: u8,
    /// What kind of value.
    pub(crate) kind: TokenKind,
}

/// What a token is good for.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(crate) enum TokenKind {
    /// Opens protected addresses.
    Access,
    /// Is exchanged for new tokens.
    Refresh,
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            TokenKind::Access => "token",
            TokenKind::Refresh => "refresh",
        };
        let side = if self.side == 0 { "" } else { "b" };
        write!(f, "{kind}_{}{side}", self.step)
    }
}

/// Everything that is done, in order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Case {
    /// The flow.
    pub(crate) flow: Flow,
    /// The steps.
    pub(crate) steps: Vec<Step>,
}

impl Case {
    /// The same case with its steps numbered from one: what is left of two cases can then be the same.
    pub(crate) fn renumbered(&self) -> Self {
        let place = |id: u16| self.steps.iter().position(|step| step.id == id);
        let number = |id: u16| place(id).and_then(|at| u16::try_from(at + 1).ok()).unwrap_or(id);
        let renamed = |id: TokenId| TokenId { step: number(id.step), ..id };
        let steps = self
            .steps
            .iter()
            .map(|step| Step { id: number(step.id), act: step.act.with_tokens(&renamed) });
        Self { flow: self.flow, steps: steps.collect() }
    }
}

impl Act {
    /// The same act with other tokens in the places of those that it names.
    pub(crate) fn with_tokens(&self, other: &dyn Fn(TokenId) -> TokenId) -> Self {
        let called = |call: &Call| Call {
            bearer: call.bearer.with_token(other),
            refresh: call.refresh.map(|refresh| refresh.with_token(other)),
            ..call.clone()
        };
        match self {
            Self::Call(call) => Self::Call(called(call)),
            Self::Race(pair) => Self::Race(Box::new([called(&pair[0]), called(&pair[1])])),
            Self::Revoke(id) => Self::Revoke(other(*id)),
            act => act.clone(),
        }
    }
}

/// One step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Step {
    /// Its number, which it keeps when others are taken out.
    pub(crate) id: u16,
    /// What is done.
    pub(crate) act: Act,
}

/// What a step does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    /// The state of an account is changed.
    Account {
        /// The role of the account in the profile.
        role: String,
        /// `active`, or what else the flow knows.
        state: &'static str,
    },
    /// So many milliseconds pass.
    Advance(u64),
    /// A request.
    Call(Call),
    /// The database fails, or works again.
    Database(bool),
    /// The button is pressed.
    Press(&'static str),
    /// Two requests that arrive at the same moment.
    Race(Box<[Call; 2]>),
    /// The server restarts.
    Restart,
    /// A token is revoked by the administration.
    Revoke(TokenId),
}

/// A request, in terms of the flow.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Call {
    /// The operation.
    pub(crate) operation: &'static str,
    /// The environment, for a flow that has several.
    pub(crate) environment: Option<String>,
    /// Whose credentials, and how they are presented.
    pub(crate) login: Option<(String, Claim)>,
    /// What is presented as a token.
    pub(crate) bearer: Bearer,
    /// What is presented as a refresh token.
    pub(crate) refresh: Option<Bearer>,
    /// Another parameter with its value.
    pub(crate) with: Vec<(&'static str, String)>,
    /// Another method than the documented one.
    pub(crate) method: Option<&'static str>,
    /// Something that must not matter.
    pub(crate) idle: Option<Idle>,
}

/// How credentials are presented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Claim {
    /// As they are.
    Right,
    /// With another password.
    Wrong,
    /// With the password of another account.
    Foreign,
    /// A user whom nobody knows.
    Unknown,
    /// Without a password.
    NoPassword,
    /// Without a user name.
    NoUsername,
    /// With an empty password.
    EmptyPassword,
    /// With a space behind the password.
    Padded,
    /// With the password in capitals.
    Folded,
    /// With a character more behind the password.
    Longer,
    /// With the user name in capitals.
    NameFolded,
    /// In the query, and not where they belong.
    Query,
    /// As a JSON object.
    Json,
    /// With the password given twice: a wrong one and the right one.
    Repeated,
    /// By another media type than the documented one.
    Untyped,
    /// With a wildcard for the user name.
    Wildcard,
}

impl Claim {
    /// All of them but the right one, the plainest first.
    pub(crate) const WRONG: [Self; 15] = [
        Self::Wrong,
        Self::Unknown,
        Self::Foreign,
        Self::NoPassword,
        Self::NoUsername,
        Self::EmptyPassword,
        Self::Padded,
        Self::Folded,
        Self::Longer,
        Self::NameFolded,
        Self::Query,
        Self::Json,
        Self::Repeated,
        Self::Untyped,
        Self::Wildcard,
    ];
}

/// What is presented as a token, and how.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Bearer {
    /// Nothing.
    #[default]
    None,
    /// A token as documented.
    Token(TokenId),
    /// A text that nobody issued.
    Stranger,
    /// A token that is not quite the one that was issued.
    Altered(TokenId, Guise),
    /// A token under another word, or set otherwise, in the header field.
    Spelt(TokenId, Spelling),
    /// A token where none is looked for.
    Elsewhere(TokenId, Place),
    /// Two header fields; whether the good token comes first.
    Twice(TokenId, bool),
}

impl Bearer {
    /// The same with another token in the place of its own.
    fn with_token(self, other: &dyn Fn(TokenId) -> TokenId) -> Self {
        match self {
            Self::None | Self::Stranger => self,
            Self::Token(id) => Self::Token(other(id)),
            Self::Altered(id, guise) => Self::Altered(other(id), guise),
            Self::Spelt(id, spelling) => Self::Spelt(other(id), spelling),
            Self::Elsewhere(id, place) => Self::Elsewhere(other(id), place),
            Self::Twice(id, first) => Self::Twice(other(id), first),
        }
    }

    /// Whether it may be a token that counts, however it is written.
    pub(crate) const fn may_count(self) -> bool {
        !matches!(self, Self::None | Self::Stranger | Self::Elsewhere(..))
    }

    /// The token that it is made from.
    pub(crate) const fn token(self) -> Option<TokenId> {
        match self {
            Self::None | Self::Stranger => None,
            Self::Token(id)
            | Self::Altered(id, _)
            | Self::Spelt(id, _)
            | Self::Elsewhere(id, _)
            | Self::Twice(id, _) => Some(id),
        }
    }
}

/// A change to a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Guise {
    /// Its last character is another one.
    FlipLast,
    /// Its first character is another one.
    FlipFirst,
    /// Its last character is gone.
    DropLast,
    /// Only its first sixteen characters.
    Beginning,
    /// A character stands behind it.
    Longer,
    /// Once more in base64.
    Base64,
    /// In capitals.
    Upper,
    /// Without its first eight characters.
    Tail,
    /// Twice in a row.
    Doubled,
    /// Its last character is another one in the middle.
    FlipMiddle,
    /// Under the prefix of the other environment.
    OtherPrefix,
    /// Without the prefix of its environment.
    NoPrefix,
    /// A padding sign stands behind it.
    Padded,
    /// A JWT without its signature.
    Unsigned,
    /// A JWT with a character of its payload changed.
    Payload,
    /// A JWT whose header says that it is not signed.
    AlgorithmNone,
}

impl Guise {
    /// Those that fit every token.
    pub(crate) const ALL: [Self; 10] = [
        Self::FlipLast,
        Self::FlipFirst,
        Self::DropLast,
        Self::Longer,
        Self::Beginning,
        Self::Base64,
        Self::Upper,
        Self::Tail,
        Self::Doubled,
        Self::FlipMiddle,
    ];

    /// The template of the changed token.
    pub(crate) fn template(self, id: TokenId) -> String {
        match self {
            Self::FlipLast => format!("${{{id}|flip_last}}"),
            Self::FlipFirst => format!("${{{id}|flip_first}}"),
            Self::DropLast => format!("${{{id}|drop_last}}"),
            Self::Beginning => format!("${{{id}|first(16)}}"),
            Self::Longer => format!("${{{id}}}A"),
            Self::Base64 => format!("${{{id}|base64}}"),
            Self::Upper => format!("${{{id}|upper}}"),
            Self::Tail => format!("${{{id}|skip(8)}}"),
            Self::Doubled => format!("${{{id}}}${{{id}}}"),
            Self::FlipMiddle => format!("${{{id}|first(20)|flip_last}}${{{id}|skip(20)}}"),
            Self::OtherPrefix => format!("live_${{{id}|strip_prefix(sandbox_)}}"),
            Self::NoPrefix => format!("${{{id}|strip_prefix(sandbox_)|strip_prefix(live_)}}"),
            Self::Padded => format!("${{{id}}}="),
            Self::Unsigned => format!("${{{id}|reverse|skip(43)|reverse}}"),
            Self::Payload => format!("${{{id}|first(60)|flip_last}}${{{id}|skip(60)}}"),
            Self::AlgorithmNone => {
                format!("{UNSIGNED_HEADER}${{{id}|skip(36)|reverse|skip(43)|reverse}}")
            }
        }
    }
}

/// `{"alg":"none","typ":"JWT"}` in base64url.
const UNSIGNED_HEADER: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";

/// A header value that holds a token otherwise than documented.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Spelling {
    /// The scheme word in lower case.
    LowerScheme,
    /// The scheme word in capitals.
    UpperScheme,
    /// Two spaces.
    TwoSpaces,
    /// The field name in lower case.
    LowerField,
    /// The scheme `Basic`.
    Basic,
    /// The scheme `Basic` with the token as its user name.
    BasicPair,
    /// A scheme that nobody knows.
    Other,
    /// No scheme.
    Bare,
    /// No space.
    Glued,
    /// A comma in place of the space.
    Comma,
    /// In quotation marks.
    Quoted,
    /// Another word behind it.
    Trailing,
    /// Another word in front of it.
    Leading,
    /// The scheme twice.
    DoubleScheme,
    /// The scheme and nothing more.
    Empty,
    /// A tab in place of the space.
    Tab,
}

impl Spelling {
    /// Those that a server must take for the documented one, or may.
    pub(crate) const EQUAL: [Self; 4] =
        [Self::LowerScheme, Self::UpperScheme, Self::TwoSpaces, Self::LowerField];
    /// Those that present no token.
    pub(crate) const BROKEN: [Self; 12] = [
        Self::Basic,
        Self::Bare,
        Self::Other,
        Self::BasicPair,
        Self::Glued,
        Self::Comma,
        Self::Quoted,
        Self::Trailing,
        Self::Leading,
        Self::DoubleScheme,
        Self::Empty,
        Self::Tab,
    ];

    /// The template of the header value.
    pub(crate) fn template(self, scheme: &str, id: TokenId) -> String {
        let token = format!("${{{id}}}");
        match self {
            Self::LowerScheme => format!("{} {token}", scheme.to_lowercase()),
            Self::UpperScheme => format!("{} {token}", scheme.to_uppercase()),
            Self::TwoSpaces => format!("{scheme}  {token}"),
            Self::LowerField => format!("{scheme} {token}"),
            Self::Basic => format!("Basic {token}"),
            Self::BasicPair => format!("Basic ${{{id}|base64}}"),
            Self::Other => format!("Digest {token}"),
            Self::Bare => token,
            Self::Glued => format!("{scheme}{token}"),
            Self::Comma => format!("{scheme},{token}"),
            Self::Quoted => format!("{scheme} \"{token}\""),
            Self::Trailing => format!("{scheme} {token} trailing"),
            Self::Leading => format!("{scheme} leading {token}"),
            Self::DoubleScheme => format!("{scheme} {scheme} {token}"),
            Self::Empty => scheme.to_owned(),
            Self::Tab => format!("{scheme}${{hex(09)}}{token}"),
        }
    }
}

/// A place where no server looks for a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// The query, by this name.
    Query(&'static str),
    /// A cookie of this name.
    Cookie(&'static str),
    /// A header field of this name.
    Field(&'static str),
    /// A form.
    Form,
    /// A JSON body.
    Json,
}

impl Place {
    /// All of them.
    pub(crate) const ALL: [Self; 12] = [
        Self::Query("access_token"),
        Self::Cookie("token"),
        Self::Field("X-Auth-Token"),
        Self::Query("token"),
        Self::Query("accesstoken"),
        Self::Form,
        Self::Cookie("fastapiusersauth"),
        Self::Cookie("access_token"),
        Self::Field("X-Api-Key"),
        Self::Field("Proxy-Authorization"),
        Self::Field("X-Authorization"),
        Self::Json,
    ];
}

/// Something that must not matter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Idle {
    /// A query parameter that nobody knows.
    Query,
    /// A header field that nobody knows.
    Field,
    /// A cookie that nobody knows.
    Cookie,
    /// A form field that nobody knows.
    Parameter,
    /// A web page of somebody else asks.
    Origin,
}
