//! `gatecrash load --metrics` from outside.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};

use crate::support::{Served, send};

/// The value of a line of the text that begins so.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(name));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn numbers_of_a_run_can_be_read_while_it_goes_on() {
    let server = Served::start(&[]);
    let fixed =
        ["load", &server.api, "--accounts", "reference", "--flow", "jwt-login", "--tokens", "2"];
    let how = [
        "--duration",
        "60s",
        "--warm-up",
        "0s",
        "--rate",
        "200",
        "-c",
        "4",
        "--metrics",
        "127.0.0.1:0",
    ];
    let mut run = Command::new(env!("CARGO_BIN_EXE_gatecrash"))
        .args(fixed)
        .args(how)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut talk = BufReader::new(run.stderr.take().unwrap());
    let mut base = None;
    let mut line = String::new();
    while base.is_none() && talk.read_line(&mut line).unwrap() > 0 {
        base = line.trim().strip_prefix("metrics at ").map(|url| url.replace("/metrics", ""));
        line.clear();
    }
    let base = base.unwrap();
    let text = loop {
        let reply = send(&base, "GET", "/metrics", &[], "");
        reply.has_status(200);
        if value(&reply.body, "gatecrash_answers_total") > 0.0 {
            assert!(reply.header("content-type").unwrap().contains("openmetrics-text"));
            break reply.body;
        }
    };
    run.kill().unwrap();
    run.wait().unwrap();
    drop(talk.read_to_string(&mut line));
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert_eq!(value(&text, "gatecrash_users "), 4.0);
    let answers = value(&text, "gatecrash_answers_total{case=\"valid\",outcome=\"accepted\"}");
    for name in ["gatecrash_response_seconds", "gatecrash_service_seconds"] {
        let label = if name.contains("response") { "{case=\"valid\"}" } else { "" };
        assert_eq!(value(&text, &format!("{name}_count{label}")), answers, "{name}");
    }
    assert!(value(&text, "gatecrash_lateness_seconds_count") >= answers);
}
