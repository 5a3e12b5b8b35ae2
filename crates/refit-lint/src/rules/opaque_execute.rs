//! # EXECUTE of a string that cannot be read
//!
//! What a migration does should stand in it. A string that is put together when it runs (`format`, `||`, a variable) can
//! be anything: no rule looks into it, no reviewer either, and on another database it may be another statement. A DO block in
//! a language other than SQL and PL/pgSQL is as opaque.
//!
//! A constant string is read like any statement. Write the statements out where their number is known; where it is not
//! (one for each partition, say), allow this rule and say what the string becomes.
//!
//! ```sql,unsafe
//! DO $$
//! DECLARE schema_name text := 'old';
//! BEGIN
//!     EXECUTE format('COMMENT ON SCHEMA %I IS %L', schema_name, 'Before 2.0');
//! END $$;
//! ```
//!
//! ```sql,safe
//! COMMENT ON SCHEMA old IS 'Before 2.0';
//! ```

use crate::check::StatementCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::StmtKind;

pub(super) const RULE: Rule = Rule {
    name: "opaque-execute",
    source: include_str!("opaque_execute.rs"),
    severity: Some(Severity::Warning),
    check: Check::Statement(check),
};

const HELP: &str = "write the statement out; or say above it what the string becomes:\n\
                    -- refit: allow(opaque-execute): one CREATE TABLE for each month of 2026";

fn check(check: &mut StatementCheck<'_>) {
    let message = match &check.stmt.kind {
        StmtKind::DynamicSql { text: None, .. } => {
            "this string is put together when it runs: nobody can say what it does".to_owned()
        }
        StmtKind::DynamicSql { text: Some(_), statements } if statements.is_empty() => {
            "this string does not parse as SQL: nobody can say what it does".to_owned()
        }
        StmtKind::Do(body) if !matches!(body.language.as_str(), "plpgsql" | "sql") => {
            format!("a DO block in {} is not looked into", body.language)
        }
        _ => return,
    };
    check.report(message).help(HELP);
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn strings_that_cannot_be_read() {
        fires(
            "opaque-execute",
            &[
                "DO $$ BEGIN EXECUTE 'DROP TABLE ' || 'x'; END $$;",
                "DO $$ DECLARE r record; BEGIN FOR r IN SELECT 1 LOOP EXECUTE format('DROP TABLE %I', r.x); END LOOP; END $$;",
                "DO $$ DECLARE q text; r record; BEGIN FOR r IN EXECUTE q LOOP NULL; END LOOP; END $$;",
                "DO LANGUAGE plpython3u $$ plpy.execute('DROP TABLE x') $$;",
            ],
        );
        silent(
            "opaque-execute",
            &[
                "DO $$ BEGIN EXECUTE 'COMMENT ON TABLE posts IS ''x'''; END $$;",
                "CREATE FUNCTION f(q text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE q; END $$;",
                "DO $$ BEGIN PERFORM 1; END $$;",
            ],
        );
    }
}
