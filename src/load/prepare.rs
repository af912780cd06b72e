//! Gets what a run needs before anything is measured: tokens, through the flow itself, and the requests that present them.

mod spent;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::court::{Court, Expected};
use super::form::{Form, Tokens};
use super::mix::{Kind, Mix};
use super::pool::{Case, Pool, Popularity};
use super::renewal::{FreshTokens, Renewal};
use super::start::skew;
use super::workload::Workload;
use crate::clock::Clock;
use crate::engine::{Engine, Settings};
use crate::hook::Hooks;
use crate::model::{Act, Exchange, Flow, Response, SentAndReceived, Trace};
use crate::target::{Baseline, FlowBinding, Library, Profile};
use crate::wire::Wires;

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
    /// What users do.
    pub workload: Workload,
    /// How many users there are: one for each connection.
    pub users: usize,
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
    /// Whether other machines do a part of the same run, with tokens of their own.
    pub among_others: bool,
}

/// Everything that a run needs.
#[derive(Debug)]
pub struct Prepared {
    pub(super) pool: Arc<Pool>,
    pub(super) court: Arc<Court>,
    /// What a reader of the report should know.
    pub(super) notes: Vec<String>,
    pub(super) flow: Flow,
    /// The answer to the first request, as it came.
    pub(super) sample: Response,
    /// When the valid tokens have to be renewed; none where they do not expire, or cannot be renewed.
    pub(super) renewal: Option<Renewal>,
    /// How far the target's clock is ahead: between these two, in seconds.
    pub(super) skew: Option<(f64, f64)>,
}

impl Prepared {
    /// What is asked.
    pub const fn flow(&self) -> Flow {
        self.flow
    }

    /// Whether tokens are to be renewed while the run goes on.
    pub const fn expires(&self) -> bool {
        self.renewal.is_some()
    }
}

/// Tokens that nobody issued, and that are not even written like tokens.
const MALFORMED: [&str; 3] = ["not a token", "a,b", "\"quoted\""];
/// How many tokens are asked for in one go, and how many of these at once.
const BATCH: usize = 500;
const AT_ONCE: usize = 16;

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
        self.can_be_divided(asked)?;
        if asked.workload != Workload::Validate {
            return self.turns(asked, progress).await;
        }
        let mut notes = Vec::new();
        // The clock moves for expired tokens, so these come first, and valid ones last.
        let mut others = self.ended(&asked.mix).await?;
        let (obtained, before) = (Instant::now(), SystemTime::now());
        let (first, exchange) = self.first(&asked.given).await?;
        let after = SystemTime::now();
        let skew = exchange.reply.as_ref().ok().and_then(|reply| skew(reply, before, after));
        let mut valid = if asked.given.is_empty() {
            self.valid(&first, asked.tokens, progress, &mut notes).await?
        } else {
            asked.given.iter().map(String::as_str).collect()
        };
        let form = self.form(exchange.clone(), &first, asked.keep_alive)?;
        let mut cases = Vec::new();
        for (kind, weight) in &asked.mix.0 {
            let tokens = match kind {
                Kind::Valid => std::mem::take(&mut valid),
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
                keeps: None,
                talk: None,
                varies: false,
            });
        }
        let renewable = asked.given.is_empty() && self.minting(&first).is_some();
        let renewal = cases.iter().position(|case| case.name == Kind::Valid.name());
        let renewal = renewal.filter(|_| renewable).and_then(|case| {
            let count = cases[case].tokens.len();
            Some(Renewal { case, count, life: self.lifetime()?, obtained })
        });
        Ok(Prepared {
            sample: exchange.reply.unwrap_or_default(),
            renewal,
            court: Arc::new(self.court(Vec::new())?),
            pool: Arc::new(Pool::new(cases, asked.popularity)),
            notes,
            flow: self.flow,
            skew,
        })
    }

    /// The first valid token, with the request that asks what it is good for: one of those that were given, or a new one.
    async fn first(&self, given: &[String]) -> Result<(String, Exchange), PrepareError> {
        let Some(token) = given.first() else {
            return self.one(self.flow, VALID).await;
        };
        // Whoever brings tokens needs no button and no password here.
        let literal = serde_json::Value::from(token.replace("${", "$${"));
        let steps = format!("- send: {{operation: validate, token: {literal}}}\n");
        let mut trace = self.run(self.flow, &steps).await?;
        match trace.entries.pop().map(|entry| entry.act) {
            Some(Act::Exchange(exchange)) => Ok((token.clone(), *exchange)),
            _ => Err(refused(self.flow, "there was no answer", &trace)),
        }
    }

    /// Gets valid tokens anew, while a run goes on: as many as it began with.
    ///
    /// # Errors
    /// When the server hands none out.
    pub async fn renew(&self, asked: &Asked) -> Result<FreshTokens, PrepareError> {
        let obtained = Instant::now();
        let (first, _) = self.one(self.flow, VALID).await?;
        let tokens = self.valid(&first, asked.tokens, &mut |_| {}, &mut Vec::new()).await?;
        Ok(FreshTokens { tokens, obtained })
    }

    /// How long a token lives, where it does not live for ever.
    fn lifetime(&self) -> Option<Duration> {
        let lifetimes = &self.binding().ok()?.lifetimes;
        ["access_token", "token"].iter().find_map(|name| lifetimes.get(*name)).copied()
    }

    /// What answers are judged by. `secrets` are tokens that requests have in them beside those of their users.
    pub(super) fn court(&self, secrets: Vec<String>) -> Result<Court, PrepareError> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let current = |one: &&Baseline| one.until > i64::try_from(now).unwrap_or(i64::MAX);
        let accepted = self.profile.baseline.iter().filter(current).cloned().collect();
        let binding = self.binding()?.clone();
        let scenario = self.errand(self.flow, VALID)?;
        Ok(Court::new(Arc::clone(&self.library), binding, scenario, accepted, secrets))
    }

    pub(super) fn binding(&self) -> Result<&FlowBinding, PrepareError> {
        self.profile.flows.get(&self.flow).ok_or_else(|| self.no_flow())
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
        self.last(flow, steps, "token").await
    }

    /// Runs steps that end in a request: the value of a name at that moment, and the request with its answer.
    pub(super) async fn last(
        &self,
        flow: Flow,
        steps: &str,
        name: &str,
    ) -> Result<(String, Exchange), PrepareError> {
        let mut trace = self.run(flow, steps).await?;
        let token = trace.entries.last().and_then(|entry| entry.bindings.get(name).cloned());
        match (token, trace.entries.pop().map(|entry| entry.act)) {
            (Some(token), Some(Act::Exchange(exchange))) => Ok((token, *exchange)),
            _ => Err(refused(flow, "no token was kept", &trace)),
        }
    }

    pub(super) fn form(
        &self,
        exchange: Exchange,
        token: &str,
        keep_alive: bool,
    ) -> Result<Form, PrepareError> {
        let form = match token {
            "" => Form::fixed(exchange.request),
            token => Form::new(exchange.request, token),
        };
        let form = form.and_then(|form| match keep_alive {
            true => Ok(form),
            false => form.with_header(crate::model::Header::new("Connection", "close")),
        });
        form.map_err(|why| PrepareError::Unsupported(format!("{}: {why}", self.flow)))
    }

    pub(super) async fn valid(
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
        self.mint(&mut tokens, count, (&send, field), progress).await?;
        Ok(tokens)
    }

    /// Asks for tokens by a request again and again, until there are so many.
    pub(super) async fn mint(
        &self,
        tokens: &mut Tokens,
        count: usize,
        (send, field): (&str, &str),
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), PrepareError> {
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
        Ok(())
    }

    /// A request that hands out one token more without ending another, and the field that the token is in.
    pub(super) fn minting(&self, first: &str) -> Option<(String, &'static str)> {
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
}

pub(super) const ASK: &str = "- send: {operation: validate, token: \"${token}\"}\n";
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
