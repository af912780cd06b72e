//! Everything that is known of the flows: contracts, flow files and scenarios, read together.

mod scenarios;
mod sorted;

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;
use sorted::Sorted;

use super::binding::{FlowBinding, Sources};
use super::raw::{RawFlow, RawFlowProfile};
use crate::contract::Catalogue;
use crate::model::{CheckId, Flow};
use crate::scenario::raw::RawScenario;
use crate::scenario::{
    Check, Expectation, Lowering, Scenario, Vocabulary, When, lower_always, lower_errand,
    lower_scenario,
};
use crate::source::{Diagnostic, Diagnostics, SourceFile, YamlPath, decode};

/// Contracts, flow files and scenarios.
#[derive(Debug)]
pub struct Library {
    /// The contracts.
    pub catalogue: Catalogue,
    /// The scenarios, once for each flow that they run for.
    pub scenarios: Vec<Scenario>,
    /// The checks that every answer of a flow is held against, by flow.
    pub always: BTreeMap<Flow, IndexMap<CheckId, Check>>,
    flows: BTreeMap<Flow, FlowFile>,
    /// What every answer of a flow is held against.
    everywhere: BTreeMap<Flow, Vec<Expectation>>,
    /// Whether scenarios, or flows, were left out.
    partial: bool,
}

#[derive(Debug)]
struct FlowFile {
    raw: RawFlow,
    file: Arc<SourceFile>,
    vocabulary: Vocabulary,
}

impl Library {
    /// Reads the files of a scenarios folder. What each file is, its place says:
    /// `FLOW/contract.yaml`, `FLOW/flow.yaml`, and scenarios.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn read(files: &[Arc<SourceFile>]) -> Result<Self, Vec<Diagnostic>> {
        Self::read_sorted(&Sorted::new(files), false)
    }

    /// Reads contracts and flow files alone, for a job that runs no scenarios; of one flow, or of all. Reading everything
    /// takes many times as long, and tens of megabytes.
    ///
    /// # Errors
    /// Everything that is wrong with any of them.
    pub fn read_words(
        files: &[Arc<SourceFile>],
        flow: Option<Flow>,
    ) -> Result<Self, Vec<Diagnostic>> {
        let mut sorted = Sorted::new(files);
        sorted.scenarios.clear();
        sorted.vectors.clear();
        if let Some(flow) = flow {
            sorted.flow_files.retain(|(one, _)| [flow, Flow::Common].contains(one));
        }
        Self::read_sorted(&sorted, true)
    }

    fn read_sorted(sorted: &Sorted, partial: bool) -> Result<Self, Vec<Diagnostic>> {
        let mut wrong = Vec::new();
        let catalogue = sorted.catalogue(&mut wrong);
        let mut flows = sorted.flows(&catalogue, &mut wrong);
        sorted.vectors(&mut flows, &mut wrong);
        let mut library = Self {
            catalogue,
            scenarios: Vec::new(),
            always: BTreeMap::new(),
            flows,
            everywhere: BTreeMap::new(),
            partial,
        };
        library.everywhere = library.read_always(&mut wrong);
        let (scenarios, list) = library.read_scenarios(&sorted.scenarios);
        library.scenarios = scenarios;
        wrong.extend(list);
        for file in &sorted.regressions {
            wrong.extend(library.add(file).err().into_iter().flatten());
        }
        library.complain_of_repeated_ids(&mut wrong);
        // A mistake in a common file shows once for each flow; once is enough.
        let mut seen = std::collections::HashSet::new();
        wrong.retain(|d| seen.insert((d.file.name.clone(), d.at.clone(), d.message.clone())));
        if wrong.is_empty() { Ok(library) } else { Err(wrong) }
    }

    /// Takes a scenario in that lies elsewhere than in the folder of its flow: the first part of its name says which
    /// flow it is for.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn add(&mut self, file: &Arc<SourceFile>) -> Result<(), Vec<Diagnostic>> {
        let raw: RawScenario = decode(file)?;
        let mut wrong = Vec::new();
        let flow = raw.scenario.split('/').next().unwrap_or_default().parse::<Flow>();
        match flow.ok().filter(|flow| *flow != Flow::Common) {
            Some(flow) => {
                let known: Vec<&CheckId> = self.check_ids().collect();
                let repeated =
                    raw.checks.keys().find(|id| known.iter().any(|known| known.as_str() == *id));
                if let Some(id) = repeated {
                    let mut out = Diagnostics::new(file);
                    let path = YamlPath::default().key("checks").key(id);
                    out.key(
                        "scenario::check",
                        &path,
                        format!("`{id}` is a check of another scenario already"),
                    );
                    wrong.extend(out.into_list());
                } else {
                    let (scenarios, list) = self.read_scenario(flow, file);
                    self.scenarios.extend(scenarios);
                    wrong.extend(list);
                }
            }
            None => {
                let mut out = Diagnostics::new(file);
                let path = YamlPath::default().key("scenario");
                out.value(
                    "scenario::name",
                    &path,
                    "the name of a scenario begins with its flow: `FLOW/TOPIC`",
                );
                wrong.extend(out.into_list());
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong) }
    }

    /// What every answer of a flow is held against.
    pub fn held(&self, flow: Flow) -> &[Expectation] {
        self.everywhere.get(&flow).map_or(&[], Vec::as_slice)
    }

    /// Whether scenarios, or flows, were left out, so that a profile may name what is not here.
    pub const fn is_partial(&self) -> bool {
        self.partial
    }

    /// Whether the flow file of a flow was read.
    pub fn has(&self, flow: Flow) -> bool {
        self.flows.contains_key(&flow)
    }

    /// Binds a flow to a server.
    ///
    /// # Errors
    /// What is wrong with the profile, or with the flow file.
    pub fn bind(
        &self,
        flow: Flow,
        base_url: &str,
        profile: Option<(&RawFlowProfile, &Arc<SourceFile>)>,
    ) -> Result<FlowBinding, Vec<Diagnostic>> {
        match self.bind_partly(flow, base_url, profile) {
            (Some(binding), wrong) if wrong.is_empty() => Ok(binding),
            (_, wrong) => Err(wrong),
        }
    }

    /// Binds a flow to a server as far as the profile can be read, with everything that is wrong.
    pub(super) fn bind_partly(
        &self,
        flow: Flow,
        base_url: &str,
        profile: Option<(&RawFlowProfile, &Arc<SourceFile>)>,
    ) -> (Option<FlowBinding>, Vec<Diagnostic>) {
        let Some(found) = self.flows.get(&flow) else {
            let nowhere = SourceFile::new(format!("{flow}/flow.yaml"), "");
            let mut out = Diagnostics::new(&nowhere);
            out.byte("library::flow", None, format!("there is no flow file for {flow}"));
            return (None, out.into_list());
        };
        let sources = Sources {
            flow,
            documented: &found.raw,
            file: &found.file,
            vocabulary: &found.vocabulary,
        };
        let (binding, wrong) = FlowBinding::new(&sources, base_url, profile);
        (Some(binding), wrong)
    }

    /// Reads the steps of an errand of a flow: a scenario without checks of its own, as a job writes it for itself.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn errand(&self, flow: Flow, steps: &str) -> Result<Scenario, Vec<Diagnostic>> {
        let text =
            format!("scenario: {flow}/errand\ntitle: An errand\nchecks: {{}}\nsteps:\n{steps}");
        let file = SourceFile::new("an errand of the program", text);
        let raw: RawScenario = decode(&file)?;
        let Some(found) = self.flows.get(&flow) else {
            let mut out = Diagnostics::new(&file);
            out.byte("library::flow", None, format!("there is no flow file for {flow}"));
            return Err(out.into_list());
        };
        let always = self.everywhere.get(&flow).map_or(&[][..], Vec::as_slice);
        lower_errand(&raw, &file, &Lowering { vocabulary: &found.vocabulary, always })
    }

    /// The file that says how the documented server spells a flow.
    pub fn flow_file(&self, flow: Flow) -> Option<&Arc<SourceFile>> {
        self.flows.get(&flow).map(|found| &found.file)
    }

    /// The ids of all checks.
    pub fn check_ids(&self) -> impl Iterator<Item = &CheckId> {
        let own = self.scenarios.iter().flat_map(|scenario| scenario.checks.keys());
        own.chain(self.always.values().flat_map(IndexMap::keys))
    }

    /// Every check with its flow and the name of its scenario.
    pub fn checks(&self) -> impl Iterator<Item = (Flow, &str, &CheckId, &Check)> {
        let own = self.scenarios.iter().flat_map(|scenario| {
            scenario
                .checks
                .iter()
                .map(move |(id, check)| (scenario.flow, scenario.name.as_str(), id, check))
        });
        let always = self.always.iter().flat_map(|(flow, checks)| {
            checks.iter().map(move |(id, check)| (*flow, "always", id, check))
        });
        own.chain(always)
    }

    /// The capabilities that operations, fields of answers, steps and expectations ask for. What whole scenarios need
    /// stands with them.
    pub(super) fn capabilities(&self) -> impl Iterator<Item = &str> {
        let operations = self.flows.values().flat_map(|flow| flow.raw.operations.values());
        let of_flows = operations.flat_map(|operation| {
            let of_fields = operation.answer.values().filter_map(|field| field.capability.as_ref());
            operation.capability.iter().chain(of_fields).flat_map(|names| &names.0)
        });
        let of_scenarios =
            self.scenarios.iter().flat_map(Scenario::conditions).filter_map(|when| match when {
                When::Capability(name) => Some(name),
                When::Choice(_) | When::Parameter(_) => None,
            });
        of_flows.chain(of_scenarios).map(String::as_str)
    }

    /// Reads a scenario that is not in the folder, for one flow. It may be one that checks nothing.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn scenario(
        &self,
        flow: Flow,
        file: &Arc<SourceFile>,
    ) -> Result<Scenario, Vec<Diagnostic>> {
        let raw: RawScenario = decode(file)?;
        let Some(found) = self.flows.get(&flow) else {
            let mut out = Diagnostics::new(file);
            out.byte("library::flow", None, format!("there is no flow file for {flow}"));
            return Err(out.into_list());
        };
        lower_scenario(&raw, file, &Lowering { vocabulary: &found.vocabulary, always: &[] })
    }

    fn read_always(&mut self, wrong: &mut Vec<Diagnostic>) -> BTreeMap<Flow, Vec<Expectation>> {
        let mut always = BTreeMap::new();
        let common = self.flows.get(&Flow::Common);
        for flow in Flow::DOCUMENTED {
            let Some(own) = self.flows.get(&flow) else {
                continue;
            };
            let mut checks = IndexMap::new();
            let mut expectations = Vec::new();
            for (file, several) in
                [Some((own, false)), common.map(|common| (common, true))].into_iter().flatten()
            {
                let raw = &file.raw;
                match lower_always(&raw.checks, &raw.always, several, &file.file, &own.vocabulary) {
                    Ok((more_checks, more)) => {
                        checks.extend(more_checks);
                        expectations.extend(more);
                    }
                    Err(list) => wrong.extend(list),
                }
            }
            self.always.insert(flow, checks);
            always.insert(flow, expectations);
        }
        always
    }

    fn complain_of_repeated_ids(&self, wrong: &mut Vec<Diagnostic>) {
        let mut seen: BTreeMap<&CheckId, &str> = BTreeMap::new();
        for checks in self.always.values() {
            seen.extend(checks.keys().map(|id| (id, "a flow file")));
        }
        for scenario in &self.scenarios {
            for id in scenario.checks.keys() {
                if let Some(other) = seen.insert(id, &scenario.name) {
                    let mut out = Diagnostics::new(&scenario.source);
                    let path = YamlPath::default().key("checks").key(id.base());
                    out.key(
                        "scenario::check",
                        &path,
                        format!("`{}` is a check of {other} already", id.base()),
                    );
                    wrong.extend(out.into_list());
                }
            }
        }
    }
}
