//! # A migration that needs the objects of a held one
//!
//! A migration with `after = ["V2"]` waits until the backfill of V2 is complete. Later migrations without such a gate
//! are applied before it. If one of them uses a column, table, index or constraint that the held one creates or
//! changes, a new database cannot be migrated: the statement fails, or works on an object that is about to change.
//!
//! Give it the same gate. It then waits too, and the migrations are applied in order.
//!
//! The rule compares names. It reports a statement that names both the table and the column (or constraint) that a held
//! migration touches, or the table, view, index, type or function that it creates.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN rating integer;
//! -- file: V2__fill.sql
//! -- refit: backfill = { table = "posts", key = ["id"] }
//! UPDATE posts SET rating = score WHERE id > $1 AND id <= $2 AND rating IS NULL;
//! -- file: V3__stars.sql
//! -- refit: after = ["V2"]
//! ALTER TABLE posts ADD COLUMN stars integer;
//! -- file: V4__comment.sql
//! COMMENT ON COLUMN posts.stars IS 'One to five.';
//! ```
//!
//! ```toml,claim
//! error = "42703"
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN rating integer;
//! -- file: V2__fill.sql
//! -- refit: backfill = { table = "posts", key = ["id"] }
//! UPDATE posts SET rating = score WHERE id > $1 AND id <= $2 AND rating IS NULL;
//! -- file: V3__stars.sql
//! -- refit: after = ["V2"]
//! ALTER TABLE posts ADD COLUMN stars integer;
//! -- file: V4__comment.sql
//! -- refit: after = ["V2"]
//! COMMENT ON COLUMN posts.stars IS 'One to five.';
//! ```

use std::collections::HashSet;

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::held::Made;
use crate::rule::{Check, Rule};
use crate::sql::{ConstraintKind, StmtKind};

pub(super) const RULE: Rule = Rule {
    name: "overtakes-held",
    source: include_str!("overtakes_held.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    if check.held.is_empty() || check.file.version.is_none() || check.in_body {
        return;
    }
    let Some(written) = check.written(check.stmt.span) else { return };
    let named: HashSet<String> = refit_model::significant_tokens(written)
        .into_iter()
        .filter(|token| token.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"'))
        .map(refit_model::identifier_name)
        .collect();
    let is_named = |made: &Made| {
        named.contains(&made.object)
            && made
                .part
                .as_ref()
                .is_none_or(|part| named.contains(part) && may_mean(&check.stmt.kind, made, part))
    };
    let waiting = check.held.touching(&named).filter(|held| !held.gates.is_subset(check.gates));
    let touched: Vec<_> =
        waiting.filter_map(|held| Some((held, held.made.iter().find(|made| is_named(made))?))).collect();
    let Some((held, made)) = touched.first() else { return };
    // Name all gates at once, or the next finding would appear as soon as the first gate is added.
    let mut gates: Vec<i64> =
        touched.iter().flat_map(|(held, _)| &held.gates).chain(check.gates).copied().collect();
    gates.sort_unstable();
    gates.dedup();
    let gates: Vec<String> = gates.iter().map(|version| format!("\"V{version}\"")).collect();
    let what = match &made.part {
        Some(part) => format!("{}.{part}", made.object),
        None => made.object.clone(),
    };
    let message = format!(
        "this uses {what}, which V{held} touches, but V{held} is held until a backfill is complete: this runs first and fails on a new database",
        held = held.version
    );
    let help =
        format!("give it the same gate, at the top of the file:\n-- refit: after = [{}]", gates.join(", "));
    check.report(message).help(help);
}

/// Whether a statement that names a table and a part of it may mean that part, and need it as it is to be.
fn may_mean(kind: &StmtKind, made: &Made, part: &String) -> bool {
    match kind {
        StmtKind::Alter { table, .. } => table.name == made.object || !made.was_there,
        _ if made.was_there => false,
        // A new table's own columns are not those of the other table.
        StmtKind::CreateTable(create) => {
            let inline = create.columns.iter().flat_map(|column| &column.constraints);
            create.constraints.iter().chain(inline).any(|constraint| match &constraint.kind {
                ConstraintKind::ForeignKey { table, referenced, .. } => {
                    table.name == made.object && referenced.contains(part)
                }
                _ => false,
            })
        }
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    const HELD: &str = "ALTER TABLE posts ADD COLUMN a int;\n-- file: V2__f.sql\n\
        -- refit: backfill = { table = \"posts\", key = [\"id\"] }\nUPDATE posts SET a = 1 WHERE id > $1 AND id <= $2 AND a IS NULL;\n\
        -- file: V3__h.sql\n-- refit: after = [\"V2\"]\n";

    #[test]
    fn the_gates_of_all_that_it_needs_are_named() {
        let text = format!(
            "{HELD}ALTER TABLE posts ADD COLUMN b int;\n-- file: V4__f.sql\n\
             -- refit: backfill = {{ table = \"people\", key = [\"id\"] }}\nUPDATE people SET age = 1 WHERE id > $1 AND id <= $2 AND age IS NULL;\n\
             -- file: V5__h.sql\n-- refit: after = [\"V4\"]\nALTER TABLE people ADD COLUMN b int;\n\
             -- file: V6__l.sql\nUPDATE posts SET b = people.b FROM people WHERE posts.id = 1 AND people.id = 1;"
        );
        let input = |(path, text): (String, String)| crate::Input::of_folder(path, text, true);
        let inputs: Vec<crate::Input> = crate::split_files(&text).into_iter().map(input).collect();
        let findings = crate::lint(&inputs, &crate::Config::default()).findings;
        let found: Vec<&str> =
            findings.iter().filter(|one| one.rule == "overtakes-held").map(|one| &*one.help).collect();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains("after = [\"V2\", \"V4\"]"), "{}", found[0]);
    }

    #[test]
    fn what_is_applied_too_early() {
        for (held, later) in [
            (
                "ALTER TABLE posts ADD COLUMN b int;",
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (b > 0) NOT VALID;",
            ),
            ("ALTER TABLE posts RENAME COLUMN a TO b;", "ALTER TABLE posts ALTER COLUMN a SET DEFAULT 1;"),
            ("CREATE TABLE \"T 1\" (id int);", "CREATE VIEW v AS SELECT id FROM \"T 1\";"),
            ("CREATE TYPE m AS ENUM ('x');", "ALTER TABLE authors ADD COLUMN m m;"),
            (
                "ALTER TABLE posts ADD CONSTRAINT c CHECK (a > 0) NOT VALID;",
                "ALTER TABLE posts VALIDATE CONSTRAINT c;",
            ),
        ] {
            let text = format!("{HELD}{held}\n-- file: V4__l.sql\n{later}");
            fires("overtakes-held", &[&text]);
            let gated = format!("{HELD}{held}\n-- file: V4__l.sql\n-- refit: after = [\"V2\"]\n{later}");
            let through = format!(
                "{HELD}{held}\n-- file: V4__b.sql\n-- refit: after = [\"V2\"]\nSELECT 1;\n-- file: V5__l.sql\n\
                 -- refit: after = [\"V2\"]\n{later}"
            );
            silent("overtakes-held", &[&gated, &through]);
        }
        let other = format!(
            "{HELD}ALTER TABLE posts ADD COLUMN b int;\n-- file: V4__l.sql\nALTER TABLE posts ADD COLUMN c int;"
        );
        let another = format!(
            "{HELD}ALTER TABLE posts ADD COLUMN b int;\n-- file: V4__l.sql\nALTER TABLE authors ADD COLUMN b int;"
        );
        silent("overtakes-held", &[&other, &another]);
    }
}
