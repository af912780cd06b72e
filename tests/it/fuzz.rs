//! `gatecrash fuzz` and `gatecrash replay`, from outside.

use std::path::Path;
use std::time::Duration;

use crate::support::{Run, gatecrash, gatecrash_within, report};

/// A run of some thousand cases takes seconds; one with a finding makes it shorter besides.
const PATIENCE: Duration = Duration::from_secs(240);

fn fuzz(more: &[&str]) -> Run {
    let mut arguments = vec!["fuzz", "--seed", "1"];
    arguments.extend(more);
    gatecrash_within(PATIENCE, &arguments)
}

/// The scenarios in a folder, each with its text.
fn scenarios(folder: &Path) -> Vec<(String, String)> {
    let mut found: Vec<(String, String)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read_to_string(&path).unwrap()))
        .collect();
    found.sort();
    found
}

#[test]
fn the_same_seed_makes_the_same_requests_and_another_seed_makes_others() {
    let list = |seed: &str, jobs: &str| {
        let run =
            gatecrash(&["fuzz", "--dry-run", "--seed", seed, "--cases", "60", "--jobs", jobs]);
        run.exits(0);
        run.out
    };
    let first = list("7", "1");
    assert!(first.lines().count() > 1000, "{}", first.lines().count());
    assert!(first == list("7", "4"), "two runs with one seed differ");
    assert!(first != list("8", "1"), "two seeds make the same requests");
}

#[test]
fn the_same_cases_are_run_whatever_the_number_of_workers() {
    let done = |jobs: &str| {
        let run = fuzz(&["--flow", "environment-token", "--cases", "700", "--jobs", jobs]);
        run.exits(0);
        let last = run.out.lines().last().unwrap_or_default().to_owned();
        last.split(" (").next().unwrap().to_owned()
    };
    let alone = done("1");
    assert!(alone.starts_with("700 cases, "), "{alone}");
    assert_eq!(alone, done("3"));
}

#[test]
fn a_run_ends_when_nothing_new_is_seen_any_more() {
    let run = fuzz(&["--flow", "environment-token", "--layer", "races", "--patience", "40"]);
    run.exits(0).says("SUC-FUZZ-RACES");
}

#[test]
fn a_corpus_keeps_the_shortest_case_of_each_kind() {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().display().to_string();
    let found = || {
        let more = ["--layer", "sequences", "--fault", "refresh-reusable", "--cases", "60"];
        let fixed = ["fuzz", "--flow", "jwt-login", "--seed", "1", "--corpus", &corpus];
        gatecrash_within(PATIENCE, &[&fixed[..], &more].concat()).exits(1).says("JWT-73");
        scenarios(folder.path())
    };
    let first = found();
    let longer = first[0].1.replace("steps:\n", "steps:\n  - wait: 1ms\n");
    let longer = longer.replace("found-", "found-longer-").replace("-FOUND-", "-FOUND-LONGER-");
    std::fs::remove_file(&first[0].0).unwrap();
    std::fs::write(folder.path().join("longer.yaml"), longer).unwrap();
    let names =
        |found: Vec<(String, String)>| found.into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    let first = names(first);
    assert_eq!(names(found()), first, "the longer one made room");
}

#[test]
fn a_server_without_a_fault_is_clean_in_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    let junit = folder.path().join("fuzz.xml");
    let run = fuzz(&["--cases", "1600", "--report", &report("junit", &junit)]);
    run.exits(0).says("CONFORMANT").says("cells");
    for flow in ["BTN", "CHN", "VMS", "JWT", "SUC"] {
        for layer in ["BYTES", "RACES", "SEQUENCES"] {
            run.says(&format!("{flow}-FUZZ-{layer}"));
        }
    }
    assert!(std::fs::read_to_string(junit).unwrap().contains("JWT-FUZZ-SEQUENCES"));
}

/// A planted fault is found, made as short as it can be, written down, and `check` and `replay` fail on the file in the
/// same way; without the fault they pass.
fn found_and_kept(
    (flow, layer, cases): (&str, &str, &str),
    fault: &str,
    steps: usize,
    clause: &str,
) {
    let folder = tempfile::tempdir().unwrap();
    let corpus = folder.path().display().to_string();
    let run = fuzz(&[
        "--flow", flow, "--layer", layer, "--fault", fault, "--cases", cases, "--corpus", &corpus,
    ]);
    run.exits(1).says(clause);
    let kept = scenarios(folder.path());
    let shown = kept.iter().find(|(_, text)| text.contains(&format!("covers: [{clause}]")));
    let (file, text) = shown.unwrap_or_else(|| panic!("no file about {clause}: {kept:#?}"));
    let own = text.lines().filter(|line| line.starts_with("  - ")).count();
    assert_eq!(own, steps, "{text}");
    gatecrash(&["replay", file, "--fault", fault]).exits(1).says("FOUND");
    gatecrash(&["replay", file]).exits(0);
    gatecrash(&["check", "--corpus", file, "--only", "*-FOUND-*", "--fault", fault])
        .exits(1)
        .says("FOUND");
    gatecrash(&["check", "--corpus", file, "--only", "*-FOUND-*"]).exits(0);
    gatecrash(&["lint", file]).exits(0);
}

#[test]
fn a_deleted_token_that_still_works_is_found_with_the_four_steps_that_it_takes() {
    found_and_kept(("gateway-button", "sequences", "200"), "delete-keeps-token", 4, "BTN-55");
}

#[test]
fn a_refresh_token_that_works_again_is_found_with_three_steps() {
    found_and_kept(("jwt-login", "sequences", "60"), "refresh-reusable", 3, "JWT-73");
}

#[test]
fn a_window_that_two_requests_pass_at_once_is_found_as_a_race() {
    found_and_kept(("gateway-button", "races", "16"), "window-race", 1, "BTN-07");
}

#[test]
fn bytes_that_a_right_server_refuses_are_kept_as_a_template_without_the_token() {
    found_and_kept(("gateway-button", "bytes", "1500"), "token-suffix-ignored", 2, "BTN-44");
}

#[test]
fn a_corpus_that_cannot_be_used_is_told_before_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let inside = file.join("corpus").display().to_string();
    fuzz(&["--cases", "10", "--corpus", &inside]).exits(2).complains("cannot be written");

    let corpus = folder.path().join("corpus");
    std::fs::create_dir(&corpus).unwrap();
    std::fs::write(corpus.join("broken.yaml"), "scenario: jwt-login/found-1\nstepps: []\n")
        .unwrap();
    std::fs::write(corpus.join("whole.yaml"), WHOLE).unwrap();
    let path = corpus.display().to_string();
    fuzz(&["--cases", "40", "--corpus", &path]).exits(2).complains("stepps").says("JWT-FOUND-1");
    gatecrash(&["replay", &path]).exits(2).complains("broken.yaml").says("JWT-FOUND-1");
}

const WHOLE: &str = "scenario: jwt-login/found-2
title: a login works
checks:
  JWT-FOUND-1: {title: a login works, covers: [JWT-01]}
steps:
  - send: {operation: login, identity: first}
    expect: [{check: JWT-FOUND-1, outcome: issued}]
";

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { failure_persistence: None, ..Default::default() })]

    #[test]
    fn no_bytes_break_the_parsers_of_the_reference_server(
        start in 0..5_usize,
        rest in proptest::collection::vec(0..=u8::MAX, 0..80),
    ) {
        let mut data = ["", "Bearer ", "a=b&c=%", "/x?a=", "{\"accesstoken\":"][start].as_bytes().to_vec();
        data.extend(rest);
        if let Some(token) = reference_server::entry::authorization(&data) {
            assert!(!token.contains(' '));
        }
        let _ = reference_server::entry::form(&data);
        let _ = reference_server::entry::query(&data);
        let _ = reference_server::entry::first_message(&String::from_utf8_lossy(&data));
    }
}
