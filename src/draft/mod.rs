//! A first profile for a server: every key that it may need, in use or behind one `#`, each with what it is for.
//!
//! Everything that depends on the flows comes out of the library, so that it cannot be older than the scenarios.
//! Nothing is asked, read or written here, and no secret is known: accounts refer to environment variables.

mod adapt;
mod description;
mod flow;
mod lines;
mod matching;
mod words;
mod yaml;

use serde_json::json;

pub use adapt::Found;
pub use description::{Description, DescriptionError, Endpoint, Parameter, Place, Security};

use crate::model::Flow;
use crate::source::Diagnostic;
use crate::target::{Library, Limits};
use lines::Lines;
use yaml::{comment, inline, scalar};

/// What is known of the server.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// Its name in reports.
    pub target: &'a str,
    /// Scheme and authority.
    pub base_url: &'a str,
    /// What it offers, in the order of the file.
    pub flows: &'a [Flow],
    /// Its clock.
    pub clock: DraftClock,
    /// The control plane of a reference server, for hooks and a virtual clock.
    pub control: Option<&'a str>,
    /// How it describes itself.
    pub description: Option<&'a Description>,
}

/// The mode of the clock in a draft.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DraftClock {
    /// Nothing that waits is checked.
    None,
    /// Waits are waited for.
    Real,
    /// Moved through the control plane.
    Virtual,
}

/// A draft that is written.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// The profile.
    pub text: String,
    /// The environment variables that it refers to, in its order.
    pub variables: Vec<String>,
    /// What became of each operation in the server's description; empty without one.
    pub operations: Vec<(Flow, String, Option<Found>)>,
}

/// Writes a draft.
///
/// # Errors
/// What is wrong with the flow files.
pub fn write(library: &Library, draft: &Draft<'_>) -> Result<Drafted, Vec<Diagnostic>> {
    let mut drafted =
        Drafted { text: String::new(), variables: Vec::new(), operations: Vec::new() };
    let mut flows = Lines::default();
    for (index, flow) in draft.flows.iter().enumerate() {
        if index > 0 {
            flows.gap();
        }
        flows.section(flow.name(), flow::section(library, draft, *flow, &mut drafted)?);
    }
    let mut page = Lines::default();
    page.line("# yaml-language-server: $schema=profile.schema.json");
    head(draft, &mut page);
    page.gap();
    clock(draft, &mut page);
    page.gap();
    hooks(library, draft, &mut page);
    page.gap();
    limits(&mut page);
    page.gap();
    page.say("The flows that the server offers, each with what differs from the documents. What is not here is as the documents say.");
    page.section("flows", flows);
    page.gap();
    baseline(library, draft, &mut page);
    drafted.text = page.text();
    Ok(drafted)
}

fn head(draft: &Draft<'_>, page: &mut Lines) {
    page.say("How gatecrash checks this server. Take one `#` away from a line or a block to use it; two are words.");
    page.say("`gatecrash schema profile > profile.schema.json` writes the file of the first line, for editors; `gatecrash lint` says what is wrong here, `gatecrash doctor` what a check still lacks.");
    page.gap();
    page.say("Its name in reports, and its scheme, host and port.");
    page.line(format!("target: {}", scalar(&comment(draft.target))));
    page.line(format!("base_url: {}", scalar(draft.base_url)));
    let mut off = Lines::default();
    page.say("Header fields that go with every request.");
    off.line("headers:");
    off.line("  - {name: X-Checked-By, value: gatecrash}");
    page.off(off);
}

fn clock(draft: &Draft<'_>, page: &mut Lines) {
    page.say("The server's clock. `real` runs by itself: a probe waits at most `max_wait`, what needs longer is blocked. `virtual` moves when told. `none` is not waited for at all.");
    let mut keys = Lines::default();
    match (draft.clock, draft.control) {
        (DraftClock::None, _) => {
            keys.line("mode: none");
        }
        (DraftClock::Virtual, Some(control)) => {
            keys.line("mode: virtual").line(format!("control: {}", scalar(control)));
        }
        (DraftClock::Real, _) | (DraftClock::Virtual, None) => {
            keys.line("mode: real");
            keys.say("How far the server's clock may be off.").line("tolerance: 1s");
            keys.line("max_wait: 150s");
        }
    }
    if draft.clock != DraftClock::Virtual {
        let mut off = Lines::default();
        keys.say("For `mode: virtual`: a request to your server that moves its clock.");
        let request = json!({
            "url": "http://127.0.0.1:9000/clock",
            "json": {"by": "${milliseconds}"},
        });
        off.entry("advance", &request);
        keys.off(off);
    }
    page.section("clock", keys);
}

fn hooks(library: &Library, draft: &Draft<'_>, page: &mut Lines) {
    page.say("Physical and administrative acts. The first driver of a hook that can act does: `tty` asks a person, `http` sends a request (any 2xx is done), `exec` runs a program (JSON on its standard input, exit code 0 is done), `simulated` asks the control plane of a reference server. What needs a hook that is not here is blocked.");
    let mut hooks = Lines::default();
    for name in flow::hooks(library, draft.flows) {
        let words = words::hook(&name);
        if let Some(words) = words {
            hooks.say(words.does);
        }
        if let Some(control) = draft.control {
            let driver = json!([{"simulated": control}]);
            hooks.entry(&name, &driver);
            continue;
        }
        let with: serde_json::Map<_, _> = words
            .map_or(&[][..], |words| words.with)
            .iter()
            .map(|key| ((*key).to_owned(), json!(format!("${{{key}}}"))))
            .collect();
        let url = format!("http://127.0.0.1:9000/{name}");
        let request = match with.is_empty() {
            true => json!({"http": {"url": url}}),
            false => json!({"http": {"url": url, "json": with}}),
        };
        let mut drivers = Lines::default();
        for driver in [
            json!({"exec": {"argv": [format!("./{name}")], "timeout": "10s"}}),
            request,
            json!({"simulated": "http://127.0.0.1:8081"}),
            json!({"tty": {"prompt": "${say}", "timeout": "60s"}}),
        ] {
            drivers.line(format!("- {}", inline(&driver)));
        }
        hooks.section(&name, drivers);
    }
    if draft.control.is_some() {
        page.section("hooks", hooks);
    } else {
        let mut off = Lines::default();
        off.section("hooks", hooks);
        page.off(off);
    }
}

fn limits(page: &mut Lines) {
    let limits = Limits::default();
    page.say("Bounds: how long an answer may take, how many wrong passwords a run may try, the largest answer that is read.");
    let mut keys = Lines::default();
    keys.line(format!("deadline: {}s", limits.deadline.as_secs()));
    let mut off = Lines::default();
    off.line("max_failed_logins: 100");
    off.line(format!("max_answer_bytes: {}", limits.max_answer_bytes));
    keys.off(off);
    page.section("limits", keys);
}

fn baseline(library: &Library, draft: &Draft<'_>, page: &mut Lines) {
    page.say("Findings that are known and accepted for a while: none so far. An entry whose check passes, or whose day has come, is `stale`.");
    let mut off = Lines::default();
    off.line("baseline:");
    let check = library.checks().find(|(flow, ..)| draft.flows.contains(flow));
    if let Some((_, _, id, _)) = check {
        let entry = json!({
            "check": id.as_str(),
            "until": "2027-12-01",
            "because": "why it is accepted, and who repairs it",
        });
        off.line(format!("  - {}", inline(&entry)));
    }
    page.off(off);
}
