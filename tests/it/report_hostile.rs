//! Servers that attack whoever reads about them: whatever they say is text, in every format, and not much of it.

use std::path::Path;

use regex::Regex;
use serde_json::{Value, json};

use crate::report_formats::{Written, all_formats};
use crate::support::{answer_each, gatecrash, report, serve_each};

/// Markup, escape sequences, control characters, turned directions, invalid UTF-8, syntax of each format.
const VENOM: &[u8] = b"</pre></script><script>alert('venom')</script><img src=x onerror=alert(1)>\
    \x1b[31m\x1b]0;title\x07\x00\x08\xc2\x9b2J\xe2\x80\xae]]>&lt;&#0;\xff\xfe\xc3\x28\
    | # SKIP \\# TODO\n...\n---\nok 1 - all is well\r\n@everybody [link](http://example.invalid) `code` ${token}\n::error::x\n";

fn answer(body: &[u8]) -> Vec<u8> {
    let mut answer =
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Venom: <b>\xc2\x9b31mred</b>\r\n"
            .to_vec();
    answer.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes());
    answer.extend(body);
    answer
}

fn checked(folder: &Path, body: &[u8]) -> Written {
    let answer = answer(body);
    let address = serve_each(move |stream| answer_each(stream, &answer));
    let target = format!("http://{address}");
    let only = ["VMS-01", "VMS-02", "VMS-10"].map(|id| ["--only", id]).concat();
    let target = ["check", &target, "--no-doctor", "--accounts", "reference", "--seed", "1", "-vv"];
    all_formats(folder, &[&target[..], &only].concat())
}

/// What must never stand in a report: what it would do there.
const DEADLY: [(&str, &str); 8] = [
    ("", "\u{1b}"),
    ("", "[\u{0}\u{7}\u{8}\u{9b}\u{202e}]"),
    ("html", "<script>alert|<img|</pre></script>|<b>\\\\u"),
    ("junit", "<script|<img|<b>|\\]\\]>"),
    ("markdown", "<script|<img|[^\\\\]\\[link\\]|@everybody|http://example|(?m)^::error"),
    ("tap", "(?m)^ok 1 - all is well|(?m)^::error"),
    ("ndjson", "(?m)^[^{]"),
    ("terminal", "(?m)^ok 1 - all is well|(?m)^::error"),
];

#[test]
fn nothing_that_a_server_says_acts_in_any_report() {
    let folder = tempfile::tempdir().unwrap();
    let written = checked(folder.path(), VENOM);
    let mut texts: Vec<(&str, &str)> =
        written.files.iter().map(|(format, text)| (*format, text.as_str())).collect();
    texts.push(("terminal", &written.run.out));
    let mut venomous = 0;
    for (format, text) in &texts {
        venomous += usize::from(text.contains("venom"));
        for (_, pattern) in DEADLY.iter().filter(|(of, _)| of.is_empty() || of == format) {
            let found = Regex::new(pattern).unwrap().find(text);
            let around = |at: usize| text.get(at.saturating_sub(60)..(at + 60).min(text.len()));
            assert!(
                found.is_none(),
                "{format} has {pattern}: {:?}",
                found.map(|f| around(f.start()))
            );
        }
    }
    // Otherwise this would hold for empty files too.
    assert!(venomous >= 6, "the venom is in {venomous} reports");
}

#[test]
fn ten_megabytes_of_answer_make_no_large_report() {
    let folder = tempfile::tempdir().unwrap();
    let body = [VENOM, &vec![b'<'; 10 << 20]].concat();
    let written = checked(folder.path(), &body);
    for (format, text) in &written.files {
        assert!(text.len() < 2 << 20, "{format} has {} bytes", text.len());
    }
    assert!(written.run.out.len() < 1 << 20, "{}", written.run.out.len());
}

#[test]
fn nothing_that_a_server_says_acts_in_the_reports_of_a_load_run() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("load.json");
    let to = report("json", &json);
    let load =
        ["load", "--flow", "jwt-login", "-n", "20", "-c", "1", "--tokens", "1", "--report", &to];
    gatecrash(&load).exits(0);
    let mut document: Value =
        serde_json::from_str(&std::fs::read_to_string(&json).unwrap()).unwrap();
    // A server that poisons its answers only under load: everything that it can say says the worst.
    let venom = String::from_utf8_lossy(VENOM).into_owned();
    let exchange = json!({"sent": venom, "received": venom, "curl": venom});
    let run = &mut document["load"];
    run["target"] = json!(venom);
    run["complaints"] = json!([{"case": "valid", "what": venom, "wrong": true, "count": 3, "first": {"secs": 0, "nanos": 1}, "exchange": exchange}]);
    run["failures"] = json!([{"kind": venom, "count": 1, "reason": venom}]);
    run["invalid"] = json!([venom]);
    run["notes"] = json!([venom]);
    std::fs::write(&json, document.to_string()).unwrap();
    let formats = ["csv", "html", "json", "markdown"];
    let paths = formats.map(|format| (format, folder.path().join(format)));
    let reports = paths.each_ref().map(|(format, path)| report(format, path));
    let mut arguments = vec!["report", json.to_str().unwrap()];
    reports.iter().for_each(|to| arguments.extend(["--to", to]));
    gatecrash(&arguments).exits(0);
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let texts = paths.each_ref().map(|(format, path)| (*format, read(path)));
    assert!(texts.iter().filter(|(_, text)| text.contains("venom")).count() >= 3);
    for (format, pattern) in DEADLY {
        let pattern = Regex::new(pattern).unwrap();
        for (of, text) in texts.iter().filter(|(of, _)| format.is_empty() || *of == format) {
            assert!(!pattern.is_match(text), "{of} has {pattern}");
        }
    }
}

#[test]
fn nothing_that_a_server_says_acts_on_the_terminal_of_a_load_run() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = folder.path().join("tokens");
    std::fs::write(&tokens, "0123456789abcdef0123456789abcdef0123456789abcdef\n").unwrap();
    let poison = answer(VENOM);
    let address = serve_each(move |stream| answer_each(stream, &poison));
    let (target, tokens) = (format!("http://{address}"), tokens.display().to_string());
    let load = ["load", &target, "--flow", "gateway-button", "--tokens-from", &tokens];
    let run = gatecrash(&[&load[..], &["-n", "20", "-c", "2"]].concat());
    run.exits(1).says("venom");
    for (_, pattern) in DEADLY.iter().filter(|(of, _)| of.is_empty() || *of == "terminal") {
        let pattern = Regex::new(pattern).unwrap();
        assert!(
            !pattern.is_match(&run.out) && !pattern.is_match(&run.err),
            "{pattern}: {}",
            run.out
        );
    }
}
