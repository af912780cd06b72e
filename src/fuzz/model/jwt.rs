//! The JWT login: access tokens that end by themselves, and refresh tokens that work once and have a family.

use serde_json::Value;

use super::super::case::{Bearer, Call, Claim, Guise, TokenId, TokenKind};
use super::{Branch, Fact, Life, Presented, Rules, State, Token, Trit, presented, twice};

/// How long a server may be generous about the end of a token: RFC 7519 speaks of a few minutes.
pub(super) const LEEWAY: u64 = 300_000;

/// How soon a lost answer may be asked for again, where that is served.
const RETRY: u64 = 60_000;

/// The accounts as they are before anything is done.
pub(super) fn start(rules: &Rules, state: &mut State) {
    if rules.knows("blocked") {
        state.accounts.insert("blocked".to_owned(), "inactive");
    }
    if rules.knows("unverified") {
        state.accounts.insert("unverified".to_owned(), "unverified");
    }
}

/// A token is revoked by the administration; with a refresh token its whole family may be.
pub(super) fn revoked(state: &mut State, id: TokenId) {
    let family = state.token(id).map(|token| token.family);
    state.end(id);
    let others = state.tokens.iter_mut().filter(|(_, token)| Some(token.family) == family);
    for (_, token) in others {
        token.counts = token.counts.and(Trit::Maybe);
    }
}

/// Every answer that is allowed.
pub(super) fn answers(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    if let Some(method) = call.method {
        let token = call.bearer.may_count();
        let success = ["refused", "accepted", "other_success", "logged_out"];
        let outcomes = match (method, token) {
            ("HEAD", true) => &success[..],
            ("OPTIONS", _) => &["refused", "other_success"],
            _ => &success[..1],
        };
        let clause = match call.operation {
            "login" => "JWT-22",
            "refresh" | "postman_refresh" => "JWT-83",
            _ => "JWT-41",
        };
        return vec![Branch::new(outcomes, clause, state.clone())];
    }
    match call.operation {
        "login" => log_in(rules, state, call, at),
        "refresh" | "postman_refresh" => refresh(rules, state, call, at),
        "cookie_login" => vec![Branch::new(&["not_found", "refused"], "JWT-28", state.clone())],
        _ => with_access(rules, state, call),
    }
}

fn judge(rules: &Rules, claim: Claim) -> (Trit, Vec<&'static str>, &'static str) {
    let wrong = vec!["bad_credentials"];
    let shape = vec!["malformed"];
    match claim {
        Claim::Right => (Trit::Yes, wrong, "JWT-01"),
        Claim::Unknown | Claim::Wildcard => (Trit::No, wrong, "JWT-10"),
        Claim::Wrong | Claim::Foreign | Claim::Longer => (Trit::No, wrong, "JWT-09"),
        Claim::Padded | Claim::Folded => (Trit::No, wrong, "JWT-25"),
        Claim::NoPassword | Claim::NoUsername => (Trit::No, shape, "JWT-13"),
        Claim::EmptyPassword => (Trit::No, vec!["malformed", "bad_credentials"], "JWT-14"),
        Claim::NameFolded => (rules.is("username_case", "insensitive"), wrong, "JWT-24"),
        Claim::Query => (Trit::No, vec!["refused"], "JWT-16"),
        Claim::Json | Claim::Untyped => (Trit::No, vec!["refused"], "JWT-15"),
        // The last value is the right one.
        Claim::Repeated => (rules.is("repeated_parameter", "last"), vec!["refused"], "JWT-21"),
    }
}

fn log_in(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    let Some((role, claim)) = &call.login else {
        return vec![Branch::new(&["malformed"], "JWT-13", state.clone())];
    };
    let (mut right, mut refusal, mut clause) = judge(rules, *claim);
    if let Some((_, grant)) = call.with.iter().find(|(name, _)| *name == "grant_type") {
        let missing = grant.is_empty();
        let accepted = if missing { rules.is("missing_grant_type", "accepted") } else { Trit::No };
        if accepted.may_not() {
            refusal = vec!["refused"];
            clause = if missing { "JWT-08" } else { "JWT-07" };
        }
        right = right.and(accepted);
    }
    let mut ways = Vec::new();
    if right.may() {
        ways.extend(by_right(rules, state, role, at, clause));
    }
    if right.may_not() {
        let mut next = state.clone();
        next.fail(role);
        ways.push(Branch::new(&refusal, clause, next));
    }
    if rules.may_hold_back(state) {
        ways.push(Branch::new(&["rejected"], "JWT-09", state.clone()));
    }
    ways
}

fn by_right(
    rules: &Rules,
    state: &State,
    role: &str,
    at: (u16, u8),
    clause: &'static str,
) -> Vec<Branch> {
    let issue = || {
        let mut next = state.clone();
        let family = next.fresh(role, access_life(rules, state));
        Branch::new(&["issued"], clause, pair(rules, next, family, None, at))
    };
    match state.accounts.get(role).copied() {
        None => vec![issue()],
        Some("unverified") => {
            let accepted = rules.is("unverified_login", "accepted");
            let mut ways = Vec::new();
            if accepted.may() {
                ways.push(issue());
            }
            if accepted.may_not() {
                ways.push(Branch::new(&["not_verified"], "JWT-12", state.clone()));
            }
            ways
        }
        Some(_) => vec![Branch::new(&["bad_credentials"], "JWT-11", state.clone())],
    }
}

fn access_life(rules: &Rules, state: &State) -> Life {
    let end = state.now + rules.life("access_token");
    Life { surely: end.saturating_sub(1000), at_most: end + LEEWAY }
}

/// Notes a pair of new tokens of one family.
fn pair(
    rules: &Rules,
    mut next: State,
    access: Token,
    first: Option<Life>,
    at: (u16, u8),
) -> State {
    let end = next.now + rules.life("refresh_token");
    let life = Life { surely: end.saturating_sub(1000), at_most: end + LEEWAY };
    let life = match (first, rules.is("rotation_lifetime", "sliding")) {
        (Some(first), Trit::No) => first,
        (Some(first), Trit::Maybe) => Life { surely: first.surely, at_most: life.at_most },
        _ => life,
    };
    let refresh = Token { life, ..access.clone() };
    let _ = next.issue(at, TokenKind::Access, access);
    let _ = next.issue(at, TokenKind::Refresh, refresh);
    next
}

fn usable(state: &State, token: &Token) -> Trit {
    match state.accounts.get(&token.role).copied() {
        None => Trit::Yes,
        // Whether what was issued still counts is not said.
        Some("unverified") => Trit::Maybe,
        Some(_) => Trit::No,
    }
}

fn refresh(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    let denied = |clause| vec![Branch::new(&["refused"], clause, state.clone())];
    if call.operation == "postman_refresh" && !rules.can("postman") {
        return vec![Branch::new(&["refused"], "JWT-92", state.clone())];
    }
    match call.refresh {
        None | Some(Bearer::None) => denied("JWT-78"),
        Some(Bearer::Elsewhere(id, _)) => {
            let anywhere = rules.is("refresh_place", "anywhere");
            let mut ways = Vec::new();
            if anywhere.may() {
                ways.extend(rotate(rules, state, call, id, at));
            }
            ways.extend(denied("JWT-82"));
            ways
        }
        Some(Bearer::Token(id)) if id.kind == TokenKind::Access => denied("JWT-38"),
        Some(Bearer::Token(id)) => rotate(rules, state, call, id, at),
        Some(Bearer::Altered(id, Guise::FlipLast | Guise::Padded)) => {
            // A signature may have bits that count for nothing.
            let mut ways = denied("JWT-79");
            ways.extend(rotate(rules, state, call, id, at));
            ways
        }
        Some(_) => denied("JWT-79"),
    }
}

fn rotate(rules: &Rules, state: &State, call: &Call, id: TokenId, at: (u16, u8)) -> Vec<Branch> {
    let Some(token) = state.token(id).cloned() else {
        return vec![Branch::new(&["denied", "refused"], "JWT-79", state.clone())];
    };
    let mut lives = state.lives(id, rules.slack).and(usable(state, &token));
    let mut clause = if usable(state, &token) == Trit::No { "JWT-85" } else { "JWT-74" };
    let foreign = call
        .with
        .iter()
        .find(|(name, _)| *name == "client_id")
        .is_some_and(|(_, value)| rules.ids.get(&token.role).is_none_or(|own| own != value));
    if foreign && call.operation == "postman_refresh" {
        let checked = rules.is("client_id", "ignored");
        lives = lives.and(checked);
        clause = "JWT-93";
    }
    if token.counts != Trit::Yes && clause == "JWT-74" {
        clause = "JWT-75";
    }
    let mut ways = Vec::new();
    match token.spent {
        None => {
            if lives.may() {
                let right = if call.operation == "refresh" { "JWT-70" } else { "JWT-90" };
                let right = state.soft.unwrap_or(right);
                ways.push(Branch::new(&["issued"], right, rotated(rules, state, id, &token, at)));
            }
            if lives.may_not() {
                ways.push(Branch::new(&["denied", "refused"], clause, state.clone()));
            }
        }
        Some(when) => {
            let soon = state.now.saturating_sub(when) < RETRY;
            let served = rules.is("refresh_retry", "grace");
            // The client may be looked at first, and the token not at all.
            let other_client = foreign && call.operation == "postman_refresh";
            let known = if other_client { Trit::Maybe } else { served };
            if soon && served.may() && lives.may() {
                ways.push(Branch::new(
                    &["issued"],
                    "JWT-88",
                    rotated(rules, state, id, &token, at),
                ));
            }
            ways.push(Branch::new(
                &["denied", "refused"],
                "JWT-73",
                replayed(state, &token, known),
            ));
        }
    }
    ways
}

/// A spent token came back: its family should end, and nothing of any other.
fn replayed(state: &State, token: &Token, grace: Trit) -> State {
    let mut next = state.clone();
    let family = token.family;
    for (id, other) in next.tokens.iter_mut().filter(|(_, other)| other.family == family) {
        if id.kind == TokenKind::Refresh && other.spent.is_none() {
            other.counts = if grace == Trit::No { Trit::No } else { other.counts.and(Trit::Maybe) };
        } else {
            other.counts = other.counts.and(Trit::Maybe);
        }
    }
    next
}

fn rotated(rules: &Rules, state: &State, id: TokenId, token: &Token, at: (u16, u8)) -> State {
    let mut next = state.clone();
    let now = next.now;
    if let Some(spent) = next.token_mut(id) {
        spent.spent.get_or_insert(now);
    }
    // What a lost answer gave is replaced or stays: its own refresh token was not used.
    let again = token.spent.is_some();
    let previous = match rules.is("previous_access_token", "valid") {
        Trit::No if again => Trit::Maybe,
        other => other,
    };
    for (other, known) in next.tokens.iter_mut().filter(|(_, known)| known.family == token.family) {
        if other.kind == TokenKind::Access {
            known.counts = known.counts.and(previous);
        }
    }
    let access = Token {
        life: access_life(rules, &next),
        counts: Trit::Yes,
        rested: false,
        ..token.clone()
    };
    let access = Token { spent: None, counts: token.counts.and(Trit::Yes), ..access };
    next.soft = None;
    pair(rules, next, access, Some(token.life), at)
}

fn with_access(rules: &Rules, state: &State, call: &Call) -> Vec<Branch> {
    let denied = |clause| vec![Branch::new(&["denied"], clause, state.clone())];
    let by = |state: &State, id: TokenId, clause: &'static str| {
        by_access(rules, state, call, id, clause)
    };
    match presented(call.bearer, true) {
        Presented::Absent => denied("JWT-41"),
        Presented::OtherScheme => denied("JWT-59"),
        Presented::Unknown | Presented::Folded(_) => denied("JWT-44"),
        Presented::Malformed | Presented::Odd => {
            vec![Branch::new(&["denied", "refused"], "JWT-42", state.clone())]
        }
        // Bits that mean nothing should not be there (RFC 7515 section 2), but may be overlooked.
        Presented::Spare(id) => {
            let mut ways = denied("JWT-57");
            if call.bearer == Bearer::Altered(id, Guise::FlipLast) {
                ways.extend(by(state, id, "JWT-57"));
            }
            ways
        }
        Presented::Token(id) => by(state, id, "JWT-40"),
        Presented::Respelt(id, "X-09") => by(state, id, "JWT-60"),
        Presented::Respelt(id, clause) => by(state, id, clause),
        Presented::Twice(id, good_first) => {
            match rules.is("two_authorization_headers", "refused") {
                Trit::Yes => denied("JWT-61"),
                Trit::No if good_first => by(state, id, "JWT-61"),
                Trit::No => denied("JWT-61"),
                Trit::Maybe => twice(state, good_first, |next| by(&next, id, "JWT-61")),
            }
        }
    }
}

fn by_access(
    rules: &Rules,
    state: &State,
    call: &Call,
    id: TokenId,
    clause: &'static str,
) -> Vec<Branch> {
    if id.kind == TokenKind::Refresh {
        let mut next = state.clone();
        next.soft = None;
        return vec![Branch::new(&["denied"], "JWT-37", next)];
    }
    let Some(token) = state.token(id).cloned() else {
        return vec![Branch::new(&["denied"], "JWT-42", state.clone())];
    };
    let lives = state.lives(id, rules.slack).and(usable(state, &token));
    let mut ways = Vec::new();
    if lives.may() {
        let mut next = state.clone();
        let way = if call.operation == "logout" {
            let stays = rules.is("logout", "stateless");
            if let Some(token) = next.token_mut(id) {
                token.counts = token.counts.and(stays);
            }
            Branch::new(&["logged_out"], "JWT-94", next)
        } else {
            let way = Branch::new(&["accepted"], clause, next);
            match rules.ids.get(&token.role) {
                Some(own) => way.with(Fact::Json("$.id", Value::from(own.as_str()), "JWT-80")),
                None => way,
            }
        };
        ways.push(way);
    }
    if lives.may_not() {
        let clause = if usable(state, &token) == Trit::No { "JWT-54" } else { "JWT-49" };
        ways.push(Branch::new(&["denied"], clause, state.clone()));
    }
    ways
}
