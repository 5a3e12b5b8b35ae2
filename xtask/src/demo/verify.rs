//! Checks of the database after the demo. Each has a name and reports what was expected and found.

use refit_model::MigrationSet;
use refit_model::wording::grouped;
use tokio_postgres::Client;

use super::load::Loaded;
use super::replica::Life;
use super::report::Figures;

/// The expected values.
pub(crate) struct Facts<'a> {
    pub(crate) set: &'a MigrationSet,
    pub(crate) loaded: &'a Loaded,
    pub(crate) traffic: &'a [Figures; 3],
    pub(crate) calls: &'a [Figures],
    pub(crate) exits: &'a [Life],
}

/// The result of one check.
#[derive(Clone, Debug, serde::Serialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) passed: bool,
    pub(crate) detail: String,
}

/// Runs every check.
pub(crate) async fn verify(client: &Client, facts: Facts<'_>) -> anyhow::Result<Vec<Check>> {
    let mut checks = vec![history(client, facts.set).await?];
    checks.push(migration_checks(client, facts.set).await?);
    checks.extend(rows(client, &facts).await?);
    checks.push(indexes(client).await?);
    checks.push(no_request_failed(&facts));
    checks.push(replicas_stopped(facts.exits));
    Ok(checks)
}

/// Checks that the history contains exactly the migrations of the set, each once.
async fn history(client: &Client, set: &MigrationSet) -> anyhow::Result<Check> {
    let sql = "SELECT version::bigint FROM refinery_schema_history ORDER BY version";
    let rows = client.query(sql, &[]).await?;
    let found: Vec<i64> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
    let expected: Vec<i64> = set.migrations().iter().map(|migration| migration.version).collect();
    Ok(Check {
        name: "each migration once in the history".to_owned(),
        passed: found == expected,
        detail: match found == expected {
            true => format!("{} of {}", found.len(), expected.len()),
            false => format!("expected {expected:?}, found {found:?}"),
        },
    })
}

/// Runs the checks of all migrations.
async fn migration_checks(client: &Client, set: &MigrationSet) -> anyhow::Result<Check> {
    let migrator = refit::Migrator::new(set.clone());
    let results = migrator.check(client, &refit::CheckSelection::default()).await?;
    let failed = results.iter().filter(|result| result.verdict != refit::Verdict::Passed);
    let failed: Vec<_> = failed.map(|result| format!("{}: {} rows", result.path, result.rows)).collect();
    Ok(Check {
        name: "the checks of all migrations find nothing".to_owned(),
        passed: failed.is_empty() && results.len() >= set.migrations().len(),
        detail: if failed.is_empty() { format!("{} checks", results.len()) } else { failed.join(", ") },
    })
}

/// Checks that no row is missing or duplicated, and that each has the right site and source.
async fn rows(client: &Client, facts: &Facts<'_>) -> anyhow::Result<Vec<Check>> {
    let row = client
        .query_one(
            "SELECT count(*), count(*) FILTER (WHERE source = 'api'),
                    count(*) FILTER (WHERE site_id IS DISTINCT FROM coalesce(
                        CASE content_type WHEN 'post' THEN (SELECT p.site_id FROM posts p WHERE p.id = content_id)
                                          ELSE (SELECT g.site_id FROM pages g WHERE g.id = content_id) END,
                        (SELECT s.id FROM sites s ORDER BY s.is_default DESC, s.id LIMIT 1))),
                    count(*) FILTER (WHERE author = 'old release' AND source IS DISTINCT FROM 'editor'
                                     AND id > (SELECT min(id) FROM content_versions WHERE source = 'editor')),
                    (SELECT count(*) FROM report_orphaned_versions)
             FROM content_versions",
            &[],
        )
        .await?;
    let written: u64 = facts.traffic.iter().map(|figures| figures.writes).sum();
    let called: u64 = facts.calls.iter().map(|figures| figures.writes).sum();
    Ok(vec![
        equal(
            "no version lost, none twice",
            facts.loaded.counts.versions + written + called,
            row.try_get(0)?,
        ),
        equal("every call is recorded with its source", called, row.try_get(1)?),
        equal("versions that missed the default of the new column", 0, row.try_get(3)?),
        equal("versions without the site of their content", 0, row.try_get(2)?),
        equal("versions of deleted content are kept", facts.loaded.counts.orphans, row.try_get(4)?),
    ])
}

async fn indexes(client: &Client) -> anyhow::Result<Check> {
    let sql = "SELECT count(*) FROM pg_catalog.pg_index WHERE NOT indisvalid";
    Ok(equal("no index is invalid", 0, client.query_one(sql, &[]).await?.try_get(0)?))
}

fn no_request_failed(facts: &Facts<'_>) -> Check {
    let all = || facts.traffic.iter().chain(facts.calls);
    let failed: u64 = all().map(|figures| figures.failed).sum();
    let requests: u64 = all().map(|figures| figures.reads + figures.writes).sum();
    let idle = all().any(|figures| figures.reads == 0 || figures.writes == 0);
    let errors: Vec<&str> = all().flat_map(|figures| &figures.errors).map(String::as_str).take(2).collect();
    Check {
        name: "no request failed".to_owned(),
        passed: failed == 0 && !idle,
        detail: match (failed, idle) {
            (0, false) => format!("{} requests", grouped(requests)),
            (0, true) => "a phase had no reads or no writes".to_owned(),
            _ => format!("{failed} of {}: {}", requests + failed, errors.join("; ")),
        },
    }
}

fn replicas_stopped(exits: &[Life]) -> Check {
    let bad: Vec<String> = exits
        .iter()
        .filter(|life| !life.succeeded)
        .map(|life| format!("{}: {}", life.name, life.exit))
        .collect();
    Check {
        name: "replicas stopped on SIGTERM with status 0".to_owned(),
        passed: bad.is_empty(),
        detail: if bad.is_empty() { exits.len().to_string() } else { bad.join(", ") },
    }
}

fn equal(name: &str, expected: u64, found: i64) -> Check {
    let passed = u64::try_from(found) == Ok(expected);
    let detail = match passed {
        true => grouped(expected),
        false => format!("expected {}, found {found}", grouped(expected)),
    };
    Check { name: name.to_owned(), passed, detail }
}
