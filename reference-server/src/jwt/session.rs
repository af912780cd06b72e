//! Refresh tokens on the server's side: each works once, and a spent one that comes back ends its whole family
//! (RFC 9700 section 4.14.2).

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};

use super::token::{Kind, Subject, sign, verify};
use super::{account_of, defect};
use crate::account::LiveAccount;
use crate::app::App;
use crate::clock::milliseconds;
use crate::fault::Fault;
use crate::store::{Digest, Store, lock};
use crate::variant::Variant;

/// How long a spent token may be tried again under the variant that allows it, in milliseconds.
const GRACE: u64 = 10_000;

/// All refresh tokens, and the access tokens that were revoked before they expired.
#[derive(Debug)]
pub(super) struct Sessions {
    refresh: Store<Record>,
    revoked: Store<Revoked>,
    /// Whether anything was ever revoked: spares most validations the look-up.
    any_revoked: AtomicBool,
    /// What the defects that end more than one session remember of each account.
    accounts: Mutex<HashMap<usize, Ended>>,
}

/// What became of an account's sessions by a defect.
#[derive(Debug, Default)]
struct Ended {
    /// Families of a lower number are over.
    below: u64,
    /// It was seen while it was not active.
    shut_out: bool,
}

#[derive(Debug)]
struct Record {
    account: usize,
    family: Arc<Family>,
    expires: u64,
    /// When it was used, in milliseconds; 0 while it is fresh.
    used: AtomicU64,
    /// The access token that was issued with it.
    access: Digest,
}

/// The tokens that go back to one login.
#[derive(Debug)]
struct Family {
    ended: AtomicBool,
    /// When the first of them would have expired.
    first_expiry: OnceLock<u64>,
    /// How often all sessions of the account had been ended before it: 0 unless a defect does so.
    number: u64,
}

#[derive(Debug)]
struct Revoked {
    until: u64,
}

/// A new pair of tokens.
pub(super) struct Pair {
    pub(super) access: String,
    pub(super) refresh: String,
}

impl Sessions {
    pub(super) fn new() -> Self {
        Self {
            refresh: Store::new(),
            revoked: Store::new(),
            any_revoked: AtomicBool::new(false),
            accounts: Mutex::default(),
        }
    }

    pub(super) fn reset(&self) {
        self.refresh.clear();
        self.revoked.clear();
        self.any_revoked.store(false, Ordering::Relaxed);
        lock(&self.accounts).clear();
    }

    /// Starts a family: a login.
    pub(super) fn begin(&self, app: &App, account: &LiveAccount) -> Pair {
        if app.faults.has(Fault::LoginEndsSessions) {
            self.end_all(account.index);
        }
        let number = if app.faults.any() { self.ended_below(account.index) } else { 0 };
        let family =
            Family { ended: AtomicBool::new(false), first_expiry: OnceLock::new(), number };
        self.issue(app, account, &Arc::new(family), None)
    }

    fn issue(
        &self,
        app: &App,
        account: &LiveAccount,
        family: &Arc<Family>,
        previous: Option<&str>,
    ) -> Pair {
        let now = app.clock.now();
        let mut expires = now + milliseconds(app.lifetimes.jwt_refresh);
        let first = *family.first_expiry.get_or_init(|| expires);
        if app.variants.is(Variant::RotationLifetime, "fixed")
            || app.faults.has(Fault::RotationNotProlonged)
        {
            expires = first;
        }
        let access = match previous {
            Some(_) => refreshed_access_token(app, account, first),
            None => access_token(app, account),
        };
        let subject = subject(app, account);
        let refresh = match previous {
            Some(previous) if app.faults.has(Fault::SameRefreshToken) => previous.to_owned(),
            _ if app.faults.has(Fault::RefreshEqualsAccess) => access.clone(),
            _ => sign(app, Kind::Refresh, &subject, expires.div_ceil(1000)),
        };
        let record = Record {
            account: account.index,
            family: Arc::clone(family),
            expires,
            used: AtomicU64::new(0),
            access: Digest::of(&access),
        };
        let digest = Digest::of(defect::stored_form(app, &refresh));
        self.refresh.insert(digest, record, |record| record.expires > now);
        Pair { access, refresh }
    }

    /// Spends a refresh token for a new pair. A refused one is left as it was, unless it was spent already.
    pub(super) fn rotate(
        &self,
        app: &App,
        token: &str,
        client_id: Option<&str>,
        lenient: bool,
    ) -> Option<Pair> {
        let record = self.find(app, token)?;
        let account = app.accounts.at(record.account);
        if app.faults.any() && record.family.number < self.ended_below(account.index) {
            return None;
        }
        let now = app.clock.now();
        let expired = now >= record.expires && !app.faults.has(Fault::RefreshNeverExpires);
        let usable = account.may_use_tokens() || app.faults.has(Fault::InactiveAccountRefreshes);
        let wrong_client = client_id.is_some_and(|id| id != account.id())
            && app.variants.is(Variant::ClientId, "checked")
            && !app.faults.has(Fault::ClientIdIgnored);
        if wrong_client && app.faults.has(Fault::RefusedRefreshSpends) {
            record.used.store(now.max(1), Ordering::Release);
        }
        if expired || !usable || wrong_client || record.family.ended.load(Ordering::Acquire) {
            return None;
        }
        if !lenient && !spend(app, &record, now) {
            if app.faults.has(Fault::ReplayEndsAllSessions) {
                self.end_all(account.index);
            }
            return None;
        }
        if lenient {
            record.used.store(now.max(1), Ordering::Release);
        }
        if app.variants.is(Variant::PreviousAccessToken, "revoked")
            || app.faults.has(Fault::PreviousAccessRevoked)
        {
            self.revoke_access(app, record.access);
        }
        let account = match app.accounts.first(crate::account::Flow::JwtLogin) {
            Some(first) if app.faults.has(Fault::RefreshChangesSubject) => first,
            _ => account,
        };
        if app.faults.has(Fault::RefreshEndsOthers) {
            self.end_all(account.index);
            return Some(self.begin(app, account));
        }
        Some(self.issue(app, account, &record.family, Some(token)))
    }

    fn find(&self, app: &App, token: &str) -> Option<Arc<Record>> {
        if let Some(record) = self.refresh.get(&Digest::of(defect::stored_form(app, token))) {
            if app.faults.has(Fault::RefreshSpentBeforeCheck)
                && verify(app, Kind::Refresh, token).is_none()
            {
                record.used.store(app.clock.now().max(1), Ordering::Release);
                return None;
            }
            return Some(record);
        }
        if app.faults.has(Fault::AccessTokenEndsSession)
            && let Some(id) = verify(app, Kind::Access, token)
            && let Some(account) = account_of(app, &id)
        {
            self.end_all(account.index);
        }
        // The defect: any well-signed access token starts a new family.
        if !app.faults.has(Fault::AccessTokenRefreshes) {
            return None;
        }
        let id = verify(app, Kind::Access, token)?;
        let account = account_of(app, &id)?;
        let pair = self.begin(app, account);
        self.refresh.get(&Digest::of(&pair.refresh))
    }

    /// Whether a refresh token has not been used yet.
    pub(super) fn is_fresh(&self, token: &str) -> bool {
        let record = self.refresh.get(&Digest::of(token));
        record.is_some_and(|record| record.used.load(Ordering::Acquire) == 0)
    }

    /// Ends the family of a refresh token; `false` if it is not known.
    pub(super) fn end(&self, token: &str) -> bool {
        match self.refresh.get(&Digest::of(token)) {
            Some(record) => !record.family.ended.swap(true, Ordering::AcqRel),
            None => false,
        }
    }

    /// Ends all sessions that an account has so far.
    pub(super) fn end_all(&self, account: usize) {
        lock(&self.accounts).entry(account).or_default().below += 1;
    }

    fn ended_below(&self, account: usize) -> u64 {
        lock(&self.accounts).get(&account).map_or(0, |ended| ended.below)
    }

    /// Whether an account is, or was when it was last seen, not to log in.
    pub(super) fn shut_out(&self, account: &LiveAccount) -> bool {
        let mut accounts = lock(&self.accounts);
        let ended = accounts.entry(account.index).or_default();
        ended.shut_out |= !account.may_use_tokens();
        ended.shut_out
    }

    /// Marks a refresh token as used, if it is one.
    pub(super) fn mark_used(&self, app: &App, token: &str) {
        if let Some(record) = self.refresh.get(&Digest::of(token)) {
            record.used.store(app.clock.now().max(1), Ordering::Release);
        }
    }

    pub(super) fn revoke_access(&self, app: &App, access: Digest) {
        let now = app.clock.now();
        let until = now + milliseconds(app.lifetimes.jwt_access);
        self.revoked.insert(access, Revoked { until }, |revoked| revoked.until > now);
        self.any_revoked.store(true, Ordering::Release);
    }

    pub(super) fn is_revoked(&self, access: &str) -> bool {
        self.any_revoked.load(Ordering::Acquire) && self.revoked.get(&Digest::of(access)).is_some()
    }
}

/// Marks a token as used; of any number of callers at once, one gets `true`.
fn spend(app: &App, record: &Record, now: u64) -> bool {
    if app.faults.has(Fault::RefreshReusable) {
        return true;
    }
    let spent = record.used.compare_exchange(0, now.max(1), Ordering::AcqRel, Ordering::Acquire);
    match spent {
        Ok(_) => true,
        Err(used) => {
            let grace = app.variants.is(Variant::RefreshRetry, "grace")
                || app.faults.has(Fault::RetryServed);
            let again = grace && now.saturating_sub(used) < GRACE;
            if !again && !app.faults.has(Fault::ReplayKeepsFamily) {
                record.family.ended.store(true, Ordering::Release);
            }
            again
        }
    }
}

/// A new access token; it needs no store.
pub(super) fn access_token(app: &App, account: &LiveAccount) -> String {
    let lifetime = app.lifetimes.jwt_access.as_secs();
    let lifetime = if app.faults.has(Fault::AccessExpiresEarly) { lifetime / 2 } else { lifetime };
    let expires = app.clock.now() / 1000 + lifetime;
    sign(app, Kind::Access, &subject(app, account), expires)
}

/// The access token of a refresh; `first` is when the first refresh token of the family expires.
fn refreshed_access_token(app: &App, account: &LiveAccount, first: u64) -> String {
    let subject = subject(app, account);
    let lifetimes = app.lifetimes;
    if app.faults.has(Fault::RefreshedTokenOfWrongKind) {
        return sign(app, Kind::Refresh, &subject, first / 1000);
    }
    if app.faults.has(Fault::RefreshKeepsExpiry) {
        let login = first - milliseconds(lifetimes.jwt_refresh);
        return sign(app, Kind::Access, &subject, login / 1000 + lifetimes.jwt_access.as_secs());
    }
    access_token(app, account)
}

fn subject<'a>(app: &App, account: &'a LiveAccount) -> Subject<'a> {
    let id = if app.faults.has(Fault::SubjectIsNumber) {
        Cow::Owned(account.index.to_string())
    } else {
        Cow::Borrowed(account.id())
    };
    Subject { id, email: account.username() }
}
