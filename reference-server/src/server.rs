//! Starting, serving, stopping.
//!
//! Connections are hyper's, not `axum::serve`'s: that one has no limit for header bytes and no timeout for slow
//! headers, and the validation lane answers before the router is asked.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, CONNECTION, HOST, HeaderValue};
use axum::http::{Method, Request, StatusCode, Version};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::account::{AccountState, Flow};
use crate::app::{App, Peer, finish, is_update, lane, peer_of, problem, router};
use crate::button::device::{Press, Pressed};
use crate::channel;
use crate::config::Config;
use crate::control;
use crate::counters::Event;
use crate::fault::{self, Fault, Memory};
use crate::framing::Framing;
use crate::http::{Answer, allow, with};
use crate::listeners::Listeners;
use crate::store::lock;
use crate::variant::VariantError;

/// How long a stop waits for requests that are being answered.
const FAREWELL: Duration = Duration::from_millis(500);

/// A running reference server: two listening sockets and a thread that serves them. Dropping it stops it.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct Server {
    app: Arc<App>,
    address: SocketAddr,
    control: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Binds both ports, then serves them on a thread of its own; the first request is answered at once.
    ///
    /// # Errors
    ///
    /// An address that cannot be bound, or no thread to be had.
    pub fn start(config: Config) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let bound = {
            let _entered = runtime.enter();
            Listeners::bind(&config)
        };
        let listeners = match bound {
            Ok(listeners) => listeners,
            Err(error) => {
                // Whoever starts a server from a task may not wait for a runtime to end.
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let (address, control) = (listeners.address(), listeners.control_address());
        let app = Arc::new(App::new(config));
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&app);
        let thread =
            std::thread::Builder::new().name("reference-server".to_owned()).spawn(move || {
                let shutdown = async {
                    // A dropped sender means stop as well.
                    let _ = stopped.await;
                };
                runtime.block_on(serve(listeners, shared, shutdown));
                runtime.shutdown_background();
            })?;
        Ok(Self { app, address, control, stop: Some(stop), thread: Some(thread) })
    }

    /// Where the five flows listen.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where the control plane listens.
    #[must_use]
    pub fn control_address(&self) -> SocketAddr {
        self.control
    }

    /// The base URL of the five flows, without a final slash.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base URL of the control plane, without a final slash.
    #[must_use]
    pub fn control_url(&self) -> String {
        format!("http://{}", self.control)
    }

    /// Presses the button of the gateway.
    pub fn press(&self, press: Press) -> Pressed {
        self.app.press(press)
    }

    /// Moves a virtual clock forward and returns the new moment; `None` if the clock is real.
    pub fn advance(&self, by: Duration) -> Option<Duration> {
        self.app.advance(by).map(Duration::from_millis)
    }

    /// What the server's clock shows, as time since the UNIX epoch.
    #[must_use]
    pub fn now(&self) -> Duration {
        Duration::from_millis(self.app.clock.now())
    }

    /// Puts everything but the clock back to the start.
    pub fn reset(&self) {
        self.app.reset();
    }

    /// Drops what a power cut would drop: open sockets and, by variant, an open window. Tokens stay.
    pub fn restart(&self) {
        self.app.restart();
    }

    /// Changes the state of an account and returns the one before; `None` if the flow has no such account.
    pub fn set_account_state(
        &self,
        flow: Flow,
        username: &str,
        state: AccountState,
    ) -> Option<AccountState> {
        self.app.set_account_state(flow, username, state)
    }

    /// Revokes a token; `false` if the flow does not know it.
    pub fn revoke(&self, flow: Flow, token: &str) -> bool {
        self.app.revoke(flow, token)
    }

    /// Installs a fault beside those that are there.
    pub fn install(&self, fault: Fault) {
        self.app.faults.install(fault);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.app.faults.replace(&[]);
    }

    /// Sets a variant by name.
    ///
    /// # Errors
    ///
    /// An unknown name or value; the error lists what is allowed.
    pub fn set_variant(&self, key: &str, value: &str) -> Result<(), VariantError> {
        self.app.variants.set(key, value)
    }

    /// How often things happened, by name: `jwt-login.issued`, `answers.4xx`, `connections.open`, ...
    #[must_use]
    pub fn counters(&self) -> std::collections::BTreeMap<String, u64> {
        self.app.counters.snapshot()
    }

    /// The last events, oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.app.events.snapshot()
    }

    /// Issues many live tokens past the flow's own checks, for measurements. Sandbox tokens where there are two
    /// environments.
    #[must_use]
    pub fn seed_tokens(&self, flow: Flow, count: usize) -> Vec<String> {
        self.app.seed(flow, count)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // The thread may have ended already.
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Serves until `shutdown` completes, then ends what is open and returns.
pub async fn run(listeners: Listeners, config: Config, shutdown: impl Future<Output = ()>) {
    serve(listeners, Arc::new(App::new(config)), shutdown).await;
}

async fn serve(listeners: Listeners, app: Arc<App>, shutdown: impl Future<Output = ()>) {
    let (stop, stopping) = watch::channel(false);
    let (alive, mut gone) = mpsc::channel(1);
    let address = listeners.address();
    let sides = [
        (listeners.api, Side::Api, router(Arc::clone(&app))),
        (listeners.control, Side::Control, control::router(Arc::clone(&app), address)),
    ];
    for (listener, side, routes) in sides {
        let site = Arc::new(Site {
            app: Arc::clone(&app),
            side,
            routes: TowerToHyperService::new(routes),
            permits: Arc::new(Semaphore::new(app.limits.connections)),
            crossed: Mutex::new(None),
        });
        tokio::spawn(accept(listener, site, stopping.clone(), alive.clone()));
    }
    drop(alive);
    shutdown.await;
    app.button.orders.tell(crate::button::orders::News::Restart);
    stop.send_replace(true);
    // Nothing is ever sent: the channel closes when the last connection has dropped its end.
    let _ = tokio::time::timeout(FAREWELL, gone.recv()).await;
}

/// Which of the two ports a connection came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Api,
    Control,
}

/// What the connections of one port share.
struct Site {
    app: Arc<App>,
    side: Side,
    routes: TowerToHyperService<Router>,
    permits: Arc<Semaphore>,
    /// The last Authorization header of all connections, for the fault that mixes them up.
    crossed: Mutex<Option<HeaderValue>>,
}

async fn accept(
    listener: TcpListener,
    site: Arc<Site>,
    stopping: watch::Receiver<bool>,
    alive: mpsc::Sender<()>,
) {
    let mut end = stopping.clone();
    let mut end = pin!(end.wait_for(|stop| *stop));
    loop {
        let next = async {
            // The semaphore is never closed.
            let permit = Arc::clone(&site.permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            next = next => next,
            _ = &mut end => return,
        };
        let Ok((stream, peer)) = accepted else {
            // Out of file descriptors, most likely: others will close theirs.
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let (site, alive) = (Arc::clone(&site), alive.clone());
        let stopping = stopping.clone();
        tokio::spawn(async move {
            connection(&site, stream, peer, stopping).await;
            drop((permit, alive));
        });
    }
}

async fn connection(
    site: &Arc<Site>,
    stream: TcpStream,
    peer: SocketAddr,
    mut stopping: watch::Receiver<bool>,
) {
    // Small answers must not wait for the acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let app = &site.app;
    app.counters.connections.fetch_add(1, Ordering::Relaxed);
    app.counters.open_connections.fetch_add(1, Ordering::Relaxed);
    let (stream, conflict) = Framing::new(app, stream);
    let client =
        Arc::new(Client { peer: Peer(peer_of(peer)), conflict, remembered: Mutex::new(None) });
    let service = service_fn(|request| {
        let (site, client) = (Arc::clone(site), Arc::clone(&client));
        async move { Ok::<_, Infallible>(respond(&site, &client, request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(app.limits.slow_header)
        .max_header_size(app.limits.header_bytes)
        .max_buf_size(app.limits.header_bytes.max(64 * 1024))
        .auto_date_header(false)
        .half_close(true)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut serving = pin!(serving);
    let stopped = tokio::select! {
        // An error of the connection is the client's: there is nobody left to tell.
        _ = serving.as_mut() => false,
        _ = stopping.wait_for(|stop| *stop) => true,
    };
    if stopped {
        serving.as_mut().graceful_shutdown();
        let _ = serving.await;
    }
    app.counters.open_connections.fetch_sub(1, Ordering::Relaxed);
}

/// What is known of the other end of one connection.
struct Client {
    peer: Peer,
    /// Raised when the request at hand gives its length twice.
    conflict: Arc<AtomicBool>,
    /// The last Authorization header that counted, for the faults that let one stick.
    remembered: Mutex<Option<HeaderValue>>,
}

async fn respond(site: &Site, client: &Client, mut request: Request<Incoming>) -> Answer {
    let app = &*site.app;
    if site.side == Side::Control {
        return route(site, request).await;
    }
    let memory = app.faults.any().then(|| {
        remember(app, &client.remembered, &mut request);
        Memory::of(&request)
    });
    if memory.is_some() {
        fault::rewrite(app, client.peer.0, &mut request).await;
    }
    if app.faults.has(Fault::CrossedRequests) {
        cross(&site.crossed, &mut request).await;
    }
    let parts = (request.headers(), request.uri());
    let mut answer = if client.conflict.load(Ordering::Acquire) {
        // Whoever sent this may have sent more that only looks like a request: nothing after it is read.
        let refused = problem(app, request.uri(), StatusCode::BAD_REQUEST);
        with(refused, CONNECTION, HeaderValue::from_static("close"))
    } else if !has_one_host(&request) {
        problem(app, request.uri(), StatusCode::BAD_REQUEST)
    } else if memory.is_some() && fault::breaks_on(&app.faults, parts) {
        fault::html_error(StatusCode::INTERNAL_SERVER_ERROR)
    } else if app.faults.has(Fault::HeadNotServed) && request.method() == Method::HEAD {
        allow(problem(app, request.uri(), StatusCode::METHOD_NOT_ALLOWED), "GET")
    } else if app.faults.has(Fault::TraceEchoes) && request.method() == Method::TRACE {
        fault::trace(request.headers())
    } else if let Some(answer) = lane(app, request.method(), parts, client.peer.0) {
        answer
    } else if is_update(request.method(), request.uri()) {
        channel::update(app, request.map(Body::new)).await
    } else {
        request.extensions_mut().insert(client.peer);
        route(site, request).await
    };
    finish(app, &mut answer);
    if let Some(memory) = memory {
        learn(app, &client.remembered, &memory, answer.status());
        if app.faults.has(Fault::RefusalsRunOut)
            && answer.status() == StatusCode::UNAUTHORIZED
            && app.faults.tick() > 64
        {
            answer = fault::html_error(StatusCode::TOO_MANY_REQUESTS);
        }
        fault::tamper(&app.faults, memory, &mut answer);
    }
    answer
}

/// Asks the router.
async fn route(site: &Site, request: Request<Incoming>) -> Answer {
    match site.routes.call(request).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

/// A request of HTTP/1.1 names its host exactly once (RFC 9112 section 3.2).
fn has_one_host(request: &Request<Incoming>) -> bool {
    let mut hosts = request.headers().get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(_), None) => true,
        (None, _) => request.version() == Version::HTTP_10,
        (Some(_), Some(_)) => false,
    }
}

/// What the defects of a connection change in a request of it.
fn remember(app: &App, remembered: &Mutex<Option<HeaderValue>>, request: &mut Request<Incoming>) {
    if app.faults.has(Fault::UnknownMethodIsGet) && !is_known(request.method()) {
        *request.method_mut() = Method::GET;
    }
    let mut last = lock(remembered);
    let own = request.headers().get(AUTHORIZATION).cloned();
    if app.faults.has(Fault::StickyConnection) && own.is_some() {
        *last = own;
    } else if let Some(value) = last.clone() {
        request.headers_mut().insert(AUTHORIZATION, value);
    }
}

/// The methods of RFC 9110 section 9.1, and PATCH.
fn is_known(method: &Method) -> bool {
    const KNOWN: [&str; 9] =
        ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"];
    KNOWN.contains(&method.as_str())
}

/// What they keep of it for the next one.
fn learn(app: &App, remembered: &Mutex<Option<HeaderValue>>, memory: &Memory, status: StatusCode) {
    let trusted = app.faults.has(Fault::ConnectionTrusted) && status.is_success();
    let refused = app.faults.has(Fault::RefusalSticks) && status == StatusCode::UNAUTHORIZED;
    if let Some(value) = memory.authorization()
        && (trusted || refused)
    {
        *lock(remembered) = Some(value.clone());
    }
}

/// Leaves the request's header where all requests leave theirs, and takes what is there a moment later.
async fn cross(crossed: &Mutex<Option<HeaderValue>>, request: &mut Request<Incoming>) {
    *lock(crossed) = request.headers().get(AUTHORIZATION).cloned();
    tokio::time::sleep(Duration::from_millis(2)).await;
    match lock(crossed).clone() {
        Some(value) => request.headers_mut().insert(AUTHORIZATION, value),
        None => request.headers_mut().remove(AUTHORIZATION),
    };
}
