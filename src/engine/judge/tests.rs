//! The judge on traces that were written down: no server, no clock.

use indexmap::IndexMap;
use serde_json::json;

use super::{Assessed, Law, judge};
use crate::model::{
    Act, Bindings, Bytes, Entry, Exchange, Finding, Flow, Header, Kept, Request, Response, Role,
    Stop, StopKind, Timing, Trace, Trial, Verdict, WireError,
};
use crate::scenario::{Action, Kind};
use crate::source::SourceFile;
use crate::target::{FlowBinding, Library};

const CONTRACT: &str = "
contract: jwt-login
version: 1
title: a small contract
source: nowhere
clauses:
  JWT-01: {level: MUST, tier: [S], text: good tokens pass}
  JWT-02: {level: MUST, tier: [S], text: bad tokens do not}
  JWT-03: {level: SHOULD, tier: [R], text: politeness}
  JWT-04: {level: RECORD, tier: [I], text: open}
  JWT-05: {level: MUST, tier: [R], text: overridden, deviations: {jwt-login: the document says otherwise}}
  JWT-06: {level: MAY, tier: [I], text: allowed}
gaps:
  case: {question: which, answers: {upper: A, lower: a}}
";

const FLOW: &str = "
flow: jwt-login
operations:
  validate:
    method: GET
    path: /me
    credential: {scheme: Bearer}
    answer: {token: {json: $.token}}
outcomes:
  accepted: {kind: success, recognise: {status: 200}, documented: {media_type: application/json, json: {$.ok: true}}}
  denied: {kind: refusal, recognise: {status: 401}}
controls:
  works: {send: {operation: validate, token: good}, expect: [{outcome: accepted}]}
checks:
  JWT-EVERY-01: {title: no server error, covers: [JWT-02]}
  JWT-EVERY-02: {title: polite refusals, covers: [JWT-03]}
always:
  - {check: JWT-EVERY-01, status: [2xx, 3xx, 4xx]}
  - {check: JWT-EVERY-02, where: {status: 401}, headers: {www-authenticate: {present: true}}}
";

/// A scenario of one step with the given expectations, and whether it stands between controls.
fn library(expect: &str, controls: bool) -> Library {
    let level = |clause: &str| format!("{{title: t, covers: [{clause}]}}");
    let used =
        ["01", "02", "03", "04", "05", "06"].map(|n| (format!("JWT-T-{n}"), format!("JWT-{n}")));
    let checks: String = used
        .iter()
        .filter(|(check, _)| expect.contains(check.as_str()))
        .map(|(check, clause)| format!("  {check}: {}\n", level(clause)))
        .collect();
    let controls = if controls { "    controls: [works]\n" } else { "" };
    let scenario = format!(
        "scenario: jwt-login/t\ntitle: t\nchecks:\n{checks}steps:\n  - send: {{operation: validate}}\n{controls}    expect:\n{expect}"
    );
    let files = [
        SourceFile::new("jwt-login/contract.yaml", CONTRACT),
        SourceFile::new("jwt-login/flow.yaml", FLOW),
        SourceFile::new("jwt-login/t.yaml", scenario),
    ];
    Library::read(&files).unwrap_or_else(|list| {
        panic!("{}", list.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })
}

fn binding(library: &Library, choice: Option<&str>) -> FlowBinding {
    let mut binding = library.bind(Flow::JwtLogin, "http://127.0.0.1:1", None).unwrap();
    binding.choices.extend(choice.map(|answer| ("case".to_owned(), answer.to_owned())));
    binding
}

fn response(status: u16, body: &str) -> Response {
    let headers = vec![Header::new("Content-Type", "application/json; charset=utf-8")];
    Response { status, headers, body: Bytes::from(body) }
}

fn exchange(reply: Result<Response, WireError>) -> Act {
    Act::Exchange(Box::new(Exchange {
        operation: "validate".to_owned(),
        environment: None,
        request: Request {
            method: "GET".to_owned(),
            target: "/me".to_owned(),
            ..Request::default()
        },
        reply,
        timing: Timing::default(),
        server_now: None,
    }))
}

fn entry(library: &Library, role: Role, act: Act) -> Entry {
    let scenario = &library.scenarios[0];
    let step = &scenario.steps[0];
    assert!(matches!(step.action, Action::Send(_)));
    let expectations = match &role {
        Role::Step => step.expect,
        Role::Before(name) | Role::After(name) => Some(scenario.controls[name].expect),
    };
    let group = u32::from(!step.controls.is_empty());
    let bindings = std::sync::Arc::new(Bindings::new());
    Entry {
        step: "steps[0]".to_owned(),
        item: None,
        group,
        role,
        expectations,
        bindings,
        known_before: 0,
        act,
    }
}

fn trace(entries: Vec<Entry>) -> Trace {
    Trace {
        scenario: "jwt-login/t".to_owned(),
        flow: Flow::JwtLogin,
        entries,
        stop: None,
        secrets: Vec::new(),
        unasked: Vec::new(),
        skipped: Vec::new(),
        lacking: std::collections::BTreeMap::new(),
    }
}

fn judged(library: &Library, choice: Option<&str>, trace: &Trace) -> Vec<Finding> {
    let binding = binding(library, choice);
    let empty = IndexMap::new();
    let always = library.always.get(&Flow::JwtLogin).unwrap_or(&empty);
    let law = Law { catalogue: &library.catalogue, binding: &binding, always };
    judge(&law, &library.scenarios[0], trace)
}

fn verdict(findings: &[Finding], check: &str) -> Option<Verdict> {
    findings.iter().find(|f| f.check.as_str() == check).map(|f| f.verdict)
}

/// One answer, held against one expectation of each level.
fn verdict_of(expect: &str, check: &str, choice: Option<&str>, reply: Response) -> Verdict {
    let library = library(&format!("      - {expect}\n"), false);
    let trace = trace(vec![entry(&library, Role::Step, exchange(Ok(reply)))]);
    verdict(&judged(&library, choice, &trace), check).expect("the check is declared")
}

#[test]
fn the_level_of_the_clause_decides_what_a_breach_is() {
    for (check, kept, broken) in [
        ("JWT-T-01", Verdict::Pass, Verdict::Fail),
        ("JWT-T-03", Verdict::Pass, Verdict::Warn),
        ("JWT-T-04", Verdict::Info, Verdict::Info),
        ("JWT-T-05", Verdict::Pass, Verdict::Warn),
        ("JWT-T-06", Verdict::Pass, Verdict::Info),
    ] {
        let expect = format!("{{check: {check}, outcome: accepted}}");
        assert_eq!(verdict_of(&expect, check, None, response(200, "{}")), kept, "{check} kept");
        assert_eq!(verdict_of(&expect, check, None, response(401, "{}")), broken, "{check} broken");
    }
}

#[test]
fn a_documented_answer_is_held_to_the_letter_and_an_outcome_is_not() {
    for (expect, body, wanted) in [
        ("{check: JWT-T-01, outcome: accepted}", "{}", Verdict::Pass),
        ("{check: JWT-T-01, documented: accepted}", "{}", Verdict::Fail),
        ("{check: JWT-T-01, documented: accepted}", "{\"more\": 1, \"ok\": true}", Verdict::Pass),
        ("{check: JWT-T-01, documented: accepted}", "{\"ok\": \"true\"}", Verdict::Fail),
        ("{check: JWT-T-01, json: {$.n: 3600}}", "{\"n\": 3600}", Verdict::Pass),
        ("{check: JWT-T-01, json: {$.n: 3600}}", "{\"n\": \"3600\"}", Verdict::Fail),
        ("{check: JWT-T-01, json: {'$.n[*]': {min: 1}}}", "{\"n\": [1, 0]}", Verdict::Fail),
        ("{check: JWT-T-01, json: {$.n: {absent: true}}}", "not json", Verdict::Pass),
        ("{check: JWT-T-01, json: {$.n: {present: true}}}", "not json", Verdict::Fail),
        ("{check: JWT-T-01, media_type: application/json}", "", Verdict::Pass),
        ("{check: JWT-T-01, headers: {CONTENT-TYPE: {contains: utf-8}}}", "", Verdict::Pass),
        ("{check: JWT-T-01, outcome: [denied, succeeded]}", "", Verdict::Pass),
        ("{check: JWT-T-01, outcome: refused}", "", Verdict::Fail),
    ] {
        assert_eq!(
            verdict_of(expect, "JWT-T-01", None, response(200, body)),
            wanted,
            "{expect} on {body}"
        );
    }
}

#[test]
fn a_server_error_is_no_refusal() {
    let expect = "{check: JWT-T-02, outcome: refused}";
    assert_eq!(verdict_of(expect, "JWT-T-02", None, response(401, "")), Verdict::Pass);
    assert_eq!(verdict_of(expect, "JWT-T-02", None, response(500, "")), Verdict::Fail);
}

#[test]
fn a_captured_number_is_compared_as_text_and_as_number_and_is_not_what_it_must_not_be() {
    for (values, wanted) in [
        ("{'7': '7'}", Verdict::Pass),
        ("{'7': 7}", Verdict::Pass),
        ("{'7': {min: 7, type: integer, not: 8}}", Verdict::Pass),
        ("{'7': {not: '8'}}", Verdict::Pass),
        ("{'7': 8}", Verdict::Fail),
        ("{'7': {not: '7'}}", Verdict::Fail),
        ("{'7': {not: 7}}", Verdict::Fail),
        ("{'7': {not: {one_of: ['6', '7']}}}", Verdict::Fail),
        ("{'x': {not: 'x'}}", Verdict::Fail),
    ] {
        let expect = format!("{{check: JWT-T-01, values: {values}}}");
        assert_eq!(verdict_of(&expect, "JWT-T-01", None, response(200, "")), wanted, "{values}");
    }
}

#[test]
fn a_gap_is_recorded_until_the_profile_decides_it() {
    let expect = |check: &str| {
        format!(
            "{{check: {check}, choice: case, answers: {{upper: {{text: A}}, lower: {{text: a}}}}}}"
        )
    };
    for (check, choice, body, wanted) in [
        ("JWT-T-04", None, "A", Verdict::Info),
        ("JWT-T-04", None, "?", Verdict::Info),
        ("JWT-T-04", Some("upper"), "A", Verdict::Pass),
        ("JWT-T-04", Some("upper"), "a", Verdict::Fail),
        ("JWT-T-01", None, "a", Verdict::Pass),
        ("JWT-T-01", None, "?", Verdict::Fail),
        ("JWT-T-01", Some("lower"), "A", Verdict::Fail),
        ("JWT-T-03", Some("lower"), "A", Verdict::Warn),
    ] {
        let seen = verdict_of(&expect(check), check, choice, response(200, body));
        assert_eq!(seen, wanted, "{check} with {choice:?} on {body}");
    }
}

#[test]
fn an_expectation_behind_another_choice_does_not_apply() {
    let expect = "{check: JWT-T-01, when: {choice: case, is: upper}, outcome: accepted}";
    for (choice, wanted) in [
        (None, Verdict::NotApplicable),
        (Some("lower"), Verdict::NotApplicable),
        (Some("upper"), Verdict::Pass),
    ] {
        assert_eq!(verdict_of(expect, "JWT-T-01", choice, response(200, "")), wanted, "{choice:?}");
    }
}

#[test]
fn a_refusal_counts_only_between_controls_that_held() {
    let good = || exchange(Ok(response(200, "")));
    let bad = || exchange(Ok(response(401, "")));
    let gone = || exchange(Err(WireError::Closed("reset".to_owned())));
    let library = library("      - {check: JWT-T-02, outcome: denied}\n", true);
    let run = |before: Act, step: Act, after: Act| {
        let name = || "works".to_owned();
        let trace = trace(vec![
            entry(&library, Role::Before(name()), before),
            entry(&library, Role::Step, step),
            entry(&library, Role::After(name()), after),
        ]);
        verdict(&judged(&library, None, &trace), "JWT-T-02").expect("the check is declared")
    };
    assert_eq!(run(good(), bad(), good()), Verdict::Pass);
    assert_eq!(run(bad(), bad(), good()), Verdict::Blocked, "the control before failed");
    assert_eq!(run(good(), bad(), bad()), Verdict::Blocked, "the control after failed");
    assert_eq!(run(good(), good(), good()), Verdict::Fail, "the attack was accepted");
    assert_eq!(run(bad(), good(), bad()), Verdict::Fail, "an accepted attack stands by itself");
    assert_eq!(run(good(), gone(), good()), Verdict::Fail, "no answer between controls");
    assert_eq!(run(good(), gone(), gone()), Verdict::Blocked, "the server is gone");
}

#[test]
fn a_check_that_was_not_reached_is_blocked_with_the_reason() {
    let library = library("      - {check: JWT-T-01, outcome: accepted}\n", false);
    let findings = judged(&library, None, &trace(Vec::new()));
    assert_eq!(verdict(&findings, "JWT-T-01"), Some(Verdict::Blocked));

    let mut stopped = trace(Vec::new());
    let reason = "no hook".to_owned();
    stopped.stop = Some(Stop { step: "steps[0]".to_owned(), kind: StopKind::Missing, reason });
    let findings = judged(&library, None, &stopped);
    assert_eq!(verdict(&findings, "JWT-T-01"), Some(Verdict::Blocked));
    assert!(findings[0].evidence.reason.as_ref().is_some_and(|r| r.contains("no hook")));

    let unanswered = exchange(Err(WireError::Connect("refused".to_owned())));
    let findings = judged(&library, None, &trace(vec![entry(&library, Role::Step, unanswered)]));
    assert_eq!(verdict(&findings, "JWT-T-01"), Some(Verdict::Blocked));
}

#[test]
fn every_answer_is_held_against_the_checks_of_the_flow() {
    let library = library("      - {check: JWT-T-02, outcome: [denied, accepted]}\n", false);
    let run = |status: u16| {
        let trace = trace(vec![entry(&library, Role::Step, exchange(Ok(response(status, ""))))]);
        let findings = judged(&library, None, &trace);
        (verdict(&findings, "JWT-EVERY-01"), verdict(&findings, "JWT-EVERY-02"))
    };
    assert_eq!(
        run(200),
        (Some(Verdict::Pass), None),
        "nothing of the kind was seen: nothing is said"
    );
    assert_eq!(run(401), (Some(Verdict::Pass), Some(Verdict::Warn)));
    assert_eq!(run(500), (Some(Verdict::Fail), None));
}

#[test]
fn a_secret_known_before_may_not_come_back() {
    let library = library("      - {check: JWT-T-02, no_secrets: {}}\n", false);
    let run = |known_before: usize, body: &str| {
        let mut one = entry(&library, Role::Step, exchange(Ok(response(200, body))));
        one.known_before = known_before;
        let mut trace = trace(vec![one]);
        let (name, value) = ("token".to_owned(), "s3cr3t-token".to_owned());
        trace.secrets.push(Kept { name, value, origin: "steps[0]".to_owned() });
        verdict(&judged(&library, None, &trace), "JWT-T-02").expect("the check is declared")
    };
    assert_eq!(run(1, "nothing"), Verdict::Pass);
    assert_eq!(run(1, "has s3cr3t-token in it"), Verdict::Fail);
    assert_eq!(run(0, "has s3cr3t-token in it"), Verdict::Pass, "this answer issued it");
}

#[test]
fn a_trace_is_judged_the_same_way_after_it_was_stored() {
    let library = library("      - {check: JWT-T-01, outcome: accepted}\n", false);
    let body = json!({"ok": true}).to_string();
    let fresh = trace(vec![entry(&library, Role::Step, exchange(Ok(response(401, &body))))]);
    let stored = serde_json::to_string(&fresh).unwrap();
    let again: Trace = serde_json::from_str(&stored).unwrap();
    assert_eq!(again, fresh);
    assert_eq!(judged(&library, None, &again), judged(&library, None, &fresh));
}

#[test]
fn every_item_that_breaks_is_counted_and_named() {
    let library = library("      - {check: JWT-T-02, outcome: denied}\n", false);
    let item = |name: &str, status: u16| Entry {
        step: format!("steps[0] item ({name})"),
        item: Some(name.to_owned()),
        ..entry(&library, Role::Step, exchange(Ok(response(status, "{}"))))
    };
    let trace =
        trace(vec![item("one", 401), item("two", 200), item("three", 401), item("four", 500)]);
    let findings = judged(&library, None, &trace);
    let evidence = &findings.iter().find(|f| f.check.as_str() == "JWT-T-02").unwrap().evidence;
    let items = evidence.items.as_ref().unwrap();
    assert_eq!(items.held, 4);
    assert_eq!(items.broken, ["four", "two"]);
    let broken: Vec<_> = evidence.breaches.iter().map(|breach| breach.item.as_deref()).collect();
    assert_eq!(broken, [Some("two"), Some("four")]);
    assert_eq!(evidence.step.as_deref(), Some("steps[0] item (two)"));
}

#[test]
fn what_cannot_be_compared_is_blocked_and_what_the_server_lacks_does_not_apply() {
    let compared = "      - {check: JWT-T-01, json: {$.ok: {not: '${token}'}}}\n";
    let library = library(&format!("{compared}    capture: {{token: {{field: token}}}}\n"), false);
    let lacking = |absent: bool| crate::model::Lacking { reason: "why".to_owned(), absent };
    for (lacking, wanted) in [
        (None, Verdict::Blocked),
        (Some(lacking(false)), Verdict::Blocked),
        (Some(lacking(true)), Verdict::NotApplicable),
    ] {
        let mut trace =
            trace(vec![entry(&library, Role::Step, exchange(Ok(response(200, "{\"ok\":1}"))))]);
        trace.lacking.extend(lacking.map(|lacking| ("token".to_owned(), lacking)));
        assert_eq!(verdict(&judged(&library, None, &trace), "JWT-T-01"), Some(wanted));
    }
}

#[test]
fn a_step_that_was_left_out_for_what_the_server_lacks_does_not_apply() {
    let library = library("      - {check: JWT-T-01, outcome: accepted}\n", false);
    let set = library.scenarios[0].steps[0].expect.unwrap();
    let mut left_out = trace(Vec::new());
    assert_eq!(verdict(&judged(&library, None, &left_out), "JWT-T-01"), Some(Verdict::Blocked));
    left_out.skipped.push(crate::model::Skipped { sets: vec![set], reason: "why".to_owned() });
    let findings = judged(&library, None, &left_out);
    assert_eq!(verdict(&findings, "JWT-T-01"), Some(Verdict::NotApplicable));
    assert_eq!(findings[0].evidence.reason.as_deref(), Some("why"));
}

#[test]
fn a_pair_that_the_server_did_not_hear_in_full_says_nothing() {
    let library = library("      - {check: JWT-T-01, outcome: accepted}\n", false);
    let binding = binding(&library, None);
    let answered = |status: u16| match exchange(Ok(response(status, "{\"ok\":true}"))) {
        Act::Exchange(exchange) => *exchange,
        other => panic!("{other:?}"),
    };
    let kind = Kind::Count {
        after: false,
        outcome: vec!["accepted".to_owned()],
        at_least: Some(1),
        at_most: None,
    };
    let judged = |statuses: [u16; 2]| {
        let trial = Trial { exchanges: statuses.map(answered).into(), after: Vec::new() };
        super::tally::race(&binding, &[trial], &kind)
    };
    assert_eq!(judged([200, 401]), Assessed::Holds);
    let Assessed::Breaks(violation) = judged([401, 401]) else { panic!("nothing was accepted") };
    assert_eq!(violation.got, "0 in 1 of 1 trials; first: 401 denied, 401 denied");
    let Assessed::NoAnswer(why) = judged([408, 401]) else { panic!("408 is no judgement") };
    assert!(why.starts_with("1 of 1 pairs were not answered: 408 "), "{why}");
}
