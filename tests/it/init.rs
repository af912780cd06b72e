//! `gatecrash init`: a first profile that is right, whatever is taken out from behind its `#`.

use std::collections::BTreeMap;
use std::path::Path;

use gatecrash::draft::{Description, Draft, DraftClock, write};
use gatecrash::model::Flow;
use gatecrash::source::SourceFile;
use gatecrash::target::{Library, Profile};
use serde_json::Value;

use crate::support::{Served, gatecrash_told, library, root};

fn draft<'a>(flows: &'a [Flow], description: Option<&'a Description>) -> Draft<'a> {
    Draft {
        target: "server",
        base_url: "http://127.0.0.1:8080",
        flows,
        clock: DraftClock::Real,
        control: None,
        description,
    }
}

fn described(name: &str) -> Description {
    let path = root().join("tests/it/openapi").join(name);
    Description::parse(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[track_caller]
fn is_right(library: &Library, text: &str, what: &str) -> Profile {
    let file = SourceFile::new("draft.yaml", text);
    Profile::parse(&file, library, &|_| Ok("secret".to_owned())).unwrap_or_else(|list| {
        let wrong: Vec<String> = list.iter().map(ToString::to_string).collect();
        panic!("{what}: {wrong:#?}\n{text}")
    })
}

/// The column at which a line is out of use, where it is.
fn waits(line: &str) -> Option<usize> {
    let rest = line.trim_start();
    (rest.starts_with("# ") && !rest.contains("$schema=")).then(|| line.len() - rest.len())
}

fn put_into_use(text: &str, chosen: impl Fn(usize) -> bool) -> String {
    let line = |(index, line): (usize, &str)| match waits(line).filter(|_| chosen(index)) {
        Some(column) => format!("{}{}\n", &line[..column], &line[column + 2..]),
        None => format!("{line}\n"),
    };
    text.lines().enumerate().map(line).collect()
}

/// Every set of lines that a person may take the `#` from: a whole block, and a key of it with one of its members.
fn choices_of_lines(text: &str) -> Vec<Vec<usize>> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks: Vec<Vec<usize>> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(column) = waits(line) else { continue };
        match blocks.last_mut().filter(|block| {
            block
                .last()
                .is_some_and(|last| last + 1 == index && waits(lines[*last]) == Some(column))
        }) {
            Some(block) => block.push(index),
            None => blocks.push(vec![index]),
        }
    }
    let depth = |index: usize| {
        let column = waits(lines[index]).unwrap();
        let inner = &lines[index][column + 2..];
        let bare = inner.trim_start();
        (inner.len() - bare.len(), bare.starts_with('#'))
    };
    let mut chosen = blocks.clone();
    for block in &blocks {
        let mut parent = None;
        for (at, index) in block.iter().enumerate() {
            match depth(*index) {
                (_, true) => {}
                (0, false) => parent = Some(*index),
                (2, false) => {
                    let below = block[at + 1..].iter().take_while(|next| depth(**next).0 > 2);
                    let member = std::iter::once(index).chain(below).copied();
                    chosen.push(parent.into_iter().chain(member).collect());
                }
                _ => {}
            }
        }
    }
    chosen
}

#[test]
fn whatever_is_put_into_use_the_profile_stays_right() {
    let library = library();
    let api = described("json-login.yaml");
    let mut waiting = 0;
    // Flow by flow: each choice is read as a whole profile, and binding five flows for each takes a minute.
    for flow in Flow::DOCUMENTED {
        let described = Some(&api).filter(|_| flow == Flow::JwtLogin);
        let text = write(&library, &draft(&[flow], described)).unwrap().text;
        is_right(&library, &text, flow.name());
        let chosen = choices_of_lines(&text);
        waiting += chosen.len();
        for lines in &chosen {
            let changed = put_into_use(&text, |index| lines.contains(&index));
            is_right(&library, &changed, &format!("{flow}, lines {lines:?}"));
        }
    }
    assert!(waiting >= 150, "only {waiting} things are out of use");
}

#[test]
fn everything_that_waits_in_a_draft_can_be_put_into_use_at_once() {
    let library = library();
    let api = described("json-login.yaml");
    let controlled = Draft {
        clock: DraftClock::Virtual,
        control: Some("http://127.0.0.1:8081"),
        ..draft(&Flow::DOCUMENTED, None)
    };
    for (what, draft) in [
        ("all flows", draft(&Flow::DOCUMENTED, None)),
        ("all flows of a described server", draft(&Flow::DOCUMENTED, Some(&api))),
        ("a reference server", controlled),
        ("no clock", Draft { clock: DraftClock::None, ..draft(&[Flow::ChannelLogin], None) }),
    ] {
        let text = write(&library, &draft).unwrap().text;
        is_right(&library, &text, what);
        assert!(!choices_of_lines(&text).is_empty(), "{what}: nothing waits");
        let everything = put_into_use(&text, |_| true);
        is_right(&library, &everything, what);
        // What is left behind `##` is no key.
        assert!(choices_of_lines(&everything).is_empty(), "{everything}");
    }
}

#[test]
fn what_a_draft_puts_into_use_is_what_the_documents_say() {
    let library = library();
    for flow in Flow::DOCUMENTED {
        let text = write(&library, &draft(&[flow], None)).unwrap().text;
        let documented = library.bind(flow, "http://127.0.0.1:8080", None).unwrap();
        for text in [text.clone(), put_into_use(&text, |_| true)] {
            let drafted = &is_right(&library, &text, flow.name()).flows[&flow];
            for (drafted, documented) in [
                (format!("{:?}", drafted.operations), format!("{:?}", documented.operations)),
                (format!("{:?}", drafted.lifetimes), format!("{:?}", documented.lifetimes)),
                (
                    format!("{:?}", drafted.outcomes.len()),
                    format!("{:?}", documented.outcomes.len()),
                ),
            ] {
                assert!(drafted == documented, "{flow}:\n{drafted}\n{documented}");
            }
        }
    }
}

#[test]
fn every_gap_and_capability_of_a_flow_stands_in_its_draft() {
    let library = library();
    for flow in Flow::DOCUMENTED {
        let text = put_into_use(&write(&library, &draft(&[flow], None)).unwrap().text, |_| true);
        let profile = is_right(&library, &text, flow.name());
        let binding = &profile.flows[&flow];
        let gaps = &library.catalogue.contract(flow).unwrap().gaps;
        assert!(gaps.keys().eq(binding.choices.keys()) || gaps.len() == binding.choices.len());
        for need in library.scenarios.iter().filter(|s| s.flow == flow).flat_map(|s| &s.needs) {
            let name = need.to_string();
            let capability = name.trim_start_matches("capability.");
            let known = match name.split_once('.') {
                Some(("identity", role)) => binding.identities.contains_key(role),
                Some(("parameter", path)) => {
                    let (operation, rest) = path.split_once('.').unwrap();
                    let name = rest.split('.').next().unwrap();
                    binding.operations[operation].parameters.contains_key(name)
                }
                Some(_) => binding.capabilities.contains_key(capability),
                None if name == "clock" || name == "environments" => true,
                None => profile.hooks.contains_key(&name),
            };
            assert!(known, "{flow}: {name}");
        }
        let words = text.replace("the scenarios ask for it", "");
        assert_eq!(words.len(), text.len(), "a capability of {flow} is not explained");
    }
}

#[test]
fn no_literal_secret_stands_in_a_draft() {
    let library = library();
    let api = described("swagger2.yaml");
    let drafted = write(&library, &draft(&Flow::DOCUMENTED, Some(&api))).unwrap();
    let text = put_into_use(&drafted.text, |_| true);
    assert!(!text.contains("published:"), "{text}");
    for line in text.lines().filter(|line| line.contains("assword: {") && !line.contains("in: ")) {
        assert!(line.contains("{env: GATECRASH_"), "{line}");
    }
    for variable in &drafted.variables {
        assert!(variable.chars().all(|c| c.is_ascii_uppercase() || "_0123456789".contains(c)));
    }
}

/// The published accounts of the reference server, as the variables of a draft.
fn accounts() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(root().join("scenarios/reference.yaml")).unwrap();
    let profile: Value = serde_yaml::from_str(&text).unwrap();
    let mut accounts = BTreeMap::new();
    for (flow, keys) in profile["flows"].as_object().unwrap() {
        for (role, fields) in keys["identities"].as_object().into_iter().flatten() {
            for (field, value) in fields.as_object().unwrap() {
                let name = format!("GATECRASH_{flow}_{role}_{field}").to_uppercase();
                let value = value.as_object().unwrap().values().next().unwrap();
                accounts.insert(name.replace('-', "_"), value.as_str().unwrap().to_owned());
            }
        }
    }
    accounts
}

/// The variables that the program asked for, with the values of the reference server.
fn asked_for(told: &str) -> Vec<(String, String)> {
    let accounts = accounts();
    let names =
        told.lines().filter_map(|line| line.trim().strip_prefix("export ")?.strip_suffix('='));
    names.map(|name| (name.to_owned(), accounts[name].clone())).collect()
}

fn in_folder(folder: &Path, arguments: &[&str]) -> crate::support::Run {
    gatecrash_told(folder, &[], "", arguments)
}

#[test]
fn a_draft_with_its_variables_is_ready() {
    let server = Served::start(&["--clock", "virtual"]);
    let folder = tempfile::tempdir().unwrap();
    let all = Flow::DOCUMENTED.map(|flow| ["--flow", flow.name()]).concat();
    for (name, more, ready) in [
        ("plain.yaml", vec!["--clock", "none"], "✓ token of environment-token "),
        ("controlled.yaml", vec!["--control", &server.control], "✓ token of gateway-button "),
    ] {
        let mut arguments = vec!["init", name, "--no-input", "--url", &server.api];
        arguments.extend(all.iter().chain(&more));
        let run = in_folder(folder.path(), &arguments);
        run.exits(0).complains(&format!("gatecrash doctor {name}"));
        in_folder(folder.path(), &["lint", name]).exits(0);
        let variables = asked_for(&run.err);
        assert!(variables.len() > 15, "{variables:?}");
        let run = gatecrash_told(folder.path(), &variables, "", &["doctor", name, "--no-input"]);
        run.exits(0).says("\nREADY ").says(ready).says("✓ token of jwt-login ");
        // Without the variables each of them is named.
        let run = in_folder(folder.path(), &["doctor", name, "--no-input"]);
        run.exits(3)
            .complains("the environment variable GATECRASH_JWT_LOGIN_FIRST_PASSWORD is not set");
    }
}

#[test]
fn a_check_with_a_draft_proves_what_it_can() {
    let server = Served::start(&["--clock", "virtual"]);
    let folder = tempfile::tempdir().unwrap();
    let arguments =
        ["init", "--url", &server.api, "--control", &server.control, "--flow", "visitor-login"];
    let run = in_folder(folder.path(), &arguments);
    let variables = asked_for(&run.exits(0).err);
    let check =
        ["check", "gatecrash.yaml", "--no-input", "--only", "visitor-login/l*", "--seed", "3"];
    gatecrash_told(folder.path(), &variables, "", &check).exits(0).says("0 broken, 0 open");
}

/// The operations of a draft, without what is out of use and without words but for where they come from.
fn operations(text: &str) -> String {
    let from = text.lines().skip_while(|line| line.trim() != "operations:");
    let lines = from.take_while(|line| !line.contains("## How answers are told apart"));
    let own = |line: &&str| {
        let bare = line.trim_start();
        !bare.starts_with('#')
            || bare.starts_with("## From")
            || bare.contains("CHANGE-ME")
            || bare.starts_with("## It cannot")
            || bare.starts_with("## As likely")
    };
    lines.filter(own).collect::<Vec<_>>().join("\n")
}

#[test]
fn what_a_description_says_of_a_login_is_filled_in() {
    let library = library();
    for name in ["fastapi.json", "swagger2.yaml", "json-login.yaml"] {
        let folder = tempfile::tempdir().unwrap();
        let path = root().join("tests/it/openapi").join(name);
        let arguments =
            ["init", "-", "--url", "http://127.0.0.1:9", "--flow", "jwt-login", "--from"];
        let run = in_folder(folder.path(), &[&arguments[..], &[path.to_str().unwrap()]].concat());
        run.exits(0);
        is_right(&library, &run.out, name);
        let told = run.err.replace(path.to_str().unwrap(), name);
        let capabilities =
            run.out.lines().filter(|line| line.ends_with(": false") && waits(line).is_none());
        let capabilities: Vec<&str> = capabilities.map(str::trim).collect();
        let seen = format!("{told}\n{}\n\n{}", capabilities.join("\n"), operations(&run.out));
        insta::assert_snapshot!(format!("init_{}", name.replace('.', "_")), seen);
    }
}

#[test]
fn the_description_of_the_reference_server_gives_back_the_documents() {
    let library = library();
    let text = std::fs::read_to_string(root().join("reference-server/openapi.yaml")).unwrap();
    let description = Description::parse(&text).unwrap();
    let drafted = write(&library, &draft(&Flow::DOCUMENTED, Some(&description))).unwrap();
    let profile = is_right(&library, &drafted.text, "the reference server");
    // Not described there: other spellings of the login's path, and an address that is switched off.
    let missing: Vec<&str> = drafted
        .operations
        .iter()
        .filter(|(_, _, found)| found.is_none())
        .map(|(_, name, _)| name.as_str())
        .collect();
    assert_eq!(missing, ["login_no_slash", "cookie_login"]);
    for flow in Flow::DOCUMENTED {
        let documented = library.bind(flow, "http://127.0.0.1:8080", None).unwrap();
        for (name, operation) in &documented.operations {
            let found = &profile.flows[&flow].operations[name];
            for (found, documented) in [
                (
                    format!("{} {}", found.method, found.path),
                    format!("{} {}", operation.method, operation.path),
                ),
                (format!("{:?}", found.parameters), format!("{:?}", operation.parameters)),
                (format!("{:?}", found.credential), format!("{:?}", operation.credential)),
                (format!("{:?}", found.answer), format!("{:?}", operation.answer)),
            ] {
                assert_eq!(found, documented, "{flow} {name}");
            }
        }
    }
}

#[test]
fn what_is_not_given_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let ask = |input: &str, arguments: &[&str]| {
        gatecrash_told(folder.path(), &[], input, &[&["init"], arguments].concat())
    };
    // A wrong answer is said to be one, an empty line is the default.
    let run = ask("localhost\nhttp://127.0.0.1:7\n\n", &["asked.yaml"]);
    run.exits(0)
        .complains("Where is the server [http://127.0.0.1:8080]: ")
        .complains("`localhost` has no scheme")
        .complains("Which flows (gateway-button, ")
        .complains("[jwt-login]: ");
    let text = std::fs::read_to_string(folder.path().join("asked.yaml")).unwrap();
    assert!(text.contains("\nbase_url: \"http://127.0.0.1:7\"\n"), "{text}");
    assert!(text.contains("\n  jwt-login:\n") && !text.contains("\n  channel-login:\n"), "{text}");
    let run = ask("suc, chn\n", &["-", "--url", "http://127.0.0.1:7"]);
    run.exits(0).says("\n  channel-login:\n").says("\n  environment-token:\n");
    // The file that was asked for belongs to nobody else.
    for (input, arguments, complaint) in [
        (
            "",
            vec!["no.yaml"],
            "--url is missing, and nobody answers: give it, as in --url http://127.0.0.1:8080",
        ),
        ("http://127.0.0.1:7\n", vec!["no.yaml"], "--flow is missing"),
        ("", vec!["no.yaml", "--no-input", "--url", "http://127.0.0.1:7"], "--no-input forbids"),
        ("a\nb\nc\nd\n", vec!["no.yaml"], "error: --url: `c` has no scheme"),
        ("http://127.0.0.1:7\nnothing\nnothing\ncommon\n", vec!["no.yaml"], "`common` is no flow"),
    ] {
        ask(input, &arguments).exits(2).complains(complaint);
        assert!(!folder.path().join("no.yaml").exists(), "{complaint}");
    }
    assert_eq!(files_in(folder.path()), ["asked.yaml"]);
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_profile_is_not_replaced_without_a_word() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.yaml");
    std::fs::write(&path, "mine\n".repeat(100_000)).unwrap();
    std::fs::create_dir(folder.path().join("folder")).unwrap();
    let common = ["--url", "http://127.0.0.1:7", "--flow", "jwt-login"];
    let init = |path: &str, more: &[&str]| {
        in_folder(folder.path(), &[&["init", path], &common[..], more].concat())
    };
    init("mine.yaml", &[]).exits(2).complains("mine.yaml is there already; --force replaces it");
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("mine\n"));
    init("mine.yaml", &["--force"]).exits(0);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# yaml-language-server: $schema=profile.schema.json\n"), "{text}");
    assert!(!text.contains("mine\nmine"));
    init("folder", &["--force"]).exits(2).complains("folder is no file");
    init("nowhere/new.yaml", &[]).exits(2).complains("nowhere/new.yaml cannot be written");
    // Nothing is asked before that is said.
    let run = in_folder(folder.path(), &["init", "nowhere/new.yaml"]);
    run.exits(2).complains("cannot be written");
    assert!(!run.err.contains("Where is"), "{}", run.err);
    let run = init("-", &[]);
    run.exits(0).says("\n  jwt-login:\n");
    assert!(run.out == text.replace("\n\n\n", "\n\n"), "the file and standard output differ");
}

#[test]
fn what_cannot_be_used_is_a_mistake_of_the_call() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    write("large.json", &vec![b' '; (10 << 20) + 1]);
    write("latin.yaml", b"openapi: 3.0.0\ninfo: {title: caf\xe9}\n");
    write("profile.yaml", b"target: x\n");
    write("circle.json", br##"{"openapi": "3.0.0", "paths": {"/a": {"$ref": "#/paths/~1a"}}}"##);
    let common = ["init", "-", "--no-input", "--flow", "jwt-login"];
    for (more, complaint) in [
        (["--url", "http://127.0.0.1:7", "--from", "large.json"], "has more than 10 MiB"),
        (["--url", "http://127.0.0.1:7", "--from", "latin.yaml"], "no text in UTF-8"),
        (["--url", "http://127.0.0.1:7", "--from", "profile.yaml"], "no OpenAPI document"),
        (
            ["--url", "http://127.0.0.1:7", "--from", "circle.json"],
            "`#/paths/~1a` leads back to itself",
        ),
        (["--url", "http://127.0.0.1:7", "--from", "none.json"], "none.json: it cannot be read"),
        (["--url", "http://127.0.0.1:7", "--from", "."], "cannot be read"),
        (["--url", "http://127.0.0.1:7", "--clock", "virtual"], "--control URL"),
        (["--url", "http://127.0.0.1:7", "--control", "here"], "`here` has no scheme"),
        (["--url", "http://127.0.0.1:7/api", "--clock", "none"], "more than scheme, host and port"),
        (["--url", "http://127.0.0.1:7", "--flow", "common"], "no flow of a server"),
    ] {
        in_folder(folder.path(), &[&common[..], &more].concat()).exits(2).complains(complaint);
    }
}
