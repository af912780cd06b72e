//! What a profile can say of a server, and what is wrong with saying it.

use std::sync::Arc;

use super::{FlowBinding, Library, Profile};
use crate::model::Flow;
use crate::scenario::{Decided, Placed, When};
use crate::source::SourceFile;

const CONTRACT: &str = "
contract: jwt-login
version: 1
title: a small contract
source: nowhere
clauses:
  JWT-01: {level: MUST, tier: [S], text: good tokens pass}
gaps:
  case: {question: which, answers: {upper: A, lower: a}}
";

const FLOW: &str = "
flow: jwt-login
lifetimes: {access_token: 1h}
constants: {audience: everybody}
operations:
  login:
    method: POST
    path: /login
    parameters: {kind: {in: form}, username: {in: form}}
    defaults: {kind: password}
    identity: {kind: kind, username: username}
    answer: {refresh_token: {json: $.refresh_token, capability: refresh}}
  refresh:
    capability: refresh
    method: POST
    path: /refresh
    parameters: {refresh_token: {in: header}}
outcomes:
  issued: {kind: success, recognise: {status: 200}}
";

const SCENARIO: &str = "
scenario: jwt-login/small
title: t
checks:
  JWT-SMALL-01: {title: t, covers: [JWT-01]}
steps:
  - when: {capability: cookies}
    send: {operation: login}
    expect: [{check: JWT-SMALL-01, outcome: issued}]
";

fn library() -> Library {
    let files = [
        SourceFile::new("jwt-login/contract.yaml", CONTRACT),
        SourceFile::new("jwt-login/flow.yaml", FLOW),
        SourceFile::new("jwt-login/small.yaml", SCENARIO),
    ];
    Library::read(&files).unwrap()
}

/// What is wrong with a profile that says this of the flow; nothing where it is right.
fn profile(flow: &str) -> Result<FlowBinding, Vec<String>> {
    let text =
        format!("target: t\nbase_url: http://127.0.0.1:1\nflows:\n  jwt-login:\n    {flow}\n");
    let file: Arc<SourceFile> = SourceFile::new("profile.yaml", text);
    Profile::parse(&file, &library(), &|_| Err("no secrets here".to_owned()))
        .map(|mut profile| profile.flows.remove(&Flow::JwtLogin).unwrap())
        .map_err(|list| list.iter().map(|diagnostic| diagnostic.message.clone()).collect())
}

#[test]
fn what_a_profile_cannot_take_away_or_name_is_said() {
    for (flow, wanted) in [
        ("operations: {login: {parameters: {kind: null}}}", None),
        ("operations: {login: {defaults: {kind: null}}}", None),
        ("capabilities: {refresh: false, cookies: false}", None),
        ("constants: {audience: nobody}", None),
        (
            "operations: {login: {parameters: {king: null}}}",
            Some("this operation has no parameter `king` to take away"),
        ),
        (
            "operations: {login: {defaults: {username: null}}}",
            Some("this operation has no default for `username` to take away"),
        ),
        (
            "operations: {login: {parameters: {username: {in: body}}}}",
            Some("`body` is for scenarios; an operation says `form`, `json` or `multipart`"),
        ),
        (
            "operations: {login: {parameters: {username: {in: form, scheme: Bearer}}}}",
            Some("a `scheme` stands before a value in a header"),
        ),
        ("capabilities: {refrsh: false}", Some("no scenario asks for `refrsh`")),
        ("constants: {audiense: x}", Some("the flow has no constant `audiense`")),
    ] {
        let wrong = profile(flow).err().unwrap_or_default();
        assert_eq!(wrong.first().map(String::as_str), wanted, "{flow}: {wrong:?}");
    }
}

#[test]
fn a_parameter_that_is_taken_away_takes_its_default_and_its_identity_with_it() {
    let binding = profile("operations: {login: {parameters: {kind: null}}}").unwrap();
    let login = &binding.operations["login"];
    assert!(login.removed.contains("kind"));
    assert!(!login.parameters.contains_key("kind"));
    assert!(!login.defaults.contains_key("kind") && !login.identity.contains_key("kind"));
    let binding = profile("operations: {login: {defaults: {kind: null}}}").unwrap();
    let login = &binding.operations["login"];
    assert!(login.parameters.contains_key("kind") && !login.defaults.contains_key("kind"));
}

#[test]
fn a_condition_holds_unless_the_profile_says_otherwise() {
    let placed = |text: &str| When::Parameter(Placed::parse(text).unwrap());
    let capability = |name: &str| When::Capability(name.to_owned());
    let case = |is: &str| {
        When::Choice(Decided {
            choice: "case".to_owned(),
            is: vec![is.to_owned()],
            is_not: Vec::new(),
        })
    };
    let odd = "{capabilities: {refresh: false}, choices: {case: lower}, operations: {login: {parameters: {kind: null, username: {in: json}}}}}";
    for (flow, when, reason) in [
        ("{}", capability("refresh"), None),
        ("{}", capability("burst"), Some("the profile does not declare the capability burst")),
        ("{}", placed("login.kind"), None),
        ("{}", placed("login.username.form"), None),
        ("{}", case("upper"), Some("the profile does not decide case; this is about upper")),
        (odd, capability("refresh"), Some("the profile declares that the server has no refresh")),
        (odd, placed("login.kind"), Some("the profile says that `login` has no `kind`")),
        (odd, placed("login.username"), None),
        (
            odd,
            placed("login.username.form"),
            Some("the profile puts `username` of `login` elsewhere (json); this is about form"),
        ),
        (odd, case("lower"), None),
        (odd, case("upper"), Some("the profile says case: lower; this is about upper")),
    ] {
        let binding = profile(flow).unwrap();
        assert_eq!(binding.refuses(&when).as_deref(), reason, "{when:?} with {flow}");
    }
}

#[test]
fn a_place_that_is_none_is_said() {
    for (text, right) in [
        ("login.username", true),
        ("login.username.form", true),
        ("login", false),
        ("login.username.body", false),
        ("login.username.form.more", false),
    ] {
        assert_eq!(Placed::parse(text).is_ok(), right, "{text}");
    }
}
