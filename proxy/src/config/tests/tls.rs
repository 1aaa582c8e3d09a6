//! What each TLS mode accepts, by real handshakes in memory.

use super::{BASE, Folder};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use std::sync::Arc;
use wire::UpstreamTls;

pub(super) type Authority = CertifiedIssuer<'static, KeyPair>;

pub(super) fn authority() -> Authority {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    Authority::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// Certificate and key, PEM.
pub(super) fn server(authority: &Authority, name: &str) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let cert = CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, authority).unwrap();
    (cert.pem(), key.serialize_pem())
}

/// Runs a handshake to its end, in memory.
fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>, name: &'static str) -> Result<(), rustls::Error> {
    let mut client = ClientConnection::new(client, name.try_into().unwrap())?;
    let mut server = ServerConnection::new(server)?;
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut wire.as_slice()).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut wire.as_slice()).unwrap();
        client.process_new_packets()?;
    }
    Ok(())
}

#[test]
fn each_mode_accepts_what_it_promises_and_nothing_more() {
    let (folder, stranger) = (Folder::new(), Folder::new());
    let listening =
        |folder: &Folder| Arc::clone(&folder.parse(BASE).unwrap().listeners[0].tls.as_ref().unwrap().config);
    let towards = |text: &str| match &folder.parse(text).unwrap().datasources[0].tls {
        UpstreamTls::Required(config) => Arc::clone(config),
        UpstreamTls::Disabled => panic!("TLS was asked for"),
    };
    let full = towards(BASE);
    assert!(handshake(Arc::clone(&full), listening(&folder), "db.example.org").is_ok());
    assert!(handshake(Arc::clone(&full), listening(&folder), "other.example.org").is_err(), "another name");
    assert!(handshake(full, listening(&stranger), "db.example.org").is_err(), "another authority");
    let system = towards(&BASE.replace("ca = \"ca.crt\"", ""));
    assert!(handshake(system, listening(&folder), "db.example.org").is_err(), "the system knows no such authority");
    let require = towards(&BASE.replace("tls = \"verify-full\"\nca = \"ca.crt\"", "tls = \"require\""));
    assert!(handshake(require, listening(&stranger), "whoever.example.org").is_ok(), "whoever answers");
}

/// A server that shows a certificate without holding its key must fail even where certificates are not checked.
#[test]
fn require_still_demands_the_certificates_key() {
    use rustls_pki_types::pem::PemObject;
    let folder = Folder::new();
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let shown = rustls_pki_types::CertificateDer::from_pem_slice(&read("server.crt")).unwrap();
    let held = KeyPair::generate().unwrap();
    let der = rustls_pki_types::PrivateKeyDer::try_from(held.serialize_der()).unwrap();
    let key = rustls::crypto::ring::sign::any_supported_type(&der).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let thief = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(
            vec![shown],
            key,
        ))));
    let text = BASE.replace("tls = \"verify-full\"\nca = \"ca.crt\"", "tls = \"require\"");
    let UpstreamTls::Required(client) = folder.parse(&text).unwrap().datasources[0].tls.clone() else { panic!() };
    let error = handshake(client, Arc::new(thief), "db.example.org").unwrap_err();
    assert!(matches!(error, rustls::Error::InvalidCertificate(_)), "{error}");
}
