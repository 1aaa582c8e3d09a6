//! Takes `prost-build`'s place in pg_query's build (`[patch]` in the workspace's Cargo.toml). That build generates the
//! message types once more where `protoc` happens to be installed, and overwrites the ones it came with in Cargo's
//! registry; elsewhere it compiles a generator, and fifteen crates with it, that never runs. Here a build is the same on
//! every machine: it takes the types that the crate ships, whose checksum Cargo.lock pins.

use std::io;
use std::path::{Path, PathBuf};

/// What prost-build's configuration has, as far as pg_query's build script asks for it.
#[derive(Debug, Default)]
pub struct Config(());

impl Config {
    /// As the original's.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The shipped types have their attributes.
    pub fn type_attribute(&mut self, _path: impl AsRef<str>, _attribute: impl AsRef<str>) -> &mut Self {
        self
    }

    /// Copies the shipped types to where the build script looks for generated ones; it finds them unchanged.
    ///
    /// # Errors
    /// When they are not where pg_query has them.
    pub fn compile_protos(&mut self, _protos: &[impl AsRef<Path>], _includes: &[impl AsRef<Path>]) -> io::Result<()> {
        let folder = |name| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| io::Error::other(name));
        std::fs::copy(folder("CARGO_MANIFEST_DIR")?.join("src/protobuf.rs"), folder("OUT_DIR")?.join("pg_query.rs"))?;
        Ok(())
    }
}
