//! What a right server may answer: a state machine for each flow, in our own words from the contracts.
//!
//! A model never asks a server. It maps a state and an act to every answer that the documents allow, each with the state
//! that it leads to. Where a profile decides a gap there is one way to go on, where it does not there are several, and
//! whoever walks a run along the model keeps all of them that the answers so far allow. Two requests at the same moment
//! are then two orders, and nothing more.

mod channel;
mod environment;
mod gateway;
mod jwt;
mod propose;
mod state;
mod visitor;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(crate) use state::{Life, State, Token, Trit};

use super::case::{Act, Bearer, Call, TokenId};
use super::dice::Dice;
use crate::model::Flow;
use crate::target::{FlowBinding, OutcomeKind};

/// One way in which a right server may go on.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Branch {
    /// The classes that the answer may have: names of outcomes, or `refused`.
    pub(crate) outcomes: Vec<&'static str>,
    /// What else must stand in the answer.
    pub(crate) facts: Vec<Fact>,
    /// The clause that says so.
    pub(crate) clause: &'static str,
    /// The state that this leads to.
    pub(crate) next: State,
}

/// Something that must stand in an answer.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fact {
    /// This value at a path of the JSON body.
    Json(&'static str, serde_json::Value, &'static str),
    /// The same token as an earlier answer gave.
    SameToken(TokenId, &'static str),
}

/// What a model knows of the server before anything is sent.
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    /// The flow.
    pub(crate) flow: Flow,
    choices: BTreeMap<String, String>,
    capabilities: BTreeMap<String, bool>,
    lifetimes: BTreeMap<String, u64>,
    environments: Vec<String>,
    operations: BTreeSet<String>,
    /// The accounts that may be used, by role.
    pub(crate) roles: Vec<String>,
    /// The fields that tell accounts apart in answers, by role.
    ids: BTreeMap<String, String>,
    /// The acts that the profile can do.
    pub(crate) hooks: BTreeSet<String>,
    /// Whether the clock can be moved.
    pub(crate) clock: bool,
    /// By how many milliseconds moments are uncertain.
    slack: u64,
    /// Whether each case begins with a server in its first state.
    pub(crate) fresh: bool,
}

/// What a profile offers for acting on a server.
#[derive(Clone, Debug, Default)]
pub(crate) struct Means {
    /// The names of the hooks.
    pub(crate) hooks: BTreeSet<String>,
    /// Whether the clock can be moved at will.
    pub(crate) clock: bool,
    /// Whether there is a way back to the first state.
    pub(crate) fresh: bool,
}

impl Rules {
    /// The rules for a server as its profile describes it.
    pub(crate) fn new(binding: &FlowBinding, means: &Means) -> Self {
        let ends =
            |duration: &Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX / 4);
        let usable = |role: &&String| {
            ["first", "second", "blocked", "unverified", "longpass"].contains(&role.as_str())
        };
        let ids = binding.identities.iter().filter_map(|(role, identity)| {
            Some((role.clone(), identity.fields.get("account_id")?.clone()))
        });
        let operations = binding.operations.iter().filter(|(_, operation)| {
            operation.capabilities.iter().all(|name| binding.lacks(name).is_none())
        });
        Self {
            flow: binding.flow,
            choices: binding.choices.clone(),
            capabilities: binding.capabilities.clone(),
            lifetimes: binding
                .lifetimes
                .iter()
                .map(|(name, life)| (name.clone(), ends(life)))
                .collect(),
            environments: binding.environments.clone(),
            operations: operations.map(|(name, _)| name.clone()).collect(),
            roles: binding.identities.keys().filter(usable).cloned().collect(),
            ids: ids.collect(),
            hooks: means.hooks.clone(),
            clock: means.clock,
            slack: if means.clock { 0 } else { 60_000 },
            fresh: means.fresh,
        }
    }

    /// Whether the server answers a gap so: not known where the profile does not decide it.
    pub(crate) fn is(&self, gap: &str, answer: &str) -> Trit {
        match self.choices.get(gap) {
            Some(chosen) => Trit::of(chosen == answer),
            None => Trit::Maybe,
        }
    }

    /// Whether a refusal may come with a status of success, so that only its body tells it.
    pub(crate) fn refuses_in_band(&self) -> bool {
        match self.flow {
            Flow::ChannelLogin => self.is("failure_status", "200").may(),
            Flow::VisitorLogin => self.is("error_status", "200").may(),
            _ => false,
        }
    }

    /// Whether there are sockets.
    pub(crate) fn offers_sockets(&self) -> bool {
        self.flow == Flow::GatewayButton && self.has("socket") && self.can("socket")
    }

    /// Whether who asks too often may be refused for that alone.
    pub(crate) fn may_throttle(&self) -> bool {
        self.flow != Flow::GatewayButton && self.is("throttle", "off").may_not()
    }

    /// Whether a login may be refused only because of those that failed before it, here or before the case began.
    fn may_hold_back(&self, state: &State) -> bool {
        self.is("throttle", "off").may_not() && (!state.failures.is_empty() || !self.fresh)
    }

    fn life(&self, name: &str) -> u64 {
        self.lifetimes.get(name).copied().unwrap_or(3_600_000)
    }

    fn offers(&self, hook: &str) -> bool {
        self.hooks.contains(hook)
    }

    fn has(&self, operation: &str) -> bool {
        self.operations.contains(operation)
    }

    fn can(&self, capability: &str) -> bool {
        self.capabilities.get(capability).copied().unwrap_or(true)
    }

    fn knows(&self, role: &str) -> bool {
        self.roles.iter().any(|known| known == role)
    }

    /// The environment that a request goes to when nothing else is said.
    pub(crate) fn start_environment(&self) -> Option<String> {
        self.environments.first().cloned()
    }

    /// Whether tokens can be refreshed.
    pub(crate) fn offers_refresh(&self) -> bool {
        self.has("refresh")
    }

    /// The state before anything is done.
    pub(crate) fn start(&self) -> State {
        let mut state = State::default();
        match self.flow {
            Flow::JwtLogin => jwt::start(self, &mut state),
            Flow::ChannelLogin => channel::start(self, &mut state),
            _ => {}
        }
        state
    }

    /// What an act that is no request leads to.
    pub(crate) fn act(&self, state: &State, act: &Act) -> Vec<State> {
        let mut next = state.clone();
        match act {
            Act::Advance(by) => next.now += by,
            Act::Account { role, state } => {
                next.set_account(role, state);
            }
            Act::Database(failing) => next.database_failing = *failing,
            Act::Press(_) => return gateway::press(self, &next),
            Act::Restart => return gateway::restart(self, &next),
            Act::Revoke(id) => match self.flow {
                Flow::JwtLogin => jwt::revoked(&mut next, *id),
                _ => next.end(*id),
            },
            Act::Call(_) | Act::Race(_) => {}
        }
        vec![next]
    }

    /// Every answer to a request that a right server may give. `at` is where the tokens of its answer are kept.
    pub(crate) fn answers(&self, state: &State, call: &Call, at: (u16, u8)) -> Vec<Branch> {
        let mut branches = match self.flow {
            Flow::GatewayButton => gateway::answers(self, state, call, at),
            Flow::ChannelLogin => channel::answers(self, state, call, at),
            Flow::VisitorLogin => visitor::answers(self, state, call, at),
            Flow::JwtLogin => jwt::answers(self, state, call, at),
            Flow::EnvironmentToken => environment::answers(self, state, call, at),
            Flow::Common => Vec::new(),
        };
        branches.dedup();
        branches
    }

    /// Something to do next.
    pub(crate) fn propose(&self, state: &State, dice: &mut Dice) -> Act {
        propose::propose(self, state, dice)
    }
}

/// Whether an outcome of a name and kind, in an answer of a status, is one of those that a branch allows.
pub(crate) fn fits(
    wanted: &[&str],
    name: &str,
    kind: Option<OutcomeKind>,
    status: Option<u16>,
) -> bool {
    wanted.iter().any(|one| match *one {
        "refused" => {
            kind == Some(OutcomeKind::Refusal) && status.is_some_and(|status| status < 500)
        }
        one => one == name,
    })
}

impl Branch {
    fn new(outcomes: &[&'static str], clause: &'static str, next: State) -> Self {
        Self { outcomes: outcomes.to_vec(), facts: Vec::new(), clause, next }
    }

    fn with(mut self, fact: Fact) -> Self {
        self.facts.push(fact);
        self
    }
}

/// What the presented token amounts to.
#[derive(Clone, Debug, PartialEq)]
enum Presented {
    /// None at all.
    Absent,
    /// Something in the header that is not written as a token is.
    Malformed,
    /// A token under another scheme.
    OtherScheme,
    /// A well-formed token that nobody issued.
    Unknown,
    /// An issued token in capitals.
    Folded(TokenId),
    /// An issued token, as documented or in a spelling that means the same.
    Token(TokenId),
    /// The same in a spelling that servers should understand.
    Respelt(TokenId, &'static str),
    /// A JWT of which only bits that count for nothing are changed.
    Spare(TokenId),
    /// Two header fields; whether the good one is first.
    Twice(TokenId, bool),
    /// Whatever it is, it must not open anything.
    Odd,
}

/// Reads what a call presents.
fn presented(bearer: Bearer, jwt: bool) -> Presented {
    use super::case::{Guise, Spelling};
    match bearer {
        Bearer::None | Bearer::Elsewhere(..) => Presented::Absent,
        Bearer::Token(id) | Bearer::Spelt(id, Spelling::LowerField) => Presented::Token(id),
        Bearer::Stranger => Presented::Unknown,
        Bearer::Altered(id, Guise::Upper) => Presented::Folded(id),
        Bearer::Altered(id, Guise::FlipLast | Guise::Padded) if jwt => Presented::Spare(id),
        Bearer::Altered(_, Guise::Base64 | Guise::Padded | Guise::Unsigned) => Presented::Odd,
        Bearer::Altered(..) => Presented::Unknown,
        Bearer::Spelt(id, Spelling::TwoSpaces) => Presented::Respelt(id, "X-09"),
        Bearer::Spelt(id, Spelling::LowerScheme | Spelling::UpperScheme) => {
            Presented::Respelt(id, "X-08")
        }
        Bearer::Spelt(_, Spelling::Basic | Spelling::BasicPair | Spelling::Other) => {
            Presented::OtherScheme
        }
        Bearer::Spelt(_, Spelling::Quoted | Spelling::Tab) => Presented::Odd,
        Bearer::Spelt(..) => Presented::Malformed,
        Bearer::Twice(id, good_first) => Presented::Twice(id, good_first),
    }
}

/// The branches of a request with two header fields: a server may refuse it, or take always the same one of the two.
fn twice(state: &State, good_first: bool, granted: impl Fn(State) -> Vec<Branch>) -> Vec<Branch> {
    let mut branches = Vec::new();
    let refusing = |taken: u8| taken == 0 || taken == 3 || (taken == 1) != good_first;
    let granting = |taken: u8| taken == 0 || (taken != 3 && (taken == 1) == good_first);
    if refusing(state.header_taken) {
        branches.push(Branch::new(&["refused"], "X-12", state.clone()));
    }
    if granting(state.header_taken) {
        let mut next = state.clone();
        next.header_taken = if good_first { 1 } else { 2 };
        branches.extend(granted(next));
    }
    branches
}
