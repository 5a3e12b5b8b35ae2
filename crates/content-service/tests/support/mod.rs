//! A running service with its own database, and helpers to call it.

use content_service::{Config, MIGRATIONS, Running, start};
use refit_devdb::TestDb;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};

/// A response: status and body.
pub(crate) type Answer = (StatusCode, Value);

/// A running service with a migrated database.
pub(crate) struct Service {
    /// The service.
    pub(crate) running: Running,
    /// Its database.
    pub(crate) db: TestDb,
    base: String,
    client: Client,
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
        Service { running, db, base, client: Client::new() }
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.client.get(format!("{}{path}", self.base))).await
    }

    /// `POST` with a JSON body.
    pub(crate) async fn post(&self, path: &str, body: Value) -> Answer {
        answer(self.client.post(format!("{}{path}", self.base)).json(&body)).await
    }

    /// `POST` with the given body and content type.
    pub(crate) async fn post_raw(&self, path: &str, content_type: &str, body: Vec<u8>) -> Answer {
        let request = self.client.post(format!("{}{path}", self.base)).header("content-type", content_type);
        answer(request.body(body)).await
    }

    /// Sends a request in a separate task.
    pub(crate) fn later(&self, path: &str, body: Value) -> tokio::task::JoinHandle<Answer> {
        let request = self.client.post(format!("{}{path}", self.base)).json(&body);
        tokio::spawn(answer(request))
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

async fn answer(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, text) = (response.status(), response.text().await.unwrap());
    (status, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{status} without JSON: {text}")))
}
