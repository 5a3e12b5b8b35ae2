//! The rows of a backfill in a script: a loop of batches, or a comment that says who changes them.
//!
//! *Invariant*: only a backfill whose statement skips rows that are done is a loop, so that Refit can take it over at any point.

use std::fmt::Write as _;

use postgres_protocol::escape::escape_literal as literal;
use refit_model::wording::grouped;
use refit_model::{BackfillDirective, Migration};

use super::writer::{Writer, block};
use crate::backfill::engine::key::{KeyColumns, quoted};
use crate::backfill::engine::shape::{Part, Shape};

/// Sweeps over rows that were written behind the loop, as a job makes them.
const PASSES: u32 = 20;

/// Who changes the rows.
pub(super) enum Rows<'a> {
    /// The script.
    Loop {
        migration: &'a Migration,
        directive: &'a BackfillDirective,
        shape: Shape,
        /// The condition that rows meet which are not done.
        remaining: String,
    },
    /// Refit, for a reason.
    Registered { migration: &'a Migration, reason: &'static str },
}

/// Who changes the rows of a migration; none if it is not a backfill.
pub(super) fn rows(migration: &Migration) -> Option<Rows<'_>> {
    let directive = migration.directives.backfill.as_ref()?;
    let registered = |reason| Some(Rows::Registered { migration, reason });
    let Ok(shape) = Shape::of(&migration.sql, directive) else {
        return registered("it is a function of the program");
    };
    let Some(guard) = shape.parts.iter().map(|part| part.guard.clone()).collect::<Option<Vec<_>>>() else {
        return registered("its statement would change rows again that are done");
    };
    if !directive.undo.is_empty() {
        return registered("it keeps earlier values for a rollback");
    }
    if directive.walks_heap() {
        return registered("it walks the blocks of the table");
    }
    let remaining = directive.remaining.clone().or(guard.into_iter().next())?;
    Some(Rows::Loop { migration, directive, shape, remaining })
}

/// Writes the loop or the comment.
pub(super) fn write(script: &mut Writer<'_>, rows: &Rows<'_>) {
    match rows {
        Rows::Loop { migration, directive, shape, remaining } => {
            let batch = grouped(u64::from(directive.batch));
            script.push("\n");
            script.comment(&format!(
                "The rows of {}, in batches of {batch}, each committed by itself. If it stops, run `cargo xtask backfill resume V{}`.",
                migration.path, migration.version
            ));
            let caller = script.facts.caller.settings(false);
            script.push(&block(&format!("BEGIN\n    PERFORM {caller};\nEND")));
            let text = Loop { script, migration, directive, shape, remaining }.text();
            script.push(&block(&text));
        }
        Rows::Registered { migration, reason } => {
            script.push("\n");
            script.comment(&format!(
                "The rows of {} are not changed by this script, because {reason}: run `cargo xtask backfill run`. Its statement:",
                migration.path
            ));
            for line in migration.sql.trim_end().lines() {
                script.comment(&format!("  {line}"));
            }
        }
    }
}

struct Loop<'a> {
    script: &'a Writer<'a>,
    migration: &'a Migration,
    directive: &'a BackfillDirective,
    shape: &'a Shape,
    remaining: &'a str,
}

impl Loop<'_> {
    /// The block. Its own expressions are evaluated under Refit's search path, to which each COMMIT returns; the statements, and the
    /// queries for keys, run under that of the texts.
    fn text(&self) -> String {
        let enter = format!("PERFORM {};", self.script.facts.caller.settings(true));
        let [lower, upper] = ["lower", "upper"].map(|name| self.variables(name));
        let Queries { first, end, last } = self.queries();
        let lines = [
            self.declarations(),
            "BEGIN".to_owned(),
            "    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', false);".to_owned(),
            self.claim(),
            "    COMMIT;".to_owned(),
            format!("    FOR pass IN 0..{PASSES} LOOP"),
            format!("        {enter}"),
            format!("        EXECUTE {first} INTO {lower};"),
            "        COMMIT;".to_owned(),
            "        EXIT WHEN lower_1 IS NULL;".to_owned(),
            format!("        IF pass = {PASSES} THEN"),
            format!("            RAISE EXCEPTION 'rows remain after {PASSES} sweeps';"),
            "        END IF;".to_owned(),
            "        is_first := true;".to_owned(),
            "        LOOP".to_owned(),
            format!("            {enter}"),
            format!("            EXECUTE {end} INTO {upper} USING {lower};"),
            "            is_last := upper_1 IS NULL;".to_owned(),
            "            IF is_last THEN".to_owned(),
            format!("                EXECUTE {last} INTO {upper};"),
            "            END IF;".to_owned(),
            self.statements(&format!("{lower}, {upper}")),
            "            COMMIT;".to_owned(),
            self.advance(),
            "        END LOOP;".to_owned(),
            "    END LOOP;".to_owned(),
            self.complete(),
            "END".to_owned(),
        ];
        lines.join("\n")
    }

    fn variables(&self, name: &str) -> String {
        let names = (1..=self.directive.key.len()).map(|number| format!("{name}_{number}"));
        names.collect::<Vec<_>>().join(", ")
    }

    /// The variables; those for keys have the types of their columns.
    fn declarations(&self) -> String {
        let mut text = "DECLARE\n    job pg_catalog.int8;\n    walked pg_catalog.text;\n    began pg_catalog.timestamptz;\n    \
                        changed pg_catalog.int8 := 0;\n    is_first pg_catalog.bool;\n    is_last pg_catalog.bool;"
            .to_owned();
        for (index, column) in self.directive.key.iter().enumerate() {
            let (table, column, number) = (&self.directive.table, quoted(column), index + 1);
            // Writing to a String cannot fail.
            let _ = write!(text, "\n    lower_{number} {table}.{column}%TYPE;");
            let _ = write!(text, "\n    upper_{number} {table}.{column}%TYPE;");
        }
        for number in 1..=self.shape.parts.len() {
            let _ = write!(text, "\n    rows_{number} pg_catalog.int8;");
        }
        text
    }

    fn queries(&self) -> Queries {
        let key = KeyColumns::new(&self.directive.key);
        let columns = key.list();
        let query = |rest: &str| {
            let (select, rest) = (literal(&format!("SELECT {columns} FROM ")), literal(&format!(" {rest}")));
            format!("pg_catalog.concat({select}, walked, {rest})")
        };
        let parameters = (1..=key.len()).map(|number| format!("${number}")).collect::<Vec<_>>().join(", ");
        let offset = self.directive.batch.saturating_sub(1);
        Queries {
            first: query(&format!("WHERE ({}) ORDER BY {columns} LIMIT 1", self.remaining)),
            end: query(&format!(
                "WHERE ({columns}) > ({parameters}) ORDER BY {columns} LIMIT 1 OFFSET {offset}"
            )),
            last: query(&format!("ORDER BY {} LIMIT 1", key.descending())),
        }
    }

    /// The statements of a batch; those of the first one include the first key.
    fn statements(&self, bounds: &str) -> String {
        let parameters = if self.shape.striped { format!("{bounds}, 1, 0") } else { bounds.to_owned() };
        let statement = |(index, part): (usize, &Part)| {
            let [closed, open] = [true, false].map(|closed| literal(&part.written(closed)));
            format!(
                "            IF is_first THEN\n                EXECUTE {closed} USING {parameters};\n            \
                 ELSE\n                EXECUTE {open} USING {parameters};\n            END IF;\n            \
                 GET DIAGNOSTICS rows_{} = ROW_COUNT;",
                index + 1
            )
        };
        self.shape.parts.iter().enumerate().map(statement).collect::<Vec<_>>().join("\n")
    }

    fn advance(&self) -> String {
        let rows: Vec<String> = (1..=self.shape.parts.len()).map(|number| format!("rows_{number}")).collect();
        let mut text =
            format!("            changed := changed + {};\n            EXIT WHEN is_last;", rows.join(" + "));
        for number in 1..=self.directive.key.len() {
            let _ = write!(text, "\n            lower_{number} := upper_{number};");
        }
        text + "\n            is_first := false;"
    }

    /// Pauses the job, so that no other process begins it.
    fn claim(&self) -> String {
        let schema = self.script.facts.state.quoted();
        let (history, version) = (&self.script.history, self.migration.version);
        format!(
            "    UPDATE {schema}.backfill SET requested = 'pause'\n        \
             WHERE state = 'registered' AND requested = 'run' AND id = (\n            \
             SELECT pg_catalog.max(id) FROM {schema}.backfill WHERE history_id = {history} AND version = {version})\n        \
             RETURNING id, relation, pg_catalog.clock_timestamp() INTO job, walked, began;\n    \
             IF job IS NULL THEN\n        \
             RAISE EXCEPTION 'the backfill of version {version} is not registered, or has begun: see `cargo xtask backfill status`';\n    \
             END IF;\n    IF walked IS NULL THEN\n        RAISE EXCEPTION 'the table of the backfill does not exist';\n    END IF;"
        )
    }

    fn complete(&self) -> String {
        let schema = self.script.facts.state.quoted();
        let remaining = literal(self.remaining);
        format!(
            "    UPDATE {schema}.backfill SET state = 'complete', requested = 'run', strategy = 'keyset',\n        \
             reason = pg_catalog.format('a script changed %s rows', changed), remaining = {remaining}, rows_estimated = changed,\n        \
             started_at = began, finished_at = pg_catalog.clock_timestamp() WHERE id = job AND state = 'registered';"
        )
    }
}

/// Expressions for the queries for keys.
struct Queries {
    /// The first key of rows that are not done.
    first: String,
    /// The last key of a batch; no row if fewer rows are left.
    end: String,
    /// The last key of the table.
    last: String,
}
