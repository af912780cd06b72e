//! `gatecrash load --shard` and `gatecrash merge` from outside.

use std::path::Path;

use serde_json::Value;

use crate::support::{Served, gatecrash, report};

fn read(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

#[test]
fn two_shards_are_the_whole_schedule_and_one_report() {
    let server = Served::start(&[]);
    let reach = [&server.api, "--accounts", "reference", "--flow", "jwt-login"];
    let folder = tempfile::tempdir().unwrap();
    let paths = [1, 2].map(|n| folder.path().join(format!("{n}.json")));
    for (shard, path) in ["1/2", "2/2"].iter().zip(&paths) {
        let json = report("json", path);
        let how = ["--rate", "500", "-n", "151", "-c", "5", "--tokens", "3", "--seed", "9"];
        let part = ["--shard", shard, "--start-at", "+1s", "--report", &json];
        let run = gatecrash(&[&["load"], &reach[..], &how, &part].concat());
        // Whether a busy machine was late is not what this test is about.
        assert!([0, 4].contains(&run.code), "{run:?}");
        run.says(&format!("note: this is shard {} of 2", &shard[..1]));
    }
    let [one, two] = &paths;
    let parts = [one, two].map(|path| read(path)["load"].clone());
    assert_eq!([&parts[0], &parts[1]].map(|part| part["asked"].as_u64()), [Some(76), Some(75)]);
    assert_eq!([&parts[0], &parts[1]].map(|part| part["connections"].as_u64()), [Some(3), Some(2)]);
    let whole = folder.path().join("whole.json");
    let (one, two) = (one.display().to_string(), two.display().to_string());
    let (json, log) = (report("json", &whole), report("hdr", &folder.path().join("whole.hdr")));
    let run = gatecrash(&[
        "merge",
        &one,
        &two,
        "--threshold",
        "errors=0",
        "--report",
        &json,
        "--report",
        &log,
    ]);
    // They ran one after the other.
    run.exits(4).says("did not run at the same time").says("✓ errors=0");
    let merged = &read(&whole)["load"];
    let sum = |name: &str| parts.iter().map(|part| part[name].as_u64().unwrap()).sum::<u64>();
    for name in ["asked", "sent", "answers", "bytes_received", "connections"] {
        assert_eq!(merged[name].as_u64(), Some(sum(name)), "{name}");
    }
    let log = std::fs::read_to_string(folder.path().join("whole.hdr")).unwrap();
    assert!(log.contains("Tag=response,"), "{log}");
    gatecrash(&["merge", &one]).exits(4).says("INVALID  shard 2 of 2 is missing");
    gatecrash(&["merge", &one, &one]).exits(2).complains("both shard 1/2");
}

#[test]
fn reports_that_are_no_parts_of_one_run_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let run = |name: &str, more: &[&str]| {
        let path = folder.path().join(name);
        let json = report("json", &path);
        let all =
            ["load", "-n", "20", "-c", "2", "--tokens", "1", "--seed", "1", "--report", &json];
        let run = gatecrash(&[&all[..], more].concat());
        // Whether a busy machine was late is not what this test is about.
        assert!([0, 4].contains(&run.code), "{run:?}");
        path.display().to_string()
    };
    let base = run("base.json", &[]);
    for (name, more, wanted) in [
        ("flow.json", &["--flow", "jwt-login"][..], "the flow is `gateway-button`"),
        (
            "mix.json",
            &["--mix", "unknown=1"],
            "the mix is `valid=100` in the first and `unknown=1`",
        ),
        ("workload.json", &["--workload", "issue"], "the workload is `validate`"),
        ("kept.json", &["--no-keep-alive"], "the transport is `HTTP/1.1, kept`"),
        ("rate.json", &["--rate", "100"], "the model is `closed`"),
    ] {
        let other = run(name, more);
        let refused = gatecrash(&["merge", &base, &other]);
        refused.exits(2).complains("are no parts of one run").complains(wanted);
    }
    let check = folder.path().join("check.json");
    gatecrash(&[
        "check",
        "--flow",
        "jwt-login",
        "--only",
        "JWT-LOGIN-01",
        "--report",
        &report("json", &check),
    ]);
    let check = check.display().to_string();
    gatecrash(&["merge", &base, &check]).exits(2);
    gatecrash(&["merge", "/no/such/file"]).exits(2).complains("/no/such/file");
}

#[test]
fn what_cannot_be_divided_is_said_before_anything_runs() {
    let url = "http://127.0.0.1:1";
    for (arguments, wanted) in [
        (&["--shard", "1/2"][..], "--seed"),
        (&["--shard", "3/2", "--seed", "1"], "the last is number 2"),
        (&["--shard", "1/8", "--seed", "1", "-c", "4"], "4 connections cannot be divided among 8"),
        (&["--start-at", "yesterday"], "is not a time"),
        (&["--start-at", "100"], "is over since"),
        (&["--metrics", "9464"], "invalid socket address"),
    ] {
        let run = gatecrash(&[&["load", url], arguments].concat());
        run.exits(2).complains(wanted);
    }
}
