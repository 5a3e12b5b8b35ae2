//! A running service with its own database, and helpers to call it.

use content_service::{Config, MIGRATIONS, Running, start};
use refit_devdb::TestDb;
use serde_json::{Value, json};

/// A response: status and body.
pub(crate) type Answer = (u16, Value);

/// A running service with a migrated database.
pub(crate) struct Service {
    /// The service.
    pub(crate) running: Running,
    /// Its database.
    pub(crate) db: TestDb,
    base: String,
}

impl Service {
    /// Starts a service on a clone of the migrated template, so that its own migration is a no-op.
    pub(crate) async fn new() -> Service {
        let db = TestDb::new(&MIGRATIONS).await.unwrap();
        let service = Service::bound(db).await;
        service.running.migrate().await.unwrap();
        service
    }

    /// Starts a service that has bound its port but not migrated.
    pub(crate) async fn bound(db: TestDb) -> Service {
        let running = start(&Config::for_database(db.url())).await.unwrap();
        let base = format!("http://{}", running.address());
        Service { running, db, base }
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(minreq::get(format!("{}{path}", self.base))).await
    }

    /// `POST` with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.json(path, &body)).await
    }

    /// `POST` with the given body and content type.
    pub(crate) async fn post_raw(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = minreq::post(format!("{}{path}", self.base)).with_header("content-type", content_type);
        answer(request.with_body(body)).await
    }

    /// Sends a request in a separate task.
    pub(crate) fn later(&self, path: &str, body: Value) -> tokio::task::JoinHandle<Answer> {
        tokio::spawn(answer(self.json(path, &body)))
    }

    fn json(&self, path: &str, body: &Value) -> minreq::Request {
        minreq::post(format!("{}{path}", self.base))
            .with_header("content-type", "application/json")
            .with_body(body.to_string())
    }

    /// Creates a site and a post on it; returns the identifier of the post.
    pub(crate) async fn post_on_a_site(&self) -> i64 {
        let (status, site) =
            self.post("/sites", json!({ "domain": "www.example.org", "name": "Example" })).await;
        assert_eq!(status, 201, "{site}");
        let post = json!({ "site_id": site["id"], "slug": "hello", "title": "Hello", "body": "first" });
        let (status, post) = self.post("/posts", post).await;
        assert_eq!(status, 201, "{post}");
        post["id"].as_i64().unwrap()
    }
}

/// Sends a request and reads the answer, which must be JSON. The client blocks, so it has a thread of its own: the service
/// may run on this one.
pub(crate) async fn answer(request: minreq::Request) -> Answer {
    let response = tokio::task::spawn_blocking(|| request.send()).await.unwrap().unwrap();
    let (status, text) = (response.status_code, response.as_str().unwrap());
    let body = serde_json::from_str(text).unwrap_or_else(|_| panic!("{status} without JSON: {text}"));
    (status, body)
}
