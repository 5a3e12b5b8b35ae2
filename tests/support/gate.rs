//! A step that waits in the middle until the test lets it continue, by deleting the rows of the table `gate`.

use refit_devdb::TestDb;

use super::{execute, until, value};

/// Waits while `gate` has rows. Each check is a statement of its own, so that it sees what other sessions commit.
pub(crate) const WAIT: &str =
    "DO $$ BEGIN WHILE EXISTS (SELECT FROM gate) LOOP PERFORM pg_sleep(0.01); END LOOP; END $$;";

/// Creates the gate, closed.
pub(crate) async fn close(db: &TestDb) {
    execute(db, "CREATE TABLE IF NOT EXISTS gate (); INSERT INTO gate DEFAULT VALUES").await;
}

pub(crate) async fn open(db: &TestDb) {
    execute(db, "DELETE FROM gate").await;
}

/// The server process of the run that waits at the gate.
pub(crate) async fn waiting(db: &TestDb) -> i32 {
    let sql = "SELECT coalesce(max(pid), 0) FROM pg_stat_activity WHERE datname = current_database() \
               AND wait_event = 'PgSleep' AND application_name LIKE 'refit V%'";
    // Returns the value that was seen: in another query, the process may be between two sleeps.
    let mut pid = 0;
    until("a step waits at the gate", async || {
        pid = value::<i32>(db, sql).await;
        pid > 0
    })
    .await;
    pid
}
