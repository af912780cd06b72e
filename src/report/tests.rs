//! The terminal report of a small run, whole, at several widths.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Detail, Paint, Terminal};
use crate::event::{Event, Observer as _};
use crate::model::{
    CheckId, ClauseId, ClauseState, Evidence, Finding, Flow, KnownSecrets, Level, Origin, Report,
    SentAndReceived, Verdict, Violation,
};

fn finding(check: &str, verdict: Verdict, evidence: Evidence) -> Finding {
    Finding {
        check: CheckId::new(check),
        title: "a long sentence about what a right server does in a case that few people think of"
            .to_owned(),
        flow: Flow::JwtLogin,
        scenario: "jwt-login/example".to_owned(),
        covers: vec![ClauseId::new("JWT-01")],
        level: Level::Must,
        verdict,
        deviation: None,
        assertions: 1,
        evidence,
    }
}

fn report() -> Report {
    let broken = Evidence {
        step: Some("steps[2]".to_owned()),
        violation: Some(Violation {
            wanted: vec!["denied".to_owned(), "a body that says in so many words that the token is unknown".to_owned()],
            got: "accepted: status 200, body \"\u{1b}[31mwelcome back, whoever you are, we trust everybody here\"".to_owned(),
        }),
        exchange: Some(SentAndReceived {
            sent: "GET /users/me HTTP/1.1\nAuthorization: Bearer ${token}\n".to_owned(),
            received: "HTTP/1.1 200\n\nwelcome back".to_owned(),
            curl: "curl -i -H 'Authorization: Bearer ${token}' http://127.0.0.1:1/users/me".to_owned(),
        }),
        timeline: vec!["t+0.000s steps[0]: POST /auth/jwt/login -> 200".to_owned()],
        ..Evidence::default()
    };
    let reason = "the profile has no hook `press`, and nobody was there who could have pressed the button by hand";
    let blocked = Evidence { reason: Some(reason.to_owned()), ..Evidence::default() };
    Report {
        target: "an example".to_owned(),
        remarks: Vec::new(),
        seed: 7,
        clock: "virtual".to_owned(),
        verdict: crate::model::RunVerdict::Nonconformant,
        interrupted: false,
        excluded: 0,
        findings: vec![
            finding("JWT-A-01", Verdict::Pass, Evidence::default()),
            finding("JWT-A-02", Verdict::Fail, broken),
            finding("JWT-A-03", Verdict::Blocked, blocked),
        ],
        clauses: BTreeMap::from([(ClauseId::new("JWT-01"), ClauseState::Broken)]),
        catalogue: BTreeMap::new(),
        scenarios: Vec::new(),
        origin: None,
        started: 0,
        elapsed: Duration::from_millis(1_250),
        secrets: KnownSecrets::default(),
    }
}

/// What is on the screen when all is said: lines that were drawn over are gone.
fn shown(columns: Option<usize>, detail: Detail) -> String {
    let report = report();
    let mut out = Vec::new();
    let origin = Origin { command: "check".to_owned(), ..Origin::default() };
    let terminal = Terminal::new(&mut out, Paint::default(), detail).of(Some(origin));
    let mut terminal = match columns {
        Some(columns) => terminal.on_screen(columns),
        None => terminal,
    };
    let flows = [(Flow::JwtLogin, 1)];
    let remarks = ["TLS certificates are not checked".to_owned()];
    let (target, clock) = (report.target.as_str(), report.clock.as_str());
    let (flow, name, findings) = (Flow::JwtLogin, "jwt-login/example", report.findings.as_slice());
    for event in [
        Event::RunStarted {
            target,
            seed: 7,
            clock,
            scenarios: 1,
            flows: &flows,
            remarks: &remarks,
        },
        Event::ScenarioFinished { flow, name, findings, record: None },
        Event::RunFinished(&report),
    ] {
        terminal.hear(&event).unwrap();
    }
    String::from_utf8(out).unwrap().replace(env!("CARGO_PKG_VERSION"), "VERSION")
}

#[test]
fn a_pipe_gets_a_line_for_each_check_and_whole_lines() {
    insta::assert_snapshot!("pipe", shown(None, Detail::Check));
}

#[test]
fn a_screen_gets_a_tree_and_lines_that_fit() {
    let text = shown(Some(72), Detail::Flow);
    insta::assert_snapshot!("screen", text.replace('\u{1b}', "ESC"));
    let after = text.rsplit("\u{1b}[J").next().unwrap();
    let named = after.lines().filter(|line| {
        ["because", "wanted", "got "].iter().any(|name| line.trim_start().starts_with(name))
    });
    for line in named {
        assert!(line.chars().count() <= 72, "{line}");
    }
}

#[test]
fn without_colour_nothing_is_coloured() {
    let text = shown(None, Detail::Observed);
    assert!(!text.contains('\u{1b}'), "{text}");
}
