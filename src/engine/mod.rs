//! From a scenario to a trace, and from a trace to findings.
//!
//! `Engine::run` never fails: what went wrong on the way is in the trace. `judge` is pure.

mod acts;
mod ask;
mod budget;
mod capture;
mod connect;
mod effort;
mod fork;
mod items;
mod judge;
mod provision;
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
pub use connect::Connection;
pub use effort::Effort;
pub use judge::{
    Assessed, Class, Face, Law, Observed, applies, assess, classify, compare_times, judge, picture,
    render_request, render_response, shown, timeline,
};
pub use provision::{Provided, Provision};
pub use rehearse::{Rehearsed, rehearse};
pub use request::prepare;
pub use run::{Engine, Settings};
