//! Certificates and keys from files, turned into rustls configurations (provider: ring).

use super::Surroundings;
use super::document::Section;
use super::peers::ServerTls;
use super::secret::readable_by_others;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::path::Path;
use std::sync::Arc;

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// Reads `tls = { cert = "…", key = "…" }`; `None` when absent or wrong (which is complained about).
pub(crate) fn server(section: &Section<'_>, around: &Surroundings<'_>) -> Option<ServerTls> {
    let tls = section.section("tls");
    if !tls.present() {
        return None;
    }
    let cert = tls.required("cert", "\"server.crt\"");
    let key = tls.required("key", "\"server.key\"");
    let loaded = match (cert, key) {
        (Some(cert), Some(key)) => load_server(&tls, &around.resolve(&cert), &around.resolve(&key)),
        _ => None,
    };
    tls.finish();
    loaded
}

fn load_server(tls: &Section<'_>, cert: &Path, key: &Path) -> Option<ServerTls> {
    let chain = certificates(tls, "cert", cert);
    if let Some(mode) = std::fs::metadata(key).ok().as_ref().and_then(readable_by_others) {
        let shown = key.display();
        tls.warn("key", format!("{shown} can be read by others (mode {mode:03o})"), format!("chmod 600 {shown}"));
    }
    let private = match PrivateKeyDer::from_pem_file(key) {
        Ok(private) => Some(private),
        Err(error) => {
            tls.wrong(
                "key",
                format!("no private key can be read from {}: {error}", key.display()),
                "point to an unencrypted PEM key (PKCS#8, PKCS#1 or SEC1)",
            );
            None
        }
    };
    let (chain, private) = (chain?, private?);
    let certificate = chain.first().map_or_else(|| Arc::from([]), |first| Arc::from(first.as_ref()));
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private));
    match config {
        Ok(config) => {
            Some(ServerTls { cert: cert.to_owned(), key: key.to_owned(), config: Arc::new(config), certificate })
        }
        Err(error) => {
            tls.wrong(
                "",
                format!("certificate and key cannot be used together: {error}"),
                "check that the key belongs to the first certificate in the file",
            );
            None
        }
    }
}

fn certificates(section: &Section<'_>, key: &str, path: &Path) -> Option<Vec<CertificateDer<'static>>> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).and_then(Iterator::collect);
    match found {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            section.wrong(
                key,
                format!("{} holds no certificate", path.display()),
                "point to a PEM file with BEGIN CERTIFICATE",
            );
            None
        }
        Err(error) => {
            section.wrong(
                key,
                format!("no certificates can be read from {}: {error}", path.display()),
                "point to a readable PEM file (relative paths start at the configuration file)",
            );
            None
        }
    }
}

/// Checks chain and name against the roots of `ca`, or of the system. Complains at `key`.
pub(crate) fn client(section: &Section<'_>, key: &str, ca: Option<&Path>) -> Option<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca {
        for certificate in certificates(section, key, path)? {
            if let Err(error) = roots.add(certificate) {
                section.wrong(
                    key,
                    format!("a certificate in {} cannot be a root: {error}", path.display()),
                    "point to the CA's own certificate",
                );
                return None;
            }
        }
    } else {
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            section.wrong(
                key,
                "this machine has no root certificates",
                "install ca-certificates, or name the CA's certificate with ca = \"…\"",
            );
            return None;
        }
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map(|builder| builder.with_root_certificates(roots).with_no_client_auth());
    finished(section, key, config)
}

/// Encrypts to whoever answers: see [`AnyCertificate`].
pub(crate) fn client_unverified(section: &Section<'_>, key: &str) -> Option<Arc<ClientConfig>> {
    let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().map(|builder| {
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider()))).with_no_client_auth()
    });
    finished(section, key, config)
}

fn finished(
    section: &Section<'_>,
    key: &str,
    config: Result<ClientConfig, rustls::Error>,
) -> Option<Arc<ClientConfig>> {
    config
        .map(Arc::new)
        .map_err(|error| section.wrong(key, format!("TLS cannot be set up: {error}"), "report this"))
        .ok()
}

/// Accepts any certificate, but still demands that the peer holds its private key.
///
/// This is what `tls = "require"` means for PostgreSQL and MySQL clients alike, and what their self-signed default
/// certificates allow: it protects against listening, not against a man in the middle. It exists because the
/// alternative in such places is no TLS at all; using it is a warning of every `affidavit check`.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
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
        rustls::crypto::verify_tls12_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
