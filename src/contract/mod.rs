//! The contracts as data: every clause with its level and source, and what the documents leave open.
//!
//! Says nothing of how a clause is proved; scenarios name the clauses that they cover.

mod catalogue;
pub mod raw;

pub use catalogue::{Catalogue, Clause, Contract, Gap};
