//! The `evidence` binary: what an auditor, a compliance officer or an operator runs.

fn main() {
    eprintln!("evidence: the commands are not built yet");
    std::process::exit(3);
}
