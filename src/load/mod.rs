//! The third job: how many validations a second does a server do, how long do they take, and do its answers stay right?
//!
//! Worker threads own their connections and put bytes on them themselves: one write and one read for a request, and no
//! lock, channel or allocation. Every answer is held against the contract (`court`); an answer that is the same as one
//! that was judged needs no second judging. Response times count from the moment a request was due (`pacer`), so a server
//! that stalls cannot hide it. How a run is printed is for the reports.

mod capacity;
mod clerk;
mod client;
mod compare;
mod court;
mod detail;
mod form;
mod framing;
mod merge;
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
mod shard;
mod start;
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
pub use detail::{CaseColumn, CaseDetail, Columns, Detail, Grievance};
pub use merge::{MergeError, merge};
pub use mix::{Kind, Mix};
pub use pacer::{Arrival, FASTEST, Pacer, Stage, parse_stages};
pub use pool::Popularity;
pub use prepare::{Asked, Ground, PrepareError, Prepared};
pub use renewal::FreshTokens;
pub use run::{
    LoadError, LoadSettings, Model, Pace, Stop, Watcher, calibrate, load, load_scenario,
};
pub use script::Script;
pub use shard::Shard;
pub use start::{StartAt, TOLERANCE};
pub use threshold::Threshold;
pub use verdict::limits_of_generator;
pub use workload::Workload;

#[cfg(test)]
mod tests;
