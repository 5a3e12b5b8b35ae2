//! Handling of SIGINT and SIGTERM.

use tokio::signal::unix::{SignalKind, signal};

use crate::output::Output;

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// When the signal handlers cannot be installed.
pub async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        outcome = tokio::signal::ctrl_c() => outcome,
    }
}

/// The exit status after SIGINT, as in shells.
pub(crate) const STATUS: u8 = 130;

/// Runs work on a database. SIGINT and SIGTERM stop it gracefully: the running statement is canceled, and applied steps are
/// reported. A second signal exits at once.
pub(crate) async fn interruptible<T>(
    interrupt: &refit::Interrupt,
    out: Output,
    work: impl Future<Output = T>,
) -> std::io::Result<T> {
    let mut work = std::pin::pin!(work);
    tokio::select! {
        outcome = &mut work => return Ok(outcome),
        signal = interrupted() => signal?,
    }
    out.note("interrupted: canceling the running statement; press Ctrl-C again to exit at once");
    interrupt.trigger();
    tokio::select! {
        outcome = work => Ok(outcome),
        signal = interrupted() => {
            signal?;
            out.note("exiting; the server may still commit the running statement");
            std::process::exit(i32::from(STATUS))
        }
    }
}
