//! A step outside a transaction, statement by statement. It records its progress as a run does, so that a run can resume it.

use refit_model::{StatementKind, split_statements};
use tokio_postgres::Client;

use super::writer::Writer;
use crate::error::Error;
use crate::exec::Step;
use crate::exec::by_statement::{READ_STRINGS_AS_SPLIT, checksum};
use crate::pin;

impl Writer<'_> {
    /// Writes the step. `record` is the part of its WITH that writes the history.
    ///
    /// # Errors
    /// [`Error::Target`] if an earlier attempt was interrupted: what it has left is looked for by a run.
    pub(super) async fn by_statement(
        &mut self,
        client: &Client,
        step: &Step<'_>,
        record: &str,
    ) -> Result<(), Error> {
        let facts = self.facts;
        let earlier = match facts.state.is_empty() {
            true => None,
            false => self.row(step).earlier(client).await?,
        };
        if let Some(earlier) = earlier {
            return Err(Error::Target(format!(
                "{} was interrupted after {} of its statements: let a run resume it, which looks at what the next one has left",
                step.path, earlier.done
            )));
        }
        self.push("\n");
        self.comment(&format!("{}: statement by statement; a run can resume it", step.path));
        self.open(step);
        let statements = split_statements(step.sql);
        let (mut done, mut sum) = (0, String::new());
        for statement in &statements {
            if statement.kind == StatementKind::Session {
                self.push(&format!("{}\n;\n{READ_STRINGS_AS_SPLIT};\n", statement.text));
                continue;
            }
            done += 1;
            sum = checksum(&sum, statement);
            let count = format!(
                "statements_done = {done}, statements_checksum = '{sum}', statement_begun = NULL, leftovers = NULL"
            );
            match statement.kind {
                StatementKind::Plain => {
                    let (timeout, check) = (self.lock_timeout(step), self.lock_check());
                    self.push(&format!(
                        "BEGIN;\nSET LOCAL lock_timeout = '{timeout}ms';\n{check}{}\n;\n",
                        statement.text
                    ));
                    self.update(step, &count);
                    self.push("COMMIT;\n");
                }
                // It may have an effect that no rollback undoes: an operator decides about it if the script stops here.
                _ => {
                    self.push("BEGIN;\n");
                    self.update(step, &format!("statement_begun = {done}, leftovers = NULL"));
                    self.push(&format!("COMMIT;\n{}\n;\nBEGIN;\n", statement.text));
                    self.update(step, &count);
                    self.push("COMMIT;\n");
                }
            }
        }
        self.close(step, done, record);
        Ok(())
    }

    fn open(&mut self, step: &Step<'_>) {
        let version = step.version.map_or("NULL".to_owned(), |version| version.to_string());
        let row = self.row(step);
        let insert = format!(
            "INSERT INTO {}.step (run_id, kind, version, name, file, checksum, outcome, statements_done, statements_checksum) \
             VALUES ({}, '{}', {version}, {}, {}, '{}', 'running', 0, '');\n",
            self.facts.state.quoted(),
            self.run,
            row.kind(),
            postgres_protocol::escape::escape_literal(step.name),
            postgres_protocol::escape::escape_literal(step.file()),
            step.checksum
        );
        let timeout = step.lock_timeout.map_or(0, |timeout| timeout.as_millis());
        let name = postgres_protocol::escape::escape_literal(&crate::application_name::step(step.stem));
        let check = self.check(false);
        self.push(&format!(
            "{insert}DISCARD TEMP;\nSET lock_timeout = '{timeout}ms';\nSET application_name = {name};\n{READ_STRINGS_AS_SPLIT};\n{check}"
        ));
    }

    /// A block that fails if another session holds the lock; it uses no operators, since the text's search path is set.
    fn lock_check(&self) -> String {
        let lock = self.facts.lock.all("pg_try_advisory_xact_lock");
        super::writer::block(&format!(
            "BEGIN\n    IF NOT ({lock}) THEN\n        RAISE EXCEPTION 'another session holds the migration lock';\n    END IF;\nEND"
        ))
    }

    /// Updates the step's row within a transaction, under Refit's settings.
    fn update(&mut self, step: &Step<'_>, assignments: &str) {
        let pin = pin::pin_local_sql().replace(';', ";\n");
        let (schema, is_step) = (self.facts.state.quoted(), self.is_step(step));
        self.push(&format!(
            "SET LOCAL SESSION AUTHORIZATION DEFAULT;\n{pin}UPDATE {schema}.step SET {assignments} WHERE {is_step};\n"
        ));
    }

    fn close(&mut self, step: &Step<'_>, done: usize, record: &str) {
        let (schema, is_step) = (self.facts.state.quoted().to_owned(), self.is_step(step));
        self.push("BEGIN;\n");
        self.after_text(step);
        let check = super::writer::block(&format!(
            "BEGIN\n    IF NOT EXISTS (SELECT FROM {schema}.step WHERE {is_step} AND statements_done = {done}) THEN\n        \
             RAISE EXCEPTION 'not all statements of the step are complete';\n    END IF;\nEND"
        ));
        self.push(&format!(
            "{check}WITH record AS ({record})\nUPDATE {schema}.step SET outcome = 'succeeded', finished_at = pg_catalog.clock_timestamp(), \
             attempts = 1 WHERE {is_step};\nCOMMIT;\n"
        ));
        self.applied(step);
    }
}
