//! How a TLS connection is checked: whom to trust, with the cryptography that is built in.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::model::WireError;

/// Whom to trust when the target speaks TLS.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TlsRoots {
    /// The certificates in this PEM file, and no others.
    File(PathBuf),
    /// Everybody. Only for a device that has made its own certificate.
    Insecure,
    /// The public certificate authorities, as Mozilla lists them.
    #[default]
    Public,
}

/// The TLS settings of every wire. Only HTTP/1.1 is offered.
pub(super) fn client_config(roots: &TlsRoots) -> Result<ClientConfig, WireError> {
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
        TlsRoots::Insecure => {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Credulous { provider }))
        }
    };
    let mut config = builder.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

fn roots_in(path: &PathBuf) -> Result<RootCertStore, WireError> {
    let shown = path.display();
    let unusable = |why: String| {
        WireError::Connect(format!(
            "the file of trusted certificates {shown} cannot be used: {why}"
        ))
    };
    let mut store = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(path).map_err(|error| unusable(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unusable(error.to_string()))?;
        store.add(certificate).map_err(|error| unusable(error.to_string()))?;
    }
    if store.is_empty() {
        return Err(unusable("it holds no certificate in PEM form".to_owned()));
    }
    Ok(store)
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
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
