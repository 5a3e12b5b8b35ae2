//! A worker on plain tokio and `tokio-postgres` that migrates its own database when it boots.
//!
//! ```sh
//! DATABASE_URL=postgres://user@localhost/database cargo run -p tokio-service
//! ```
//!
//! It takes rows of `jobs` until it gets SIGTERM or SIGINT. Any number of these processes may run at once.

use std::process::ExitCode;
use std::time::Duration;

use refit::{Connection, Event, Interrupt, Migrator};
use tokio::signal::unix::{SignalKind, signal};

/// The folder `migrations`, as `build.rs` embedded it.
static MIGRATIONS: refit::Embedded = refit::embed!();

/// How long to wait when there is no job.
const PAUSE: Duration = Duration::from_secs(1);

/// Takes one job. Processes that run at once take different ones.
const NEXT_JOB: &str = "UPDATE jobs SET done_at = now() WHERE id = \
    (SELECT id FROM jobs WHERE done_at IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING payload";

#[tokio::main]
async fn main() -> ExitCode {
    match serve().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tokio-service: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn serve() -> Result<(), Box<dyn std::error::Error>> {
    let url =
        std::env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL to the URL of a PostgreSQL database")?;

    // A signal cancels the statement that runs: what is applied stays, and nothing continues after the process exits.
    let interrupt = Interrupt::new();
    let on_signal = interrupt.clone();
    let (mut terminate, mut ctrl_c) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = ctrl_c.recv() => {}
        }
        on_signal.trigger();
    });

    let migrator = Migrator::new(&MIGRATIONS).interrupt(interrupt.clone()).observe(|event| {
        if let Event::StepRetried { stem, blockers, .. } = event {
            eprintln!("{stem} waits for a lock: {}", blockers.join("; "));
        }
    });
    println!("{}", migrator.run(&url).await.map_err(|error| error.message())?.summary());

    let client = refit::connect(&url, &refit::ConnectOptions::default()).await?;
    println!("ready");
    tokio::select! {
        worked = work(&client) => worked?,
        () = interrupt.triggered() => println!("stopped"),
    }
    client.close().await;
    Ok(())
}

async fn work(client: &Connection) -> Result<(), tokio_postgres::Error> {
    loop {
        match client.query_opt(NEXT_JOB, &[]).await? {
            Some(job) => println!("did {}", job.get::<_, &str>(0)),
            None => tokio::time::sleep(PAUSE).await,
        }
    }
}
