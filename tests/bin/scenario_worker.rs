//! A process of a scenario, to be killed by it.

use std::process::ExitCode;

use clap::Parser;

/// A process of a scenario.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    worker: refit_scenarios::Worker,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match Arguments::parse().worker.run().await {
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
