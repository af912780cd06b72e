//! The routes, on one page, and the state behind them.

use std::cell::RefCell;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, DATE, HeaderValue, LOCATION, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::{get, post};

use crate::account::{AccountState, Accounts, Flow};
use crate::button::{Gateway, device, generate, socket};
use crate::channel::Channel;
use crate::clock::{Clock, http_date};
use crate::config::{Config, Lifetimes, Limits};
use crate::counters::{Counters, Events};
use crate::environment::{Environment, Tokens as EnvironmentTokens};
use crate::fault::{Fault, Faults};
use crate::http::{Answer, allow, with};
use crate::jwt::{Jwt, refresh};
use crate::throttle::Throttle;
use crate::variant::{LiveVariants, Variant, Variants};
use crate::visitor::Visitors;
use crate::{button, channel, environment, fault, jwt, visitor};

/// The state of a server. Everything in it is shared by reference; nothing locks more than its own part.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) clock: Clock,
    pub(crate) faults: Faults,
    pub(crate) variants: LiveVariants,
    pub(crate) accounts: Accounts,
    pub(crate) lifetimes: Lifetimes,
    pub(crate) limits: Limits,
    pub(crate) counters: Counters,
    pub(crate) events: Events,
    pub(crate) button: Gateway,
    pub(crate) channel: Channel,
    pub(crate) visitor: Visitors,
    pub(crate) jwt: Jwt,
    pub(crate) environment: EnvironmentTokens,
    throttle: Throttle,
    started_with: (Vec<Fault>, Variants),
}

impl App {
    pub(crate) fn new(config: Config) -> Self {
        let clock = Clock::new(config.clock);
        let now = clock.now();
        Self {
            button: Gateway::new(now),
            channel: Channel::new(),
            visitor: Visitors::new(now),
            jwt: Jwt::new(config.jwt_key),
            environment: EnvironmentTokens::new(),
            clock,
            faults: Faults::new(&config.faults),
            variants: LiveVariants::new(&config.variants),
            accounts: Accounts::new(config.accounts),
            lifetimes: config.lifetimes,
            limits: config.limits,
            counters: Counters::default(),
            events: Events::default(),
            throttle: Throttle::default(),
            started_with: (config.faults, config.variants),
        }
    }

    pub(crate) fn press(&self, press: device::Press) -> device::Pressed {
        self.button.device.press(self, press)
    }

    pub(crate) fn advance(&self, by: Duration) -> Option<u64> {
        let moment = self.clock.advance(by)?;
        self.events.push(moment, "advanced", format!("{} ms", by.as_millis()));
        Some(moment)
    }

    /// Everything back to the start; the clock stays where it is, so that time never runs backwards.
    pub(crate) fn reset(&self) {
        self.faults.replace(&self.started_with.0);
        self.variants.replace(&self.started_with.1);
        self.accounts.reset();
        self.button.reset(self.clock.now());
        self.channel.reset();
        self.visitor.reset(self.clock.now());
        self.jwt.reset();
        self.environment.reset();
        self.throttle.reset();
        self.counters.reset();
        self.events.clear();
    }

    /// What a power cut leaves: tokens and accounts stay, sockets end, an open window closes (or not, by variant).
    pub(crate) fn restart(&self) {
        let kept = self.variants.is(Variant::RestartWindow, "kept");
        if !kept && !self.faults.has(Fault::WindowSurvivesRestart) {
            self.button.device.close();
        }
        if self.faults.has(Fault::TokensLostOnRestart) {
            self.button.reset(self.clock.now());
        }
        if self.faults.has(Fault::RestartOpensWindow) {
            self.press(device::Press::Short);
        }
        self.button.orders.tell(button::orders::News::Restart);
        self.events.push(self.clock.now(), "restarted", "");
    }

    pub(crate) fn set_account_state(
        &self,
        flow: Flow,
        username: &str,
        state: AccountState,
    ) -> Option<AccountState> {
        let state = if self.faults.has(Fault::RestoredAccountStaysBlocked)
            && state == AccountState::Active
        {
            AccountState::Blocked
        } else {
            state
        };
        let previous = self.accounts.set_state(flow, username, state)?;
        let detail = format!("{flow}: {username} was {previous}, is {state}");
        self.events.push(self.clock.now(), "account", detail);
        Some(previous)
    }

    /// Revokes a token by its text; `false` if the flow does not know it.
    pub(crate) fn revoke(&self, flow: Flow, token: &str) -> bool {
        if self.faults.has(Fault::RevocationLost) {
            return true;
        }
        let revoked = match flow {
            Flow::GatewayButton => self.button.revoke(token),
            Flow::ChannelLogin => self.channel.revoke(token),
            Flow::VisitorLogin => self.visitor.revoke(token),
            Flow::JwtLogin => self.jwt.revoke(self, token),
            Flow::EnvironmentToken => self.environment.revoke(token),
        };
        if revoked {
            self.counters.count(flow, crate::counters::Tally::Revoked);
            self.events.push(self.clock.now(), "revoked", flow.name());
        }
        revoked
    }

    /// Whether a login for this name is refused unread; `variant` is the flow's throttle.
    pub(crate) fn throttles(&self, variant: Variant, flow: Flow, username: &str) -> bool {
        let now = if self.faults.has(Fault::ThrottleForEver) { 0 } else { self.clock.now() };
        self.variants.is(variant, "429") && self.throttle.refuses(now, flow, username)
    }

    /// Counts a wrong password for the throttle.
    pub(crate) fn login_failed(&self, variant: Variant, flow: Flow, username: &str) {
        let stranger = || self.accounts.find(flow, username, true).is_none();
        if self.faults.has(Fault::ThrottleForgotten)
            || (self.faults.has(Fault::ThrottleKnowsUsers) && stranger())
        {
            return;
        }
        if self.variants.is(variant, "429") {
            self.throttle.failed(self.clock.now(), flow, username);
        }
    }

    /// Whether a defect has grown tired of wrong passwords: this is one more, and any will do.
    pub(crate) fn gives_in(&self) -> bool {
        self.faults.has(Fault::FiftiethGuessWins) && self.faults.tick() > 50
    }

    /// Issues tokens in bulk, past every check of the flow, for measurements with many live tokens.
    pub(crate) fn seed(&self, flow: Flow, count: usize) -> Vec<String> {
        (0..count)
            .filter_map(|_| match flow {
                Flow::GatewayButton => Some(self.button.issue(self, "default").0),
                Flow::ChannelLogin => channel::seed(self),
                Flow::VisitorLogin => visitor::seed(self),
                Flow::JwtLogin => jwt::seed(self),
                Flow::EnvironmentToken => environment::seed(self, Environment::Sandbox),
            })
            .collect()
    }
}

/// Who sent a request.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    pub(crate) fn of(request: &Request) -> IpAddr {
        request.extensions().get::<Self>().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0)
    }
}

/// The routing table: all documented paths of all flows.
pub(crate) fn router(app: Arc<App>) -> Router {
    let login = post(visitor::login);
    Router::new()
        // gateway-button
        .route("/api/v2/accesstoken", get(button::validate_routed).delete(button::revoke))
        .route("/api/v2/accesstoken/all", get(button::list))
        .route(
            "/api/v2/accesstoken/generate",
            get(generate::generate).post(generate::generate_with_token),
        )
        .route("/api/v2/websocket", get(socket::open))
        // channel-login
        .route("/generateToken", post(channel::generate).get(channel::generate_by_get))
        .route("/getToken", post(channel::current))
        .route("/updateCalendarInventory", post(channel::update_routed))
        // visitor-login
        .route("/v1/oauth/", login.clone())
        .route("/v1/oauth/index.php", login)
        .route("/v1/oauth", post(visitor::login_without_slash))
        .route("/v1/get", get(visitor::without_slash))
        .route("/v1/add", post(visitor::without_slash))
        .route("/v1/get/", get(visitor::validate_routed))
        .route("/v1/get/visitee/", get(visitor::visitees))
        .route("/v1/get/{id}", get(visitor::one))
        .route("/v1/exit/", get(visitor::no_id))
        .route("/v1/exit/{id}", get(visitor::exit))
        .route("/v1/photo/", get(visitor::no_id))
        .route("/v1/photo/{id}", get(visitor::photo))
        .route("/v1/add/", post(visitor::add))
        .route("/v1/add/index.php", post(visitor::add))
        // jwt-login
        .route("/auth/jwt/login", post(jwt::login))
        .route("/auth/jwt/refresh", post(refresh::refresh))
        .route("/auth/jwt/postman-refresh", post(refresh::postman_refresh))
        .route("/auth/jwt/logout", post(jwt::logout))
        .route("/users/me", get(jwt::validate_routed))
        // environment-token
        .merge(environment_routes("/sandbox"))
        .merge(environment_routes("/production"))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .with_state(app)
}

fn environment_routes(environment: &str) -> Router<Arc<App>> {
    let path = |name: &str| format!("{environment}/SUAPI/jservice/auth/{name}-access-token");
    let generate = get(environment::generate).post(environment::generate_by_post);
    Router::new()
        .route(&path("generate"), generate)
        .route(&path("validate"), get(environment::validate_routed))
}

/// The validations that carry no body, answered before the router: same functions, less machinery.
///
/// Measured with wrk, 64 connections, server and client on a core each: the update of channel-login takes 13.0 us
/// of the server's core by way of the router and 10.6 us past it (kernel included).
pub(crate) fn lane(
    app: &App,
    method: &Method,
    parts: (&HeaderMap, &Uri),
    peer: IpAddr,
) -> Option<Answer> {
    if *method != Method::GET {
        return None;
    }
    match parts.1.path() {
        "/api/v2/accesstoken" => Some(button::validate(app, parts, peer)),
        "/users/me" => Some(jwt::validate(app, parts)),
        "/v1/get/" => Some(visitor::validate(app, parts)),
        "/sandbox/SUAPI/jservice/auth/validate-access-token" => {
            Some(environment::validate(app, parts, Environment::Sandbox))
        }
        "/production/SUAPI/jservice/auth/validate-access-token" => {
            Some(environment::validate(app, parts, Environment::Production))
        }
        _ => None,
    }
}

/// The validation that does carry a body.
pub(crate) fn is_update(method: &Method, uri: &Uri) -> bool {
    *method == Method::POST && uri.path() == "/updateCalendarInventory"
}

/// Whose house style an answer outside every route follows.
fn flow_of(path: &str) -> Flow {
    let under = |root: &str| {
        path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    if under("/api") {
        Flow::GatewayButton
    } else if under("/v1") {
        Flow::VisitorLogin
    } else if under("/auth") || under("/users") {
        Flow::JwtLogin
    } else if under("/sandbox") || under("/production") {
        Flow::EnvironmentToken
    } else {
        Flow::ChannelLogin
    }
}

/// An error outside every flow's contract, in the style of the flow whose path it is.
pub(crate) fn problem(app: &App, uri: &Uri, status: StatusCode) -> Answer {
    if app.faults.has(Fault::HtmlErrors) {
        return fault::html_error(status);
    }
    if app.faults.has(Fault::StackTrace) {
        return fault::stack_trace(status, uri);
    }
    if app.faults.has(Fault::MarkupReflected) {
        return fault::markup(status, uri);
    }
    match flow_of(uri.path()) {
        Flow::GatewayButton => button::problem(app, status),
        Flow::ChannelLogin => channel::problem(status),
        Flow::VisitorLogin => visitor::problem(app, uri, status),
        Flow::JwtLogin => jwt::problem(status),
        Flow::EnvironmentToken => environment::problem(status),
    }
}

async fn unknown(State(app): State<Arc<App>>, request: Request) -> Answer {
    let request = match fault::served_by_defect(&app, request).await {
        Ok(answer) => return answer,
        Err(request) => request,
    };
    let uri = request.uri();
    if app.faults.has(Fault::AbsoluteRedirect)
        && let Some(redirect) = fault::absolute_redirect(request.headers(), uri)
    {
        return redirect;
    }
    if app.variants.is(Variant::TrailingSlash, "redirect")
        && let Some(path) = jwt::canonical_path(uri.path())
    {
        let answer = jwt::problem(StatusCode::TEMPORARY_REDIRECT);
        return with(answer, LOCATION, HeaderValue::from_static(path));
    }
    problem(&app, uri, StatusCode::NOT_FOUND)
}

async fn wrong_method(State(app): State<Arc<App>>, request: Request) -> Answer {
    if app.faults.any() && channel::ignores_method(&app, &request) {
        return channel::by_any_method(&app, request).await;
    }
    let request = match fault::served_by_defect(&app, request).await {
        Ok(answer) => return answer,
        Err(request) => request,
    };
    let path = request.uri().path();
    let answer = problem(&app, request.uri(), StatusCode::METHOD_NOT_ALLOWED);
    // The router lists every method that has a handler; these have one only for a fault or a variant.
    if path == "/generateToken" {
        allow(answer, "POST")
    } else if path.ends_with("/generate-access-token")
        && app.variants.is(Variant::PostGenerate, "refused")
    {
        allow(answer, "GET,HEAD")
    } else {
        answer
    }
}

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_SNIFF: HeaderValue = HeaderValue::from_static("nosniff");

/// What every answer carries: the time, and that nothing may keep it.
pub(crate) fn finish(app: &App, answer: &mut Answer) {
    let status = answer.status();
    let headers = answer.headers_mut();
    headers.insert(DATE, date_value(app.clock.now() / 1000));
    headers.entry(CACHE_CONTROL).or_insert(NO_STORE);
    headers.insert(X_CONTENT_TYPE_OPTIONS, NO_SNIFF);
    app.counters.answered(status.as_u16());
}

thread_local! {
    /// The `Date` header of the last second asked for: no lock, and no formatting per answer.
    static DATE_VALUE: RefCell<(u64, HeaderValue)> = const { RefCell::new((u64::MAX, NO_STORE)) };
}

fn date_value(second: u64) -> HeaderValue {
    DATE_VALUE.with_borrow_mut(|cached| {
        if cached.0 != second
            && let Ok(value) = HeaderValue::try_from(http_date(second))
        {
            *cached = (second, value);
        }
        cached.1.clone()
    })
}

/// A body of nothing.
pub(crate) fn no_content() -> Answer {
    let mut answer = Answer::new(Body::empty());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// The address a connection came from, IPv4 within IPv6 taken out.
pub(crate) fn peer_of(address: SocketAddr) -> IpAddr {
    address.ip().to_canonical()
}
