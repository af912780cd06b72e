//! The channel: user name and password for the one token that a user has now.

use super::super::case::{Call, Claim, TokenId, TokenKind};
use super::{Branch, Fact, Life, Presented, Rules, State, Trit, presented, twice};

/// The accounts as they are before anything is done.
pub(super) fn start(rules: &Rules, state: &mut State) {
    if rules.knows("blocked") {
        state.accounts.insert("blocked".to_owned(), "blocked");
    }
}

/// Every answer that is allowed.
pub(super) fn answers(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    if let Some(method) = call.method {
        return vec![other_method(rules, state, call, method)];
    }
    match call.operation {
        "validate" => validate(rules, state, call),
        _ => log_in(rules, state, call, at),
    }
}

/// Whatever another method does, it issues nothing and opens nothing.
fn other_method(rules: &Rules, state: &State, call: &Call, method: &str) -> Branch {
    let token = call.bearer.may_count();
    // An answer without a body does not say what it refuses.
    let untold = method == "HEAD" && rules.refuses_in_band();
    let lenient = untold || method == "OPTIONS" || (token && call.operation == "validate");
    let clause = if call.operation == "validate" { "CHN-16" } else { "CHN-29" };
    let outcomes: &[&'static str] = if lenient { &["refused", "accepted"] } else { &["refused"] };
    Branch::new(outcomes, clause, state.clone())
}

/// What becomes of a claim: whether it is right, and what it is answered with if it is not.
fn judge(
    rules: &Rules,
    state: &State,
    role: &str,
    claim: Claim,
) -> (Trit, Vec<&'static str>, &'static str) {
    let credentials = vec!["bad_credentials"];
    let any = vec!["refused"];
    match claim {
        Claim::Right => (Trit::Yes, credentials, "CHN-02"),
        Claim::Unknown => (Trit::No, credentials, "CHN-07"),
        Claim::Wrong | Claim::Foreign | Claim::Longer if state.is_active(role) => {
            (Trit::No, credentials, "CHN-06")
        }
        Claim::Wrong | Claim::Foreign | Claim::Longer => (Trit::No, credentials, "CHN-09"),
        Claim::Padded => {
            (rules.is("password_case", "insensitive").and(Trit::Maybe), credentials, "CHN-31")
        }
        Claim::Folded => (rules.is("password_case", "insensitive"), credentials, "CHN-31"),
        Claim::NoPassword | Claim::NoUsername => (Trit::No, any, "CHN-26"),
        Claim::EmptyPassword => (Trit::No, any, "CHN-27"),
        Claim::NameFolded => (Trit::No, credentials, "CHN-07"),
        Claim::Wildcard => (Trit::No, credentials, "CHN-06"),
        Claim::Query => (rules.is("query_credentials", "accepted"), any, "CHN-04"),
        Claim::Json => (Trit::No, any, "CHN-28"),
        Claim::Untyped => (Trit::No, any, "X-14"),
        Claim::Repeated => (Trit::No, any, "X-24"),
    }
}

fn log_in(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    let Some((role, claim)) = &call.login else {
        return vec![Branch::new(&["refused"], "CHN-26", state.clone())];
    };
    let (right, refusal, clause) = judge(rules, state, role, *claim);
    let mut ways = Vec::new();
    if right.may() {
        let clause = if *claim == Claim::Right { "CHN-02" } else { clause };
        ways.extend(by_right(rules, state, call, role, at, clause));
    }
    if right.may_not() {
        let mut next = state.clone();
        next.fail(role);
        ways.push(Branch::new(&refusal, clause, next));
    }
    if rules.may_hold_back(state) {
        ways.push(Branch::new(&["throttled"], "CHN-38", state.clone()));
    }
    ways
}

fn by_right(
    rules: &Rules,
    state: &State,
    call: &Call,
    role: &str,
    at: (u16, u8),
    clause: &'static str,
) -> Vec<Branch> {
    if !state.is_active(role) {
        return vec![match call.operation {
            "generate" => Branch::new(&["account_state"], "CHN-08", state.clone()),
            _ => Branch::new(&["refused"], "CHN-33", state.clone()),
        }];
    }
    if call.operation == "generate" {
        return vec![generated(rules, state, role, at, clause)];
    }
    let current = state.current.get(role).copied();
    let lives = current.map_or(if rules.fresh { Trit::No } else { Trit::Maybe }, |id| {
        state.lives(id, rules.slack)
    });
    let mut ways = Vec::new();
    if lives.may() {
        match current {
            Some(id) => {
                let mut next = state.clone();
                let own = TokenId { step: at.0, side: at.1, kind: TokenKind::Access };
                next.aliases.insert(own, id);
                ways.push(
                    Branch::new(&["issued"], "CHN-22", next).with(Fact::SameToken(id, "CHN-22")),
                );
            }
            // Somebody else's token may be there from before.
            None => ways.push(generated(rules, state, role, at, "CHN-22")),
        }
    }
    if lives.may_not() {
        let minted = rules.is("token_without_generate", "minted");
        if minted.may() {
            ways.push(generated(rules, state, role, at, "CHN-25"));
        }
        if minted.may_not() {
            ways.push(Branch::new(&["refused"], "CHN-25", state.clone()));
        }
    }
    ways
}

fn generated(
    rules: &Rules,
    state: &State,
    role: &str,
    at: (u16, u8),
    clause: &'static str,
) -> Branch {
    let mut next = state.clone();
    let end = state.now + rules.life("token");
    let life = Life { surely: end.saturating_sub(1000), at_most: end + 1 };
    let token = next.fresh(role, life);
    let replaces = rules.is("previous_token", "replaced");
    for known in next.tokens.values_mut().filter(|token| token.role == role) {
        match replaces {
            Trit::Yes => known.counts = Trit::No,
            Trit::Maybe => known.counts = known.counts.and(Trit::Maybe),
            Trit::No => {}
        }
    }
    let id = next.issue(at, TokenKind::Access, token);
    next.current.insert(role.to_owned(), id);
    Branch::new(&["issued"], clause, next)
}

fn validate(rules: &Rules, state: &State, call: &Call) -> Vec<Branch> {
    let denied = |clause| vec![Branch::new(&["denied"], clause, state.clone())];
    let by = |state: &State, id: TokenId, clause: &'static str| {
        let active = state.token(id).is_some_and(|token| state.is_active(&token.role));
        let lives = state.lives(id, rules.slack);
        let lives = if active { lives } else { Trit::No };
        let mut ways = Vec::new();
        if lives.may() {
            ways.push(Branch::new(&["accepted"], clause, state.clone()));
        }
        if lives.may_not() {
            let clause = if active { "CHN-16" } else { "CHN-33" };
            ways.push(Branch::new(&["denied"], clause, state.clone()));
        }
        ways
    };
    match presented(call.bearer, false) {
        Presented::Token(id) => by(state, id, "CHN-15"),
        Presented::Respelt(id, clause) => by(state, id, clause),
        Presented::Twice(id, good_first) => {
            twice(state, good_first, |next| by(&next, id, "CHN-15"))
        }
        Presented::Odd | Presented::Malformed => {
            vec![Branch::new(&["denied", "refused"], "CHN-16", state.clone())]
        }
        Presented::Absent
        | Presented::OtherScheme
        | Presented::Unknown
        | Presented::Folded(_)
        | Presented::Spare(_) => denied("CHN-16"),
    }
}
