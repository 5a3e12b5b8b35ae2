//! `sslmode` as in libpq: what is encrypted, which certificates are trusted, and what the server reports as used.

use refit::{ConnectOptions, Connection, Error};
use refit_devdb::Server;

use crate::support::certificates::{Authority, allow, self_signed, tls_server};

const USED: &str = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";

/// Connects to the server under a host name, with these parameters.
async fn connect(server: &Server, host: &str, parameters: &str) -> Result<Connection, Error> {
    let url = server.url("postgres").replace("@127.0.0.1:", &format!("@{host}:"));
    refit::connect(&format!("{url}?{parameters}"), &ConnectOptions::default()).await
}

/// Whether the connection is encrypted, according to the server.
async fn encrypted(server: &Server, host: &str, parameters: &str) -> bool {
    let client =
        connect(server, host, parameters).await.unwrap_or_else(|error| panic!("{parameters}: {error}"));
    client.query_one(USED, &[]).await.unwrap().get(0)
}

/// The error, which must be reported without retries.
async fn refused(server: &Server, host: &str, parameters: &str) -> String {
    match connect(server, host, parameters).await {
        Err(Error::Connect { source, attempts: 1, .. }) => source.to_string(),
        Err(error @ Error::Tls { .. }) => error.message().replacen("tls: ", "", 1),
        Err(other) => panic!("{parameters}: {other}"),
        Ok(_) => panic!("{parameters}: connected"),
    }
}

/// Parameters for a mode that verifies certificates, with an authority's root.
fn verify(mode: &str, authority: &Authority) -> String {
    format!("sslmode={mode}&sslrootcert={}", authority.root().display())
}

#[tokio::test]
async fn every_mode_encrypts_as_documented() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let server = tls_server(&authority.sign("db", &["localhost", "127.0.0.1"]), None).await;
    let host = "127.0.0.1";
    for (mode, used) in [("disable", false), ("allow", false), ("prefer", true), ("require", true)] {
        assert_eq!(encrypted(&server, host, &format!("sslmode={mode}")).await, used, "{mode}");
    }
    assert!(encrypted(&server, host, "").await, "prefer is the default");
    for mode in ["require", "verify-ca", "verify-full"] {
        assert!(encrypted(&server, host, &verify(mode, &authority)).await);
        assert!(encrypted(&server, "localhost", &verify(mode, &authority)).await);
        let error = refused(&server, host, &verify(mode, &other)).await;
        assert!(
            error.contains("UnknownIssuer") && error.contains("check sslmode and sslrootcert"),
            "{mode}: {error}"
        );
    }
    // Without a root certificate the system's are used, which do not include this one; a machine may have none.
    let error = refused(&server, host, "sslmode=verify-full").await;
    assert!(
        error.contains("UnknownIssuer") || error.contains("no certificate authority is trusted"),
        "{error}"
    );
    let error = refused(&server, host, "sslmode=verify-ca&sslrootcert=%2Fnowhere.crt").await;
    assert!(error.starts_with("/nowhere.crt cannot be used"), "{error}");
}

#[tokio::test]
async fn a_wrong_host_name_is_refused_by_verify_full_only() {
    let authority = Authority::new("ours");
    let server = tls_server(&authority.sign("127.0.0.1", &["db.example.org"]), None).await;
    assert!(encrypted(&server, "127.0.0.1", &verify("verify-ca", &authority)).await);
    let error = refused(&server, "127.0.0.1", &verify("verify-full", &authority)).await;
    assert!(error.contains("not valid for"), "alternative names replace the common name: {error}");
}

#[tokio::test]
async fn self_signed_and_common_name_certificates_are_accepted() {
    // As in the manual, 19.9.5: made by `openssl req -x509 -subj /CN=…`, copied to the clients as their root.
    let signed = self_signed("localhost");
    let server = tls_server(&signed, None).await;
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root.crt");
    std::fs::write(&root, &signed.certificate).unwrap();
    let parameters = |mode: &str| format!("sslmode={mode}&sslrootcert={}", root.display());
    assert!(encrypted(&server, "localhost", &parameters("verify-full")).await);
    assert!(encrypted(&server, "127.0.0.1", &parameters("verify-ca")).await);
    let error = refused(&server, "127.0.0.1", &parameters("verify-full")).await;
    assert!(error.contains("not valid for"), "{error}");
    // Another certificate with the same name is not trusted.
    std::fs::write(&root, self_signed("localhost").certificate).unwrap();
    refused(&server, "localhost", &parameters("verify-ca")).await;
    // The common name is used if there are no alternative names, also if an authority has signed.
    let authority = Authority::new("ours");
    let server = tls_server(&authority.sign("localhost", &[]), None).await;
    assert!(encrypted(&server, "localhost", &verify("verify-full", &authority)).await);
    refused(&server, "127.0.0.1", &verify("verify-full", &authority)).await;
}

#[tokio::test]
async fn allow_and_prefer_fall_back_as_the_server_requires() {
    let authority = Authority::new("ours");
    let server = tls_server(&authority.sign("localhost", &["localhost"]), None).await;
    let host = "127.0.0.1";
    allow(&server, "hostssl all all 127.0.0.1/32 scram-sha-256").await;
    for mode in ["allow", "prefer", "require"] {
        assert!(encrypted(&server, host, &format!("sslmode={mode}")).await, "{mode}");
    }
    let error = refused(&server, host, "sslmode=disable").await;
    assert!(error.contains("28000") && error.contains("pg_hba.conf"), "{error}");
    allow(&server, "hostnossl all all 127.0.0.1/32 scram-sha-256").await;
    for mode in ["disable", "allow", "prefer"] {
        assert!(!encrypted(&server, host, &format!("sslmode={mode}")).await, "{mode}");
    }
    let error = refused(&server, host, "sslmode=require").await;
    assert!(error.contains("28000"), "{error}");
}

#[tokio::test]
async fn a_client_certificate_is_sent_on_request() {
    let authority = Authority::new("ours");
    let server = tls_server(&authority.sign("localhost", &["localhost"]), Some(&authority)).await;
    allow(&server, "hostssl all all 127.0.0.1/32 cert").await;
    let (certificate, key) = authority.client("postgres");
    let both = format!("sslcert={}&sslkey={}", certificate.display(), key.display());
    let client = connect(&server, "127.0.0.1", &format!("sslmode=require&{both}")).await.unwrap();
    let sql = "SELECT client_dn FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert_eq!(client.query_one(sql, &[]).await.unwrap().get::<_, &str>(0), "/CN=postgres");
    refused(&server, "127.0.0.1", "sslmode=require").await;
    let error =
        refused(&server, "127.0.0.1", &format!("sslmode=require&sslcert={}", certificate.display())).await;
    assert!(error.contains("set both"), "{error}");
    // The certificate of another role is rejected for this one.
    authority.client("another_user");
    let error = refused(&server, "127.0.0.1", &format!("sslmode=require&{both}")).await;
    assert!(error.contains("28000"), "{error}");
}

#[tokio::test]
async fn modes_that_require_tls_reject_a_server_without_it() {
    let options = refit_devdb::ServerOptions {
        listen: refit_devdb::Listen::Loopback(0),
        ..refit_devdb::ServerOptions::for_tests()
    };
    let server = crate::support::server(options).await;
    for mode in ["disable", "allow", "prefer"] {
        assert!(!encrypted(&server, "127.0.0.1", &format!("sslmode={mode}")).await);
    }
    let error = refused(&server, "127.0.0.1", "sslmode=require").await;
    assert!(error.contains("server does not support TLS"), "{error}");
    // On a Unix socket sslmode has no effect, as in libpq.
    let host = server.dir().to_str().unwrap().replace('/', "%2F");
    assert!(!encrypted(&server, &host, "sslmode=verify-full").await);
}
