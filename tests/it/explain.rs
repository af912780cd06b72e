//! The commands that only tell: `list`, `explain`, `coverage`, `schema`, and the help.

use gatecrash::cli::Exit;
use serde_json::Value;

use crate::support::{gatecrash, gatecrash_unread};

fn told(arguments: &[&str]) -> String {
    let run = gatecrash(arguments);
    run.exits(0);
    assert_eq!(run.err, "", "{arguments:?}");
    run.out
}

#[test]
fn the_help_names_every_command() {
    insta::assert_snapshot!("help", told(&["--help"]));
}

#[test]
fn a_call_without_a_command_shows_the_help_and_is_a_mistake() {
    gatecrash(&[]).exits(2).complains("Usage: gatecrash");
}

#[test]
fn an_unknown_command_is_a_mistake_with_a_hint() {
    gatecrash(&["chek"]).exits(2).complains("check");
}

#[test]
fn the_version_is_that_of_the_package() {
    assert_eq!(told(&["--version"]), format!("gatecrash {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_clause_is_explained_with_its_source_and_its_checks() {
    insta::assert_snapshot!("explain_clause", told(&["explain", "BTN-04"]));
}

#[test]
fn a_gap_is_explained_with_its_answers() {
    insta::assert_snapshot!("explain_gap", told(&["explain", "second_press"]));
}

#[test]
fn a_fault_is_explained_with_the_clauses_that_it_breaks() {
    insta::assert_snapshot!("explain_fault", told(&["explain", "window-race"]));
}

#[test]
fn a_check_is_explained_with_the_command_that_runs_it() {
    let text = told(&["explain", "BTN-WINDOW-01"]);
    for part in ["BTN-WINDOW-01", "BTN-01", "gatecrash check --only BTN-WINDOW-01"] {
        assert!(text.contains(part), "no {part} in {text}");
    }
}

#[test]
fn verdicts_and_exit_codes_are_explained() {
    // Loading the catalogue takes a second in a debug build: a few stand for all.
    for verdict in ["blocked", "na"] {
        let text = told(&["explain", verdict]);
        assert!(text.starts_with(&format!("verdict {verdict}: ")), "{text}");
    }
    for (exit, meaning) in [Exit::ALL[0], Exit::ALL[6]] {
        let code = exit as u8;
        let text = told(&["explain", &code.to_string()]);
        assert_eq!(text.trim_end(), format!("exit code {code}: {meaning}"));
    }
}

#[test]
fn what_nobody_knows_is_said_with_a_hint() {
    gatecrash(&["explain", "blockd"]).exits(2).complains("did you mean `blocked`?");
    gatecrash(&["explain", "BTN-999"]).exits(2).complains("`BTN-999`");
    gatecrash(&["list", "fault"]).exits(2).complains("faults");
    gatecrash(&["list", "clauses", "--flow", "nothing"]).exits(2).complains("gateway-button");
}

#[test]
fn lists_have_a_line_for_each_thing() {
    for (what, first, least) in [
        ("checks", "X-", 800),
        ("clauses", "BTN-01", 365),
        ("faults", "any-scheme-accepted", 100),
        ("gaps", "", 40),
        ("scenarios", "", 140),
        ("variants", "", 40),
    ] {
        let text = told(&["list", what]);
        let lines = text.lines().count();
        assert!(lines >= least, "{what}: {lines}");
        assert!(text.lines().all(|line| !line.trim().is_empty()), "{what} has empty lines");
        assert!(text.lines().any(|line| line.starts_with(first)), "{what} has no {first}");
    }
    assert_eq!(told(&["list", "clauses"]).lines().count(), 365);
}

#[test]
fn a_list_can_be_of_one_flow() {
    let clauses = told(&["list", "clauses", "--flow", "visitor-login"]);
    assert_eq!(clauses.lines().count(), 49);
    assert!(clauses.lines().all(|line| line.starts_with("VMS-")), "{clauses}");
    insta::assert_snapshot!(
        "list_gaps_of_the_visitor_login",
        told(&["list", "gaps", "--flow", "visitor-login"])
    );
}

#[test]
fn coverage_counts_every_clause_once() {
    let text = told(&["coverage"]);
    let last = text.lines().last().unwrap();
    let numbers: Vec<usize> = last.split([' ', ',']).filter_map(|word| word.parse().ok()).collect();
    let [covered, all, explained, neither] = numbers[..] else { panic!("{last}") };
    assert_eq!((all, covered + explained + neither), (365, 365), "{last}");
    let missing = told(&["coverage", "--missing"]);
    let listed = missing.lines().filter(|line| line.contains('-')).count();
    assert!(listed >= explained + neither, "{missing}");
    let strict = gatecrash(&["coverage", "--strict"]);
    assert_eq!(strict.code, i32::from(neither > 0), "{last}");
}

#[test]
fn schemas_are_json_schemas_that_refuse_unknown_keys() {
    for kind in ["contract", "flow", "profile", "scenario"] {
        let schema: Value = serde_json::from_str(&told(&["schema", kind])).unwrap();
        assert_eq!(schema["type"], "object", "{kind}");
        assert_eq!(schema["additionalProperties"], false, "{kind}");
        assert!(schema["$schema"].as_str().unwrap().contains("json-schema.org"), "{kind}");
    }
}

#[test]
fn schemas_are_written_into_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    told(&["schema", "--write", folder.path().to_str().unwrap()]);
    let text = std::fs::read_to_string(folder.path().join("scenario.schema.json")).unwrap();
    assert_eq!(text, told(&["schema", "scenario"]));
    gatecrash(&["schema"]).exits(2);
}

#[test]
fn scenarios_of_another_folder_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    gatecrash(&["list", "--scenarios", path]).exits(2).complains("no scenario files");
    gatecrash(&["list", "--scenarios", "/no/such/folder"]).exits(2).complains("/no/such/folder");
    let shipped = crate::support::root().join("scenarios");
    let same = told(&["list", "scenarios", "--scenarios", shipped.to_str().unwrap()]);
    assert!(same == told(&["list", "scenarios"]), "the copy in the binary is another one");
}

#[test]
fn a_reader_who_has_seen_enough_is_no_breakdown() {
    // As in `gatecrash list variants | head -1`.
    let run = gatecrash_unread(&["list", "variants"]);
    assert!(!run.err.contains("panicked"), "{}", run.err);
}
