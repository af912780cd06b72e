//! Reading the files of scenarios: most of what a short run waits for.

use std::panic::resume_unwind;
use std::sync::Arc;

use super::Library;
use crate::model::Flow;
use crate::scenario::raw::RawScenario;
use crate::scenario::{Lowering, Scenario, lower_scenario};
use crate::source::{Diagnostic, Diagnostics, SourceFile, YamlPath, decode};

/// Fewer files than this are not worth a thread.
const FEWEST_FILES: usize = 16;
/// A file may be nested as deep as the YAML reader allows, as on the main thread.
const STACK: usize = 8 << 20;

impl Library {
    /// Reads files of scenarios, a part of them on each core: it is most of what a short run waits for.
    pub(super) fn read_scenarios(
        &self,
        files: &[(Flow, Arc<SourceFile>)],
    ) -> (Vec<Scenario>, Vec<Diagnostic>) {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let size = files.len().div_ceil(cores).max(FEWEST_FILES);
        let (mut scenarios, mut wrong) = (Vec::new(), Vec::new());
        std::thread::scope(|scope| {
            let parts: Vec<_> = files
                .chunks(size)
                .map(|part| {
                    let thread = std::thread::Builder::new().stack_size(STACK);
                    thread.spawn_scoped(scope, || self.read_part(part)).map_err(|_| part)
                })
                .collect();
            for part in parts {
                let (read, list) = match part {
                    Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
                    // A machine that has no thread to spare reads it here.
                    Err(part) => self.read_part(part),
                };
                scenarios.extend(read);
                wrong.extend(list);
            }
        });
        (scenarios, wrong)
    }

    fn read_part(&self, files: &[(Flow, Arc<SourceFile>)]) -> (Vec<Scenario>, Vec<Diagnostic>) {
        let (mut scenarios, mut wrong) = (Vec::new(), Vec::new());
        for (folder, file) in files {
            let (read, list) = self.read_scenario(*folder, file);
            scenarios.extend(read);
            wrong.extend(list);
        }
        (scenarios, wrong)
    }

    /// Reads a file of a scenario: that scenario for each flow that it runs for, and what is wrong with it.
    pub(super) fn read_scenario(
        &self,
        folder: Flow,
        file: &Arc<SourceFile>,
    ) -> (Vec<Scenario>, Vec<Diagnostic>) {
        let raw: RawScenario = match decode(file) {
            Ok(raw) => raw,
            Err(list) => return (Vec::new(), list),
        };
        let (mut scenarios, mut wrong) = (Vec::new(), Vec::new());
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
                Ok(scenario) => scenarios.push(scenario),
                Err(list) => wrong.extend(list),
            }
        }
        (scenarios, wrong)
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
