//! A worker of a Locust master: its wire, its messages, and who does what when.
//!
//! Locust is a distributed load engine: one master with a web page and a ramp, and any number of workers. A worker connects
//! a ZeroMQ DEALER socket to the master's ROUTER, and both send MessagePack arrays `[type, data, node_id]`. What is spoken
//! here is what `locust/runners.py` of [`SPOKEN`] speaks. How load is made is none of this module's business: a [`Crew`] does
//! that.

mod crew;
mod file;
mod link;
mod message;
mod session;
mod statistics;

pub use crew::{Crew, Strain};
pub use file::{class_of, locustfile};
pub use link::{Link, LinkError, ZeroMq};
pub use message::{Incoming, Spawn, Unreadable, incoming, outgoing};
pub use session::{Ended, Patience, Session};
pub use statistics::{Asked, Second, Statistics, Trouble};

/// The version of Locust whose protocol this is.
pub const SPOKEN: &str = "2.47.0";

#[cfg(test)]
mod tests;
