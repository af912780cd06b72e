//! A reference server for five documented API-token flows, with a simulated button device.
//!
//! It answers as the vendors' documents and the RFCs behind them say, literal for literal, so that a conformance
//! tool can be proven on it and a client developer can test against it. Where the documents leave a question open
//! each allowed answer is a [`Variant`]; each [`Fault`] is one deliberate defect. All time is the time of its own
//! clock, which stands still until it is [advanced](Server::advance).
//!
//! ```
//! use reference_server::{Config, Press, Server};
//!
//! let server = Server::start(Config::default())?;
//! let pressed = server.press(Press::Short);
//! assert_eq!(pressed.window_ends_at_ms - pressed.at_ms, 120_000);
//! // ... GET {server.url()}/api/v2/accesstoken/generate now issues one token.
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! From the outside in: `server` accepts connections; `app` holds the routes and the state; `control` is the port
//! for tests; `button`, `channel`, `visitor`, `jwt` and `environment` are the flows; `http`, `store`, `account`,
//! `clock`, `counters`, `fault` and `variant` are what they share.

mod account;
mod app;
mod button;
mod channel;
mod clock;
mod config;
mod control;
mod counters;
pub mod entry;
mod environment;
mod fault;
mod framing;
mod http;
mod jwt;
mod listeners;
mod server;
mod store;
mod suggestion;
mod throttle;
mod variant;
mod visitor;

pub use account::{Account, AccountState, Flow, NameError};
pub use button::device::{Press, Pressed};
pub use clock::{ClockMode, DEFAULT_START};
pub use config::{Config, Lifetimes, Limits};
pub use counters::Event;
pub use fault::{Fault, FaultError};
pub use listeners::Listeners;
pub use server::{Server, run};
pub use variant::{Variant, VariantError, Variants};
