//! The reference server's own tests: an ordinary client over real sockets. They share nothing with the tool that
//! judges this server from outside.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod button;
mod channel;
mod control;
mod environment;
mod fault;
mod jwt;
mod raw;
mod socket;
mod support;
mod visitor;
