//! Takes `bindgen`'s place in pg_query's build (`[patch]` in the workspace's Cargo.toml), so that nobody needs libclang,
//! which is 600 MB of LLVM with Debian's compiler, and twenty crates, to translate one header of 200 lines.
//!
//! The declarations are in `pg_query.rs`, held against that header by a person. They fit one version of pg_query, whose
//! source is pinned by its checksum in Cargo.lock; the build of any other version ends here, with what to do about it.

use std::path::Path;

/// The version whose `libpg_query/pg_query.h` the declarations were held against.
const HELD_AGAINST: (&str, &str) = ("pg_query", "18.1.0");

/// What bindgen's builder has, as far as pg_query's build script asks for it.
#[derive(Debug, Default)]
pub struct Builder(());

/// Declarations, ready to be written.
#[derive(Debug)]
pub struct Bindings(&'static str);

impl Builder {
    /// Which header is meant: there is one.
    #[must_use]
    pub fn header(self, _path: impl Into<String>) -> Self {
        self
    }

    /// The declarations, if they are known to fit the crate that is being built.
    ///
    /// # Errors
    /// When another crate asks, or another version.
    pub fn generate(self) -> Result<Bindings, String> {
        let of = |name| std::env::var(name).unwrap_or_default();
        let (name, version) = (of("CARGO_PKG_NAME"), of("CARGO_PKG_VERSION"));
        if (name.as_str(), version.as_str()) == HELD_AGAINST {
            return Ok(Bindings(include_str!("pg_query.rs")));
        }
        Err(format!(
            "protocols/sql/generated/bindgen declares the C functions of {} {}, but {name} {version} is being built: compare its \
             libpg_query/pg_query.h with protocols/sql/generated/bindgen/src/pg_query.rs, mend that, and then the version in its lib.rs",
            HELD_AGAINST.0, HELD_AGAINST.1
        ))
    }
}

impl Bindings {
    /// Writes them to where the build script wants them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_to_file(&self, path: impl AsRef<Path>) -> std::io::Result<()> {
        std::fs::write(path, self.0)
    }
}
