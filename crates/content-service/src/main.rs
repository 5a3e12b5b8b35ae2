//! `content-service`: reads the configuration, starts the service, and stops it on SIGTERM or SIGINT.
//!
//! Exit status: 0 stopped on request; 1 a migration failed; 2 usage error or could not run.

mod telemetry;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser;
use content_service::{Config, ServeError, start};
use tokio::signal::unix::{Signal, SignalKind, signal};

fn main() -> ExitCode {
    let config = Config::parse();
    // Dropped after the runtime, so that the spans of tasks that still run are sent too.
    let _telemetry = match telemetry::start() {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("content-service: {error}");
            return ExitCode::from(2);
        }
    };
    let outcome = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime.block_on(run(&config)),
        Err(error) => Err(ServeError::Server(error)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("content-service: {}", message(&error));
            ExitCode::from(status(&error))
        }
    }
}

async fn run(config: &Config) -> Result<(), ServeError> {
    // Install the handlers before starting anything, so that no signal is missed.
    let mut signals = Signals::new().map_err(ServeError::Server)?;
    let mut service = start(config).await?;
    let interrupt = service.interrupt();
    let outcome = {
        let mut migrating = std::pin::pin!(service.migrate());
        tokio::select! {
            migrated = &mut migrating => migrated.map(Some),
            () = signals.recv() => {
                // Cancel the running step, so that nothing is committed after the process exits.
                interrupt.trigger();
                match migrating.await {
                    Ok(_) => Ok(None),
                    Err(ServeError::Refit(error @ refit::Error::Interrupted { .. })) => {
                        tracing::warn!("{error}");
                        Ok(None)
                    }
                    Err(error) => Err(error),
                }
            }
        }
    };
    let outcome = match outcome {
        Ok(Some(_)) => tokio::select! {
            error = service.ended() => Err(error),
            () = signals.recv() => Ok(()),
        },
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    service.stop().await;
    outcome
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn recv(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// The error with its causes.
fn message(error: &ServeError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn status(error: &ServeError) -> u8 {
    match error {
        ServeError::Refit(refit::Error::Connect { .. } | refit::Error::Url(_) | refit::Error::Tls { .. }) => {
            2
        }
        ServeError::Refit(_) => 1,
        _ => 2,
    }
}
