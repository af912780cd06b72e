//! The program from outside: the binary over loopback, and the rules that its sources keep.
//!
//! One binary, a module for each subject. What a module of the library does is tested beside it; here is what
//! only the whole can show.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop where it is")]

mod care;
mod check;
mod doctor;
mod explain;
mod front;
mod fuzz;
mod fuzz_targets;
mod guides;
mod init;
mod lint;
mod load;
mod load_users;
mod merge;
mod metrics;
mod odd_servers;
mod report_again;
mod report_formats;
mod report_hostile;
mod reports;
mod schema;
mod selftest;
mod serve;
mod shell;
mod support;
mod tidy;
mod worker;
