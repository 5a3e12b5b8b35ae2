//! Every line of a `changes.txt` is noticed and names what it changed, no line of a `neutral.txt` is noticed; and where pg_dump
//! can look, it agrees, but for what is listed here.

use std::path::Path;

use refit_catalog::{Catalog, Delta};

use crate::support::{Case, based, cases, conformance, own, pg_dump, read, run, version};

/// Changes that `pg_dump -s` does not show, and why.
const DUMP_IS_BLIND: [(&str, &str); 9] = [
    ("constraint/fk-triggers-off", "it knows triggers of users only"),
    ("database/setting", "shown by pg_dump -C only"),
    ("database/role-setting", "shown by pg_dump -C only"),
    ("database/comment", "shown by pg_dump -C only"),
    ("database/grant", "shown by pg_dump -C only"),
    ("database/limit", "shown by pg_dump -C only"),
    ("range/multirange-comment", "it writes nothing of multirange types"),
    ("extension/own-comment", "it writes nothing of what initdb made"),
    ("matview/unpopulated", "without data, it writes every materialized view WITH NO DATA"),
];

/// Neutral lines that `pg_dump -s` shows nevertheless, and why.
const DUMP_IS_NERVOUS: [(&str, &str); 1] = [("refit/own-schema", "Refit's own tables are left out here")];

#[tokio::test(flavor = "multi_thread")]
async fn every_given_change_is_noticed() {
    if let Some(folder) = conformance() {
        changes(&folder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_further_change_is_noticed() {
    changes(&own()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_given_neutral_change_is_noticed() {
    if let Some(folder) = conformance() {
        neutral(&folder).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_further_neutral_change_is_noticed() {
    neutral(&own()).await;
}

async fn changes(folder: &Path) {
    let base = Base::of(folder).await;
    let mut complaints = Vec::new();
    for case in cases(&folder.join("changes.txt")) {
        let Some((after, dump)) = base.after(&case, &mut complaints).await else { continue };
        let delta = Delta::between(&base.catalog, &after);
        let text = delta.text();
        if delta.is_empty() {
            complaints.push(format!("{}: not noticed", case.name));
        } else if !names_its_object(&delta, &case) {
            complaints.push(format!("{}: names another object:\n{text}", case.name));
        }
        if after.text() == base.catalog.text() {
            complaints.push(format!("{}: in the model, not in the text", case.name));
        }
        let blind = DUMP_IS_BLIND.iter().any(|(name, _)| *name == case.name);
        if let (Some(before), Some(after)) = (&base.dump, dump)
            && (*before == after) != blind
        {
            complaints.push(format!("{}: pg_dump equal: {}, listed: {blind}", case.name, *before == after));
        }
        if std::env::var("SHOW").is_ok() {
            println!("== {} | {}\n{text}", case.name, case.sql);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

async fn neutral(folder: &Path) {
    let base = Base::of(folder).await;
    let mut complaints = Vec::new();
    for case in cases(&folder.join("neutral.txt")) {
        let Some((after, dump)) = base.after(&case, &mut complaints).await else { continue };
        let delta = Delta::between(&base.catalog, &after);
        if !delta.is_empty() || after.digest() != base.catalog.digest() || after.text() != base.catalog.text()
        {
            complaints.push(format!("{}: noticed:\n{}", case.name, delta.text()));
        }
        let nervous = DUMP_IS_NERVOUS.iter().any(|(name, _)| *name == case.name);
        if let (Some(before), Some(after)) = (&base.dump, dump)
            && (*before != after) != nervous
        {
            complaints.push(format!("{}: pg_dump equal: {}, listed: {nervous}", case.name, *before == after));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// The state that every case starts from.
struct Base<'a> {
    folder: &'a Path,
    version: u32,
    catalog: Catalog,
    dump: Option<String>,
}

impl Base<'_> {
    async fn of(folder: &Path) -> Base<'_> {
        let db = based(folder).await;
        let version = version(&db).await;
        let dump = pg_dump(&db, version, &["-s"]);
        if dump.is_none() {
            eprintln!("no pg_dump that reads PostgreSQL {version}: not compared with it");
        }
        Base { folder, version, catalog: read(&db).await, dump }
    }

    /// Catalog and dump after a case, on a copy of its own.
    async fn after(&self, case: &Case, complaints: &mut Vec<String>) -> Option<(Catalog, Option<String>)> {
        if case.since > self.version {
            return None;
        }
        let db = based(self.folder).await;
        if let Err(message) = run(&db, &case.sql).await {
            // What newer versions brought, in files that do not say so.
            if self.version >= 15 {
                complaints.push(format!("{}: does not run: {message}", case.name));
            } else {
                eprintln!("skipped on PostgreSQL {}: {}: {message}", self.version, case.name);
            }
            return None;
        }
        let dump = self.dump.as_ref().and_then(|_| pg_dump(&db, self.version, &["-s"]));
        Some((read(&db).await, dump))
    }
}

/// Whether a difference is about something that the change names: the object itself, without its schema.
fn names_its_object(delta: &Delta, case: &Case) -> bool {
    fn words(text: &str) -> Vec<&str> {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).filter(|word| !word.is_empty()).collect()
    }
    let given = words(&case.sql);
    delta.changes.iter().any(|change| {
        let tail = |name: &'_ str| {
            let name = name.split('(').next().unwrap_or_default();
            name.rsplit('.').next().map(str::to_owned).unwrap_or_default()
        };
        let own = tail(&change.name);
        let names = [own.clone(), tail(change.of.as_deref().unwrap_or_default())];
        let is_given = |name: &String| words(name).iter().any(|word| given.contains(word));
        let operator = change.kind == "operator" && case.sql.contains(own.trim());
        let cast = own.is_empty() && words(&change.name).iter().any(|word| given.contains(word));
        let value = change.to.as_ref().and_then(|value| value.as_str()).map(tail).unwrap_or_default();
        names.iter().any(is_given) || is_given(&value) || operator || cast || change.kind == "database"
    })
}
