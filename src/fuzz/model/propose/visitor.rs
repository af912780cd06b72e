//! What is asked of the visitor login: logins, secured requests, visitors to add.

use super::super::super::case::{Act, Bearer, Call, Claim, Guise, Place, TokenId, TokenKind};
use super::super::super::dice::Dice;
use super::super::{Rules, State};
use super::{IDLE_AT_LOGIN, bearer, credentials, odds};

/// Something to do next.
pub(super) fn propose(rules: &Rules, state: &State, dice: &mut Dice) -> Act {
    let known = dice.token(state, TokenKind::Access);
    let with = u8::from(known.is_some());
    let account = u8::from(!rules.roles.is_empty());
    match dice.weigh(&[
        (9 * account, 0),
        (9 * with, 1),
        (3 * with, 2),
        (3 * u8::from(rules.clock), 3),
        (u8::from(rules.offers("database")), 4),
        (with * u8::from(rules.offers("revoke")), 5),
        (3, 6),
        (1, 7),
    ]) {
        0 => login(rules, dice),
        1 => {
            let operation = dice.pick(&["validate", "validate", "validate", "visitor", "photo"]);
            let bearer =
                known.map_or(Bearer::None, |id| bearer(id, dice, &Place::ALL, &Guise::ALL));
            let mut call = Call { operation, bearer, ..Call::default() };
            odds(&mut call, dice);
            Act::Call(call)
        }
        2 => adding(known, dice),
        3 => {
            let life = rules.life("access_token");
            let day = 86_400_000;
            Act::Advance(dice.pick(&[
                1,
                life / 2,
                life.saturating_sub(day / 2),
                life - 1_500,
                life,
                day,
                60_001,
            ]))
        }
        4 => Act::Database(!state.database_failing),
        5 => known.map_or(Act::Advance(1), Act::Revoke),
        7 => Act::Call(Call { operation: "unknown_path", ..Call::default() }),
        _ => {
            let operation = dice.pick(&["validate", "visitor", "photo", "add"]);
            let bearer = if dice.chance(128) { Bearer::Stranger } else { Bearer::None };
            let mut call = Call { operation, bearer, ..Call::default() };
            if operation != "add" {
                odds(&mut call, dice);
            }
            Act::Call(call)
        }
    }
}

fn login(rules: &Rules, dice: &mut Dice) -> Act {
    let (role, claim) = credentials(rules, dice);
    let operation = dice.weigh(&[(8, "login"), (2, "login_index"), (1, "login_no_slash")]);
    let mut call = Call { operation, login: Some((role, claim)), ..Call::default() };
    if dice.chance(16) {
        call.method = Some(dice.pick(&["GET", "PUT", "HEAD", "PATCH"]));
    } else if dice.chance(30) {
        call.idle = Some(dice.pick(&IDLE_AT_LOGIN));
    } else if dice.chance(50) && matches!(claim, Claim::Right | Claim::Wrong) {
        let info = dice.pick(&[1, 200, 201, 0, 2, 3]);
        let info = match info {
            2 => "ü".repeat(150),
            3 => "it's \"odd\" <b>".to_owned(),
            length => "d".repeat(length),
        };
        call.with.push(("device-info", info));
    }
    Act::Call(call)
}

/// A visitor is added.
fn adding(known: Option<TokenId>, dice: &mut Dice) -> Act {
    let bearer = match (known, dice.below(4)) {
        (Some(id), 3) => Bearer::Altered(id, dice.pick(&[Guise::FlipLast, Guise::FlipFirst])),
        (Some(id), _) => Bearer::Token(id),
        _ => Bearer::Stranger,
    };
    let mut call = Call { operation: "add", bearer, ..Call::default() };
    if dice.chance(40) {
        call.with.push((dice.pick(&["cardno", "purpose", "name"]), String::new()));
    }
    Act::Call(call)
}
