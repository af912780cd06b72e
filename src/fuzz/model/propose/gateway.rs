//! What is asked of the gateway: names good and bad, tokens with their ends, moments at the edge of a window.

use super::super::super::case::{Act, Bearer, Call, Guise, Idle, Place, TokenId, TokenKind};
use super::super::super::dice::Dice;
use super::super::gateway::{BAD_NAMES, window};
use super::super::{Rules, State};
use super::{bearer, odds};

const NAMES: [&str; 4] = ["POS1", "Kitchen", "Bar 2", "till-3"];

/// Something to do next.
pub(super) fn propose(rules: &Rules, state: &State, dice: &mut Dice) -> Act {
    let known = dice.token(state, TokenKind::Access);
    let press = u8::from(rules.offers("press"));
    let clock = u8::from(rules.clock);
    let with = u8::from(known.is_some());
    let open = window(rules, state).may();
    match dice.weigh(&[
        (if open { 6 } else { 2 }, 0),
        (if open { 2 } else { 8 } * press, 1),
        (6 * with, 2),
        (3 * with, 3),
        (3 * with, 4),
        (2 * with, 5),
        (if open { 3 } else { 1 } * clock, 6),
        (u8::from(rules.offers("restart")), 7),
        (with * u8::from(rules.offers("revoke")), 8),
        (3, 9),
        (1, 10),
    ]) {
        1 => Act::Press(dice.pick(&["short", "short", "short", "double", "long"])),
        2 => called("validate", known, dice),
        3 => with_name(called("generate_with_token", known, dice), dice),
        4 => called("revoke", known, dice),
        5 => called("list", known, dice),
        6 => Act::Advance(advance(rules, state, dice)),
        7 => Act::Restart,
        8 => known.map_or(Act::Restart, Act::Revoke),
        9 => {
            let operation = dice.pick(&["validate", "revoke", "list", "generate_with_token"]);
            called(operation, None, dice)
        }
        10 => Act::Call(Call { operation: "unknown_path", ..Call::default() }),
        _ => {
            let mut call = Call { operation: "generate", ..Call::default() };
            if dice.chance(24) {
                call.bearer = known.map_or(Bearer::None, Bearer::Token);
            } else if dice.chance(16) {
                call.method = Some("HEAD");
            } else if dice.chance(24) {
                call.idle =
                    Some(dice.pick(&[Idle::Query, Idle::Field, Idle::Cookie, Idle::Origin]));
            }
            with_name(Act::Call(call), dice)
        }
    }
}

fn with_name(act: Act, dice: &mut Dice) -> Act {
    let Act::Call(mut call) = act else {
        return act;
    };
    if dice.chance(110) {
        let name = if dice.chance(80) { dice.pick(&BAD_NAMES) } else { dice.pick(&NAMES) };
        call.with.push(("name", name.to_owned()));
    }
    Act::Call(call)
}

/// A time that leads to the edge of something.
fn advance(rules: &Rules, state: &State, dice: &mut Dice) -> u64 {
    let window = rules.life("button_window");
    let left = state.window.map_or(window, |life| life.surely.saturating_sub(state.now));
    dice.pick(&[
        1,
        window / 2,
        left.saturating_sub(1).max(1),
        left.max(1),
        left + 1,
        window,
        11_000,
        86_400_000,
    ])
}

/// A call of a secured operation: with a good token, or with something that is none.
fn called(operation: &'static str, known: Option<TokenId>, dice: &mut Dice) -> Act {
    let bearer = match known {
        None if dice.chance(64) => Bearer::Stranger,
        None => Bearer::None,
        Some(id) => bearer(id, dice, Place::ALL.as_slice(), Guise::ALL.as_slice()),
    };
    let mut call = Call { operation, bearer, ..Call::default() };
    odds(&mut call, dice);
    Act::Call(call)
}
