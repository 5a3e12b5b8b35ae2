//! A process of a scenario, to be killed by it.

use clap::Parser;

/// A process of a scenario.
#[derive(Debug, Parser)]
struct Arguments {
    #[command(flatten)]
    worker: refit_scenarios::Worker,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    println!("{}", Arguments::parse().worker.run().await?);
    Ok(())
}
