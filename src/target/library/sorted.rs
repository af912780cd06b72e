//! The files of a scenarios folder by what their places say.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::FlowFile;
use crate::contract::{Catalogue, Contract};
use crate::model::Flow;
use crate::scenario::vector::RawVectors;
use crate::scenario::{VectorTable, check_shared};
use crate::source::{Diagnostic, Diagnostics, SourceFile, YamlPath, decode};
use crate::target::binding::vocabulary;
use crate::target::raw::RawFlow;

/// The files of a scenarios folder by what they are.
#[derive(Default)]
pub(super) struct Sorted {
    pub(super) contracts: Vec<Arc<SourceFile>>,
    pub(super) flow_files: Vec<(Flow, Arc<SourceFile>)>,
    pub(super) scenarios: Vec<(Flow, Arc<SourceFile>)>,
    pub(super) vectors: Vec<(Flow, Arc<SourceFile>)>,
    /// Scenarios that were found, in a folder of their own.
    pub(super) regressions: Vec<Arc<SourceFile>>,
}

impl Sorted {
    pub(super) fn new(files: &[Arc<SourceFile>]) -> Self {
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
    pub(super) fn vectors(
        &self,
        flows: &mut BTreeMap<Flow, FlowFile>,
        wrong: &mut Vec<Diagnostic>,
    ) {
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

    pub(super) fn catalogue(&self, wrong: &mut Vec<Diagnostic>) -> Catalogue {
        let mut contracts = Vec::new();
        for file in &self.contracts {
            match Contract::parse(file) {
                Ok(contract) => contracts.push(contract),
                Err(list) => wrong.extend(list),
            }
        }
        Catalogue::new(contracts)
    }

    pub(super) fn flows(
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
