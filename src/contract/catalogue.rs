//! Clauses and gaps, read from contract files.

use std::collections::BTreeMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::raw::{RawClause, RawContract, Tier};
use crate::model::{ClauseId, Flow, Level};
use crate::source::{Diagnostic, Diagnostics, SourceFile, YamlPath, decode};

/// One normative sentence of a contract.
#[derive(Clone, Debug)]
pub struct Clause {
    /// Its permanent id.
    pub id: ClauseId,
    /// How binding it is.
    pub level: Level,
    /// The kinds of source it rests on.
    pub tier: Vec<Tier>,
    /// The page or section.
    pub source: Option<String>,
    /// The sentence.
    pub text: String,
    /// What proving it takes beyond HTTP.
    pub needs: Vec<String>,
    /// Why it cannot be proved from outside.
    pub unprovable: Option<String>,
    /// Flows whose own document overrides it, with the reason.
    pub deviations: BTreeMap<Flow, String>,
}

impl Clause {
    /// The tiers as they are printed: `S, P`.
    pub fn tiers(&self) -> String {
        self.tier.iter().map(|tier| format!("{tier:?}")).collect::<Vec<_>>().join(", ")
    }
}

/// What the documents leave open or contradict.
#[derive(Clone, Debug)]
pub struct Gap {
    /// The question.
    pub question: String,
    /// The allowed answers, each with its meaning.
    pub answers: IndexMap<String, String>,
    /// The clauses that turn on it.
    pub clauses: Vec<ClauseId>,
}

/// The clauses and gaps of one flow.
#[derive(Clone, Debug)]
pub struct Contract {
    /// The flow.
    pub flow: Flow,
    /// The version of the contract.
    pub version: u32,
    /// What the flow is, in a sentence.
    pub title: String,
    /// Where the facts come from.
    pub source: String,
    /// The clauses in the order of the file.
    pub clauses: IndexMap<ClauseId, Clause>,
    /// The gaps by name.
    pub gaps: IndexMap<String, Gap>,
}

impl Contract {
    /// Reads a contract file.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &Arc<SourceFile>) -> Result<Self, Vec<Diagnostic>> {
        let raw: RawContract = decode(file)?;
        let mut out = Diagnostics::new(file);
        let root = YamlPath::default();
        let flow = raw.contract.parse().unwrap_or_else(|error: crate::model::UnknownFlow| {
            out.value("contract::flow", &root.key("contract"), error.to_string());
            Flow::Common
        });
        let mut clauses = IndexMap::new();
        for (id, clause) in raw.clauses {
            let path = root.key("clauses").key(&id);
            if id.split_once('-').is_none_or(|(prefix, _)| prefix != flow.prefix()) {
                let message = format!(
                    "`{id}` is no clause id of {flow}; they start with `{}-`",
                    flow.prefix()
                );
                out.key("contract::clause", &path, message);
            }
            let clause = lower_clause(&id, clause, &path, &mut out);
            clauses.insert(clause.id.clone(), clause);
        }
        let gaps = raw.gaps.into_iter().map(|(name, gap)| {
            let clauses = gap.clauses.into_iter().map(ClauseId::new).collect();
            (name, Gap { question: gap.question, answers: gap.answers, clauses })
        });
        let gaps: IndexMap<String, Gap> = gaps.collect();
        for (name, gap) in &gaps {
            let path = root.key("gaps").key(name);
            // A gap may turn on a clause of another contract; the catalogue holds those.
            let own = |id: &ClauseId| id.as_str().starts_with(&format!("{}-", flow.prefix()));
            let absent = |(_, id): &(usize, &ClauseId)| own(id) && !clauses.contains_key(*id);
            for (index, id) in gap.clauses.iter().enumerate().filter(absent) {
                out.value(
                    "contract::gap",
                    &path.key("clauses").index(index),
                    format!("there is no clause `{id}`"),
                );
            }
            if gap.answers.len() < 2 {
                out.key("contract::gap", &path, "a gap has at least two allowed answers");
            }
        }
        let contract = Self {
            flow,
            version: raw.version,
            title: raw.title,
            source: raw.source,
            clauses,
            gaps,
        };
        if out.is_empty() { Ok(contract) } else { Err(out.into_list()) }
    }
}

fn lower_clause(id: &str, raw: RawClause, path: &YamlPath, out: &mut Diagnostics) -> Clause {
    let mut deviations = BTreeMap::new();
    for (name, reason) in raw.deviations {
        match name.parse::<Flow>() {
            Ok(flow) => {
                deviations.insert(flow, reason);
            }
            Err(error) => {
                out.key("contract::flow", &path.key("deviations").key(&name), error.to_string());
            }
        }
    }
    if raw.text.trim().is_empty() {
        out.value("contract::text", &path.key("text"), "a clause is a sentence");
    }
    Clause {
        id: ClauseId::new(id),
        level: raw.level,
        tier: raw.tier,
        source: raw.source,
        text: raw.text.trim().to_owned(),
        needs: raw.needs,
        unprovable: raw.unprovable,
        deviations,
    }
}

/// All contracts.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    contracts: Vec<Contract>,
}

impl Catalogue {
    /// Puts contracts together, in the order in which flows are reported.
    pub fn new(mut contracts: Vec<Contract>) -> Self {
        contracts.sort_by_key(|contract| contract.flow);
        Self { contracts }
    }

    /// The contracts.
    pub fn contracts(&self) -> &[Contract] {
        &self.contracts
    }

    /// The contract of a flow.
    pub fn contract(&self, flow: Flow) -> Option<&Contract> {
        self.contracts.iter().find(|contract| contract.flow == flow)
    }

    /// A clause of any contract.
    pub fn clause(&self, id: &ClauseId) -> Option<&Clause> {
        self.contracts.iter().find_map(|contract| contract.clauses.get(id))
    }

    /// All clauses in the order of the contracts.
    pub fn clauses(&self) -> impl Iterator<Item = (Flow, &Clause)> {
        self.contracts.iter().flat_map(|c| c.clauses.values().map(move |clause| (c.flow, clause)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clause_of_another_prefix_and_an_unknown_clause_of_a_gap_are_mistakes() {
        let text = "contract: jwt-login\nversion: 1\ntitle: t\nsource: s\nclauses:\n  BTN-01: {level: MUST, tier: [S], text: x}\ngaps:\n  g: {question: q, answers: {a: x, b: y}, clauses: [JWT-99]}\n";
        let file = SourceFile::new("contract.yaml", text);
        let complaints: Vec<String> =
            Contract::parse(&file).unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(
            complaints,
            [
                "contract.yaml:6:3: `BTN-01` is no clause id of jwt-login; they start with `JWT-`",
                "contract.yaml:8:53: there is no clause `JWT-99`",
            ]
        );
    }
}
