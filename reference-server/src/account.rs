//! Who may log in: the accounts of the five flows, their states, and their passwords as argon2id hashes.
//!
//! Hashing is cheap on purpose (64 KiB, one pass: some tens of microseconds) so that tests start at once; a server
//! with real users would ask for far more. An unknown user name costs the same hash as a known one, so that time
//! tells nothing about which names exist.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use argon2::{Algorithm, Argon2, Params, Version};
use subtle::ConstantTimeEq as _;
use thiserror::Error;

use crate::store::random;
use crate::suggestion::{hint, nearest};

/// One of the five documented token flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flow {
    /// The gateway whose first token needs the press of a button.
    GatewayButton,
    /// User name and password for a token in plain text.
    ChannelLogin,
    /// A visitor-management login with an opaque token of thirty days.
    VisitorLogin,
    /// An OAuth-style password login with JWT access tokens and single-use refresh tokens.
    JwtLogin,
    /// Client id and secret for a token of one environment.
    EnvironmentToken,
}

impl Flow {
    /// All flows, in the order of their documents.
    pub const ALL: [Self; 5] = [
        Self::GatewayButton,
        Self::ChannelLogin,
        Self::VisitorLogin,
        Self::JwtLogin,
        Self::EnvironmentToken,
    ];

    /// Its name, as scenarios and the control plane write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::GatewayButton => "gateway-button",
            Self::ChannelLogin => "channel-login",
            Self::VisitorLogin => "visitor-login",
            Self::JwtLogin => "jwt-login",
            Self::EnvironmentToken => "environment-token",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for Flow {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse_name("flow", name, &Self::ALL, |flow| flow.name())
    }
}

/// What an account may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AccountState {
    /// May log in.
    Active,
    /// Known, but the vendor has closed it: no new tokens, and the old ones rest.
    Blocked,
    /// As if it had never existed.
    Deleted,
    /// Deactivated by its owner or the vendor.
    Inactive,
    /// Its e-mail address was never confirmed.
    Unverified,
}

impl AccountState {
    /// All states.
    pub const ALL: [Self; 5] =
        [Self::Active, Self::Blocked, Self::Deleted, Self::Inactive, Self::Unverified];

    /// Its name, as the control plane writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Blocked => "blocked",
            Self::Deleted => "deleted",
            Self::Inactive => "inactive",
            Self::Unverified => "unverified",
        }
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl FromStr for AccountState {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        parse_name("account state", name, &Self::ALL, |state| state.name())
    }
}

/// A name that stands for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no {kind} `{name}`{}; expected one of: {}", hint(*suggestion), allowed.join(", "))]
pub struct NameError {
    kind: &'static str,
    name: String,
    allowed: Vec<&'static str>,
    suggestion: Option<&'static str>,
}

/// Finds a value of a small closed set by its name.
pub(crate) fn parse_name<T: Copy>(
    kind: &'static str,
    name: &str,
    all: &[T],
    name_of: impl Fn(T) -> &'static str,
) -> Result<T, NameError> {
    all.iter().copied().find(|value| name_of(*value) == name).ok_or_else(|| {
        let allowed: Vec<_> = all.iter().map(|value| name_of(*value)).collect();
        NameError {
            kind,
            name: name.to_owned(),
            suggestion: nearest(name, allowed.iter().copied()),
            allowed,
        }
    })
}

/// One account. Passwords are hashed when it is made and never kept.
#[derive(Debug, Clone)]
pub struct Account {
    flow: Flow,
    username: String,
    id: String,
    state: AccountState,
    /// One password, or for a tenant the sandbox secret and the production secret.
    passwords: Vec<PasswordHash>,
}

impl Account {
    /// An active account of a flow that logs in with a user name and a password.
    #[must_use]
    pub fn new(flow: Flow, username: &str, password: &str) -> Self {
        Self {
            flow,
            username: username.to_owned(),
            id: String::new(),
            state: AccountState::Active,
            passwords: vec![PasswordHash::new(password)],
        }
    }

    /// An active tenant of the environment flow: a domain, and a secret for each environment.
    #[must_use]
    pub fn tenant(domain: &str, sandbox_secret: &str, production_secret: &str) -> Self {
        let mut tenant = Self::new(Flow::EnvironmentToken, domain, sandbox_secret);
        tenant.passwords.push(PasswordHash::new(production_secret));
        tenant
    }

    /// The same account with an id: the subject of its JWTs, and its client id.
    #[must_use]
    pub fn with_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.id);
        self
    }

    /// The same account in another state at start.
    #[must_use]
    pub fn with_state(mut self, state: AccountState) -> Self {
        self.state = state;
        self
    }

    /// The documented test accounts. They are hashed once in the life of a process, so that a server starts fast.
    #[must_use]
    pub fn defaults() -> Vec<Self> {
        static DEFAULTS: OnceLock<Vec<Account>> = OnceLock::new();
        DEFAULTS.get_or_init(default_accounts).clone()
    }
}

fn default_accounts() -> Vec<Account> {
    use AccountState::{Blocked, Inactive, Unverified};
    use Flow::{ChannelLogin, JwtLogin, VisitorLogin};
    let long_password = format!("long-password-{}-tail-A", "0123456789".repeat(7));
    vec![
        Account::new(ChannelLogin, "channel_user", "550e8400-e29b-41d4-a716-446655440000"),
        Account::new(ChannelLogin, "second_channel", "7c9e6679-7425-40de-944b-e07fc1f90ae7"),
        Account::new(ChannelLogin, "blocked_channel", "16fd2706-8baf-433b-82eb-8c7fada847da")
            .with_state(Blocked),
        Account::new(ChannelLogin, "special_channel", "p+a s&w=ö%2B;\"é"),
        Account::new(VisitorLogin, "reception", "visitor-password-1"),
        Account::new(VisitorLogin, "porter", "visitor-password-2"),
        Account::new(VisitorLogin, "longpass", &long_password),
        Account::new(JwtLogin, "alice@example.com", "alice-password-1")
            .with_id("9221ffc9-640f-4372-86d3-ce642cba5603"),
        Account::new(JwtLogin, "bob@example.com", "bob-password-2")
            .with_id("1f7d9e0a-52c1-4c1d-9b52-6b1f6f2f9c11"),
        Account::new(JwtLogin, "inactive@example.com", "inactive-password-3")
            .with_id("5a0e0a86-8f0f-4b6e-8f0a-9f9c6e1f2d33")
            .with_state(Inactive),
        Account::new(JwtLogin, "unverified@example.com", "unverified-password-4")
            .with_id("c0a80101-7a5e-4d5b-9d53-0c5a1b2c3d44")
            .with_state(Unverified),
        Account::tenant("hotel.example", "sandbox-secret-hotel-1", "production-secret-hotel-2"),
        Account::tenant("inn.example", "sandbox-secret-inn-3", "production-secret-inn-4"),
    ]
}

/// An argon2id hash with its salt.
#[derive(Debug, Clone)]
struct PasswordHash {
    salt: [u8; 16],
    hash: [u8; 32],
    /// The hash of the first 72 bytes of a longer password, for the fault that stops there as bcrypt does.
    cut: Option<[u8; 32]>,
}

/// Where bcrypt stops reading a password.
const BCRYPT_LIMIT: usize = 72;

impl PasswordHash {
    fn new(password: &str) -> Self {
        let salt = random();
        let bytes = password.as_bytes();
        Self {
            hash: derive(bytes, &salt),
            cut: bytes.get(..BCRYPT_LIMIT).map(|start| derive(start, &salt)),
            salt,
        }
    }

    fn matches(&self, password: &str) -> bool {
        derive(password.as_bytes(), &self.salt).ct_eq(&self.hash).into()
    }

    fn matches_cut(&self, password: &str) -> bool {
        match (&self.cut, password.as_bytes().get(..BCRYPT_LIMIT)) {
            (Some(hash), Some(start)) => derive(start, &self.salt).ct_eq(hash).into(),
            _ => false,
        }
    }
}

fn derive(password: &[u8], salt: &[u8; 16]) -> [u8; 32] {
    let mut hash = [0; 32];
    let parameters = Params::new(64, 1, 1, Some(hash.len()))
        .expect("64 KiB, one pass and one lane are within argon2's limits");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, parameters)
        .hash_password_into(password, salt, &mut hash)
        .expect("a 16-byte salt and a password of bounded length are within argon2's limits");
    hash
}

/// An account of a running server.
#[derive(Debug)]
pub(crate) struct LiveAccount {
    account: Account,
    state: AtomicU8,
    /// Which of the server's accounts this is: a token remembers it.
    pub(crate) index: usize,
}

impl LiveAccount {
    pub(crate) fn username(&self) -> &str {
        &self.account.username
    }

    pub(crate) fn id(&self) -> &str {
        &self.account.id
    }

    pub(crate) fn state(&self) -> AccountState {
        AccountState::ALL[usize::from(self.state.load(Ordering::Relaxed))]
    }

    pub(crate) fn is_active(&self) -> bool {
        self.state() == AccountState::Active
    }

    /// Whether its tokens count: an unverified user may use what was issued.
    pub(crate) fn may_use_tokens(&self) -> bool {
        matches!(self.state(), AccountState::Active | AccountState::Unverified)
    }

    /// Whether one of its passwords matches; `which` is the environment of a tenant's secret, else 0.
    pub(crate) fn matches(&self, which: usize, password: &str) -> bool {
        self.account.passwords.get(which).is_some_and(|hash| hash.matches(password))
    }

    /// As `matches`, reading no more than the first 72 bytes.
    pub(crate) fn matches_cut(&self, password: &str) -> bool {
        self.account.passwords.iter().any(|hash| hash.matches_cut(password))
    }

    fn set(&self, state: AccountState) -> AccountState {
        let position = AccountState::ALL
            .iter()
            .position(|known| *known == state)
            .and_then(|position| u8::try_from(position).ok())
            .unwrap_or(0);
        AccountState::ALL[usize::from(self.state.swap(position, Ordering::Relaxed))]
    }
}

/// All accounts of a running server. The set is fixed at start; only states change.
#[derive(Debug)]
pub(crate) struct Accounts {
    all: Vec<LiveAccount>,
    by_name: HashMap<(Flow, String), usize>,
    by_id: HashMap<String, usize>,
    dummy: PasswordHash,
}

impl Accounts {
    pub(crate) fn new(accounts: Vec<Account>) -> Self {
        static DUMMY: OnceLock<PasswordHash> = OnceLock::new();
        let mut by_name = HashMap::new();
        let mut by_id = HashMap::new();
        let mut all = Vec::with_capacity(accounts.len());
        for (index, account) in accounts.into_iter().enumerate() {
            by_name.insert((account.flow, account.username.to_lowercase()), index);
            if !account.id.is_empty() {
                by_id.insert(account.id.clone(), index);
            }
            let state = account.state;
            let live = LiveAccount { account, state: AtomicU8::new(0), index };
            live.set(state);
            all.push(live);
        }
        let dummy = DUMMY.get_or_init(|| PasswordHash::new("")).clone();
        Self { all, by_name, by_id, dummy }
    }

    pub(crate) fn at(&self, index: usize) -> &LiveAccount {
        &self.all[index]
    }

    pub(crate) fn by_id(&self, id: &str) -> Option<&LiveAccount> {
        self.by_id.get(id).map(|index| &self.all[*index])
    }

    /// The account of this name, deleted ones left out.
    pub(crate) fn find(&self, flow: Flow, username: &str, any_case: bool) -> Option<&LiveAccount> {
        let account = self.any_state(flow, username)?;
        let named = any_case || account.username() == username;
        (named && account.state() != AccountState::Deleted).then_some(account)
    }

    /// The first account of a flow, for tokens that are seeded in bulk.
    pub(crate) fn first(&self, flow: Flow) -> Option<&LiveAccount> {
        self.all.iter().find(|live| live.account.flow == flow)
    }

    /// All accounts of a flow.
    pub(crate) fn of(&self, flow: Flow) -> impl Iterator<Item = &LiveAccount> {
        self.all.iter().filter(move |live| live.account.flow == flow)
    }

    /// Spends the time of one password hash, for a user who does not exist.
    pub(crate) fn spend_a_hash(&self, password: &str) {
        let _ = std::hint::black_box(self.dummy.matches(password));
    }

    /// Changes a state and returns the one before; `None` if no account has this name.
    pub(crate) fn set_state(
        &self,
        flow: Flow,
        username: &str,
        state: AccountState,
    ) -> Option<AccountState> {
        self.any_state(flow, username).map(|account| account.set(state))
    }

    /// Every account back to the state it started in.
    pub(crate) fn reset(&self) {
        for live in &self.all {
            live.set(live.account.state);
        }
    }

    fn any_state(&self, flow: Flow, username: &str) -> Option<&LiveAccount> {
        let index = self.by_name.get(&(flow, username.to_lowercase()))?;
        Some(&self.all[*index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_matches_itself_and_nothing_near_it() {
        let accounts = Accounts::new(Account::defaults());
        let account = accounts.find(Flow::VisitorLogin, "reception", false).unwrap();
        assert!(account.matches(0, "visitor-password-1"));
        for wrong in ["", "visitor-password-", "visitor-password-1 ", "Visitor-password-1"] {
            assert!(!account.matches(0, wrong));
        }
        assert!(!account.matches(1, "visitor-password-1"));
    }

    #[test]
    fn a_long_password_is_compared_to_its_end() {
        let accounts = Accounts::new(Account::defaults());
        let account = accounts.find(Flow::VisitorLogin, "longpass", false).unwrap();
        let start = format!("long-password-{}-tail-", "0123456789".repeat(7));
        assert!(account.matches(0, &format!("{start}A")));
        assert!(!account.matches(0, &format!("{start}B")));
        assert!(account.matches_cut(&format!("{start}B")));
    }

    #[test]
    fn states_change_and_go_back_to_the_start() {
        let accounts = Accounts::new(Account::defaults());
        let change = |state| accounts.set_state(Flow::ChannelLogin, "blocked_channel", state);
        assert_eq!(change(AccountState::Deleted), Some(AccountState::Blocked));
        assert!(accounts.find(Flow::ChannelLogin, "blocked_channel", false).is_none());
        accounts.reset();
        assert_eq!(change(AccountState::Active), Some(AccountState::Blocked));
        assert_eq!(
            accounts.set_state(Flow::JwtLogin, "blocked_channel", AccountState::Active),
            None
        );
    }

    #[test]
    fn names_are_found_in_any_case_only_when_asked() {
        let accounts = Accounts::new(Account::defaults());
        assert!(accounts.find(Flow::JwtLogin, "ALICE@example.com", true).is_some());
        assert!(accounts.find(Flow::JwtLogin, "ALICE@example.com", false).is_none());
        assert!(
            "jwt-logn"
                .parse::<Flow>()
                .unwrap_err()
                .to_string()
                .contains("did you mean `jwt-login`?")
        );
    }
}
