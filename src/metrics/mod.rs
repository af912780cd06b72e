//! Live numbers of a load run for whoever has a dashboard: OpenMetrics 1.0 text, answered over HTTP from a thread of its own.
//!
//! Numbers are handed in once a second, so that scraping costs the run nothing. The text form has buckets with fixed bounds;
//! native histograms exist in Prometheus' protobuf form alone, which is not offered. What is exact to three digits is in the
//! report of the run.

mod endpoint;
mod exposition;

pub use endpoint::Endpoint;
pub use exposition::{BOUNDS, Exposition, Part};
