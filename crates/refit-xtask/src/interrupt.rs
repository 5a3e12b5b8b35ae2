//! Signals that end a command.

use tokio::signal::unix::{SignalKind, signal};

use crate::output::Output;

/// Waits for Ctrl-C or SIGTERM.
///
/// # Errors
/// When signals cannot be listened to.
pub async fn interrupted() -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        outcome = tokio::signal::ctrl_c() => outcome,
    }
}

/// The exit status after SIGINT, as shells have it.
pub(crate) const STATUS: u8 = 130;

/// Runs something that changes a database; SIGINT and SIGTERM end it in order: the statement that runs is canceled, and what is
/// applied is said. A second signal ends the process at once.
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
    out.note("interrupted: canceling the statement that runs; once more to exit at once");
    interrupt.trigger();
    tokio::select! {
        outcome = work => Ok(outcome),
        signal = interrupted() => {
            signal?;
            out.note("exiting; what the server is still doing may be committed");
            std::process::exit(i32::from(STATUS))
        }
    }
}
