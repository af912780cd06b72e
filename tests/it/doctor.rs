//! `gatecrash doctor`, and the look before a check: what is configuration is not blamed on the server.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use crate::support::{Run, Served, gatecrash, reference_profile, serve_each};

/// The profile of the reference server at the addresses of a running one, with some of its text replaced.
fn profile(server: &Served, changes: &[(&str, &str)]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let addresses = (server.api.as_str(), server.control.as_str());
    let path = reference_profile(folder.path(), addresses, changes, "");
    (folder, path.into())
}

fn doctor(path: &std::path::Path) -> Run {
    gatecrash(&["doctor", path.to_str().unwrap(), "--no-input"])
}

#[test]
fn a_profile_that_is_right_is_ready_and_nothing_stays_open() {
    let server = Served::start(&["--clock", "virtual"]);
    let (_folder, path) = profile(&server, &[]);
    let run = doctor(&path);
    run.exits(0)
        .says("\nREADY  gatecrash check ")
        .says("✓ hook press ")
        .says("✓ clock ")
        .says("✓ identity first of environment-token in production ")
        .says("✓ token of gateway-button ")
        .says("obtained, and accepted by `validate`");
    assert!(!run.out.contains('✗'), "{}", run.out);
}

#[test]
fn five_planted_mistakes_are_all_named_in_one_run() {
    let server = Served::start(&["--clock", "virtual"]);
    let planted = [
        // A misspelled key, a variable that is not set, a wrong password, a program that is not there, a wrong path.
        ("second_press: restart", "second_pres: restart"),
        ("{published: bob-password-2}", "{env: GATECRASH_TEST_UNSET}"),
        ("{published: visitor-password-1}", "{published: visitor-password-7}"),
        (
            &format!("database: [{{simulated: \"{}\"}}]", server.control),
            "database: [{exec: {argv: [./no-such-program]}}]",
        ),
        (
            "  environment-token:\n",
            "  environment-token:\n    operations: {validate: {path: /nowhere}}\n",
        ),
    ];
    let (_folder, path) = profile(&server, &planted);
    let run = doctor(&path);
    run.exits(3)
        .complains("`second_pres`")
        .complains("did you mean `second_press`?")
        .complains("GATECRASH_TEST_UNSET is not set")
        .says("✗ identity first of visitor-login ")
        .says("`flows.visitor-login.identities.first`")
        .says("✗ hook database ")
        .says("./no-such-program")
        .says("✗ token of environment-token ")
        .says("`flows.environment-token.operations.validate` (now GET /nowhere)")
        .says("\nNOT READY  5 problems: this is configuration, not the server");
    // What is right is said too.
    run.says("✓ token of jwt-login ").says("✓ token of channel-login ");
}

#[test]
fn what_the_doctor_foretells_is_blocked_and_nothing_else() {
    let server = Served::start(&["--clock", "virtual"]);
    let database = format!("  database: [{{simulated: \"{}\"}}]\n", server.control);
    let second =
        "      second: {username: {public: porter}, password: {published: visitor-password-2}}\n";
    let (_folder, path) = profile(&server, &[(&database, ""), (second, "")]);
    let flow = ["--flow", "visitor-login", "--no-input"];
    let foretold = gatecrash(&[&["doctor", path.to_str().unwrap()], &flow[..]].concat());
    let row =
        foretold.exits(0).out.lines().find(|line| line.starts_with("  visitor-login ")).unwrap();
    let blocked = row.split_whitespace().last().unwrap();
    assert_ne!(blocked, "0", "{row}");
    let run = gatecrash(&[&["check", path.to_str().unwrap(), "--seed", "1"], &flow[..]].concat());
    run.exits(4).says(&format!(" · blocked {blocked} · "));
}

#[test]
fn a_check_gives_no_verdict_before_the_profile_is_usable() {
    let server = Served::start(&["--clock", "virtual"]);
    let wrong = [("{published: alice-password-1}", "{published: alice-password-7}")];
    let (_folder, path) = profile(&server, &wrong);
    let target = path.to_str().unwrap();
    let run = gatecrash(&["check", target, "--only", "JWT-57"]);
    run.exits(3)
        .complains("this is configuration, not the server")
        .complains("identity first of jwt-login")
        .complains("--no-doctor");
    assert!(!run.out.contains("proved"), "{}", run.out);
    let run = gatecrash(&["check", target, "--only", "JWT-57", "--no-doctor"]);
    run.exits(4).says("\nINCONCLUSIVE ");
    // A flow that is not asked for need not be right.
    gatecrash(&["check", target, "--only", "CHN-STATE-01", "--flow", "channel-login"]).exits(0);
}

#[test]
fn a_server_that_is_not_there_is_one_problem_and_not_thirty() {
    let server = Served::start(&["--clock", "virtual"]);
    let (_folder, path) = profile(&server, &[(&server.api, "http://127.0.0.1:9")]);
    let run = doctor(&path);
    run.exits(3)
        .says("✗ http://127.0.0.1:9 ")
        .says("cannot be reached")
        .says("\nNOT READY  1 problem:");
}

#[test]
fn what_a_server_answers_does_not_move_the_cursor() {
    let url = format!(
        "http://{}",
        serve_each(|mut stream: TcpStream| {
            drop(stream.read(&mut [0; 4096]));
            drop(stream.write_all(b"HTTP/1.1 418 Teapot\r\nContent-Length: 9\r\nConnection: close\r\n\r\n\x1b[2J\r\nfoo"));
        })
    );
    let run = gatecrash(&["doctor", &url, "--accounts", "reference", "--no-input"]);
    run.exits(3).says("is refused: ");
    assert!(!run.out.contains('\x1b'), "the server wrote to the terminal: {:?}", run.out);
}
