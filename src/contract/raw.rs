//! A contract as it is typed: clauses and gaps.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::model::Level;

/// A contract file: every normative sentence of one flow, and what its documents leave open.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawContract {
    /// The flow.
    pub contract: String,
    /// The version of the contract; ids are never renumbered between versions.
    pub version: u32,
    /// What the flow is, in a sentence.
    pub title: String,
    /// The document that it comes from, and where further facts were found.
    pub source: String,
    /// The clauses by id.
    pub clauses: IndexMap<String, RawClause>,
    /// What the documents leave open, by name.
    #[serde(default)]
    pub gaps: IndexMap<String, RawGap>,
}

/// One normative sentence.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawClause {
    /// How binding it is.
    pub level: Level,
    /// Where it comes from: `S` the flow's own document, `P` a sibling page of the vendor, `C` the
    /// vendor's source code, `O` observed on the real library, `T` a third party's client, `R` an
    /// RFC, `I` inferred.
    pub tier: Vec<Tier>,
    /// The page or section: `RFC 9110 section 11.1`, `page "API Token Management"`.
    pub source: Option<String>,
    /// The sentence.
    pub text: String,
    /// What proving it takes beyond HTTP.
    #[serde(default)]
    pub needs: Vec<String>,
    /// Why it cannot be proved from outside, for a clause without a check.
    pub unprovable: Option<String>,
    /// Flows whose own document overrides the clause, with the reason: a breach is a warning there.
    #[serde(default)]
    pub deviations: IndexMap<String, String>,
}

/// A tier of sources.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq)]
pub enum Tier {
    /// The flow's own document.
    S,
    /// A sibling page of the same vendor.
    P,
    /// The vendor's published source code.
    C,
    /// Observed on the real library.
    O,
    /// A third party's client or tests.
    T,
    /// An RFC.
    R,
    /// Inferred, to close a gap.
    I,
}

/// What the documents leave open or contradict.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawGap {
    /// The question.
    pub question: String,
    /// The allowed answers by name, each with its meaning.
    pub answers: IndexMap<String, String>,
    /// The clauses that turn on it.
    #[serde(default)]
    pub clauses: Vec<String>,
}
