//! # REFRESH MATERIALIZED VIEW that blocks reads
//!
//! REFRESH MATERIALIZED VIEW takes ACCESS EXCLUSIVE on the view and runs its query while it holds the lock: reads of
//! the view wait until the end of the transaction. CONCURRENTLY takes EXCLUSIVE, which does not block reads, and writes
//! only the differences. It can run in a transaction. It needs a unique index over plain columns without WHERE, and a
//! view that has been populated before (else it fails: 55000).
//!
//! WITH NO DATA empties the view: from then on, every query of it fails ("has not been populated"). Not reported: the
//! first refresh of a view created WITH NO DATA, because no session could read it before.
//!
//! Lock: ACCESS EXCLUSIVE on the view, for as long as its query runs. PostgreSQL 14 to 18.
//!
//! ```sql,unsafe
//! REFRESH MATERIALIZED VIEW post_counts;
//! ```
//!
//! ```toml,claim
//! lock = "ACCESS EXCLUSIVE"
//! table = "post_counts"
//! rewrite = true
//! ```
//!
//! ```sql,safe
//! REFRESH MATERIALIZED VIEW CONCURRENTLY post_counts;
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::lock::LockMode;
use crate::rule::{Check, Rule};
use crate::sql::{Name, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "refresh-materialized-view",
    source: include_str!("refresh_materialized_view.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let StmtKind::Refresh { view, concurrently, no_data } = &check.stmt.kind else { return };
    let known = check.schema.materialized_views.get(&view.key());
    let never_filled = known == Some(&false);
    if never_filled && *concurrently && !no_data {
        let message = format!("{view} was never populated: REFRESH … CONCURRENTLY fails (55000)");
        let help = format!("populate it once without CONCURRENTLY:\nREFRESH MATERIALIZED VIEW {view};");
        check.report(message).lock(LockMode::Exclusive, view).help(help);
        return;
    }
    if check.is_new(view) || never_filled {
        return;
    }
    let gently = format!("REFRESH MATERIALIZED VIEW CONCURRENTLY {view};");
    let indexed = format!(
        "add a unique index first, in its own migration:\n\
         -- refit: transaction = false\n\
         CREATE UNIQUE INDEX CONCURRENTLY {} ON {view} (…);\n\
         -- the next migration:\n\
         {gently}",
        super::quoted(&format!("{}_key", view.name))
    );
    let lacks_index = known.is_some() && !has_unique_index(check, view);
    let (message, help) = if *no_data {
        (
            format!("this empties {view}, and every query of it fails from then on"),
            format!("refresh it instead:\n{gently}"),
        )
    } else if *concurrently {
        if !lacks_index {
            return;
        }
        (format!("{view} has no unique index: REFRESH … CONCURRENTLY fails (55000)"), indexed)
    } else {
        let help =
            if lacks_index { indexed } else { format!("refresh it without blocking reads:\n{gently}") };
        (format!("reads of {view} wait until its query has run and the transaction ends"), help)
    };
    check.report(message).lock(LockMode::AccessExclusive, view).help(help);
}

fn has_unique_index(check: &StatementCheck<'_>, view: &Name) -> bool {
    let key = view.key();
    check.schema.indexes.values().any(|index| {
        index.table == key && index.unique && !index.partial && index.columns.iter().all(Option::is_some)
    })
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    const INDEXED: &str = "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a; CREATE UNIQUE INDEX ON v (a);\n";

    #[test]
    fn views_that_are_read() {
        let indexed = format!("{INDEXED}-- file: V2__x.sql\nREFRESH MATERIALIZED VIEW CONCURRENTLY v;");
        fires(
            "refresh-materialized-view",
            &[
                "REFRESH MATERIALIZED VIEW post_counts;",
                "REFRESH MATERIALIZED VIEW unknown WITH DATA;",
                "REFRESH MATERIALIZED VIEW post_counts WITH NO DATA;",
                "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a;\n-- file: V2__x.sql\nREFRESH MATERIALIZED VIEW CONCURRENTLY v;",
            ],
        );
        silent(
            "refresh-materialized-view",
            &[
                "REFRESH MATERIALIZED VIEW CONCURRENTLY post_counts;",
                "REFRESH MATERIALIZED VIEW CONCURRENTLY unknown;",
                "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a WITH NO DATA; REFRESH MATERIALIZED VIEW v;",
                "CREATE MATERIALIZED VIEW v AS SELECT 1 AS a WITH NO DATA;\n-- file: V2__x.sql\nREFRESH MATERIALIZED VIEW v;",
                &indexed,
            ],
        );
    }
}
