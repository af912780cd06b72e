//! How a TLS connection is checked: whom to trust, who the client is, with the cryptography that is
//! built in; and what it means when a connection does not come about.

use std::path::PathBuf;
use std::sync::Arc;
use std::{fmt, io};

use rustls::client::WantsClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    AlertDescription, ClientConfig, ConfigBuilder, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};

use crate::model::WireError;

use super::ClientIdentity;

/// Whom to trust when the target speaks TLS.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TlsRoots {
    /// The certificates in this PEM file, and no others.
    File(PathBuf),
    /// The certificates in this PEM text, and no others.
    Pem(String),
    /// Everybody. Only for a device that has made its own certificate.
    Insecure,
    /// The public certificate authorities, as Mozilla lists them.
    #[default]
    Public,
}

/// The TLS settings of every wire. Only HTTP/1.1 is offered.
pub(super) fn client_config(
    roots: &TlsRoots,
    identity: Option<&ClientIdentity>,
) -> Result<ClientConfig, WireError> {
    // The provider is named, not taken from the process: an embedding program may have set none.
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| WireError::Connect(format!("TLS cannot be set up: {error}")))?;
    let builder = match roots {
        TlsRoots::Public => builder.with_root_certificates(RootCertStore {
            roots: webpki_roots::TLS_SERVER_ROOTS.to_vec(),
        }),
        TlsRoots::File(path) => builder.with_root_certificates(roots_in(path)?),
        TlsRoots::Pem(text) => {
            builder.with_root_certificates(roots_of(text, "the text of trusted certificates")?)
        }
        TlsRoots::Insecure => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous { provider }))
        }
    };
    let mut config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => authenticated(builder, identity)?,
    };
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots_in(path: &PathBuf) -> Result<RootCertStore, WireError> {
    let what = format!("the file of trusted certificates {}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| unusable(&what, &error))?;
    roots_of(&text, &what)
}

fn roots_of(text: &str, what: &str) -> Result<RootCertStore, WireError> {
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(text.as_bytes()) {
        let certificate = certificate.map_err(|error| unusable(what, &error))?;
        store.add(certificate).map_err(|error| unusable(what, &error))?;
    }
    if store.is_empty() {
        return Err(unusable(what, &"it holds no certificate in PEM form"));
    }
    Ok(store)
}

fn authenticated(
    builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    identity: &ClientIdentity,
) -> Result<ClientConfig, WireError> {
    let chain: Result<Vec<_>, _> =
        CertificateDer::pem_slice_iter(identity.certificates.as_bytes()).collect();
    let chain = chain.map_err(|error| unusable("the client certificate", &error))?;
    let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes())
        .map_err(|error| unusable("the key of the client certificate", &error))?;
    builder
        .with_client_auth_cert(chain, key)
        .map_err(|error| unusable("the client certificate with its key", &error))
}

fn unusable(what: &str, why: &dyn fmt::Display) -> WireError {
    WireError::Connect(format!("{what} cannot be used: {why}"))
}

/// What a failed handshake means, and what to do about it.
pub(super) fn explain(error: &io::Error) -> String {
    let Some(cause) = cause(error) else {
        return error.to_string();
    };
    match advice(cause) {
        Some(advice) => format!("TLS: {advice} ({cause})"),
        None => format!("TLS: {cause}"),
    }
}

/// Why the server wants no more to do with this client, when the client's certificate is the reason.
pub(super) fn refusal(error: &io::Error) -> Option<String> {
    let cause = cause(error)?;
    let Error::AlertReceived(alert) = cause else { return None };
    about_client(*alert).map(|told| format!("TLS: {told} ({cause})"))
}

/// The TLS error inside an error of the operating system's kind.
fn cause(error: &io::Error) -> Option<&Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref::<Error>().or_else(|| inner.downcast_ref::<io::Error>().and_then(cause))
}

fn advice(error: &Error) -> Option<&'static str> {
    use rustls::CertificateError as Bad;
    match error {
        Error::InvalidCertificate(bad) => Some(match bad {
            Bad::Expired | Bad::ExpiredContext { .. } => {
                "the server's certificate has expired; renew it, or check with --insecure"
            }
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "the server's certificate is not valid yet; look at the clocks, or check with --insecure"
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "the server's certificate is for another name; write that name in `base_url`, or check with --insecure"
            }
            _ => {
                "the server's certificate comes from nobody who is trusted here; name the certificate of its authority in the profile, `tls: {trust: FILE}`, or check with --insecure"
            }
        }),
        Error::AlertReceived(AlertDescription::NoApplicationProtocol) => Some(
            "the server does not offer this version of HTTP; see `http_version` of the profile",
        ),
        Error::AlertReceived(AlertDescription::ProtocolVersion) => {
            Some("the server offers neither TLS 1.2 nor TLS 1.3")
        }
        Error::AlertReceived(alert) => about_client(*alert),
        Error::InvalidMessage(_) => {
            Some("what came back is not TLS; is the server one for `http://`?")
        }
        _ => None,
    }
}

fn about_client(alert: AlertDescription) -> Option<&'static str> {
    match alert {
        AlertDescription::CertificateRequired => Some(
            "the server asks for a client certificate; name it in the profile, `tls: {certificate: FILE, key: FILE}`",
        ),
        AlertDescription::AccessDenied
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateExpired
        | AlertDescription::CertificateRevoked
        | AlertDescription::CertificateUnknown
        | AlertDescription::DecryptError
        | AlertDescription::UnknownCA
        | AlertDescription::UnsupportedCertificate => {
            Some("the server does not accept the client certificate; see `tls` of the profile")
        }
        _ => None,
    }
}

/// Takes any certificate, but still wants the peer to own its key.
#[derive(Debug)]
struct Credulous {
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
