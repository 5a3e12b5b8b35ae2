//! A service reduced to its boot: applies the folder given first to the database given second, then exits.
//! With a number of seconds as a third argument it also runs backfills, with leases of that length; with a version as a fourth, it
//! rolls back to that version instead.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use refit::model::MigrationSet;
use refit::{Backfills, Migrator, Rollback};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match boot().await {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn boot() -> anyhow::Result<String> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(url)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: boot FOLDER URL [LEASE [BACK_TO]]");
    };
    let migrator = Migrator::new(MigrationSet::from_dir(&PathBuf::from(folder))?);
    let migrator = match arguments.next() {
        Some(seconds) => {
            migrator.backfills(Backfills::Inline).lease(Duration::from_secs_f64(seconds.parse()?))
        }
        None => migrator.backfills(Backfills::Hold),
    };
    if let Some(to) = arguments.next() {
        let rollback = Rollback { to: to.parse()?, ..Default::default() };
        return Ok(migrator.rollback(&url, &rollback).await?.to_string());
    }
    Ok(migrator.run(&url).await?.to_string())
}
