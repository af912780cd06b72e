//! Numbers from many measurements: a histogram of durations, and how far a difference of two runs can be trusted.
//!
//! No clock is read here and nothing is printed.

mod bootstrap;
mod histogram;

pub use bootstrap::{Interval, ratio_of_means};
pub use histogram::{Histogram, HistogramLog, PackedHistogram};
