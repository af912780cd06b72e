//! The third job: how many validations a second does a server do, how long do they take, and do its answers stay right?
//!
//! Worker threads own their connections and put bytes on them themselves: one write and one read for a request, and no
//! lock, channel or allocation. Every answer is held against the contract (`court`); an answer that is the same as one
//! that was judged needs no second judging. Response times count from the moment a request was due (`pacer`), so a server
//! that stalls cannot hide it. How a run is printed is for the reports.

mod capacity;
mod client;
mod compare;
mod court;
mod form;
mod framing;
mod mix;
mod null;
mod pacer;
mod plan;
mod pool;
mod prepare;
mod recorder;
mod renewal;
mod run;
mod script;
mod seconds;
mod stream;
mod table;
mod talk;
mod threshold;
mod timer;
mod users;
mod verdict;
mod worker;
mod workload;

pub use capacity::{Capacity, Probe, find_capacity};
pub use compare::{Compared, Comparison, compare};
pub use mix::{Kind, Mix};
pub use pacer::{Arrival, FASTEST, Pacer, Stage, parse_stages};
pub use pool::Popularity;
pub use prepare::{Asked, Ground, PrepareError, Prepared};
pub use renewal::FreshTokens;
pub use run::{LoadError, LoadSettings, Model, Stop, Watcher, calibrate, load, load_scenario};
pub use script::Script;
pub use threshold::Threshold;
pub use verdict::limits_of_generator;
pub use workload::Workload;

#[cfg(test)]
mod tests;
