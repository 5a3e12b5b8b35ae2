//! Detects connection poolers.
//!
//! A pooler gives its clients a cancel key of its own, so the process id in it differs from `pg_backend_pid()`. The driver does not
//! expose the key, but writes it to any stream for a cancel request, so here the stream records it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::error::Error;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::Client;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

/// Refuses a connection through a pooler, for tools that rely on locks or settings of their session.
///
/// Session pooling cannot be distinguished from transaction pooling; users have to declare it.
///
/// # Errors
/// [`Error::Pooler`] behind a pooler, [`Error::InTransaction`] in a transaction, and errors of the connection.
pub async fn refuse_pooler(client: &Client) -> Result<(), Error> {
    let process = crate::pin::require_no_transaction(client, "").await?;
    match is_pooled(client, process).await {
        true => Err(Error::Pooler),
        false => Ok(()),
    }
}

/// Whether the server process behind `client` differs from the one that its cancel key names.
///
/// `backend_pid` is the result of `pg_backend_pid()` on this client.
async fn is_pooled(client: &Client, backend_pid: i32) -> bool {
    process_id(client).await.is_some_and(|process_id| process_id != backend_pid)
}

/// The process id of the client's cancel key; `None` if the driver's request has an unexpected form.
async fn process_id(client: &Client) -> Option<i32> {
    let mut tape = Tape::default();
    client.cancel_token().cancel_query_raw(&mut tape, KeepStream).await.ok()?;
    // A cancel request: length 16, code 80877102, process id, secret key. With TLS an 8-byte request comes first.
    let request = tape.written.get(tape.written.len().checked_sub(16)?..)?;
    (request.get(4..8)? == 80_877_102_i32.to_be_bytes())
        .then(|| request.get(8..12)?.try_into().ok().map(i32::from_be_bytes))
        .flatten()
}

/// Records what is written, and accepts the driver's request for TLS.
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
        // The driver only reads the answer to an SSLRequest; after the cancel request it closes the stream.
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

/// "TLS" that leaves the stream as it is: nothing is sent over a network.
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
