//! Parts of the walk that only few faults change: odd headers, odd names, odd forms and tokens that resemble one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reference_server::{AccountState, Flow, Press};

use super::{GENERATE, TOKEN, Tour};
use crate::support::HOUR;

const LIST: &str = "/api/v2/accesstoken/all";
const LOGIN: &str = "/generateToken";
const UPDATE: &str = "/updateCalendarInventory?roomId=1";
const USER: &str = "channel_user";
const PASSWORD: &str = "550e8400-e29b-41d4-a716-446655440000";
const OTHER_PASSWORD: &str = "7c9e6679-7425-40de-944b-e07fc1f90ae7";

impl Tour {
    pub(super) async fn gateway_detour(&mut self) {
        self.site.server.press(Press::Short);
        self.ask("GET", &format!("{GENERATE}?unknown=1"), &[]).await;
        self.site.server.press(Press::Short);
        self.ask("GET", &format!("{GENERATE}?name="), &[]).await;
        let first = self.ask("GET", &format!("{GENERATE}?name=Detour"), &[]).await;
        self.log.push(format!("{} digits", first.len()));
        self.bearer("GET", GENERATE, &first).await;
        let child = self.bearer("POST", GENERATE, &first).await;
        let grandchild = self.bearer("POST", GENERATE, &child).await;
        let good = format!("Bearer {first}");
        for (value, cookie) in [("Bearer x", format!("token={first}")), ("", String::new())] {
            self.ask("GET", TOKEN, &[("authorization", value), ("cookie", &cookie)]).await;
        }
        let altered = format!("{}{}", first.get(..40).unwrap_or_default(), "0".repeat(8));
        self.bearer("GET", TOKEN, &altered).await;
        self.ask("GET", TOKEN, &[("authorization", &good), ("x-filler", &"a".repeat(8192))]).await;
        self.ask("GET", &format!("{TOKEN}/%0AX-Injected:%20yes"), &[]).await;
        self.ask("GET", "/api/v2/accesstoken/", &[]).await;
        for method in ["HEAD", "TRACE", "FOO"] {
            self.ask(method, TOKEN, &[]).await;
            self.bearer(method, TOKEN, "x").await;
        }
        self.post(GENERATE, &[("access_token", &first)]).await;
        self.site.server.press(Press::Short);
        self.ask("POST", GENERATE, &[]).await;
        self.ask("GET", GENERATE, &[]).await;
        self.bearer("GET", "/api/v2/websocket", &first).await;
        self.bearer("DELETE", &format!("{TOKEN}?token={grandchild}"), &child).await;
        self.bearer("GET", TOKEN, &grandchild).await;
        self.bearer("GET", LIST, &first).await;
    }

    pub(super) async fn channel_detour(&mut self) {
        let login = [("Username", USER), ("Password", PASSWORD)];
        let token = self.post(LOGIN, &login).await;
        self.ask("POST", UPDATE, &[]).await;
        let pair = STANDARD.encode(format!("{USER}:{PASSWORD}"));
        self.ask("POST", UPDATE, &[("authorization", &format!("Basic {pair}"))]).await;
        for text in [
            STANDARD.encode(&token),
            token.get(..9).unwrap_or("x").to_owned(),
            "token expired".to_owned(),
            "00000000-0000-0000-0000-000000000000".to_owned(),
        ] {
            self.bearer("POST", UPDATE, &text).await;
        }
        self.ask("PUT", UPDATE, &[]).await;
        let long = format!("{PASSWORD}x");
        let null = format!("{PASSWORD}\0");
        let escaped = PASSWORD.replace('-', "%2D");
        for (name, password) in [
            (USER, OTHER_PASSWORD),
            (USER, &long),
            (USER, &null),
            (USER, &escaped),
            (USER, ""),
            (USER, &token),
            ("%", PASSWORD),
            ("stranger", PASSWORD),
            ("stranger", PASSWORD),
        ] {
            self.post("/getToken", &[("username", name), ("password", password)]).await;
        }
        self.bearer("POST", UPDATE, &token).await;
        self.channel_forms().await;
        self.channel_times().await;
    }

    async fn channel_forms(&mut self) {
        let form = "application/x-www-form-urlencoded";
        let escaped = PASSWORD.replace('-', "%2d");
        for (media, body) in [
            (form, format!("Username={USER}&Password={escaped}")),
            (form, format!("%55sername={USER}&Password={PASSWORD}")),
            (form, format!("user={USER}&pass={PASSWORD}")),
            (form, format!("Username={USER}")),
            (form, format!(r#"{{"Username":"{USER}","Password":"{PASSWORD}"}}"#)),
            (
                "application/x-www-form-urlencoded; charset=UTF-8",
                format!("Username={USER}&Password={PASSWORD}"),
            ),
            (
                form,
                "Username=special_channel&Password=p%2Ba+s%26w%3D%C3%B6%252B%3B%22%C3%A9"
                    .to_owned(),
            ),
            (form, "Username=special_channel&Password=p+a s&w=ö%2B;\"é".to_owned()),
        ] {
            let request = self.site.request("POST", LOGIN).header("content-type", media).body(body);
            self.see(request).await;
        }
        self.ask("POST", &format!("{LOGIN}?Username={USER}&Password={PASSWORD}"), &[]).await;
        let login = [("Username", USER), ("Password", PASSWORD)];
        for (method, header) in [("POST", "Basic x"), ("PUT", "")] {
            let request = self.with(method, LOGIN, &[("authorization", header)]).form(&login);
            self.see(request).await;
        }
    }

    async fn channel_times(&mut self) {
        let login = [("Username", USER), ("Password", PASSWORD)];
        self.site.advance(2 * HOUR);
        let first = self.post(LOGIN, &login).await;
        self.site.advance(60_000);
        let second = self.post(LOGIN, &login).await;
        self.post(LOGIN, &[("Username", "second_channel"), ("Password", OTHER_PASSWORD)]).await;
        self.bearer("POST", UPDATE, &second).await;
        self.site.advance(HOUR - 60_000);
        for token in [&first, &second] {
            self.bearer("POST", UPDATE, token).await;
        }
        self.state(Flow::ChannelLogin, USER, AccountState::Blocked);
        self.post("/getToken", &login).await;
        self.state(Flow::ChannelLogin, USER, AccountState::Active);
        self.site.advance(HOUR);
        self.post("/getToken", &login).await;
        let token = self.post(LOGIN, &login).await;
        self.site.server.revoke(Flow::ChannelLogin, &token);
        self.bearer("POST", UPDATE, &token).await;
    }
}
