//! The layer of bytes: single requests that are changed where it hurts, on connections that stay open, each with an
//! ordinary request behind it that must be answered as ever.

mod bases;
mod credential;
mod draft;
mod framing;
mod meaning;
mod mutate;
mod socket;
mod symbols;
mod talk;
mod verdict;

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use proptest::collection::vec;
use proptest::strategy::{Strategy as _, ValueTree};
use proptest::test_runner::TestRunner;
use tokio::runtime::Runtime;

use self::bases::{bases, opening};
use self::credential::BREAKING;
use self::draft::{Draft, Field};
use self::meaning::{Effect, Meaning};
use self::mutate::{ANY, Around};
pub(crate) use self::symbols::symbolic;
use super::case::{Bearer, Call, TokenId, TokenKind};
use super::cell::shape;
use super::laws::Laws;
use super::lower;
use super::model::Rules;
use super::oracle::{Failure, Oracle};
use super::session::{Session, Site};
use crate::engine::{Class, Face, classify, prepare};
use crate::forge::forge;
use crate::model::{Bytes, CheckId, Exchange, Flow, Header, Reply, Request, Timing};
use crate::scenario::Vector;
use crate::source::{Random, Scope};
use crate::target::{FlowBinding, OutcomeKind};
use crate::wire::{Lane, LaneAnswers};

/// What is drawn for a case: a request, and what is done to it.
pub(crate) type ByteDraw = (usize, Vec<(u8, u32)>);

/// The numbers of one case, and how to make them smaller.
pub(crate) fn tree(runner: &mut TestRunner) -> Option<impl ValueTree<Value = ByteDraw> + use<>> {
    (0..usize::from(u8::MAX), vec((0..=u8::MAX, 0..=u32::MAX), 0..=3)).new_tree(runner).ok()
}

/// What a request of the layer presents.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
enum Credit {
    Good,
    None,
    Bad,
}

/// A request before it is changed.
#[derive(Clone, Debug)]
struct Base {
    call: Call,
    credit: Credit,
    draft: Draft,
    /// The class of its answer, and whether that is a success.
    plain: Option<(String, bool)>,
}

/// One flow of one server, ready to be sent bytes.
pub(crate) struct ByteBench<'a> {
    binding: &'a FlowBinding,
    rules: &'a Rules,
    laws: &'a Laws,
    lane: Option<Lane>,
    bases: Vec<Base>,
    names: BTreeMap<String, String>,
    canary: Vec<u8>,
    canary_class: String,
    forged: Vec<String>,
    odd: Vec<String>,
    folds: bool,
    judged: HashMap<u64, (String, Option<OutcomeKind>)>,
    /// Answers that were held against the checks of every answer.
    held: HashSet<u64>,
    /// Checks that are known to be broken.
    excused: HashSet<CheckId>,
}

/// What came of one case of bytes.
#[derive(Debug, Default)]
pub(crate) struct ByteWalk {
    /// What is wrong, if anything is.
    pub(crate) failure: Option<Failure>,
    /// The cell that was seen.
    pub(crate) cell: u64,
    /// Whether the state of the server has to be made anew.
    pub(crate) spoilt: bool,
}

const ACCESS: TokenId = TokenId { step: 0, side: 0, kind: TokenKind::Access };
const REFRESH: TokenId = TokenId { step: 0, side: 0, kind: TokenKind::Refresh };

impl<'a> ByteBench<'a> {
    /// A bench without anything on it yet.
    pub(crate) fn new((rules, laws): (&'a Rules, &'a Laws), binding: &'a FlowBinding) -> Self {
        let folds =
            rules.is("token_case", "insensitive").may() && rules.flow == Flow::GatewayButton;
        Self {
            binding,
            rules,
            laws,
            lane: None,
            bases: Vec::new(),
            names: BTreeMap::new(),
            canary: Vec::new(),
            canary_class: String::new(),
            forged: Vec::new(),
            odd: Vec::new(),
            folds,
            judged: HashMap::new(),
            held: HashSet::new(),
            excused: HashSet::new(),
        }
    }

    /// Obtains a token, and looks at the answers to requests that nobody has changed.
    ///
    /// # Errors
    /// Why there is no token, in a sentence.
    pub(crate) fn lay(
        &mut self,
        runtime: &Runtime,
        site: &mut Site,
        session: &mut Session<'_>,
    ) -> Result<Option<Failure>, String> {
        let case =
            opening(self.rules).ok_or("no account and no button: nothing gives a token here")?;
        let (walk, names) = session.open(runtime, site, &case);
        if walk.failure.is_some() {
            return Ok(walk.failure);
        }
        let last = case.steps.last().map_or(1, |step| step.id);
        let token = |kind| names.get(&TokenId { step: last, side: 0, kind }.to_string()).cloned();
        let access = token(TokenKind::Access).ok_or("the documented way gave no token")?;
        let refresh = token(TokenKind::Refresh).unwrap_or_else(|| "no-refresh-token".to_owned());
        self.names = names;
        self.names.insert(ACCESS.to_string(), access.clone());
        self.names.insert(REFRESH.to_string(), refresh);
        if let Some(exp) = expiry(&access) {
            self.names.insert("exp".to_owned(), exp);
        }
        self.names.insert("token".to_owned(), access);
        let lane = site
            .connection
            .wires
            .lane(&self.binding.base_url)
            .map_err(|error| error.to_string())?;
        self.lane = Some(lane);
        self.judged.clear();
        self.held.clear();
        self.excused.clone_from(session.excused());
        let headers = site.settings.headers.clone();
        self.forge();
        self.bases = bases(self.rules)
            .into_iter()
            .filter_map(|(call, credit)| {
                let draft = self.draft(&call, &headers)?;
                Some(Base { call, credit, draft, plain: None })
            })
            .collect();
        let canary = Call {
            operation: "validate",
            environment: self.rules.start_environment(),
            bearer: Bearer::Token(ACCESS),
            ..Call::default()
        };
        self.canary = self.draft(&canary, &headers).ok_or("the validation cannot be sent")?.bytes();
        self.canary_class = "accepted".to_owned();
        Ok(self.look(runtime))
    }

    fn draft(&self, call: &Call, headers: &[Header]) -> Option<Draft> {
        let send = lower::lower_send(&lower::words(self.binding, call)).ok()?;
        let random = RefCell::new(Random::new(7));
        let scope = Scope { bindings: &self.names, random: Some(&random) };
        prepare(self.binding, headers, &send, &scope).ok().map(|request| Draft::of(&request))
    }

    /// Every token that nobody issued, as the vectors of the flow have them.
    fn forge(&mut self) {
        let (refused, answered) = self.laws.vectors();
        let random = RefCell::new(Random::new(7));
        let scope = Scope { bindings: &self.names, random: Some(&random) };
        let genuine = self.names.get("token").cloned().unwrap_or_default();
        let made = |vectors: &[Vector]| -> Vec<String> {
            let forged = vectors.iter().filter_map(|vector| forge(&genuine, vector, &scope).ok());
            forged.filter(|token| *token != genuine).collect()
        };
        (self.forged, self.odd) = (made(refused), made(answered));
    }

    /// Sends every request as it is, and keeps the classes of the answers.
    fn look(&mut self, runtime: &Runtime) -> Option<Failure> {
        for at in 0..self.bases.len() {
            let base = self.bases[at].clone();
            let bytes = base.draft.bytes();
            let answers =
                self.send(runtime, &bytes, &[&String::from_utf8_lossy(&base.draft.method)], false);
            let exchange = self.exchange(&base, &base.draft, answers.replies.into_iter().next()?);
            let (class, kind) = self.class(&exchange);
            let granted = kind == Some(OutcomeKind::Success);
            if granted && base.credit != Credit::Good {
                return Some(self.failure(
                    &exchange,
                    Oracle::State(vec!["refused".to_owned()]),
                    "X-51",
                    "refused",
                ));
            }
            let status = exchange.reply.as_ref().map_or(0, |response| response.status);
            let throttled = self.rules.may_throttle() && matches!(status, 422 | 429);
            self.bases[at].plain = (!throttled).then_some((class, granted));
        }
        None
    }

    fn send(
        &mut self,
        runtime: &Runtime,
        bytes: &[u8],
        methods: &[&str],
        last: bool,
    ) -> LaneAnswers {
        match &mut self.lane {
            Some(lane) => runtime.block_on(lane.send(bytes, methods, last)),
            None => LaneAnswers { replies: Vec::new(), surplus: false, closed: true },
        }
    }

    /// The draft of a case, with what its changes mean.
    fn changed(&self, (base, changes): &ByteDraw) -> Option<(Base, Draft, Meaning)> {
        let base = self.bases.get(base % self.bases.len().max(1))?.clone();
        let mut draft = base.draft.clone();
        let mut meaning = Meaning::default();
        let name = |name: &str| self.names.get(name).map_or("", String::as_str);
        let (credential, scheme) = lower::credential(self.binding, base.call.operation);
        let around = Around {
            flow: self.rules.flow,
            token: name("token"),
            credential,
            scheme,
            folds: self.folds,
            forged: &self.forged,
            odd: &self.odd,
            good: base.credit == Credit::Good,
        };
        for (which, seed) in changes {
            let mut random = Random::new(u64::from(*seed));
            let breaking =
                base.credit == Credit::Good && base.call.login.is_none() && *which >= 128;
            let mutator = if breaking {
                BREAKING[usize::from(*which) % BREAKING.len()]
            } else {
                ANY[usize::from(*which) % ANY.len()]
            };
            if let Some(meant) = mutator(&mut draft, &around, &mut random) {
                // Where nobody asks for a token, a broken one breaks nothing.
                let idle = meant == Effect::Broken && base.call.login.is_some();
                meaning.add(if idle { Effect::Free } else { meant });
            }
        }
        // The revocation lives at the address of the validation.
        let ends = self.rules.flow == Flow::GatewayButton && draft.method == b"DELETE";
        if ends && base.credit == Credit::Good {
            return None;
        }
        // What one change broke another may have made good: the bytes that are sent decide.
        let token = name("token");
        let presents = |it: &Field| it.is(credential) && it.presents(scheme, token, self.folds);
        meaning.broken &= !draft.fields.iter().any(presents);
        meaning.alone |= draft.fields.iter().any(Field::has_control);
        Some((base, draft, meaning))
    }

    /// The bytes of a case, and the operation that they call.
    pub(crate) fn bytes(&self, draw: &ByteDraw) -> Option<(&'static str, Vec<u8>)> {
        let changed = if self.is_talk(draw) { None } else { self.changed(draw) };
        changed.map(|(base, draft, _)| (base.call.operation, draft.bytes()))
    }

    /// The values that stand in the bytes, with their names.
    pub(crate) const fn names(&self) -> &BTreeMap<String, String> {
        &self.names
    }

    /// Runs one case.
    pub(crate) fn run(&mut self, runtime: &Runtime, draw: &ByteDraw) -> ByteWalk {
        if self.is_talk(draw) {
            return self.run_talk(runtime, draw);
        }
        let Some((base, draft, meaning)) = self.changed(draw) else {
            return ByteWalk::default();
        };
        let mut bytes = draft.bytes();
        let method = String::from_utf8_lossy(&draft.method).into_owned();
        let answers = if meaning.alone {
            if let Some(lane) = &mut self.lane {
                lane.hang_up();
            }
            self.send(runtime, &bytes, &[&method], true)
        } else {
            bytes.extend_from_slice(&self.canary);
            self.send(runtime, &bytes, &[&method, "GET"], false)
        };
        self.judge(&base, &draft, meaning, answers)
    }

    fn judge(
        &mut self,
        base: &Base,
        draft: &Draft,
        meaning: Meaning,
        answers: LaneAnswers,
    ) -> ByteWalk {
        let LaneAnswers { mut replies, surplus, closed } = answers;
        let mut walk = ByteWalk::default();
        let canary = (replies.len() > 1).then(|| replies.pop()).flatten();
        let Some(reply) = replies.pop() else {
            return walk;
        };
        let exchange = self.exchange(base, draft, reply);
        let (class, kind) = self.class(&exchange);
        walk.cell = cell(base, draft, &class, &exchange);
        walk.failure = self.answer_is_wrong(base, (meaning, draft), &exchange, (&class, kind));
        let path = |target: &[u8]| target.split(|byte| *byte == b'?').next().map(<[u8]>::to_vec);
        let same_place = path(&draft.target) == path(&base.draft.target);
        if walk.failure.is_none() && same_place && !meaning.alone && !is_below(&exchange) {
            walk.failure = self.law_is_broken(&exchange);
        }
        if walk.failure.is_none() && !meaning.alone {
            walk.failure = self.canary_is_wrong(&exchange, canary, (surplus, closed));
            walk.spoilt = walk.failure.is_some();
        }
        walk
    }

    fn exchange(&self, base: &Base, draft: &Draft, reply: Reply) -> Exchange {
        let headers = draft.fields.iter().map(|field| Header {
            name: String::from_utf8_lossy(&field.name).into_owned(),
            value: Bytes(field.value.clone()),
        });
        let request = Request {
            base: self.binding.base_url.clone(),
            method: String::from_utf8_lossy(&draft.method).into_owned(),
            target: String::from_utf8_lossy(&draft.target).into_owned(),
            headers: headers.collect(),
            body: Bytes(draft.body.clone()),
            verbatim: Some(Bytes(draft.bytes())),
            ..Request::default()
        };
        Exchange {
            operation: base.call.operation.to_owned(),
            environment: base.call.environment.clone(),
            request,
            reply,
            timing: Timing::default(),
            server_now: None,
        }
    }

    /// The class of an answer; what was seen before needs no second look.
    fn class(&mut self, exchange: &Exchange) -> (String, Option<OutcomeKind>) {
        let print = print_of(exchange);
        if let Some(known) = self.judged.get(&print) {
            return known.clone();
        }
        let face = Face::new(exchange);
        let found = match classify(self.binding, &face) {
            Class::Known(outcome) => (outcome.name.clone(), Some(outcome.kind)),
            other => (other.name().to_owned(), None),
        };
        if self.judged.len() > 200_000 {
            self.judged.clear();
        }
        self.judged.insert(print, found.clone());
        found
    }
}

fn print_of(exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&exchange.operation, &exchange.request.method).hash(&mut hasher);
    match &exchange.reply {
        Ok(response) => {
            response.status.hash(&mut hasher);
            for header in
                response.headers.iter().filter(|header| !header.name.eq_ignore_ascii_case("date"))
            {
                (&header.name, &header.value.0).hash(&mut hasher);
            }
            response.body.0.hash(&mut hasher);
        }
        Err(error) => error.to_string().hash(&mut hasher),
    }
    hasher.finish()
}

fn cell(base: &Base, draft: &Draft, class: &str, exchange: &Exchange) -> u64 {
    let mut hasher = DefaultHasher::new();
    (base.call.operation, base.credit, class, draft.method.len() > 3).hash(&mut hasher);
    (draft.framing != draft::Framing::Length, draft.fields.len().min(12), shape(exchange))
        .hash(&mut hasher);
    hasher.finish()
}

/// Whether an answer is the HTTP layer's, before the API saw anything.
fn is_below(exchange: &Exchange) -> bool {
    exchange.reply.as_ref().is_ok_and(|response| {
        let status = matches!(response.status, 400 | 408 | 411 | 413 | 414 | 417 | 431 | 501 | 505);
        status && response.body.0.is_empty()
    })
}

/// The end of a JWT, for the vectors that move it.
fn expiry(token: &str) -> Option<String> {
    use base64::Engine as _;
    let payload =
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    let claims: serde_json::Value = serde_json::from_slice(&payload).ok()?;
    claims.get("exp").map(ToString::to_string)
}
