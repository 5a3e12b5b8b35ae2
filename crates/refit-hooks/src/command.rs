//! A hook that is a program. It gets the message on standard input.

use std::process::Stdio;
use std::time::Duration;

use refit_model::{redact, visible_line, wording::elapsed};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};

/// How many bytes of its error output are kept: the last ones.
const KEPT: usize = 4_096;

#[derive(Debug)]
pub(crate) struct Program {
    command: Vec<String>,
}

impl Program {
    pub(crate) fn new(command: &[String]) -> Program {
        Program { command: command.to_vec() }
    }

    /// The program without its arguments, which may contain secrets.
    pub(crate) fn name(&self) -> String {
        visible_line(self.command.first().map_or("", String::as_str)).into_owned()
    }

    /// Runs it. At its limit, it is killed with the processes that it has started.
    pub(crate) async fn run(&self, input: String, limit: Duration) -> Result<(), String> {
        let Some((program, arguments)) = self.command.split_first() else {
            return Err("has no command".to_owned());
        };
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| format!("cannot be started: {error}"))?;
        let group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        match tokio::time::timeout(limit, finished(&mut child, input)).await {
            Ok(outcome) => {
                // What it left in the background may continue.
                std::mem::forget(group);
                outcome
            }
            Err(_) => Err(format!("was ended at its limit of {}", elapsed(limit))),
        }
    }
}

/// The processes of a hook, which are killed when this is dropped: at the limit, and when the run itself is dropped.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It fails if all of them have ended.
            kill_process_group(group, Signal::KILL).ok();
        }
    }
}

async fn finished(child: &mut Child, input: String) -> Result<(), String> {
    let (stdin, mut stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // A program that does not read its input is not an error.
            stdin.write_all(input.as_bytes()).await.ok();
            stdin.shutdown().await.ok();
        }
    };
    let mut kept = Vec::new();
    let read = async {
        let mut buffer = [0; 1_024];
        while let Some(stderr) = &mut stderr
            && let Ok(count @ 1..) = stderr.read(&mut buffer).await
        {
            kept.extend_from_slice(&buffer[..count]);
            let excess = kept.len().saturating_sub(KEPT);
            kept.drain(..excess);
        }
    };
    let (status, (), ()) = tokio::join!(child.wait(), write, read);
    let status = status.map_err(|error| format!("cannot be waited for: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => {
            let said = String::from_utf8_lossy(&kept);
            let said = visible_line(&redact::text(said.trim())).into_owned();
            let said = if said.is_empty() { said } else { format!(": {said}") };
            Err(format!("failed with {status}{said}"))
        }
    }
}
