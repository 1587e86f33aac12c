//! Encryption of connections, as libpq's `sslmode` says it.

use std::path::Path;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use tokio_postgres::config::SslMode as Asked;
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::config::{PostgresTls, SslMode};
use crate::stop::Stop;

/// What `sslmode` asks of the server's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    Signature,
    SignatureAndHost,
}

/// Whether a connection is encrypted, as tokio-postgres distinguishes it.
pub(super) fn asked(tls: &PostgresTls) -> Asked {
    match tls.mode {
        SslMode::Disable => Asked::Disable,
        SslMode::Prefer => Asked::Prefer,
        SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => Asked::Require,
    }
}

/// The connector for these settings. It reads the root certificates.
pub(super) fn connector(tls: &PostgresTls) -> Result<MakeRustlsConnect, Stop> {
    let check = match (tls.mode, &tls.root_certificate) {
        (SslMode::Disable | SslMode::Prefer, _) | (SslMode::Require, None) => Check::Nothing,
        (SslMode::Require, Some(_)) | (SslMode::VerifyCa, _) => Check::Signature,
        (SslMode::VerifyFull, _) => Check::SignatureAndHost,
    };
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match (check, &tls.root_certificate) {
        (Check::Nothing, _) => RootCertStore::empty(),
        (_, Some(file)) => roots_of(file)?,
        (_, None) => system_roots(),
    };
    let signature = match check {
        Check::Nothing => None,
        Check::Signature | Check::SignatureAndHost => {
            let hint = "sslrootcert names a file of certificates (PEM)";
            let verifier =
                WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
            let failed = |error| Stop::new("use the root certificates of PostgreSQL", hint, error);
            Some(verifier.build().map_err(failed)?)
        }
    };
    let verifier = Verifier { signature, host: check == Check::SignatureAndHost, provider };
    let builder = ClientConfig::builder_with_provider(verifier.provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Stop::new("set up TLS", "please report this", error))?;
    let config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}

fn roots_of(file: &Path) -> Result<RootCertStore, Stop> {
    let hint = "sslrootcert names a file of certificates (PEM)";
    let what = || format!("read the root certificates of {}", file.display());
    let mut roots = RootCertStore::empty();
    let certificates =
        CertificateDer::pem_file_iter(file).map_err(|error| Stop::new(what(), hint, error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| Stop::new(what(), hint, error))?;
        roots.add(certificate).map_err(|error| Stop::new(what(), hint, error))?;
    }
    match roots.is_empty() {
        true => Err(Stop { what: what(), hint: hint.to_owned(), source: None }),
        false => Ok(roots),
    }
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Checks as much of a server's certificate as `sslmode` asks for.
#[derive(Debug)]
struct Verifier {
    /// `None`: any certificate will do.
    signature: Option<Arc<WebPkiServerVerifier>>,
    host: bool,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        host: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let Some(verifier) = &self.signature else { return Ok(ServerCertVerified::assertion()) };
        match verifier.verify_server_cert(certificate, intermediates, host, ocsp, now) {
            // The name is compared after the signature.
            Err(Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) if !self.host => Ok(ServerCertVerified::assertion()),
            checked => checked,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
