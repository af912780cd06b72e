//! From what was typed to what was meant, with everything that is wrong said at once.

mod capture;
mod condition;
mod expect;
mod names;
mod probe;
mod request;
mod step;
mod vector;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use indexmap::IndexMap;

pub use expect::lower_assertion;

use super::action::{Control, Scenario};
use super::expectation::{Check, Expectation};
use super::raw::{RawCheck, RawControl, RawExpectation, RawScenario};
use super::vocabulary::{Need, Vocabulary};
use crate::model::{CheckId, ClauseId, ExpectationSet, Level};
use crate::source::{Diagnostic, Diagnostics, SourceFile, YamlPath};
use names::Names;

/// What every scenario of a flow is given besides its own file.
#[derive(Debug)]
pub struct Lowering<'a> {
    /// The words it may use.
    pub vocabulary: &'a Vocabulary,
    /// The expectations of the flow that every answer is held against.
    pub always: &'a [Expectation],
}

/// Turns a scenario as typed into the scenario for one flow.
///
/// # Errors
/// Everything that is wrong with it.
pub fn lower_scenario(
    raw: &RawScenario,
    file: &Arc<SourceFile>,
    given: &Lowering<'_>,
) -> Result<Scenario, Vec<Diagnostic>> {
    let checks = YamlPath::default().key("checks");
    lower(raw, file, given, &checks)
}

/// Turns steps that check nothing by themselves into a scenario: errands that a job runs for itself, such as getting a
/// token. Its answers are held against what every answer of the flow is held against.
///
/// # Errors
/// Everything that is wrong with it.
pub fn lower_errand(
    raw: &RawScenario,
    file: &Arc<SourceFile>,
    given: &Lowering<'_>,
) -> Result<Scenario, Vec<Diagnostic>> {
    lower(raw, file, given, &YamlPath::default())
}

/// The place of the checks is empty where there need not be any.
fn lower(
    raw: &RawScenario,
    file: &Arc<SourceFile>,
    given: &Lowering<'_>,
    checks: &YamlPath,
) -> Result<Scenario, Vec<Diagnostic>> {
    let mut context = Context::new(given.vocabulary, file);
    context.several_flows = !raw.flows.is_empty();
    let root = YamlPath::default();
    let needs = context.needs(&raw.needs, &root.key("needs"));
    context.needed.extend(needs);
    context.checks = context.declare(&raw.checks, checks);
    context.controls_as_typed(&raw.controls, &root.key("controls"));
    let steps = context.steps(&raw.steps, &root.key("steps"));
    let mut always = given.always.to_vec();
    always.extend(context.expectations(&raw.always, &root.key("always")));
    let controls = context.lower_controls(&root.key("controls"));
    context.complain_of_unused_checks(&root.key("checks"));
    let scenario = Scenario {
        name: raw.scenario.clone(),
        title: raw.title.clone(),
        flow: given.vocabulary.flow,
        needs: context.needed.iter().cloned().collect(),
        checks: context.checks,
        controls,
        steps,
        always,
        expectations: context.sets,
        source: Arc::clone(file),
    };
    let mut wrong = context.out.into_list();
    wrong.extend(context.elsewhere);
    if wrong.is_empty() { Ok(scenario) } else { Err(wrong) }
}

/// The checks and the expectations that a flow file holds every answer against.
pub type Always = (IndexMap<CheckId, Check>, Vec<Expectation>);

/// Reads the expectations and checks that a flow file holds every answer against.
///
/// # Errors
/// Everything that is wrong with them.
pub fn lower_always(
    checks: &IndexMap<String, RawCheck>,
    always: &[RawExpectation],
    several_flows: bool,
    file: &Arc<SourceFile>,
    vocabulary: &Vocabulary,
) -> Result<Always, Vec<Diagnostic>> {
    let mut context = Context::new(vocabulary, file);
    context.several_flows = several_flows;
    let root = YamlPath::default();
    context.checks = context.declare(checks, &root.key("checks"));
    let always = context.expectations(always, &root.key("always"));
    context.complain_of_unused_checks(&root.key("checks"));
    if context.out.is_empty() { Ok((context.checks, always)) } else { Err(context.out.into_list()) }
}

/// Finds what is wrong with the procedures and controls of a flow file by reading each as a
/// scenario would.
pub fn check_shared(file: &Arc<SourceFile>, vocabulary: &Vocabulary) -> Vec<Diagnostic> {
    let mut context = Context::new(vocabulary, file);
    let root = YamlPath::default();
    for (name, procedure) in &vocabulary.procedures {
        let path = root.key("procedures").key(name);
        let before = context.names.clone();
        for variable in procedure.with.keys() {
            context.names.add(variable);
        }
        let needs = context.needs(&procedure.needs, &path.key("needs"));
        context.needed.extend(needs);
        context.steps(&procedure.steps, &path.key("steps"));
        context.names = before;
    }
    let controls: Vec<String> = vocabulary.controls.keys().cloned().collect();
    context.names.add("token");
    context.wanted_controls.extend(controls);
    context.lower_controls(&root.key("controls"));
    context.out.into_list()
}

struct Context<'a> {
    vocabulary: &'a Vocabulary,
    out: Diagnostics,
    several_flows: bool,
    checks: IndexMap<CheckId, Check>,
    used: BTreeSet<CheckId>,
    sets: Vec<Vec<Expectation>>,
    names: Names,
    step_ids: BTreeSet<String>,
    marks: BTreeSet<String>,
    connections: BTreeSet<String>,
    needed: BTreeSet<Need>,
    own_controls: BTreeMap<String, RawControl>,
    wanted_controls: BTreeSet<String>,
    depth: usize,
    /// Mistakes in other files than the scenario's own.
    elsewhere: Vec<Diagnostic>,
}

impl<'a> Context<'a> {
    fn new(vocabulary: &'a Vocabulary, file: &Arc<SourceFile>) -> Self {
        Self {
            vocabulary,
            out: Diagnostics::new(file),
            several_flows: false,
            checks: IndexMap::new(),
            used: BTreeSet::new(),
            sets: Vec::new(),
            names: Names::new(vocabulary),
            step_ids: BTreeSet::new(),
            marks: BTreeSet::new(),
            connections: BTreeSet::new(),
            needed: BTreeSet::new(),
            own_controls: BTreeMap::new(),
            wanted_controls: BTreeSet::new(),
            depth: 0,
            elsewhere: Vec::new(),
        }
    }

    fn needs(&mut self, needs: &[String], path: &YamlPath) -> Vec<Need> {
        let mut parsed = Vec::new();
        for (index, need) in needs.iter().enumerate() {
            match Need::parse(need) {
                Ok(need) => {
                    if let Need::Parameter(placed) = &need {
                        self.known_place(placed, &path.index(index));
                    }
                    parsed.push(need);
                }
                Err(message) => {
                    self.out.value("scenario::need", &path.index(index), message);
                }
            }
        }
        parsed
    }

    fn declare(
        &mut self,
        checks: &IndexMap<String, RawCheck>,
        path: &YamlPath,
    ) -> IndexMap<CheckId, Check> {
        let mut declared = IndexMap::new();
        for (id, raw) in checks {
            let path = path.key(id);
            let id = self.check_id(id);
            let covers: Vec<ClauseId> = raw.covers.iter().map(ClauseId::new).collect();
            let level = raw.level.or_else(|| self.common_level(&covers, &path.key("covers")));
            let level = level.unwrap_or(Level::Must);
            let observational = raw.observational.clone();
            let title = raw.title.clone();
            declared.insert(id, Check { title, covers, level, observational });
        }
        declared
    }

    fn common_level(&mut self, covers: &[ClauseId], path: &YamlPath) -> Option<Level> {
        let mut level = None;
        for (index, clause) in covers.iter().enumerate() {
            let Some(found) = self.vocabulary.clauses.get(clause).copied() else {
                let message = format!("there is no clause `{clause}`");
                self.out.value("scenario::clause", &path.index(index), message);
                let known = self.vocabulary.clauses.keys().map(ClauseId::as_str);
                self.out.did_you_mean(clause.as_str(), known);
                continue;
            };
            match level {
                Some(other) if other != found => {
                    let message =
                        format!("`{clause}` is {found}, and a clause before it is {other}");
                    self.out.value("scenario::level", &path.index(index), message);
                    self.out.help("make a check for each level, or give the check a `level`");
                }
                _ => level = Some(found),
            }
        }
        if covers.is_empty() {
            self.out.value("scenario::clause", path, "a check covers at least one clause");
        }
        level
    }

    fn check_id(&self, id: &str) -> CheckId {
        let id = CheckId::new(id);
        if self.several_flows { id.at(self.vocabulary.flow) } else { id }
    }

    /// Takes a check that an expectation names.
    fn named_check(&mut self, name: Option<&str>, path: &YamlPath) -> Option<CheckId> {
        let name = name?;
        let id = self.check_id(name);
        if !self.checks.contains_key(&id) {
            self.out.value(
                "scenario::check",
                &path.key("check"),
                format!("`{name}` is not declared in `checks`"),
            );
            let known: Vec<String> = self.checks.keys().map(|id| id.base().to_owned()).collect();
            self.out.did_you_mean(name, known.iter().map(String::as_str));
        }
        self.used.insert(id.clone());
        Some(id)
    }

    fn complain_of_unused_checks(&mut self, path: &YamlPath) {
        let unused: Vec<CheckId> =
            self.checks.keys().filter(|id| !self.used.contains(*id)).cloned().collect();
        for id in unused {
            let message = format!("no expectation asserts `{}`", id.base());
            self.out.key("scenario::check", &path.key(id.base()), message);
        }
    }

    fn controls_as_typed(&mut self, controls: &IndexMap<String, RawControl>, path: &YamlPath) {
        for (name, control) in controls {
            if self.vocabulary.controls.contains_key(name) {
                let message = format!("the flow has a control `{name}` already");
                self.out.key("scenario::control", &path.key(name), message);
            }
            self.own_controls.insert(name.clone(), control.clone());
        }
    }

    fn lower_controls(&mut self, path: &YamlPath) -> IndexMap<String, Control> {
        let mut lowered = IndexMap::new();
        for name in std::mem::take(&mut self.wanted_controls) {
            let found =
                self.own_controls.get(&name).or_else(|| self.vocabulary.controls.get(&name));
            let Some(raw) = found.cloned() else { continue };
            let path = path.key(&name);
            let send = self.send(&raw.send, &path.key("send"));
            let expect = self.set(&raw.expect, &path.key("expect"));
            lowered.insert(name, Control { send, expect });
        }
        lowered
    }

    fn keep(&mut self, expectations: Vec<Expectation>) -> ExpectationSet {
        self.sets.push(expectations);
        ExpectationSet(self.sets.len() - 1)
    }
}
