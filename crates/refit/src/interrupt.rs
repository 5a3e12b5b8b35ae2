//! Stops runs from outside: the current statement is canceled, nothing more is sent, and the run ends with an error that says what
//! was applied.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio_postgres::{CancelToken, Client, NoTls};
use tracing::debug;

use crate::connect::{Connector, Target};

/// A switch that ends runs; clones share one switch.
///
/// ```
/// # use refit::{Interrupt, Migrator};
/// # fn example(migrator: Migrator) -> Migrator {
/// let interrupt = Interrupt::new();
/// let on_signal = interrupt.clone();
/// // … in a task that waits for SIGTERM: on_signal.trigger();
/// migrator.interrupt(interrupt)
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Interrupt(Arc<watch::Sender<bool>>);

impl Interrupt {
    /// A switch that is off.
    pub fn new() -> Interrupt {
        Interrupt(Arc::new(watch::Sender::new(false)))
    }

    /// Ends the runs that use it, current and future ones.
    pub fn trigger(&self) {
        self.0.send_replace(true);
    }

    /// Whether it has been triggered.
    pub fn is_triggered(&self) -> bool {
        *self.0.borrow()
    }

    /// Sleeps; true if it was triggered before the pause was over.
    pub(crate) async fn cuts_short(&self, pause: Duration) -> bool {
        tokio::time::timeout(pause, self.triggered()).await.is_ok()
    }

    /// Waits until it is triggered.
    pub async fn triggered(&self) {
        // The sender is in `self`, so the channel is open.
        self.0.subscribe().wait_for(|triggered| *triggered).await.ok();
    }
}

impl Default for Interrupt {
    fn default() -> Interrupt {
        Interrupt::new()
    }
}

/// The interval at which a cancel request is repeated until the statement has ended: one that arrives between two statements has no
/// effect.
const REPEAT: Duration = Duration::from_millis(200);

/// The number of requests if it is unknown whether the statement has ended.
const REPEATS: u32 = 5;

/// Cancels the statement of a session, over TLS if the session uses it.
#[derive(Clone)]
pub(crate) struct Canceler {
    token: CancelToken,
    tls: Option<Connector>,
}

impl Canceler {
    /// `target` is the session's server, if known. If its certificates cannot be read, the request is not encrypted.
    pub(crate) fn new(client: &Client, target: Option<&Target>) -> Canceler {
        let tls = target.and_then(|target| target.tls_connector().ok().flatten());
        Canceler { token: client.cancel_token(), tls }
    }

    pub(crate) fn cancel(&self) -> BoxFuture<'_, ()> {
        self.send().boxed()
    }

    #[cfg_attr(not(feature = "tls"), expect(clippy::clone_on_copy, reason = "`NoTls` is `Copy`"))]
    async fn send(&self) {
        let canceled = match &self.tls {
            Some(tls) => self.token.cancel_query(tls.clone()).await,
            None => self.token.cancel_query(NoTls).await,
        };
        if let Err(error) = canceled {
            debug!(error = %crate::error::describe(&error), "cannot send a cancel request");
        }
    }

    /// Waits for work on the session; once `interrupt` is triggered, cancels it until it has ended.
    pub(crate) async fn or_cancel<T>(&self, interrupt: &Interrupt, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            outcome = &mut work => return outcome,
            () = interrupt.triggered() => {}
        }
        loop {
            self.cancel().await;
            if let Ok(outcome) = tokio::time::timeout(REPEAT, &mut work).await {
                return outcome;
            }
        }
    }
}

/// Cancels the statement of a session when dropped before it is disarmed. Otherwise a future that is dropped early would leave a
/// statement running, and its commit would go unnoticed.
pub(crate) struct CancelOnDrop(Option<Canceler>);

impl CancelOnDrop {
    pub(crate) fn new(canceler: Canceler) -> CancelOnDrop {
        CancelOnDrop(Some(canceler))
    }

    pub(crate) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let (Some(canceler), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move {
                // The first request has no effect if the statement was sent but has not begun.
                for _ in 0..REPEATS {
                    canceler.cancel().await;
                    tokio::time::sleep(REPEAT).await;
                }
            });
        }
    }
}
