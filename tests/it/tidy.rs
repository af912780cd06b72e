//! Rules of the repository that no compiler checks.

use std::collections::{BTreeMap, BTreeSet};

use gatecrash::cli::Exit;

use crate::support::{files, gatecrash, library, relative, root};

/// Which module may name which: arrows point down only, and the two halves of layer four do not know each other.
const EDGES: [(&str, &[&str]); 21] = [
    ("model", &[]),
    ("source", &[]),
    ("stats", &["source"]),
    ("contract", &["model", "source"]),
    ("scenario", &["model", "source", "contract"]),
    ("target", &["model", "source", "contract", "scenario"]),
    ("forge", &["source", "scenario"]),
    ("wire", &["model"]),
    ("hook", &["model", "wire"]),
    ("clock", &["model", "wire", "hook"]),
    (
        "engine",
        &["model", "source", "contract", "scenario", "target", "forge", "wire", "hook", "clock"],
    ),
    ("event", &["model"]),
    (
        "check",
        &[
            "model", "source", "contract", "scenario", "target", "wire", "hook", "clock", "engine",
            "event",
        ],
    ),
    (
        "fuzz",
        &[
            "model", "source", "contract", "scenario", "target", "forge", "wire", "hook", "clock",
            "engine", "event",
        ],
    ),
    (
        "load",
        &["model", "source", "stats", "scenario", "target", "wire", "hook", "clock", "engine"],
    ),
    ("locust", &["model"]),
    ("metrics", &["stats"]),
    ("draft", &["model", "source", "scenario", "target"]),
    ("selftest", &["model", "scenario", "target", "engine", "event", "check", "fuzz"]),
    ("report", &["model", "stats", "event"]),
    (
        "cli",
        &[
            "model", "source", "contract", "scenario", "target", "wire", "hook", "clock", "engine",
            "event", "check", "fuzz", "load", "locust", "metrics", "draft", "selftest", "report",
            "stats",
        ],
    ),
];

/// The modules of the crate that a line of a file names, by `crate::` or by climbing up with `super::`.
fn named_modules(line: &str, depth: usize) -> Vec<String> {
    let mut named = Vec::new();
    let climb = "super::".repeat(depth);
    for prefix in ["crate::", climb.as_str()] {
        for (at, _) in line.match_indices(prefix) {
            let before = line[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                continue;
            }
            let name: String = line[at + prefix.len()..]
                .chars()
                .take_while(|c| c.is_alphanumeric() || *c == '_')
                .collect();
            assert!(
                !name.is_empty() || prefix != "crate::",
                "name one module a line, so that this rule can be read: {line}"
            );
            named.push(name);
        }
    }
    named
}

/// The lines of a Rust file that are code, without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim_start);
    lines.filter(|line| !line.is_empty() && !line.starts_with("//"))
}

#[test]
fn modules_only_name_those_of_lower_layers() {
    let allowed = BTreeMap::from(EDGES);
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for path in files("src", ".rs") {
        let name = relative(&path);
        let place = name.trim_start_matches("src/").trim_end_matches(".rs");
        let parts: Vec<&str> = place.split('/').filter(|part| *part != "mod").collect();
        let module = parts[0];
        if module == "lib" || module == "main" {
            continue;
        }
        let edges = allowed
            .get(module)
            .unwrap_or_else(|| panic!("the module `{module}` has no place in the table of layers"));
        let text = std::fs::read_to_string(&path).unwrap();
        for line in code(&text) {
            for named in named_modules(line, parts.len()) {
                if named == module || !allowed.contains_key(named.as_str()) {
                    continue;
                }
                seen.insert((module.to_owned(), named.clone()));
                if !edges.contains(&named.as_str()) {
                    wrong.push(format!("{name}: {module} -> {named}: {line}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that point up:\n{}", wrong.join("\n"));
    // A rule that sees no arrows would always hold.
    for edge in [("engine", "wire"), ("report", "event"), ("cli", "check")] {
        let edge = (edge.0.to_owned(), edge.1.to_owned());
        assert!(seen.contains(&edge), "{edge:?} was not seen");
    }
}

#[test]
fn the_layer_rule_sees_every_way_to_name_a_module() {
    for (line, depth, named) in [
        ("use crate::wire::Wires;", 2, vec!["wire"]),
        ("let x = crate::hook::HookCall {", 1, vec!["hook"]),
        ("use super::hook::Hooks;", 1, vec!["hook"]),
        ("use super::super::cli::Exit;", 2, vec!["cli"]),
        ("use super::hook::Hooks;", 2, vec![]),
        ("use other_crate::wire::Wires;", 2, vec![]),
    ] {
        assert_eq!(named_modules(line, depth), named, "{line}");
    }
}

#[test]
fn the_reference_server_is_only_named_by_the_command_line() {
    let mut seen = 0;
    for path in files("src", ".rs") {
        let name = relative(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let named = code(&text).filter(|line| line.contains("reference_server")).count();
        if name.starts_with("src/cli/") {
            seen += named;
        } else {
            assert_eq!(named, 0, "{name} names the reference server");
        }
    }
    assert!(seen > 0, "nobody names the reference server: this rule looks for the wrong word");
    for path in files("reference-server/src", ".rs") {
        let text = std::fs::read_to_string(&path).unwrap();
        let named = code(&text).any(|line| line.contains("gatecrash::"));
        assert!(!named, "{} names the judge", relative(&path));
    }
}

#[test]
fn only_the_command_line_prints() {
    let printing = ["println!", "print!", "eprintln!", "eprint!", "dbg!"];
    let mut seen = 0;
    for path in files("src", ".rs") {
        let name = relative(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        for line in code(&text).filter(|line| printing.iter().any(|word| line.contains(word))) {
            seen += 1;
            assert!(name.starts_with("src/cli/"), "{name} prints: {line}");
        }
    }
    assert!(seen > 0, "nobody prints: this rule looks for the wrong words");
}

/// Files that are longer than the rest, each with its reason.
const LONG: [(&str, &str); 1] =
    [("reference-server/src/fault.rs", "a table of four hundred rows of three lines")];

const MOST_LINES: usize = 500;

/// Lines that are neither blank nor comments nor in a module of tests at the end of the file.
fn lines_of_code(text: &str) -> usize {
    let own = match text.find("#[cfg(test)]\nmod tests {") {
        Some(at) => &text[..at],
        None => text,
    };
    code(own).count()
}

#[test]
fn files_are_short_enough_to_be_read() {
    let mut long = Vec::new();
    let mut checked = 0;
    for path in files("src", ".rs").into_iter().chain(files("reference-server/src", ".rs")) {
        let name = relative(&path);
        let file = path.file_stem().unwrap().to_string_lossy().into_owned();
        if file == "tests" || file == "test_server" {
            continue;
        }
        checked += 1;
        let lines = lines_of_code(&std::fs::read_to_string(&path).unwrap());
        let excused = LONG.iter().any(|(excused, _)| *excused == name);
        match (lines > MOST_LINES, excused) {
            (true, false) => long.push(format!("{name} has {lines} lines of code")),
            (false, true) => long.push(format!("{name} is short now: take it from the list")),
            _ => {}
        }
    }
    assert!(checked > 50, "only {checked} files were looked at");
    assert!(long.is_empty(), "at most {MOST_LINES} lines:\n{}", long.join("\n"));
}

#[test]
fn lines_of_code_are_counted_without_tests_comments_and_blanks() {
    let text =
        "//! What.\n\nuse x;\n// Why.\nfn f() {}\n\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n";
    assert_eq!(lines_of_code(text), 2);
}

#[test]
fn every_shipped_file_points_editors_at_its_schema() {
    for path in files("scenarios", ".yaml") {
        let name = relative(&path);
        let text = std::fs::read_to_string(&path).unwrap();
        let first = text.lines().next().unwrap_or_default();
        let key = text.lines().find(|line| !line.starts_with('#')).unwrap_or_default();
        let kind = match key.split(':').next().unwrap_or_default() {
            "target" => "profile",
            "attacks" => "vectors",
            other => other,
        };
        let up = if path.parent() == Some(&root().join("scenarios")) { "" } else { "../" };
        let wanted = format!("# yaml-language-server: $schema={up}{kind}.schema.json");
        assert_eq!(first, wanted, "the first line of {name}");
    }
}

#[test]
fn the_schemas_in_the_folder_are_those_of_the_program() {
    for kind in ["contract", "flow", "profile", "scenario"] {
        let path = format!("scenarios/{kind}.schema.json");
        let run = gatecrash(&["schema", kind]);
        run.exits(0);
        let stored = std::fs::read_to_string(root().join(&path)).unwrap_or_default();
        let again = "run `gatecrash schema --write scenarios`";
        assert!(stored == run.out, "{path} is missing or old: {again}");
    }
}

#[test]
fn the_catalogue_has_all_clauses_of_all_documents() {
    let library = library();
    let mut counts = BTreeMap::new();
    let mut ids = BTreeSet::new();
    for (_, clause) in library.catalogue.clauses() {
        let id = clause.id.as_str();
        let prefix = id.split('-').next().unwrap_or_default().to_owned();
        *counts.entry(prefix).or_insert(0) += 1;
        assert!(ids.insert(id.to_owned()), "{id} is there twice");
    }
    let wanted = [("BTN", 78), ("CHN", 38), ("JWT", 85), ("SUC", 39), ("VMS", 49), ("X", 76)];
    let wanted = wanted.map(|(prefix, count)| (prefix.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(wanted));
    assert_eq!(ids.len(), 365);
}

/// The rows of the table in a document that has these two columns, as code and meaning.
fn exit_table(text: &str) -> Vec<(u8, String)> {
    let rows = text.lines().skip_while(|line| !line.starts_with("| exit | when |"));
    let rows = rows.skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| {
        let mut cells = row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', ""));
        let code = cells.next().unwrap_or_default();
        let code = code.parse().unwrap_or_else(|_| panic!("no exit code in {row}"));
        (code, cells.next().unwrap_or_default())
    })
    .collect()
}

#[test]
fn the_readme_lists_the_exit_codes_that_there_are() {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap_or_default();
    let wanted: Vec<u8> = Exit::ALL.iter().map(|(exit, _)| *exit as u8).collect();
    let table = exit_table(&text);
    let listed: Vec<u8> = table.iter().map(|(code, _)| *code).collect();
    assert_eq!(listed, wanted, "the table `| exit | when |` of README.md");
    for (code, meaning) in table {
        assert!(!meaning.is_empty(), "exit code {code} has no meaning");
    }
}
