//! The hooks of `refit.toml`: programs and web addresses that are notified of runs.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use refit::{Error, Migrator, Report};
use refit_devdb::TestDb;
use refit_hooks::ConfiguredHooks;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use test_support::{set, until, value};

const ONE: (&str, &str) = ("V1__a.sql", "CREATE TABLE a (id int);");

fn migrator(files: &[(&str, &str)]) -> Migrator {
    Migrator::new(set(files))
}

/// The versions in the history, as text.
async fn applied(db: &TestDb) -> String {
    let sql =
        "SELECT coalesce(string_agg(version::text, ',' ORDER BY version), '') FROM refinery_schema_history";
    value(db, sql).await
}

/// A migrator with the hooks of the set's `refit.toml`.
fn hooked(files: &[(&str, &str)]) -> (Migrator, ConfiguredHooks) {
    let migrator = migrator(files).release("7.1");
    let hooks = ConfiguredHooks::from_env(migrator.set().unwrap()).unwrap().unwrap();
    (migrator.hook(hooks.clone()), hooks)
}

/// A program that appends its input to a file.
fn append(on: &str, to: &Path, more: &str) -> String {
    let command = format!("cat >> {0}; echo >> {0}", to.display());
    format!("[[hook]]\non = [{on}]\ncommand = [\"sh\", \"-c\", \"{command}\"]\n{more}\n")
}

fn messages(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn events(file: &Path) -> Vec<String> {
    messages(file).iter().map(|message| message["event"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_program_receives_each_event_on_standard_input() {
    let db = TestDb::empty().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let toml = append("\"start\", \"success\", \"failure\", \"gate\"", &log, "");
    let held = ("V2__held.sql", "-- refit: manual = true\nSELECT 1;");
    let (migrator, hooks) = hooked(&[ONE, held, ("refit.toml", &toml)]);
    let report = migrator.run(db.url()).await.unwrap();
    assert_eq!(
        (events(&log), report.warnings.len()),
        (vec!["start".into(), "success".into(), "gate".into()], 0)
    );
    let received = messages(&log);
    assert_eq!(
        (&received[0]["pending"][0], &received[0]["environment"]),
        (&"V1__a".into(), &"production".into())
    );
    assert_eq!((received[0]["run"].as_i64(), &received[1]["release"]), (report.run, &"7.1".into()));
    assert_eq!(received[1]["steps"][0]["stem"], "V1__a");
    assert!(received[2]["held"][0]["reason"].as_str().unwrap().contains("--include"), "{}", received[2]);
    // A run with nothing to do is no event.
    migrator.run(db.url()).await.unwrap();
    assert_eq!(events(&log).len(), 3);

    let bad = ("V3__bad.sql", "SELECT nothing_here;");
    let (migrator, _) = hooked(&[ONE, held, bad, ("refit.toml", &toml)]);
    migrator.run(db.url()).await.unwrap_err();
    assert_eq!(events(&log)[3..], ["start", "failure"]);
    assert!(messages(&log)[4]["error"].as_str().unwrap().contains("nothing_here"));
    assert!(hooks.take_warnings().is_empty());
}

#[tokio::test]
async fn a_required_hook_that_fails_stops_the_run_before_its_first_step() {
    let db = TestDb::empty().await.unwrap();
    let toml = "[[hook]]\non = [\"start\"]\ncommand = [\"sh\", \"-c\", \"echo no deploys today >&2; exit 3\"]\nrequired = true\n";
    let (migrator, _) = hooked(&[ONE, ("refit.toml", toml)]);
    let error = migrator.run(db.url()).await.unwrap_err();
    assert!(matches!(error, Error::Hook { .. }), "{error}");
    let text = error.message();
    assert!(text.contains("no deploys today") && text.contains("exit status: 3"), "{text}");
    assert_eq!(applied(&db).await, "");
    let outcome: String = value(&db, "SELECT outcome || ' ' || error FROM refit.run").await;
    assert!(outcome.starts_with("failed") && outcome.contains("no deploys today"), "{outcome}");
    // Not required, it is a warning.
    let toml = toml.replace("required = true", "");
    let (migrator, _) = hooked(&[ONE, ("refit.toml", &toml)]);
    let report = migrator.run(db.url()).await.unwrap();
    assert!(report.warnings[0].contains("no deploys today"), "{report}");
    assert_eq!(applied(&db).await, "1");
}

#[tokio::test]
async fn a_required_hook_that_fails_afterwards_makes_the_run_fail() {
    let db = TestDb::empty().await.unwrap();
    let toml = "[[hook]]\non = [\"success\"]\ncommand = [\"false\"]\nrequired = true\n";
    let (migrator, _) = hooked(&[ONE, ("refit.toml", toml)]);
    let error = migrator.run(db.url()).await.unwrap_err();
    assert!(error.message().contains("after the run"), "{}", error.message());
    assert_eq!(applied(&db).await, "1");
    assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.run").await, "failed");
    assert_eq!(value::<String>(&db, "SELECT outcome FROM refit.step").await, "succeeded");
}

#[tokio::test]
async fn a_program_that_hangs_is_ended_with_what_it_started() {
    let db = TestDb::empty().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    // It ignores SIGTERM and its input, and starts another process.
    let command = format!("trap '' TERM; sleep 600 & echo $! > {}; wait", pid.display());
    let toml = format!(
        "[[hook]]\non = [\"success\"]\ncommand = [\"sh\", \"-c\", \"{command}\"]\ntimeout = \"500ms\"\n\
         [[hook]]\non = [\"start\"]\ncommand = [\"/no/such/program\"]\n"
    );
    let (migrator, _) = hooked(&[ONE, ("refit.toml", &toml)]);
    let began = Instant::now();
    let report = migrator.run(db.url()).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(30));
    let warnings = report.warnings.join("\n");
    assert!(warnings.contains("was ended at its limit of 500.0 ms"), "{warnings}");
    assert!(warnings.contains("/no/such/program (start) cannot be started"), "{warnings}");
    let pid = std::fs::read_to_string(&pid).unwrap();
    let process = format!("/proc/{}/stat", pid.trim());
    let is_gone = || match std::fs::read_to_string(&process) {
        Ok(stat) => stat.contains(") Z "),
        Err(_) => true,
    };
    until("the process to end", async || is_gone()).await;
}

#[tokio::test]
async fn a_late_step_is_reported_while_it_runs() {
    let db = TestDb::empty().await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let toml = append("\"late\"", &log, "");
    let files = [
        ("V1__quick.sql", "SELECT 1;"),
        ("V1__quick.md", "# Quick\n\nExpected duration: 1h\n"),
        ("V2__slow.sql", "SELECT pg_sleep(1.5);"),
        ("V2__slow.md", "# Slow\n\nExpected duration: 100ms\n"),
        ("V3__other.sql", "SELECT pg_sleep(0.3);"),
        ("refit.toml", &toml),
    ];
    let (migrator, _) = hooked(&files);
    let seen = Arc::new(Mutex::new(0));
    let (count, at) = (seen.clone(), log.clone());
    let migrator = migrator.observe(move |event| {
        if let refit::Event::StepApplied { report } = event
            && report.stem == "V2__slow"
        {
            *count.lock().unwrap() = messages(&at).len();
        }
    });
    migrator.run(db.url()).await.unwrap();
    let received = messages(&log);
    assert_eq!((received.len(), *seen.lock().unwrap()), (1, 1), "{received:?}");
    assert_eq!(received[0]["late"]["stem"], "V2__slow");
    assert_eq!(received[0]["late"]["expected_seconds"], 0.1);
}

/// A web server that answers each request with the next of some responses, and keeps the requests.
async fn serve(responses: &'static [&'static str]) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hooks/secret-path", listener.local_addr().unwrap());
    let requests = Arc::new(Mutex::new(Vec::new()));
    let kept = requests.clone();
    tokio::spawn(async move {
        for response in responses {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
            loop {
                let count = stream.read(&mut buffer).await.unwrap();
                request.extend_from_slice(&buffer[..count]);
                if count == 0 || request.ends_with(b"}") {
                    break;
                }
            }
            kept.lock().unwrap().push(String::from_utf8(request).unwrap());
            stream.write_all(response.as_bytes()).await.unwrap();
        }
        // Further requests are accepted and not answered.
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            kept.lock().unwrap().push("not answered".to_owned());
            std::mem::forget(stream);
        }
    });
    (url, requests)
}

const OK: &str = "HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
const BUSY: &str = "HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const MOVED: &str = "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:1/\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
const GONE: &str = "HTTP/1.1 404 Not Found\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";

async fn posted(url: &str, more: &str) -> Report {
    let db = TestDb::empty().await.unwrap();
    let toml = format!("[[hook]]\non = [\"success\"]\nurl = \"{url}\"\n{more}\n");
    let (migrator, _) = hooked(&[ONE, ("refit.toml", &toml)]);
    migrator.run(db.url()).await.unwrap()
}

#[tokio::test]
async fn a_message_is_posted_signed_and_again_if_the_server_is_busy() {
    let (url, requests) = serve(&[BUSY, BUSY, OK]).await;
    // Cargo sets it for every test.
    let secret = std::env::var("CARGO_PKG_NAME").unwrap();
    let report = posted(&url, "secret_env = \"CARGO_PKG_NAME\"").await;
    assert_eq!(report.warnings, [""; 0]);
    let requests = requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 3);
    let (head, body) = requests[2].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hooks/secret-path HTTP/1.1"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(body).unwrap()["event"], "success");
    let header = |name: &str| {
        let line = head.lines().find_map(|line| line.strip_prefix(&format!("{name}: ")));
        line.unwrap_or_else(|| panic!("no {name}: {head}")).to_owned()
    };
    assert_eq!(header("content-type"), "application/json");
    // As a receiver checks it.
    let signed = format!("{}.{body}", header("refit-timestamp"));
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), signed).unwrap();
    let ran = std::process::Command::new("openssl")
        .args(["dgst", "-sha256", "-hmac", &secret])
        .arg(file.path())
        .output();
    if let Ok(ran) = ran {
        let digest = String::from_utf8(ran.stdout).unwrap();
        let digest = digest.trim().rsplit(' ').next().unwrap();
        assert_eq!(header("refit-signature"), format!("sha256={digest}"));
    }
}

#[tokio::test]
async fn redirects_are_not_followed_and_refusals_not_repeated() {
    for (responses, part) in
        [(&[MOVED], "was redirected (307"), (&[GONE], "answered 404")] as [(&'static [&'static str], &str); 2]
    {
        let (url, requests) = serve(responses).await;
        let report = posted(&url, "").await;
        assert!(report.warnings[0].contains(part), "{report}");
        // An address may contain a secret.
        assert!(!report.warnings[0].contains("secret-path"), "{report}");
        assert_eq!(requests.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_is_given_up_at_the_limit() {
    let (url, requests) = serve(&[]).await;
    let began = Instant::now();
    let report = posted(&url, "timeout = \"300ms\"").await;
    assert!(began.elapsed() < Duration::from_secs(30));
    assert!(report.warnings[0].contains("did not succeed within its limit of 300.0 ms"), "{report}");
    assert_eq!(requests.lock().unwrap().len(), 1);
    let report = posted("http://127.0.0.1:1/x", "timeout = \"5s\"").await;
    assert!(report.warnings[0].contains("cannot be reached"), "{report}");
}

#[test]
fn a_missing_secret_is_an_error_that_names_the_variable() {
    let toml =
        "[[hook]]\non = [\"start\"]\nurl = \"https://example.com/x\"\nsecret_env = \"REFIT_TEST_NOT_SET\"\n";
    let migrator = migrator(&[ONE, ("refit.toml", toml)]);
    let error = ConfiguredHooks::from_env(migrator.set().unwrap()).unwrap_err().to_string();
    assert!(error.contains("hook 1") && error.contains("REFIT_TEST_NOT_SET"), "{error}");
    let none = Migrator::new(set(&[ONE]));
    assert!(ConfiguredHooks::from_env(none.set().unwrap()).unwrap().is_none());
}
