//! Gets what a run needs before anything is measured: tokens, through the flow itself, and the requests that present them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::court::{Court, Expected};
use super::form::{Form, Tokens};
use super::pool::{Case, Pool, Popularity};
use crate::clock::Clock;
use crate::engine::{Engine, Settings};
use crate::hook::Hooks;
use crate::model::{Act, Exchange, Flow, SentAndReceived, Trace};
use crate::source::{Random, closest};
use crate::target::{Baseline, Library, Profile};
use crate::wire::Wires;

/// A kind of token to ask about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Issued and good.
    Valid,
    /// Looks like a valid one and was never issued.
    Unknown,
    /// No token at all.
    Malformed,
    /// Good once; its lifetime is over.
    Expired,
    /// Good once; taken back.
    Revoked,
    /// Good in the flow's other environment.
    OtherEnvironment,
    /// Good in another flow of the same server.
    OtherFlow,
}

impl Kind {
    /// All kinds with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Valid, "valid"),
        (Self::Unknown, "unknown"),
        (Self::Malformed, "malformed"),
        (Self::Expired, "expired"),
        (Self::Revoked, "revoked"),
        (Self::OtherEnvironment, "other-environment"),
        (Self::OtherFlow, "other-flow"),
    ];

    const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which kinds of tokens are asked about, and how often: `valid=98,unknown=2`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix(Vec<(Kind, f64)>);

impl Default for Mix {
    fn default() -> Self {
        Self(vec![(Kind::Valid, 100.0)])
    }
}

impl Mix {
    /// Whether tokens of another flow are asked for.
    pub fn needs_other_flow(&self) -> bool {
        self.0.iter().any(|(kind, _)| *kind == Kind::OtherFlow)
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("`{text}` is not a mix: {why}; write valid=98,unknown=2");
        let mut mix: Vec<(Kind, f64)> = Vec::new();
        for part in text.split(',') {
            let (name, share) =
                part.trim().split_once('=').ok_or_else(|| wrong(format!("`{part}` has no `=`")))?;
            let kind = Kind::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
            let kind = kind.ok_or_else(|| {
                let near = closest(name, Kind::ALL.iter().map(|(_, known)| *known));
                let meant =
                    near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                wrong(format!("there are no `{name}` tokens{meant}"))
            })?;
            let share = share.parse::<f64>().ok().filter(|share| *share > 0.0 && share.is_finite());
            let share = share.ok_or_else(|| wrong(format!("`{part}` has no share above 0")))?;
            if mix.iter().any(|(other, _)| *other == kind) {
                return Err(wrong(format!("`{name}` is there twice")));
            }
            mix.push((kind, share));
        }
        Ok(Self(mix))
    }
}

/// Why a run cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// What was asked for does not exist there.
    #[error("{0}")]
    Unsupported(String),
    /// The server did not hand out what is needed.
    #[error("{what}{}", exchange.as_ref().map(|one| format!("\n\n{}\n\n{}", one.sent, one.received)).unwrap_or_default())]
    Refused {
        /// What happened.
        what: String,
        /// The exchange, without its secrets.
        exchange: Option<Box<SentAndReceived>>,
    },
}

/// What is needed to get tokens from a server.
#[derive(Debug)]
pub struct Ground<'a> {
    /// Contracts and flow files.
    pub library: Arc<Library>,
    /// The server.
    pub profile: &'a Profile,
    /// The flow.
    pub flow: Flow,
    /// The wires.
    pub wires: Arc<Wires>,
    /// Physical and administrative acts.
    pub hooks: &'a Hooks,
    /// The server's clock.
    pub clock: &'a Clock,
    /// The seed of random choices.
    pub seed: u64,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Valid tokens that were obtained elsewhere; none to get them through the flow.
    pub given: Vec<String>,
    /// How many valid tokens.
    pub tokens: usize,
    /// The kinds of tokens.
    pub mix: Mix,
    /// How often each token comes.
    pub popularity: Popularity,
    /// Whether connections stay open.
    pub keep_alive: bool,
}

/// Everything that a run needs.
#[derive(Debug)]
pub struct Prepared {
    pub(super) pool: Arc<Pool>,
    pub(super) court: Arc<Court>,
    /// What a reader of the report should know.
    pub(super) notes: Vec<String>,
    pub(super) flow: Flow,
}

/// Tokens that nobody issued, and that are not even written like tokens.
const MALFORMED: [&str; 3] = ["not a token", "a,b", "\"quoted\""];
/// How many different unknown tokens are enough.
const UNKNOWN: usize = 1_000;
/// How many tokens are asked for in one go, and how many of these at once.
const BATCH: usize = 500;
const AT_ONCE: usize = 16;
/// How long behind its lifetime a token is surely expired, in seconds: servers may allow for clocks that differ.
const LEEWAY: u64 = 600;

impl Ground<'_> {
    /// Gets tokens and makes the requests.
    ///
    /// # Errors
    /// When the flow has no such tokens, or the server hands none out.
    pub async fn prepare(
        &self,
        asked: &Asked,
        progress: &mut dyn FnMut(usize),
    ) -> Result<Prepared, PrepareError> {
        let mut notes = Vec::new();
        // The clock moves for expired tokens, so these come first, and valid ones last.
        let mut others: Vec<(Kind, f64, Tokens)> = Vec::new();
        for (kind, weight) in &asked.mix.0 {
            let steps = match kind {
                Kind::Valid | Kind::Unknown | Kind::Malformed => continue,
                Kind::Expired => self.expired()?,
                Kind::Revoked => self.revoked()?,
                Kind::OtherEnvironment => self.other_environment()?,
                Kind::OtherFlow => {
                    others.push((*kind, *weight, self.other_flow().await?));
                    continue;
                }
            };
            let (token, _) = self.one(self.flow, &steps).await?;
            others.push((*kind, *weight, [token.as_str()].into_iter().collect()));
        }
        let (first, exchange) = self.one(self.flow, VALID).await?;
        let valid = if asked.given.is_empty() {
            self.valid(&first, asked.tokens, progress, &mut notes).await?
        } else {
            asked.given.iter().map(String::as_str).collect()
        };
        let form = self.form(exchange.clone(), &first, asked.keep_alive)?;
        let mut cases = Vec::new();
        for (kind, weight) in &asked.mix.0 {
            let tokens = match kind {
                Kind::Valid => valid.clone(),
                Kind::Unknown => self.unknown(&first),
                Kind::Malformed => MALFORMED.into_iter().collect(),
                _ => continue,
            };
            others.push((*kind, *weight, tokens));
        }
        others.sort_by_key(|(kind, ..)| *kind);
        for (kind, weight, tokens) in others {
            cases.push(Case {
                name: kind.name().to_owned(),
                weight,
                expected: expected(kind),
                operation: exchange.operation.clone(),
                environment: exchange.environment.clone(),
                form: form.clone(),
                tokens,
            });
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let current = |one: &&Baseline| one.until > i64::try_from(now).unwrap_or(i64::MAX);
        let accepted = self.profile.baseline.iter().filter(current).cloned().collect();
        Ok(Prepared {
            court: Arc::new(self.court(accepted)?),
            pool: Arc::new(Pool::new(cases, asked.popularity)),
            notes,
            flow: self.flow,
        })
    }

    fn court(&self, accepted: Vec<Baseline>) -> Result<Court, PrepareError> {
        let binding = self.profile.flows.get(&self.flow).cloned().ok_or_else(|| self.no_flow())?;
        let scenario = self.errand(self.flow, VALID)?;
        Ok(Court::new(Arc::clone(&self.library), binding, scenario, accepted))
    }

    fn no_flow(&self) -> PrepareError {
        PrepareError::Unsupported(format!(
            "{} does not have the flow {}",
            self.profile.name, self.flow
        ))
    }

    fn errand(&self, flow: Flow, steps: &str) -> Result<crate::scenario::Scenario, PrepareError> {
        self.library.errand(flow, steps).map_err(|list| {
            let first = list.first().map(|one| one.message.clone()).unwrap_or_default();
            PrepareError::Unsupported(format!("{flow} cannot be used for a load run: {first}"))
        })
    }

    async fn run(&self, flow: Flow, steps: &str) -> Result<Trace, PrepareError> {
        let binding = self.profile.flows.get(&flow).ok_or_else(|| self.no_flow())?;
        let settings = Settings {
            headers: self.profile.headers.clone(),
            seed: self.seed,
            ..Settings::default()
        };
        let engine = Engine {
            binding,
            wires: Arc::clone(&self.wires),
            hooks: self.hooks,
            clock: self.clock,
            settings: &settings,
        };
        let scenario = self.errand(flow, steps)?;
        let trace = engine.run(&scenario).await;
        match &trace.stop {
            None => Ok(trace),
            Some(stop) => Err(refused(flow, &stop.reason, &trace)),
        }
    }

    /// Runs steps that end in a request with `${token}`: the token, and that request with its answer.
    async fn one(&self, flow: Flow, steps: &str) -> Result<(String, Exchange), PrepareError> {
        let mut trace = self.run(flow, steps).await?;
        let token = trace.entries.last().and_then(|entry| entry.bindings.get("token").cloned());
        match (token, trace.entries.pop().map(|entry| entry.act)) {
            (Some(token), Some(Act::Exchange(exchange))) => Ok((token, *exchange)),
            _ => Err(refused(flow, "no token was kept", &trace)),
        }
    }

    fn form(
        &self,
        exchange: Exchange,
        token: &str,
        keep_alive: bool,
    ) -> Result<Form, PrepareError> {
        let form = Form::new(exchange.request, token).and_then(|form| match keep_alive {
            true => Ok(form),
            false => form.with_header(crate::model::Header::new("Connection", "close")),
        });
        form.map_err(|why| PrepareError::Unsupported(format!("{}: {why}", self.flow)))
    }

    async fn valid(
        &self,
        first: &str,
        count: usize,
        progress: &mut dyn FnMut(usize),
        notes: &mut Vec<String>,
    ) -> Result<Tokens, PrepareError> {
        let mut tokens: Tokens = [first].into_iter().collect();
        let Some((send, field)) = self.minting(first) else {
            // A new token replaces the one before it, so each account has one.
            let roles = self.profile.flows.get(&self.flow).map(|flow| &flow.identities);
            let roles = roles.into_iter().flatten().map(|(role, _)| role.clone());
            for role in roles.filter(|role| role != "first") {
                if tokens.len() >= count {
                    break;
                }
                let steps = format!(
                    "- run: {{procedure: obtain_token, with: {{identity: {role}}}}}\n{ASK}"
                );
                if let Ok((token, _)) = self.one(self.flow, &steps).await {
                    tokens.push(&token);
                }
            }
            if tokens.len() < count {
                notes.push(format!(
                    "{} valid tokens are in rotation instead of {count}: a new token replaces the one before it, and the profile has no more accounts",
                    tokens.len()
                ));
            }
            return Ok(tokens);
        };
        while tokens.len() < count {
            let more = BATCH.min(count - tokens.len());
            let steps = format!(
                "- sample: {{count: {more}, concurrency: {AT_ONCE}, send: {send}, collect: {{field: {field}}}}}\n"
            );
            let trace = self.run(self.flow, &steps).await?;
            let before = tokens.len();
            for entry in &trace.entries {
                if let Act::Sample { values, .. } = &entry.act {
                    values.iter().flatten().for_each(|token| tokens.push(token));
                }
            }
            progress(tokens.len());
            if tokens.len() == before {
                let what = format!("the server handed out {before} tokens and then no more");
                return Err(refused(self.flow, &what, &trace));
            }
        }
        Ok(tokens)
    }

    /// A request that hands out one token more without ending another, and the field that the token is in.
    fn minting(&self, first: &str) -> Option<(String, &'static str)> {
        let replaced = |gap: &str, word: &str| {
            let choices = self.profile.flows.get(&self.flow).map(|flow| &flow.choices);
            choices.and_then(|choices| choices.get(gap)).is_some_and(|choice| choice == word)
        };
        match self.flow {
            Flow::GatewayButton => {
                Some((format!("{{operation: generate_with_token, token: \"{first}\"}}"), "token"))
            }
            Flow::VisitorLogin => Some(("{operation: login, identity: first}".to_owned(), "token")),
            Flow::JwtLogin => {
                Some(("{operation: login, identity: first}".to_owned(), "access_token"))
            }
            Flow::EnvironmentToken if !replaced("previous_token", "replaced") => {
                Some(("{operation: generate, identity: first}".to_owned(), "token"))
            }
            Flow::ChannelLogin if replaced("previous_token", "kept") => {
                Some(("{operation: generate, identity: first}".to_owned(), "token"))
            }
            _ => None,
        }
    }

    /// Tokens like a valid one, some of whose characters are others.
    fn unknown(&self, valid: &str) -> Tokens {
        let mut random = Random::derive(self.seed, "unknown tokens");
        let mut tokens = Tokens::default();
        // Not the last character: of base64 it may hold no bits that count.
        let end = valid.len().saturating_sub(2);
        let places: Vec<usize> = (end.saturating_sub(12)..end).collect();
        for _ in 0..UNKNOWN {
            let mut bytes = valid.as_bytes().to_vec();
            for at in &places {
                let class: &[u8] = match bytes[*at] {
                    b'0'..=b'9' => b"0123456789",
                    b'a'..=b'f' => b"abcdef",
                    b'g'..=b'z' => b"ghijklmnopqrstuvwxyz",
                    b'A'..=b'F' => b"ABCDEF",
                    b'G'..=b'Z' => b"GHIJKLMNOPQRSTUVWXYZ",
                    _ => continue,
                };
                let step = 1 + random.below(class.len() - 1);
                let old = class.iter().position(|one| *one == bytes[*at]).unwrap_or(0);
                bytes[*at] = class[(old + step) % class.len()];
            }
            tokens.push(&String::from_utf8_lossy(&bytes));
        }
        tokens
    }

    fn expired(&self) -> Result<String, PrepareError> {
        let binding = self.profile.flows.get(&self.flow).ok_or_else(|| self.no_flow())?;
        let lifetime =
            ["access_token", "token"].iter().find_map(|name| binding.lifetimes.get(*name));
        let lifetime = lifetime.ok_or_else(|| {
            PrepareError::Unsupported(format!("tokens of {} do not expire", self.flow))
        })?;
        let seconds = lifetime.as_secs() + LEEWAY;
        Ok(format!("- run: {{procedure: obtain_token}}\n- wait: {seconds}s\n{ASK}"))
    }

    fn revoked(&self) -> Result<String, PrepareError> {
        let binding = self.profile.flows.get(&self.flow).ok_or_else(|| self.no_flow())?;
        let revoking = binding.choices.get("logout").is_some_and(|choice| choice == "revoking");
        let act = match self.flow {
            Flow::GatewayButton => "send: {operation: revoke, token: \"${token}\"}",
            Flow::JwtLogin if revoking => "send: {operation: logout, token: \"${token}\"}",
            Flow::JwtLogin => {
                let why = "a logout of jwt-login does not revoke the token, as the profile says";
                return Err(PrepareError::Unsupported(why.to_owned()));
            }
            _ if self.hooks.offers("revoke") => {
                "hook: {name: revoke, say: Revoke the token., with: {token: \"${token}\"}}"
            }
            _ => {
                let why = format!(
                    "nothing revokes a token of {}: the profile has no hook `revoke`",
                    self.flow
                );
                return Err(PrepareError::Unsupported(why));
            }
        };
        Ok(format!("- run: {{procedure: obtain_token}}\n- {act}\n{ASK}"))
    }

    fn other_environment(&self) -> Result<String, PrepareError> {
        let binding = self.profile.flows.get(&self.flow).ok_or_else(|| self.no_flow())?;
        let [_, other, ..] = binding.environments.as_slice() else {
            return Err(PrepareError::Unsupported(format!("{} has one environment", self.flow)));
        };
        Ok(format!(
            "- run: {{procedure: obtain_token, with: {{target_environment: {other}}}}}\n{ASK}"
        ))
    }

    /// A token of the first other flow that hands one out.
    async fn other_flow(&self) -> Result<Tokens, PrepareError> {
        for flow in self.profile.flows.keys().filter(|flow| **flow != self.flow) {
            if let Ok((token, _)) = self.one(*flow, VALID).await {
                return Ok([token.as_str()].into_iter().collect());
            }
        }
        let why = format!("no other flow of {} hands out a token", self.profile.name);
        Err(PrepareError::Unsupported(why))
    }
}

const ASK: &str = "- send: {operation: validate, token: \"${token}\"}\n";
const VALID: &str =
    "- run: {procedure: obtain_token}\n- send: {operation: validate, token: \"${token}\"}\n";

fn expected(kind: Kind) -> Expected {
    match kind {
        Kind::Valid => Expected::Outcome("accepted".to_owned()),
        Kind::Malformed => Expected::Refusal,
        _ => Expected::Outcome("denied".to_owned()),
    }
}

fn refused(flow: Flow, why: &str, trace: &Trace) -> PrepareError {
    let mut book = crate::model::SecretBook::default();
    for kept in &trace.secrets {
        book.note(&kept.value, &kept.name);
    }
    let last = trace.entries.iter().rev().find_map(|entry| match &entry.act {
        Act::Exchange(exchange) => Some(&**exchange),
        Act::Sample { exchanges, .. } => exchanges.last(),
        _ => None,
    });
    let exchange = last.map(|exchange| {
        let SentAndReceived { sent, received, curl } = crate::engine::picture(exchange);
        let [sent, received, curl] = [sent, received, curl].map(|text| book.redact(&text));
        Box::new(SentAndReceived { sent, received, curl })
    });
    let what = format!("no token of {flow} could be obtained: {}", book.redact(why));
    PrepareError::Refused { what, exchange }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_with_its_shares() {
        let mix: Mix = "valid=98, unknown=1.5,malformed=0.5".parse().unwrap();
        assert_eq!(mix.0, [(Kind::Valid, 98.0), (Kind::Unknown, 1.5), (Kind::Malformed, 0.5)]);
        for (at, (kind, name)) in Kind::ALL.iter().enumerate() {
            assert_eq!((*kind as usize, kind.name()), (at, *name));
        }
    }

    #[test]
    fn a_malformed_mix_is_refused_with_a_sentence() {
        for (text, why) in [
            ("", "has no `=`"),
            ("valid", "has no `=`"),
            ("vaild=1", "did you mean `valid`"),
            ("valid=0", "no share above 0"),
            ("valid=-1", "no share above 0"),
            ("valid=x", "no share above 0"),
            ("valid=inf", "no share above 0"),
            ("valid=1,valid=2", "is there twice"),
            ("valid=1,", "has no `=`"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
