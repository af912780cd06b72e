//! Everything that is known of the flows: contracts, flow files and scenarios, read together.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::binding::{FlowBinding, Sources, vocabulary};
use super::raw::{RawFlow, RawFlowProfile};
use crate::contract::{Catalogue, Contract};
use crate::model::{CheckId, Flow};
use crate::scenario::raw::RawScenario;
use crate::scenario::vector::RawVectors;
use crate::scenario::{
    Check, Expectation, Lowering, Scenario, VectorTable, Vocabulary, When, check_shared,
    lower_always, lower_errand, lower_scenario,
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
        for (folder, file) in &sorted.scenarios {
            library.read_scenario(*folder, file, &mut wrong);
        }
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
                    self.read_scenario(flow, file, &mut wrong);
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

    fn read_scenario(&mut self, folder: Flow, file: &Arc<SourceFile>, wrong: &mut Vec<Diagnostic>) {
        let raw: RawScenario = match decode(file) {
            Ok(raw) => raw,
            Err(list) => return wrong.extend(list),
        };
        let mut out = Diagnostics::new(file);
        let root = YamlPath::default();
        if raw.scenario.split('/').next() != Some(folder.name()) {
            out.value(
                "scenario::name",
                &root.key("scenario"),
                format!("a scenario of this folder is named `{folder}/TOPIC`"),
            );
        }
        if raw.checks.is_empty() {
            let path = root.key("checks");
            out.value("scenario::check", &path, "a scenario makes at least one check");
        }
        let flows = scenario_flows(&raw, folder, &mut out);
        wrong.extend(out.into_list());
        for flow in flows {
            let Some(found) = self.flows.get(&flow) else {
                continue;
            };
            let given = Lowering { vocabulary: &found.vocabulary, always: self.held(flow) };
            match lower_scenario(&raw, file, &given) {
                Ok(scenario) => self.scenarios.push(scenario),
                Err(list) => wrong.extend(list),
            }
        }
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

fn scenario_flows(raw: &RawScenario, folder: Flow, out: &mut Diagnostics) -> Vec<Flow> {
    let path = YamlPath::default().key("flows");
    if folder != Flow::Common {
        if !raw.flows.is_empty() {
            out.value(
                "scenario::flows",
                &path,
                "only scenarios of the folder `common` name their flows",
            );
        }
        return vec![folder];
    }
    let mut flows = Vec::new();
    for (index, name) in raw.flows.iter().enumerate() {
        match name.parse::<Flow>() {
            Ok(flow) if flow != Flow::Common => flows.push(flow),
            _ => {
                out.value("scenario::flows", &path.index(index), format!("`{name}` is not a flow"));
                out.did_you_mean(name, Flow::DOCUMENTED.map(Flow::name));
            }
        }
    }
    if flows.is_empty() {
        out.value(
            "scenario::flows",
            &YamlPath::default(),
            "a common scenario names the `flows` it runs for",
        );
    }
    flows
}

/// The files of a scenarios folder by what they are.
#[derive(Default)]
struct Sorted {
    contracts: Vec<Arc<SourceFile>>,
    flow_files: Vec<(Flow, Arc<SourceFile>)>,
    scenarios: Vec<(Flow, Arc<SourceFile>)>,
    vectors: Vec<(Flow, Arc<SourceFile>)>,
    /// Scenarios that were found, in a folder of their own.
    regressions: Vec<Arc<SourceFile>>,
}

impl Sorted {
    fn new(files: &[Arc<SourceFile>]) -> Self {
        let mut sorted = Self::default();
        let mut files: Vec<&Arc<SourceFile>> = files.iter().collect();
        files.sort_by(|a, b| a.name.cmp(&b.name));
        for file in files {
            let mut parts = file.name.rsplit(['/', '\\']);
            let (Some(name), Some(folder)) = (parts.next(), parts.next()) else {
                continue;
            };
            if folder == "regressions" && name.ends_with(".yaml") {
                sorted.regressions.push(Arc::clone(file));
            }
            let Ok(flow) = folder.parse::<Flow>() else {
                continue;
            };
            match name {
                "contract.yaml" => sorted.contracts.push(Arc::clone(file)),
                "flow.yaml" => sorted.flow_files.push((flow, Arc::clone(file))),
                "vectors.yaml" => sorted.vectors.push((flow, Arc::clone(file))),
                _ if name.ends_with(".yaml") || name.ends_with(".yml") => {
                    sorted.scenarios.push((flow, Arc::clone(file)));
                }
                _ => {}
            }
        }
        sorted
    }

    /// Gives each flow the attack vectors of its folder.
    fn vectors(&self, flows: &mut BTreeMap<Flow, FlowFile>, wrong: &mut Vec<Diagnostic>) {
        for (flow, file) in &self.vectors {
            match decode::<RawVectors>(file) {
                Ok(RawVectors { vectors, attacks }) => {
                    if attacks.parse() != Ok(*flow) {
                        let mut out = Diagnostics::new(file);
                        let path = YamlPath::default().key("attacks");
                        out.value("vector::flow", &path, format!("this folder is for {flow}"));
                        wrong.extend(out.into_list());
                    }
                    if let Some(found) = flows.get_mut(flow) {
                        let file = Arc::clone(file);
                        found.vocabulary.vectors = Some(VectorTable { vectors, file });
                    }
                }
                Err(list) => wrong.extend(list),
            }
        }
    }

    fn catalogue(&self, wrong: &mut Vec<Diagnostic>) -> Catalogue {
        let mut contracts = Vec::new();
        for file in &self.contracts {
            match Contract::parse(file) {
                Ok(contract) => contracts.push(contract),
                Err(list) => wrong.extend(list),
            }
        }
        Catalogue::new(contracts)
    }

    fn flows(
        &self,
        catalogue: &Catalogue,
        wrong: &mut Vec<Diagnostic>,
    ) -> BTreeMap<Flow, FlowFile> {
        let mut flows = BTreeMap::new();
        for (flow, file) in &self.flow_files {
            match decode::<RawFlow>(file) {
                Ok(raw) => {
                    let mut out = Diagnostics::new(file);
                    if raw.flow.parse() != Ok(*flow) {
                        let path = YamlPath::default().key("flow");
                        out.value("flow::name", &path, format!("this folder is for {flow}"));
                    }
                    let vocabulary = vocabulary(*flow, &raw, file, catalogue, &mut out);
                    wrong.extend(out.into_list());
                    wrong.extend(check_shared(file, &vocabulary));
                    flows.insert(*flow, FlowFile { raw, file: Arc::clone(file), vocabulary });
                }
                Err(list) => wrong.extend(list),
            }
        }
        flows
    }
}
