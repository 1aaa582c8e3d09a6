//! An issuer behind TLS, as they all are outside of tests: checked against the configured roots, or not used.

use super::signer::Signer;
use super::{NOW, TestClock, setup};
use crate::identity::{Clock, Verifier};
use model::AuthMethod;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls_pki_types::PrivateKeyDer;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

type Authority = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Trusts one authority.
fn trusting(authority: &Authority) -> Arc<rustls::ClientConfig> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(authority.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap();
    Arc::new(config.with_root_certificates(roots).with_no_client_auth())
}

/// Serves discovery and keys of `signer` over TLS for the name `localhost`.
async fn serve(authority: &Authority, signer: &Signer) -> (String, JoinHandle<()>) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], PrivateKeyDer::try_from(key.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
    let document = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
    let keys = json!({ "keys": [signer.jwk] }).to_string();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { continue };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") && stream.read_buf(&mut request).await.unwrap_or(0) > 0 {}
            let body = if request.starts_with(b"GET /keys ") { &keys } else { &document };
            let answer =
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    (url, serving)
}

#[tokio::test]
async fn an_issuer_is_believed_only_with_a_certificate_from_the_configured_roots() {
    let (genuine, stranger, signer) = (authority(), authority(), Signer::ed25519("k"));
    let (url, serving) = serve(&genuine, &signer).await;
    let claims = json!({"iss": url, "sub": "s", "aud": "affidavit", "iat": NOW, "exp": NOW + 60});
    let verify = |roots: &Authority| {
        let mut setup = setup(&url);
        setup.tls = Some(trusting(roots));
        let verifier = Verifier::new(&[setup], Arc::new(TestClock(AtomicI64::new(0))) as Arc<dyn Clock>).unwrap();
        let token = signer.token(&claims);
        async move { verifier.verify(token.as_bytes(), AuthMethod::TokenAsPassword).await }
    };
    assert_eq!(verify(&genuine).await.unwrap().subject, "s");
    let denied = verify(&stranger).await.unwrap_err().refusal;
    assert_eq!(denied.kind, model::RefusalKind::IssuerUnavailable);
    assert!(denied.message.contains("invalid peer certificate"), "{denied}");
    serving.abort();
}
