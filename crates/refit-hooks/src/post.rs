//! A hook that is a web address. The message is posted to it, signed, and again if the server cannot take it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use http_body_util::Full;
use hyper::header::{CONTENT_TYPE, USER_AGENT};
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connect, HttpConnector};
use hyper_util::rt::TokioExecutor;
use refit_model::wording::elapsed;
use sha2::Sha256;

/// How often a message is sent at most.
const ATTEMPTS: usize = 4;

pub(crate) struct Address {
    uri: Uri,
    secret: Option<String>,
}

/// Without the secret, and without the path, which may contain one.
impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("host", &self.uri.host()).finish_non_exhaustive()
    }
}

/// A failed attempt.
struct Failed {
    reason: String,
    /// Whether another attempt may succeed.
    is_transient: bool,
}

impl Address {
    pub(crate) fn new(url: &str, secret: Option<String>) -> Result<Address, String> {
        // The error would not say which part is wrong, and the address may contain a secret.
        let uri: Uri = url.parse().map_err(|_| "the `url` of a hook is not a valid address".to_owned())?;
        match (uri.scheme_str(), uri.host()) {
            (Some("http" | "https"), Some(_)) => Ok(Address { uri, secret }),
            _ => Err("the `url` of a hook must begin with https:// or http://, and name a host".to_owned()),
        }
    }

    /// Scheme, host and port.
    pub(crate) fn shown(&self) -> String {
        let port = self.uri.port().map_or(String::new(), |port| format!(":{port}"));
        format!(
            "{}://{}{port}",
            self.uri.scheme_str().unwrap_or_default(),
            self.uri.host().unwrap_or_default()
        )
    }

    /// Posts the message, with pauses between attempts, until the limit.
    pub(crate) async fn post(&self, body: String, limit: Duration) -> Result<(), String> {
        let body = Bytes::from(body);
        let pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(200))
            .with_max_delay(Duration::from_secs(5))
            .with_jitter()
            .with_max_times(ATTEMPTS - 1);
        let attempts =
            (|| self.attempt(body.clone())).retry(pauses).when(|failed: &Failed| failed.is_transient);
        match tokio::time::timeout(limit, attempts).await {
            Ok(outcome) => outcome.map_err(|failed| failed.reason),
            Err(_) => Err(format!("did not succeed within its limit of {}", elapsed(limit))),
        }
    }

    async fn attempt(&self, body: Bytes) -> Result<(), Failed> {
        let transient = |reason: String| Failed { reason, is_transient: true };
        let request = self.request(body)?;
        let sent = match self.uri.scheme_str() {
            Some("https") => {
                let connector = HttpsConnectorBuilder::new()
                    .with_provider_and_native_roots(rustls::crypto::ring::default_provider())
                    .map_err(|error| Failed {
                        reason: format!("cannot read the certificates of this system: {error}"),
                        is_transient: false,
                    })?;
                client(connector.https_only().enable_http1().build()).request(request).await
            }
            _ => client(HttpConnector::new()).request(request).await,
        };
        let response =
            sent.map_err(|error| transient(format!("cannot be reached: {}", with_causes(&error))))?;
        let status = response.status();
        match status {
            _ if status.is_success() => Ok(()),
            _ if status.is_redirection() => Err(Failed {
                reason: format!("was redirected ({status}), which is not followed; give the final address"),
                is_transient: false,
            }),
            _ if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(transient(format!("answered {status}, also when it was tried again")))
            }
            _ => Err(Failed { reason: format!("answered {status}"), is_transient: false }),
        }
    }

    fn request(&self, body: Bytes) -> Result<Request<Full<Bytes>>, Failed> {
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(self.uri.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("refit/", env!("CARGO_PKG_VERSION")));
        if let Some(secret) = &self.secret {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            request = request
                .header("refit-timestamp", now)
                .header("refit-signature", format!("sha256={}", signature(secret, now, &body)));
        }
        request
            .body(Full::new(body))
            .map_err(|error| Failed { reason: format!("cannot be called: {error}"), is_transient: false })
    }
}

fn client<C: Connect + Clone>(connector: C) -> Client<C, Full<Bytes>> {
    Client::builder(TokioExecutor::new()).build(connector)
}

/// HMAC-SHA256 of the timestamp, a point and the body, in hexadecimal digits.
fn signature(secret: &str, timestamp: u64, body: &[u8]) -> String {
    // HMAC takes keys of any length.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else { return String::new() };
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body);
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An error with its causes, each once.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let message = error.to_string();
        if !text.contains(&message) {
            text.push_str(": ");
            text.push_str(&message);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed with `openssl dgst -sha256 -hmac`.
    #[test]
    fn the_signature_is_hmac_sha256_of_timestamp_and_body() {
        assert_eq!(
            signature("key", 1, b"{}"),
            "1ba6b8171186efc613e8bcc0cbdab2748f24984d7c5a84faa2637afa0e40d224"
        );
    }

    #[test]
    fn an_address_names_a_host_and_is_shown_without_its_path() {
        let address = Address::new("https://hooks.example.com:8443/services/T0/secret?x=1", None).unwrap();
        assert_eq!(address.shown(), "https://hooks.example.com:8443");
        assert!(!format!("{address:?}").contains("secret"));
        for url in ["", "example.com/x", "ftp://example.com", "https://", "/path"] {
            assert!(Address::new(url, None).is_err(), "{url}");
        }
    }
}
