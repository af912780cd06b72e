//! gateway-button over HTTP.

use reference_server::{Fault, Flow, Press};
use serde_json::json;

use crate::support::{Reply, Site};

const GENERATE: &str = "/api/v2/accesstoken/generate";
const TOKEN: &str = "/api/v2/accesstoken";
const ALL: &str = "/api/v2/accesstoken/all";

const MALFORMED: &str = r#"{"status":400,"returnCode":-1,"message":"Invalid formatted Authorization header value. Must be Bearer ACCESS_TOKEN."}"#;
const DENIED: &str = r#"{"status":401,"returnCode":-2,"message":"Access denied using provided token or no access token provided."}"#;
const WINDOW: &str = r#"{"status":403,"returnCode":-3,"message":"Time window expired or gateway button not pressed."}"#;

pub(crate) async fn token(site: &Site) -> String {
    site.server.press(Press::Short);
    let reply = site.send("GET", GENERATE).await;
    reply.json()["token"]["token"].as_str().unwrap().to_owned()
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

#[tokio::test]
async fn a_press_opens_a_window_for_exactly_one_token() {
    let site = Site::start();
    site.send("GET", GENERATE).await.is(403, WINDOW);
    site.server.press(Press::Short);
    let issued = site.send("GET", GENERATE).await;
    issued.has_status(201);
    let body = issued.json();
    assert_eq!(body["status"], 201);
    assert_eq!(body["returnCode"], 2);
    assert_eq!(body["token"]["name"], "default");
    assert_eq!(body["token"]["creation_date"], "2026-01-01T00:00:00");
    assert!(body["token"]["last_used"].is_null() && body["token"]["ip_address"].is_null());
    let token = body["token"]["token"].as_str().unwrap();
    assert_eq!(token.len(), 48);
    assert!(token.bytes().all(|byte| b"0123456789abcdef".contains(&byte)));
    assert_eq!(issued.header("cache-control"), "no-store");
    assert_eq!(issued.header("pragma"), "no-cache");
    assert_eq!(issued.header("date"), "Thu, 01 Jan 2026 00:00:00 GMT");
    site.send("GET", GENERATE).await.is(403, WINDOW);
    site.authorized("GET", TOKEN, &bearer(token)).await.has_status(200);
}

#[tokio::test]
async fn the_window_ends_at_two_minutes_to_the_millisecond() {
    for (after, variant, expected) in [
        (119_999, "exclusive", 201),
        (120_000, "exclusive", 403),
        (120_000, "inclusive", 201),
        (120_001, "inclusive", 403),
    ] {
        let site = Site::with(&[&format!("gateway-button.window_end={variant}")], &[]);
        site.server.press(Press::Short);
        site.advance(after);
        site.send("GET", GENERATE).await.has_status(expected);
    }
}

#[tokio::test]
async fn a_second_press_restarts_the_window_unless_the_variant_ignores_it() {
    for (variant, expected) in [("restart", 201), ("ignore", 403)] {
        let site = Site::with(&[&format!("gateway-button.second_press={variant}")], &[]);
        site.server.press(Press::Short);
        site.advance(60_000);
        site.server.press(Press::Long);
        site.advance(90_000);
        site.send("GET", GENERATE).await.has_status(expected);
        site.send("GET", GENERATE).await.has_status(403);
    }
}

#[tokio::test]
async fn parallel_generates_share_one_window() {
    let site = Site::start();
    for _ in 0..10 {
        site.server.press(Press::Double);
        let replies: Vec<_> = (0..8).map(|_| Reply::of(site.request("GET", GENERATE))).collect();
        let mut issued = 0;
        for reply in futures_util::future::join_all(replies).await {
            issued += usize::from(reply.status == 201);
        }
        assert_eq!(issued, 1);
    }
}

#[tokio::test]
async fn head_and_options_neither_mint_nor_use_the_window_up() {
    let site = Site::start();
    site.send("HEAD", GENERATE).await.has_status(403);
    site.server.press(Press::Short);
    site.send("HEAD", GENERATE).await.has_status(201);
    let options = site.send("OPTIONS", GENERATE).await;
    options.has_status(405);
    assert_eq!(options.header("allow"), "GET,HEAD,POST");
    site.send("GET", GENERATE).await.has_status(201);
    assert_eq!(site.server.counters()["gateway-button.issued"], 1);
}

#[tokio::test]
async fn names_are_kept_or_refused_by_one_rule() {
    let site = Site::start();
    for (query, name) in [
        ("", "default"),
        ("?name=POS1", "POS1"),
        ("?name=POS+1&foo=1", "POS 1"),
        ("?name=a-b_c%20d", "a-b_c d"),
        ("?name=12345678901234567890123456789012", "12345678901234567890123456789012"),
    ] {
        site.server.press(Press::Short);
        let reply = site.send("GET", &format!("{GENERATE}{query}")).await;
        assert_eq!(reply.json()["token"]["name"], name);
    }
    site.server.press(Press::Short);
    for query in [
        "name=",
        "name=+",
        "name=+a",
        "name=a%2Fb",
        "name=%C3%B6",
        "name=%00",
        "name=%22",
        "name=%3Cb%3E",
        "name=123456789012345678901234567890123",
        "name=%FF",
        "name=a&name=b",
        "name=a%0D%0Ab",
    ] {
        let reply = site.send("GET", &format!("{GENERATE}?{query}")).await;
        reply.has_status(400);
        assert_eq!(reply.json()["returnCode"], -4);
        let message = reply.json()["message"].as_str().unwrap().to_owned();
        assert!(message.starts_with("Invalid name for access token. Can onl"), "{message}");
    }
    site.send("GET", GENERATE).await.has_status(201);
}

#[tokio::test]
async fn a_bad_name_and_a_closed_window_follow_the_variant() {
    for (variant, expected) in [("name", 400), ("window", 403)] {
        let site = Site::with(&[&format!("gateway-button.name_precedence={variant}")], &[]);
        site.send("GET", &format!("{GENERATE}?name=%2F")).await.has_status(expected);
    }
}

#[tokio::test]
async fn authorization_errors_are_the_documented_ones() {
    let site = Site::start();
    let token = token(&site).await;
    let unknown = "0".repeat(48);
    let basic = format!("Basic {token}");
    for (method, path) in [("GET", TOKEN), ("GET", ALL), ("DELETE", TOKEN), ("POST", GENERATE)] {
        let bare = site.send(method, path).await;
        bare.is(401, DENIED);
        assert_eq!(bare.header("www-authenticate"), r#"Bearer realm="gateway""#);
        for value in [token.as_str(), "Bearer", "Bearer a b", "Bearer,a", "", "BearerX a", &basic] {
            site.authorized(method, path, value).await.is(400, MALFORMED);
        }
        for wrong in [&unknown, &token[..47], &format!("{token}0"), "zz", &token.to_uppercase()] {
            let denied = site.authorized(method, path, &bearer(wrong)).await;
            denied.is(401, DENIED);
            assert!(denied.header("www-authenticate").contains(r#"error="invalid_token""#));
        }
    }
    for value in [format!("bearer {token}"), format!("BEARER   {token} ")] {
        site.authorized("GET", TOKEN, &value).await.has_status(200);
    }
    let both = site.request("GET", TOKEN).header("authorization", bearer(&token));
    Reply::of(both.header("authorization", bearer(&unknown))).await.is(400, MALFORMED);
    for query in ["access_token", "accesstoken", "token"] {
        site.send("GET", &format!("{TOKEN}?{query}={token}")).await.is(401, DENIED);
    }
    let cookie = site.request("GET", TOKEN).header("cookie", format!("access_token={token}"));
    Reply::of(cookie).await.is(401, DENIED);
}

#[tokio::test]
async fn a_token_makes_more_tokens_without_the_button_and_leaves_the_window_alone() {
    let site = Site::start();
    let master = token(&site).await;
    site.server.press(Press::Short);
    let posts = [
        site.request("POST", &format!("{GENERATE}?name=one")),
        site.request("POST", GENERATE).form(&[("name", "two")]),
        site.request("POST", GENERATE).json(&json!({ "name": "three" })),
        site.request("POST", GENERATE).json(&json!({})),
    ];
    for (post, name) in posts.into_iter().zip(["one", "two", "three", "default"]) {
        let reply = Reply::of(post.header("authorization", bearer(&master))).await;
        reply.has_status(201);
        assert_eq!(reply.json()["token"]["name"], name);
        assert_ne!(reply.json()["token"]["token"], master.as_str());
    }
    let bad = [
        (site.request("POST", GENERATE).json(&json!({ "name": 5 })), 400),
        (site.request("POST", GENERATE).json(&json!([])), 400),
        (site.request("POST", &format!("{GENERATE}?name=a")).form(&[("name", "b")]), 400),
        (site.request("POST", GENERATE).header("content-type", "text/plain").body("x"), 415),
    ];
    for (post, status) in bad {
        let reply = Reply::of(post.header("authorization", bearer(&master))).await;
        reply.has_status(status);
        assert_eq!(reply.json()["status"], status);
    }
    site.send("GET", GENERATE).await.has_status(201);
}

#[tokio::test]
async fn a_token_deletes_itself_and_no_other() {
    let site = Site::start();
    let (first, second) = (token(&site).await, token(&site).await);
    site.authorized("DELETE", &format!("{TOKEN}/default"), &bearer(&first)).await.has_status(404);
    let deleted =
        site.authorized("DELETE", &format!("{TOKEN}?token={second}"), &bearer(&first)).await;
    deleted.is(200, r#"{"status":200,"returnCode":1001,"message":"Token deleted."}"#);
    site.authorized("DELETE", TOKEN, &bearer(&first)).await.is(401, DENIED);
    site.authorized("GET", TOKEN, &bearer(&first)).await.is(401, DENIED);
    let list = site.authorized("GET", ALL, &bearer(&second)).await.json();
    assert_eq!(list["count"], 1);
    assert_eq!(list["returnCode"], 3);
    assert!(list["items"][0].get("token").is_none());
}

#[tokio::test]
async fn use_is_noted_with_time_and_address() {
    let site = Site::start();
    let (used, reader) = (token(&site).await, token(&site).await);
    site.advance(5000);
    site.authorized("GET", TOKEN, &bearer(&used)).await;
    site.advance(5000);
    let items = site.authorized("GET", ALL, &bearer(&reader)).await.json()["items"].clone();
    assert_eq!(items[0]["last_used"], "2026-01-01T00:00:05");
    assert_eq!(items[0]["ip_address"], "127.0.0.1");
    site.server.set_variant("gateway-button.last_used_of_reader", "before").unwrap();
    let own = site.authorized("GET", TOKEN, &bearer(&used)).await.json();
    assert_eq!(own["token"]["last_used"], "2026-01-01T00:00:05");
}

#[tokio::test]
async fn every_path_under_the_api_answers_in_the_envelope() {
    let site = Site::start();
    for (method, path, status) in [
        ("GET", "/api/v2/nothing", 404),
        ("GET", "/api/v2", 404),
        ("GET", "/api/v2/accesstoken/", 404),
        ("PUT", TOKEN, 405),
        ("TRACE", TOKEN, 405),
        ("FOO", ALL, 405),
        ("GET", "/api/v2/websocket", 426),
        ("POST", "/api/v2/websocket", 405),
    ] {
        let reply = site.send(method, path).await;
        reply.has_status(status);
        assert_eq!(reply.json()["status"], status);
        assert!(reply.json()["returnCode"].as_i64().unwrap() < 0);
        assert!(reply.json()["message"].is_string());
        assert_eq!(status == 405, !reply.header("allow").is_empty());
    }
}

#[tokio::test]
async fn tokens_survive_a_restart_and_the_window_does_so_by_variant() {
    let site = Site::start();
    let kept = token(&site).await;
    for (variant, expected) in [("closed", 403), ("kept", 201)] {
        site.server.set_variant("gateway-button.restart_window", variant).unwrap();
        site.server.press(Press::Short);
        site.server.restart();
        site.send("GET", GENERATE).await.has_status(expected);
    }
    site.authorized("GET", TOKEN, &bearer(&kept)).await.has_status(200);
    assert!(site.server.revoke(Flow::GatewayButton, &kept));
    assert!(!site.server.revoke(Flow::GatewayButton, &kept));
    site.authorized("GET", TOKEN, &bearer(&kept)).await.is(401, DENIED);
}

#[tokio::test]
async fn a_race_fault_lets_two_requests_through_one_window() {
    let site = Site::with(&[], &[Fault::WindowRace]);
    site.server.press(Press::Short);
    let (one, two) = tokio::join!(site.send("GET", GENERATE), site.send("GET", GENERATE));
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (201, 201));
}
