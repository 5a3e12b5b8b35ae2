//! The service as a process: it answers probes, migrates an empty database, and completes the backfill in the background.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in a helper")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use refit_devdb::TestDb;

/// How long a condition may take to hold.
const LIMIT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

/// A process that is killed when the test ends.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn status(url: &str) -> u16 {
    minreq::get(url).send().unwrap().status_code
}

// Requests block a thread, and the connection to the test database needs another one.
#[tokio::test(flavor = "multi_thread")]
async fn it_answers_probes_and_migrates() {
    let db = TestDb::empty().await.unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-service"));
    command
        .env("DATABASE_URL", db.url())
        .env("LISTEN", "127.0.0.1:0")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut process = Process(command.spawn().unwrap());
    let base = BufReader::new(process.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    assert_eq!(status(&format!("{base}/healthz")), 200);

    let began = Instant::now();
    while status(&format!("{base}/readyz")) != 200 {
        assert!(began.elapsed() < LIMIT, "not ready");
        tokio::time::sleep(PAUSE).await;
    }
    let counted = minreq::get(format!("{base}/notes")).send().unwrap();
    assert_eq!(counted.as_str().unwrap(), r#"{"notes":0}"#);

    // Applied by the task in the background, once the backfill is complete.
    let client = db.connect().await.unwrap();
    let constraint = "SELECT EXISTS (SELECT FROM pg_constraint WHERE conname = 'notes_length_present')";
    while !client.query_one(constraint, &[]).await.unwrap().get::<_, bool>(0) {
        assert!(began.elapsed() < LIMIT, "the backfill is not complete");
        tokio::time::sleep(PAUSE).await;
    }
}
