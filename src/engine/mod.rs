//! From a scenario to a trace, and from a trace to findings.
//!
//! `Engine::run` never fails: what went wrong on the way is in the trace. `judge` is pure.

mod acts;
mod budget;
mod capture;
mod effort;
mod fork;
mod items;
mod judge;
mod rehearse;
mod request;
mod run;
mod stream;
mod timed;
mod timing;
mod together;
mod values;

pub use budget::Budget;
pub use capture::from_field;
pub use effort::Effort;
pub use judge::{
    Assessed, Class, Face, Law, Observed, assess, classify, compare_times, judge, picture,
    render_request, render_response, shown,
};
pub use rehearse::{Rehearsed, rehearse};
pub use run::{Engine, Settings};
