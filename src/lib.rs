//! gatecrash checks servers that issue and validate API tokens against their documented contracts.

pub mod model;
pub mod source;
pub mod contract;
pub mod scenario;
pub mod target;
pub mod wire;
pub mod hook;
pub mod clock;
pub mod engine;
pub mod event;
pub mod check;
pub mod report;
pub mod cli;
