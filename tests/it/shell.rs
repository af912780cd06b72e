//! What shells and readers of manuals get: completions, manual pages, help.

use gatecrash::cli::Exit;
use regex::Regex;

use crate::support::gatecrash;

/// The commands that the help lists.
fn commands() -> Vec<String> {
    let help = gatecrash(&["--help"]).exits(Exit::Conformant as i32).out.clone();
    let list = help.split("Commands:").nth(1).unwrap().split("Options:").next().unwrap();
    let name = Regex::new(r"(?m)^  ([a-z-]+) ").unwrap();
    let names: Vec<String> = name.captures_iter(list).map(|found| found[1].to_owned()).collect();
    assert!(names.len() >= 20, "{names:?}");
    names.into_iter().filter(|name| name != "help").collect()
}

#[test]
fn the_help_of_every_command_has_an_example_of_it() {
    for name in commands() {
        let run = gatecrash(&[&name, "--help"]);
        run.exits(0).says("Example").says(&format!("gatecrash {name}"));
    }
}

#[test]
fn completions_and_manual_pages_know_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let run = gatecrash(&["completions", shell]);
        for name in commands() {
            run.exits(0).says(&name);
        }
    }
    let folder = tempfile::tempdir().unwrap();
    gatecrash(&["man", "--write", folder.path().to_str().unwrap()]).exits(0);
    for name in commands() {
        let page =
            std::fs::read_to_string(folder.path().join(format!("gatecrash-{name}.1"))).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    gatecrash(&["man"]).exits(0).says(".TH gatecrash 1");
    gatecrash(&["man", "--write", "/no/such/folder"]).exits(2).complains("is no folder");
    gatecrash(&["completions", "cmd"]).exits(2).complains("powershell");
}
