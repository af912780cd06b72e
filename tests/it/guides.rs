//! Every command of the README and of the guides, run in the order in which it stands there.
//!
//! What starts a server gets free ports; what would take minutes gets arguments that make it short. Each block of a file
//! that begins with `# file: NAME` is written first.

use std::path::{Path, PathBuf};
use std::time::Duration;

use regex::Regex;

use crate::support::{Run, Served, files, gatecrash, gatecrash_here, relative, root};

/// Commands that take too long as they stand, with what is added to them here.
const SHORTENED: [(&str, &str); 8] = [
    (
        "gatecrash load --find-capacity",
        "--rate 500 --connections 2 --duration 1s --threshold p99<1us",
    ),
    (
        "gatecrash load my-server.yaml --rate 2000",
        "--rate 1100 --duration 1s --warm-up 0ms --threshold p99<10s",
    ),
    ("gatecrash load --mix", "--tokens 100 --duration 1s --warm-up 0ms --connections 2"),
    ("gatecrash check --report", "--only BTN-01"),
    ("gatecrash selftest", "--fault window-* --seeds 1"),
    ("gatecrash load", "--duration 1s --warm-up 0ms --connections 2"),
    ("gatecrash fuzz my-server.yaml", "--cases 40"),
    ("gatecrash check my-server.yaml --max-wait 10s", "--only VMS-01"),
];

/// Commands that tell what a busy machine does to them, with the exit codes for it.
const BUSY: [(&str, &[i32]); 2] =
    [("gatecrash load my-server.yaml --rate", &[4]), ("gatecrash load --find-capacity", &[1, 4])];

/// Commands that are not run here, each with where it is.
const ELSEWHERE: [(&str, &str); 3] = [
    ("cargo run --release -- check", "the same as `whole()` of these tests, and a step of .ci/run"),
    ("cargo test --workspace", "this is it"),
    ("cargo install --path .", "the program is built already"),
];

/// A document while its commands are run.
struct Reader {
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
    server: Option<Served>,
    ran: usize,
}

/// One command of a document.
struct Command {
    line: String,
    /// The exit codes with which it may end.
    codes: Vec<i32>,
}

/// The commands of a document and the files that it shows, in order.
enum Part {
    Command(Command),
    File(PathBuf, String),
}

fn parts(text: &str) -> Vec<Part> {
    let exit = Regex::new(r"\s+# exit ([0-9, or]+)$").unwrap();
    let mut parts = Vec::new();
    let mut block: Option<(String, Vec<&str>)> = None;
    for line in text.lines() {
        match (&mut block, line.strip_prefix("```")) {
            (None, Some(kind)) => block = Some((kind.to_owned(), Vec::new())),
            (Some((kind, lines)), Some(_)) => {
                if kind == "yaml" && lines[0].starts_with("# file: ") {
                    let name = PathBuf::from(lines[0].trim_start_matches("# file: "));
                    parts.push(Part::File(name, lines.join("\n") + "\n"));
                }
                for line in lines.iter().filter(|_| kind == "console") {
                    let Some(command) = line.strip_prefix("$ ") else { continue };
                    let codes = exit.captures(command).map_or(vec![0], |found| {
                        let numbers = found[1].split(|c: char| !c.is_ascii_digit());
                        numbers.filter_map(|number| number.parse().ok()).collect()
                    });
                    let line = exit.replace(command, "").into_owned();
                    parts.push(Part::Command(Command { line, codes }));
                }
                block = None;
            }
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    parts
}

/// The words of a command line, as a shell would split them; patterns of files are filled in.
fn words(line: &str, folder: &Path) -> Vec<String> {
    let word = Regex::new(r#"(?:[^\s'"]|'[^']*'|"[^"]*")+"#).unwrap();
    let mut words = Vec::new();
    for found in word.find_iter(line) {
        let text = found.as_str();
        if let Some(start) = text.strip_suffix("/*.yaml") {
            let mut inside: Vec<String> = std::fs::read_dir(folder.join(start))
                .unwrap_or_else(|error| panic!("{text}: {error}"))
                .map(|entry| format!("{start}/{}", entry.unwrap().file_name().to_string_lossy()))
                .filter(|name| name.ends_with(".yaml"))
                .collect();
            inside.sort();
            assert!(!inside.is_empty(), "{text} has no files");
            words.extend(inside);
        } else {
            words.push(text.replace(['\'', '"'], ""));
        }
    }
    words
}

impl Reader {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), variables: Vec::new(), server: None, ran: 0 }
    }

    /// Addresses of the documents, as the server of this test has them.
    fn placed(&self, text: &str) -> String {
        match &self.server {
            Some(server) => text
                .replace("http://127.0.0.1:8080", &server.api)
                .replace("http://127.0.0.1:8081", &server.control),
            None => text.to_owned(),
        }
    }

    fn run(&mut self, document: &str, command: &Command) {
        let Command { line, codes } = command;
        if ELSEWHERE.iter().any(|(start, _)| line.starts_with(start)) {
            return;
        }
        self.ran += 1;
        if let Some(pairs) = line.strip_prefix("export ") {
            let pairs = pairs.split(' ').map(|pair| pair.split_once('=').unwrap());
            self.variables.extend(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())));
            return;
        }
        let all = words(&self.placed(line), self.folder.path());
        match all[0].as_str() {
            "gatecrash" if all[1] == "serve" => {
                let given: Vec<&str> = all[2..].iter().map(String::as_str).collect();
                self.server = Some(Served::start(&given));
            }
            "gatecrash" => {
                let mut all = all[1..].to_vec();
                if let Some((_, more)) = SHORTENED.iter().find(|(start, _)| line.starts_with(start))
                {
                    // What comes later counts where an argument is there twice.
                    let more = more.split_whitespace().map(str::to_owned);
                    let (names, given): (Vec<String>, Vec<String>) = (all.clone(), more.collect());
                    for pair in given.chunks(2) {
                        match names.iter().position(|name| *name == pair[0]) {
                            Some(at) if pair[0] != "--only" => all[at + 1].clone_from(&pair[1]),
                            _ => all.extend(pair.iter().cloned()),
                        }
                    }
                }
                if let Some(server) =
                    self.server.as_ref().filter(|_| ["press", "advance"].contains(&all[0].as_str()))
                {
                    all.extend(["--control".to_owned(), server.control.clone()]);
                }
                let run = self.gatecrash(&all);
                let said =
                    format!("{document}: {line}\n--- out\n{}\n--- err\n{}", run.out, run.err);
                let busy = BUSY.iter().find(|(start, _)| line.starts_with(start));
                let right = codes.contains(&run.code)
                    || busy.is_some_and(|(_, codes)| codes.contains(&run.code));
                assert!(right, "exit code {}, not {codes:?}: {said}", run.code);
            }
            "curl" => {
                let done = std::process::Command::new("curl").arg("-sS").args(&all[1..]).output();
                // Not every machine has it; what it would ask is asked by other tests.
                if let Ok(done) = done {
                    assert!(done.status.success(), "{document}: {line}: {done:?}");
                }
            }
            other => panic!("{document}: nobody here knows how to run `{other}`: {line}"),
        }
    }

    fn gatecrash(&self, all: &[String]) -> Run {
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        gatecrash_here(self.folder.path(), &self.variables, Duration::from_secs(120), &all)
    }
}

/// Runs all commands of a document; how many there were.
#[track_caller]
fn follow(path: &Path) -> usize {
    let document = relative(path);
    let mut reader = Reader::new();
    for part in parts(&std::fs::read_to_string(path).unwrap()) {
        match part {
            Part::Command(command) => reader.run(&document, &command),
            Part::File(name, text) => {
                let path = reader.folder.path().join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, reader.placed(&text)).unwrap();
            }
        }
    }
    reader.ran
}

#[test]
fn every_command_of_the_readme_does_what_it_says() {
    assert!(follow(&root().join("README.md")) >= 10);
}

#[test]
fn every_command_of_the_guides_does_what_it_says() {
    let guides: Vec<PathBuf> = files("docs", ".md")
        .into_iter()
        .filter(|path| !relative(path).contains("contracts/"))
        .collect();
    let mut ran = Vec::new();
    std::thread::scope(|scope| {
        // All at once: most of them wait for a server.
        let mut runs = Vec::new();
        for path in &guides {
            runs.push(scope.spawn(|| (relative(path), follow(path))));
        }
        ran.extend(runs.into_iter().map(|run| run.join().unwrap()));
    });
    for (guide, ran) in ran {
        assert!(ran > 0 || guide == "docs/README.md", "{guide} has no command");
    }
}

#[test]
fn every_link_between_the_documents_leads_somewhere() {
    let link = Regex::new(r"\]\(([^)#]+)[^)]*\)").unwrap();
    let documents =
        ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "scenarios/README.md"];
    let documents = documents.iter().map(|name| root().join(name)).chain(files("docs", ".md"));
    let mut checked = 0;
    for path in documents {
        let text = std::fs::read_to_string(&path).unwrap();
        for found in link.captures_iter(&text).filter(|found| !found[1].contains("://")) {
            let target = path.parent().unwrap().join(&found[1]);
            assert!(target.exists(), "{} leads to {}", relative(&path), &found[1]);
            checked += 1;
        }
    }
    assert!(checked > 20, "{checked} links");
}

#[test]
fn the_contract_pages_are_those_of_the_program() {
    let folder = tempfile::tempdir().unwrap();
    gatecrash(&["explain", "--pages", folder.path().to_str().unwrap()]).exits(0);
    let mut seen = 0;
    for path in files("docs/contracts", ".md") {
        let fresh = std::fs::read_to_string(folder.path().join(path.file_name().unwrap())).unwrap();
        let stored = std::fs::read_to_string(&path).unwrap();
        assert!(
            fresh == stored,
            "{} is old: gatecrash explain --pages docs/contracts",
            relative(&path)
        );
        seen += 1;
    }
    assert_eq!(seen, std::fs::read_dir(folder.path()).unwrap().count());
}
