//! gatecrash checks servers that issue and validate API tokens against their documented contracts,
//! clause by clause, error code by error code.
//!
//! The library is the program: the binary only hands over its arguments. Modules are layers, and
//! arrows point down only; a test holds the `use` lines against this table.
//!
//! ```text
//!             cli                      5  arguments -> settings -> job -> exit code; prints, reads the environment
//!  selftest -> check fuzz load report draft  4  the jobs; what is made of them. They do not know each other
//!              locust metrics        4  a load run as a master and a dashboard see it
//!           engine   event             3  scenario -> trace -> findings (the judge is pure); what a job says
//!         wire   hook   clock          2  the only input and output
//!    contract  scenario  target  forge 1  typed data, read once, positions kept; tokens nobody issued
//!         model  source  stats         0  words; text with positions. No network, no clock, no files
//! ```
//!
//! The reference server is a package of its own and shares no line with this one: a shared mistake
//! would hide on both sides. Only `cli` names it.

pub mod model;
pub mod source;
pub mod stats;

pub mod contract;
pub mod scenario;
pub mod target;

pub mod forge;

pub mod clock;
pub mod hook;
pub mod wire;

pub mod engine;
pub mod event;

pub mod check;
pub mod draft;
pub mod fuzz;
pub mod load;
pub mod locust;
pub mod metrics;
pub mod report;
pub mod selftest;

pub mod cli;
