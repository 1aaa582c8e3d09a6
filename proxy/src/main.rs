//! The `affidavit` binary.

fn main() {}
