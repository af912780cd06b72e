//! Scenarios: as typed (`raw`), and as meant. Steps in terms of operations and outcomes; what is
//! expected of each; which values are kept.
//!
//! Nothing is sent and nothing is judged here.

mod action;
mod condition;
mod expectation;
mod json_template;
mod lower;
mod matcher;
mod nature;
pub mod one_or_many;
pub mod raw;
pub mod vector;
mod vocabulary;

pub use action::{
    Action, Body, Boundary, Capture, Control, HookStep, Moment, ParameterValue, Part, Place, Race,
    Sample, Scenario, SendStep, Source, Span, Step, StreamAct, StreamMessage, StreamStep, Timing,
    Wait,
};
pub use condition::{Decided, Placed, When};
pub use expectation::{
    Assertion, Check, Expectation, Filter, JwtAssertion, Kind, SameAs, StatusPattern,
};
pub use json_template::JsonTemplate;
pub use lower::{
    Always, Lowering, check_shared, lower_always, lower_assertion, lower_errand, lower_scenario,
};
pub use matcher::{Actual, Matcher, Mismatch, Nearby, TimeForm};
pub use nature::uses_hooks;
pub use vector::{Algorithm, Edit, Expected, Forge, Sign, Vector};
pub use vocabulary::{HOOKS, Need, OperationWords, SharedSteps, VectorTable, Vocabulary};
