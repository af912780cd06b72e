//! How a profile says that its server is reached: TLS, the version of HTTP, a Unix socket.
//!
//! Files are fetched by whoever reads the profile; here it is seen whether they hold what they must.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::profile::SecretReference;
use super::raw::RawProfile;
use crate::source::{Diagnostics, SourceFile, YamlPath};

/// How TLS is checked, and who the client is. Paths are relative to the profile's folder.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RawTls {
    /// A PEM file: the certificates of the authorities to trust, instead of the public ones.
    pub trust: Option<String>,
    /// A PEM file: the client's certificate, followed by those that lead to its authority.
    pub certificate: Option<String>,
    /// A PEM file: the private key of the client's certificate.
    pub key: Option<String>,
    /// Takes any certificate of the server. Every report says so.
    #[serde(default)]
    pub insecure: bool,
}

/// How a server is reached.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Transport {
    /// Whose certificates are taken.
    pub trust: Trust,
    /// The client's certificate and its key.
    pub client: Option<(Pem, Pem)>,
    /// Whether ordinary requests are sent in HTTP/2.
    pub http2: bool,
    /// The path of a Unix socket that takes the place of TCP.
    pub unix_socket: Option<String>,
}

/// Whose certificates are taken.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Trust {
    /// Everybody's.
    Everybody,
    /// Those of these authorities.
    Authorities(Pem),
    /// Those of the public authorities.
    #[default]
    Public,
}

/// A PEM file. Its content, which may be a private key, is not shown.
#[derive(Clone, Eq, PartialEq)]
pub struct Pem {
    /// The path.
    pub path: String,
    /// The content.
    pub text: String,
}

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pem").field("path", &self.path).finish_non_exhaustive()
    }
}

/// How values that are not in the profile itself are fetched.
pub(super) type Resolve<'a> = &'a dyn Fn(&SecretReference) -> Result<String, String>;

/// A path as it is meant in a file: relative to the folder of that file.
pub(super) fn beside(file: &SourceFile, path: &str) -> String {
    let folder = Path::new(&file.name).parent().unwrap_or(Path::new(""));
    folder.join(path).display().to_string()
}

/// Reads `tls`, `http_version` and `unix_socket`.
pub(super) fn transport(
    raw: &RawProfile,
    file: &Arc<SourceFile>,
    resolve: Resolve<'_>,
    out: &mut Diagnostics,
) -> Transport {
    let root = YamlPath::default();
    let mut transport = Transport::default();
    if let Some(tls) = &raw.tls {
        let path = root.key("tls");
        let mut reader = Reader { file, resolve, path: path.clone(), out };
        transport.trust = reader.trust(tls);
        transport.client = reader.client(tls);
        if !addresses(raw).any(|address| address.starts_with("https://")) {
            out.key("profile::tls", &path, "no address in this profile begins with `https://`");
            out.help("write `base_url: https://...`, or leave `tls` out");
        }
    }
    // A version is easily written without quotation marks; the schema lets only these through.
    transport.http2 = match &raw.http_version {
        Some(Value::String(version)) => version == "2",
        Some(version) => version.as_u64() == Some(2),
        None => false,
    };
    if let Some(socket) = &raw.unix_socket {
        let path = root.key("unix_socket");
        if socket.is_empty() {
            out.value("profile::socket", &path, "`unix_socket` is the path of a socket");
        } else if !cfg!(unix) {
            out.value("profile::socket", &path, "this system has no Unix sockets");
        }
        transport.unix_socket = Some(beside(file, socket));
    }
    transport
}

/// The addresses that a profile names.
fn addresses(raw: &RawProfile) -> impl Iterator<Item = &str> {
    let flows =
        raw.flows.values().flat_map(|flow| flow.base_url.iter().chain(flow.environments.values()));
    let hooks = raw.hooks.values().flatten().filter_map(|driver| Some(&driver.http.as_ref()?.url));
    std::iter::once(&raw.base_url).chain(flows).chain(hooks).map(String::as_str)
}

struct Reader<'a> {
    file: &'a Arc<SourceFile>,
    resolve: Resolve<'a>,
    path: YamlPath,
    out: &'a mut Diagnostics,
}

impl Reader<'_> {
    fn trust(&mut self, tls: &RawTls) -> Trust {
        let Some(path) = &tls.trust else {
            return if tls.insecure { Trust::Everybody } else { Trust::Public };
        };
        let at = self.path.key("trust");
        if tls.insecure {
            let told = "with `insecure` every certificate is taken, and `trust` changes nothing";
            self.out.value("profile::tls", &at, told);
            self.out.help("leave out one of the two");
        }
        let pem = self.fetch(SecretReference::Certificates, "trust", path);
        let Some(pem) = pem else { return Trust::Public };
        self.certificates(&pem, "trust");
        Trust::Authorities(pem)
    }

    fn client(&mut self, tls: &RawTls) -> Option<(Pem, Pem)> {
        let (certificate, key) = match (&tls.certificate, &tls.key) {
            (None, None) => return None,
            (Some(certificate), Some(key)) => (certificate, key),
            (Some(_), None) => {
                let at = self.path.key("certificate");
                self.out.value("profile::tls", &at, "a client certificate needs its `key`");
                return None;
            }
            (None, Some(_)) => {
                let at = self.path.key("key");
                self.out.value("profile::tls", &at, "a key needs the client's `certificate`");
                return None;
            }
        };
        let certificate = self.fetch(SecretReference::Certificates, "certificate", certificate);
        let key = self.fetch(SecretReference::Key, "key", key);
        let (certificate, key) = (certificate?, key?);
        let chain = self.certificates(&certificate, "certificate");
        let private = self.private_key(&key);
        if let (Some(chain), Some(private)) = (chain, private)
            && let Err(error) = CertifiedKey::from_der(chain, private, &default_provider())
        {
            let told =
                format!("the key and the client certificate cannot be used together: {error}");
            self.out.value("profile::tls", &self.path.key("key"), told);
            self.out.help("`certificate` begins with the client's own certificate, and `key` is the one it was made for");
        }
        Some((certificate, key))
    }

    fn fetch(&mut self, kind: fn(String) -> SecretReference, key: &str, path: &str) -> Option<Pem> {
        let path = beside(self.file, path);
        match (self.resolve)(&kind(path.clone())) {
            Ok(text) => Some(Pem { path, text }),
            Err(message) => {
                self.out.value("profile::tls", &self.path.key(key), message);
                self.out.help("paths are relative to the folder of the profile");
                None
            }
        }
    }

    /// The certificates of a file. An empty text was not fetched, and is not looked into.
    fn certificates(&mut self, pem: &Pem, key: &str) -> Option<Vec<CertificateDer<'static>>> {
        if pem.text.is_empty() {
            return None;
        }
        let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.text.as_bytes()).collect();
        let told = match read {
            Ok(chain) if !chain.is_empty() => return Some(chain),
            Ok(_) => format!("{} holds no certificate in PEM form", pem.path),
            Err(error) => format!("{} cannot be used: {error}", pem.path),
        };
        self.out.value("profile::tls", &self.path.key(key), told);
        self.out.help("a certificate in PEM form begins with `-----BEGIN CERTIFICATE-----`");
        None
    }

    fn private_key(&mut self, pem: &Pem) -> Option<PrivateKeyDer<'static>> {
        if pem.text.is_empty() {
            return None;
        }
        match PrivateKeyDer::from_pem_slice(pem.text.as_bytes()) {
            Ok(key) => Some(key),
            // The error may quote the file, which is a secret.
            Err(_) => {
                let told = format!("{} holds no private key in PEM form", pem.path);
                self.out.value("profile::tls", &self.path.key("key"), told);
                self.out.help("a key begins with `-----BEGIN PRIVATE KEY-----`; one with a password is not read");
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
