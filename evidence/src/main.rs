//! The `evidence` binary: what an auditor, a compliance officer or an operator runs. Everything is in the library.

fn main() -> std::process::ExitCode {
    evidence::cli::main()
}
