//! The state of a server, as far as the contracts speak of it.

use std::collections::BTreeMap;

use super::super::case::{TokenId, TokenKind};

/// Yes, no, or not known.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) enum Trit {
    /// It is not so.
    No,
    /// It may be so.
    Maybe,
    /// It is so.
    Yes,
}

impl Trit {
    /// A known answer.
    pub(crate) const fn of(known: bool) -> Self {
        if known { Self::Yes } else { Self::No }
    }

    /// Whether it may be so.
    pub(crate) fn may(self) -> bool {
        self != Self::No
    }

    /// Whether it may be otherwise.
    pub(crate) fn may_not(self) -> bool {
        self != Self::Yes
    }

    /// Both.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Maybe,
        }
    }
}

/// When something ends: certainly not before, and certainly from then on.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Life {
    /// Until here it lives.
    pub(crate) surely: u64,
    /// From here on it is over.
    pub(crate) at_most: u64,
}

impl Life {
    /// A life that ends at an exact moment.
    pub(crate) const fn until(end: u64) -> Self {
        Self { surely: end, at_most: end }
    }

    /// A life without an end.
    pub(crate) const fn endless() -> Self {
        Self::until(u64::MAX)
    }

    /// Whether it lasts at a moment, which is uncertain by some slack.
    pub(crate) fn lasts(self, now: u64, slack: u64) -> Trit {
        if now.saturating_add(slack) < self.surely {
            Trit::Yes
        } else if now >= self.at_most {
            Trit::No
        } else {
            Trit::Maybe
        }
    }
}

/// What is known of an issued token.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Token {
    /// The role of its account.
    pub(crate) role: String,
    /// The environment it is for.
    pub(crate) environment: Option<String>,
    /// The name it was given.
    pub(crate) name: Option<String>,
    /// When it ends.
    pub(crate) life: Life,
    /// Whether it still counts, its end aside.
    pub(crate) counts: Trit,
    /// The tokens of one login have one family.
    pub(crate) family: u32,
    /// When a refresh token was spent.
    pub(crate) spent: Option<u64>,
    /// Whether the account was out of order since it was issued: whether it then still counts is not said.
    pub(crate) rested: bool,
    /// Whether it has been used.
    pub(crate) used: bool,
}

/// The state of a server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct State {
    /// Milliseconds since the case began.
    pub(crate) now: u64,
    /// When the open window ends: nothing when none is open.
    pub(crate) window: Option<Life>,
    /// Whether a window may be open of which nothing else is known.
    pub(crate) window_unknown: bool,
    /// The issued tokens.
    pub(crate) tokens: BTreeMap<TokenId, Token>,
    /// Tokens that an answer gave once more, with the one that they are.
    pub(crate) aliases: BTreeMap<TokenId, TokenId>,
    /// The states of accounts that are not active, by role.
    pub(crate) accounts: BTreeMap<String, &'static str>,
    /// The token that an account has now, by role.
    pub(crate) current: BTreeMap<String, TokenId>,
    /// Whether the database fails.
    pub(crate) database_failing: bool,
    /// How many wrong logins there were, by role.
    pub(crate) failures: BTreeMap<String, u32>,
    /// How many tokens a client got, by role and environment, and since when.
    pub(crate) issues: BTreeMap<String, (u64, u32)>,
    /// Which of two header fields the server takes: not known, the first, the last, neither.
    pub(crate) header_taken: u8,
    /// The clause of the last thing that only should have no effect.
    pub(crate) soft: Option<&'static str>,
    /// How many families there are.
    pub(crate) families: u32,
}

impl State {
    /// The token that an id means.
    pub(crate) fn token(&self, id: TokenId) -> Option<&Token> {
        let id = self.aliases.get(&id).copied().unwrap_or(id);
        self.tokens.get(&id)
    }

    /// The same, to be changed.
    pub(crate) fn token_mut(&mut self, id: TokenId) -> Option<&mut Token> {
        let id = self.aliases.get(&id).copied().unwrap_or(id);
        self.tokens.get_mut(&id)
    }

    /// Notes a new token.
    pub(crate) fn issue(&mut self, at: (u16, u8), kind: TokenKind, token: Token) -> TokenId {
        let id = TokenId { step: at.0, side: at.1, kind };
        self.aliases.remove(&id);
        self.tokens.insert(id, token);
        id
    }

    /// A token no longer counts.
    pub(crate) fn end(&mut self, id: TokenId) {
        if let Some(token) = self.token_mut(id) {
            token.counts = Trit::No;
        }
    }

    /// Sets the state of an account; its tokens rest from then on.
    pub(crate) fn set_account(&mut self, role: &str, state: &'static str) {
        if state == "active" {
            self.accounts.remove(role);
        } else {
            self.accounts.insert(role.to_owned(), state);
            for token in self.tokens.values_mut().filter(|token| token.role == role) {
                token.rested = true;
            }
        }
    }

    /// Whether an account is in order.
    pub(crate) fn is_active(&self, role: &str) -> bool {
        !self.accounts.contains_key(role)
    }

    /// Whether a token counts now, its account aside.
    pub(crate) fn lives(&self, id: TokenId, slack: u64) -> Trit {
        let Some(token) = self.token(id) else {
            return Trit::No;
        };
        let rested = if token.rested { Trit::Maybe } else { Trit::Yes };
        token.counts.and(token.life.lasts(self.now, slack)).and(rested)
    }

    /// Counts a wrong login.
    pub(crate) fn fail(&mut self, role: &str) {
        *self.failures.entry(role.to_owned()).or_default() += 1;
    }

    /// A new token of an account.
    pub(crate) fn fresh(&mut self, role: &str, life: Life) -> Token {
        self.families += 1;
        Token {
            role: role.to_owned(),
            environment: None,
            name: None,
            life,
            counts: Trit::Yes,
            family: self.families,
            spent: None,
            rested: false,
            used: false,
        }
    }
}
