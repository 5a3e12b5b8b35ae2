//! Processes of a [`Worker`](crate::Worker).

use std::ffi::OsString;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, bail};
use tokio::process::{Child, Command};

/// A running worker. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    name: &'static str,
    child: Child,
}

/// How a worker ended.
#[derive(Debug)]
#[non_exhaustive]
pub struct Ended {
    /// Whether it succeeded.
    pub success: bool,
    /// Its standard error.
    pub stderr: String,
}

impl Process {
    /// Starts a worker on a folder and a database. `command` is the program that runs [`Worker::run`](crate::Worker::run), with the
    /// arguments before the worker's own.
    ///
    /// # Errors
    /// When the program cannot be started.
    pub fn start(
        name: &'static str,
        command: &[OsString],
        folder: &Path,
        url: &str,
        arguments: &[&str],
    ) -> anyhow::Result<Process> {
        let Some((program, first)) = command.split_first() else { bail!("the worker has no program") };
        let child = Command::new(program)
            .args(first)
            .arg(folder)
            .arg(url)
            .args(arguments)
            .env("RUST_LOG", "info,refinery_core=warn")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        Ok(Process { name, child })
    }

    /// Kills it with SIGKILL, and waits for its end.
    ///
    /// # Errors
    /// When it has already exited.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            let name = self.name;
            bail!("{name} exited before it was killed ({status}):\n{}", self.end().await?.stderr);
        }
        Ok(self.child.kill().await?)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When its output cannot be read.
    pub async fn end(self) -> anyhow::Result<Ended> {
        let output = self.child.wait_with_output().await?;
        Ok(Ended {
            success: output.status.success(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Waits for its end, which must be a success.
    ///
    /// # Errors
    /// With the end of its log if it failed.
    pub async fn succeed(self) -> anyhow::Result<()> {
        let name = self.name;
        let ended = self.end().await?;
        let lines: Vec<&str> = ended.stderr.lines().collect();
        let last = lines[lines.len().saturating_sub(20)..].join("\n");
        anyhow::ensure!(ended.success, "{name} failed:\n{last}");
        Ok(())
    }
}
