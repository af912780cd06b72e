//! `selftest`, and servers that refuse or accept whatever comes.

use std::collections::BTreeSet;
use std::time::Duration;

use gatecrash::model::{CheckId, Flow};
use gatecrash::scenario::{Action, Expectation, Kind, Scenario, Step};
use gatecrash::source::SourceFile;
use gatecrash::target::Library;
use serde_json::Value;

use crate::support::{answer_each, files, gatecrash, gatecrash_within, relative, root, serve_each};

#[test]
fn a_fault_is_noticed_and_the_matrix_is_written_as_markdown_and_json() {
    let folder = tempfile::tempdir().unwrap();
    let (markdown, json) = (folder.path().join("kill.md"), folder.path().join("kill.json"));
    let run = gatecrash_within(
        PATIENCE,
        &[
            "selftest",
            "--fault",
            "weak-key",
            "--seeds",
            "1",
            "--report",
            &format!("markdown={}", markdown.display()),
            "--report",
            &format!("json={}", json.display()),
        ],
    );
    run.exits(0).says("PROVEN  faults 1 of 1 noticed").says("false alarms 0 in 1 runs");
    let text = std::fs::read_to_string(markdown).unwrap();
    assert!(
        text.starts_with("# Kill matrix\n\nThe self-test holds: 1 of 1 faults noticed"),
        "{text}"
    );
    assert!(text.contains("| `weak-key` |") && text.contains("JWT-FORGED-08"), "{text}");
    let matrix: Value = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    assert_eq!(matrix["schema_version"], 1);
    assert_eq!(matrix["selftest"]["faults"][0]["name"], "weak-key");
    assert_eq!(matrix["selftest"]["false_alarms"], serde_json::json!([]));
}

#[test]
fn a_self_test_without_a_run_of_the_faultless_server_proves_nothing() {
    gatecrash(&["selftest", "--fault", "weak-key", "--seeds", "0"]).exits(5).says("NOT PROVEN");
}

#[test]
fn a_fault_that_is_not_there_is_a_mistake_of_the_command_line() {
    gatecrash(&["selftest", "--fault", "weak-kye"]).exits(2).complains("did you mean `weak-key`?");
    gatecrash(&["selftest", "--fault", "nothing-*"]).exits(2).complains("there is no fault");
    gatecrash(&["check", "--variant", "jwt-login.logout=revokin"])
        .exits(2)
        .complains("did you mean `revoking`?");
}

#[test]
fn a_server_that_refuses_everything_passes_no_check_that_wants_a_refusal() {
    let none = passed_refusals("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n");
    assert!(none.is_empty(), "passed on a server that knows only 401: {none:?}");
}

#[test]
fn a_server_that_accepts_everything_passes_no_check_that_wants_a_refusal() {
    // What every flow looks for in a good answer, all at once.
    let body = r#"{"success":true,"Status":"Success","status":200,"returnCode":1000,"message":"ok","count":1,
        "token":"0123456789abcdef0123456789abcdef0123456789abcdef","access_token":"aaaaaaaa.bbbbbbbb.cccccccc",
        "refresh_token":"dddddddd.eeeeeeee.ffffffff","token_type":"bearer","expires_in":3600,"expire_in":"3600",
        "data":{"access_token":"0123456789abcdef0123456789abcdef","expiry":4102444800,"visitors":[]},
        "id":"1","email":"alice@example.com","is_active":true,"is_superuser":false,"is_verified":true}"#;
    let length = body.len();
    let none = passed_refusals(&format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ));
    assert!(none.is_empty(), "passed on a server that knows only 200: {none:?}");
}

/// The whole suite in a debug build, on a machine that does other things as well.
const PATIENCE: Duration = Duration::from_secs(240);

/// A server that gives every request this answer; its address.
fn serving(answer: &str) -> String {
    let answer = answer.to_owned();
    format!("http://{}", serve_each(move |stream| answer_each(stream, answer.as_bytes())))
}

/// The checks that assert nothing but refusals of tokens, and that passed on a server with one answer.
fn passed_refusals(answer: &str) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("run.json");
    let url = serving(answer);
    gatecrash_within(
        PATIENCE,
        &[
            "check",
            &url,
            "--no-doctor",
            "--accounts",
            "reference",
            "--level",
            "quick",
            "--report",
            &format!("json={}", report.display()),
        ],
    );
    let run: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    let findings = run["run"]["findings"].as_array().unwrap();
    assert!(findings.len() > 500, "{} findings", findings.len());
    let refusals = refusals();
    assert!(refusals.len() > 100, "only {} checks want refusals", refusals.len());
    let passed = findings.iter().filter(|finding| finding["verdict"] == "pass");
    passed
        .filter_map(|finding| finding["check"].as_str())
        .filter(|check| refusals.contains(*check))
        .map(str::to_owned)
        .collect()
}

/// Checks of which every assertion stands between controls and wants a refusal.
fn refusals() -> BTreeSet<String> {
    let library = library();
    let mut wanting: BTreeSet<CheckId> = BTreeSet::new();
    let mut others: BTreeSet<CheckId> = BTreeSet::new();
    for scenario in &library.scenarios {
        for step in &scenario.steps {
            sort(scenario, step, &mut wanting, &mut others);
        }
    }
    wanting.difference(&others).map(ToString::to_string).collect()
}

fn sort(
    scenario: &Scenario,
    step: &Step,
    wanting: &mut BTreeSet<CheckId>,
    others: &mut BTreeSet<CheckId>,
) {
    let refused = |expectation: &Expectation| match &expectation.kind {
        Kind::Answer(assertion) => {
            let words = ["denied", "refused", "malformed", "bad_credentials"];
            !assertion.outcome.is_empty()
                && assertion.outcome.iter().all(|name| words.contains(&name.as_str()))
        }
        _ => false,
    };
    let plain = matches!(step.action, Action::Send(_)) && !step.controls.is_empty();
    for expectation in step.expect.iter().flat_map(|set| scenario.expectations(*set)) {
        if let Some(check) = &expectation.check {
            let list = if plain && refused(expectation) { &mut *wanting } else { &mut *others };
            list.insert(check.clone());
        }
    }
}

fn library() -> Library {
    let files: Vec<_> = files("scenarios", ".yaml")
        .iter()
        .map(|path| SourceFile::new(relative(path), std::fs::read_to_string(path).unwrap()))
        .collect();
    Library::read(&files).unwrap()
}

#[test]
fn every_attack_vector_is_used_by_a_scenario() {
    let library = library();
    let used: BTreeSet<&str> = library
        .scenarios
        .iter()
        .filter(|scenario| scenario.flow == Flow::JwtLogin)
        .flat_map(|scenario| &scenario.steps)
        .filter_map(|step| step.forge.as_ref())
        .flat_map(|forge| &forge.vectors)
        .map(|vector| vector.id.as_str())
        .collect();
    let text = std::fs::read_to_string(root().join("scenarios/jwt-login/vectors.yaml")).unwrap();
    let ids = text.lines().filter_map(|line| {
        let id = line.strip_prefix("  ")?.strip_suffix(':')?;
        (!id.starts_with([' ', '#'])).then_some(id)
    });
    let unused: Vec<&str> = ids.clone().filter(|id| !used.contains(id)).collect();
    assert!(ids.count() > 150 && unused.is_empty(), "{unused:?}");
}
