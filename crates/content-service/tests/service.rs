//! The service on a real server: every assertion checks a response or the database.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test, also in a helper")]

mod support;

use std::time::Duration;

use content_service::{Config, start};
use refit_devdb::{Server, ServerOptions, StopMode, TestDb};
use serde_json::json;
use support::{Service, answer};

#[tokio::test]
async fn boots_on_an_empty_database_and_answers_health_meanwhile() {
    let service = Service::bound(TestDb::empty().await.unwrap()).await;
    assert_eq!(service.get("/healthz").await.0, 200);
    let (status, body) = service.get("/readyz").await;
    assert_eq!((status, &body["phase"], &body["ready"]), (503, &json!("migrating"), &json!(false)));
    assert_eq!(
        body["plan"]["pending"].as_array().map(Vec::len),
        Some(16),
        "15 migrations and the views; the others wait for the backfill: {body}"
    );
    let (status, body) = service.get("/sites").await;
    assert_eq!((status, &body["error"]["code"]), (503, &json!("not_ready")));

    let report = service.running.migrate().await.unwrap();
    assert_eq!((report.steps.len(), report.held.len()), (16, 6));
    let (status, body) = service.get("/readyz").await;
    assert_eq!((status, &body["phase"], &body["plan"]["pending"]), (200, &json!("serving"), &json!([])));
    assert_eq!(service.get("/sites").await, (200, json!({ "items": [], "next": null })));

    // The service serves before the backfill and the steps that wait for it have run.
    let client = service.db.connect().await.unwrap();
    let mut versions: Vec<i64> = Vec::new();
    for _ in 0..600 {
        let history =
            client.query("SELECT version FROM refinery_schema_history ORDER BY 1", &[]).await.unwrap();
        versions = history.iter().map(|row| row.get(0)).collect();
        if versions.len() == 21 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(versions, (1..=21).collect::<Vec<i64>>());
    service.running.stop().await;
}

#[tokio::test]
async fn readiness_follows_the_schema() {
    let service = Service::new().await;
    let client = service.db.connect().await.unwrap();
    let ready = async || service.get("/readyz").await;
    assert_eq!(ready().await.0, 200);

    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum) \
                 VALUES (99, 'later_release', '2026-01-01T00:00:00Z', '1')";
    client.batch_execute(newer).await.unwrap();
    let (status, body) = ready().await;
    assert_eq!((status, &body["plan"]["ahead"]), (200, &json!([99])), "a newer schema is fine: {body}");

    client.batch_execute("DELETE FROM refinery_schema_history WHERE version IN (12, 99)").await.unwrap();
    let (status, body) = ready().await;
    assert_eq!((status, body["plan"]["pending"].as_array().map(Vec::len)), (503, Some(1)), "{body}");
    service.running.stop().await;
}

#[tokio::test]
async fn versions_are_created_read_and_paged() {
    let service = Service::new().await;
    let post = service.post_on_a_site().await;
    let path = format!("/content/post/{post}/versions");
    for n in 2..=5 {
        let (status, body) =
            service.post(&path, json!({ "body": format!("text {n} 🌍"), "author": "ada" })).await;
        assert_eq!((status, &body["version_number"]), (201, &json!(n)), "{body}");
    }
    let (_, first) = service.get(&format!("{path}/1")).await;
    assert_eq!(
        (&first["title"], &first["body"], &first["author"]),
        (&json!("Hello"), &json!("first"), &json!(null))
    );
    assert_eq!(first["source"], "api");

    let (_, page) = service.get(&format!("{path}?limit=3")).await;
    let numbers = |page: &serde_json::Value| -> Vec<i64> {
        page["items"].as_array().unwrap().iter().map(|v| v["version_number"].as_i64().unwrap()).collect()
    };
    assert_eq!((numbers(&page), &page["next"]), (vec![5, 4, 3], &json!(3)));
    let (_, page) = service.get(&format!("{path}?limit=3&before=3")).await;
    assert_eq!((numbers(&page), &page["next"]), (vec![2, 1], &json!(null)));

    let (_, current) = service.get(&format!("/posts/{post}")).await;
    assert_eq!(
        (&current["title"], &current["body"]),
        (&json!("Hello"), &json!("text 5 🌍")),
        "the newest is current"
    );

    let client = service.db.connect().await.unwrap();
    client.execute("DELETE FROM posts WHERE id = $1", &[&post]).await.unwrap();
    assert_eq!(service.get(&path).await.0, 200, "the history of a deleted post is kept");
    assert_eq!(service.post(&path, json!({ "body": "x" })).await.0, 404);
    service.running.stop().await;
}

#[tokio::test]
async fn twenty_concurrent_versions_are_contiguous() {
    let service = Service::new().await;
    let post = service.post_on_a_site().await;
    let path = format!("/content/post/{post}/versions");
    let tasks: Vec<_> = (0..20).map(|n| service.later(&path, json!({ "body": n.to_string() }))).collect();
    let mut answered = Vec::new();
    for task in tasks {
        let (status, body) = task.await.unwrap();
        assert_eq!(status, 201, "{body}");
        answered.push(body["version_number"].as_i64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, (2..=21).collect::<Vec<i64>>());

    let client = service.db.connect().await.unwrap();
    let sql = "SELECT version_number FROM content_versions WHERE content_type = 'post' AND content_id = $1 ORDER BY 1";
    let rows = client.query(sql, &[&post]).await.unwrap();
    let stored: Vec<i32> = rows.iter().map(|row| row.get(0)).collect();
    assert_eq!(stored, (1..=21).collect::<Vec<i32>>());
    service.running.stop().await;
}

#[tokio::test]
async fn invalid_requests_have_their_status_and_change_nothing() {
    let service = Service::new().await;
    let post = service.post_on_a_site().await;
    let versions = format!("/content/post/{post}/versions");

    for path in
        ["/nowhere", "/posts/999", "/posts/abc", "/content/post/999/versions", "/content/film/1/versions"]
    {
        assert_eq!(service.get(path).await.0, 404, "{path}");
    }
    assert_eq!(service.get(&format!("{versions}/7")).await.0, 404);
    assert_eq!(service.post("/content/page/999/versions", json!({ "body": "x" })).await.0, 404);
    assert_eq!(service.post("/healthz", json!({})).await.0, 405);

    let same_slug = json!({ "site_id": 1, "slug": "hello", "title": "t", "body": "b" });
    let (status, body) = service.post("/posts", same_slug).await;
    assert_eq!((status, &body["error"]["code"]), (409, &json!("conflict")));
    assert_eq!(service.post("/sites", json!({ "domain": "WWW.example.org", "name": "again" })).await.0, 409);
    let second_default = json!({ "domain": "b.example.org", "name": "b", "is_default": true });
    assert_eq!(service.post("/sites", second_default).await.0, 409);

    for (path, body) in [
        ("/posts", json!({ "site_id": 999, "slug": "x", "title": "t", "body": "b" })),
        ("/posts", json!({ "site_id": 1, "slug": "", "title": "t", "body": "b" })),
        ("/posts", json!({ "site_id": 1, "slug": "x" })),
        ("/pages", json!({ "site_id": 1, "path": "no-slash", "title": "t", "body": "b" })),
        ("/sites", json!({ "domain": "https://example.org", "name": "n" })),
        (&versions, json!({ "body": "nul \u{0}" })),
        (&versions, json!({ "body": "b", "source": "telepathy" })),
        (&versions, json!({ "body": "b", "version_number": 9 })),
    ] {
        let (status, answer) = service.post(path, body.clone()).await;
        assert_eq!((status, &answer["error"]["code"]), (422, &json!("invalid")), "{path} {body}: {answer}");
    }
    assert_eq!(service.get(&format!("{versions}?limit=0")).await.0, 422);
    assert_eq!(service.get(&format!("{versions}?limit=x")).await.0, 400);
    assert_eq!(service.post_raw(&versions, "application/json", b"{".to_vec()).await.0, 400);
    assert_eq!(service.post_raw(&versions, "text/plain", b"{}".to_vec()).await.0, 415);
    assert_eq!(service.post_raw(&versions, "application/json", vec![b' '; 3 << 20]).await.0, 413);

    let client = service.db.connect().await.unwrap();
    let sql = "SELECT (SELECT count(*) FROM content_versions), (SELECT count(*) FROM posts), (SELECT count(*) FROM sites)";
    let row = client.query_one(sql, &[]).await.unwrap();
    assert_eq!((row.get::<_, i64>(0), row.get::<_, i64>(1), row.get::<_, i64>(2)), (1, 1, 1));
    service.running.stop().await;
}

#[tokio::test]
async fn pages_have_versions_too() {
    let service = Service::new().await;
    service.post_on_a_site().await;
    let (status, page) = service
        .post("/pages", json!({ "site_id": 1, "path": "/о-нас", "title": "О нас", "body": "…" }))
        .await;
    assert_eq!(status, 201, "{page}");
    let path = format!("/content/page/{}/versions", page["id"]);
    let (status, version) =
        service.post(&path, json!({ "title": "About", "body": "b", "source": "import" })).await;
    assert_eq!((status, &version["version_number"]), (201, &json!(2)), "{version}");
    let (_, page) = service.get(&format!("/pages/{}", page["id"])).await;
    assert_eq!(page["title"], "About");
    assert_eq!(service.get("/pages?limit=1").await.1["items"].as_array().map(Vec::len), Some(1));
    service.running.stop().await;
}

/// `/healthz` stays up and everything else returns 503 at once, until the server is back.
#[tokio::test(flavor = "multi_thread")]
async fn requests_return_503_while_the_database_is_unavailable() {
    let mut server =
        tokio::task::spawn_blocking(|| Server::start(ServerOptions::from_env())).await.unwrap().unwrap();
    let running = start(&Config::for_database(server.url("postgres"))).await.unwrap();
    running.migrate().await.unwrap();
    let status = async |path: &str| {
        let (status, body) = answer(minreq::get(format!("http://{}{path}", running.address()))).await;
        (status, body["error"]["code"].clone())
    };
    assert_eq!(status("/sites").await.0, 200);

    tokio::task::block_in_place(|| server.stop(StopMode::Fast)).unwrap();
    assert_eq!(status("/healthz").await.0, 200);
    assert_eq!(status("/readyz").await.0, 503);
    assert_eq!(status("/sites").await, (503, json!("database_unavailable")));

    tokio::task::block_in_place(|| server.restart()).unwrap();
    assert_eq!(status("/sites").await.0, 200);
    assert_eq!(status("/readyz").await.0, 200);
    running.stop().await;
}

/// A request that waits for a lock when the service stops is still answered.
#[tokio::test]
async fn stopping_lets_open_requests_finish() {
    let service = Service::new().await;
    let post = service.post_on_a_site().await;
    let blocker = service.db.connect().await.unwrap();
    blocker.batch_execute("BEGIN; LOCK TABLE posts IN EXCLUSIVE MODE").await.unwrap();
    let open = service.later(&format!("/content/post/{post}/versions"), json!({ "body": "late" }));
    let watcher = service.db.connect().await.unwrap();
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'posts'::regclass";
    while watcher.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let address = service.running.address();
    let stopping = tokio::spawn(service.running.stop());
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!stopping.is_finished(), "it waits for the open request");
    blocker.batch_execute("COMMIT").await.unwrap();

    let (status, body) = open.await.unwrap();
    assert_eq!((status, &body["version_number"]), (201, &json!(2)));
    stopping.await.unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "the port is closed");
}
