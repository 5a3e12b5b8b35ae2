//! The binary as a process: signals, exit status, and what it prints.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in a helper")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use content_service::MIGRATIONS;
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_content-service"));
    command.env_remove("DATABASE_URL").env_remove("RUST_LOG").env("CONTENT_SERVICE_LISTEN", "127.0.0.1:0");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// The log up to the line that contains `expected`.
fn log_until(process: &mut Process, expected: &str) -> (String, BufReader<std::process::ChildStderr>) {
    let mut reader = BufReader::new(process.0.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains(expected) {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "it ended without saying {expected:?}:\n{log}");
        log.push_str(&line);
    }
    (log, reader)
}

fn send_signal(process: &Process, signal: Signal) {
    kill_process(Pid::from_raw(process.0.id() as i32).unwrap(), signal).unwrap();
}

// Reading the log blocks a thread, and the connection to the test database needs another one.
#[tokio::test(flavor = "multi_thread")]
async fn migrates_serves_and_stops_on_sigterm() {
    let db = TestDb::new(&MIGRATIONS).await.unwrap();
    let mut process = Process(service().env("DATABASE_URL", db.url()).spawn().unwrap());
    let (log, mut rest) = log_until(&mut process, "ready address=");
    assert!(log.find("listening").unwrap() < log.find("ready").unwrap(), "bound first: {log}");
    send_signal(&process, Signal::TERM);
    assert!(process.0.wait().unwrap().success());
    let mut end = String::new();
    rest.read_to_string(&mut end).unwrap();
    assert!(end.contains("stopped"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_are_reported_as_metrics() {
    let db = TestDb::empty().await.unwrap();
    let mut process = Process(service().env("DATABASE_URL", db.url()).spawn().unwrap());
    let (log, _rest) = log_until(&mut process, "backfills are complete");
    let address = log.split("listening address=").nth(1).unwrap().split_whitespace().next().unwrap();
    let response = minreq::get(format!("http://{address}/metrics")).send().unwrap();
    let metrics = response.as_str().unwrap();
    let figure = |name: &str| {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{name}: {metrics}"));
        line.rsplit(' ').next().unwrap().parse::<f64>().unwrap()
    };
    let sql = "SELECT count(*) FROM refinery_schema_history";
    let history: i64 = db.connect().await.unwrap().query_one(sql, &[]).await.unwrap().get(0);
    // The repeatable migration is a step without a version.
    assert_eq!(figure("refit_steps_applied_total"), history as f64 + 1.0);
    let of = |name: &str| {
        format!("{name}{{history=\"public\",migration=\"V0015__assign_sites\",kind=\"forward\"}}")
    };
    assert_eq!(figure(&of("refit_backfill_complete")), 1.0);
    assert_eq!(figure(&of("refit_backfill_progress_ratio")), 1.0);
    assert_eq!(figure(&of("refit_backfill_errors")), 0.0);
}

#[test]
fn without_a_database_it_starts_a_private_one_and_removes_it() {
    let mut process = Process(service().spawn().unwrap());
    let (log, mut rest) = log_until(&mut process, "ready address=");
    assert!(
        log.contains("no DATABASE_URL") && log.contains("data is deleted") && log.contains("seeded"),
        "{log}"
    );
    send_signal(&process, Signal::INT);
    assert!(process.0.wait().unwrap().success());
    let mut end = String::new();
    rest.read_to_string(&mut end).unwrap();
    assert!(end.contains("its data deleted"), "{end}");
}

#[test]
fn invalid_configuration_exits_with_status_2_and_a_reason() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = service().args(["--listen", &address]).output().unwrap();
    let text = String::from_utf8_lossy(&listen.stderr).into_owned();
    assert_eq!((listen.status.code(), text.contains("cannot listen on")), (Some(2), true), "{text}");

    for (url, expected) in [
        ("mysql://u:hunter2@localhost/db", "content-service: invalid database URL"),
        ("postgres://u:hunter2@127.0.0.1:1/db", "content-service: cannot connect to u@127.0.0.1:1/db"),
    ] {
        let output =
            service().env("DATABASE_URL", url).env("CONTENT_SERVICE_CONNECT_SECONDS", "0").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(expected) && !text.contains("hunter2"), "{text}");
    }
}
