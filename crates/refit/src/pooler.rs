//! Telling a server from a connection pooler.
//!
//! A pooler gives its clients a cancel key of its own making, so the process id in it is not the one that
//! `pg_backend_pid()` answers. The driver does not show the key; it does write it to any stream that it is
//! asked to send a cancel request to, so it is asked with one that keeps the bytes.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Refuses a connection that a pooler hands from session to session, for tools that lock or set something in theirs.
///
/// A pooler that keeps one session for one client looks the same from here as one that does not; ask the user.
///
/// # Errors
/// [`Error::Pooler`] behind a pooler, [`Error::InTransaction`] in a transaction, or when the server cannot be asked.
pub async fn refuse_pooler(client: &Client) -> Result<(), Error> {
    let process = crate::pin::require_no_transaction(client, "").await?;
    match stands_between(client, process).await {
        true => Err(Error::Pooler),
        false => Ok(()),
    }
}

/// Whether the session behind `client` is another one than the client was given at the start.
///
/// `backend_pid` is what `pg_backend_pid()` answered on this client.
async fn stands_between(client: &Client, backend_pid: i32) -> bool {
    process_id(client).await.is_some_and(|process_id| process_id != backend_pid)
}

/// The process id of the client's cancel key; `None` when the driver's request has another form than expected.
async fn process_id(client: &Client) -> Option<i32> {
    let mut tape = Tape::default();
    client.cancel_token().cancel_query_raw(&mut tape, KeepStream).await.ok()?;
    // A cancel request: length 16, code 80877102, process id, secret key. With TLS an 8-byte request comes first.
    let request = tape.written.get(tape.written.len().checked_sub(16)?..)?;
    (request.get(4..8)? == 80_877_102_i32.to_be_bytes())
        .then(|| request.get(8..12)?.try_into().ok().map(i32::from_be_bytes))
        .flatten()
}

/// Keeps what is written, and answers the driver's question for TLS with yes.
#[derive(Default)]
struct Tape {
    written: Vec<u8>,
}

impl AsyncRead for Tape {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // Only the answer to an SSLRequest is ever waited for; after the cancel request comes the end.
        if self.written.len() == 8 {
            buffer.put_slice(b"S");
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tape {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.written.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// "TLS" that leaves the stream as it is: nothing leaves this process.
struct KeepStream;

impl<'a> TlsConnect<&'a mut Tape> for KeepStream {
    type Stream = Plain<'a>;
    type Error = io::Error;
    type Future = std::future::Ready<Result<Plain<'a>, io::Error>>;

    fn connect(self, stream: &'a mut Tape) -> Self::Future {
        std::future::ready(Ok(Plain(stream)))
    }
}

struct Plain<'a>(&'a mut Tape);

impl AsyncRead for Plain<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for Plain<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.0).poll_shutdown(context)
    }
}

impl TlsStream for Plain<'_> {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}
