//! Capability flags: 32 bits of MySQL's, and above them MariaDB's extended ones, which travel in reserved bytes.
//! <https://dev.mysql.com/doc/dev/mysql-server/latest/group__group__cs__capabilities__flags.html>,
//! <https://mariadb.com/kb/en/connection/#capabilities>

/// A set of capability flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Capabilities(pub(crate) u64);

impl Capabilities {
    /// MySQL `LONG_PASSWORD`; MariaDB `CLIENT_MYSQL`: when unset, the extended flags are there.
    pub(crate) const MYSQL: Self = Self(1);
    pub(crate) const CONNECT_WITH_DB: Self = Self(1 << 3);
    pub(crate) const COMPRESS: Self = Self(1 << 5);
    /// The server may ask for a file of the client.
    pub(crate) const LOCAL_FILES: Self = Self(1 << 7);
    pub(crate) const PROTOCOL_41: Self = Self(1 << 9);
    pub(crate) const SSL: Self = Self(1 << 11);
    pub(crate) const SECURE_CONNECTION: Self = Self(1 << 15);
    pub(crate) const MULTI_STATEMENTS: Self = Self(1 << 16);
    pub(crate) const PLUGIN_AUTH: Self = Self(1 << 19);
    pub(crate) const CONNECT_ATTRS: Self = Self(1 << 20);
    pub(crate) const PLUGIN_AUTH_LENENC: Self = Self(1 << 21);
    pub(crate) const DEPRECATE_EOF: Self = Self(1 << 24);
    pub(crate) const ZSTD: Self = Self(1 << 26);
    pub(crate) const QUERY_ATTRIBUTES: Self = Self(1 << 27);
    /// MariaDB: progress reports as ERR packets of code 0xFFFF.
    #[cfg(test)]
    pub(crate) const PROGRESS: Self = Self(1 << 32);

    /// MariaDB: definitions say more of a type, such as that a text is JSON.
    pub(crate) const EXTENDED_METADATA: Self = Self(1 << 35);

    /// What may be agreed on between a client and an upstream. Everything else is masked from the greeting and from
    /// what we ask of the upstream. Left out, by name: compression and TLS (each hop's own), `LOCAL_FILES` (unless the
    /// datasource allows it), `OPTIONAL_RESULTSET_METADATA` and MariaDB's `CACHE_METADATA` (rows without columns could
    /// not be masked), `COM_MULTI`, several factors of authentication, and every flag that is not known yet.
    const RELAYED: u64 = 0x1        // LONG_PASSWORD / CLIENT_MYSQL
        | 1 << 1                    // FOUND_ROWS
        | 1 << 2                    // LONG_FLAG
        | 1 << 3                    // CONNECT_WITH_DB
        | 1 << 4                    // NO_SCHEMA
        | 1 << 6                    // ODBC
        | 1 << 8                    // IGNORE_SPACE
        | 1 << 9                    // PROTOCOL_41
        | 1 << 10                   // INTERACTIVE
        | 1 << 12                   // IGNORE_SIGPIPE
        | 1 << 13                   // TRANSACTIONS
        | 1 << 14                   // RESERVED
        | 1 << 15                   // SECURE_CONNECTION
        | 1 << 16                   // MULTI_STATEMENTS
        | 1 << 17                   // MULTI_RESULTS
        | 1 << 18                   // PS_MULTI_RESULTS
        | 1 << 19                   // PLUGIN_AUTH
        | 1 << 20                   // CONNECT_ATTRS
        | 1 << 21                   // PLUGIN_AUTH_LENENC_CLIENT_DATA
        | 1 << 23                   // SESSION_TRACK
        | 1 << 24                   // DEPRECATE_EOF
        | 1 << 27                   // QUERY_ATTRIBUTES
        | 1 << 32                   // MariaDB PROGRESS
        | 1 << 34                   // MariaDB STMT_BULK_OPERATIONS
        | Self::EXTENDED_METADATA.0;

    /// Without these a client or upstream is too old to be spoken to.
    pub(crate) const REQUIRED: Self = Self(Self::PROTOCOL_41.0 | Self::SECURE_CONNECTION.0 | Self::PLUGIN_AUTH.0);

    /// Whether every flag of `other` is set.
    pub(crate) fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The flags of both.
    pub(crate) fn and(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }

    /// The flags of either.
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The flags without those of `other`.
    pub(crate) fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// What of this is relayed; `local_files` says whether the datasource lets files of clients in.
    pub(crate) fn relayed(self, local_files: bool) -> Self {
        let relayed = if local_files { Self::RELAYED | Self::LOCAL_FILES.0 } else { Self::RELAYED };
        Self(self.0 & relayed)
    }

    /// From the two halves as they travel: MariaDB's count only if the sender says that it is not a MySQL.
    pub(crate) fn from_halves(standard: u32, extended: u32) -> Self {
        let standard = u64::from(standard);
        if standard & Self::MYSQL.0 == 0 { Self(standard | u64::from(extended) << 32) } else { Self(standard) }
    }

    /// The lower half.
    pub(crate) fn standard(self) -> [u8; 4] {
        let [a, b, c, d, ..] = self.0.to_le_bytes();
        [a, b, c, d]
    }

    /// MariaDB's half, zero for a MySQL.
    pub(crate) fn extended(self) -> [u8; 4] {
        let [.., a, b, c, d] = self.0.to_le_bytes();
        if self.has(Self::MYSQL) { [0; 4] } else { [a, b, c, d] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extended_flags_exist_only_without_the_mysql_flag() {
        assert_eq!(Capabilities::from_halves(0x200, 5).0, 0x5_0000_0200);
        assert_eq!(Capabilities::from_halves(0x201, 5).0, 0x201);
        assert_eq!(Capabilities(0x5_0000_0200).extended(), [5, 0, 0, 0]);
        assert_eq!(Capabilities(0x5_0000_0201).extended(), [0; 4]);
        assert_eq!(Capabilities(0x5_0403_0201).standard(), [1, 2, 3, 4]);
    }

    #[test]
    fn what_cannot_be_masked_or_judged_is_not_relayed() {
        let all = Capabilities(u64::MAX).relayed(false);
        for bit in [5, 7, 11, 25, 26, 28, 29, 33, 36, 37, 40] {
            assert_eq!(all.0 & 1 << bit, 0, "bit {bit}");
        }
        assert!(all.has(Capabilities::REQUIRED) && all.has(Capabilities::PROGRESS));
        let with_files = Capabilities(u64::MAX).relayed(true);
        assert_eq!(with_files.without(Capabilities::LOCAL_FILES), all);
        assert!(with_files.has(Capabilities::LOCAL_FILES));
    }
}
