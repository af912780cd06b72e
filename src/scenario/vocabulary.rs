//! The words that a scenario of a flow may use.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use indexmap::IndexMap;

use super::condition::Placed;
use super::raw::{RawControl, RawStep};
use super::vector::RawVector;
use crate::model::{ClauseId, Flow, Level};
use crate::source::SourceFile;

/// Something that a scenario cannot do without.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Need {
    /// A feature that not every server has.
    Capability(String),
    /// A clock that can be moved or waited for.
    Clock,
    /// Several environments.
    Environments,
    /// A hook.
    Hook(String),
    /// An identity.
    Identity(String),
    /// A parameter of an operation, in a part of the request.
    Parameter(Placed),
}

/// The hooks that scenarios may use.
pub const HOOKS: [&str; 7] =
    ["press", "accounts", "restart", "reset", "orders", "database", "revoke"];

impl Need {
    /// Reads a need.
    ///
    /// # Errors
    /// A sentence that lists what there is.
    pub fn parse(text: &str) -> Result<Self, String> {
        match (text, text.split_once('.')) {
            ("clock", _) => Ok(Self::Clock),
            ("environments", _) => Ok(Self::Environments),
            (_, Some(("identity", name))) => Ok(Self::Identity(name.to_owned())),
            (_, Some(("capability", name))) => Ok(Self::Capability(name.to_owned())),
            (_, Some(("parameter", place))) => Placed::parse(place).map(Self::Parameter),
            _ if HOOKS.contains(&text) => Ok(Self::Hook(text.to_owned())),
            _ => Err(format!(
                "`{text}` is not a need; there are clock, environments, identity.NAME, capability.NAME, parameter.OPERATION.NAME and the hooks {}",
                HOOKS.join(", ")
            )),
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capability(name) => write!(f, "capability.{name}"),
            Self::Clock => f.write_str("clock"),
            Self::Environments => f.write_str("environments"),
            Self::Hook(name) => f.write_str(name),
            Self::Identity(name) => write!(f, "identity.{name}"),
            Self::Parameter(place) => write!(f, "parameter.{place}"),
        }
    }
}

/// What a scenario may say of an operation.
#[derive(Clone, Debug, Default)]
pub struct OperationWords {
    /// The names of its parameters.
    pub parameters: BTreeSet<String>,
    /// The names of the fields of its answer.
    pub fields: BTreeSet<String>,
}

/// Steps that scenarios share, as typed: they are read anew for each scenario that runs them.
#[derive(Clone, Debug)]
pub struct SharedSteps {
    /// What they cannot do without.
    pub needs: Vec<String>,
    /// Their variables with default values.
    pub with: BTreeMap<String, String>,
    /// The steps.
    pub steps: Vec<RawStep>,
    /// The file they stand in.
    pub file: Arc<SourceFile>,
}

/// The attack vectors of a flow, as typed.
#[derive(Clone, Debug)]
pub struct VectorTable {
    /// The vectors by id.
    pub vectors: IndexMap<String, RawVector>,
    /// The file they stand in.
    pub file: Arc<SourceFile>,
}

/// The words that a scenario of one flow may use.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    /// The flow.
    pub flow: Flow,
    /// Its operations.
    pub operations: BTreeMap<String, OperationWords>,
    /// Its outcomes.
    pub outcomes: BTreeSet<String>,
    /// Its gaps with their allowed answers.
    pub gaps: BTreeMap<String, BTreeSet<String>>,
    /// All clauses of all contracts, with their levels.
    pub clauses: BTreeMap<ClauseId, Level>,
    /// Its lifetimes.
    pub lifetimes: BTreeMap<String, Duration>,
    /// The names of its constants.
    pub constants: BTreeSet<String>,
    /// Its environments.
    pub environments: BTreeSet<String>,
    /// Its procedures.
    pub procedures: BTreeMap<String, SharedSteps>,
    /// Its controls.
    pub controls: BTreeMap<String, RawControl>,
    /// Its attack vectors, when it has signed tokens.
    pub vectors: Option<VectorTable>,
}

/// Outcomes that every flow has by themselves.
pub(super) const GENERAL_OUTCOMES: [&str; 4] = ["refused", "succeeded", "closed", "answered"];
