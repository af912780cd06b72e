//! visitor-login.

use reference_server::{AccountState, Flow};
use reqwest::multipart;
use serde_json::Value;

use crate::support::{Reply, Site};

const LOGIN: &str = "/v1/oauth/";
const GOOD: [(&str, &str); 2] = [("username", "reception"), ("password", "visitor-password-1")];
const MONTH: u64 = 2_592_000_000;

async fn token(site: &Site) -> String {
    let reply = site.form(LOGIN, &GOOD).await;
    reply.json()["data"]["access_token"].as_str().unwrap().to_owned()
}

#[track_caller]
fn is_error(reply: &Reply, status: u16, code: &str) {
    reply.has_status(status);
    let body = reply.json();
    assert_eq!(body["success"], Value::Bool(false));
    assert!(body.get("data").is_none());
    assert_eq!(body["errors"]["code"], code);
    let kind = match &code[..1] {
        "1" => "OAuthException",
        "2" | "3" => "APIMethodException",
        "4" => "RequestedObjectException",
        _ => "ServerSideException",
    };
    assert_eq!(body["errors"]["type"], kind);
    assert!(body["errors"]["message"].is_string());
    assert_eq!(body["errors"].as_object().unwrap().len(), 3);
    assert_eq!(reply.header("content-type"), "application/json");
}

#[tokio::test]
async fn a_login_gives_an_opaque_token_of_thirty_days() {
    let site = Site::start();
    for path in [LOGIN, "/v1/oauth/index.php"] {
        let reply = site.form(path, &GOOD).await;
        reply.has_status(200);
        let body = reply.json();
        assert_eq!(body["success"], Value::Bool(true));
        assert_eq!(body["data"]["expiry"], 1_767_225_600 + 2_592_000);
        let token = body["data"]["access_token"].as_str().unwrap();
        assert_eq!(token.len(), 40);
        let visitors = site.authorized("GET", "/v1/get/", &format!("Token {token}")).await;
        visitors.has_status(200);
        assert_eq!(visitors.json()["success"], Value::Bool(true));
        assert!(visitors.json()["data"].is_array());
    }
}

#[tokio::test]
async fn login_errors_follow_the_table_and_tell_no_user_apart() {
    let site = Site::start();
    let login = |fields: &'static [(&str, &str)]| site.form(LOGIN, fields);
    let wrong = login(&[("username", "reception"), ("password", "x")]).await;
    let unknown = login(&[("username", "nobody"), ("password", "x")]).await;
    is_error(&wrong, 401, "1142");
    assert_eq!((&wrong.text, &wrong.headers), (&unknown.text, &unknown.headers));
    let incomplete: [&'static [(&str, &str)]; 5] = [
        &[],
        &[("username", "reception")],
        &[("password", "x")],
        &[("username", ""), ("password", "x")],
        &[("username[]", "reception"), ("password", "x")],
    ];
    for fields in incomplete {
        is_error(&login(fields).await, 400, "1157");
    }
    let twice = [("username", "porter"), ("username", "reception"), ("password", "x")];
    is_error(&site.form(LOGIN, &twice).await, 400, "2400");
    let query = "/v1/oauth/?username=reception&password=visitor-password-1";
    is_error(&site.send("POST", query).await, 400, "1157");
    is_error(&site.send("GET", query).await, 405, "3100");
    let json = serde_json::json!({ "username": "reception", "password": "visitor-password-1" });
    is_error(&Reply::of(site.request("POST", LOGIN).json(&json)).await, 400, "1157");
    let sql = [("username", "' OR 1=1 --"), ("password", "x")];
    is_error(&site.form(LOGIN, &sql).await, 401, "1142");
}

#[tokio::test]
async fn device_information_is_limited_in_characters() {
    for (length, variant, status) in [
        (0, "refused", 200),
        (200, "refused", 200),
        (201, "refused", 400),
        (10_000, "refused", 400),
        (201, "cut", 200),
    ] {
        let site = Site::with(&[&format!("visitor-login.long_device_info={variant}")], &[]);
        let info = "ö".repeat(length);
        let fields = [GOOD[0], GOOD[1], ("device-info", info.as_str())];
        site.form(LOGIN, &fields).await.has_status(status);
    }
}

#[tokio::test]
async fn debug_output_needs_the_development_branch_and_the_value_one() {
    for (branch, value, expected) in [
        ("production", "1", false),
        ("development", "0", false),
        ("development", "2", false),
        ("development", "true", false),
        ("development", "01", false),
        ("development", "", false),
        ("development", "1", true),
    ] {
        let site = Site::with(&[&format!("visitor-login.branch={branch}")], &[]);
        let fields = [("username", "reception"), ("password", "x"), ("debug", value)];
        let body = site.form(LOGIN, &fields).await.json();
        assert_eq!(body.get("debug").is_some(), expected, "{branch} {value}");
    }
}

#[tokio::test]
async fn a_path_without_its_slash_never_logs_in() {
    for (variant, status, location) in [
        ("redirect", 301, "/v1/oauth/"),
        ("redirect_308", 308, "/v1/oauth/"),
        ("not_found", 404, ""),
    ] {
        let site = Site::with(&[&format!("visitor-login.no_slash={variant}")], &[]);
        let reply = site.form("/v1/oauth", &GOOD).await;
        is_error(&reply, status, "2600");
        assert_eq!(reply.header("location"), location);
    }
}

#[tokio::test]
async fn header_errors_follow_the_table() {
    let site = Site::start();
    let token = token(&site).await;
    let get = async |value: String| site.authorized("GET", "/v1/get/", &value).await;
    is_error(&site.send("GET", "/v1/get/").await, 401, "1190");
    for value in [format!("Bearer {token}"), format!("Bearer Token {token}"), token.clone()] {
        is_error(&get(value).await, 401, "1190");
    }
    for value in ["Token".to_owned(), "Token 0".to_owned(), format!("Token {token}0")] {
        let reply = get(value).await;
        is_error(&reply, 401, "1403");
        assert!(reply.header("www-authenticate").starts_with("Token realm="));
    }
    get(format!("TOKEN {token}")).await.has_status(200);
    site.server.set_variant("visitor-login.scheme_case", "vendor").unwrap();
    get(format!("token {token}")).await.has_status(200);
    is_error(&get(format!("TOKEN {token}")).await, 401, "1190");
}

#[tokio::test]
async fn a_token_ends_at_its_expiry_and_each_login_has_its_own() {
    let site = Site::start();
    let first = format!("Token {}", token(&site).await);
    site.advance(1000);
    let second = format!("Token {}", token(&site).await);
    site.advance(MONTH - 1001);
    site.authorized("GET", "/v1/get/", &first).await.has_status(200);
    site.advance(1);
    is_error(&site.authorized("GET", "/v1/get/", &first).await, 401, "1403");
    site.authorized("GET", "/v1/get/", &second).await.has_status(200);
    site.server.set_account_state(Flow::VisitorLogin, "reception", AccountState::Blocked);
    is_error(&site.authorized("GET", "/v1/get/", &second).await, 401, "1403");
}

#[tokio::test]
async fn adding_a_visitor_checks_token_then_completeness_then_formats() {
    let site = Site::start();
    let token = token(&site).await;
    let full = |change: (&str, &str)| {
        let fields = [
            ("access_token", token.as_str()),
            ("name", "Bob \"<b>"),
            ("cardno", "42"),
            ("mobile", "5550100200"),
            ("purpose", "Delivery"),
        ];
        let mut form = multipart::Form::new();
        for (name, value) in fields {
            let value = if name == change.0 { change.1 } else { value };
            if !value.is_empty() {
                form = form.text(name.to_owned(), value.to_owned());
            }
        }
        form
    };
    let add = |form| Reply::of(site.request("POST", "/v1/add/").multipart(form));
    for (field, value, status, code) in [
        ("access_token", "", 400, "2200"),
        ("access_token", "0", 401, "1403"),
        ("cardno", "", 400, "2200"),
        ("cardno", "4x", 400, "2301"),
        ("mobile", "555", 400, "2302"),
        ("purpose", "a\u{7}", 400, "2303"),
    ] {
        is_error(&add(full((field, value))).await, status, code);
    }
    let photo = multipart::Part::bytes(b"GIF89a".to_vec()).file_name("x.gif");
    is_error(&add(full(("", "")).part("photo", photo)).await, 415, "2415");
    is_error(&site.form("/v1/add/", &GOOD).await, 400, "2200");
    let added = add(full(("", ""))).await;
    added.has_status(200);
    let id = added.json()["data"]["id"].as_str().unwrap().to_owned();
    let value = format!("Token {token}");
    let get = async |path: String| site.authorized("GET", &path, &value).await;
    let value = &value;
    assert_eq!(get(format!("/v1/get/{id}")).await.json()["data"]["name"], "Bob \"<b>");
    is_error(&get("/v1/get/999".to_owned()).await, 404, "3404");
    is_error(&get(format!("/v1/photo/{id}")).await, 404, "4515");
    is_error(&get("/v1/photo/".to_owned()).await, 400, "3100");
    is_error(&get("/v1/get/%ff".to_owned()).await, 400, "3100");
    is_error(&get("/v1/nothing/%3Cb%3E".to_owned()).await, 404, "2600");
    get(format!("/v1/exit/{id}")).await.has_status(200);
    let header_only = full(("access_token", ""));
    let request = site.request("POST", "/v1/add/").multipart(header_only);
    is_error(&Reply::of(request.header("authorization", value)).await, 400, "2200");
}

#[tokio::test]
async fn a_failing_database_is_a_server_side_error_without_its_text() {
    let site = Site::start();
    site.control("POST", "/database", r#"{"failing":true}"#).await.has_status(200);
    let reply = site.form(LOGIN, &GOOD).await;
    is_error(&reply, 503, "5501");
    assert!(reply.json().get("debug").is_none());
    site.server.reset();
    site.form(LOGIN, &GOOD).await.has_status(200);
}

#[tokio::test]
async fn a_long_password_counts_to_its_end() {
    let site = Site::start();
    let start = format!("long-password-{}-tail-", "0123456789".repeat(7));
    for (tail, status) in [("A", 200), ("B", 401), ("", 401)] {
        let password = format!("{start}{tail}");
        let fields = [("username", "longpass"), ("password", password.as_str())];
        site.form(LOGIN, &fields).await.has_status(status);
    }
}

#[tokio::test]
async fn the_vendor_s_own_status_is_a_variant() {
    let site = Site::with(&["visitor-login.error_status=200"], &[]);
    let reply = site.form(LOGIN, &[]).await;
    is_error(&reply, 200, "1157");
    is_error(&site.send("GET", "/v1/nothing").await, 404, "2600");
}
