//! The control plane, and the same acts as methods.

use std::time::Instant;

use reference_server::{ClockMode, Config, Fault, Flow, Press, Server};
use serde_json::json;

use crate::support::{Reply, Site};

#[tokio::test]
async fn it_says_that_it_is_ready_and_where_the_flows_are() {
    let site = Site::start();
    let reply = site.control("GET", "/", "").await;
    assert_eq!(
        reply.json(),
        json!({ "ready": true, "api": site.server.url(), "clock": "virtual" })
    );
    site.send("GET", "/press").await.has_status(404);
    site.send("POST", "/reset").await.has_status(404);
}

#[tokio::test]
async fn a_press_and_the_clock_report_their_moments() {
    let site = Site::start();
    let start = 1_767_225_600_000_u64;
    for body in ["", "{}", r#"{"kind":"short"}"#, r#"{"kind":"double"}"#] {
        let reply = site.control("POST", "/press", body).await;
        assert_eq!(
            reply.json(),
            json!({ "pressed_at_ms": start, "window_ends_at_ms": start + 120_000 })
        );
    }
    let advanced = site.control("POST", "/clock/advance", r#"{"milliseconds":1}"#).await;
    assert_eq!(advanced.json(), json!({ "now_ms": start + 1 }));
    let clock = site.control("GET", "/clock", "").await;
    assert_eq!(clock.json(), json!({ "mode": "virtual", "now_ms": start + 1 }));
    site.control("POST", "/reset", "").await.has_status(200);
    assert_eq!(site.server.now().as_millis(), u128::from(start) + 1);
}

#[tokio::test]
async fn a_real_clock_cannot_be_advanced() {
    let site = Site::configured(Config { clock: ClockMode::Real, ..Config::default() });
    let reply = site.control("POST", "/clock/advance", r#"{"milliseconds":1}"#).await;
    reply.has_status(409);
    assert!(reply.json()["error"].as_str().unwrap().contains("real"));
    assert!(site.server.now().as_secs() > 1_767_225_600 - 86_400 * 365 * 3);
    let date = site.send("GET", "/users/me").await.header("date").to_owned();
    assert!(date.ends_with(" GMT") && date.len() == 29);
}

#[tokio::test]
async fn errors_are_sentences() {
    let site = Site::start();
    for (method, path, body, status) in [
        ("GET", "/nothing", "", 404),
        ("DELETE", "/press", "", 405),
        ("POST", "/press", "x", 400),
        ("POST", "/press", "[]", 400),
        ("POST", "/press", r#"{"kind":"hard"}"#, 400),
        ("POST", "/clock/advance", "{}", 400),
        ("POST", "/clock/advance", r#"{"milliseconds":-1}"#, 400),
        ("POST", "/accounts", r#"{"flow":"jwt-login","username":"nobody","state":"active"}"#, 404),
        ("POST", "/accounts", r#"{"flow":"jwt","username":"nobody","state":"active"}"#, 400),
        ("POST", "/revoke", r#"{"flow":"jwt-login","token":"x"}"#, 404),
        ("POST", "/orders", r#"{"change":"eaten"}"#, 400),
        ("POST", "/database", "{}", 400),
        ("PUT", "/faults", r#"["weak-kye"]"#, 400),
        ("PUT", "/faults", "{}", 400),
        ("PUT", "/variants", r#"{"jwt-login.logout":"maybe"}"#, 400),
        ("PUT", "/variants", r#"{"jwt-login.logout":1}"#, 400),
    ] {
        let reply = site.control(method, path, body).await;
        reply.has_status(status);
        assert!(reply.json()["error"].as_str().unwrap().len() > 10, "{reply:?}");
    }
}

#[tokio::test]
async fn faults_and_variants_are_put_read_and_reset() {
    let site = Site::with(&["jwt-login.logout=revoking"], &[Fault::NoAllow]);
    let reply = site.control("PUT", "/faults", r#"["weak-key","no-challenge"]"#).await;
    assert_eq!(reply.json(), json!(["no-challenge", "weak-key"]));
    let mixed = r#"{"jwt-login.logout":"stateless","jwt-login.postman":"maybe"}"#;
    site.control("PUT", "/variants", mixed).await.has_status(400);
    let variants = site.control("GET", "/variants", "").await.json();
    assert_eq!(variants["jwt-login.logout"], "revoking");
    let reply = site.control("PUT", "/variants", r#"{"jwt-login.logout":"stateless"}"#).await;
    assert_eq!(reply.json()["jwt-login.logout"], "stateless");
    site.control("POST", "/reset", "").await.has_status(200);
    assert_eq!(site.control("GET", "/faults", "").await.json(), json!(["no-allow"]));
    let variants = site.control("GET", "/variants", "").await.json();
    assert_eq!(variants["jwt-login.logout"], "revoking");
}

#[tokio::test]
async fn events_and_counters_tell_what_happened_without_secrets() {
    let site = Site::start();
    let token = crate::button::token(&site).await;
    let body = json!({ "flow": "gateway-button", "token": token }).to_string();
    site.control("POST", "/revoke", &body).await.has_status(200);
    let events = site.control("GET", "/events", "").await;
    let kinds: Vec<_> = site.server.events().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, ["pressed", "window-closed", "issued", "revoked"]);
    assert!(!events.text.contains(&token));
    let counters = site.control("GET", "/counters", "").await.json();
    assert_eq!(counters["gateway-button.issued"], 1);
    assert_eq!(counters["gateway-button.revoked"], 1);
}

#[tokio::test]
async fn a_reset_forgets_tokens_windows_and_states() {
    let site = Site::start();
    let tokens: Vec<String> =
        Flow::ALL.into_iter().flat_map(|flow| site.server.seed_tokens(flow, 1)).collect();
    site.server.press(Press::Short);
    site.server.reset();
    site.send("GET", "/api/v2/accesstoken/generate").await.has_status(403);
    let sandbox = "/sandbox/SUAPI/jservice/auth/validate-access-token";
    for (path, value) in [
        ("/api/v2/accesstoken", format!("Bearer {}", tokens[0])),
        ("/v1/get/", format!("Token {}", tokens[2])),
        (sandbox, format!("Bearer {}", tokens[4])),
    ] {
        site.authorized("GET", path, &value).await.has_status(401);
    }
}

#[tokio::test]
async fn seeded_tokens_are_accepted() {
    let site = Site::start();
    for (flow, method, path, scheme) in [
        (Flow::GatewayButton, "GET", "/api/v2/accesstoken", "Bearer"),
        (Flow::ChannelLogin, "POST", "/updateCalendarInventory?roomId=1", "Bearer"),
        (Flow::VisitorLogin, "GET", "/v1/get/", "Token"),
        (Flow::JwtLogin, "GET", "/users/me", "Bearer"),
        (
            Flow::EnvironmentToken,
            "GET",
            "/sandbox/SUAPI/jservice/auth/validate-access-token",
            "Bearer",
        ),
    ] {
        let tokens = site.server.seed_tokens(flow, 20);
        assert_eq!(tokens.len(), 20);
        for token in tokens {
            let request = site.request(method, path).json(&json!([]));
            let request = request.header("authorization", format!("{scheme} {token}"));
            Reply::of(request).await.has_status(200);
        }
    }
}

#[tokio::test]
async fn a_throttle_closes_a_name_for_a_minute_and_then_lets_its_owner_in() {
    let (channel, visitor) = ("550e8400-e29b-41d4-a716-446655440000", "visitor-password-1");
    for (flow, path, name, password) in [
        ("channel-login", "/generateToken", "channel_user", channel),
        ("visitor-login", "/v1/oauth/", "reception", visitor),
        ("jwt-login", "/auth/jwt/login", "alice@example.com", "alice-password-1"),
    ] {
        let site = Site::with(&[&format!("{flow}.throttle=429")], &[]);
        let login = async |password: &str| {
            let fields = [("grant_type", "password"), ("username", name), ("password", password)];
            site.form(path, &fields).await
        };
        for _ in 0..10 {
            assert!(matches!(login("x").await.status.as_u16(), 400 | 401));
        }
        let closed = login(password).await;
        closed.has_status(429);
        assert_eq!(closed.header("retry-after"), "60");
        site.advance(60_000);
        login(password).await.has_status(200);
    }
}

#[test]
fn a_server_starts_and_stops_at_once() {
    drop(Server::start(Config::default()).unwrap());
    let before = Instant::now();
    for _ in 0..20 {
        drop(Server::start(Config::default()).unwrap());
    }
    // The bound only catches a wait.
    assert!(before.elapsed().as_millis() < 2000, "{:?}", before.elapsed());
}
