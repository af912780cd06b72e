//! `gatecrash lint`: everything that is wrong with a file, where it is, and what to write in its place.

use std::fmt::Write as _;

use crate::support::{Run, files, gatecrash, gatecrash_in, relative, root};

/// Lints a text as a file of this name, and returns what is said of it.
#[track_caller]
fn lint(name: &str, text: &str) -> Run {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(name), text).unwrap();
    let run = gatecrash_in(folder.path(), &["lint", name]);
    assert_eq!(run.out, "", "the mistakes belong on standard error");
    run
}

/// A scenario around these checks and steps.
fn scenario(checks: &str, steps: &str) -> String {
    format!(
        "scenario: gateway-button/broken\ntitle: Something is wrong\nneeds: [press]\nchecks:\n{checks}steps:\n{steps}"
    )
}

const CHECK: &str = "  BTN-BROKEN-01: {title: something holds, covers: [BTN-01]}\n";

const STEP: &str =
    "  - send: {operation: generate}\n    expect: [{check: BTN-BROKEN-01, outcome: issued}]\n";

#[test]
fn the_scenario_that_the_others_break_is_right() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("broken.yaml"), scenario(CHECK, STEP)).unwrap();
    let run = gatecrash_in(folder.path(), &["lint", "broken.yaml"]);
    run.exits(0).says("1 files, nothing wrong");
}

#[test]
fn shipped_files_are_right() {
    let paths: Vec<String> =
        files("scenarios", ".yaml").iter().map(|path| relative(path)).collect();
    let mut arguments = vec!["lint"];
    arguments.extend(paths.iter().map(String::as_str));
    let run = gatecrash_in(root(), &arguments);
    run.exits(0).says(&format!("{} files, nothing wrong", paths.len()));
}

#[test]
fn what_is_no_yaml_is_shown_where_it_breaks() {
    let run = lint("broken.yaml", &scenario(CHECK, "  - send: {operation: generate\n"));
    insta::assert_snapshot!("lint_no_yaml", run.exits(2).err);
}

#[test]
fn wrong_keys_and_types_are_all_said_at_once() {
    let steps = "  - sned: {operation: generate}\n  - send: {operation: [generate]}\n  - send: {operation: generate, tokn: x}\n    expect: {check: BTN-BROKEN-01}\n";
    let checks = format!("{CHECK}  BTN-BROKEN-02: {{titel: a, covers: [BTN-01], level: MAST}}\n");
    let text = format!("colour: red\n{}", scenario(&checks, steps));
    insta::assert_snapshot!("lint_scenario_shape", lint("broken.yaml", &text).exits(2).err);
}

#[test]
fn wrong_names_in_a_scenario_are_all_said_at_once() {
    let checks = "  BTN-BROKEN-01: {title: a clause that is not there, covers: [BTN-999]}
  BTN-BROKEN-02: {title: asserted, covers: [BTN-01]}
  BTN-BROKEN-03: {title: never asserted, covers: [BTN-01]}
  BTN-BROKEN-04: {title: of two levels, covers: [BTN-01, BTN-10, BTN-12]}
";
    let steps = "  - send: {operation: genarate}
    expect: [{check: BTN-BROKEN-01, outcome: isued}]
  - hook: {name: pres, say: Press it.}
  - send: {operation: validate, token: '${tokn}'}
    expect: [{check: BTN-BROKEN-02, outcome: accepted}]
  - send: {operation: validate, token: '${token|uper}'}
    expect: [{check: BTN-BROKEN-02, outcome: accepted, status: 2xy}]
  - send: {operation: validate, token: '${identity.second.password}'}
    expect: [{check: BTN-BROKEN-02, outcome: refused}]
  - wait: 20 sec
  - send: {operation: generate, color: blue}
    controls: [token_wrks]
    expect: [{check: BTN-BROKEN-09, outcome: issued, json: {'$.a[': {equls: 1}}}]
";
    let steps = steps.replace(", color: blue", "");
    let run = lint("broken.yaml", &scenario(checks, &steps));
    insta::assert_snapshot!("lint_scenario_meaning", run.exits(2).err);
}

#[test]
fn a_scenario_needs_a_check_and_a_step() {
    let nothing = "scenario: gateway-button/broken\ntitle: Nothing\nchecks: {}\nsteps: []\n";
    insta::assert_snapshot!("lint_scenario_empty", lint("broken.yaml", nothing).exits(2).err);
}

#[test]
fn wrong_keys_and_words_in_a_profile_are_all_said_at_once() {
    let profile = "target: mine
base_url: http://127.0.0.1:8080
clock: {mode: vrtual}
colour: red
limits: {deadline: 5, max_anser_bytes: 1}
flows:
  gateway-buton: {}
  channel-login:
    identities: {first: {username: {public: x}, password: {plain: secret}}}
";
    insta::assert_snapshot!("lint_profile_shape", lint("mine.yaml", profile).exits(2).err);
}

#[test]
fn wrong_names_in_a_profile_are_all_said_at_once() {
    let profile = "target: mine
base_url: localhost:8080
limits: {deadline: soon}
hooks:
  pres: [{tty: {}}]
flows:
  channel-login:
    choices: {answer_type: xml, answr_type: text}
    capabilities: {brst: true}
  jwt-login:
    operations: {lgin: {path: /x}}
  gateway-buton: {}
";
    insta::assert_snapshot!("lint_profile_meaning", lint("mine.yaml", profile).exits(2).err);
}

#[test]
fn a_file_that_is_not_there_is_named() {
    gatecrash(&["lint", "no-such-file.yaml"])
        .exits(2)
        .complains("no-such-file.yaml cannot be read");
}

#[test]
fn an_empty_file_and_one_of_odd_bytes_are_mistakes_and_no_breakdown() {
    for text in ["", "\u{0}\u{1}", "- a\n- b\n", "&a [*a]\n", "a: 1\na: 2\n"] {
        lint("odd.yaml", text).exits(2).complains("odd.yaml");
    }
}

#[test]
fn a_text_that_grows_when_it_is_read_is_refused() {
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let below = format!("*a{}", level - 1);
        let items = [below.as_str(); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{items}]").unwrap();
    }
    lint("bomb.yaml", &bomb).exits(2).complains("bomb.yaml");
    let deep = format!("a: {}{}\n", "[".repeat(20_000), "]".repeat(20_000));
    lint("deep.yaml", &deep).exits(2).complains("deep.yaml");
}
