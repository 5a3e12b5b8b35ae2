//! The binary as a process: signals, exit status, and what it prints.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in a helper")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};

use content_service::MIGRATIONS;
use refit_devdb::TestDb;
use rustix::process::{Pid, Signal, kill_process};

/// Killed when the test ends, however that is.
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

/// Everything it logs up to the line that holds `wanted`.
fn log_until(process: &mut Process, wanted: &str) -> (String, BufReader<std::process::ChildStderr>) {
    let mut reader = BufReader::new(process.0.stderr.take().unwrap());
    let mut log = String::new();
    while !log.contains(wanted) {
        let mut line = String::new();
        assert_ne!(reader.read_line(&mut line).unwrap(), 0, "it ended without saying {wanted:?}:\n{log}");
        log.push_str(&line);
    }
    (log, reader)
}

fn tell(process: &Process, signal: Signal) {
    kill_process(Pid::from_raw(process.0.id() as i32).unwrap(), signal).unwrap();
}

// Reading the log blocks its thread, while the connection of the test database needs one.
#[tokio::test(flavor = "multi_thread")]
async fn migrates_serves_and_stops_on_sigterm() {
    let db = TestDb::new(&MIGRATIONS).await.unwrap();
    let mut process = Process(service().env("DATABASE_URL", db.url()).spawn().unwrap());
    let (log, mut rest) = log_until(&mut process, "ready address=");
    assert!(log.find("listening").unwrap() < log.find("ready").unwrap(), "bound first: {log}");
    tell(&process, Signal::TERM);
    assert!(process.0.wait().unwrap().success());
    let mut end = String::new();
    rest.read_to_string(&mut end).unwrap();
    assert!(end.contains("stopped"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_migrations_do_is_told_as_metrics() {
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
    // The views are a step, and no version.
    assert_eq!(figure("refit_steps_applied_total"), history as f64 + 1.0);
    let of = |name: &str| {
        format!("{name}{{history=\"public\",migration=\"V0015__assign_sites\",kind=\"forward\"}}")
    };
    assert_eq!(figure(&of("refit_backfill_complete")), 1.0);
    assert_eq!(figure(&of("refit_backfill_progress_ratio")), 1.0);
    assert_eq!(figure(&of("refit_backfill_errors")), 0.0);
}

#[test]
fn without_a_database_it_starts_one_says_so_and_takes_it_away() {
    let mut process = Process(service().spawn().unwrap());
    let (log, mut rest) = log_until(&mut process, "ready address=");
    assert!(
        log.contains("no DATABASE_URL") && log.contains("thrown away") && log.contains("seeded"),
        "{log}"
    );
    tell(&process, Signal::INT);
    assert!(process.0.wait().unwrap().success());
    let mut end = String::new();
    rest.read_to_string(&mut end).unwrap();
    assert!(end.contains("its data is gone"), "{end}");
}

#[test]
fn what_cannot_be_used_is_status_2_and_says_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let listen = service().args(["--listen", &address]).output().unwrap();
    let text = String::from_utf8_lossy(&listen.stderr).into_owned();
    assert_eq!((listen.status.code(), text.contains("cannot listen on")), (Some(2), true), "{text}");

    for (url, wanted) in [
        ("mysql://u:hunter2@localhost/db", "content-service: invalid database URL"),
        ("postgres://u:hunter2@127.0.0.1:1/db", "content-service: cannot connect to u@127.0.0.1:1/db"),
    ] {
        let output =
            service().env("DATABASE_URL", url).env("CONTENT_SERVICE_CONNECT_SECONDS", "0").output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(wanted) && !text.contains("hunter2"), "{text}");
    }
}
