//! What is asked of the JWT login: both kinds of tokens, in their own place and in that of the other.

use super::super::super::case::{Act, Bearer, Call, Claim, Guise, Place, TokenId, TokenKind};
use super::super::super::dice::Dice;
use super::super::jwt::LEEWAY;
use super::super::{Rules, State};
use super::{IDLE_AT_LOGIN, bearer, credentials, odds};

const GUISES: [Guise; 14] = [
    Guise::FlipMiddle,
    Guise::Unsigned,
    Guise::AlgorithmNone,
    Guise::Payload,
    Guise::FlipFirst,
    Guise::DropLast,
    Guise::Longer,
    Guise::Padded,
    Guise::FlipLast,
    Guise::Beginning,
    Guise::Base64,
    Guise::Upper,
    Guise::Tail,
    Guise::Doubled,
];

/// Something to do next.
pub(super) fn propose(rules: &Rules, state: &State, dice: &mut Dice) -> Act {
    let known = dice.token(state, TokenKind::Access);
    let spare = dice.token(state, TokenKind::Refresh);
    let with = u8::from(known.is_some());
    let refreshes = u8::from(spare.is_some() && rules.has("refresh"));
    let account = u8::from(!rules.roles.is_empty());
    match dice.weigh(&[
        (8 * account, 0),
        (8 * with, 1),
        (10 * refreshes, 2),
        (3 * u8::from(rules.clock), 3),
        (2 * account * u8::from(rules.offers("accounts")), 4),
        (with * u8::from(rules.offers("revoke")), 5),
        (2 * with * u8::from(rules.has("logout")), 6),
        (3, 7),
    ]) {
        0 => login(rules, dice),
        1 => validating(dice, known, spare),
        2 => refreshing(rules, state, dice, known, spare),
        3 => {
            let (access, refresh) = (rules.life("access_token"), rules.life("refresh_token"));
            Act::Advance(dice.pick(&[
                1,
                access.saturating_sub(2_000),
                access + LEEWAY,
                access / 2 + 1,
                refresh / 2 + 1,
                refresh + LEEWAY,
                access.saturating_sub(30_000),
                12_000,
            ]))
        }
        4 => {
            let role = dice.pick(&rules.roles.iter().map(String::as_str).collect::<Vec<_>>());
            let state =
                if state.is_active(role) { dice.pick(&["inactive", "deleted"]) } else { "active" };
            Act::Account { role: role.to_owned(), state }
        }
        5 => Act::Revoke(spare.filter(|_| dice.chance(100)).or(known).unwrap_or(TokenId {
            step: 0,
            side: 0,
            kind: TokenKind::Access,
        })),
        6 => {
            let bearer = known.map_or(Bearer::None, Bearer::Token);
            Act::Call(Call { operation: "logout", bearer, ..Call::default() })
        }
        _ => without(rules, dice),
    }
}

/// A look at the protected address.
fn validating(dice: &mut Dice, known: Option<TokenId>, spare: Option<TokenId>) -> Act {
    let crossed = spare.filter(|_| dice.chance(24));
    let bearer = match (crossed, known) {
        (Some(refresh), _) => Bearer::Token(refresh),
        (None, Some(id)) => bearer(id, dice, &Place::ALL, &GUISES),
        (None, None) => Bearer::None,
    };
    let mut call = Call { operation: "validate", bearer, ..Call::default() };
    odds(&mut call, dice);
    Act::Call(call)
}

/// A request with no token that counts.
fn without(rules: &Rules, dice: &mut Dice) -> Act {
    let operation = dice.pick(&["validate", "validate", "logout", "refresh", "cookie_login"]);
    let bearer = if dice.chance(128) { Bearer::Stranger } else { Bearer::None };
    let mut call = Call { operation, ..Call::default() };
    match operation {
        "refresh" => call.refresh = Some(bearer),
        "cookie_login" => call.login = rules.roles.first().map(|role| (role.clone(), Claim::Right)),
        _ => call.bearer = bearer,
    }
    if !rules.has(operation) {
        call.operation = "validate";
        call.refresh = None;
    }
    odds(&mut call, dice);
    Act::Call(call)
}

fn login(rules: &Rules, dice: &mut Dice) -> Act {
    let (role, claim) = credentials(rules, dice);
    let mut call = Call { operation: "login", login: Some((role, claim)), ..Call::default() };
    if dice.chance(16) {
        call.method = Some(dice.pick(&["GET", "PUT", "HEAD", "PATCH"]));
    } else if dice.chance(30) {
        call.idle = Some(dice.pick(&IDLE_AT_LOGIN));
    } else if dice.chance(24) && matches!(claim, Claim::Right | Claim::Wrong) {
        let grant = dice.pick(&["", "refresh_token", "Password", "client_credentials"]);
        call.with.push(("grant_type", grant.to_owned()));
    } else if dice.chance(30) {
        let (name, value) = dice.pick(&[
            ("scope", "read"),
            ("client_id", "x"),
            ("client_secret", "y"),
            ("scope", ""),
        ]);
        call.with.push((name, value.to_owned()));
    }
    Act::Call(call)
}

/// An exchange of a refresh token.
fn refreshing(
    rules: &Rules,
    state: &State,
    dice: &mut Dice,
    known: Option<TokenId>,
    spare: Option<TokenId>,
) -> Act {
    let postman = rules.has("postman_refresh") && dice.chance(70);
    let operation = if postman { "postman_refresh" } else { "refresh" };
    let presented = match (spare, dice.weigh(&[(28, 0), (4, 1), (2, 2), (3, 3)])) {
        (Some(id), 1) => Bearer::Altered(id, dice.pick(&GUISES)),
        (_, 2) => known.map_or(Bearer::None, Bearer::Token),
        (Some(id), 3) if !postman => Bearer::Elsewhere(
            id,
            dice.pick(&[
                Place::Cookie("refresh-token"),
                Place::Form,
                Place::Query("refresh_token"),
                Place::Json,
            ]),
        ),
        (Some(id), _) => Bearer::Token(id),
        (None, _) => Bearer::None,
    };
    let mut call = Call { operation, refresh: Some(presented), ..Call::default() };
    if postman && let Some(own) = spare.and_then(|id| state.token(id)) {
        let foreign = dice.chance(60);
        let id = rules.ids.iter().find(|(role, _)| (**role == own.role) != foreign);
        if let Some((_, id)) = id.filter(|_| dice.chance(160)) {
            call.with.push(("client_id", id.clone()));
        }
    } else if dice.chance(40) {
        // An access token beside it, ended or not, changes nothing.
        call.bearer = known.map_or(Bearer::None, Bearer::Token);
    } else if dice.chance(12) {
        call.method = Some(dice.pick(&["GET", "PUT", "HEAD"]));
    }
    Act::Call(call)
}
