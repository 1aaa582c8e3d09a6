//! The secrets behind tokens, hashes and fake names: one key per purpose and domain, from one master secret.
//!
//! HKDF (RFC 5869) with SHA-256; the tenant is the salt, so two tenants with one master share no token.

use hmac::{Hmac, KeyInit as _, Mac as _};
use model::Timestamp;
use sha2::Sha256;
use std::fmt;

/// SHA-256 HMAC with its key already absorbed: cloning it is cheaper than keying it.
pub(crate) type Keyed = Hmac<Sha256>;

/// The three-digit ZIP areas of 20,000 people or fewer by the 2000 census, as the guidance on 45 CFR 164.514(b) lists
/// them (<https://www.hhs.gov/hipaa/for-professionals/special-topics/de-identification/index.html>).
const SMALL_ZIP_AREAS: [u16; 17] = [36, 59, 63, 102, 203, 556, 692, 790, 821, 823, 830, 831, 878, 879, 884, 890, 893];

/// Taken for the year when nobody tells it: late enough to aggregate too many people rather than too few.
const YEAR_UNTOLD: i32 = 2035;

/// What masking needs beside the rule: secrets, the year, the small ZIP areas.
#[derive(Clone)]
pub struct Keys {
    root: Keyed,
    year: i32,
    small_zip_areas: Vec<u16>,
}

impl Keys {
    /// Derives from a master secret (any length; 32 random bytes are right) for one tenant.
    #[must_use]
    pub fn new(master: &[u8], tenant: &str) -> Self {
        let mut extract = keyed(tenant.as_bytes());
        extract.update(master);
        let root = keyed(&extract.finalize().into_bytes());
        Self { root, year: YEAR_UNTOLD, small_zip_areas: SMALL_ZIP_AREAS.to_vec() }
    }

    /// Tells the time, which decides what years of birth are those of people over 89. Without it more years than needed
    /// are taken together: those before 1946.
    #[must_use]
    pub fn at(mut self, now: Timestamp) -> Self {
        let days = now.0.div_euclid(86_400_000_000);
        self.year = model::codec::Date::from_unix_days(days).map_or(YEAR_UNTOLD, |date| date.year);
        self
    }

    /// Replaces the list of three-digit ZIP areas of 20,000 people or fewer (by default those of the 2000 census).
    #[must_use]
    pub fn small_zip_areas(mut self, areas: Vec<u16>) -> Self {
        self.small_zip_areas = areas;
        self
    }

    /// The key of a purpose (`token`, `hash`, …) and domain.
    pub(crate) fn derive(&self, purpose: &str, domain: &str) -> [u8; 32] {
        let mut expand = self.root.clone();
        expand.update(b"affidavit masking\0");
        for part in [purpose, domain] {
            expand.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            expand.update(part.as_bytes());
        }
        expand.update(&[1]);
        expand.finalize().into_bytes().into()
    }

    /// The years of birth up to this one are those of people who may be over 89.
    pub(crate) fn oldest_year(&self) -> i32 {
        self.year - 90
    }

    /// The three-digit ZIP areas of few people, as numbers.
    #[must_use]
    pub fn small_areas(&self) -> &[u16] {
        &self.small_zip_areas
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys").field("year", &self.year).finish_non_exhaustive()
    }
}

/// HMAC takes keys of any length, so this cannot fail; the fallback is there because the type allows for failure.
pub(crate) fn keyed(key: &[u8]) -> Keyed {
    Keyed::new_from_slice(key).unwrap_or_else(|_| Keyed::new(&Default::default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_differ_by_purpose_domain_tenant_and_master() {
        let keys = |master: &[u8], tenant| Keys::new(master, tenant);
        let of = |keys: Keys, purpose, domain| keys.derive(purpose, domain);
        let base = of(keys(b"m", "t"), "token", "ssn");
        assert_eq!(base, of(keys(b"m", "t"), "token", "ssn"));
        for other in [
            of(keys(b"n", "t"), "token", "ssn"),
            of(keys(b"m", "u"), "token", "ssn"),
            of(keys(b"m", "t"), "hash", "ssn"),
            of(keys(b"m", "t"), "token", "mrn"),
            of(keys(b"m", "t"), "tokens", "sn"),
        ] {
            assert_ne!(base, other);
        }
        assert_eq!(keys(b"m", "t").oldest_year(), 1945);
        assert_eq!(keys(b"m", "t").at(Timestamp::from_unix_seconds(1_767_225_600)).oldest_year(), 1936);
        assert!(!format!("{:?}", keys(b"secret", "t")).contains("secret"));
    }
}
