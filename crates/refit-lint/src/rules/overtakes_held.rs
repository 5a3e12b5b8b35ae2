//! # A migration that needs what a held one makes
//!
//! A migration with `after = ["V2"]` waits until the backfill of V2 is complete; what comes after it and has no such gate is
//! applied before. Where that names a column, table, index or constraint which the held one makes or changes, a new database
//! cannot be migrated: the statement fails, or does its work on what is about to change.
//!
//! Give it the same gate. It then waits as well, and is applied in order.
//!
//! This rule compares names: it fires where a statement names both the table and the column (or the constraint) that a held
//! migration touches, or the table, view, index, type or function that it makes.
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

pub(super) const RULE: Rule = Rule {
    name: "overtakes-held",
    source: include_str!("overtakes_held.rs"),
    severity: Some(Severity::Error),
    check: Check::Statement(check),
};

fn check(check: &mut StatementCheck<'_>) {
    let waiting: Vec<_> = check.held.iter().filter(|held| !held.gates.is_subset(check.gates)).collect();
    if waiting.is_empty() || check.file.version.is_none() || check.in_body {
        return;
    }
    let Some(written) = check.written(check.stmt.span) else { return };
    let named: HashSet<String> = refit_model::significant_tokens(written)
        .into_iter()
        .filter(|token| token.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '"'))
        .map(refit_model::identifier_name)
        .collect();
    let is_named = |made: &Made| {
        named.contains(&made.object) && made.part.as_ref().is_none_or(|part| named.contains(part))
    };
    for held in waiting {
        let Some(made) = held.made.iter().find(|made| is_named(made)) else { continue };
        let mut gates: Vec<i64> = held.gates.union(check.gates).copied().collect();
        gates.sort_unstable();
        let gates: Vec<String> = gates.iter().map(|version| format!("\"V{version}\"")).collect();
        let what = match &made.part {
            Some(part) => format!("{}.{part}", made.object),
            None => made.object.clone(),
        };
        let message = format!(
            "V{} is held until a backfill is complete, and touches {what}, which this names: it is applied before that, and fails on a new database",
            held.version
        );
        let help = format!(
            "give it the same gate, at the top of the file:\n-- refit: after = [{}]",
            gates.join(", ")
        );
        check.report(message).help(help);
        return;
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    const HELD: &str = "ALTER TABLE posts ADD COLUMN a int;\n-- file: V2__f.sql\n\
        -- refit: backfill = { table = \"posts\", key = [\"id\"] }\nUPDATE posts SET a = 1 WHERE id > $1 AND id <= $2 AND a IS NULL;\n\
        -- file: V3__h.sql\n-- refit: after = [\"V2\"]\n";

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
