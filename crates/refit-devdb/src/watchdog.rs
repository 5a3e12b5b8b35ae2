//! The watchdog: a server must not outlive its owner, and an owner killed by SIGKILL cannot clean up. A small shell
//! process reads from a pipe whose other end only the owner holds. End of file means that the owner has ended; the
//! watchdog then stops the server and removes the folder.

use std::{
    io::Write,
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, Stdio},
};

use crate::Error;

/// The owner writes `postmaster PID` once the server runs, `postmaster none` once it is stopped, and `release` when
/// there is nothing left to watch. Without a PID the script reads the server's PID file: the owner may have been killed
/// between starting the server and writing the line. `rm` is repeated because an orphaned initdb may still write.
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

/// The watchdog process of one server's folder.
#[derive(Debug)]
pub(crate) struct Watchdog {
    process: Child,
}

impl Watchdog {
    /// Starts the watchdog. From now on the folder is removed when this process ends without [`Watchdog::release`]. The
    /// folder need not exist yet: starting the watchdog later would miss an owner that is killed in between.
    pub(crate) fn start(folder: &Path) -> Result<Watchdog, Error> {
        // Own process group: Ctrl-C in the terminal must not reach the watchdog. Own standard output and error: a
        // reader of the owner's output would otherwise wait for the watchdog too.
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

    /// Sets the process to stop; none when the server is stopped.
    pub(crate) fn postmaster(&mut self, pid: Option<u32>) {
        self.send(&format!("postmaster {}\n", pid.map_or("none".into(), |pid| pid.to_string())));
    }

    /// Ends the watchdog: the folder has been removed or is to be kept.
    pub(crate) fn release(&mut self) {
        self.send("release\n");
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }

    /// A line fits the pipe's buffer, so writing never blocks. It fails only if the watchdog was killed.
    fn send(&mut self, line: &str) {
        let written = self.process.stdin.as_mut().map(|pipe| pipe.write_all(line.as_bytes()));
        if let Some(Err(error)) = written {
            tracing::warn!(%error, "the watchdog of a private server was killed; if this process is killed, the server keeps running");
        }
    }
}
