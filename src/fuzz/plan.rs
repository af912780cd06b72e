//! Draws cases: from a seed and the number of a case, and from nothing else.

use proptest::collection::{VecStrategy, vec};
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::case::{Act, Bearer, Call, Case, Claim, Step, TokenKind};
use super::dice::{Dice, Draw};
use super::model::{Rules, State};
use crate::model::Flow;
use crate::source::Random;

/// The most steps of a case.
const LONGEST: usize = 14;

/// How many times a case may be sent again to make it shorter.
pub(crate) const MOST_TRIES: u32 = 600;

/// Where the numbers of one case come from.
pub(crate) fn runner(seed: u64, part: &str) -> TestRunner {
    let mut random = Random::derive(seed, part);
    let mut bytes = [0; 32];
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&random.bits().to_le_bytes());
    }
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: MOST_TRIES,
        ..Config::default()
    };
    TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes))
}

/// The numbers of a case, and how to make them smaller.
pub(crate) fn draws() -> VecStrategy<[std::ops::RangeInclusive<u8>; 6]> {
    vec(std::array::from_fn(|_| 0..=u8::MAX), 1..=LONGEST)
}

/// The numbers of one case.
pub(crate) fn tree(runner: &mut TestRunner) -> Option<impl ValueTree<Value = Vec<Draw>> + use<>> {
    draws().new_tree(runner).ok()
}

/// What the numbers mean for a server.
pub(crate) fn resolve(rules: &Rules, draws: &[Draw], race: bool) -> Case {
    let mut state = rules.start();
    if !rules.fresh {
        state.window_unknown = true;
    }
    let mut steps = Vec::new();
    for (id, draw) in (1..).zip(draws) {
        let mut dice = Dice::new(*draw);
        let act = rules.propose(&state, &mut dice);
        state = predicted(rules, &state, &act, id);
        steps.push(Step { id, act });
    }
    if race && let Some(last) = draws.last() {
        let id = u16::try_from(draws.len() + 1).unwrap_or(u16::MAX);
        let mut dice = Dice::new(*last);
        if let Some(pair) = pair(rules, &mut state, &mut dice, &mut steps, id) {
            steps.push(Step { id: id + 1, act: Act::Race(Box::new(pair)) });
        }
    }
    Case { flow: rules.flow, steps }
}

/// The state that a right server is most likely in after an act.
fn predicted(rules: &Rules, state: &State, act: &Act, id: u16) -> State {
    let ways = match act {
        Act::Call(call) => {
            let ways = rules.answers(state, call, (id, 0));
            ways.into_iter().map(|way| way.next).collect()
        }
        other => rules.act(state, other),
    };
    ways.into_iter().next().unwrap_or_else(|| state.clone())
}

/// Two requests that may get in each other's way, and what has to be done before them.
fn pair(
    rules: &Rules,
    state: &mut State,
    dice: &mut Dice,
    steps: &mut Vec<Step>,
    id: u16,
) -> Option<[Call; 2]> {
    let role = rules.roles.first().cloned();
    let environment = rules.start_environment();
    let login = |operation: &'static str| Call {
        operation,
        environment: environment.clone(),
        login: role.clone().map(|role| (role, Claim::Right)),
        ..Call::default()
    };
    let mut first = |state: &mut State, act: Act| {
        *state = predicted(rules, state, &act, id);
        steps.push(Step { id, act });
    };
    let secured = |operation: &'static str, bearer: Bearer| Call {
        operation,
        environment: environment.clone(),
        bearer,
        ..Call::default()
    };
    match rules.flow {
        Flow::GatewayButton => {
            let known = dice
                .token(state, TokenKind::Access)
                .filter(|id| state.lives(*id, 0) == super::model::Trit::Yes);
            let Some(token) = known.filter(|_| dice.chance(150)).map(Bearer::Token) else {
                first(state, Act::Press("short"));
                let generate = secured("generate", Bearer::None);
                return Some([generate.clone(), generate]);
            };
            let other = dice.pick(&["validate", "revoke", "revoke", "generate_with_token", "list"]);
            Some([secured("revoke", token), secured(other, token)])
        }
        Flow::JwtLogin if rules.offers_refresh() && !dice.chance(50) => {
            first(state, Act::Call(login("login")));
            let refresh = dice.token(state, TokenKind::Refresh)?;
            let refresh = Call {
                operation: "refresh",
                refresh: Some(Bearer::Token(refresh)),
                ..Call::default()
            };
            Some([refresh.clone(), refresh])
        }
        Flow::JwtLogin => Some([login("login"), login("login")]),
        Flow::ChannelLogin => {
            let known = dice.token(state, TokenKind::Access).filter(|_| dice.chance(60));
            let other = known
                .map_or_else(|| login("generate"), |id| secured("validate", Bearer::Token(id)));
            Some([login("generate"), other])
        }
        Flow::VisitorLogin => Some([login("login"), login("login")]),
        Flow::EnvironmentToken | Flow::Common => Some([login("generate"), login("generate")]),
    }
}
