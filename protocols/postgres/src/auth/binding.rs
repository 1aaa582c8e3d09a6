//! The hash of a certificate that channel binding `tls-server-end-point` uses (RFC 5929, section 4.1): the hash function
//! of the certificate's signature, SHA-256 where that is MD5 or SHA-1.

use super::scram::ChannelBinding;
use sha2::{Digest, Sha256, Sha384, Sha512};
use wire::Cursor;

/// One DER element: its tag and contents.
fn element<'a>(cursor: &mut Cursor<'a>) -> Option<(u8, &'a [u8])> {
    let tag = cursor.u8().ok()?;
    let length = match cursor.u8().ok()? {
        short @ 0..=0x7f => usize::from(short),
        0x81 => usize::from(cursor.u8().ok()?),
        0x82 => usize::from(cursor.u16_be().ok()?),
        _ => return None,
    };
    Some((tag, cursor.take(length).ok()?))
}

/// The OID of the algorithm that a certificate (X.509, DER) is signed with, as its DER contents.
fn signature_algorithm(certificate: &[u8]) -> Option<&[u8]> {
    let (_, certificate) = element(&mut Cursor::new(certificate))?;
    let mut certificate = Cursor::new(certificate);
    element(&mut certificate)?;
    let (_, algorithm) = element(&mut certificate)?;
    match element(&mut Cursor::new(algorithm))? {
        (0x06, oid) => Some(oid),
        _ => None,
    }
}

/// The binding for a server's certificate. Algorithms without a hash of their own (Ed25519, RSASSA-PSS parameters) have
/// none defined, so the login goes without.
pub(crate) fn end_point(certificate: &[u8]) -> ChannelBinding {
    // 1.2.840.113549.1.1.x (RSA), 1.2.840.10045.4.x (ECDSA).
    let hash = match signature_algorithm(certificate) {
        Some(
            [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 4 | 5 | 11] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01],
        )
        | Some([0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 2]) => Sha256::digest(certificate).to_vec(),
        Some([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 12] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 3]) => {
            Sha384::digest(certificate).to_vec()
        }
        Some([0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 13] | [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 4]) => {
            Sha512::digest(certificate).to_vec()
        }
        _ => return ChannelBinding::Unsupported,
    };
    ChannelBinding::EndPoint(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_follows_the_signature() {
        let signed = |algorithm: &'static rcgen::SignatureAlgorithm| {
            let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
            let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
            params.self_signed(&key).unwrap().der().to_vec()
        };
        let sha256 = signed(&rcgen::PKCS_ECDSA_P256_SHA256);
        assert_eq!(end_point(&sha256), ChannelBinding::EndPoint(Sha256::digest(&sha256).to_vec()));
        let sha384 = signed(&rcgen::PKCS_ECDSA_P384_SHA384);
        assert_eq!(end_point(&sha384), ChannelBinding::EndPoint(Sha384::digest(&sha384).to_vec()));
        assert_eq!(end_point(&signed(&rcgen::PKCS_ED25519)), ChannelBinding::Unsupported);
        for cut in 0..40 {
            assert_eq!(end_point(&sha256[..cut]), ChannelBinding::Unsupported, "cut at {cut}");
        }
    }
}
