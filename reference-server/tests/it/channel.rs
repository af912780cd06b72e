//! channel-login.

use reference_server::{AccountState, Flow};

use crate::support::{HOUR, Reply, Site};

const USER: &str = "channel_user";
const PASSWORD: &str = "550e8400-e29b-41d4-a716-446655440000";
const BAD: &str = "invalid username or password";
const STATE: &str = "token expired";

async fn generate(site: &Site, username: &str, password: &str) -> Reply {
    let fields = [("Username", username), ("Password", password)];
    site.form("/generateToken", &fields).await
}

async fn current(site: &Site) -> Reply {
    let fields = [("username", USER), ("password", PASSWORD)];
    site.form("/getToken", &fields).await
}

async fn update(site: &Site, value: &str) -> u16 {
    let request = site
        .request("POST", "/updateCalendarInventory?roomId=12")
        .header("authorization", value)
        .json(&serde_json::json!([]));
    Reply::of(request).await.status.as_u16()
}

#[tokio::test]
async fn good_credentials_give_a_bare_token_that_opens_the_protected_endpoint() {
    let site = Site::start();
    let reply = generate(&site, USER, PASSWORD).await;
    reply.has_status(200);
    assert_eq!(reply.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.text.len() >= 43 && !reply.text.contains(char::is_whitespace));
    assert_eq!(update(&site, &format!("Bearer {}", reply.text)).await, 200);
    assert_eq!(current(&site).await.text, reply.text);
}

#[tokio::test]
async fn refusals_are_the_documented_literals_and_tell_no_user_apart() {
    let site = Site::start();
    let wrong = generate(&site, USER, "wrong").await;
    let unknown = generate(&site, "nobody", PASSWORD).await;
    wrong.is(401, BAD);
    unknown.is(401, BAD);
    assert_eq!(wrong.headers, unknown.headers);
    let blocked = "16fd2706-8baf-433b-82eb-8c7fada847da";
    generate(&site, "blocked_channel", blocked).await.is(403, STATE);
    generate(&site, "blocked_channel", "wrong").await.is(401, BAD);
    let state = AccountState::Active;
    assert_eq!(
        site.server.set_account_state(Flow::ChannelLogin, "blocked_channel", state),
        Some(AccountState::Blocked)
    );
    generate(&site, "blocked_channel", blocked).await.has_status(200);
}

#[tokio::test]
async fn incomplete_requests_are_client_errors() {
    let site = Site::start();
    for fields in [
        &[][..],
        &[("Username", USER)],
        &[("Password", PASSWORD)],
        &[("Username", ""), ("Password", PASSWORD)],
        &[("Username", USER), ("Username", USER), ("Password", PASSWORD)],
        &[("Username", USER), ("username", USER), ("Password", PASSWORD)],
    ] {
        site.form("/generateToken", fields).await.is(400, BAD);
    }
    let json = serde_json::json!({ "Username": USER, "Password": PASSWORD });
    Reply::of(site.request("POST", "/generateToken").json(&json)).await.is(415, BAD);
    let query = format!("/generateToken?username={USER}&password={PASSWORD}");
    site.send("POST", &query).await.is(400, BAD);
    for method in ["GET", "PUT", "DELETE", "HEAD"] {
        let reply = site.send(method, &query).await;
        reply.has_status(405);
        assert_eq!(reply.header("allow"), "POST");
    }
    site.server.set_variant("channel-login.query_credentials", "accepted").unwrap();
    site.send("POST", &query).await.has_status(200);
}

#[tokio::test]
async fn form_decoding_is_exact() {
    let site = Site::start();
    generate(&site, "special_channel", "p+a s&w=ö%2B;\"é").await.has_status(200);
    for wrong in ["p a s&w=ö%2B;\"é", "p+a s&w=ö+;\"é", "p+a+s&w=ö%2B;\"é"] {
        generate(&site, "special_channel", wrong).await.is(401, BAD);
    }
}

#[tokio::test]
async fn a_new_token_replaces_the_old_one_unless_the_variant_keeps_it() {
    for (variant, expected) in [("replaced", 401), ("kept", 200)] {
        let site = Site::with(&[&format!("channel-login.previous_token={variant}")], &[]);
        let old = generate(&site, USER, PASSWORD).await.text;
        let new = generate(&site, USER, PASSWORD).await.text;
        assert_eq!(update(&site, &format!("Bearer {old}")).await, expected);
        assert_eq!(update(&site, &format!("Bearer {new}")).await, 200);
    }
}

#[tokio::test]
async fn a_token_lives_exactly_one_hour() {
    let site = Site::start();
    let token = format!("Bearer {}", generate(&site, USER, PASSWORD).await.text);
    site.advance(HOUR - 1);
    assert_eq!(update(&site, &token).await, 200);
    site.advance(1);
    assert_eq!(update(&site, &token).await, 401);
    current(&site).await.is(403, STATE);
}

#[tokio::test]
async fn a_blocked_account_s_token_rests_until_it_is_restored() {
    let site = Site::start();
    let token = format!("Bearer {}", generate(&site, USER, PASSWORD).await.text);
    for (state, expected) in [(AccountState::Blocked, 401), (AccountState::Active, 200)] {
        site.server.set_account_state(Flow::ChannelLogin, USER, state);
        assert_eq!(update(&site, &token).await, expected);
    }
}

#[tokio::test]
async fn unauthorized_calls_are_challenged() {
    let site = Site::start();
    let bare = site.send("POST", "/updateCalendarInventory?roomId=12").await;
    bare.is(401, "unauthorized");
    assert_eq!(bare.header("www-authenticate"), r#"Bearer realm="channel""#);
    for value in ["Bearer", "Bearer x", "Basic eDp5", "x", "Bearer a b"] {
        assert_eq!(update(&site, value).await, 401);
    }
}

#[tokio::test]
async fn variants_change_what_the_document_leaves_open() {
    let login = [("Username", USER), ("Password", PASSWORD)];
    let lower = [("username", USER), ("password", PASSWORD)];
    let wrong = [("Username", USER), ("Password", "x")];
    let upper = PASSWORD.to_uppercase();
    let shout = [("Username", USER), ("Password", upper.as_str())];
    for (variant, fields, status) in [
        ("failure_status=400", &wrong, 400),
        ("failure_status=200", &wrong, 200),
        ("field_case=exact", &login, 200),
        ("field_case=exact", &lower, 400),
        ("field_case=lower", &login, 400),
        ("field_case=lower", &lower, 200),
        ("password_case=exact", &shout, 401),
        ("password_case=insensitive", &shout, 200),
    ] {
        let site = Site::with(&[&format!("channel-login.{variant}")], &[]);
        site.form("/generateToken", fields).await.has_status(status);
    }
    let site =
        Site::with(&["channel-login.answer_type=json", "channel-login.trailing_newline=yes"], &[]);
    let reply = site.form("/generateToken", &wrong).await;
    assert_eq!(reply.header("content-type"), "application/json");
    assert_eq!(reply.text, format!("{BAD}\n"));
    let site = Site::with(&["channel-login.token_without_generate=minted"], &[]);
    current(&site).await.has_status(200);
}
