//! What is asked of the environments: client credentials, and tokens where they belong and where not.

use super::super::super::case::{Act, Bearer, Call, Guise, Idle, Place, Spelling, TokenKind};
use super::super::super::dice::Dice;
use super::super::{Rules, State};
use super::{bearer, credentials, odds};

const GUISES: [Guise; 12] = [
    Guise::FlipLast,
    Guise::OtherPrefix,
    Guise::NoPrefix,
    Guise::FlipMiddle,
    Guise::FlipFirst,
    Guise::DropLast,
    Guise::Longer,
    Guise::Beginning,
    Guise::Base64,
    Guise::Upper,
    Guise::Tail,
    Guise::Doubled,
];

/// Something to do next.
pub(super) fn propose(rules: &Rules, state: &State, dice: &mut Dice) -> Act {
    let known = dice.token(state, TokenKind::Access);
    let with = u8::from(known.is_some());
    let account = u8::from(!rules.roles.is_empty());
    let environments: Vec<&str> = rules.environments.iter().map(String::as_str).collect();
    let any = |dice: &mut Dice| {
        if environments.is_empty() { None } else { Some(dice.pick(&environments).to_owned()) }
    };
    match dice.weigh(&[
        (9 * account, 0),
        (10 * with, 1),
        (3 * u8::from(rules.clock), 2),
        (with * u8::from(rules.offers("revoke")), 3),
        (3, 4),
    ]) {
        0 => {
            let environment = any(dice);
            generating(rules, dice, environment)
        }
        1 => {
            let bearer = known.map_or(Bearer::None, |id| bearer(id, dice, &Place::ALL, &GUISES));
            let own = known.and_then(|id| state.token(id)?.environment.clone());
            let environment = if dice.chance(50) { any(dice) } else { own };
            let mut call = Call { operation: "validate", environment, bearer, ..Call::default() };
            if matches!(bearer, Bearer::Token(_) | Bearer::Spelt(_, Spelling::LowerScheme)) {
                odds(&mut call, dice);
            }
            Act::Call(call)
        }
        2 => {
            let life = rules.life("token");
            Act::Advance(dice.pick(&[
                1,
                life / 2 + 1,
                life.saturating_sub(1_500),
                life + 1,
                life / 4,
                60_001,
                life,
            ]))
        }
        3 => known.map_or(Act::Advance(1), Act::Revoke),
        _ => {
            let bearer = if dice.chance(128) { Bearer::Stranger } else { Bearer::None };
            let mut call =
                Call { operation: "validate", environment: any(dice), bearer, ..Call::default() };
            odds(&mut call, dice);
            Act::Call(call)
        }
    }
}

/// A request for a token.
fn generating(rules: &Rules, dice: &mut Dice, environment: Option<String>) -> Act {
    let mut call = Call {
        operation: "generate",
        environment,
        login: Some(credentials(rules, dice)),
        ..Call::default()
    };
    if dice.chance(24) {
        call.method = Some(dice.pick(&["HEAD", "POST", "PUT", "OPTIONS", "DELETE"]));
    } else if dice.chance(20) {
        call.idle = Some(dice.pick(&[Idle::Query, Idle::Field, Idle::Cookie, Idle::Origin]));
    }
    Act::Call(call)
}
