//! What is done with a report later: `replay` of one check, `compare` of two runs.

use std::path::Path;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::{gatecrash, gatecrash_in, report};

/// The JSON reports of a server without a fault and of one with a fault, each checked once for all tests.
fn runs() -> &'static (String, String) {
    static RUNS: OnceLock<(String, String)> = OnceLock::new();
    RUNS.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let run = |name: &str, more: &[&str], code: i32| {
            let path = folder.path().join(name);
            let to = report("json", &path);
            let only =
                ["check", "--only", "BTN-04", "--only", "BTN-23", "--seed", "3", "--report", &to];
            gatecrash(&[&only[..], more].concat()).exits(code);
            std::fs::read_to_string(path).unwrap()
        };
        (run("right", &[], 0), run("wrong", &["--fault", "window-too-long"], 1))
    })
}

fn written(folder: &Path) {
    let (right, wrong) = runs();
    std::fs::write(folder.join("right.json"), right).unwrap();
    std::fs::write(folder.join("wrong.json"), wrong).unwrap();
}

#[test]
fn a_check_of_a_report_is_run_again_with_the_same_server_and_seed() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let run = gatecrash_in(folder.path(), &["replay", "wrong.json#BTN-END-02"]);
    run.exits(1).says("seed 3").says("ALIKE  BTN-END-02 is fail again, in the same way");
    let run = gatecrash_in(folder.path(), &["replay", "right.json#BTN-END-02"]);
    run.exits(0).says("ALIKE  BTN-END-02 is pass again");
    let other = ["replay", "right.json#BTN-END-02", "--fault", "window-too-long"];
    gatecrash_in(folder.path(), &other)
        .exits(1)
        .says("DIFFERENT  BTN-END-02 was pass, and is fail now");
}

/// The command lines that a run gives for its findings.
fn lines_again(out: &str) -> Vec<Vec<&str>> {
    let lines = out.lines().filter_map(|line| line.trim().strip_prefix("again:"));
    lines.map(|line| line.split_whitespace().skip(1).collect()).collect()
}

#[test]
fn the_line_that_a_finding_gives_shows_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let run = gatecrash_in(
        folder.path(),
        &["check", "--only", "BTN-04", "--fault", "window-too-long", "--seed", "3"],
    );
    run.exits(1);
    let lines = lines_again(&run.out);
    assert!(!lines.is_empty(), "{}", run.out);
    gatecrash_in(folder.path(), &lines[0]).exits(1).says("seed 3");
}

#[test]
fn what_fuzz_found_is_run_again_by_its_line_and_from_its_report() {
    let folder = tempfile::tempdir().unwrap();
    let flow =
        ["fuzz", "--flow", "jwt-login", "--layer", "sequences", "--fault", "refresh-reusable"];
    let bounds = ["--cases", "60", "--seed", "3", "--report", "json=found.json"];
    let written = [&flow[..], &bounds[..], &["--corpus", "found"]].concat();
    let run = gatecrash_in(folder.path(), &written);
    run.exits(1);
    let lines = lines_again(&run.out);
    assert!(!lines.is_empty(), "{}", run.out);
    gatecrash_in(folder.path(), &lines[0]).exits(1);
    let check = |name: &str| -> String {
        let text = std::fs::read_to_string(folder.path().join(name)).unwrap();
        let report: Value = serde_json::from_str(&text).unwrap();
        let findings = report["run"]["findings"].as_array().unwrap();
        let failed = findings.iter().find(|finding| finding["verdict"] == "fail").unwrap();
        format!("{name}#{}", failed["check"].as_str().unwrap())
    };
    gatecrash_in(folder.path(), &["replay", &check("found.json")]).exits(1).says("JWT-FOUND-");
    gatecrash_in(folder.path(), &[&flow[..], &bounds[..]].concat()).exits(1);
    let said = "was written nowhere: `gatecrash fuzz --seed 3 --corpus DIR`";
    gatecrash_in(folder.path(), &["replay", &check("found.json")]).exits(2).complains(said);
}

#[test]
fn a_check_that_is_not_in_the_report_is_said_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    for (argument, said) in [
        ("wrong.json#BTN-END-2", "did you mean `BTN-END-02`?"),
        ("none.json#BTN-END-02", "none.json"),
        ("right.json", "right.json"),
    ] {
        gatecrash_in(folder.path(), &["replay", argument]).exits(2).complains(said);
    }
}

#[test]
fn two_runs_are_compared_by_their_verdicts() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let worse = gatecrash_in(folder.path(), &["compare", "right.json", "wrong.json"]);
    worse.exits(1).says("WORSE").says("BTN-END-02").says("pass     -> fail").says("clause BTN-04");
    let better = gatecrash_in(folder.path(), &["compare", "wrong.json", "right.json"]);
    better.exits(0).says("NO WORSE").says("fail     -> pass");
    gatecrash_in(folder.path(), &["compare", "right.json", "right.json"]).exits(0).says("THE SAME");
}

#[test]
fn two_runs_are_compared_by_what_the_documents_leave_open() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    let mut other: Value = serde_json::from_str(&runs().0).unwrap();
    let findings = other["run"]["findings"].as_array_mut().unwrap();
    let info = findings.iter_mut().find(|finding| finding["verdict"] == "info").unwrap();
    info["evidence"]["observed"] = json!(["does something else: status 299"]);
    let id = info["check"].as_str().unwrap().to_owned();
    std::fs::write(folder.path().join("other.json"), other.to_string()).unwrap();
    let run = gatecrash_in(folder.path(), &["compare", "right.json", "other.json"]);
    run.exits(0).says("NO WORSE").says(&id).says("+ does something else: status 299");
}

#[test]
fn what_cannot_be_compared_is_said() {
    let folder = tempfile::tempdir().unwrap();
    written(folder.path());
    std::fs::write(folder.path().join("half.json"), &runs().0[..500]).unwrap();
    let load = json!({"schema_version": 9, "load": {}}).to_string();
    std::fs::write(folder.path().join("load.json"), load).unwrap();
    for (arguments, said) in [
        (["right.json", "half.json"], "ends in the middle"),
        (["right.json", "none.json"], "none.json"),
        (["right.json", "load.json"], "version 9"),
    ] {
        gatecrash_in(folder.path(), &[&["compare"], &arguments[..]].concat())
            .exits(2)
            .complains(said);
    }
}
