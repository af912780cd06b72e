//! A server and a client for it.

use reference_server::{Config, Fault, Server};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::Value;

pub(crate) const HOUR: u64 = 3_600_000;

/// A server with a client that follows no redirect.
pub(crate) struct Site {
    pub(crate) server: Server,
    client: Client,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Site {
    pub(crate) fn start() -> Self {
        Self::with(&[], &[])
    }

    pub(crate) fn with(variants: &[&str], faults: &[Fault]) -> Self {
        let mut config = Config { faults: faults.to_vec(), ..Config::default() };
        for variant in variants {
            config.variants.set_assignment(variant).unwrap();
        }
        Self::configured(config)
    }

    pub(crate) fn configured(config: Config) -> Self {
        // Fails when another test was first, which is as good.
        drop(rustls::crypto::ring::default_provider().install_default());
        let client = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
        Self { server: Server::start(config).unwrap(), client }
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.client.request(method, format!("{}{path}", self.server.url()))
    }

    pub(crate) async fn send(&self, method: &str, path: &str) -> Reply {
        Reply::of(self.request(method, path)).await
    }

    pub(crate) async fn authorized(&self, method: &str, path: &str, value: &str) -> Reply {
        Reply::of(self.request(method, path).header("authorization", value)).await
    }

    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Reply {
        Reply::of(self.request("POST", path).form(fields)).await
    }

    /// A POST to the control plane.
    pub(crate) async fn control(&self, method: &str, path: &str, body: &str) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let url = format!("{}{path}", self.server.control_url());
        Reply::of(self.client.request(method, url).body(body.to_owned())).await
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        let by = std::time::Duration::from_millis(milliseconds);
        self.server.advance(by).unwrap();
    }
}

impl Reply {
    pub(crate) async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status(),
            headers: response.headers().clone(),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Status and body at once.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, text: &str) -> &Self {
        assert_eq!((self.status.as_u16(), self.text.as_str()), (status, text));
        self
    }

    #[track_caller]
    pub(crate) fn has_status(&self, status: u16) -> &Self {
        assert_eq!(self.status.as_u16(), status, "{self:?}");
        self
    }
}
