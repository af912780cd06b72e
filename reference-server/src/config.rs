//! What a server is started with.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::account::Account;
use crate::clock::ClockMode;
use crate::fault::Fault;
use crate::variant::Variants;

/// What a server is started with. The default listens on two free ports of the loopback interface, with a virtual
/// clock, the documented test accounts, no fault and every variant at its default.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the five flows listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the control plane listens; port 0 takes a free one.
    pub control: SocketAddr,
    /// Which time the server lives in.
    pub clock: ClockMode,
    /// Deliberate defects.
    pub faults: Vec<Fault>,
    /// Answers to what the documents leave open.
    pub variants: Variants,
    /// Who may log in.
    pub accounts: Vec<Account>,
    /// How long windows and tokens last.
    pub lifetimes: Lifetimes,
    /// What one client may cost.
    pub limits: Limits,
    /// The HMAC key of the JWT flow; 256 random bits at each start unless given.
    pub jwt_key: Option<[u8; 32]>,
}

impl Default for Config {
    fn default() -> Self {
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self {
            listen: loopback,
            control: loopback,
            clock: ClockMode::default(),
            faults: Vec::new(),
            variants: Variants::default(),
            accounts: Account::defaults(),
            lifetimes: Lifetimes::default(),
            limits: Limits::default(),
            jwt_key: None,
        }
    }
}

/// How long windows and tokens last, on the server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// The button window: 2 minutes by the gateway document.
    pub button_window: Duration,
    /// How long an unauthenticated socket may stay silent: 20 s by the gateway's socket page.
    pub socket: Duration,
    /// A channel token: "a limited time" in the document, one hour here.
    pub channel: Duration,
    /// A visitor token: 30 days by the document.
    pub visitor: Duration,
    /// A JWT access token: one hour by the document.
    pub jwt_access: Duration,
    /// A refresh token: "a limited time" in the document, one day here.
    pub jwt_refresh: Duration,
    /// A sandbox or production token: `expire_in` seconds, 3600 by the vendor's example.
    pub environment: Duration,
}

impl Lifetimes {
    /// The names that [`set`](Self::set) knows, as flow and lifetime.
    pub const NAMES: [&str; 7] = [
        "gateway-button.button_window",
        "gateway-button.socket_token",
        "channel-login.token",
        "visitor-login.access_token",
        "jwt-login.access_token",
        "jwt-login.refresh_token",
        "environment-token.token",
    ];

    /// Changes the lifetime of this name. `false` when there is none, or when it would be no time at all.
    pub fn set(&mut self, name: &str, lifetime: Duration) -> bool {
        let known = match name {
            "gateway-button.button_window" => &mut self.button_window,
            "gateway-button.socket_token" => &mut self.socket,
            "channel-login.token" => &mut self.channel,
            "visitor-login.access_token" => &mut self.visitor,
            "jwt-login.access_token" => &mut self.jwt_access,
            "jwt-login.refresh_token" => &mut self.jwt_refresh,
            "environment-token.token" => &mut self.environment,
            _ => return false,
        };
        *known = lifetime;
        !lifetime.is_zero()
    }
}

impl Default for Lifetimes {
    fn default() -> Self {
        Self {
            button_window: Duration::from_secs(120),
            socket: Duration::from_secs(20),
            channel: Duration::from_secs(3600),
            visitor: Duration::from_secs(2_592_000),
            jwt_access: Duration::from_secs(3600),
            jwt_refresh: Duration::from_secs(86_400),
            environment: Duration::from_secs(3600),
        }
    }
}

/// What one client may cost. Durations here count real time: they protect the process, not the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of request line and header fields; more is 431. At least 8192.
    pub header_bytes: usize,
    /// Bytes of a request body; more is 413.
    pub body_bytes: usize,
    /// Bytes of a socket message that is read at all; more ends the socket with 1009.
    pub frame_bytes: usize,
    /// Connections that are served at the same time; more wait to be accepted.
    pub connections: usize,
    /// How long the header fields of one request may take.
    pub slow_header: Duration,
    /// How long a request body may take.
    pub slow_body: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1024,
            body_bytes: 1024 * 1024,
            frame_bytes: 2 * 1024 * 1024,
            connections: 16_384,
            slow_header: Duration::from_secs(10),
            slow_body: Duration::from_secs(10),
        }
    }
}
