//! Programs that are started: without a password in their arguments, and killed when nothing waits for them.

use std::path::Path;
use std::process::{ExitStatus, Stdio};

use refit::Target;
use refit_model::{redact, visible};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, ChildStderr, Command};

use crate::error::Error;

/// Variables of libpq that would change what a program connects to or how it writes values.
const REMOVED: [&str; 14] = [
    "PGAPPNAME",
    "PGCLIENTENCODING",
    "PGDATABASE",
    "PGDATESTYLE",
    "PGHOST",
    "PGHOSTADDR",
    "PGOPTIONS",
    "PGPASSFILE",
    "PGPASSWORD",
    "PGPORT",
    "PGSERVICE",
    "PGTARGETSESSIONATTRS",
    "PGTZ",
    "PGUSER",
];

/// How much of a program's standard error is kept.
const STDERR_BYTES: usize = 8 * 1024;

/// A program that reads nothing; it is killed if this process stops waiting for it.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    for name in REMOVED {
        command.env_remove(name);
    }
    command.env("LC_MESSAGES", "C").env("PGCONNECT_TIMEOUT", "10");
    command
}

/// The same for a client program of PostgreSQL: it connects where the URL says, and has the password in its environment.
pub(crate) fn client(program: &Path, target: &Target) -> Command {
    let mut command = command(program);
    if let Some(password) = target.config().get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    command.env("PGAPPNAME", refit::application_name::XTASK);
    command.arg("--no-password").arg("--dbname").arg(target.conninfo());
    command
}

pub(crate) fn spawn(command: &mut Command, program: &Path) -> Result<Child, Error> {
    command.spawn().map_err(Error::file("run", program))
}

/// Waits for a program; if it fails, the error has the end of its standard error.
pub(crate) async fn wait(mut child: Child, program: &Path) -> Result<(), Error> {
    let stderr = child.stderr.take();
    let (status, stderr) = tokio::join!(child.wait(), read_end(stderr));
    checked(status.map_err(Error::file("wait for", program))?, program, &stderr)
}

pub(crate) fn checked(status: ExitStatus, program: &Path, stderr: &str) -> Result<(), Error> {
    if status.success() {
        return Ok(());
    }
    let name = program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned();
    Err(Error::Program { program: name, status: status.to_string(), stderr: shown(stderr) })
}

/// The end of what a program writes, with secrets redacted and control characters escaped.
fn shown(stderr: &str) -> String {
    let lines: Vec<&str> = stderr.trim_end().lines().collect();
    let last = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default().join("\n");
    visible(&redact::text(&last)).into_owned()
}

/// Reads to the end, and keeps the last part.
pub(crate) async fn read_end(stderr: Option<ChildStderr>) -> String {
    let Some(mut stderr) = stderr else { return String::new() };
    let (mut kept, mut part) = (Vec::new(), [0; 4096]);
    while let Ok(read @ 1..) = stderr.read(&mut part).await {
        kept.extend_from_slice(part.get(..read).unwrap_or_default());
        if kept.len() > 2 * STDERR_BYTES {
            kept.drain(..kept.len() - STDERR_BYTES);
        }
    }
    String::from_utf8_lossy(&kept).into_owned()
}
