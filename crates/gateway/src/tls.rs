//! The certificate.

use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;
use tonic::transport::Identity;

use crate::{GatewayError, TlsConfig};

/// How PostgreSQL is called in ALPN.
const ALPN: &[u8] = b"postgresql";

pub(crate) fn acceptor(config: &TlsConfig) -> Result<TlsAcceptor, GatewayError> {
    let fault = |field: &'static str, file: &Path, message: String| GatewayError::Tls {
        field,
        file: file.to_owned(),
        message,
    };
    let cert_fault = |message: String| fault("cert_file", &config.cert_file, message);
    let key_fault = |message: String| fault("key_file", &config.key_file, message);
    let chain: Vec<_> = CertificateDer::pem_file_iter(&config.cert_file)
        .and_then(Iterator::collect)
        .map_err(|err| cert_fault(err.to_string()))?;
    if chain.is_empty() {
        return Err(cert_fault("there is no certificate in it".to_owned()));
    }
    let key = PrivateKeyDer::from_pem_file(&config.key_file);
    let key = key.map_err(|err| key_fault(err.to_string()))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|err| cert_fault(err.to_string()))?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .map_err(|err| key_fault(err.to_string()))?;
    server.alpn_protocols = vec![ALPN.to_vec()];
    Ok(TlsAcceptor::from(Arc::new(server)))
}

/// Returns the certificate and its key for Flight SQL, once [`acceptor`] has said that they fit.
pub(crate) fn identity(config: &TlsConfig) -> Result<Identity, GatewayError> {
    acceptor(config)?;
    let read = |field: &'static str, file: &Path| {
        std::fs::read(file).map_err(|err| GatewayError::Tls {
            field,
            file: file.to_owned(),
            message: err.to_string(),
        })
    };
    let cert = read("cert_file", &config.cert_file)?;
    Ok(Identity::from_pem(
        cert,
        read("key_file", &config.key_file)?,
    ))
}
