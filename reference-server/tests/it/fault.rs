//! Faults act where they say, and only when they are installed.

use reference_server::{Fault, Flow};
use serde_json::Value;

use crate::support::{Reply, Site};

/// One request whose answer differs between a right server and one with the fault.
struct Probe {
    fault: Fault,
    method: &'static str,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    form: &'static [(&'static str, &'static str)],
}

const LOGIN_JWT: &str = "/auth/jwt/login";
const LOGIN_VISITOR: &str = "/v1/oauth/";
const ALICE: &[(&str, &str)] = &[
    ("grant_type", "password"),
    ("username", "alice@example.com"),
    ("password", "alice-password-1"),
];
const RECEPTION: &[(&str, &str)] = &[("username", "reception"), ("password", "visitor-password-1")];
const WRONG: &[(&str, &str)] = &[("username", "reception"), ("password", "x")];

const fn get(fault: Fault, path: &'static str) -> Probe {
    Probe { fault, method: "GET", path, headers: &[], form: &[] }
}

const fn post(
    fault: Fault,
    path: &'static str,
    form: &'static [(&'static str, &'static str)],
) -> Probe {
    Probe { fault, method: "POST", path, headers: &[], form }
}

const PROBES: &[Probe] = &[
    get(Fault::NoChallenge, "/users/me"),
    get(Fault::ChallengeErrorWithoutToken, "/users/me"),
    get(Fault::NoAllow, LOGIN_JWT),
    get(Fault::HtmlErrors, "/api/v2/nothing"),
    get(Fault::StackTrace, "/api/v2/nothing"),
    get(Fault::WrongContentType, "/users/me"),
    get(Fault::ButtonNotNeeded, "/api/v2/accesstoken/generate"),
    get(Fault::AbsentIsMalformed, "/api/v2/accesstoken"),
    get(Fault::StatusMemberDiffers, "/api/v2/accesstoken"),
    get(Fault::ReturnCodeAsText, "/api/v2/accesstoken"),
    get(Fault::WrongMessage, "/api/v2/accesstoken"),
    get(Fault::SuccessOnFailure, "/sandbox/SUAPI/jservice/auth/validate-access-token"),
    get(Fault::ErrorsArray, "/v1/get/"),
    get(Fault::ErrorCodeNumber, "/v1/get/"),
    get(
        Fault::ChannelGetGenerates,
        "/generateToken?username=channel_user&password=550e8400-e29b-41d4-a716-446655440000",
    ),
    Probe {
        headers: &[("authorization", "nonsense")],
        ..get(Fault::MalformedIsDenied, "/api/v2/accesstoken")
    },
    Probe {
        headers: &[("origin", "http://evil.example")],
        ..get(Fault::CorsReflected, "/users/me")
    },
    Probe { headers: &[("authorization", "Bearer x")], ..get(Fault::TokenEchoed, "/users/me") },
    Probe {
        headers: &[("client-id", "aG90ZWwuZXhhbXBsZQ=="), ("client-secret", "x")],
        ..get(Fault::SecretNotChecked, "/sandbox/SUAPI/jservice/auth/generate-access-token")
    },
    Probe {
        headers: &[("client-id", "aG90ZWwuZXhhbXBsZQ=="), ("client-secret", "x")],
        ..get(Fault::SecretEchoed, "/sandbox/SUAPI/jservice/auth/generate-access-token")
    },
    Probe {
        headers: &[("client-id", "hotel.example"), ("client-secret", "sandbox-secret-hotel-1")],
        ..get(Fault::PlainDomainAccepted, "/sandbox/SUAPI/jservice/auth/generate-access-token")
    },
    Probe {
        headers: &[
            ("client-id", "aG90ZWwuZXhhbXBsZQ=="),
            ("client-secret", "production-secret-hotel-2"),
        ],
        ..get(Fault::EitherSecretAccepted, "/sandbox/SUAPI/jservice/auth/generate-access-token")
    },
    post(Fault::CacheableToken, LOGIN_JWT, ALICE),
    post(Fault::NoPragma, LOGIN_JWT, ALICE),
    post(Fault::SetsCookie, LOGIN_JWT, ALICE),
    post(Fault::ExpiresInText, LOGIN_JWT, ALICE),
    post(Fault::ExpiresInWrong, LOGIN_JWT, ALICE),
    post(Fault::TokenTypeWrong, LOGIN_JWT, ALICE),
    post(Fault::GrantTypeIgnored, LOGIN_JWT, RECEPTION),
    post(Fault::UnknownUserTold, LOGIN_VISITOR, &[("username", "nobody"), ("password", "x")]),
    post(Fault::DebugAlways, LOGIN_VISITOR, WRONG),
    post(Fault::SuccessText, LOGIN_VISITOR, RECEPTION),
    post(Fault::ErrorsBesideData, LOGIN_VISITOR, RECEPTION),
    post(Fault::ExpiryText, LOGIN_VISITOR, RECEPTION),
    post(Fault::ExpiryMilliseconds, LOGIN_VISITOR, RECEPTION),
    post(Fault::ExpiryIsDuration, LOGIN_VISITOR, RECEPTION),
    post(Fault::SlashlessLogin, "/v1/oauth", RECEPTION),
    post(
        Fault::VisitorQueryLogin,
        "/v1/oauth/?username=reception&password=visitor-password-1",
        &[],
    ),
    post(
        Fault::RepeatedFieldAccepted,
        LOGIN_VISITOR,
        &[("username", "x"), ("username", "reception"), ("password", "visitor-password-1")],
    ),
    post(
        Fault::DebugInProduction,
        LOGIN_VISITOR,
        &[("username", "reception"), ("password", "x"), ("debug", "1")],
    ),
    post(
        Fault::PasswordTrimmed,
        LOGIN_JWT,
        &[
            ("grant_type", "password"),
            ("username", "alice@example.com"),
            ("password", "alice-password-1 "),
        ],
    ),
    post(
        Fault::InactiveAccountTold,
        LOGIN_JWT,
        &[
            ("grant_type", "password"),
            ("username", "inactive@example.com"),
            ("password", "inactive-password-3"),
        ],
    ),
    post(
        Fault::ChannelLiteralsCapitalised,
        "/generateToken",
        &[("Username", "channel_user"), ("Password", "x")],
    ),
    post(
        Fault::UsernameFolded,
        "/generateToken",
        &[("Username", "CHANNEL_USER"), ("Password", "550e8400-e29b-41d4-a716-446655440000")],
    ),
    post(
        Fault::StateBeforePassword,
        "/generateToken",
        &[("Username", "blocked_channel"), ("Password", "x")],
    ),
    post(
        Fault::BlockedAccountGetsToken,
        "/generateToken",
        &[("Username", "blocked_channel"), ("Password", "16fd2706-8baf-433b-82eb-8c7fada847da")],
    ),
];

/// An answer without what differs between any two answers.
fn shape(reply: &Reply) -> String {
    let mut headers: Vec<String> = reply
        .headers
        .iter()
        .filter(|(name, _)| *name != "content-length")
        .map(|(name, value)| format!("{name}: {value:?}"))
        .collect();
    headers.sort();
    let body = match serde_json::from_str::<Value>(&reply.text) {
        Ok(mut body) => {
            for token in ["access_token", "refresh_token"] {
                for place in ["", "/data"] {
                    if let Some(value) = body.pointer_mut(&format!("{place}/{token}")) {
                        *value = Value::Null;
                    }
                }
            }
            body.to_string()
        }
        Err(_) => reply.text.clone(),
    };
    format!("{} {headers:?} {body}", reply.status)
}

async fn ask(site: &Site, probe: &Probe) -> String {
    let mut request = site.request(probe.method, probe.path);
    for (name, value) in probe.headers {
        request = request.header(*name, *value);
    }
    if !probe.form.is_empty() {
        request = request.form(probe.form);
    }
    shape(&Reply::of(request).await)
}

#[tokio::test]
async fn a_fault_changes_the_answer_of_its_probe_and_is_gone_when_it_is_cleared() {
    let site = Site::start();
    for probe in PROBES {
        let right = ask(&site, probe).await;
        site.server.install(probe.fault);
        let wrong = ask(&site, probe).await;
        assert_ne!(right, wrong, "{} does nothing", probe.fault);
        site.server.clear_faults();
        assert_eq!(ask(&site, probe).await, right, "{} stays", probe.fault);
    }
}

#[tokio::test]
async fn faults_of_authorization_let_a_token_in_by_the_back_door() {
    let site = Site::start();
    let token = site.server.seed_tokens(Flow::GatewayButton, 1).remove(0);
    for (fault, name, value, query, wrong) in [
        (Fault::AnySchemeAccepted, "authorization", format!("Basic {token}"), "", 200),
        (Fault::CookieTokenAccepted, "cookie", format!("x={token}"), "", 200),
        (Fault::QueryTokenAccepted, "x", String::new(), "?access_token=", 200),
        (
            Fault::QueryTokenOverridesHeader,
            "authorization",
            "Bearer x".to_owned(),
            "?access_token=",
            200,
        ),
        (Fault::SchemeGlued, "authorization", format!("Bearer{token}"), "", 200),
        (Fault::TabAccepted, "authorization", format!("Bearer\t{token}"), "", 200),
        (Fault::TokenSuffixIgnored, "authorization", format!("Bearer {token}0"), "", 200),
        (
            Fault::ServerErrorOnLongToken,
            "authorization",
            format!("Bearer {}", "a".repeat(1025)),
            "",
            500,
        ),
    ] {
        let query = if query.is_empty() { String::new() } else { format!("{query}{token}") };
        let ask = || {
            let request = site.request("GET", &format!("/api/v2/accesstoken{query}"));
            Reply::of(request.header(name, value.clone()))
        };
        assert!(ask().await.status.is_client_error(), "{fault}");
        site.server.install(fault);
        ask().await.has_status(wrong);
        site.server.clear_faults();
    }
    for (fault, value) in [
        (Fault::SchemeCaseSensitive, format!("bearer {token}")),
        (Fault::SpacesRefused, format!("Bearer  {token}")),
    ] {
        site.server.install(fault);
        site.authorized("GET", "/api/v2/accesstoken", &value).await.has_status(400);
        site.server.clear_faults();
        site.authorized("GET", "/api/v2/accesstoken", &value).await.has_status(200);
    }
}

#[tokio::test]
async fn every_fault_leaves_a_server_that_answers() {
    for fault in Fault::all() {
        let site = Site::with(&[], &[fault]);
        for (path, fields) in [(LOGIN_JWT, ALICE), (LOGIN_VISITOR, RECEPTION)] {
            assert!(site.form(path, fields).await.status.is_success(), "{fault}: {path}");
        }
    }
}
