//! The `affidavit` binary.

fn main() -> std::process::ExitCode {
    affidavit::cli::run()
}
