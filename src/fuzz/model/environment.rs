//! The two environments: client id and secret for a token that is good in one of them only.

use super::super::case::{Bearer, Call, Claim, Guise, TokenId, TokenKind};
use super::{Branch, Life, Presented, Rules, State, Trit, presented, twice};

/// More tokens than this in a minute, and a server that counts them may refuse.
const MANY: u32 = 8;

/// Every answer that is allowed.
pub(super) fn answers(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    if let Some(method) = call.method {
        return other_method(rules, state, call, method, at);
    }
    if call.operation == "generate" {
        generate(rules, state, call, at)
    } else {
        validate(rules, state, call)
    }
}

fn other_method(
    rules: &Rules,
    state: &State,
    call: &Call,
    method: &str,
    at: (u16, u8),
) -> Vec<Branch> {
    let mut next = state.clone();
    let right = call.bearer.may_count();
    if call.operation == "generate" {
        let served = rules.is("post_generate", "served");
        if method == "POST" && served.may() {
            let plain = Call { method: None, ..call.clone() };
            let mut ways = generate(rules, state, &plain, at);
            ways.push(Branch::new(&["refused"], "SUC-32", next));
            return ways;
        }
        let headed = method == "HEAD"
            && call.login.as_ref().is_some_and(|(_, claim)| *claim == Claim::Right);
        if headed {
            next.soft = Some("SUC-33");
        }
        let clause = if method == "POST" {
            "SUC-32"
        } else if method == "HEAD" {
            "SUC-33"
        } else {
            "SUC-01"
        };
        let outcomes: &[&'static str] =
            if headed || method == "OPTIONS" { &["refused", "no_token"] } else { &["refused"] };
        return vec![Branch::new(outcomes, clause, next)];
    }
    let outcomes: &[&'static str] = if method == "OPTIONS" || (method == "HEAD" && right) {
        &["refused", "accepted"]
    } else {
        &["refused"]
    };
    vec![Branch::new(outcomes, "SUC-36", next)]
}

fn judge(rules: &Rules, claim: Claim) -> (Trit, &'static str) {
    match claim {
        Claim::Right => (Trit::Yes, "SUC-01"),
        Claim::NoPassword | Claim::NoUsername | Claim::EmptyPassword => (Trit::No, "SUC-10"),
        Claim::Query => (Trit::No, "SUC-30"),
        Claim::NameFolded => (rules.is("client_id_forms", "lenient").and(Trit::No), "SUC-11"),
        // White space around a field value is no part of it (RFC 9110 section 5.5).
        Claim::Padded | Claim::Untyped => (Trit::Yes, "SUC-01"),
        Claim::Wrong
        | Claim::Foreign
        | Claim::Unknown
        | Claim::Folded
        | Claim::Longer
        | Claim::Json
        | Claim::Repeated
        | Claim::Wildcard => (Trit::No, "SUC-11"),
    }
}

fn key(role: &str, call: &Call) -> String {
    format!("{role} in {}", call.environment.as_deref().unwrap_or_default())
}

fn generate(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    let Some((role, claim)) = &call.login else {
        return vec![Branch::new(&["denied"], "SUC-10", state.clone())];
    };
    let (right, clause) = judge(rules, *claim);
    let mut ways = Vec::new();
    if right.may() {
        let mut next = state.clone();
        let end = state.now + rules.life("token");
        let mut token =
            next.fresh(role, Life { surely: end.saturating_sub(1000), at_most: end + 1 });
        token.environment.clone_from(&call.environment);
        let replaces = rules.is("previous_token", "replaced");
        let same =
            |other: &super::Token| other.role == *role && other.environment == call.environment;
        for known in next.tokens.values_mut().filter(|other| same(other)) {
            match replaces {
                Trit::Yes => known.counts = Trit::No,
                Trit::Maybe => known.counts = known.counts.and(Trit::Maybe),
                Trit::No => {}
            }
        }
        let _ = next.issue(at, TokenKind::Access, token);
        let (since, count) = next.issues.get(&key(role, call)).copied().unwrap_or((state.now, 0));
        let over = state.now >= since + 60_000;
        let counted = if over { (state.now, 1) } else { (since, count + 1) };
        next.issues.insert(key(role, call), counted);
        ways.push(Branch::new(&["issued"], clause, next));
        if rules.is("throttle", "off").may_not() && (counted.1 > MANY || !rules.fresh) {
            ways.push(Branch::new(&["limit_reached", "throttled"], "SUC-29", state.clone()));
        }
    }
    if right.may_not() {
        ways.push(Branch::new(
            &["denied", "limit_reached", "throttled"]
                [..if rules.is("throttle", "off") == Trit::Yes { 1 } else { 3 }],
            clause,
            state.clone(),
        ));
    }
    ways
}

fn validate(rules: &Rules, state: &State, call: &Call) -> Vec<Branch> {
    let denied = |clause| vec![Branch::new(&["denied"], clause, state.clone())];
    let by = |state: &State, id: TokenId, clause: &'static str| {
        let here = state.token(id).is_some_and(|token| token.environment == call.environment);
        let lives = if here { state.lives(id, rules.slack) } else { Trit::No };
        let mut ways = Vec::new();
        if lives.may() {
            ways.push(Branch::new(&["accepted"], clause, state.clone()));
        }
        if lives.may_not() {
            let clause = if here { "SUC-25" } else { "SUC-22" };
            ways.push(Branch::new(&["denied"], clause, state.clone()));
        }
        ways
    };
    match presented(call.bearer, false) {
        Presented::Absent => denied("SUC-36"),
        Presented::OtherScheme => denied("SUC-19"),
        Presented::Unknown | Presented::Spare(_) | Presented::Folded(_) => {
            let clause = match call.bearer {
                Bearer::Altered(_, Guise::OtherPrefix | Guise::NoPrefix) => "SUC-23",
                Bearer::Altered(..) => "SUC-24",
                _ => "SUC-16",
            };
            denied(clause)
        }
        Presented::Malformed | Presented::Odd => {
            vec![Branch::new(&["denied", "refused"], "SUC-16", state.clone())]
        }
        Presented::Token(id) => by(state, id, "SUC-15"),
        Presented::Respelt(id, clause) => by(state, id, clause),
        Presented::Twice(id, good_first) => {
            twice(state, good_first, |next| by(&next, id, "SUC-15"))
        }
    }
}
