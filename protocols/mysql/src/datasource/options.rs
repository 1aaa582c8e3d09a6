//! What this protocol adds to `[[datasources]]`.

use crate::auth::upstream::check_rsa_key;
use crate::compress::Algorithm;
use wire::{DatasourceSpec, LockMode, OptionKind, OptionSpec, SpecError};

const LOCAL_INFILE: &str = "local_infile";
const COMPRESSION: &str = "compression";
const RSA_KEY: &str = "rsa_key";

/// The keys.
pub(crate) const KEYS: &[OptionSpec] = &[
    OptionSpec { key: LOCAL_INFILE, kind: OptionKind::Flag },
    OptionSpec { key: COMPRESSION, kind: OptionKind::Choice(&["zlib", "zstd"]) },
    OptionSpec { key: RSA_KEY, kind: OptionKind::File },
    LockMode::OPTION,
];

/// Whether clients may send files by `LOAD DATA LOCAL INFILE`.
pub(crate) fn local_infile(spec: &DatasourceSpec) -> bool {
    spec.options.flag(LOCAL_INFILE)
}

/// How the upstream's connection is compressed, if it is.
pub(crate) fn compression(spec: &DatasourceSpec) -> Option<Algorithm> {
    match spec.options.choice(COMPRESSION)? {
        "zlib" => Some(Algorithm::Zlib),
        _ => Some(Algorithm::Zstd { level: Algorithm::USUAL_LEVEL }),
    }
}

/// The upstream's public key, if it is pinned.
pub(crate) fn rsa_key(spec: &DatasourceSpec) -> Option<&[u8]> {
    spec.options.file(RSA_KEY)
}

/// Whether they make sense.
pub(crate) fn check(spec: &DatasourceSpec) -> Result<(), SpecError> {
    match rsa_key(spec).map(check_rsa_key) {
        Some(Err(why)) => Err(SpecError(format!(
            "rsa_key {why}; copy public_key.pem from the data directory of the MySQL server, over a way you trust"
        ))),
        _ => Ok(()),
    }
}
