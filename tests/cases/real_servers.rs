//! Boots with real servers, roles and URLs: they succeed, or the error names the cause and a solution that works.

use std::time::Duration;

use refit::{ConnectOptions, Error, Refusal, Rollback, Target};
use refit_devdb::{Listen, Server, ServerOptions, TestDb};

use crate::support::certificates::{Authority, self_signed, tls_server};
use crate::support::pgbouncer::PgBouncer;
use crate::support::{applied, execute, execute_at, exists, migrator, server, until, value, value_at};

const ONE: (&str, &str) = ("V1__posts.sql", "CREATE TABLE posts (id int);\n");
const TWO: (&str, &str) = ("V2__pages.sql", "CREATE TABLE pages (id int);\n");
const THREE: (&str, &str) = ("V3__tags.sql", "CREATE TABLE tags (id int);\n");
const TYPE: &str = "SELECT format_type(atttypid, NULL) FROM pg_attribute \
                    WHERE attrelid = 'refinery_schema_history'::regclass AND attname = 'version'";

/// A role of this database that owns it, and its URL.
async fn owner(db: &TestDb) -> (String, String) {
    let role = format!("owner_of_{}", db.name());
    let sql = format!(
        "CREATE ROLE {role} LOGIN; ALTER DATABASE {} OWNER TO {role}; ALTER SCHEMA public OWNER TO {role}",
        db.name()
    );
    execute(db, &sql).await;
    let url = db.url().replace("//postgres@", &format!("//{role}@"));
    (role, url)
}

/// The error of a failed connection.
async fn refused(url: &str) -> String {
    let options = ConnectOptions { retry_for: Duration::from_millis(300), ..ConnectOptions::default() };
    match migrator(&[ONE]).connect_options(options).run(url).await.unwrap_err() {
        error @ (Error::Connect { .. } | Error::Tls { .. }) => error.message(),
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_history_with_32_bit_versions_is_supported() {
    let db = TestDb::empty().await.unwrap();
    // The table and the checksums as refinery 0.10 writes them without its feature int8-versions.
    execute(
        &db,
        "CREATE TABLE refinery_schema_history (version int4 PRIMARY KEY, name varchar(255), applied_on varchar(255), \
         checksum varchar(255)); CREATE TABLE posts (id int); CREATE TABLE pages (id int); \
         INSERT INTO refinery_schema_history VALUES \
         (1, 'posts', '2024-01-02T03:04:05.678Z', '16494930119493446728'), \
         (2, 'pages', '2024-01-02T03:04:06.789Z', '12483298013492350316')",
    )
    .await;
    let report = migrator(&[ONE, TWO]).run(db.url()).await.unwrap();
    assert_eq!((report.run, report.version), (None, Some(2)));
    migrator(&[ONE, TWO, THREE]).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3");
    assert_eq!(value::<String>(&db, TYPE).await, "integer");
    let edited = [("V1__posts.sql", "CREATE TABLE posts (id bigint);\n"), TWO, THREE];
    let error = migrator(&edited).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("was edited"), "{error}");
    // The column is widened for a version that is too large for it.
    let long = ("V20240102030405__notes.sql", "CREATE TABLE notes (id int);\n");
    migrator(&[ONE, TWO, THREE, long]).run(db.url()).await.unwrap();
    assert_eq!(value::<String>(&db, TYPE).await, "bigint");
    // Migrations that plain refinery has applied can be undone too.
    let downs = [
        ("V2__pages.down.sql", "DROP TABLE pages;"),
        ("V3__tags.down.sql", "DROP TABLE tags;"),
        ("V20240102030405__notes.down.sql", "DROP TABLE notes;"),
    ];
    let files = [&[ONE, TWO, THREE, long][..], &downs[..]].concat();
    let back = Rollback { to: 1, ..Rollback::default() };
    migrator(&files).rollback(db.url(), &back).await.unwrap();
    assert_eq!(applied(&db).await, "1");
    assert!(!exists(&db, "pages").await && exists(&db, "posts").await);
}

#[tokio::test]
async fn renamed_and_renumbered_files_are_distinguished() {
    let db = TestDb::empty().await.unwrap();
    migrator(&[ONE, TWO]).run(db.url()).await.unwrap();
    let refusal = async |files: &[(&str, &str)]| match migrator(files).run(db.url()).await.unwrap_err() {
        Error::Refused(mut refusals) if !refusals.is_empty() => refusals.remove(0),
        other => panic!("{other}"),
    };
    let renamed = ("V2__sites.sql", TWO.1);
    let found = refusal(&[ONE, renamed, THREE]).await;
    assert!(matches!(&found, Refusal::Renamed { version: 2, name, .. } if name == "pages"), "{found:?}");
    assert!(found.to_string().contains("V2__pages.sql") && found.to_string().contains("repair"), "{found}");
    let down = ("V2__sites.down.sql", "DROP TABLE pages;");
    let back = Rollback { to: 1, ..Rollback::default() };
    let error = migrator(&[ONE, renamed, down]).rollback(db.url(), &back).await.unwrap_err();
    assert!(error.message().contains("was renamed") && exists(&db, "pages").await, "{error}");
    // Its version was changed, and the old version is now free, or belongs to another file.
    let moved = ("V3__pages.sql", TWO.1);
    for files in [&[ONE, moved][..], &[ONE, ("V2__sites.sql", THREE.1), moved], &[moved]] {
        let found = refusal(files).await;
        let text = found.to_string();
        match found {
            Refusal::Renumbered { version: 2, .. } => assert!(text.contains("V2__pages.sql"), "{text}"),
            // The set of the last case also lacks V1, which is reported first.
            Refusal::Missing { version: 1, .. } => assert_eq!(files.len(), 1),
            other => panic!("{other:?}"),
        }
    }
    // Another text under another name is an edit; the older binary boots on a database that is ahead.
    assert!(matches!(refusal(&[ONE, ("V2__sites.sql", THREE.1)]).await, Refusal::Changed { version: 2, .. }));
    migrator(&[ONE]).run(db.url()).await.unwrap();
    assert_eq!(applied(&db).await, "1,2");
}

#[tokio::test]
async fn each_hint_for_a_statement_timeout_works() {
    let db = TestDb::empty().await.unwrap();
    let (role, url) = owner(&db).await;
    execute(&db, &format!("ALTER DATABASE {} SET statement_timeout = '300ms'", db.name())).await;
    let slow = "CREATE TABLE t (id int);\nSELECT pg_sleep(0.6);\n";
    let error = migrator(&[("V1__slow.sql", slow)]).run(&url).await.unwrap_err();
    let text = error.message();
    assert_eq!(error.sqlstate(), Some("57014"));
    assert!(text.contains("`SET LOCAL statement_timeout = 0;`") && text.contains("ALTER ROLE"), "{text}");
    assert!(!exists(&db, "t").await);
    let lifted = format!("SET LOCAL statement_timeout = 0;\n{slow}");
    migrator(&[("V1__slow.sql", &lifted)]).run(&url).await.unwrap();

    let outside = "-- refit: transaction = false\nCREATE TABLE u (id int);\nSELECT pg_sleep(0.6);\n";
    let first = ("V1__slow.sql", lifted.as_str());
    let error = migrator(&[first, ("V2__outside.sql", outside)]).run(&url).await.unwrap_err();
    assert!(error.message().contains("`SET statement_timeout = 0;`"), "{error}");
    let lifted = outside.replace("CREATE", "SET statement_timeout = 0;\nCREATE");
    migrator(&[first, ("V2__outside.sql", &lifted)]).run(&url).await.unwrap();
    assert!(exists(&db, "u").await);

    let third = ("V3__slow.sql", "SELECT pg_sleep(0.6);\n");
    let files = [first, ("V2__outside.sql", lifted.as_str()), third];
    migrator(&files).run(&url).await.unwrap_err();
    execute(&db, &format!("ALTER ROLE {role} SET statement_timeout = 0")).await;
    migrator(&files).run(&url).await.unwrap();
    assert_eq!(applied(&db).await, "1,2,3");
}

#[tokio::test]
async fn connection_limits_of_role_and_database_are_named() {
    let db = TestDb::empty().await.unwrap();
    let (role, url) = owner(&db).await;
    execute(&db, &format!("ALTER ROLE {role} CONNECTION LIMIT 1")).await;
    let held = refit::connect(&url, &ConnectOptions::default()).await.unwrap();
    let text = refused(&url).await;
    assert!(text.contains("53300") && text.contains("`ALTER ROLE … CONNECTION LIMIT`"), "{text}");
    let limits =
        format!("ALTER ROLE {role} CONNECTION LIMIT -1; ALTER DATABASE {} CONNECTION LIMIT 1", db.name());
    execute(&db, &limits).await;
    let text = refused(&url).await;
    assert!(text.contains("53300") && text.contains("`ALTER DATABASE … CONNECTION LIMIT`"), "{text}");
    assert!(!exists(&db, "posts").await);
    execute(&db, &format!("ALTER DATABASE {} CONNECTION LIMIT -1", db.name())).await;
    migrator(&[ONE]).run(&url).await.unwrap();
    held.close().await;
    assert!(exists(&db, "posts").await);
}

#[tokio::test]
async fn a_pooler_that_does_not_accept_a_parameter_is_named() {
    let Some(program) = PgBouncer::program() else { return };
    let db = TestDb::empty().await.unwrap();
    let bouncer = PgBouncer::start(program, db.server(), "session").await;
    let url = bouncer.url(db.name());
    let text = refused(&format!("{url}?options=-c%20work_mem%3D8MB")).await;
    assert!(text.contains("ignore_startup_parameters"), "{text}");
    migrator(&[ONE]).session_pooler(true).run(&url).await.unwrap();
    assert!(exists(&db, "posts").await);
    let text = refused(&format!("{}?options=-c%20no.such=1%20-c%20nosuch%3D1", db.url())).await;
    assert!(text.contains("check `options` in the URL"), "{text}");
}

#[tokio::test]
async fn reasons_for_untrusted_certificates_are_distinguished() {
    let signed = self_signed("localhost");
    let server = tls_server(&signed, None).await;
    let url = |host: &str, rest: &str| {
        format!("{}?{rest}", server.url("postgres").replace("@127.0.0.1:", &format!("@{host}:")))
    };
    let other = Authority::new("other");
    let root = |path: &std::path::Path| format!("sslrootcert={}", path.display());
    let wrong = root(&other.root());
    for parameters in ["verify-ca", "verify-full", "require"].map(|mode| format!("sslmode={mode}&{wrong}")) {
        let text = refused(&url("localhost", &parameters)).await;
        assert!(text.contains("self-signed") && text.contains("sslmode=require without"), "{text}");
    }
    let system = refused(&url("localhost", "sslmode=verify-full")).await;
    assert!(
        system.contains("self-signed") || system.contains("no certificate authority is trusted"),
        "{system}"
    );
    // Both solutions work.
    migrator(&[ONE]).run(&url("localhost", "sslmode=require")).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("server.crt");
    std::fs::write(&saved, &signed.certificate).unwrap();
    let saved = root(&saved);
    migrator(&[ONE, TWO]).run(&url("localhost", &format!("sslmode=verify-full&{saved}"))).await.unwrap();
    let text = refused(&url("127.0.0.1", &format!("sslmode=verify-full&{saved}"))).await;
    assert!(text.contains("sslmode=verify-ca, which does not check names"), "{text}");
    migrator(&[ONE, TWO]).run(&url("127.0.0.1", &format!("sslmode=verify-ca&{saved}"))).await.unwrap();
    for version in ["min_protocol_version=TLSv1.3", "max_protocol_version=TLSv1.2"] {
        let url = url("localhost", &format!("sslmode=require&sslsni=0&ssl_{version}"));
        let used =
            value_at::<String>(&url, "SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").await;
        assert!(version.ends_with(&used), "{version} {used}");
    }
    let signed = other.sign("db", &["localhost"]);
    let server = tls_server(&signed, None).await;
    let mine = Authority::new("mine");
    let text = refused(&format!("{}?sslmode=verify-ca&{}", server.url("postgres"), root(&mine.root()))).await;
    assert!(text.contains("no certificate of the authority") && !text.contains("self-signed"), "{text}");
}

#[tokio::test]
async fn psql_commands_are_named() {
    let db = TestDb::empty().await.unwrap();
    let text = "-- Dumped.\n\n\\restrict b7cXq\n\nCREATE TABLE posts (id int);\n\n\\unrestrict b7cXq\n";
    let error = migrator(&[("V1__posts.sql", text)]).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("42601"));
    assert!(error.message().contains("remove both lines"), "{error}");
    assert!(!exists(&db, "posts").await);
    let half = text.replace("\\restrict b7cXq\n", "");
    let error = migrator(&[("V1__posts.sql", &half)]).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("remove both lines"), "{error}");
    let outside = format!("-- refit: transaction = false\n{text}");
    let error = migrator(&[("V1__posts.sql", &outside)]).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("remove both lines"), "{error}");
    let without = half.replace("\\unrestrict b7cXq\n", "");
    let next = ("V2__echo.sql", "SELECT 1 \\gset\nSELECT 2;");
    let error = migrator(&[("V1__posts.sql", &without), next]).run(db.url()).await.unwrap_err();
    assert!(error.message().contains("a command of psql"), "{error}");
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn a_commit_inside_a_block_needs_a_file_outside_a_transaction() {
    let db = TestDb::empty().await.unwrap();
    let text = "DO $$ BEGIN CREATE TABLE posts (id int); COMMIT; INSERT INTO posts VALUES (1); END $$;\n";
    let error = migrator(&[("V1__posts.sql", text)]).run(db.url()).await.unwrap_err();
    assert_eq!(error.sqlstate(), Some("2D000"));
    assert!(error.message().contains("`-- refit: transaction = false`"), "{error}");
    assert!(!exists(&db, "posts").await);
    let outside = format!("-- refit: transaction = false\n{text}");
    migrator(&[("V1__posts.sql", &outside)]).run(db.url()).await.unwrap();
    assert_eq!(value::<i64>(&db, "SELECT count(*) FROM posts").await, 1);
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn urls_of_libpq_connect() {
    let server = server(ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::for_tests() }).await;
    let url = server.url("postgres")
        + "?client_encoding=UTF8&gssencmode=prefer&fallback_application_name=my%20service&keepalives_count=4\
           &target_session_attrs=primary&sslcompression=0&krbsrvname=postgres&replication=false&tcp_user_timeout=5000";
    assert_eq!(value_at::<String>(&url, "SHOW application_name").await, "my service");
    assert_eq!(value_at::<String>(&url, "SHOW client_encoding").await, "UTF8");
    migrator(&[ONE]).run(&url).await.unwrap();
    assert!(value_at::<bool>(&url, "SELECT to_regclass('posts') IS NOT NULL").await);
    let named = url.replace("?client", "?application_name=given&client");
    assert_eq!(value_at::<String>(&named, "SHOW application_name").await, "given");
    for (parameter, says) in [
        ("require_auth=scram-sha-256", "authentication methods cannot be chosen"),
        ("client_encoding=LATIN1", "UTF8"),
        ("target_session_attrs=leader", "prefer-standby"),
        ("ssl_mode=require", "sslmode"),
    ] {
        let error = Target::parse(&format!("{}?{parameter}", server.url("postgres"))).unwrap_err();
        assert!(error.message().contains(says), "{error}");
    }
}

/// The host part of a URL for a server on a Unix socket.
fn socket(server: &Server) -> String {
    format!("{}:{}", server.dir().to_str().unwrap().replace('/', "%2F"), server.port())
}

#[tokio::test]
async fn a_host_with_the_requested_role_is_chosen() {
    let primary = server(ServerOptions::for_tests()).await;
    let (primary, standby) =
        tokio::task::spawn_blocking(move || primary.standby().map(|standby| (primary, standby)).unwrap())
            .await
            .unwrap();
    let ready = async || value_at::<bool>(&standby.url("postgres"), "SELECT pg_is_in_recovery()").await;
    until("the standby accepts connections", ready).await;
    let (one, two) = (socket(&primary), socket(&standby));
    let url = |hosts: &str, attributes: &str| {
        format!("postgres://postgres@{hosts}/postgres?target_session_attrs={attributes}")
    };
    // A primary with a role that is read-only by default is a primary, although read-write would not accept it.
    execute_at(&primary.url("postgres"), "ALTER DATABASE postgres SET default_transaction_read_only = on")
        .await;
    for hosts in [format!("{one},{two}"), format!("{two},{one}")] {
        for (attributes, is_standby) in [("primary", false), ("standby", true), ("prefer-standby", true)] {
            let found = value_at::<bool>(&url(&hosts, attributes), "SELECT pg_is_in_recovery()").await;
            assert_eq!(found, is_standby, "{attributes} among {hosts}");
        }
    }
    assert!(!value_at::<bool>(&url(&one, "prefer-standby"), "SELECT pg_is_in_recovery()").await);
    execute_at(&url(&one, "primary"), "SET transaction_read_only = off; SELECT 1").await;
    let text = refused(&url(&two, "primary")).await;
    assert!(text.contains("the server is a standby") && text.contains("tried"), "{text}");
    let text = refused(&url(&one, "standby")).await;
    assert!(text.contains("the server is a primary"), "{text}");
    let text = refused(&url(&two, "read-write")).await;
    assert!(text.contains("that target_session_attrs requires"), "{text}");
}

/// The time until the kernel's keepalive timer of each connection to a local port fires, in hundredths of a second.
fn keepalive_timers(port: u16) -> Vec<u64> {
    let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!("0100007F:{port:04X}");
    let rows = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let timers = rows.filter(|row| row.len() > 5 && row[2] == remote).map(|row| row[5].to_owned());
    // The kind of the timer, 2 for keepalives, and its time.
    timers
        .filter_map(|timer| timer.strip_prefix("02:").map(|time| u64::from_str_radix(time, 16).unwrap()))
        .collect()
}

#[tokio::test]
async fn connections_have_keepalives_by_default() {
    let server = server(ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::for_tests() }).await;
    let url = server.url("postgres");
    let config = |url: &str| Target::parse(url).unwrap().config().clone();
    let plain = config(&url);
    assert_eq!(plain.get_tcp_user_timeout(), Some(&Duration::from_secs(60)));
    assert_eq!(plain.get_keepalives_interval(), Some(Duration::from_secs(10)));
    assert_eq!((plain.get_keepalives(), plain.get_keepalives_retries()), (true, Some(3)));
    let given =
        config(&format!("{url}?tcp_user_timeout=1500&keepalives_interval=7&keepalives_count=9&keepalives=0"));
    assert_eq!(given.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(given.get_keepalives_interval(), Some(Duration::from_secs(7)));
    assert_eq!((given.get_keepalives(), given.get_keepalives_retries()), (false, Some(9)));
    assert_eq!(config(&format!("{url}?tcp_user_timeout=0")).get_tcp_user_timeout(), None);
    for (parameters, seconds) in
        [("", 30), ("?keepalives_idle=300", 300), ("?target_session_attrs=primary", 30)]
    {
        let client = refit::connect(&format!("{url}{parameters}"), &ConnectOptions::default()).await.unwrap();
        let found = || keepalive_timers(server.port());
        until("the timer is set", async || !found().is_empty()).await;
        let longest = found().into_iter().max().unwrap();
        assert!(longest <= seconds * 100 && longest > (seconds - 10) * 100, "{parameters}: {longest}");
        client.close().await;
        until("the connection is closed", async || found().is_empty()).await;
    }
}
