//! What is asked of the channel login.

use super::super::super::case::{Act, Bearer, Call, Guise, Place, TokenKind};
use super::super::super::dice::Dice;
use super::super::{Rules, State};
use super::{IDLE_AT_LOGIN, bearer, credentials, odds};

/// Something to do next.
pub(super) fn propose(rules: &Rules, state: &State, dice: &mut Dice) -> Act {
    if rules.roles.is_empty() {
        return Act::Call(Call {
            operation: "validate",
            bearer: Bearer::Stranger,
            ..Call::default()
        });
    }
    let known = dice.token(state, TokenKind::Access);
    let with = u8::from(known.is_some());
    match dice.weigh(&[
        (9, 0),
        (8 * with, 1),
        (5, 2),
        (3 * u8::from(rules.clock), 3),
        (2 * u8::from(rules.offers("accounts")), 4),
        (with * u8::from(rules.offers("revoke")), 5),
        (2, 6),
    ]) {
        1 => {
            let bearer =
                known.map_or(Bearer::None, |id| bearer(id, dice, &Place::ALL, &Guise::ALL));
            let mut call = Call { operation: "validate", bearer, ..Call::default() };
            odds(&mut call, dice);
            Act::Call(call)
        }
        3 => {
            let life = rules.life("token");
            Act::Advance(dice.pick(&[
                1,
                life / 4,
                life / 2 + 1,
                life.saturating_sub(1_500),
                life + 1,
                60_001,
            ]))
        }
        4 => {
            let role = dice.pick(&rules.roles.iter().map(String::as_str).collect::<Vec<_>>());
            let state = if state.is_active(role) { "blocked" } else { "active" };
            Act::Account { role: role.to_owned(), state }
        }
        5 => known.map_or(Act::Advance(1), Act::Revoke),
        6 => {
            let bearer = if dice.chance(128) { Bearer::Stranger } else { Bearer::None };
            let mut call = Call { operation: "validate", bearer, ..Call::default() };
            odds(&mut call, dice);
            Act::Call(call)
        }
        choice => {
            let current = choice == 2 && rules.has("current");
            login(rules, dice, if current { "current" } else { "generate" })
        }
    }
}

/// A login.
fn login(rules: &Rules, dice: &mut Dice, operation: &'static str) -> Act {
    let mut call = Call { operation, login: Some(credentials(rules, dice)), ..Call::default() };
    if dice.chance(20) {
        call.method = Some(dice.pick(&["GET", "PUT", "HEAD", "OPTIONS", "PATCH"]));
    } else if dice.chance(30) {
        call.idle = Some(dice.pick(&IDLE_AT_LOGIN));
    } else if dice.chance(16) {
        call.bearer = Bearer::Stranger;
    }
    Act::Call(call)
}
