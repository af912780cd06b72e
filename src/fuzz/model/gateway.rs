//! The gateway: a press opens a window for one token, a token makes more, each ends only itself.

use serde_json::{Value, json};

use super::super::case::{Bearer, Call, Spelling, TokenId, TokenKind};
use super::{Branch, Fact, Life, Presented, Rules, State, Trit, presented, twice};

/// Names that may be refused: empty, with characters that mean something elsewhere, too long, beyond ASCII.
pub(super) const BAD_NAMES: [&str; 6] =
    ["", "a/b", "<b>", "a\"b", "0123456789012345678901234567890123456789", "ü"];

/// What a press leads to.
pub(super) fn press(rules: &Rules, state: &State) -> Vec<State> {
    let length = rules.life("button_window");
    let end = state.now + length;
    let exact = match rules.is("window_end", "exclusive") {
        Trit::Yes => Life::until(end),
        Trit::No => Life::until(end + 1),
        Trit::Maybe => Life { surely: end, at_most: end + 1 },
    };
    let mut restarted = state.clone();
    restarted.window = Some(exact);
    restarted.window_unknown = false;
    let mut ways = Vec::new();
    let open = window(rules, state);
    let ignores = rules.is("second_press", "ignore");
    if open.may_not() || ignores.may_not() {
        ways.push(restarted);
    }
    if open.may() && ignores.may() {
        ways.push(state.clone());
    }
    ways
}

/// What a restart leads to.
pub(super) fn restart(rules: &Rules, state: &State) -> Vec<State> {
    let mut ways = Vec::new();
    let closes = rules.is("restart_window", "closed");
    let mut next = state.clone();
    next.soft = Some("BTN-62");
    if closes.may() {
        ways.push(State { window: None, window_unknown: false, ..next.clone() });
    }
    if closes.may_not() && (next.window.is_some() || ways.is_empty()) {
        ways.push(next);
    }
    ways
}

/// Whether a window is open.
pub(super) fn window(rules: &Rules, state: &State) -> Trit {
    if state.window_unknown {
        return Trit::Maybe;
    }
    state.window.map_or(Trit::No, |life| life.lasts(state.now, rules.slack))
}

/// Every answer that is allowed.
pub(super) fn answers(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    if let Some(method) = call.method {
        return other_method(rules, state, call, method);
    }
    match call.operation {
        "generate" => generate(rules, state, call, at),
        "unknown_path" => vec![Branch::new(&["not_found"], "BTN-70", state.clone())],
        _ => with_token(rules, state, call, at),
    }
}

/// Another method than the documented one has no effect that should be seen.
fn other_method(rules: &Rules, state: &State, call: &Call, method: &str) -> Vec<Branch> {
    // Whether the token was used by that is not said.
    let mut used = state.clone();
    let token = call.bearer.token().filter(|_| call.bearer.may_count());
    if let Some(token) = token.and_then(|id| used.token_mut(id)) {
        token.used = true;
    }
    let ways =
        [&used, state].into_iter().flat_map(|state| without_effect(rules, state, call, method));
    ways.collect()
}

fn without_effect(rules: &Rules, state: &State, call: &Call, method: &str) -> Vec<Branch> {
    let mut next = state.clone();
    if method == "HEAD" && call.operation.starts_with("generate") {
        next.soft = Some("BTN-10");
        return vec![Branch::new(&["refused", "done"], "BTN-10", next)];
    }
    if method == "HEAD" {
        // A right token is described, and nothing else is.
        let plain = Call { method: None, ..call.clone() };
        let granted = answers(rules, state, &plain, (u16::MAX, 0));
        let granted =
            granted.iter().any(|branch| branch.outcomes != ["refused"] && !refuses(branch));
        let outcomes: &[&'static str] = if granted {
            &["refused", "done", "accepted", "listed", "revoked"]
        } else {
            &["refused"]
        };
        return vec![Branch::new(outcomes, "BTN-43", next)];
    }
    let outcomes: &[&'static str] =
        if method == "OPTIONS" { &["refused", "done", "revoked"] } else { &["refused"] };
    vec![Branch::new(outcomes, "X-07", next)]
}

fn refuses(branch: &Branch) -> bool {
    branch
        .outcomes
        .iter()
        .all(|name| ["denied", "malformed", "refused", "rejected", "unreadable"].contains(name))
}

/// The name that a call asks for: its value, and whether it may be used.
fn name(rules: &Rules, state: &State, call: &Call) -> (String, Trit) {
    let given = call.with.iter().find(|(key, _)| *key == "name").map(|(_, value)| value.clone());
    let Some(name) = given else {
        return ("default".to_owned(), Trit::Yes);
    };
    if BAD_NAMES.contains(&name.as_str()) {
        return (name, Trit::No);
    }
    let taken = state
        .tokens
        .values()
        .any(|token| token.name.as_deref() == Some(&name) && token.counts.may());
    let free = if taken { rules.is("duplicate_names", "allowed") } else { Trit::Yes };
    // A name that was taken may stay so, and a server that was there before may have it.
    let free = if !rules.fresh && rules.is("duplicate_names", "allowed").may_not() {
        free.and(Trit::Maybe)
    } else {
        free
    };
    (name, free)
}

fn generate(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    let open = window(rules, state);
    let (name, free) = name(rules, state, call);
    let mut branches = Vec::new();
    if free.may() && open.may() {
        let mut next = state.clone();
        next.window = None;
        next.window_unknown = false;
        branches.push(issued(next, name, at, state.soft.unwrap_or("BTN-03")));
    }
    let closed = || {
        let mut next = state.clone();
        next.window = None;
        next.window_unknown = false;
        next
    };
    if free.may() && open.may_not() {
        let clause = match call.bearer {
            Bearer::None => state.soft.unwrap_or("BTN-01"),
            _ => "BTN-13",
        };
        branches.push(Branch::new(&["window_closed"], clause, closed()));
    }
    if free.may_not() {
        let mut next = state.clone();
        if open.may() {
            next.soft = Some("BTN-09");
        }
        let mut outcomes = Vec::new();
        if open.may() || rules.is("name_precedence", "name").may() {
            outcomes.extend(["invalid_name", "rejected"]);
        }
        if open.may_not() && rules.is("name_precedence", "window").may() {
            outcomes.push("window_closed");
        }
        branches.push(Branch::new(&outcomes, "BTN-21", next));
    }
    branches
}

fn issued(mut next: State, name: String, at: (u16, u8), clause: &'static str) -> Branch {
    let mut token = next.fresh("", Life::endless());
    token.name = Some(name.clone());
    next.soft = None;
    let _ = next.issue(at, TokenKind::Access, token);
    let named = if name == "default" { "BTN-19" } else { "BTN-20" };
    Branch::new(&["issued"], clause, next)
        .with(Fact::Json("$.token.name", Value::from(name), named))
        .with(Fact::Json("$.token.last_used", Value::Null, "BTN-25"))
}

/// The operations that want a token.
fn with_token(rules: &Rules, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
    let refused = |outcomes: &[&'static str], clause| {
        let mut next = state.clone();
        if call.operation == "generate_with_token" && window(rules, state).may() {
            next.soft = Some("BTN-34");
        }
        vec![Branch::new(outcomes, clause, next)]
    };
    match presented(call.bearer, false) {
        Presented::Absent => refused(&["denied"], "BTN-43"),
        Presented::Malformed => refused(&["malformed"], "BTN-42"),
        Presented::OtherScheme => match (rules.is("basic_scheme", "malformed"), call.bearer) {
            (Trit::Yes, Bearer::Spelt(_, Spelling::Basic | Spelling::BasicPair)) => {
                refused(&["malformed"], "BTN-45")
            }
            (Trit::No, Bearer::Spelt(_, Spelling::Basic | Spelling::BasicPair)) => {
                refused(&["denied"], "BTN-45")
            }
            _ => refused(&["malformed", "denied"], "BTN-45"),
        },
        Presented::Unknown => refused(&["denied"], "BTN-44"),
        Presented::Odd | Presented::Spare(_) => {
            refused(&["malformed", "denied", "unreadable"], "BTN-41")
        }
        Presented::Folded(id) => {
            let case = rules.is("token_case", "insensitive");
            let mut ways = Vec::new();
            if case.may() {
                ways.extend(by_token(rules, state, call, id, at));
            }
            if case.may_not() {
                ways.extend(refused(&["denied"], "BTN-48"));
            }
            ways
        }
        Presented::Token(id) => by_token(rules, state, call, id, at),
        Presented::Respelt(id, clause) => {
            let understood =
                if clause == "X-08" { rules.is("scheme_case", "insensitive") } else { Trit::Yes };
            let mut ways = Vec::new();
            if understood.may() {
                ways.extend(
                    by_token(rules, state, call, id, at)
                        .into_iter()
                        .map(|way| Branch { clause, ..way }),
                );
            }
            if understood.may_not() {
                ways.extend(refused(&["malformed", "denied"], "BTN-48"));
            }
            ways
        }
        Presented::Twice(id, good_first) => {
            twice(state, good_first, |next| by_token(rules, &next, call, id, at))
        }
    }
}

fn by_token(rules: &Rules, state: &State, call: &Call, id: TokenId, at: (u16, u8)) -> Vec<Branch> {
    let lives = state.lives(id, rules.slack);
    let mut ways = Vec::new();
    if lives.may() {
        ways.extend(granted(rules, state, call, id, at));
    }
    if lives.may_not() {
        ways.push(Branch::new(&["denied"], "BTN-55", state.clone()));
    }
    ways
}

fn granted(rules: &Rules, state: &State, call: &Call, id: TokenId, at: (u16, u8)) -> Vec<Branch> {
    let mut next = state.clone();
    let token = next.token_mut(id).map(|token| {
        let before = token.used;
        token.used = true;
        (token.name.clone(), before)
    });
    let (own_name, used) = token.unwrap_or_default();
    match call.operation {
        "validate" => {
            let way = Branch::new(&["accepted"], state.soft.unwrap_or("BTN-40"), next);
            let way = match own_name {
                Some(name) => way.with(Fact::Json("$.token.name", Value::from(name), "BTN-52")),
                None => way,
            };
            let before = rules.is("last_used_of_reader", "before");
            vec![match (before, used) {
                (Trit::Yes, false) => {
                    way.with(Fact::Json("$.token.last_used", Value::Null, "BTN-53"))
                }
                (Trit::Maybe, false) => way,
                _ => way.with(Fact::Json("$.token.last_used", json!({"type": "string"}), "BTN-53")),
            }]
        }
        "list" => {
            let way = Branch::new(&["listed"], "BTN-51", next);
            let known = state.tokens.values().all(|token| token.counts != Trit::Maybe);
            let count = state.tokens.values().filter(|token| token.counts == Trit::Yes).count();
            vec![if known && rules.fresh {
                way.with(Fact::Json("$.count", json!(count), "BTN-59"))
            } else {
                way
            }]
        }
        "revoke" => {
            next.end(id);
            next.soft = Some("BTN-37");
            vec![Branch::new(&["revoked"], "BTN-54", next)]
        }
        "generate_with_token" => {
            let (name, free) = name(rules, state, call);
            let mut ways = Vec::new();
            if free.may() {
                let mut after = next.clone();
                let open = window(rules, state);
                let mut way = issued(after.clone(), name, at, "BTN-30");
                if open.may() {
                    way.next.soft = Some("BTN-34");
                }
                after = way.next.clone();
                ways.push(Branch { next: after, ..way });
            }
            if free.may_not() {
                let outcomes = ["invalid_name", "rejected"];
                ways.push(Branch::new(&outcomes, "BTN-21", next));
                ways.push(Branch::new(&outcomes, "BTN-21", state.clone()));
            }
            ways
        }
        _ => vec![Branch::new(&["refused", "upgraded"], "X-85", next)],
    }
}
