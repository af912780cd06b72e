//! Where parameters go.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::build;
use crate::model::{Flow, Request};
use crate::scenario::Action;
use crate::source::{Random, Scope, SourceFile};
use crate::target::{FlowBinding, Library};

const CONTRACT: &str = "
contract: jwt-login
version: 1
title: a small contract
source: nowhere
clauses:
  JWT-01: {level: MUST, tier: [S], text: good tokens pass}
";

const FLOW: &str = "
flow: jwt-login
operations:
  login:
    method: POST
    path: /login
    credential: {scheme: Bearer}
    parameters: {kind: {in: form}, name: {in: form}, ticket: {in: header}}
    defaults: {kind: password}
outcomes:
  issued: {kind: success, recognise: {status: 200}}
";

/// The request of a step, or why there is none, on a server whose login a profile changes like this.
fn request(send: &str, change: &str) -> Result<Request, String> {
    let scenario = format!(
        "scenario: jwt-login/t\ntitle: t\nchecks: {{JWT-T-01: {{title: t, covers: [JWT-01]}}}}\nsteps:\n  - send: {{operation: login, {send}}}\n    expect: [{{check: JWT-T-01, outcome: issued}}]\n"
    );
    let files = [
        SourceFile::new("jwt-login/contract.yaml", CONTRACT),
        SourceFile::new("jwt-login/flow.yaml", FLOW),
        SourceFile::new("jwt-login/t.yaml", scenario),
    ];
    let library = Library::read(&files).unwrap();
    let changes = format!("operations: {{login: {{parameters: {change}}}}}");
    let file = SourceFile::new("changes.yaml", changes);
    let changes = crate::source::decode(&file).unwrap();
    let binding: FlowBinding =
        library.bind(Flow::JwtLogin, "http://127.0.0.1:1", Some((&changes, &file))).unwrap();
    let Action::Send(send) = &library.scenarios[0].steps[0].action else { unreachable!() };
    let random = RefCell::new(Random::new(1));
    let scope = Scope { bindings: &BTreeMap::new(), random: Some(&random) };
    build(&binding, &[], send, &scope)
        .map(|(request, _)| request)
        .map_err(|error| error.to_string())
}

#[test]
fn parameters_go_where_the_profile_and_the_step_put_them() {
    let json = "{kind: {in: json}, name: {in: json}}";
    for (send, change, wanted) in [
        ("with: {name: a}", "{}", "kind=password&name=a"),
        ("with: {name: a}", json, "{\"kind\":\"password\",\"name\":\"a\"}"),
        ("with: {foo: b}, place: {foo: {in: body}}", "{}", "kind=password&foo=b"),
        ("with: {foo: b}, place: {foo: {in: body}}", json, "{\"kind\":\"password\",\"foo\":\"b\"}"),
        ("with: {name: a}", "{kind: null}", "name=a"),
        (
            "with: {name: a}, place: {name: {in: json}}",
            "{}",
            "{\"kind\":\"password\",\"name\":\"a\"}",
        ),
        ("with: {name: a}, place: {name: {in: form}}", json, "kind=password&name=a"),
    ] {
        let request = request(send, change).unwrap();
        assert_eq!(request.body.text(), wanted, "{send} with {change}");
    }
}

#[test]
fn a_body_without_its_last_parameter_is_an_empty_body_of_its_kind() {
    let json = "{kind: {in: json}, name: {in: json}}";
    let multipart = "{kind: {in: multipart}, name: {in: multipart}}";
    for (change, media_type, wanted) in [
        ("{}", "application/x-www-form-urlencoded", ""),
        (json, "application/json", "{}"),
        (multipart, "multipart/form-data", "--gatecrash-part-5f3a9c--\r\n"),
    ] {
        let request = request("without: [kind]", change).unwrap();
        let field = request.headers.iter().find(|header| header.name == "Content-Type").unwrap();
        assert!(field.value.text().starts_with(media_type), "{change}: {}", field.value.text());
        assert_eq!(request.body.text(), wanted, "{change}");
    }
}

#[test]
fn a_value_stands_behind_its_scheme_word() {
    let request =
        request("with: {ticket: t}", "{ticket: {in: header, name: Authorization, scheme: Bearer}}");
    let header = request.unwrap().headers.into_iter().find(|h| h.name == "Authorization").unwrap();
    assert_eq!(header.value.text(), "Bearer t");
}

#[test]
fn a_request_that_cannot_be_made_of_this_server_is_not_made_in_part() {
    let field = "{ticket: {in: header, name: Authorization, scheme: Bearer}}";
    for (send, change, reason) in [
        ("with: {name: a}", "{name: {in: json}}", "parameters in form and in json"),
        ("with: {kind: other}", "{kind: null}", "`login` has no `kind`"),
        ("without: [kind]", "{kind: null}", "`login` has no `kind`"),
        ("with: {ticket: t}, authorization: other", field, "presents something else"),
        ("with: {ticket: t}, token: other", field, "presents something else"),
    ] {
        let error = request(send, change).unwrap_err();
        assert!(error.contains(reason), "{send} with {change}: {error}");
    }
}
