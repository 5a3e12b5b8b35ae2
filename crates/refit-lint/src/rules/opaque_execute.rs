//! # EXECUTE of a string that cannot be analyzed
//!
//! A migration should show what it does. A string that is built at run time (`format`, `||`, a variable) can be
//! anything: neither rules nor reviewers can check it, and it may be a different statement on another database. A DO
//! block in a language other than SQL and PL/pgSQL cannot be checked either.
//!
//! A constant string is analyzed like any statement. Write the statements out if their number is known. If not (one per
//! partition, for example), allow this rule and say in the reason what the string contains.
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

const HELP: &str = "write the statement out, or say above it what the string contains:\n\
                    -- refit: allow(opaque-execute): one CREATE TABLE for each month of 2026";

fn check(check: &mut StatementCheck<'_>) {
    let message = match &check.stmt.kind {
        StmtKind::DynamicSql { text: None, .. } => {
            format!("{} is built at run time and cannot be analyzed", string(check))
        }
        StmtKind::DynamicSql { text: Some(_), statements } if statements.is_empty() => {
            format!("{} does not parse as SQL and cannot be analyzed", string(check))
        }
        StmtKind::Do(body) if !matches!(body.language.as_str(), "plpgsql" | "sql") => {
            format!("a DO block in {} cannot be analyzed", body.language)
        }
        _ => return,
    };
    // The same string, put together in the same way.
    check.report(message.clone()).group(message).help(HELP);
}

/// The EXECUTE as written, on one line and shortened, if the body appears unchanged in the file.
fn string(check: &StatementCheck<'_>) -> String {
    let span = check.stmt.span;
    let written = check.file.text.get(span.start as usize..span.end as usize).unwrap_or_default();
    let words: Vec<&str> = written.split_whitespace().collect();
    let line = words.join(" ");
    match line.get(..8).is_some_and(|first| first.eq_ignore_ascii_case("EXECUTE ")) {
        true if line.chars().count() > LONGEST => {
            format!("the string of `{}…`", line.chars().take(LONGEST).collect::<String>())
        }
        true => format!("the string of `{}`", line.trim_end_matches(';')),
        false => "this string".to_owned(),
    }
}

/// Maximum length of a statement in a message, in characters.
const LONGEST: usize = 80;

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn a_pattern_is_reported_once() {
        let body = "DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'a'); EXECUTE format('DROP  TABLE %I',\n 'a'); \
                    EXECUTE 'DROP TABLE ' || 'c'; END $$;\nDO $$ BEGIN EXECUTE format('DROP TABLE %I', 'a'); END $$;";
        let input = crate::Input {
            path: "V1__a.sql".to_owned(),
            bytes: body.as_bytes().to_vec(),
            named_by_folder: true,
            reported: true,
        };
        let findings = crate::lint(&[input], &crate::Config::default()).findings;
        let messages: Vec<&str> = findings
            .iter()
            .filter(|found| found.rule == "opaque-execute")
            .map(|found| &*found.message)
            .collect();
        assert_eq!(messages.len(), 2, "{messages:#?}");
        assert!(messages[1].contains("`EXECUTE 'DROP TABLE ' || 'c'`"), "{messages:#?}");
    }

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
