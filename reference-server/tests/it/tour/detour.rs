//! The stretches of the walk that look into corners: places, spellings and orders that only a defect minds.

use reference_server::{AccountState, Flow};
use reqwest::RequestBuilder;
use reqwest::header::AUTHORIZATION;

use super::{Tour, VALIDATE_SANDBOX};
use crate::support::HOUR;

const LOGIN: &str = "/v1/oauth/";
const NAME: (&str, &str) = ("username", "reception");
const WORD: (&str, &str) = ("password", "visitor-password-1");
const PARTS: [(&str, &str); 4] =
    [("cardno", "101"), ("mobile", "9876543210"), ("purpose", "Meeting"), ("name", "Ada")];

const JWT_LOGIN: &str = "/auth/jwt/login";
const REFRESH: &str = "/auth/jwt/refresh";
const ALICE: [(&str, &str); 3] = [
    ("grant_type", "password"),
    ("username", "alice@example.com"),
    ("password", "alice-password-1"),
];
const BOB: [(&str, &str); 3] =
    [ALICE[0], ("username", "bob@example.com"), ("password", "bob-password-2")];
const DOCUMENT_TOKEN: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.\
    eyJ1c2VyX2lkIjoiOTIyMWZmYzktNjQwZi00MzcyLTg2ZDMtY2U2NDJjYmE1NjAzIiwiYXVkIjoiZmFzdGFwaS11c2VyczphdXRoIiwiZXhwIjox\
    NTcxNTA0MTkzfQ.M10bjOe45I5Ncu_uXvOmVV8QxnL-nZfcH96U90JaocI";

const ID: (&str, &str) = ("client-id", "aG90ZWwuZXhhbXBsZQ==");
const SECRET: (&str, &str) = ("client-secret", "sandbox-secret-hotel-1");
const GENERATE: &str = "/sandbox/SUAPI/jservice/auth/generate-access-token";

impl Tour {
    fn multipart(&self, fields: &[(&str, &str)]) -> RequestBuilder {
        let part = |(name, value): &(&str, &str)| {
            format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
        };
        let body: String = fields.iter().map(part).collect();
        self.site
            .request("POST", "/v1/add/")
            .header("content-type", "multipart/form-data; boundary=x")
            .body(format!("{body}--x--\r\n"))
    }

    async fn add(&mut self, token: &str, fields: &[(&str, &str)]) {
        let fields = [&[("access_token", token)], fields].concat();
        let request = self.multipart(&fields);
        self.see(request).await;
    }

    pub(super) async fn visitor_detour(&mut self) {
        let token = self.post(LOGIN, &[NAME, WORD]).await;
        let lower = token.bytes().all(|byte| b"0123456789abcdef".contains(&byte));
        self.log.push(format!("lower-case hexadecimal: {lower}"));
        let good = format!("Token {token}");
        self.additions(&token, &good).await;
        for (path, headers) in [
            ("/v1/photo/1", &[][..]),
            ("/v1/photo/1", &[("authorization", good.as_str())]),
            ("/v1/get/999", &[("authorization", good.as_str())]),
            ("/v1/get/", &[]),
            ("/v1/get/", &[("authorization", "Token")]),
            ("/v1/get/", &[("authorization", &good.replace("Token", "TOKEN"))]),
            ("/v1/get/", &[("authorization", "Token x"), ("authorization", &good)]),
        ] {
            self.ask("GET", path, headers).await;
        }
        self.logins().await;
        self.site.control("POST", "/database", r#"{"failing":true}"#).await;
        self.ask("GET", "/v1/get/", &[("authorization", &good)]).await;
        self.site.control("POST", "/database", r#"{"failing":false}"#).await;
        self.ask("GET", "/v1/get/", &[("authorization", &good)]).await;
        self.site.advance(30 * 24 * HOUR);
        self.add(&token, &PARTS).await;
    }

    async fn additions(&mut self, token: &str, good: &str) {
        self.add(token, &PARTS).await;
        self.add(token, &PARTS[..1]).await;
        self.add("x", &PARTS).await;
        self.add(token, &[("cardno", "x"), PARTS[1], PARTS[2], PARTS[3]]).await;
        for token in ["", "x"] {
            let fields = [&[("access_token", token)][..], &PARTS].concat();
            let request = self.multipart(&fields).header(AUTHORIZATION, good);
            self.see(request).await;
        }
    }

    async fn logins(&mut self) {
        let long = "x".repeat(5000);
        for fields in [
            [NAME, WORD, ("colour", "blue")],
            [NAME, WORD, ("device-info", "")],
            [NAME, WORD, ("device-info", "it's")],
            [("username[]", NAME.1), WORD, ("debug", "0")],
            [NAME, ("password", ""), ("debug", "0")],
            [NAME, ("password", long.as_str()), ("debug", "0")],
            [NAME, ("password", "VISITOR-PASSWORD-1"), ("debug", "0")],
            [NAME, ("password", "visitor-password-1 "), ("debug", "0")],
            [("username", "RECEPTION"), WORD, ("debug", "0")],
            [("username", "reception' -- "), ("password", "x"), ("debug", "0")],
        ] {
            self.post(LOGIN, &fields).await;
        }
        self.post("/v1/oauth/index.php", &[NAME, WORD]).await;
        let put = self.site.request("PUT", LOGIN).form(&[NAME, WORD]);
        self.see(put).await;
        let plain = "username=reception&password=visitor-password-1";
        let plain =
            self.site.request("POST", LOGIN).header("content-type", "text/plain").body(plain);
        self.see(plain).await;
    }

    pub(super) async fn jwt_detour(&mut self) {
        let access = self.post(JWT_LOGIN, &ALICE).await;
        let claims = access.split('.').nth(1).unwrap_or_default().to_owned();
        // {"alg":"HS256","alg":"none"}
        let twice = format!("eyJhbGciOiJIUzI1NiIsImFsZyI6Im5vbmUifQ.{claims}.");
        for token in ["x", "bnVsbA.a.b", DOCUMENT_TOKEN, &twice] {
            self.bearer("GET", "/users/me", token).await;
        }
        self.ask("GET", "/users/me", &[]).await;
        let good = format!("Bearer {access}");
        self.ask("GET", "/users/me", &[("authorization", "Bearer x"), ("authorization", &good)])
            .await;
        self.jwt_logins().await;
        self.sessions().await;
        self.states().await;
        self.ages().await;
    }

    async fn jwt_logins(&mut self) {
        for fields in [
            [ALICE[0], ALICE[1], ALICE[2], ("scope", "")],
            [ALICE[0], ALICE[1], ALICE[2], ("scope", "all")],
            [ALICE[0], ALICE[1], ALICE[2], ("colour", "blue")],
            [ALICE[0], ALICE[1], ("password", ""), ("scope", "")],
            [ALICE[0], ALICE[1], ("password", "ALICE-PASSWORD-1"), ("x", "")],
            [ALICE[0], ("username", "ALICE@example.com"), ALICE[2], ("x", "")],
            [
                ALICE[0],
                ("username", "unverified@example.com"),
                ("password", "unverified-password-4"),
                ("x", ""),
            ],
        ] {
            self.post(JWT_LOGIN, &fields).await;
        }
        self.post("/auth/jwt/login/", &ALICE).await;
        self.post("/auth/cookie/login", &ALICE).await;
        self.ask("POST", REFRESH, &[]).await;
    }

    /// A login of Alice: its access token and its refresh token.
    async fn session(&mut self) -> (String, String) {
        let access = self.post(JWT_LOGIN, &ALICE).await;
        (access, self.tokens.last().unwrap().clone())
    }

    async fn refresh(&mut self, token: &str) {
        self.ask("POST", REFRESH, &[("refresh-token", token)]).await;
    }

    async fn sessions(&mut self) {
        let (access, first) = self.session().await;
        let (_, second) = self.session().await;
        let (leaving, third) = self.session().await;
        self.bearer("POST", "/auth/jwt/logout", &leaving).await;
        self.bearer("GET", "/users/me", &leaving).await;
        self.refresh(&first).await;
        self.bearer("GET", "/users/me", &access).await;
        self.refresh(&first).await;
        self.refresh(&second).await;
        self.ask("GET", REFRESH, &[("refresh-token", &third)]).await;
        let cut = format!("{}.AAAA", third.rsplit_once('.').map_or("", |(signed, _)| signed));
        self.refresh(&cut).await;
        self.refresh(&third).await;
        let (_, fourth) = self.session().await;
        self.ask("POST", &format!("{REFRESH}?refresh_token={fourth}"), &[]).await;
    }

    async fn states(&mut self) {
        let inactive =
            [ALICE[0], ("username", "inactive@example.com"), ("password", "inactive-password-3")];
        self.post(JWT_LOGIN, &inactive).await;
        self.state(Flow::JwtLogin, inactive[1].1, AccountState::Active);
        self.post(JWT_LOGIN, &inactive).await;
        self.state(Flow::JwtLogin, inactive[1].1, AccountState::Inactive);
        let bob = self.post(JWT_LOGIN, &BOB).await;
        self.state(Flow::JwtLogin, BOB[1].1, AccountState::Deleted);
        self.bearer("GET", "/users/me", &bob).await;
        self.state(Flow::JwtLogin, BOB[1].1, AccountState::Active);
    }

    async fn ages(&mut self) {
        let (access, refresh) = self.session().await;
        self.site.advance(HOUR * 12);
        let stale = format!("Bearer {access}");
        self.ask("POST", REFRESH, &[("refresh-token", &refresh), ("authorization", &stale)]).await;
        let next = self.tokens.last().unwrap().clone();
        self.site.advance(HOUR * 13);
        self.refresh(&next).await;
    }

    pub(super) async fn environment_detour(&mut self) {
        let token = self.ask("GET", GENERATE, &[ID, SECRET]).await;
        let newer = self.ask("GET", GENERATE, &[ID, SECRET]).await;
        let inn = [("client-id", "aW5uLmV4YW1wbGU="), ("client-secret", "sandbox-secret-inn-3")];
        self.ask("GET", GENERATE, &inn).await;
        self.bearer("GET", VALIDATE_SANDBOX, &token).await;
        let start: String = token.chars().take(40).collect();
        let good = format!("Bearer {token}");
        for headers in [
            [("authorization", good.as_str()), ("app-id", "x")],
            [("authorization", "Bearer x"), ("app-id", ID.1)],
            [("authorization", &good.replace("Bearer", "BearerX")), ("accept", "*/*")],
            [("authorization", &format!("{good},x")), ("accept", "*/*")],
            [("authorization", &good.to_uppercase()), ("accept", "*/*")],
            [("authorization", &format!("Bearer {start}")), ("accept", "*/*")],
            [("x-auth-token", &token), ("accept", "*/*")],
            [ID, SECRET],
        ] {
            self.ask("GET", VALIDATE_SANDBOX, &headers).await;
        }
        self.ask("GET", VALIDATE_SANDBOX, &[]).await;
        self.generations().await;
        self.bearer("GET", VALIDATE_SANDBOX, &newer).await;
    }

    async fn generations(&mut self) {
        let production = GENERATE.replace("sandbox", "production");
        let right = format!("{GENERATE}?client-secret={}", SECRET.1);
        let pair = "Basic YUc5MFpXd3VaWGhoYlhCc1pRPT06c2FuZGJveC1zZWNyZXQtaG90ZWwtMQ==";
        for (method, path, headers) in [
            ("HEAD", GENERATE, &[ID, SECRET][..]),
            ("PUT", GENERATE, &[ID, SECRET]),
            ("POST", GENERATE, &[ID, SECRET]),
            ("GET", GENERATE, &[ID]),
            ("GET", GENERATE, &[("client-id", "aG90ZWwuZXhhbXBsZQ"), SECRET]),
            ("GET", GENERATE, &[("authorization", pair)]),
            ("GET", &right, &[ID, ("client-secret", "x")]),
            ("GET", &production, &[ID, ("client-secret", "production-secret-hotel-2")]),
        ] {
            self.ask(method, path, headers).await;
        }
        let newest = self.ask("GET", GENERATE, &[ID, SECRET]).await;
        for _ in 0..12 {
            self.ask("HEAD", GENERATE, &[ID, SECRET]).await;
        }
        self.bearer("GET", VALIDATE_SANDBOX, &newest).await;
        self.ask("GET", GENERATE, &[ID, SECRET]).await;
    }
}

/// What no client should send: fields that look alike, credentials in wrong places, forged tokens, and guesses.
impl Tour {
    pub(super) async fn wire_detour(&mut self) {
        let token = self.post(LOGIN, &[NAME, WORD]).await;
        let good = format!("Token {token}");
        for header in [
            ("authorization", format!("Token x, {token}")),
            ("authorization", format!("Token \"{token}\"")),
            ("x-auth-token", token.clone()),
            ("remote-user", "reception".to_owned()),
            ("x_authorization", good.clone()),
        ] {
            self.ask("GET", "/v1/get/", &[(header.0, &header.1)]).await;
        }
        let twice = [("authorization", "Token x"), ("authorization", "Token y")];
        self.ask("GET", "/v1/get/", &twice).await;
        let query = format!("/v1/get/?access_token=x&access_token={token}");
        for (method, path) in [
            ("GET", query.as_str()),
            ("GET", "/V1/get/"),
            ("POST", "/v1/get/"),
            ("OPTIONS", "/v1/get/"),
        ] {
            self.ask(method, path, &[]).await;
        }
        let body = serde_json::json!({ "access_token": token });
        let request = self.site.request("GET", "/v1/get/").json(&body);
        self.see(request).await;
        self.refreshes().await;
        self.forgeries().await;
        self.guesses().await;
    }

    async fn refreshes(&mut self) {
        self.post(JWT_LOGIN, &ALICE).await;
        let reply =
            crate::support::Reply::of(self.site.request("POST", JWT_LOGIN).form(&ALICE)).await;
        let fresh = reply.json()["refresh_token"].as_str().unwrap_or_default().to_owned();
        let (long, list) = ("a".repeat(5000), format!("x,{fresh}"));
        let cookie = format!("refresh_token={fresh}");
        for headers in [
            &[("refresh-token", "x"), ("refresh-token", "y")][..],
            &[("refresh-token", long.as_str())],
            &[("refresh-token", "x"), ("refresh-token", &fresh)],
            &[("refresh-token", &list)],
            &[("cookie", &cookie)],
        ] {
            let request = self.with("POST", REFRESH, headers);
            let status = crate::support::Reply::of(request).await.status;
            self.log.push(format!("{status}"));
        }
    }

    async fn forgeries(&mut self) {
        use base64::Engine as _;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
        use jsonwebtoken::{Algorithm, EncodingKey, crypto};
        let claims = |subject: &str| {
            format!(
                r#"{{"sub":"{subject}","user_id":"{subject}","aud":"fastapi-users:auth","exp":99999999999}}"#
            )
        };
        let (alice, nobody) = (claims(super::ALICE), claims("nobody"));
        let embedded = r#"{"alg":"HS256","jwk":{"kty":"oct","k":"c2VjcmV0"}}"#;
        for (header, claims, key) in [
            (embedded, alice.as_str(), &b"secret"[..]),
            (r#"{"alg":"RS256"}"#, &alice, b"secret"),
            (r#"{"alg":"HS256"}"#, &nobody, &super::KEY),
            (r#"{"alg":"HS256"}"#, "[]", &super::KEY),
        ] {
            let message = format!("{}.{}", BASE64.encode(header), BASE64.encode(claims));
            let key = EncodingKey::from_secret(key);
            let signature = crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap();
            self.bearer("GET", "/users/me", &format!("{message}.{signature}")).await;
        }
    }

    async fn guesses(&mut self) {
        let (twice, cookie) = (
            [ID, ("client-secret", "x"), SECRET],
            "client-id=aG90ZWwuZXhhbXBsZQ==; client-secret=sandbox-secret-hotel-1",
        );
        let long = "a".repeat(5000);
        for headers in [
            &twice[..],
            &[ID, ("client-secret", "x"), ("client-secret", "y")],
            &[("cookie", cookie)],
            &[ID, ("client-secret", &long)],
        ] {
            self.ask("GET", GENERATE, headers).await;
        }
        for _ in 0..52 {
            self.post(LOGIN, &[NAME, ("password", "x")]).await;
            self.post(LOGIN, &[("username", "nobody"), ("password", "x")]).await;
        }
        self.post(LOGIN, &[NAME, WORD]).await;
        self.site.advance(HOUR);
        self.post(LOGIN, &[NAME, WORD]).await;
        for _ in 0..52 {
            self.ask("GET", GENERATE, &[ID, ("client-secret", "x")]).await;
            self.ask("GET", GENERATE, &[("client-id", "eA=="), SECRET]).await;
        }
        self.ask("GET", GENERATE, &[ID, SECRET]).await;
        let token = self.site.server.seed_tokens(Flow::GatewayButton, 1).remove(0);
        self.bearer("GET", "/api/v2/accesstoken", &token).await;
        self.bearer("DELETE", "/api/v2/accesstoken", &token).await;
        self.bearer("GET", "/api/v2/accesstoken", &token).await;
    }
}
