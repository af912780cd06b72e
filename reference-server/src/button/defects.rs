//! What the faults of this flow do with tokens. Nothing here changes anything while no fault is installed.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use super::orders::News;
use super::{TOKEN_LENGTH, Token, accept};
use crate::app::App;
use crate::clock::timestamp;
use crate::fault::Fault;
use crate::store::{Digest, lock};

/// How often a token works that wears out.
const USES: u64 = 64;

/// How much of a token is compared where its end is ignored.
const COMPARED: usize = 16;

/// What only defects know of a token.
#[derive(Debug)]
pub(super) struct Marks {
    pub(super) text: String,
    /// How often the token was presented.
    uses: AtomicU64,
    /// How many sockets it has opened.
    pub(super) sockets: AtomicU64,
    /// When it was last validated, by the clock of the machine.
    validated: Mutex<Option<Instant>>,
    /// How many requests are deleting it.
    deletions: AtomicU64,
    /// Whether it was generated with another token.
    pub(super) child: AtomicBool,
}

impl Marks {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            uses: AtomicU64::new(0),
            sockets: AtomicU64::new(0),
            validated: Mutex::new(None),
            deletions: AtomicU64::new(0),
            child: AtomicBool::new(false),
        }
    }
}

/// How long a defect takes between two steps that belong together.
const MOMENT: Duration = Duration::from_millis(3);

/// Sockets without a token beyond this number are forgotten by a defect.
const CLOSED: u64 = 200;

/// Sockets that may be open where a defect limits them.
const SOCKETS: u64 = 200;

/// Spins for two microseconds for each of the letters that two texts have in common at their beginning.
fn compare_slowly(known: &str, text: &str) -> bool {
    for (own, other) in known.bytes().zip(text.bytes()) {
        if own != other {
            return false;
        }
        let began = Instant::now();
        while began.elapsed() < LETTER {
            std::hint::spin_loop();
        }
    }
    known.len() == text.len()
}

/// What comparing one letter takes.
const LETTER: Duration = Duration::from_micros(2);

/// Compares a text with all tokens as a naive store would.
pub(super) fn search_slowly(app: &App, text: &str) {
    if app.faults.has(Fault::SlowPrefixCompare) {
        for token in app.button.tokens.entries() {
            if token.marks.as_ref().is_some_and(|marks| compare_slowly(&marks.text, text)) {
                return;
            }
        }
    }
}

/// What happens to a deletion between finding the token and ending it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Gap {
    /// Nothing.
    Alone,
    /// It meets another deletion, and both are refused.
    Refused,
    /// It meets a use, which writes the token back.
    Undone,
}

/// Waits between finding a token and ending it, where a defect has a gap there.
pub(super) async fn gap(app: &App, token: &Token) -> Gap {
    let gaps = [Fault::DeleteAnsweredTwice, Fault::DeletionsCollide, Fault::RevokeInTwoSteps];
    let gapped = gaps.into_iter().any(|fault| app.faults.has(fault));
    let Some(marks) = token.marks.as_ref().filter(|_| gapped) else {
        return Gap::Alone;
    };
    let others = marks.deletions.fetch_add(1, Ordering::AcqRel);
    tokio::time::sleep(MOMENT).await;
    let met = others > 0 || marks.deletions.load(Ordering::Acquire) > 1;
    marks.deletions.fetch_sub(1, Ordering::AcqRel);
    if met && app.faults.has(Fault::DeletionsCollide) {
        return Gap::Refused;
    }
    let used = lock(&marks.validated).is_some_and(|moment| moment.elapsed() < MOMENT * 3);
    if used && app.faults.has(Fault::RevokeInTwoSteps) { Gap::Undone } else { Gap::Alone }
}

/// Remembers a validation for the defect that minds one.
pub(super) fn validated(token: &Token) {
    if let Some(marks) = &token.marks {
        *lock(&marks.validated) = Some(Instant::now());
    }
}

/// Whether a new socket is turned away.
pub(super) fn turns_away(app: &App) -> bool {
    app.faults.has(Fault::SocketsLimited)
        && app.counters.open_sockets.load(Ordering::Relaxed) >= SOCKETS
}

/// Whether the twenty seconds of a new socket never end.
pub(super) fn forgets(app: &App) -> bool {
    app.faults.has(Fault::IdleSocketsForgotten) && app.faults.tick() > CLOSED
}

/// The name as the gateway keeps it.
pub(super) fn kept_name(app: &App, name: &str) -> String {
    if app.faults.has(Fault::NameFolded) { name.to_ascii_lowercase() } else { name.to_owned() }
}

/// The last use of a token that nobody has used yet; 0 is none.
pub(super) fn used_at_creation(app: &App) -> u64 {
    if app.faults.has(Fault::CreationCountsAsUse) { app.clock.now() } else { 0 }
}

/// Whether a known token counts this time.
pub(super) fn admits(app: &App, token: &Token) -> bool {
    let Some(marks) = &token.marks else {
        return true;
    };
    let before = marks.uses.fetch_add(1, Ordering::Relaxed);
    let denied = app.faults.has(Fault::FirstUseDenied) && before == 0;
    let worn_out = app.faults.has(Fault::TokenWearsOut) && before >= USES;
    !denied && !worn_out
}

/// The token that a text stands for without being it.
pub(super) fn whole_token(app: &App, text: &str) -> Option<String> {
    if !app.faults.has(Fault::TokenEndIgnored) || text.len() != TOKEN_LENGTH {
        return None;
    }
    let start = text.get(..COMPARED)?;
    let tokens = app.button.tokens.entries();
    let mut texts = tokens.iter().filter_map(|token| token.marks.as_ref()).map(|marks| &marks.text);
    texts.find(|text| text.starts_with(start)).cloned()
}

/// The first good token among all words of all Authorization headers.
pub(super) fn any_credential(
    app: &App,
    headers: &HeaderMap,
    peer: IpAddr,
) -> Option<(Digest, Arc<Token>, u64)> {
    let values = headers.get_all(AUTHORIZATION).iter().filter_map(|value| value.to_str().ok());
    let mut words =
        values.filter(|value| value.contains("Bearer")).flat_map(|value| value.split([',', ' ']));
    words.find_map(|word| accept(app, word, peer))
}

/// The token that was created last.
pub(super) fn newest(app: &App) -> Option<Arc<Token>> {
    app.button.tokens.entries().into_iter().max_by_key(|token| token.number)
}

/// Milliseconds by which the creation date of a token is off.
pub(super) fn date_shift(app: &App, token: &Token) -> u64 {
    let uses = token.marks.as_ref().map_or(0, |marks| marks.uses.load(Ordering::Relaxed));
    if app.faults.has(Fault::CreationDateShifts) && uses > 1 { 3_600_000 } else { 0 }
}

/// Whether a token was generated with another one.
pub(super) fn is_child(token: &Token) -> bool {
    token.marks.as_ref().is_some_and(|marks| marks.child.load(Ordering::Relaxed))
}

/// The item of a list with its last use in seconds.
pub(super) fn numeric_use(item: &str, used: u64) -> String {
    item.replace(
        &format!(r#""last_used":"{}""#, timestamp(used)),
        &format!(r#""last_used":{}"#, used / 1000),
    )
}

/// The place of a new socket among those that its token has opened; the sockets before it are told to look.
pub(super) fn count_socket(app: &App, token: &Token) -> u64 {
    if !app.faults.has(Fault::OneSocketPerToken) {
        return 0;
    }
    let own = token.marks.as_ref().map_or(0, |marks| marks.sockets.fetch_add(1, Ordering::AcqRel));
    app.button.orders.tell(News::Revoked);
    own + 1
}

/// Whether a later socket of its token has taken the place of a socket.
pub(super) fn is_replaced(app: &App, token: &Token, own: u64) -> bool {
    app.faults.has(Fault::OneSocketPerToken)
        && token.marks.as_ref().is_some_and(|marks| marks.sockets.load(Ordering::Acquire) > own)
}

/// A message to an authenticated socket with what defects add to it.
pub(super) fn socket_text(app: &App, token: &Token, text: String) -> String {
    if let Some(marks) = &token.marks
        && app.faults.has(Fault::SocketShowsToken)
    {
        return text.replacen('{', &format!(r#"{{"accesstoken":"{}","#, marks.text), 1);
    }
    if app.faults.has(Fault::OrdersWithReturnCode) && text.contains("ACTIVE_ORDERS") {
        return text.replacen('{', r#"{"returnCode":3,"#, 1);
    }
    text
}
