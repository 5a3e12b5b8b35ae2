//! A service reduced to its boot: applies the folder given first to the database given second, then exits.

use std::path::PathBuf;
use std::process::ExitCode;

use refit::Migrator;
use refit::model::MigrationSet;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).init();
    match boot().await {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn boot() -> anyhow::Result<refit::Report> {
    let mut arguments = std::env::args().skip(1);
    let (Some(folder), Some(url)) = (arguments.next(), arguments.next()) else {
        anyhow::bail!("usage: boot FOLDER URL");
    };
    let set = MigrationSet::from_dir(&PathBuf::from(folder))?;
    Ok(Migrator::new(set).run(&url).await?)
}
