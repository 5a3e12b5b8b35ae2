//! A server must not outlive its owner, and an owner that is killed by SIGKILL cannot clean up. A small shell process
//! can: it reads a pipe of which only the owner holds the other end, and end of file tells it that the owner is gone,
//! however it went. It then stops the server and removes the folder.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::Error;

/// Lines that the owner writes: `postmaster PID` once the server runs, `postmaster none` once it is stopped,
/// `release` when there is nothing left to watch. Without a PID the server's own file tells it: the owner may have been
/// killed between starting the server and telling. Removing is repeated, for an orphaned initdb may still write.
const SCRIPT: &str = r#"
trap '' HUP INT TERM PIPE
pid=
while read -r word value; do
  case $word in
    postmaster) pid=$value ;;
    release) exit 0 ;;
  esac
done
file=$1/data/postmaster.pid
[ -n "$pid" ] || pid=$(head -n 1 "$file" 2>/dev/null)
if [ "$pid" -gt 1 ] 2>/dev/null; then
  kill -QUIT "$pid" 2>/dev/null
  n=0
  while kill -0 "$pid" 2>/dev/null && [ -e "$file" ]; do
    n=$((n + 1))
    [ "$n" -eq 100 ] && kill -KILL "$pid" 2>/dev/null
    [ "$n" -ge 110 ] && break
    sleep 0.05
  done
fi
n=0
while ! rm -rf -- "$1" 2>/dev/null && [ "$n" -lt 50 ]; do
  n=$((n + 1))
  sleep 0.1
done
"#;

/// The process that watches over one server's folder.
#[derive(Debug)]
pub(crate) struct Watchdog {
    process: Child,
}

impl Watchdog {
    /// Starts watching. From here on the folder is removed when this process ends without [`Watchdog::release`]. It need
    /// not exist yet: begun later, the watch would miss an owner that is killed in between.
    pub(crate) fn start(folder: &Path) -> Result<Watchdog, Error> {
        // In a process group of its own: Ctrl-C in the terminal reaches the owner, not the watchdog. Without the
        // owner's standard output and error: whoever reads those to their end would wait for the watchdog too.
        let process = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "refit-devdb"])
            .arg(folder)
            .current_dir("/")
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match process {
            Ok(process) => Ok(Watchdog { process }),
            Err(error) => Err(Error::Program { program: "/bin/sh".into(), reason: error.to_string() }),
        }
    }

    /// Tells which process to stop; none when the server is stopped.
    pub(crate) fn postmaster(&mut self, pid: Option<u32>) {
        self.tell(&format!("postmaster {}\n", pid.map_or("none".into(), |pid| pid.to_string())));
    }

    /// Ends the watch: the folder is gone, or is to stay.
    pub(crate) fn release(&mut self) {
        self.tell("release\n");
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }

    /// A line fits the pipe's buffer, so that writing never waits. It fails only if somebody killed the watchdog.
    fn tell(&mut self, line: &str) {
        let told = self.process.stdin.as_mut().map(|pipe| pipe.write_all(line.as_bytes()));
        if let Some(Err(error)) = told {
            tracing::warn!(%error, "the watchdog of a private server is gone; a kill would leave the server behind");
        }
    }
}
