//! `gatecrash serve`, `press` and `advance`: the reference server as a person uses it, held against the documents.

use serde_json::json;

use crate::support::{FORM, Reply, Served, gatecrash, send};

const GENERATE: &str = "/api/v2/accesstoken/generate";

const CLOSED: &str = r#"{"status":403,"returnCode":-3,"message":"Time window expired or gateway button not pressed."}"#;

fn serve(more: &[&str]) -> Served {
    Served::start(&[&["--clock", "virtual"], more].concat())
}

#[track_caller]
fn press(served: &Served) {
    let run = gatecrash(&["press", "--control", &served.control]);
    run.exits(0);
    assert_eq!(run.out, "pressed; a token can be generated for 120 s\n");
}

#[track_caller]
fn advance(served: &Served, by: &str) {
    let run = gatecrash(&["advance", by, "--control", &served.control]);
    run.exits(0).says(&format!("advanced by {by}; "));
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

#[test]
fn the_gateway_button_keeps_its_document() {
    let served = serve(&[]);
    served.send("GET", GENERATE, &[], "").is(403, CLOSED);
    press(&served);
    let issued = served.send("GET", GENERATE, &[], "");
    let token = issued.json()["token"]["token"].as_str().unwrap().to_owned();
    assert_eq!(token.len(), 48);
    issued.is(
        201,
        &format!(r#"{{"status":201,"returnCode":2,"token":{{"name":"default","token":"{token}","creation_date":"2026-01-01T00:00:00","last_used":null,"ip_address":null}}}}"#),
    );
    served.send("GET", GENERATE, &[], "").is(403, CLOSED);
    let used = served.send("GET", "/api/v2/accesstoken", &[&bearer(&token)], "");
    used.has_status(200);
    assert_eq!((&used.json()["status"], &used.json()["returnCode"]), (&json!(200), &json!(1)));
    let denied = r#"{"status":401,"returnCode":-2,"message":"Access denied using provided token or no access token provided."}"#;
    served.send("GET", "/api/v2/accesstoken", &[], "").is(401, denied);
    served.send("GET", "/api/v2/accesstoken", &[&bearer("unknown")], "").is(401, denied);
    let malformed = r#"{"status":400,"returnCode":-1,"message":"Invalid formatted Authorization header value. Must be Bearer ACCESS_TOKEN."}"#;
    served.send("GET", "/api/v2/accesstoken", &["Authorization: nonsense"], "").is(400, malformed);
    served.send("DELETE", "/api/v2/accesstoken", &[&bearer(&token)], "").has_status(200);
    served.send("GET", "/api/v2/accesstoken", &[&bearer(&token)], "").is(401, denied);
}

#[test]
fn the_window_closes_two_minutes_after_the_press() {
    let served = serve(&[]);
    press(&served);
    advance(&served, "119999ms");
    served.send("GET", GENERATE, &[], "").has_status(201);
    press(&served);
    advance(&served, "120s");
    served.send("GET", GENERATE, &[], "").is(403, CLOSED);
}

#[test]
fn a_double_press_opens_one_window() {
    let served = serve(&[]);
    gatecrash(&["press", "--kind", "double", "--control", &served.control]).exits(0);
    served.send("GET", GENERATE, &[], "").has_status(201);
    served.send("GET", GENERATE, &[], "").is(403, CLOSED);
    gatecrash(&["press", "--kind", "hard", "--control", &served.control])
        .exits(2)
        .complains("double");
}

#[test]
fn the_channel_login_keeps_its_document() {
    let served = serve(&[]);
    let login = |password: &str| {
        let body = format!("Username=channel_user&Password={password}");
        served.send("POST", "/generateToken", &[FORM], &body)
    };
    let issued = login("550e8400-e29b-41d4-a716-446655440000");
    issued.has_status(200);
    assert_eq!(issued.header("content-type"), Some("text/plain; charset=utf-8"));
    assert_eq!(issued.header("cache-control"), Some("no-store"));
    let token = issued.body.as_str();
    assert!(!token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()), "{token:?}");
    login("wrong").is(401, "invalid username or password");
    let update = |token: &str| {
        let body = r#"[{"date":"2026-03-15","inventoryNumber":3,"propertyName":"Lakeside Rooms"}]"#;
        let headers = [&bearer(token), "Content-Type: application/json"];
        served.send("POST", "/updateCalendarInventory?roomId=12", &headers, body)
    };
    update("unknown").is(401, "unauthorized");
    update(token).has_status(200);
}

#[test]
fn the_visitor_login_keeps_its_document() {
    let served = serve(&[]);
    let login = |body: &str| served.send("POST", "/v1/oauth/", &[FORM], body);
    let issued = login("username=reception&password=visitor-password-1");
    let token = issued.json()["data"]["access_token"].as_str().unwrap().to_owned();
    // Thirty days after the first moment of 2026, on a clock that stands still.
    let body =
        format!(r#"{{"success":true,"data":{{"access_token":"{token}","expiry":1769817600}}}}"#);
    issued.is(200, &body);
    login("username=reception&password=wrong").is(
        401,
        r#"{"success":false,"errors":{"message":"Wrong username/password. Please try again.","type":"OAuthException","code":"1142"}}"#,
    );
    served.send("GET", "/v1/get/", &[], "").is(
        401,
        r#"{"success":false,"errors":{"message":"An active access token must be used to query information about the current visitors.","type":"OAuthException","code":"1190"}}"#,
    );
    let visitors = served.send("GET", "/v1/get/", &[&format!("Authorization: Token {token}")], "");
    assert_eq!(visitors.has_status(200).json()["success"], json!(true));
}

#[test]
fn the_jwt_login_keeps_its_document() {
    let served = serve(&[]);
    let login = |password: &str| {
        let body = format!("grant_type=password&username=alice%40example.com&password={password}");
        served.send("POST", "/auth/jwt/login", &[FORM], &body)
    };
    let issued = login("alice-password-1");
    let tokens = issued.has_status(200).json();
    assert_eq!((&tokens["token_type"], &tokens["expires_in"]), (&json!("bearer"), &json!(3600)));
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(access.split('.').count(), 3);
    login("wrong").is(400, r#"{"detail":"LOGIN_BAD_CREDENTIALS"}"#);
    served.send("GET", "/users/me", &[], "").is(401, r#"{"detail":"Unauthorized"}"#);
    let me = served.send("GET", "/users/me", &[&bearer(access)], "");
    assert_eq!(me.has_status(200).json()["email"], json!("alice@example.com"));
    advance(&served, "1h");
    served.send("GET", "/users/me", &[&bearer(access)], "").is(401, r#"{"detail":"Unauthorized"}"#);
}

#[test]
fn the_environment_token_keeps_its_document() {
    let served = serve(&[]);
    let path = |environment: &str, act: &str| {
        format!("/{environment}/SUAPI/jservice/auth/{act}-access-token")
    };
    let generate = |secret: &str| -> Reply {
        let secret = format!("client-secret: {secret}");
        served.send(
            "GET",
            &path("sandbox", "generate"),
            &["client-id: aG90ZWwuZXhhbXBsZQ==", &secret],
            "",
        )
    };
    let issued = generate("sandbox-secret-hotel-1");
    let token = issued.json()["data"]["token"].as_str().unwrap().to_owned();
    assert!(token.starts_with("sandbox_"), "{token}");
    let body = format!(
        r#"{{"success":true,"data":{{"token_type":"Bearer","token":"{token}","expire_in":"3600"}},"message":"Access Token generated successfully"}}"#
    );
    issued.is(200, &body);
    generate("production-secret-hotel-2").has_status(401);
    let refused =
        r#"{"Status":"Fail","Errors":[{"Code":"497","ShortText":"Authorization Required"}]}"#;
    served.send("GET", &path("sandbox", "generate"), &[], "").is(401, refused);
    let validate = |environment: &str| {
        let headers = [
            bearer(&token),
            "app-id: test".to_owned(),
            "client-id: aG90ZWwuZXhhbXBsZQ==".to_owned(),
        ];
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        served.send("GET", &path(environment, "validate"), &headers, "")
    };
    validate("sandbox").has_status(200);
    validate("production").has_status(401);
}

#[test]
fn a_real_clock_cannot_be_advanced() {
    let served = Served::start(&["--clock", "real"]);
    let run = gatecrash(&["advance", "1s", "--control", &served.control]);
    run.exits(3).complains("the clock is real and cannot be advanced");
    gatecrash(&["advance", "soon", "--control", &served.control]).exits(2).complains("`soon`");
}

#[test]
fn without_a_server_press_and_advance_say_what_is_missing() {
    // Nothing listens on port 1, and no test is given it.
    let control = "http://127.0.0.1:1";
    for arguments in [vec!["press"], vec!["advance", "1s"]] {
        let run = gatecrash(&[&arguments[..], &["--control", control]].concat());
        run.exits(3).complains("is `gatecrash serve` running?");
    }
}

#[test]
fn an_address_that_is_taken_is_no_breakdown() {
    let served = serve(&[]);
    let taken = served.api.trim_start_matches("http://");
    let run = gatecrash(&["serve", "--listen", taken, "--control", "127.0.0.1:0"]);
    run.exits(3).complains("cannot be listened on");
    gatecrash(&["serve", "--fault", "no-such-fault"]).exits(2).complains("no-such-fault");
    gatecrash(&["serve", "--variant", "no.such=thing"]).exits(2).complains("no.such");
}

/// The arguments that check a flow of a running server.
fn check_flow<'a>(served: &'a Served, flow: &'a str) -> Vec<&'a str> {
    vec![
        "check",
        &served.api,
        "--control",
        &served.control,
        "--accounts",
        "reference",
        "--flow",
        flow,
        "--seed",
        "1",
    ]
}

#[test]
fn a_running_server_can_be_checked_through_its_control_plane() {
    let served = serve(&[]);
    let run = gatecrash(&check_flow(&served, "gateway-button"));
    run.exits(0);
    assert!(!run.out.contains("blocked"), "{}", run.out);
    // The control plane listens apart: no path of the API reaches it.
    served.send("POST", "/press", &[], "").has_status(404);
    assert_eq!(send(&served.control, "GET", "/clock", &[], "").json()["mode"], json!("virtual"));
}

#[test]
fn a_running_server_with_a_fault_is_caught() {
    let served = serve(&["--fault", "window-not-closed"]);
    let run = gatecrash(&check_flow(&served, "gateway-button"));
    run.exits(1).says("✗ fail  BTN-");
}

#[test]
fn a_variant_of_a_running_server_changes_what_it_answers() {
    let served = serve(&["--variant", "gateway-button.window_end=inclusive"]);
    press(&served);
    advance(&served, "120s");
    served.send("GET", GENERATE, &[], "").has_status(201);
}
