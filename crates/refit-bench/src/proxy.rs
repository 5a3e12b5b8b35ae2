//! A proxy between a tool and the server that counts round trips, or makes them longer.
//!
//! It uses threads and blocking reads: a timer with a resolution of a millisecond would turn a delay of 5 ms into about 6. The delay
//! applies per direction and does not limit the rate: each byte arrives that much later than it was sent. The time that the threads
//! themselves take can be subtracted from the delay, so that a round trip takes the intended time.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;

/// A running proxy. After drop it accepts no new connections; open ones end with their client.
pub(crate) struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// The state that the threads share. A round trip is counted when a client sends after it has received a response.
#[derive(Default)]
struct Shared {
    answered: AtomicBool,
    trips: AtomicU64,
    stopped: AtomicBool,
    /// The delay of each direction, in nanoseconds.
    delay: AtomicU64,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1 for a server's socket, and holds every byte for `delay` in each direction.
    pub(crate) fn start(socket: &Path, delay: Duration) -> anyhow::Result<Proxy> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).context("cannot listen on 127.0.0.1")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        shared.set_delay(delay);
        let (theirs, socket) = (Arc::clone(&shared), socket.to_owned());
        thread::spawn(move || accept(&listener, &socket, &theirs));
        Ok(Proxy { address, shared })
    }

    /// The URL of a database of the server behind it.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://postgres@{}/{database}?sslmode=disable", self.address)
    }

    /// Subtracts this much from the delay of a round trip.
    pub(crate) fn shorten(&self, by: Duration) {
        self.shared.set_delay(self.shared.delay().saturating_sub(by / 2));
    }

    /// The round trips since the last call.
    pub(crate) fn take_round_trips(&self) -> u64 {
        self.shared.trips.swap(0, Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // Wakes the listener.
        drop(TcpStream::connect(self.address));
    }
}

fn accept(listener: &TcpListener, socket: &PathBuf, shared: &Arc<Shared>) {
    while let Ok((client, _)) = listener.accept() {
        if shared.stopped.load(Ordering::SeqCst) {
            return;
        }
        // If the server cannot be reached, the connection is closed, which the client reports.
        if let Ok(server) = UnixStream::connect(socket) {
            drop(join(client, server, shared));
        }
    }
}

fn join(client: TcpStream, server: UnixStream, shared: &Arc<Shared>) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let (mut from_client, mut from_server) = (client.try_clone()?, server.try_clone()?);
    let (to_client, to_server) = (client, server);
    let (up, down) = (Arc::clone(shared), Arc::clone(shared));
    thread::spawn(move || {
        pump(&mut from_client, to_server.try_clone(), &up, Shared::client_sent);
        let _ = to_server.shutdown(Shutdown::Write);
    });
    thread::spawn(move || {
        pump(&mut from_server, to_client.try_clone(), &down, Shared::server_sent);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    Ok(())
}

impl Shared {
    fn client_sent(&self, bytes: &[u8]) {
        // A client does not wait for a response to Close or Terminate.
        if !is_farewell(bytes) && self.answered.swap(false, Ordering::SeqCst) {
            self.trips.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn server_sent(&self, _: &[u8]) {
        self.answered.store(true, Ordering::SeqCst);
    }

    fn delay(&self) -> Duration {
        Duration::from_nanos(self.delay.load(Ordering::Relaxed))
    }

    fn set_delay(&self, delay: Duration) {
        self.delay.store(u64::try_from(delay.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

/// Whether it contains only Close, Sync and Terminate messages.
fn is_farewell(mut bytes: &[u8]) -> bool {
    let mut closes = false;
    while let [kind, a, b, c, d, ..] = bytes {
        if !matches!(kind, b'C' | b'S' | b'X') {
            return false;
        }
        closes |= *kind != b'S';
        let length = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
        bytes = bytes.get(1 + length..).unwrap_or_default();
    }
    closes
}

/// Copies bytes until the end of `from`, each after the delay. `seen` is called when they arrive.
fn pump<W: Write + Send + 'static>(
    from: &mut impl Read,
    to: std::io::Result<W>,
    shared: &Shared,
    seen: impl Fn(&Shared, &[u8]),
) {
    let Ok(mut to) = to else { return };
    let (later, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    let writer = thread::spawn(move || {
        for (at, bytes) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                return;
            }
        }
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..length];
        seen(shared, bytes);
        if later.send((Instant::now() + shared.delay(), bytes.to_vec())).is_err() {
            break;
        }
    }
    drop(later);
    let _ = writer.join();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_trip_is_counted_when_a_client_sends_after_a_response() {
        let count = Shared::default();
        let query = b"Q\0\0\0\x0dSELECT 1\0";
        count.client_sent(query);
        assert_eq!(count.trips.load(Ordering::SeqCst), 0, "no response yet");
        count.answered.store(true, Ordering::SeqCst);
        count.client_sent(b"C\0\0\0\x07Ss1\0S\0\0\0\x04");
        count.client_sent(query);
        count.client_sent(query);
        assert_eq!(count.trips.load(Ordering::SeqCst), 1, "a Close and a pipelined query do not count");
    }

    #[test]
    fn only_messages_without_a_wait_are_farewells() {
        assert!(is_farewell(b"X\0\0\0\x04"));
        assert!(!is_farewell(b"S\0\0\0\x04"), "the client waits for a Sync without a Close");
        assert!(!is_farewell(b"C\0\0\0\x06S\0S\0\0\0\x04Q\0\0\0\x05\0"));
        assert!(!is_farewell(b""));
    }
}
