//! `gatecrash load --scenario`: users who go through a whole scenario.

use crate::support::{gatecrash, gatecrash_in};

/// A login and two validations.
const SCENARIO: &str = "scenario: visitor-login/morning
title: A visitor arrives
checks:
  VMS-MORNING-01: {title: the token that a login gives opens the list of visitors, covers: [VMS-01]}
steps:
  - run: {procedure: obtain_token}
  - each: [once, twice]
    send: {operation: validate, token: \"${token}\"}
    expect: [{check: VMS-MORNING-01, outcome: accepted}]
";

#[test]
fn each_user_goes_through_the_scenario_and_every_answer_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("morning.yaml"), SCENARIO).unwrap();
    let load = ["load", "--scenario", "morning.yaml", "-c", "1", "-n", "24", "--seed", "1"];
    let run = gatecrash_in(folder.path(), &load);
    run.exits(0).says("RIGHT  each of 24 answers was right");
    run.says("8  login -> issued").says("16  validate -> accepted");
    run.says("note: each user went through visitor-login/morning");
    assert!(!run.out.contains('✗'), "{}", run.out);

    // Every user ends the round that it is in.
    let four = ["load", "--scenario", "morning.yaml", "-c", "4", "-n", "24", "--seed", "1"];
    gatecrash_in(folder.path(), &four).exits(0).says("RIGHT  each of ");

    let open = ["load", "--scenario", "morning.yaml", "--rate", "20", "-d", "500ms"];
    let run = gatecrash_in(folder.path(), &[&open[..], &["--warm-up", "0s"]].concat());
    // How late a busy machine is does not matter here.
    assert!([0, 4].contains(&run.code), "{run:?}");
    run.says("RIGHT").says("open, constant").says("10  login -> issued").says("lateness");

    // Whether the wrong answer comes in the step of a check or not, it is found and shown.
    let one = ["load", "--scenario", "morning.yaml", "-c", "1", "-n", "120", "--seed", "1"];
    let wrong = [&one[..], &["--fault", "one-in-a-thousand-refused"]].concat();
    let run = gatecrash_in(folder.path(), &wrong);
    run.exits(1)
        .says("1 visitor-login/morning answers: breaks VMS-MORNING-01: the token that a login")
        .says("validate -> denied");
}

#[test]
fn a_scenario_that_is_not_there_or_does_not_fit_is_said_before_the_run() {
    for (arguments, complaint) in [
        (&["load", "--scenario", "visitor-login/ad"][..], "did you mean `visitor-login/add`?"),
        (&["load", "--scenario", "visitor-login/add", "--tokens", "3"], "cannot be used with"),
    ] {
        gatecrash(arguments).exits(2).complains(complaint);
    }
}

#[test]
fn a_scenario_that_cannot_go_on_is_not_green() {
    // Without a button nothing is issued.
    let server = crate::support::Served::start(&["--clock", "virtual"]);
    let load = ["load", &*server.api, "--scenario", "gateway-button/bearer", "-c", "1", "-n", "3"];
    let run = gatecrash(&load);
    assert_ne!(run.code, 0, "{}", run.out);
    run.says("the scenario could not go on");
}
