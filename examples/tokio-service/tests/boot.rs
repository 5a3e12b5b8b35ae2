//! The service as a process: it migrates an empty database, works, and stops on SIGTERM.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in a helper")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use refit_devdb::TestDb;
use rustix::process::{Pid, Signal, kill_process};

/// A process that is killed when the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn service() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tokio-service"));
    command.env_remove("DATABASE_URL").stdin(Stdio::null()).stdout(Stdio::piped());
    command
}

// Reading the output blocks a thread, and the connection to the test database needs another one.
#[tokio::test(flavor = "multi_thread")]
async fn it_migrates_works_and_stops() {
    let db = TestDb::empty().await.unwrap();
    let mut process = Process(service().env("DATABASE_URL", db.url()).spawn().unwrap());
    let mut output = BufReader::new(process.0.stdout.take().unwrap()).lines().map(|line| line.unwrap());
    assert!(output.any(|line| line == "ready"));

    let client = db.connect().await.unwrap();
    let row =
        client.query_one("INSERT INTO jobs (payload) VALUES ('a job') RETURNING id", &[]).await.unwrap();
    let id: i64 = row.get(0);
    assert!(output.any(|line| line == "did a job"));
    let row = client.query_one("SELECT done_at IS NOT NULL FROM jobs WHERE id = $1", &[&id]).await.unwrap();
    assert!(row.get::<_, bool>(0));

    kill_process(Pid::from_raw(process.0.id() as i32).unwrap(), Signal::TERM).unwrap();
    assert!(process.0.wait().unwrap().success());
}

#[test]
fn it_asks_for_a_database() {
    let output = service().stderr(Stdio::piped()).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("set DATABASE_URL"));
}
