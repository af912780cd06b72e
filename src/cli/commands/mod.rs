//! The commands, one file each.

mod again;
pub(super) mod check;
pub(super) mod compare;
pub(super) mod control;
pub(super) mod coverage;
pub(super) mod doctor;
pub(super) mod explain;
pub(super) mod fuzz;
pub(super) mod init;
pub(super) mod lint;
pub(super) mod list;
pub(super) mod load;
pub(super) mod merge;
pub(super) mod replay;
pub(super) mod report;
pub(super) mod schema;
#[cfg(feature = "reference-server")]
pub(super) mod selftest;
#[cfg(feature = "reference-server")]
pub(super) mod serve;
pub(super) mod shell;
pub(super) mod worker;
