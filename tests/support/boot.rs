//! The `boot` binary: a service reduced to its boot, as a process that can be raced and killed.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};

/// The result of a boot: whether it succeeded, and its output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) success: bool,
    /// Kills it with SIGKILL.
    pub(crate) killed: bool,
    pub(crate) stderr: String,
}

/// Starts a boot of `folder` against `url`; it is killed when the value is dropped.
pub(crate) fn start(folder: &Path, url: &str) -> Child {
    command(folder, url).spawn().unwrap()
}

/// Starts a boot that runs backfills to their end, with leases of that many seconds.
pub(crate) fn work(folder: &Path, url: &str, lease: f64) -> Child {
    command(folder, url).arg(lease.to_string()).spawn().unwrap()
}

/// Starts a process that rolls back to a version, with leases of that many seconds.
pub(crate) fn go_back(folder: &Path, url: &str, lease: f64, to: i64) -> Child {
    command(folder, url).arg(lease.to_string()).arg(to.to_string()).spawn().unwrap()
}

/// The command of a boot, to which a test can add arguments and environment variables.
pub(crate) fn command(folder: &Path, url: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_boot"));
    command
        .arg(folder)
        .arg(url)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Waits for its end.
pub(crate) async fn end(child: Child) -> Ended {
    let output = child.wait_with_output().await.unwrap();
    Ended {
        success: output.status.success(),
        killed: output.status.signal() == Some(9),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Boots to the end, and asserts that it succeeds.
pub(crate) async fn boot(folder: &Path, url: &str) -> Ended {
    let ended = end(start(folder, url)).await;
    assert!(ended.success, "{ended:?}");
    ended
}
