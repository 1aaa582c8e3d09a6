//! Keys that sign tokens, and what an issuer publishes of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair as _,
};
use serde_json::{Value, json};

/// Made for these tests; it protects nothing. ring cannot make RSA keys.
const RSA_PEM: &[u8] = include_bytes!("not_secret_rsa_2048.pem");

pub(super) struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    id: String,
    pub(super) jwk: Value,
}

pub(super) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    pub(super) fn p256(id: &str) -> Self {
        Self::curve(id, &ECDSA_P256_SHA256_FIXED_SIGNING, "P-256", Algorithm::ES256)
    }

    pub(super) fn p384(id: &str) -> Self {
        Self::curve(id, &ECDSA_P384_SHA384_FIXED_SIGNING, "P-384", Algorithm::ES384)
    }

    fn curve(id: &str, ring: &'static EcdsaSigningAlgorithm, curve: &str, algorithm: Algorithm) -> Self {
        let random = SystemRandom::new();
        let der = EcdsaKeyPair::generate_pkcs8(ring, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(ring, der.as_ref(), &random).unwrap();
        let (x, y) = pair.public_key().as_ref()[1..].split_at(pair.public_key().as_ref().len() / 2);
        let jwk = json!({"kty": "EC", "crv": curve, "kid": id, "use": "sig", "x": base64url(x), "y": base64url(y)});
        Self { key: EncodingKey::from_ec_der(der.as_ref()), algorithm, id: id.to_owned(), jwk }
    }

    pub(super) fn ed25519(id: &str) -> Self {
        let der = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).unwrap();
        let pair = Ed25519KeyPair::from_pkcs8(der.as_ref()).unwrap();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": id, "x": base64url(pair.public_key().as_ref())});
        Self { key: EncodingKey::from_ed_der(der.as_ref()), algorithm: Algorithm::EdDSA, id: id.to_owned(), jwk }
    }

    /// With `jwk_alg` the published key is for that algorithm alone.
    pub(super) fn rsa(id: &str, algorithm: Algorithm, jwk_alg: Option<&str>) -> Self {
        let pem = jsonwebtoken_pem();
        let pair = ring::rsa::KeyPair::from_der(&pem).unwrap();
        let public: ring::rsa::PublicKeyComponents<Vec<u8>> = pair.public().into();
        // A leading zero byte, as some issuers publish it.
        let modulus = [&[0], public.n.as_slice()].concat();
        let mut jwk =
            json!({"kty": "RSA", "kid": id, "use": "sig", "n": base64url(&modulus), "e": base64url(&public.e)});
        if let Some(name) = jwk_alg {
            jwk["alg"] = json!(name);
        }
        Self { key: EncodingKey::from_rsa_der(&pem), algorithm, id: id.to_owned(), jwk }
    }

    /// A token with the ordinary header.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(
            &json!({"typ": "JWT", "alg": format!("{:?}", self.algorithm), "kid": self.id}),
            &claims.to_string(),
        )
    }

    /// A token with any header and any payload; the signature is right.
    pub(super) fn token_with(&self, header: &Value, payload: &str) -> String {
        let signed = format!("{}.{}", base64url(header.to_string().as_bytes()), base64url(payload.as_bytes()));
        let signature = jsonwebtoken::crypto::sign(signed.as_bytes(), &self.key, self.algorithm).unwrap();
        format!("{signed}.{signature}")
    }
}

/// The DER inside the PEM file.
fn jsonwebtoken_pem() -> Vec<u8> {
    use rustls_pki_types::pem::PemObject;
    rustls_pki_types::PrivatePkcs1KeyDer::from_pem_slice(RSA_PEM).unwrap().secret_pkcs1_der().to_vec()
}
