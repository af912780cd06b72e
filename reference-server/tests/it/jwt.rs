//! jwt-login.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{EncodingKey, Header};
use reference_server::{AccountState, Config, Fault, Flow};
use serde_json::{Value, json};

use crate::support::{HOUR, Reply, Site};

const LOGIN: &str = "/auth/jwt/login";
const REFRESH: &str = "/auth/jwt/refresh";
const POSTMAN: &str = "/auth/jwt/postman-refresh";
const ALICE: &str = "9221ffc9-640f-4372-86d3-ce642cba5603";
const KEY: [u8; 32] = [7; 32];
const UNAUTHORIZED: &str = r#"{"detail":"Unauthorized"}"#;
const BAD: &str = r#"{"detail":"LOGIN_BAD_CREDENTIALS"}"#;

fn fields<'a>(username: &'a str, password: &'a str) -> [(&'a str, &'a str); 3] {
    [("grant_type", "password"), ("username", username), ("password", password)]
}

struct Pair {
    access: String,
    refresh: String,
}

impl Pair {
    fn of(reply: &Reply) -> Self {
        reply.has_status(200);
        let body = reply.json();
        let text = |name: &str| body[name].as_str().unwrap().to_owned();
        Self { access: text("access_token"), refresh: text("refresh_token") }
    }
}

async fn login(site: &Site, name: &str) -> Pair {
    let number = if name == "alice" { 1 } else { 2 };
    let (username, password) = (format!("{name}@example.com"), format!("{name}-password-{number}"));
    Pair::of(&site.form(LOGIN, &fields(&username, &password)).await)
}

async fn me(site: &Site, token: &str) -> Reply {
    site.authorized("GET", "/users/me", &format!("Bearer {token}")).await
}

async fn refresh(site: &Site, path: &str, token: &str) -> Reply {
    Reply::of(site.request("POST", path).header("Refresh-Token", token)).await
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn a_login_gives_two_distinct_tokens_and_the_access_token_opens() {
    let site = Site::start();
    let reply = site.form(LOGIN, &fields("Alice@Example.com", "alice-password-1")).await;
    let pair = Pair::of(&reply);
    assert_eq!(reply.json()["token_type"], "bearer");
    assert_eq!(reply.json()["expires_in"], 3600);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert!(reply.headers.get("set-cookie").is_none());
    assert_ne!(pair.access, pair.refresh);
    let claims = claims(&pair.access);
    assert_eq!(claims["sub"], ALICE);
    assert_eq!(claims["aud"], json!(["fastapi-users:auth"]));
    assert_eq!(claims["exp"], 1_767_225_600 + 3600);
    let me_reply = me(&site, &pair.access).await;
    me_reply.has_status(200);
    assert_eq!(me_reply.json()["id"], ALICE);
    assert_eq!(me_reply.json()["email"], "alice@example.com");
    me(&site, &pair.refresh).await.is(401, UNAUTHORIZED);
    assert_ne!(login(&site, "alice").await.access, pair.access);
}

#[tokio::test]
async fn bad_credentials_look_alike() {
    let site = Site::start();
    let wrong = site.form(LOGIN, &fields("alice@example.com", "x")).await;
    let unknown = site.form(LOGIN, &fields("nobody@example.com", "x")).await;
    let inactive = fields("inactive@example.com", "inactive-password-3");
    let inactive = site.form(LOGIN, &inactive).await;
    for reply in [&wrong, &unknown, &inactive] {
        reply.is(400, BAD);
        assert_eq!(reply.headers, wrong.headers);
    }
    for password in ["alice-password-1 ", " alice-password-1", "Alice-password-1"] {
        site.form(LOGIN, &fields("alice@example.com", password)).await.is(400, BAD);
    }
    let unverified = fields("unverified@example.com", "unverified-password-4");
    site.form(LOGIN, &unverified).await.has_status(200);
    site.server.set_variant("jwt-login.unverified_login", "refused").unwrap();
    site.form(LOGIN, &unverified).await.is(400, r#"{"detail":"LOGIN_USER_NOT_VERIFIED"}"#);
}

#[tokio::test]
async fn requests_of_the_wrong_shape_name_the_field() {
    let site = Site::start();
    let good = fields("alice@example.com", "alice-password-1");
    for (form, kind, place) in [
        (vec![good[1], good[2]], "missing", "grant_type"),
        (vec![("grant_type", ""), good[1], good[2]], "missing", "grant_type"),
        (
            vec![("grant_type", "refresh_token"), good[1], good[2]],
            "string_pattern_mismatch",
            "grant_type",
        ),
        (
            vec![("grant_type", "Password"), good[1], good[2]],
            "string_pattern_mismatch",
            "grant_type",
        ),
        (vec![good[0], good[2]], "missing", "username"),
        (vec![good[0], good[1]], "missing", "password"),
        (vec![good[0], good[1], ("password", "")], "missing", "password"),
        (vec![good[0], good[1], good[1], good[2]], "repeated", "username"),
    ] {
        let reply = site.form(LOGIN, &form).await;
        reply.has_status(422);
        assert_eq!(reply.json()["detail"][0]["type"], kind);
        assert_eq!(reply.json()["detail"][0]["loc"], json!(["body", place]));
    }
    let json_body = json!({ "grant_type": "password", "username": "alice@example.com", "password": "alice-password-1" });
    Reply::of(site.request("POST", LOGIN).json(&json_body)).await.has_status(422);
    let query =
        format!("{LOGIN}?grant_type=password&username=alice@example.com&password=alice-password-1");
    site.send("POST", &query).await.has_status(422);
    let more = [
        good[0],
        good[1],
        good[2],
        ("scope", "a"),
        ("client_id", "b"),
        ("client_secret", "c"),
        ("foo", "d"),
    ];
    site.form(LOGIN, &more).await.has_status(200);
    let multipart = reqwest::multipart::Form::new()
        .text("grant_type", "password")
        .text("username", "alice@example.com")
        .text("password", "alice-password-1");
    Reply::of(site.request("POST", LOGIN).multipart(multipart)).await.has_status(200);
    for path in [LOGIN, REFRESH, POSTMAN, "/auth/jwt/logout"] {
        let reply = site.send("GET", path).await;
        reply.is(405, r#"{"detail":"Method Not Allowed"}"#);
        assert_eq!(reply.header("allow"), "POST");
    }
    site.send("POST", "/auth/cookie/login").await.is(404, r#"{"detail":"Not Found"}"#);
}

#[tokio::test]
async fn authorization_values_that_do_not_count_are_unauthorized() {
    let site = Site::start();
    let token = login(&site, "alice").await.access;
    let bare = site.send("GET", "/users/me").await;
    bare.is(401, UNAUTHORIZED);
    assert_eq!(bare.header("www-authenticate"), r#"Bearer realm="users""#);
    for value in [
        "Bearer",
        "Bearer x",
        "Bearer a.b",
        "Bearer a.b.c.d",
        "Basic x",
        &token,
        &format!("Token {token}"),
    ] {
        site.authorized("GET", "/users/me", value).await.is(401, UNAUTHORIZED);
    }
    site.send("GET", &format!("/users/me?access_token={token}")).await.is(401, UNAUTHORIZED);
    for value in [format!("bearer {token}"), format!("BEARER  {token}")] {
        site.authorized("GET", "/users/me", &value).await.has_status(200);
    }
    for (good_first, variant, status) in [
        (true, "refused", 401),
        (false, "refused", 401),
        (true, "first", 200),
        (false, "first", 401),
    ] {
        site.server.set_variant("jwt-login.two_authorization_headers", variant).unwrap();
        let mut values = ["Bearer x".to_owned(), format!("Bearer {token}")];
        if good_first {
            values.reverse();
        }
        let request = site.request("GET", "/users/me");
        let request =
            values.iter().fold(request, |request, value| request.header("authorization", value));
        Reply::of(request).await.has_status(status);
    }
}

#[tokio::test]
async fn tampered_and_forged_tokens_are_unauthorized() {
    let site = Site::start();
    let token = login(&site, "alice").await.access;
    let other = login(&site, "bob").await.access;
    let parts: Vec<&str> = token.split('.').collect();
    let others: Vec<&str> = other.split('.').collect();
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut forged = vec![
        format!("{}.{}.{}", parts[0], parts[1], others[2]),
        format!("{}.{}.{}", parts[0], others[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}", parts[0], parts[1]),
        format!("{token}="),
        "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.eyJ1c2VyX2lkIjoiOTIyMWZmYzktNjQwZi00MzcyLTg2ZDMtY2U2NDJjYmE1NjAzIiwiYXVkIjoiZmFzdGFwaS11c2VyczphdXRoIiwiZXhwIjoxNTcxNTA0MTkzfQ.M10bjOe45I5Ncu_uXvOmVV8QxnL-nZfcH96U90JaocI".to_owned(),
    ];
    for algorithm in ["none", "None", "NONE", "nOnE", "HS384", "HS512", "RS256"] {
        let header = encode(&format!(r#"{{"typ":"JWT","alg":"{algorithm}"}}"#));
        forged.push(format!("{header}.{}.", parts[1]));
        forged.push(format!("{header}.{}.{}", parts[1], parts[2]));
    }
    // Every other spelling of the last character that decodes to the same bytes, or to a near signature.
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".chars() {
        let changed = format!("{}{last}", &token[..token.len() - 1]);
        if changed != token {
            forged.push(changed);
        }
    }
    for token in forged {
        me(&site, &token).await.is(401, UNAUTHORIZED);
    }
}

#[tokio::test]
async fn claims_are_checked_even_when_the_signature_is_right() {
    let site = Site::configured(Config { jwt_key: Some(KEY), ..Config::default() });
    let now = 1_767_225_600;
    let good = json!({ "sub": ALICE, "aud": ["fastapi-users:auth"], "exp": now + 60 });
    let with = |name: &str, value: Value| {
        let mut claims = good.clone();
        claims[name] = value;
        claims
    };
    let without = |name: &str| {
        let mut claims = good.clone();
        claims.as_object_mut().unwrap().remove(name);
        claims
    };
    let cases = [
        (good.clone(), 200),
        (with("aud", json!("fastapi-users:auth")), 200),
        (with("aud", json!("other")), 401),
        (with("aud", json!(["fastapi-users:refresh"])), 401),
        (without("aud"), 401),
        (with("exp", json!(now)), 401),
        (with("exp", json!("2000000000")), 401),
        (with("exp", json!(-1)), 401),
        (with("exp", json!(1e300)), 401),
        (without("exp"), 401),
        (with("nbf", json!(now + 1)), 401),
        (with("nbf", json!(now)), 200),
        (with("iat", json!(now + 1)), 401),
        (without("sub"), 401),
        (with("sub", json!("not-a-uuid")), 401),
        (with("sub", json!("00000000-0000-0000-0000-000000000000")), 401),
        (with("sub", json!(5)), 401),
    ];
    let key = EncodingKey::from_secret(&KEY);
    let sign =
        |header: &Header, claims: &Value| jsonwebtoken::encode(header, claims, &key).unwrap();
    for (claims, status) in cases {
        let token = sign(&Header::default(), &claims);
        assert_eq!(me(&site, &token).await.status.as_u16(), status, "{claims}");
    }
    let mut header = Header { kid: Some("../../dev/null".to_owned()), ..Header::default() };
    me(&site, &sign(&header, &good)).await.has_status(200);
    header.crit = Some(vec!["x".to_owned()]);
    me(&site, &sign(&header, &good)).await.has_status(401);
}

#[tokio::test]
async fn an_access_token_ends_at_its_expiry() {
    let site = Site::start();
    let pair = login(&site, "alice").await;
    site.advance(HOUR - 1);
    me(&site, &pair.access).await.has_status(200);
    site.advance(1);
    me(&site, &pair.access).await.is(401, UNAUTHORIZED);
    let renewed = Pair::of(&refresh(&site, REFRESH, &pair.refresh).await);
    me(&site, &renewed.access).await.has_status(200);
    site.advance(24 * HOUR);
    refresh(&site, REFRESH, &renewed.refresh).await.is(401, UNAUTHORIZED);
}

#[tokio::test]
async fn a_refresh_token_works_once_at_either_endpoint_and_its_replay_ends_the_family() {
    for (first, second) in [(REFRESH, REFRESH), (REFRESH, POSTMAN), (POSTMAN, REFRESH)] {
        let site = Site::start();
        let other = login(&site, "alice").await;
        let pair = login(&site, "alice").await;
        let next = Pair::of(&refresh(&site, first, &pair.refresh).await);
        assert_eq!(claims(&next.access)["sub"], ALICE);
        refresh(&site, second, &pair.refresh).await.is(401, UNAUTHORIZED);
        refresh(&site, first, &next.refresh).await.is(401, UNAUTHORIZED);
        refresh(&site, first, &other.refresh).await.has_status(200);
    }
}

#[tokio::test]
async fn of_parallel_refreshes_one_succeeds() {
    for (faults, expected) in [(&[][..], 1), (&[Fault::RefreshRace], 8)] {
        let site = Site::with(&[], faults);
        let token = login(&site, "alice").await.refresh;
        let replies = (0..8).map(|_| refresh(&site, REFRESH, &token));
        let replies = futures_util::future::join_all(replies).await;
        let issued = replies.iter().filter(|reply| reply.status == 200).count();
        assert_eq!(issued, expected);
    }
}

#[tokio::test]
async fn what_is_no_refresh_token_is_refused_without_harm() {
    let site = Site::start();
    let pair = login(&site, "alice").await;
    site.send("POST", REFRESH).await.is(
        422,
        r#"{"detail":[{"type":"missing","loc":["header","refresh-token"],"msg":"Field required","input":null}]}"#,
    );
    for wrong in ["x", &pair.access, &format!("{}x", pair.refresh)] {
        refresh(&site, REFRESH, wrong).await.is(401, UNAUTHORIZED);
    }
    let bob = "1f7d9e0a-52c1-4c1d-9b52-6b1f6f2f9c11";
    for (client_id, status) in [(bob, 401), (ALICE, 200)] {
        let form = [
            ("grant_type", "refresh_token"),
            ("refresh_token", pair.refresh.as_str()),
            ("client_id", client_id),
        ];
        site.form(POSTMAN, &form).await.has_status(status);
    }
    let pair = login(&site, "alice").await;
    for fields in
        [&[("refresh_token", pair.refresh.as_str())][..], &[("grant_type", "refresh_token")]]
    {
        site.form(POSTMAN, fields).await.has_status(422);
    }
    site.server.set_variant("jwt-login.postman", "off").unwrap();
    refresh(&site, POSTMAN, &pair.refresh).await.has_status(404);
}

#[tokio::test]
async fn a_deactivated_user_has_no_valid_token_of_any_kind() {
    for state in [AccountState::Inactive, AccountState::Deleted, AccountState::Blocked] {
        let site = Site::start();
        let pair = login(&site, "alice").await;
        site.server.set_account_state(Flow::JwtLogin, "alice@example.com", state);
        me(&site, &pair.access).await.is(401, UNAUTHORIZED);
        refresh(&site, REFRESH, &pair.refresh).await.is(401, UNAUTHORIZED);
        site.form(LOGIN, &fields("alice@example.com", "alice-password-1")).await.is(400, BAD);
    }
}

#[tokio::test]
async fn logout_and_rotation_leave_the_access_token_alone_unless_a_variant_says_otherwise() {
    for (variant, status) in [("stateless", 200), ("revoking", 401)] {
        let site = Site::with(&[&format!("jwt-login.logout={variant}")], &[]);
        let value = format!("Bearer {}", login(&site, "alice").await.access);
        site.authorized("POST", "/auth/jwt/logout", &value).await.is(204, "");
        site.authorized("GET", "/users/me", &value).await.has_status(status);
        site.send("POST", "/auth/jwt/logout").await.is(401, UNAUTHORIZED);
    }
    for (variant, status) in [("valid", 200), ("revoked", 401)] {
        let site = Site::with(&[&format!("jwt-login.previous_access_token={variant}")], &[]);
        let pair = login(&site, "alice").await;
        refresh(&site, REFRESH, &pair.refresh).await.has_status(200);
        me(&site, &pair.access).await.has_status(status);
    }
}

#[tokio::test]
async fn rotation_variants_hold() {
    let site = Site::with(&["jwt-login.refresh_retry=grace"], &[]);
    let pair = login(&site, "alice").await;
    refresh(&site, REFRESH, &pair.refresh).await.has_status(200);
    site.advance(9999);
    refresh(&site, REFRESH, &pair.refresh).await.has_status(200);
    site.advance(1);
    refresh(&site, REFRESH, &pair.refresh).await.has_status(401);
    for (variant, status) in [("sliding", 200), ("fixed", 401)] {
        let site = Site::with(&[&format!("jwt-login.rotation_lifetime={variant}")], &[]);
        let pair = login(&site, "alice").await;
        site.advance(23 * HOUR);
        let pair = Pair::of(&refresh(&site, REFRESH, &pair.refresh).await);
        site.advance(2 * HOUR);
        refresh(&site, REFRESH, &pair.refresh).await.has_status(status);
    }
    let site = Site::with(&["jwt-login.refresh_place=anywhere"], &[]);
    let pair = login(&site, "alice").await;
    site.send("POST", &format!("{REFRESH}?refresh_token={}", pair.refresh)).await.has_status(200);
}

#[tokio::test]
async fn the_remaining_variants_hold() {
    let good = fields("alice@example.com", "alice-password-1");
    let shout = fields("ALICE@example.com", "alice-password-1");
    let twice = [good[0], ("username", "x"), good[1], good[2]];
    for (variant, form, status) in [
        ("missing_grant_type=accepted", &good[1..], 200),
        ("username_case=exact", &shout[..], 400),
        ("repeated_parameter=last", &twice[..], 200),
    ] {
        let site = Site::with(&[&format!("jwt-login.{variant}")], &[]);
        site.form(LOGIN, form).await.has_status(status);
    }
    let site = Site::with(&["jwt-login.trailing_slash=redirect"], &[]);
    let reply = site.form("/auth/jwt/login/", &good).await;
    reply.has_status(307);
    assert_eq!(reply.header("location"), LOGIN);
    let site = Site::with(&["jwt-login.audience=string", "jwt-login.subject=user_id"], &[]);
    let pair = login(&site, "alice").await;
    assert_eq!(claims(&pair.access)["aud"], "fastapi-users:auth");
    assert_eq!(claims(&pair.access)["user_id"], ALICE);
    me(&site, &pair.access).await.has_status(200);
    let site = Site::with(&["jwt-login.challenge=absent"], &[]);
    assert_eq!(site.send("GET", "/users/me").await.header("www-authenticate"), "");
}
