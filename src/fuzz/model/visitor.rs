//! The visitors: a login for a token of thirty days, one for each device.

use super::super::case::{Bearer, Call, Claim, TokenId, TokenKind};
use super::{Branch, Life, Presented, Rules, State, Trit, presented, twice};

/// Every answer that is allowed.
pub(super) fn answers(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    if let Some(method) = call.method {
        let token = call.bearer.may_count();
        let success = ["accepted", "other_success", "refused", "not_found"];
        let outcomes: &[&'static str] = match (method, token) {
            ("HEAD", true) => &success,
            ("OPTIONS", _) => &success[1..],
            // An answer without a body does not say what it refuses.
            ("HEAD", false) if rules.refuses_in_band() => &success[1..],
            _ => &success[2..],
        };
        let clause = if call.login.is_some() { "VMS-39" } else { "VMS-29" };
        let mut branch = Branch::new(outcomes, clause, state.clone());
        if state.database_failing {
            branch.outcomes.extend(["database_failure", "server_error"]);
        }
        return vec![branch];
    }
    match call.operation {
        "login" | "login_index" | "login_no_slash" => log_in(rules, state, call, at),
        "unknown_path" => vec![Branch::new(&["unknown_path"], "VMS-37", state.clone())],
        "add" => add(rules, state, call),
        _ => secured(rules, state, call),
    }
}

fn judge(rules: &Rules, claim: Claim) -> (Trit, Vec<&'static str>, &'static str) {
    let wrong = vec!["bad_credentials"];
    let missing = vec!["missing_credentials"];
    match claim {
        Claim::Right => (Trit::Yes, wrong, "VMS-01"),
        Claim::Unknown => (Trit::No, wrong, "VMS-11"),
        Claim::Wrong | Claim::Foreign | Claim::Longer | Claim::Padded | Claim::Folded => {
            (Trit::No, wrong, "VMS-10")
        }
        Claim::NoPassword | Claim::NoUsername => (Trit::No, missing, "VMS-12"),
        Claim::EmptyPassword => {
            let outcomes = match rules.is("empty_credentials", "missing") {
                Trit::Yes => vec!["missing_credentials"],
                Trit::No => vec!["bad_credentials"],
                Trit::Maybe => vec!["missing_credentials", "bad_credentials"],
            };
            (Trit::No, outcomes, "VMS-13")
        }
        Claim::NameFolded => (rules.is("username_case", "insensitive"), wrong, "VMS-46"),
        Claim::Wildcard => (Trit::No, wrong, "VMS-42"),
        Claim::Query => (Trit::No, vec!["refused"], "VMS-19"),
        Claim::Json | Claim::Untyped => (Trit::No, vec!["refused"], "VMS-40"),
        Claim::Repeated => (Trit::No, vec!["refused"], "VMS-41"),
    }
}

fn log_in(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    if call.operation == "login_no_slash" {
        return vec![Branch::new(&["redirected", "refused"], "VMS-07", state.clone())];
    }
    let Some((role, claim)) = &call.login else {
        return vec![Branch::new(&["missing_credentials"], "VMS-12", state.clone())];
    };
    if state.database_failing {
        return vec![Branch::new(
            &["database_failure", "missing_credentials", "bad_format"],
            "VMS-44",
            state.clone(),
        )];
    }
    let (right, refusal, clause) = judge(rules, *claim);
    let long =
        call.with.iter().any(|(name, value)| *name == "device-info" && value.chars().count() > 200);
    let cut = if long { rules.is("long_device_info", "cut") } else { Trit::Yes };
    let mut ways = Vec::new();
    if right.may() && cut.may() {
        let mut next = state.clone();
        let end = state.now + rules.life("access_token");
        let token = next.fresh(role, Life { surely: end.saturating_sub(1000), at_most: end });
        let _ = next.issue(at, TokenKind::Access, token);
        ways.push(Branch::new(&["issued"], clause, next));
    }
    if right.may() && cut.may_not() {
        ways.push(Branch::new(&["bad_format"], "VMS-21", state.clone()));
    }
    if right.may_not() {
        let mut next = state.clone();
        next.fail(role);
        let mut outcomes = refusal;
        if long {
            outcomes.push("bad_format");
        }
        ways.push(Branch::new(&outcomes, clause, next));
    }
    if rules.may_hold_back(state) {
        ways.push(Branch::new(&["rejected"], "VMS-10", state.clone()));
    }
    ways
}

/// What a good token opens.
fn opened(operation: &str) -> &'static [&'static str] {
    match operation {
        "visitor" => &["unknown_object"],
        "photo" => &["unknown_object", "no_image"],
        _ => &["accepted"],
    }
}

fn by_token(
    rules: &Rules,
    state: &State,
    call: &Call,
    id: TokenId,
    clause: &'static str,
) -> Vec<Branch> {
    if state.database_failing {
        return vec![Branch::new(&["database_failure"], "VMS-44", state.clone())];
    }
    let lives = state.lives(id, rules.slack);
    let mut ways = Vec::new();
    if lives.may() {
        ways.push(Branch::new(opened(call.operation), clause, state.clone()));
    }
    if lives.may_not() {
        let ended = state.token(id).is_some_and(|token| token.counts == Trit::Yes);
        ways.push(Branch::new(&["denied"], if ended { "VMS-32" } else { "VMS-31" }, state.clone()));
    }
    ways
}

fn secured(rules: &Rules, state: &State, call: &Call) -> Vec<Branch> {
    let one =
        |outcomes: &[&'static str], clause| vec![Branch::new(outcomes, clause, state.clone())];
    match presented(call.bearer, false) {
        Presented::Absent => one(&["token_missing"], "VMS-29"),
        Presented::Unknown | Presented::Folded(_) if state.database_failing => {
            one(&["database_failure", "denied"], "VMS-44")
        }
        Presented::Unknown | Presented::Folded(_) | Presented::Spare(_) => {
            one(&["denied"], "VMS-31")
        }
        Presented::Malformed | Presented::OtherScheme | Presented::Odd => {
            one(&["token_missing", "denied", "database_failure"], "VMS-30")
        }
        Presented::Token(id) => by_token(rules, state, call, id, "VMS-28"),
        Presented::Respelt(id, "X-08") => {
            let understood = rules.is("scheme_case", "insensitive");
            let lower =
                matches!(call.bearer, Bearer::Spelt(_, super::super::case::Spelling::LowerScheme));
            let mut ways = Vec::new();
            if understood.may() || lower {
                ways.extend(by_token(rules, state, call, id, "VMS-38"));
            }
            if understood.may_not() && !lower {
                ways.extend(one(&["token_missing", "denied", "database_failure"], "VMS-38"));
            }
            ways
        }
        // The vendor's pattern takes one space; what is behind it is the token.
        Presented::Respelt(id, clause) => {
            let mut ways = by_token(rules, state, call, id, clause);
            if rules.is("scheme_case", "vendor").may() {
                ways.extend(one(&["denied", "token_missing"], clause));
            }
            ways
        }
        Presented::Twice(id, good_first) => {
            twice(state, good_first, |next| by_token(rules, &next, call, id, "VMS-28"))
        }
    }
}

fn add(rules: &Rules, state: &State, call: &Call) -> Vec<Branch> {
    let one =
        |outcomes: &[&'static str], clause| vec![Branch::new(outcomes, clause, state.clone())];
    let missing = call.with.iter().any(|(_, value)| value.is_empty());
    match call.bearer {
        Bearer::Token(id) if missing => {
            let mut ways = by_token(rules, state, call, id, "VMS-35");
            for way in ways.iter_mut().filter(|way| way.outcomes == ["accepted"]) {
                way.outcomes = vec!["missing_data"];
            }
            ways
        }
        Bearer::Token(id) => by_token(rules, state, call, id, "VMS-35"),
        Bearer::Altered(..) | Bearer::Stranger => {
            let outcomes: &[&'static str] = if state.database_failing {
                &["database_failure", "denied", "missing_data"]
            } else {
                &["denied"]
            };
            let outcomes =
                if missing { &["denied", "missing_data", "database_failure"] } else { outcomes };
            one(outcomes, "VMS-35")
        }
        _ => one(&["missing_data", "token_missing"], "VMS-35"),
    }
}
