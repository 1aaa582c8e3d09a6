//! Signals: what each of them means to a running proxy. None may kill it without the record being sealed, so those that
//! would and mean nothing here are taken and said.

use crate::assembly::Failure;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// Stop in good order; at the second time, at once.
    Stop,
    /// Read configuration and policies again.
    Reload,
}

/// Signals that end a process which does not take them, by number where tokio has no name for them: SIGALRM, SIGVTALRM,
/// SIGPROF, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ, SIGIO, SIGPWR.
#[cfg(target_os = "linux")]
const MEANINGLESS: [i32; 9] = [14, 26, 27, 10, 12, 24, 25, 29, 30];
#[cfg(not(target_os = "linux"))]
const MEANINGLESS: [i32; 1] = [14];

/// Takes the signals from now on.
pub(crate) fn listen() -> Result<mpsc::Receiver<Asked>, Failure> {
    let (told, asked) = mpsc::channel(8);
    for (kind, means) in [
        (SignalKind::terminate(), Asked::Stop),
        (SignalKind::interrupt(), Asked::Stop),
        (SignalKind::quit(), Asked::Stop),
        (SignalKind::hangup(), Asked::Reload),
    ] {
        let mut signal = take(kind)?;
        let told = told.clone();
        tokio::spawn(async move { while signal.recv().await.is_some() && told.send(means).await.is_ok() {} });
    }
    for number in MEANINGLESS {
        let mut signal = take(SignalKind::from_raw(number))?;
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                tracing::warn!(signal = number, "a signal that means nothing here was ignored");
            }
        });
    }
    Ok(asked)
}

fn take(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind).map_err(|error| Failure {
        what: format!("cannot wait for signal {}: {error}", kind.as_raw_value()),
        fix: String::new(),
    })
}
