//! environment-token.

use reference_server::{AccountState, Flow};

use crate::support::{HOUR, Reply, Site};

const HOTEL: &str = "aG90ZWwuZXhhbXBsZQ==";
const SANDBOX_SECRET: &str = "sandbox-secret-hotel-1";
const PRODUCTION_SECRET: &str = "production-secret-hotel-2";
const REQUIRED: &str =
    r#"{"Status":"Fail","Errors":[{"Code":"497","ShortText":"Authorization Required"}]}"#;

fn path(environment: &str, name: &str) -> String {
    format!("/{environment}/SUAPI/jservice/auth/{name}-access-token")
}

async fn generate(site: &Site, environment: &str, id: &str, secret: &str) -> Reply {
    let request = site.request("GET", &path(environment, "generate"));
    Reply::of(request.header("Client-Id", id).header("client-secret", secret)).await
}

async fn token(site: &Site, environment: &str) -> String {
    let secret =
        format!("{environment}-secret-hotel-{}", if environment == "sandbox" { 1 } else { 2 });
    let reply = generate(site, environment, HOTEL, &secret).await;
    reply.json()["data"]["token"].as_str().unwrap().to_owned()
}

async fn validate(site: &Site, environment: &str, value: &str) -> Reply {
    site.authorized("GET", &path(environment, "validate"), value).await
}

#[tokio::test]
async fn each_environment_issues_its_own_tokens_and_accepts_no_other() {
    let site = Site::start();
    for (environment, other, secret, prefix) in [
        ("sandbox", "production", SANDBOX_SECRET, "sandbox_"),
        ("production", "sandbox", PRODUCTION_SECRET, "live_"),
    ] {
        let reply = generate(&site, environment, HOTEL, secret).await;
        reply.has_status(200);
        let body = reply.json();
        assert_eq!(body["success"], true);
        assert_eq!(body["message"], "Access Token generated successfully");
        assert_eq!(body["data"]["token_type"], "Bearer");
        assert_eq!(body["data"]["expire_in"], "3600");
        assert_eq!(reply.header("cache-control"), "no-store");
        let token = body["data"]["token"].as_str().unwrap();
        assert!(token.starts_with(prefix));
        let value = format!("Bearer {token}");
        validate(&site, environment, &value)
            .await
            .is(200, r#"{"success":true,"message":"Access Token is valid"}"#);
        validate(&site, other, &value).await.is(401, REQUIRED);
        generate(&site, other, HOTEL, secret).await.is(401, REQUIRED);
        let bare = token.strip_prefix(prefix).unwrap();
        for changed in [bare.to_owned(), format!("live_{bare}"), format!("sandbox_{bare}")] {
            if changed != token {
                validate(&site, "sandbox", &format!("Bearer {changed}")).await.is(401, REQUIRED);
                validate(&site, "production", &format!("Bearer {changed}")).await.is(401, REQUIRED);
            }
        }
    }
}

#[tokio::test]
async fn refusals_do_not_say_which_header_was_wrong() {
    let site = Site::start();
    let wrong_secret = generate(&site, "sandbox", HOTEL, "x").await;
    let wrong_id = generate(&site, "sandbox", "eC5leGFtcGxl", SANDBOX_SECRET).await;
    wrong_secret.is(401, REQUIRED);
    assert_eq!((&wrong_id.text, &wrong_id.headers), (&wrong_secret.text, &wrong_secret.headers));
    for id in ["hotel.example", "aG90ZWwuZXhhbXBsZQ", "", "aW5uLmV4YW1wbGU=", "!"] {
        generate(&site, "sandbox", id, SANDBOX_SECRET).await.is(401, REQUIRED);
    }
    site.send("GET", &path("sandbox", "generate")).await.is(401, REQUIRED);
    let query =
        format!("{}?client-id={HOTEL}&client-secret={SANDBOX_SECRET}", path("sandbox", "generate"));
    site.send("GET", &query).await.is(401, REQUIRED);
    let twice = site
        .request("GET", &path("sandbox", "generate"))
        .header("client-id", HOTEL)
        .header("client-secret", SANDBOX_SECRET)
        .header("client-secret", "x");
    Reply::of(twice).await.is(401, REQUIRED);
    let post = site.send("POST", &path("sandbox", "generate")).await;
    post.has_status(405);
    assert_eq!(post.header("allow"), "GET,HEAD");
    let put = site.send("PUT", &path("sandbox", "generate")).await;
    assert_eq!(put.header("allow"), "GET,HEAD");
    assert_eq!(post.json()["Status"], "Fail");
}

#[tokio::test]
async fn validation_wants_the_bearer_scheme_and_nothing_else() {
    let site = Site::start();
    let token = token(&site, "sandbox").await;
    for value in
        ["Bearer", "Bearer x", &format!("Basic {token}"), &token, &format!("Bearer {token}A")]
    {
        let reply = validate(&site, "sandbox", value).await;
        reply.is(401, REQUIRED);
        assert!(reply.header("www-authenticate").starts_with("Bearer realm="));
    }
    site.send("GET", &path("sandbox", "validate")).await.is(401, REQUIRED);
    for app_id in ["right", "wrong"] {
        let request = site.request("GET", &path("sandbox", "validate"));
        let request =
            request.header("app-id", app_id).header("authorization", format!("bearer {token}"));
        Reply::of(request).await.has_status(200);
    }
}

#[tokio::test]
async fn a_token_lives_as_long_as_it_says_however_often_it_is_validated() {
    let site = Site::start();
    let value = format!("Bearer {}", token(&site, "production").await);
    for _ in 0..3 {
        site.advance(HOUR / 3 - 1);
        validate(&site, "production", &value).await.has_status(200);
    }
    site.advance(2);
    validate(&site, "production", &value).await.has_status(200);
    site.advance(1);
    validate(&site, "production", &value).await.is(401, REQUIRED);
}

#[tokio::test]
async fn a_blocked_tenant_has_no_tokens() {
    let site = Site::start();
    let value = format!("Bearer {}", token(&site, "sandbox").await);
    site.server.set_account_state(Flow::EnvironmentToken, "hotel.example", AccountState::Blocked);
    validate(&site, "sandbox", &value).await.is(401, REQUIRED);
    generate(&site, "sandbox", HOTEL, SANDBOX_SECRET).await.is(401, REQUIRED);
}

#[tokio::test]
async fn variants_change_what_the_document_leaves_open() {
    let site = Site::with(&["environment-token.spelling=newer"], &[]);
    let body = generate(&site, "sandbox", HOTEL, SANDBOX_SECRET).await.json();
    assert_eq!(body["Status"], "Success");
    assert!(body["Data"]["token"].is_string() && body.get("success").is_none());
    let site = Site::with(&["environment-token.client_id_forms=lenient"], &[]);
    generate(&site, "sandbox", "aG90ZWwuZXhhbXBsZQ", SANDBOX_SECRET).await.has_status(200);
    let site = Site::with(&["environment-token.post_generate=served"], &[]);
    let post = site.request("POST", &path("sandbox", "generate"));
    let post = post.header("client-id", HOTEL).header("client-secret", SANDBOX_SECRET);
    Reply::of(post).await.has_status(200);
    for (variant, status) in [("valid", 200), ("replaced", 401)] {
        let site = Site::with(&[&format!("environment-token.previous_token={variant}")], &[]);
        let old = format!("Bearer {}", token(&site, "sandbox").await);
        token(&site, "sandbox").await;
        validate(&site, "sandbox", &old).await.has_status(status);
    }
    for status in [422, 429] {
        let site = Site::with(&[&format!("environment-token.throttle={status}")], &[]);
        for _ in 0..10 {
            generate(&site, "sandbox", HOTEL, SANDBOX_SECRET).await.has_status(200);
        }
        let limited = generate(&site, "sandbox", HOTEL, SANDBOX_SECRET).await;
        limited.has_status(status);
        assert_eq!(limited.json()["Errors"][0]["Code"], "548");
        site.advance(60_000);
        generate(&site, "sandbox", HOTEL, SANDBOX_SECRET).await.has_status(200);
    }
}

#[tokio::test]
async fn head_mints_nothing() {
    let site = Site::start();
    let request = site.request("HEAD", &path("sandbox", "generate"));
    let request = request.header("client-id", HOTEL).header("client-secret", SANDBOX_SECRET);
    Reply::of(request).await.is(200, "");
    assert_eq!(site.server.counters()["environment-token.issued"], 0);
}
