//! Which checks prove which clause, and why a clause has none.

use crate::contract::Clause;
use crate::model::{CheckId, Flow};
use crate::target::Library;

/// One clause with its checks.
#[derive(Debug)]
pub struct CoverageRow<'a> {
    /// The contract.
    pub flow: Flow,
    /// The clause.
    pub clause: &'a Clause,
    /// The checks that cover it.
    pub checks: Vec<&'a CheckId>,
}

/// Clause by clause.
#[derive(Debug)]
pub struct Coverage<'a> {
    /// The clauses in the order of the contracts.
    pub rows: Vec<CoverageRow<'a>>,
}

impl<'a> Coverage<'a> {
    /// Reads the library.
    pub fn new(library: &'a Library) -> Self {
        let rows = library.catalogue.clauses().map(|(flow, clause)| {
            let covers = |check: &&crate::scenario::Check| check.covers.contains(&clause.id);
            let checks =
                library.checks().filter(|(_, _, _, check)| covers(check)).map(|(_, _, id, _)| id);
            CoverageRow { flow, clause, checks: checks.collect() }
        });
        Self { rows: rows.collect() }
    }

    /// Clauses that have neither a check nor a reason why they have none.
    pub fn silent(&self) -> impl Iterator<Item = &CoverageRow<'a>> {
        self.rows.iter().filter(|row| row.checks.is_empty() && row.clause.unprovable.is_none())
    }
}
