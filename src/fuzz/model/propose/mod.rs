//! What to do next: each flow draws its own acts, most of them as documented, some of them off the path.
//!
//! What a right server answers to them is the model's business, in the files beside this folder.

mod channel;
mod environment;
mod gateway;
mod jwt;
mod visitor;

use super::super::case::{Act, Bearer, Call, Claim, Guise, Idle, Place, Spelling, TokenId};
use super::super::dice::Dice;
use super::{Rules, State};
use crate::model::Flow;

/// Something to do next in a state.
pub(super) fn propose(rules: &Rules, state: &State, dice: &mut Dice) -> Act {
    match rules.flow {
        Flow::GatewayButton => gateway::propose(rules, state, dice),
        Flow::ChannelLogin => channel::propose(rules, state, dice),
        Flow::VisitorLogin => visitor::propose(rules, state, dice),
        Flow::JwtLogin => jwt::propose(rules, state, dice),
        Flow::EnvironmentToken | Flow::Common => environment::propose(rules, state, dice),
    }
}

/// A token, mostly as documented.
fn bearer(id: TokenId, dice: &mut Dice, places: &[Place], guises: &[Guise]) -> Bearer {
    match dice.weigh(&[(26, 0), (5, 1), (2, 2), (5, 3), (5, 4), (4, 5)]) {
        1 => Bearer::Altered(id, dice.pick(guises)),
        2 => Bearer::Spelt(id, dice.pick(&Spelling::EQUAL)),
        3 => Bearer::Spelt(id, dice.pick(&Spelling::BROKEN)),
        4 => Bearer::Elsewhere(id, dice.pick(places)),
        5 => Bearer::Twice(id, dice.chance(128)),
        _ => Bearer::Token(id),
    }
}

/// Now and then another method, or something that must not matter.
fn odds(call: &mut Call, dice: &mut Dice) {
    if dice.chance(20) {
        call.method = Some(dice.pick(&["HEAD", "PUT", "OPTIONS", "PATCH", "TRACE", "FOO"]));
    } else if dice.chance(16) {
        call.idle = Some(dice.pick(&[Idle::Query, Idle::Field, Idle::Cookie, Idle::Origin]));
    }
}

/// Things beside a login that must not matter.
const IDLE_AT_LOGIN: [Idle; 5] =
    [Idle::Query, Idle::Field, Idle::Cookie, Idle::Parameter, Idle::Origin];

/// The credentials of somebody, mostly as they are.
fn credentials(rules: &Rules, dice: &mut Dice) -> (String, Claim) {
    let role = dice.pick(&rules.roles.iter().map(String::as_str).collect::<Vec<_>>());
    let claim = if dice.chance(90) { dice.pick(&Claim::WRONG) } else { Claim::Right };
    (role.to_owned(), claim)
}
