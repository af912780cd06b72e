//! One long, deterministic walk through all five flows. With any fault installed the walk must read differently:
//! a fault that changes nothing would prove nothing about the tool that looks for it.

mod detour;

use std::collections::BTreeSet;
mod detours;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use reference_server::{AccountState, Config, Fault, Flow, Press};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::support::{HOUR, Reply, Site};

const GENERATE: &str = "/api/v2/accesstoken/generate";
const TOKEN: &str = "/api/v2/accesstoken";
const VALIDATE_SANDBOX: &str = "/sandbox/SUAPI/jservice/auth/validate-access-token";
const KEY: [u8; 32] = [9; 32];
const ALICE: &str = "9221ffc9-640f-4372-86d3-ce642cba5603";
const BOB: &str = "1f7d9e0a-52c1-4c1d-9b52-6b1f6f2f9c11";

/// Faults that show only in a race, in statistics, in time, on a raw wire, on a socket or after a hundred requests;
/// other tests see to some.
const ELSEWHERE: &[Fault] = &[
    Fault::BusyDeleteRefused,
    Fault::CapitalFieldsUnread,
    Fault::ControlBytesDropped,
    Fault::ControlCharactersDropped,
    Fault::CutAtControlByte,
    Fault::DeleteAnsweredTwice,
    Fault::DeletionsCollide,
    Fault::EmptyValueBreaksServer,
    Fault::FailureCounterWraps,
    Fault::FastUnknownUser,
    Fault::FieldNameExact,
    Fault::FoldedLineJoined,
    Fault::FragmentTakenWhole,
    Fault::HandshakeVersionIgnored,
    Fault::HandshakeWordsExact,
    Fault::HmacFamilyAccepted,
    Fault::IdleSocketsForgotten,
    Fault::KeyUrlFetched,
    Fault::LastTokenLocksButton,
    Fault::LaxFraming,
    Fault::LockoutForEver,
    Fault::NonAsciiDropped,
    Fault::OneSocketPerToken,
    Fault::OrdersWithReturnCode,
    Fault::ParallelLoginRefused,
    Fault::ParallelTokensBothDie,
    Fault::ParallelTokensBothLive,
    Fault::PingIsMessage,
    Fault::PingResetsSocketTimer,
    Fault::QuotaForGood,
    Fault::RefreshRace,
    Fault::RefusalsRunOut,
    Fault::RevokeInTwoSteps,
    Fault::SecondTokenJudged,
    Fault::SequentialTokens,
    Fault::ServerErrorOnOddBytes,
    Fault::ShortTokens,
    Fault::SlowPrefixCompare,
    Fault::SocketAnyHeaderOpens,
    Fault::SocketClosesInSilence,
    Fault::SocketDropped,
    Fault::SocketHeaderIgnored,
    Fault::SocketLateTokenRefused,
    Fault::SocketMessageExact,
    Fault::SocketMessageOpensWindow,
    Fault::SocketNeverTimesOut,
    Fault::SocketNewsBeforeToken,
    Fault::SocketOrdersBeforeToken,
    Fault::SocketQueryToken,
    Fault::SocketShowsToken,
    Fault::SocketTimerRunsOn,
    Fault::SocketTimesOutEarly,
    Fault::SocketsLimited,
    Fault::SpaceInSecret,
    Fault::StickyConnection,
    Fault::TokenPoolRunsDry,
    Fault::TokenWearsOut,
    Fault::TokensEndInTime,
    Fault::TokensHoldTime,
    Fault::UnmaskedFramesAccepted,
    Fault::WindowRace,
    Fault::WrongAcceptKey,
];

/// A walk and what it has seen. Tokens are written as numbers in the order of their appearance.
struct Tour {
    site: Site,
    log: Vec<String>,
    tokens: Vec<String>,
}

impl Tour {
    fn start(faults: &[Fault], variants: &[&str]) -> Self {
        let mut config =
            Config { faults: faults.to_vec(), jwt_key: Some(KEY), ..Config::default() };
        for variant in variants {
            config.variants.set_assignment(variant).unwrap();
        }
        Self { site: Site::configured(config), log: Vec::new(), tokens: Vec::new() }
    }

    /// Sends a request, notes the answer and returns the first token in it.
    async fn see(&mut self, request: RequestBuilder) -> String {
        let reply = Reply::of(request).await;
        let mut first = String::new();
        if let Ok(body) = serde_json::from_str::<Value>(&reply.text) {
            for place in [
                "/token/token",
                "/data/access_token",
                "/data/token",
                "/access_token",
                "/refresh_token",
            ] {
                if let Some(token) = body.pointer(place).and_then(Value::as_str) {
                    if first.is_empty() {
                        token.clone_into(&mut first);
                    }
                    self.note_token(token);
                }
            }
        } else if reply.status == 200 && reply.text.len() > 40 {
            self.note_token(&reply.text);
            first.clone_from(&reply.text);
        }
        let mut headers: Vec<String> = reply
            .headers
            .iter()
            .filter(|(name, _)| *name != "content-length" && *name != "date")
            .map(|(name, value)| format!("{name}={value:?}"))
            .collect();
        headers.sort();
        let mut line = format!("{} {headers:?} {}", reply.status, reply.text);
        for (number, token) in self.tokens.iter().enumerate() {
            line = line.replace(token, &format!("<{number}>"));
        }
        self.log.push(line);
        first
    }

    /// Notes a token once, and what its claims say if it has any.
    fn note_token(&mut self, token: &str) {
        if self.tokens.iter().any(|known| known == token) {
            return;
        }
        self.tokens.push(token.to_owned());
        for prefix in ["sandbox_", "live_"] {
            if token.starts_with(prefix) {
                self.log.push(prefix.to_owned());
            }
        }
        let claims = token.split('.').nth(1).and_then(|part| URL_SAFE_NO_PAD.decode(part).ok());
        if let Some(mut claims) =
            claims.and_then(|bytes| serde_json::from_slice::<Value>(&bytes).ok())
        {
            claims["jti"] = json!(claims["jti"].is_string());
            self.log.push(claims.to_string());
        }
    }

    fn with(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> RequestBuilder {
        let request = self.site.request(method, path);
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
    }

    async fn ask(&mut self, method: &str, path: &str, headers: &[(&str, &str)]) -> String {
        let request = self.with(method, path, headers);
        self.see(request).await
    }

    async fn bearer(&mut self, method: &str, path: &str, token: &str) -> String {
        self.ask(method, path, &[("authorization", &format!("Bearer {token}"))]).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> String {
        let request = self.site.request("POST", path).form(fields);
        self.see(request).await
    }

    fn state(&self, flow: Flow, name: &str, state: AccountState) {
        self.site.server.set_account_state(flow, name, state).unwrap();
    }

    async fn gateway(&mut self) {
        let (first, second) = self.gateway_tokens().await;
        self.gateway_headers(&first, &second).await;
        self.gateway_windows(&first, &second).await;
    }

    async fn gateway_tokens(&mut self) -> (String, String) {
        self.ask("GET", GENERATE, &[]).await;
        self.ask("GET", GENERATE, &[]).await;
        self.site.server.press(Press::Short);
        self.ask("HEAD", GENERATE, &[]).await;
        self.ask("GET", &format!("{GENERATE}?name=%2F"), &[]).await;
        let first = self.ask("GET", GENERATE, &[]).await;
        self.ask("GET", GENERATE, &[]).await;
        self.site.server.press(Press::Double);
        self.ask("GET", GENERATE, &[]).await;
        self.ask("GET", GENERATE, &[]).await;
        let second = self.bearer("POST", GENERATE, &first).await;
        self.bearer("POST", GENERATE, "0").await;
        self.site.server.press(Press::Short);
        self.bearer("POST", GENERATE, &first).await;
        self.ask("GET", GENERATE, &[]).await;
        (first, second)
    }

    async fn gateway_headers(&mut self, first: &str, second: &str) {
        for token in [first, &STANDARD.encode(first), &format!("{first}0"), second] {
            self.bearer("GET", TOKEN, token).await;
        }
        let lower = format!("bearer {first}");
        let (spaced, tabbed, glued) =
            (format!("Bearer  {first}"), format!("Bearer\t{first}"), format!("Bearer{first}"));
        let (basic, long) = (format!("Basic {first}"), format!("Bearer {}", "a".repeat(2000)));
        for value in [&lower, &spaced, &tabbed, &glued, &basic, &long, "Bearer a b"] {
            self.ask("GET", TOKEN, &[("authorization", value)]).await;
        }
        let good = format!("Bearer {first}");
        self.ask("GET", TOKEN, &[("authorization", "Bearer x"), ("authorization", &good)]).await;
        self.ask("GET", TOKEN, &[("cookie", &format!("t={first}")), ("origin", "http://x")]).await;
        self.ask("GET", &format!("{TOKEN}?access_token={first}"), &[]).await;
        self.ask("GET", &format!("{TOKEN}?access_token={first}"), &[("authorization", "Bearer x")])
            .await;
    }

    async fn gateway_windows(&mut self, first: &str, second: &str) {
        self.bearer("GET", "/api/v2/accesstoken/all", first).await;
        for (pressed_twice, milliseconds) in
            [(false, 119_500), (false, 120_500), (false, HOUR), (true, 90_000)]
        {
            self.site.server.press(Press::Short);
            if pressed_twice {
                self.site.advance(60_000);
                self.site.server.press(Press::Short);
            }
            self.site.advance(milliseconds);
            self.ask("GET", GENERATE, &[]).await;
        }
        self.site.server.press(Press::Short);
        self.site.server.restart();
        self.ask("GET", GENERATE, &[]).await;
        self.bearer("DELETE", TOKEN, second).await;
        self.bearer("GET", TOKEN, second).await;
        self.bearer("GET", TOKEN, first).await;
        self.ask("PUT", TOKEN, &[]).await;
        self.ask("GET", "/api/v2/nothing", &[]).await;
    }

    async fn channel(&mut self) {
        const UPDATE: &str = "/updateCalendarInventory?roomId=1";
        let password = "550e8400-e29b-41d4-a716-446655440000";
        let blocked = "16fd2706-8baf-433b-82eb-8c7fada847da";
        let login = [("Username", "channel_user"), ("Password", password)];
        let token = self.post("/generateToken", &login).await;
        self.bearer("POST", UPDATE, &token).await;
        self.post("/getToken", &login).await;
        self.post("/getToken", &login).await;
        for (username, password) in [
            ("channel_user", "x"),
            ("CHANNEL_USER", password),
            ("blocked_channel", blocked),
            ("blocked_channel", "x"),
        ] {
            self.post("/generateToken", &[("Username", username), ("Password", password)]).await;
        }
        let query = format!(
            "/generateToken?username=second_channel&password={}",
            "7c9e6679-7425-40de-944b-e07fc1f90ae7"
        );
        self.ask("GET", &query, &[]).await;
        let request = self.site.request("POST", "/generateToken");
        self.see(request.json(&json!({ "Username": "channel_user", "Password": password }))).await;
        let token = self.post("/generateToken", &login).await;
        self.state(Flow::ChannelLogin, "channel_user", AccountState::Blocked);
        self.bearer("POST", UPDATE, &token).await;
        self.state(Flow::ChannelLogin, "channel_user", AccountState::Active);
        self.site.advance(HOUR);
        self.bearer("POST", UPDATE, &token).await;
    }

    async fn visitor(&mut self) {
        const LOGIN: &str = "/v1/oauth/";
        let good = [("username", "reception"), ("password", "visitor-password-1")];
        let first = self.post(LOGIN, &good).await;
        let second = self.post(LOGIN, &good).await;
        let tail = format!("long-password-{}-tail-B", "0123456789".repeat(7));
        let (bytes, characters) = ("ö".repeat(150), "a".repeat(200));
        for fields in [
            vec![("username", "reception"), ("password", "x")],
            vec![("username", "nobody"), ("password", "x")],
            vec![("username", "reception"), ("password", "x"), ("debug", "1")],
            vec![("username", "reception"), ("password", "x"), ("debug", "2")],
            vec![("username", "longpass"), ("password", &tail)],
            vec![("username", "x"), good[0], good[1]],
            vec![good[0], good[1], ("device-info", &bytes)],
            vec![good[0], good[1], ("device-info", &characters)],
            vec![good[0], good[1], ("device-info", &tail.repeat(3))],
        ] {
            self.post(LOGIN, &fields).await;
        }
        self.post("/v1/oauth", &good).await;
        self.ask("POST", "/v1/oauth/?username=reception&password=visitor-password-1", &[]).await;
        self.site.control("POST", "/database", r#"{"failing":true}"#).await;
        self.post(LOGIN, &good).await;
        self.site.control("POST", "/database", r#"{"failing":false}"#).await;
        for milliseconds in [0, 2_592_000_000 - 1000, 1000, 0] {
            self.site.advance(milliseconds);
            for token in [&first, &second] {
                self.ask("GET", "/v1/get/", &[("authorization", &format!("Token {token}"))]).await;
            }
        }
    }

    async fn jwt(&mut self) {
        let login = [
            ("grant_type", "password"),
            ("username", "alice@example.com"),
            ("password", "alice-password-1"),
        ];
        let access = self.post("/auth/jwt/login", &login).await;
        self.post("/auth/jwt/login", &login).await;
        for fields in [
            vec![login[1], login[2]],
            vec![("grant_type", "x"), login[1], login[2]],
            vec![login[0], login[1], ("password", "alice-password-1 ")],
            vec![login[0], ("username", "nobody@example.com"), login[2]],
            vec![
                login[0],
                ("username", "inactive@example.com"),
                ("password", "inactive-password-3"),
            ],
        ] {
            self.post("/auth/jwt/login", &fields).await;
        }
        let (name, word) = (login[1].1, login[2].1);
        let body = json!({ "grant_type": "password", "username": name, "password": word });
        let request = self.site.request("POST", "/auth/jwt/login").json(&body);
        self.see(request).await;
        let query = format!("/auth/jwt/login?grant_type=password&username={name}&password={word}");
        self.ask("POST", &query, &[]).await;
        self.forged(&access).await;
        self.rotation(&login).await;
        let access = self.post("/auth/jwt/login", &login).await;
        self.state(Flow::JwtLogin, name, AccountState::Inactive);
        self.bearer("GET", "/users/me", &access).await;
        self.state(Flow::JwtLogin, name, AccountState::Active);
        for milliseconds in [HOUR / 2, HOUR / 2, HOUR] {
            self.site.advance(milliseconds);
            self.bearer("GET", "/users/me", &access).await;
        }
    }

    async fn forged(&mut self, access: &str) {
        let now = self.site.server.now().as_secs();
        let parts: Vec<&str> = access.split('.').collect();
        let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#);
        for token in [
            access.to_owned(),
            format!("{none}.{}.", parts[1]),
            format!("{}.{}.", parts[0], parts[1]),
            format!("{}.{}.AAAA", parts[0], parts[1]),
            format!("{access}="),
        ] {
            self.bearer("GET", "/users/me", &token).await;
        }
        let good = json!({ "sub": ALICE, "aud": "fastapi-users:auth", "exp": now + 9 });
        let critical = Header { crit: Some(vec!["x".to_owned()]), ..Header::default() };
        for (header, key, changes) in [
            (Header::default(), &KEY[..], json!({})),
            (Header::default(), b"SECRET", json!({})),
            (Header::default(), &KEY, json!({ "aud": "x" })),
            (Header::default(), &KEY, json!({ "exp": null })),
            (Header::default(), &KEY, json!({ "exp": now - 300 })),
            (Header::default(), &KEY, json!({ "nbf": now + 9 })),
            (critical, &KEY, json!({})),
        ] {
            let mut claims = good.clone();
            for (name, value) in changes.as_object().unwrap() {
                claims[name] = value.clone();
            }
            let token =
                jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(key)).unwrap();
            self.bearer("GET", "/users/me", &token).await;
        }
    }

    /// The refresh token of a login, or of the last answer that had one.
    async fn refresh_token(&mut self, login: &[(&str, &str)]) -> String {
        self.post("/auth/jwt/login", login).await;
        self.tokens.last().unwrap().clone()
    }

    async fn rotation(&mut self, login: &[(&str, &str)]) {
        let refresh = self.refresh_token(login).await;
        self.bearer("GET", "/users/me", &refresh).await;
        let access = self.tokens[self.tokens.len() - 2].clone();
        self.ask("POST", "/auth/jwt/refresh", &[("refresh-token", &access)]).await;
        self.ask("POST", "/auth/jwt/refresh", &[("refresh-token", &refresh)]).await;
        let next = self.tokens.last().unwrap().clone();
        for token in [&refresh, &next] {
            self.ask("POST", "/auth/jwt/refresh", &[("refresh-token", token)]).await;
        }
        let refresh = self.refresh_token(login).await;
        self.ask("POST", "/auth/jwt/refresh", &[("refresh-token", &refresh)]).await;
        self.ask("POST", "/auth/jwt/postman-refresh", &[("refresh-token", &refresh)]).await;
        let refresh = self.refresh_token(login).await;
        for client in [BOB, ALICE] {
            let fields = [
                ("grant_type", "refresh_token"),
                ("refresh_token", refresh.as_str()),
                ("client_id", client),
            ];
            self.post("/auth/jwt/postman-refresh", &fields).await;
        }
        let bob = [login[0], ("username", "bob@example.com"), ("password", "bob-password-2")];
        let refresh = self.refresh_token(&bob).await;
        self.ask("POST", "/auth/jwt/refresh", &[("refresh-token", &refresh)]).await;
        let refresh = self.refresh_token(&bob).await;
        self.state(Flow::JwtLogin, "bob@example.com", AccountState::Inactive);
        self.ask("POST", "/auth/jwt/refresh", &[("refresh-token", &refresh)]).await;
        self.state(Flow::JwtLogin, "bob@example.com", AccountState::Active);
        let refresh = self.refresh_token(login).await;
        self.site.advance(24 * HOUR);
        self.ask("POST", "/auth/jwt/refresh", &[("refresh-token", &refresh)]).await;
    }

    async fn environment(&mut self) {
        const GENERATE: &str = "/sandbox/SUAPI/jservice/auth/generate-access-token";
        const VALIDATE: &str = VALIDATE_SANDBOX;
        let id = ("client-id", "aG90ZWwuZXhhbXBsZQ==");
        let secret = ("client-secret", "sandbox-secret-hotel-1");
        let token = self.ask("GET", GENERATE, &[id, secret]).await;
        self.ask("GET", GENERATE, &[id, ("client-secret", "x")]).await;
        self.ask("GET", GENERATE, &[id, ("client-secret", "production-secret-hotel-2")]).await;
        self.ask("GET", GENERATE, &[("client-id", "hotel.example"), secret]).await;
        self.ask("GET", &format!("{GENERATE}?client-id={}&client-secret={}", id.1, secret.1), &[])
            .await;
        let swapped = token.replace("sandbox_", "live_");
        for token in [&token, &swapped] {
            self.bearer("GET", VALIDATE, token).await;
            self.bearer("GET", &VALIDATE.replace("sandbox", "production"), token).await;
        }
        for milliseconds in [HOUR / 2, HOUR / 2] {
            self.site.advance(milliseconds);
            self.bearer("GET", VALIDATE, &token).await;
        }
    }
}

async fn walk(faults: &[Fault], variants: &[&str]) -> Vec<String> {
    let mut tour = Tour::start(faults, variants);
    tour.gateway().await;
    tour.gateway_detour().await;
    tour.channel().await;
    tour.channel_detour().await;
    tour.visitor().await;
    tour.visitor_detour().await;
    tour.jwt().await;
    tour.jwt_detour().await;
    tour.environment().await;
    tour.environment_detour().await;
    tour.wire_detour().await;
    tour.log
}

#[tokio::test]
async fn every_fault_changes_the_tour() {
    let mut idle = Vec::new();
    let needed: BTreeSet<&[&str]> = Fault::all().map(Fault::variants).collect();
    for variants in needed {
        let right = walk(&[], variants).await;
        let again = walk(&[], variants).await;
        // Not `assert_eq`: the tours are too long to be printed.
        assert!(right == again, "the tour is not deterministic");
        let faults: Vec<Fault> = Fault::all()
            .filter(|fault| !ELSEWHERE.contains(fault))
            .filter(|fault| fault.variants() == variants)
            .collect();
        // Each server has a thread of its own: a few at a time keep every core busy.
        for few in faults.chunks(8) {
            let walks = few.iter().map(async |fault| (fault, walk(&[*fault], variants).await));
            for (fault, wrong) in futures_util::future::join_all(walks).await {
                if right == wrong {
                    idle.push(fault.name());
                }
            }
        }
    }
    assert!(idle.is_empty(), "these change nothing: {idle:?}");
}

#[tokio::test]
async fn no_right_answer_is_a_server_error_or_shows_a_secret() {
    let log = walk(&[], &[]).await;
    // The failing database is the one 5xx that the documents know: a login and a token run into it.
    let errors: Vec<_> = log.iter().filter(|line| line.starts_with('5')).collect();
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(errors.iter().all(|line| line.contains("5501")));
    for secret in ["visitor-password", "alice-password", "secret-hotel", "550e8400"] {
        assert!(log.iter().all(|line| !line.contains(secret)), "{secret}");
    }
}
