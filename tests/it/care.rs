//! What a check does to a server that somebody else uses: it can be asked beforehand, it has bounds, and what could do
//! harm must be meant.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

use crate::front::Front;
use crate::support::{Run, Served, gatecrash, report, root};

/// The profile of the reference server with other addresses, and with something replaced.
fn profile(folder: &Path, api: &str, control: &str, changes: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(root().join("scenarios/reference.yaml")).unwrap();
    let addresses = [("http://127.0.0.1:8080", api), ("http://127.0.0.1:8081", control)];
    for (from, to) in addresses.iter().chain(changes) {
        assert!(text.contains(from), "{from} is not in the profile");
        text = text.replace(from, to);
    }
    let path = folder.join("profile.yaml");
    std::fs::write(&path, text).unwrap();
    path.display().to_string()
}

/// The finding of a check, out of a JSON report.
struct Found(Value);

impl Found {
    fn by(arguments: &[&str]) -> (Run, Self) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.json");
        let run = gatecrash(&[arguments, &["--report", &report("json", &path)]].concat());
        let text = std::fs::read_to_string(path).unwrap_or_else(|_| panic!("{}", run.err));
        (run, Self(serde_json::from_str(&text).unwrap()))
    }

    #[track_caller]
    fn is(&self, check: &str, verdict: &str, reason: &str) -> &Self {
        let findings = self.0["run"]["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["check"] == check);
        let found = found.unwrap_or_else(|| panic!("no finding of {check}"));
        assert_eq!(found["verdict"], verdict, "{found:#}");
        assert!(found.to_string().contains(reason), "{reason} is not in {found:#}");
        self
    }
}

#[test]
fn a_dry_run_names_each_request_and_sends_none() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let front = Front::at("127.0.0.1", move |_| {
        counter.fetch_add(1, Ordering::SeqCst);
        std::future::ready(())
    });
    let folder = tempfile::tempdir().unwrap();
    let base = format!("http://{}", front.address);
    let profile = profile(folder.path(), &base, &base, &[]);
    let arguments = ["check", &profile, "--flow", "visitor-login", "--dry-run", "--seed", "1"];
    let run = gatecrash(&[&arguments[..], &["-v"]].concat());
    run.exits(0).says("POST /v1/oauth/").says("GET /v1/get/").says("hook");
    assert_eq!(asked.load(Ordering::SeqCst), 0, "something was sent");
    assert!(!run.out.contains("visitor-password-1"), "a password is shown");
}

#[test]
fn what_takes_longer_than_the_longest_wait_is_blocked_with_the_time_it_would_take() {
    let server = Served::start(&["--clock", "real"]);
    let folder = tempfile::tempdir().unwrap();
    let profile = profile(folder.path(), &server.api, &server.control, &[]);
    let only = ["--only", "BTN-END-02"];
    let real = ["--clock", "real", "--max-wait", "1s", "--seed", "1"];
    let (run, found) = Found::by(&[&["check", &profile], &only[..], &real].concat());
    run.exits(4);
    found.is("BTN-END-02", "blocked", "it takes");
}

#[test]
fn a_run_makes_no_more_wrong_logins_than_its_profile_allows() {
    let server = Served::start(&["--clock", "virtual"]);
    let folder = tempfile::tempdir().unwrap();
    let limits = [("\nflows:", "\nlimits: {max_failed_logins: 2}\nflows:")];
    let profile = profile(folder.path(), &server.api, &server.control, &limits);
    let arguments = ["check", &profile, "--flow", "visitor-login", "--seed", "1", "--jobs", "1"];
    let (run, found) = Found::by(&arguments);
    run.exits(4);
    let findings = found.0["run"]["findings"].as_array().unwrap();
    let blocked = findings.iter().filter(|finding| {
        finding["verdict"] == "blocked" && finding.to_string().contains("max_failed_logins")
    });
    assert!(blocked.count() > 3, "the bound was not felt");
    let failed = findings.iter().filter(|finding| finding["verdict"] == "fail");
    assert_eq!(failed.count(), 0, "a bound is no finding about the server");
}

#[test]
fn a_server_elsewhere_is_shaken_only_when_that_is_meant() {
    let server = Served::start(&["--clock", "virtual"]);
    let folder = tempfile::tempdir().unwrap();
    // An address of this machine that does not look like one.
    let elsewhere = server.api.replace("127.0.0.1", "0.0.0.0");
    let profile = profile(folder.path(), &elsewhere, &server.control, &[]);
    let only = ["--only", "CHN-GUESS-0*", "--seed", "1", "--level", "quick"];
    let arguments = [&["check", &profile][..], &only].concat();
    gatecrash(&arguments).exits(3).complains("--allow-host 0.0.0.0");
    let allowed = [&arguments[..], &["--allow-host", "0.0.0.0"]].concat();
    let (_, found) = Found::by(&allowed);
    found.is("CHN-GUESS-01", "excluded", "--destructive");
    let meant = [&allowed[..], &["--destructive"]].concat();
    let (_, found) = Found::by(&meant);
    let findings = found.0["run"]["findings"].as_array().unwrap();
    let excluded = findings.iter().any(|finding| finding.to_string().contains("--destructive"));
    assert!(!excluded && !findings.is_empty(), "it was meant");
}
