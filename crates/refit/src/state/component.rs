//! The components of the state, and the upgrades of each.

use refit_model::MigrationSet;
use tokio_postgres::Client;
use tokio_postgres::types::Type;

use super::State;
use crate::error::Error;

/// Tables that belong together, with a version of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Component {
    /// Histories, runs, steps and repeatable migrations.
    Runs,
    /// Backfills.
    Backfill,
    /// Results of checks.
    Check,
    /// Backups.
    Backup,
}

impl Component {
    const ALL: [Component; 4] = [Component::Runs, Component::Backfill, Component::Check, Component::Backup];

    /// Those that runs of a set need.
    pub(crate) fn of(set: &MigrationSet) -> Vec<Component> {
        let mut needed = vec![Component::Runs];
        needed.extend(set.has_backfills().then_some(Component::Backfill));
        needed.extend(set.checks().next().map(|_| Component::Check));
        needed
    }

    fn name(self) -> &'static str {
        match self {
            Component::Runs => "runs",
            Component::Backfill => "backfill",
            Component::Check => "check",
            Component::Backup => "backup",
        }
    }

    /// The upgrades to version 1, 2, and so on. A released entry is never edited.
    fn versions(self) -> &'static [&'static str] {
        match self {
            Component::Runs => &[
                include_str!("runs.sql"),
                include_str!("history.sql"),
                include_str!("repeatable_relation.sql"),
                include_str!("run_override.sql"),
                include_str!("runs_report.sql"),
                include_str!("run_budgets.sql"),
            ],
            Component::Backfill => &[
                include_str!("backfill.sql"),
                include_str!("backfill_history.sql"),
                include_str!("backfill_relation.sql"),
                include_str!("backfill_requested.sql"),
            ],
            Component::Check => &[include_str!("check.sql")],
            Component::Backup => &[include_str!("backup.sql")],
        }
    }

    /// The version in a schema's comment: `refit state: runs 2, backfill 2; …`. Releases before components numbered the whole
    /// state: 1 had runs, 2 also backfills.
    fn version_in(self, comment: &str) -> usize {
        if let Some(old) = comment.strip_prefix("refit state ") {
            let old: usize = old.split(':').next().and_then(|number| number.trim().parse().ok()).unwrap_or(0);
            return usize::from(match self {
                Component::Runs => old >= 1,
                Component::Backfill => old >= 2,
                Component::Check | Component::Backup => false,
            });
        }
        let Some(list) = comment.strip_prefix("refit state:") else { return 0 };
        let list = list.split(';').next().unwrap_or_default();
        let entry = list.split(',').find_map(|entry| entry.trim().strip_prefix(self.name()));
        entry.and_then(|number| number.trim().parse().ok()).unwrap_or(0)
    }
}

/// The existing versions of a state schema.
#[derive(Debug, Clone, Default)]
pub(crate) struct Present {
    pub(crate) exists: bool,
    pub(crate) comment: String,
}

impl Present {
    pub(crate) async fn read(client: &Client, schema: &str) -> Result<Present, Error> {
        let sql = "SELECT pg_catalog.obj_description(oid, 'pg_namespace') FROM pg_catalog.pg_namespace \
                   WHERE nspname::pg_catalog.text = $1";
        let rows = client.query_typed(sql, &[(&schema, Type::TEXT)]).await;
        let rows = rows.map_err(Error::database("reading the state schema"))?;
        let comment = rows.first().and_then(|row| row.get::<_, Option<String>>(0)).unwrap_or_default();
        let present = Present { exists: !rows.is_empty(), comment };
        match present.exists && !present.comment.starts_with("refit state") {
            true => present.by_columns(client, schema).await,
            false => Ok(present),
        }
    }

    /// Derives the versions from tables and columns, since a dump may leave out comments.
    async fn by_columns(self, client: &Client, schema: &str) -> Result<Present, Error> {
        let sql = "SELECT relname || '.' || attname FROM pg_catalog.pg_attribute \
                   JOIN pg_catalog.pg_class ON pg_class.oid = attrelid \
                   JOIN pg_catalog.pg_namespace AS n ON n.oid = relnamespace \
                   WHERE nspname::pg_catalog.text = $1 AND attnum > 0 AND NOT attisdropped";
        let rows = client.query_typed(sql, &[(&schema, Type::TEXT)]).await;
        let rows = rows.map_err(Error::database("reading the state schema"))?;
        let has = |column: &str| usize::from(rows.iter().any(|row| row.get::<_, &str>(0) == column));
        let runs = has("run.id")
            + has("history.id")
            + has("repeatable.relation")
            + has("run.override_reason")
            + has("run.release")
            + has("run.budgets");
        let backfill = has("backfill.id")
            + has("backfill.history_id")
            + has("backfill.relation_oid")
            + has("backfill.requested");
        let check = has("check_result.id");
        let backup = has("backup.run_id");
        let comment = match runs {
            0 => self.comment,
            _ => format!(
                "refit state: runs {runs}, backfill {backfill}, check {check}, backup {backup}; by its columns"
            ),
        };
        Ok(Present { comment, ..self })
    }

    /// Whether an older release wrote it that had a single history.
    pub(crate) fn is_of_one_history(&self) -> bool {
        Component::Runs.version_in(&self.comment) == 1
    }
}

/// Whether an older release wrote the tables of a component, so that they must be upgraded before they are read.
pub(crate) async fn outdated(
    client: &Client,
    state: &State,
    components: &[Component],
) -> Result<bool, Error> {
    let present = Present::read(client, state.schema()).await?;
    let is_old = |component: &Component| {
        let have = component.version_in(&present.comment);
        have > 0 && have < component.versions().len()
    };
    Ok(components.iter().any(is_old))
}

/// SQL that upgrades the components that are needed or exist; none if they are up to date.
///
/// To be run in one transaction. A version newer than ours is left alone: its tables only grow.
pub(crate) fn upgrade(state: &State, present: &Present, needed: &[Component]) -> Option<String> {
    let (mut sql, mut versions) = (String::new(), Vec::new());
    for component in Component::ALL {
        let have = component.version_in(&present.comment);
        let all = component.versions();
        let target = if have > 0 || needed.contains(&component) { all.len() } else { 0 };
        sql.extend(all.get(have..target).unwrap_or_default().iter().copied());
        if have.max(target) > 0 {
            versions.push(format!("{} {}", component.name(), have.max(target)));
        }
    }
    if sql.is_empty() {
        return None;
    }
    // CREATE SCHEMA IF NOT EXISTS needs CREATE on the database even if the schema exists.
    let create = if present.exists { String::new() } else { format!("CREATE SCHEMA {};", state.quoted()) };
    Some(format!(
        "{create}{}COMMENT ON SCHEMA {} IS 'refit state: {}; records of the migrations of this database, managed by refit';",
        state.sql(&sql),
        state.quoted(),
        versions.join(", ")
    ))
}

/// SQL that assigns the records of releases before components to the only history. If there are several, it is unknown to which
/// they belong, and they are assigned to none.
pub(crate) fn assign(state: &State, history: i64) -> String {
    let text = format!(
        "UPDATE refit.run SET history_id = {history} WHERE history_id IS NULL; \
         UPDATE refit.repeatable SET history_id = {history} WHERE history_id IS NULL;"
    );
    state.sql(&text).into_owned()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn sql(comment: &str, needed: &[Component]) -> Option<String> {
        let present = Present { exists: !comment.is_empty(), comment: comment.to_owned() };
        upgrade(&State::empty("refit"), &present, needed)
    }

    #[test]
    fn an_upgrade_runs_only_what_is_missing() {
        let new = sql("", &[Component::Runs]).unwrap();
        assert!(new.starts_with("CREATE SCHEMA \"refit\";CREATE TABLE refit.run"), "{new}");
        assert!(
            !new.contains("CREATE TABLE refit.backfill") && new.contains("'refit state: runs 6;"),
            "{new}"
        );
        let more = sql("refit state: runs 6; x", &[Component::Runs, Component::Backfill]).unwrap();
        assert!(
            more.starts_with("CREATE TABLE refit.backfill") && more.contains("runs 6, backfill 4;"),
            "{more}"
        );
        let old = sql("refit state 3: x", &[Component::Runs]).unwrap();
        assert!(
            old.starts_with("CREATE TABLE refit.history") && old.contains("runs 6, backfill 4;"),
            "{old}"
        );
        assert!(!old.contains("CREATE TABLE refit.backfill"), "{old}");
        assert_eq!(sql("refit state: runs 6; x", &[Component::Runs]), None);
        assert_eq!(sql("refit state: runs 99; a newer refit", &[Component::Runs]), None);
    }

    #[test]
    fn another_schema_has_its_own_tables() {
        let sql = upgrade(&State::empty("My state"), &Present::default(), &Component::ALL).unwrap();
        assert!(sql.contains("CREATE TABLE \"My state\".run") && !sql.contains("refit.run"), "{sql}");
    }

    #[test]
    fn every_column_is_documented() {
        let ddl: String = Component::ALL.iter().flat_map(|component| component.versions()).copied().collect();
        let (mut table, mut missing) = ("", BTreeSet::new());
        for line in ddl.lines() {
            if let Some(rest) =
                line.strip_prefix("CREATE TABLE ").or_else(|| line.strip_prefix("ALTER TABLE "))
            {
                table = rest.split(' ').next().unwrap_or_default();
            }
            let inner = line.strip_prefix("    ").filter(|rest| !rest.starts_with([' ', '-']));
            let Some(inner) =
                inner.filter(|inner| !inner.starts_with("UNIQUE") && !inner.starts_with("DROP"))
            else {
                continue;
            };
            let column = inner.trim_start_matches("ADD COLUMN ").trim_start_matches("IF NOT EXISTS ");
            let column = column.split(' ').next().unwrap_or_default();
            if !ddl.contains(&format!("COMMENT ON COLUMN {table}.{column} IS")) {
                missing.insert(format!("{table}.{column}"));
            }
        }
        assert_eq!(missing, BTreeSet::new());
    }
}
