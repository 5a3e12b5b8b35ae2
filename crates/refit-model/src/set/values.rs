//! A set with values in place of its placeholders.

use std::collections::BTreeMap;

use super::MigrationSet;
use crate::migration::{CompanionFile, MigrationFile};
use crate::problem::{Problem, SetError};
use crate::sql_text::SqlText;
use crate::text::Position;

impl MigrationSet {
    /// The set with the values that variables have in an environment in place of placeholders; `overrides` are values that
    /// take precedence. Checksums and digests stay those of the texts as they are written.
    ///
    /// Files of migrations that do not run there keep their placeholders if they need a value that is missing.
    ///
    /// ```
    /// use refit_model::{MigrationSet, SourceFile};
    ///
    /// let files = vec![
    ///     SourceFile::new("refit.toml", b"[variables]\nreader = \"app\""),
    ///     SourceFile::new("V0001__grant.sql", b"GRANT SELECT ON posts TO ${reader:ident};"),
    /// ];
    /// let set = MigrationSet::from_files("migrations", files)?;
    /// let sent = set.with_variables("production", &[("reader".to_owned(), "Readers".to_owned())].into())?;
    /// assert_eq!(&*sent.migrations()[0].sql, "GRANT SELECT ON posts TO \"Readers\";");
    /// assert_eq!(sent.digest(), set.digest());
    /// # Ok::<(), refit_model::SetError>(())
    /// ```
    ///
    /// # Errors
    /// [`SetError`] with every placeholder whose variable has no value in the environment, or one that cannot be used, and with
    /// every override that is no variable.
    pub fn with_variables(
        &self,
        environment: &str,
        overrides: &BTreeMap<String, String>,
    ) -> Result<MigrationSet, SetError> {
        let mut problems = self.settings.unknown_variables(overrides.keys());
        let mut set = self.clone();
        if problems.is_empty() && self.settings.has_variables() {
            let values = self.settings.values_in(environment, overrides);
            problems = set.put(environment, &values);
        }
        if problems.is_empty() {
            return Ok(set);
        }
        problems.sort();
        Err(SetError { folder: format!("(with the variables of {environment})"), problems })
    }

    /// The same for a set whose texts are only read: a variable without a value there has the one of another environment, and
    /// what still cannot be replaced stays as it is written.
    #[must_use]
    pub fn with_variables_to_read(
        &self,
        environment: &str,
        overrides: &BTreeMap<String, String>,
    ) -> MigrationSet {
        let mut set = self.clone();
        if let Some(values) = self.settings.values_to_read(environment, overrides) {
            set.put(environment, &values);
        }
        set
    }

    /// Puts values in place of the placeholders of all files.
    fn put(&mut self, environment: &str, values: &BTreeMap<String, String>) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut put = |path: &str, text: &mut SqlText, start: Position, is_needed: bool| match text
            .with_values(path, values)
        {
            Ok(replaced) => *text = replaced,
            Err(found) if is_needed => {
                problems.extend(found.into_iter().map(|problem| moved(problem, start)));
            }
            Err(_) => {}
        };
        let file_start = Position { line: 1, column: 1 };
        let versioned =
            self.migrations.iter_mut().map(|migration| (&mut migration.file, migration.down.as_mut()));
        let repeatable = self.repeatables.iter_mut().map(|repeatable| (&mut repeatable.file, None));
        for (file, down) in versioned.chain(repeatable) {
            let runs = file.directives.runs_in(environment);
            let MigrationFile { path, sql, checks, budgets, .. } = file;
            put(path, sql, file_start, runs);
            if let Some(CompanionFile { path, text }) = down {
                put(path, text, file_start, runs);
            }
            checks.iter_mut().for_each(|check| put(&check.path, &mut check.sql, check.position, runs));
            budgets.iter_mut().for_each(|budget| put(&budget.path, &mut budget.sql, budget.position, runs));
        }
        self.checks.iter_mut().for_each(|check| put(&check.path, &mut check.sql, check.position, true));
        self.budgets.iter_mut().for_each(|budget| put(&budget.path, &mut budget.sql, budget.position, true));
        for seed in &mut self.seeds {
            put(&seed.path, &mut seed.sql, file_start, seed.environment == environment);
        }
        problems
    }
}

/// A problem of a text that begins at a place of its file.
fn moved(problem: Problem, start: Position) -> Problem {
    let Some(Position { line, column }) = problem.position else { return problem };
    let column = if line == 1 { column + start.column - 1 } else { column };
    problem.at(Position { line: line + start.line - 1, column })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::SourceFile;

    const SETTINGS: &str = "[variables]\na = \"1\"\n[environment.staging.variables]\nb = \"it's\"\n";

    fn set(files: &[(&str, &str)]) -> Result<MigrationSet, SetError> {
        let settings = SourceFile::new("refit.toml", SETTINGS.as_bytes());
        let file = |(path, text): &(&str, &str)| SourceFile::new(*path, text.as_bytes().to_vec());
        MigrationSet::from_files(
            "migrations",
            std::iter::once(settings).chain(files.iter().map(file)).collect(),
        )
    }

    fn shown(error: &SetError) -> Vec<String> {
        error.problems.iter().map(|problem| problem.to_string().replace("\n    fix: ", " | ")).collect()
    }

    #[test]
    fn every_file_has_placeholders() {
        let query = "-- Why.\nSELECT ${b}, ${b:ident};";
        let files = [
            ("V1__a.sql", query),
            ("V1__a.down.sql", query),
            ("V1__a.check.sql", query),
            ("V1__a.budget.sql", query),
            ("R__v.sql", query),
            ("R__v.check.sql", query),
            ("checks/all.sql", query),
            ("budgets/all.sql", query),
            ("seeds/staging/a.sql", query),
        ];
        let written = set(&files).unwrap();
        let sent = written.with_variables("staging", &BTreeMap::new()).unwrap();
        let migration = &sent.migrations()[0];
        let texts = [&migration.sql, &migration.down.as_ref().unwrap().text, &sent.repeatables()[0].sql];
        let checks = sent.checks().map(|check| &check.sql).chain(sent.budgets().map(|budget| &budget.sql));
        let all: Vec<_> = texts.into_iter().chain(checks).chain([&sent.seeds()[0].sql]).collect();
        assert_eq!(all.len(), 9);
        for text in all {
            assert!(text.contains("SELECT 'it''s', \"it's\""), "{text}");
            assert!(text.written().contains("SELECT ${b}, ${b:ident}"));
        }
        assert_eq!(sent.digest(), written.digest());
        assert_eq!(sent.history_digest("staging"), written.history_digest("staging"));
        assert_eq!(sent.steps().next().unwrap().digest(), written.steps().next().unwrap().digest());
        let problems = shown(&written.with_variables("production", &BTreeMap::new()).unwrap_err());
        assert_eq!(problems.len(), 16, "the seed is for another environment: {problems:#?}");
        let expected = "V1__a.check.sql:2:8: the variable `b` has no value | \
                        give it one in refit.toml, or with `--var b=VALUE`";
        assert!(problems.contains(&expected.to_owned()), "{problems:#?}");
        assert!(
            written.with_variables_to_read("production", &BTreeMap::new()).migrations()[0]
                .sql
                .contains("it''s")
        );
    }

    #[test]
    fn what_does_not_run_needs_no_value() {
        let text = "-- refit: environments = [\"staging\"]\nSELECT ${b};";
        let written = set(&[("V1__a.sql", text), ("V2__b.sql", "SELECT ${a};")]).unwrap();
        let sent = written.with_variables("production", &BTreeMap::new()).unwrap();
        assert_eq!((&*sent.migrations()[0].sql, &*sent.migrations()[1].sql), (text, "SELECT '1';"));
    }

    #[test]
    fn mistakes_are_problems_of_the_folder() {
        let error = set(&[("V1__a.sql", "SELECT ${c},\n ${a:x};"), ("V2__b.down.sql", "SELECT ${aa};")]);
        let problems = shown(&error.unwrap_err());
        assert!(
            problems
                .iter()
                .any(|problem| problem.starts_with("V1__a.sql:2:2: the placeholder `a` has an unknown kind")),
            "{problems:#?}"
        );
        let unknown = "V2__b.down.sql:1:8: there is no variable `aa` | did you mean `a`?";
        assert!(problems.contains(&unknown.to_owned()), "{problems:#?}");
        let given = [("aa".to_owned(), "1".to_owned())].into();
        let error = set(&[]).unwrap().with_variables("staging", &given).unwrap_err();
        assert_eq!(shown(&error), ["refit.toml: there is no variable `aa` | did you mean `a`?"]);
    }

    #[test]
    fn values_are_in_no_problem() {
        let written = set(&[("V1__a.sql", "SELECT ${a:ident};")]).unwrap();
        let long = [("a".to_owned(), "hunter2".repeat(10))].into();
        let error = written.with_variables("staging", &long).unwrap_err();
        assert!(
            error.to_string().contains("V1__a.sql:1:8: the value of `a` is used as an identifier"),
            "{error}"
        );
        assert!(!error.to_string().contains("hunter2"));
        let sent =
            written.with_variables("staging", &[("a".to_owned(), "hunter2".to_owned())].into()).unwrap();
        assert!(!format!("{sent:?}").contains("hunter2"));
    }
}
