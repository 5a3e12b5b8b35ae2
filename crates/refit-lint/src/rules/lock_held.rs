//! # A strong lock held during slow work
//!
//! A lock is kept until the transaction ends, not only until the statement does. ADD COLUMN is quick, but reads and
//! writes of the table keep waiting while the rest of the migration runs: a statement that reads, builds or changes a
//! whole table, or one that waits for the lock on a second table. The latter is also how two migrations, or a migration
//! and the application, deadlock.
//!
//! Some statements lock tables that they do not name: dropping a foreign key, its column or its table locks the table
//! at the other end; dropping a partition locks the whole partitioned table. After these, even a quick UPDATE is
//! reported.
//!
//! The rule tracks the locks that block writes (SHARE and stronger) through the migration. Not reported: several quick
//! changes to one table; a single statement that takes both of its locks, such as adding a foreign key; and tables that
//! the migration created, which no other session can wait for. If a slow statement has its own rule, only that rule
//! reports it, because the safe form moves the statement out from under the lock. Split what this rule reports: put
//! each table, and each slow statement, in its own migration.
//!
//! Lock: the one that is held, until the rest of the migration is done. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN note text;
//! ALTER TABLE authors ADD COLUMN note text;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN note text;
//! ALTER TABLE posts ALTER COLUMN note SET DEFAULT '';
//! -- file: V2__note_of_authors.sql
//! ALTER TABLE authors ADD COLUMN note text;
//! ```
//!
//! Under a stronger lock, even a scan that blocks nothing by itself makes others wait:
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD CONSTRAINT posts_score_check CHECK (score >= 0) NOT VALID;
//! -- file: V2__note_and_validate.sql
//! ALTER TABLE posts ADD COLUMN note text;
//! ALTER TABLE posts VALIDATE CONSTRAINT posts_score_check;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "posts"
//! scan = true
//! ```

use crate::check::{Report, StatementCheck};
use crate::dml::classify;
use crate::effects::{Effects, effects};
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{AlterAction, AlterTarget, FromItem, Name, Query, StmtKind};
use crate::window::{Held, Taken};

pub(super) const RULE: Rule = Rule {
    name: "lock-held",
    source: include_str!("lock_held.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

/// Rules about slow statements: the safe form of each is quick or holds no strong lock.
const TAKE_TIME: [&str; 24] = [
    "attach-partition",
    "check-validated",
    "column-type-change",
    "default-partition",
    "domain-check-column",
    "domain-constraint",
    "exclusion-constraint",
    "foreign-key-validated",
    "identity-column",
    "index-not-concurrent",
    "inline-constraint",
    "primary-key-constraint",
    "refresh-materialized-view",
    "reindex-not-concurrent",
    "serial-column",
    "set-not-null-scan",
    "stored-generated-column",
    "table-rewrite",
    "unbatched-delete",
    "unbatched-insert",
    "unbatched-merge",
    "unbatched-update",
    "unique-constraint",
    "volatile-default",
];

/// Whether a rule is about a slow statement.
pub(crate) fn takes_time(rule: &str) -> bool {
    TAKE_TIME.binary_search(&rule).is_ok()
}

fn check(check: &mut StatementCheck<'_>) {
    let window = check.window;
    if !window.held.iter().any(stops_others) || is_aside(check) {
        return;
    }
    let now = effects(check.stmt, check.schema, check.settings.postgres);
    if let Some((what, held)) = slow(check, &now) {
        report(check, held, &what).held_while_working();
    } else if let Some((table, held)) = second(check, &now) {
        report(check, held, &format!("this waits for the lock on {table}"));
    } else if let (StmtKind::Dml(_), Some(held)) = (&check.stmt.kind, strongest(check, |held| held.beside)) {
        report(check, held, "a statement changes rows").held_while_working();
    }
}

/// Statements that another rule covers, or that concern no table.
fn is_aside(check: &StatementCheck<'_>) -> bool {
    let StmtKind::Alter { target, table, actions } = &check.stmt.kind else { return false };
    let key = table.key_ref();
    // VALIDATE after NOT VALID has its own rule; a swap of names must be one transaction.
    let validates = |action: &AlterAction| match action {
        AlterAction::ValidateConstraint(name) => {
            check.window.not_valid.iter().any(|(of, added)| *of == key && added == name)
        }
        _ => false,
    };
    !matches!(target, AlterTarget::Table | AlterTarget::MaterializedView)
        || actions.iter().any(|(_, action)| validates(action))
        || actions.iter().all(|(_, action)| matches!(action, AlterAction::RenameTo(_)))
}

/// What makes the statement take time in proportion to a table, and the strongest lock held during that time that the
/// statement itself does not need.
fn slow<'h>(check: &StatementCheck<'h>, now: &Effects) -> Option<(String, &'h Held)> {
    let work = now.work.iter().find(|(table, _)| !is_new(check, table));
    let what = match work {
        Some((table, work)) => format!("a statement {work} ({table})"),
        None => format!("a statement reads every row of {}", read_into_new(check)?),
    };
    let needs = |held: &Held| now.lock_on(&held.table) >= Some(held.mode);
    Some((what, strongest(check, |held| !needs(held))?))
}

fn is_new(check: &StatementCheck<'_>, table: &Name) -> bool {
    check.is_new(table) || check.window.is_created(table)
}

/// An existing table that is copied into a new one.
fn read_into_new(check: &StatementCheck<'_>) -> Option<Name> {
    let table_of = |query: &Query| {
        let existing = query.from.iter().find_map(|item| match item {
            FromItem::Table { name, .. } if !query.ctes.iter().any(|cte| cte.name == name.name) => Some(name),
            _ => None,
        });
        existing.filter(|name| !check.is_new(name) && !query.limited).cloned()
    };
    match &check.stmt.kind {
        StmtKind::CreateTableAs { query, .. }
        | StmtKind::CreateView { query, materialized: true, no_data: false, .. } => table_of(query),
        StmtKind::Dml(_) => {
            let changes = check.stmt.kind.changes();
            let copies = changes.iter().filter(|change| !classify(change, check.schema).is_bounded());
            copies.filter_map(|change| change.dml.source.as_ref()).find_map(table_of)
        }
        _ => None,
    }
}

/// A second table whose lock the statement has to wait for, and the strongest lock held on another table during the
/// wait.
fn second<'h>(check: &StatementCheck<'h>, now: &Effects) -> Option<(Name, &'h Held)> {
    let refers = matches!(&check.stmt.kind, StmtKind::CreateTable(create) if create.partition_of.is_none());
    now.locks.iter().find_map(|(table, mode)| {
        if !mode.stops_writes() {
            return None;
        }
        let key = table.key_ref();
        if check.window.holds(&key, *mode) || is_new(check, table) {
            return None;
        }
        // New tables that reference existing ones: locking several takes no longer than locking one.
        let is_other =
            |held: &Held| held.table.key_ref() != key && !(refers && held.taken == Taken::Referenced);
        Some((table.clone(), strongest(check, is_other)?))
    })
}

/// The strongest held lock that blocks others and that `is_asked` accepts; the first of several.
fn strongest<'h>(check: &StatementCheck<'h>, is_asked: impl Fn(&Held) -> bool) -> Option<&'h Held> {
    let mut found: Option<&Held> = None;
    for held in &check.window.held {
        if stops_others(held) && found.is_none_or(|found| found.mode < held.mode) && is_asked(held) {
            found = Some(held);
            if held.mode == LockMode::AccessExclusive {
                break;
            }
        }
    }
    found
}

fn stops_others(held: &Held) -> bool {
    held.mode.stops_writes() && held.taken != Taken::Aside
}

fn report<'c>(check: &'c mut StatementCheck<'_>, held: &Held, what: &str) -> &'c mut Report {
    let (mode, table) = (held.mode, &held.table);
    let line = check.file.line(held.span.start);
    let who = if mode.stops_reads() { "reads and writes" } else { "writes" };
    let written = check.written(check.stmt.span).unwrap_or("…");
    let help = format!("put this statement in its own migration, which does not hold the lock:\n{written};");
    let lock = format!("{mode} on {table}, taken on line {line}");
    check
        .report(format!("{lock}, is held while {what}: {who} of {table} wait"))
        .group(lock)
        .lock(mode, table)
        .help(help)
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn a_lock_is_reported_once() {
        let text = "ALTER TABLE posts ADD COLUMN a text; ALTER TABLE posts VALIDATE CONSTRAINT older;\n\
                    ALTER TABLE authors ADD COLUMN b text; ALTER TABLE people ADD COLUMN b text;";
        let input = crate::Input {
            path: "V1__a.sql".to_owned(),
            bytes: text.as_bytes().to_vec(),
            named_by_folder: true,
            reported: true,
        };
        let findings = crate::lint(&[input], &crate::Config::default()).findings;
        let held: Vec<&str> = findings
            .iter()
            .filter(|finding| finding.rule == "lock-held")
            .map(|finding| &*finding.message)
            .collect();
        assert_eq!(held.len(), 1, "{held:?}");
    }

    #[test]
    fn a_statement_with_its_own_rule_is_reported_once() {
        for (rule, text) in [
            ("unbatched-update", "ALTER TABLE posts ADD COLUMN a text; UPDATE posts SET a = 'x';"),
            (
                "unbatched-delete",
                "ALTER TABLE posts ADD COLUMN a text; DELETE FROM authors WHERE name = 'x';",
            ),
            ("index-not-concurrent", "ALTER TABLE posts ADD COLUMN a text; CREATE INDEX i ON posts (a);"),
            (
                "unbatched-delete",
                "CREATE RULE r AS ON DELETE TO posts DO INSTEAD NOTHING; DELETE FROM authors WHERE name = 'x';",
            ),
        ] {
            fires(rule, &[text]);
            silent("lock-held", &[text]);
        }
        assert!(super::TAKE_TIME.is_sorted());
        let names: Vec<&str> = crate::rules::RULES.iter().map(|rule| rule.name).collect();
        assert!(super::TAKE_TIME.iter().all(|rule| names.contains(rule)));
    }

    #[test]
    fn what_waits_for_what() {
        fires(
            "lock-held",
            &[
                "ALTER TABLE posts ADD COLUMN a text; ALTER TABLE authors ADD COLUMN b text;",
                "ALTER TABLE posts ADD COLUMN a text; CREATE TABLE t AS SELECT * FROM authors;",
                "ALTER TABLE posts ADD COLUMN a text; ALTER TABLE posts VALIDATE CONSTRAINT older;",
                "CREATE TRIGGER t AFTER INSERT ON posts EXECUTE FUNCTION touch(); ALTER TABLE authors ADD COLUMN b text;",
                "ALTER TABLE posts ADD COLUMN a bigint; ALTER TABLE posts ADD FOREIGN KEY (a) REFERENCES authors NOT VALID;",
                "DO $$ BEGIN ALTER TABLE posts ADD COLUMN a text; ALTER TABLE authors ADD COLUMN b text; END $$;",
                "-- refit: transaction = false\nDO $$ BEGIN ALTER TABLE posts ADD COLUMN a text; ALTER TABLE authors ADD COLUMN b text; END $$;",
                "-- refit: transaction = false\nBEGIN; ALTER TABLE posts ADD COLUMN a text; ALTER TABLE authors ADD COLUMN b text; COMMIT;",
                "ALTER TABLE posts ADD COLUMN a text; REFRESH MATERIALIZED VIEW CONCURRENTLY post_counts;",
                "ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES authors NOT VALID;\n-- file: V2__x.sql\n\
                 -- refit: phase = \"contract\"\n-- Release two names no author.\nALTER TABLE posts DROP COLUMN author_id; UPDATE authors SET name = 'x' WHERE id = 1;",
                "CREATE POLICY p ON posts USING (true); ALTER TABLE authors ADD COLUMN b text;",
            ],
        );
        silent(
            "lock-held",
            &[
                "ALTER TABLE posts ADD COLUMN a text; ALTER TABLE public.posts ADD COLUMN b text; ALTER TABLE posts ALTER b SET DEFAULT '';",
                "ALTER TABLE posts ADD FOREIGN KEY (author_id) REFERENCES authors NOT VALID;",
                "CREATE TABLE t (a int); CREATE TABLE u (a int); ALTER TABLE t ADD COLUMN b int; ALTER TABLE u ADD COLUMN b int;",
                "CREATE TABLE t (a bigint REFERENCES posts); CREATE TABLE u (a bigint REFERENCES authors);",
                "CREATE TABLE t (a bigint REFERENCES posts); CREATE INDEX ON t (a); INSERT INTO t VALUES (1);",
                "ALTER TABLE posts ADD COLUMN a text; CREATE TABLE t (a int); CREATE INDEX ON t (a);",
                "ALTER TABLE posts ADD COLUMN a text; INSERT INTO authors (name) VALUES ('x');",
                "ALTER TABLE posts ADD COLUMN a text; UPDATE authors SET name = 'x' WHERE id = 1;",
                "ALTER TABLE posts ADD COLUMN a text; COMMENT ON COLUMN posts.a IS 'x'; GRANT SELECT ON posts TO PUBLIC;",
                "DROP VIEW v; ALTER TABLE posts ADD COLUMN a text; CREATE VIEW v AS SELECT * FROM posts;",
                "ALTER TABLE posts ADD COLUMN a bigint; CREATE SEQUENCE s; ALTER SEQUENCE s OWNED BY posts.a;",
                "CREATE TABLE IF NOT EXISTS t (a serial); ALTER TABLE t ADD COLUMN b int; ALTER TABLE posts ADD COLUMN a int; CREATE INDEX ON t (b);",
                "-- refit: transaction = false\nALTER TABLE posts ADD COLUMN a text;\nALTER TABLE authors ADD COLUMN b text;",
                "ALTER TABLE posts ADD COLUMN a text;\n-- file: V2__x.sql\nALTER TABLE authors ADD COLUMN b text;",
                "UPDATE posts SET status = 'x' WHERE id = 1; ALTER TABLE posts ADD COLUMN a text;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (score >= 0) NOT VALID; ALTER TABLE posts VALIDATE CONSTRAINT c;",
                "ALTER TABLE posts RENAME TO posts_old; ALTER TABLE posts_new RENAME TO posts;",
                "ALTER TABLE posts ADD COLUMN a text; CREATE FUNCTION f() RETURNS void LANGUAGE sql AS 'DELETE FROM authors';",
            ],
        );
    }
}
