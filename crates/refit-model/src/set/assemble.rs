//! From files to a set: every file is read, companion files are attached, and all problems are collected.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use super::MigrationSet;
use crate::approvals::ApprovalRecords;
use crate::budget::{Budget, budgets_of};
use crate::check::{Check, When, checks_of};
use crate::checkpoint::Checkpoint;
use crate::directive::{Allowed, FrontMatter, front_matter, parse};
use crate::file_name::{FileKind, Version};
use crate::footprints::Footprints;
use crate::migration::{CompanionFile, Migration, MigrationFile, Repeatable, Seed};
use crate::order::RunOrder;
use crate::problem::{Problem, SetError, no_statement};
use crate::promotions::Promotions;
use crate::settings::Settings;
use crate::source::SourceFile;
use crate::statement::statements_of;
use crate::text::{Position, nearest, normalise};

/// Builds the set and collects all problems.
pub(super) fn assemble(
    folder: &str,
    files: Vec<SourceFile>,
    problems: Vec<Problem>,
) -> Result<MigrationSet, SetError> {
    let mut builder = Builder { problems, ..Builder::default() };
    let settings = builder.settings(&files);
    for file in files {
        builder.file(file, &settings);
    }
    builder.attach_companions();
    builder.migrations.sort_by_cached_key(|migration| RunOrder::of(&migration.path));
    builder.repeatables.sort_by_cached_key(|repeatable| RunOrder::of(&repeatable.path));
    builder.check_versions(&settings);
    builder.check_references();
    builder.check_packages(&settings);
    builder.check_checkpoints();
    let Builder {
        migrations,
        repeatables,
        seeds,
        checks,
        budgets,
        promotions,
        approvals,
        checkpoints,
        footprints,
        mut problems,
        ..
    } = builder;
    if problems.is_empty() {
        return Ok(MigrationSet {
            settings,
            migrations,
            repeatables,
            seeds,
            checks,
            budgets,
            promotions,
            approvals,
            checkpoints,
            footprints,
        });
    }
    problems.sort();
    Err(SetError { folder: folder.to_owned(), problems })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Role {
    Down,
    Check,
    Budget,
    Doc,
}

#[derive(Default)]
pub(super) struct Builder {
    pub(super) migrations: Vec<Migration>,
    pub(super) repeatables: Vec<Repeatable>,
    seeds: Vec<Seed>,
    checks: Vec<Check>,
    budgets: Vec<Budget>,
    approvals: ApprovalRecords,
    promotions: Promotions,
    footprints: Footprints,
    pub(super) checkpoints: Vec<Checkpoint>,
    /// The checks of migrations, by stem.
    check_files: HashMap<String, Vec<Check>>,
    /// The budgets of migrations, by stem.
    budget_files: HashMap<String, Vec<Budget>>,
    companions: BTreeMap<(String, Role), CompanionFile>,
    pub(super) problems: Vec<Problem>,
}

impl Builder {
    fn settings(&mut self, files: &[SourceFile]) -> Settings {
        let Some(file) = files.iter().find(|file| file.path == "refit.toml") else {
            return Settings::default();
        };
        let parsed = match std::str::from_utf8(&file.bytes) {
            Ok(text) => Settings::parse(&file.path, &normalise(text)),
            Err(error) => Err(not_utf8(&file.path, &file.bytes, error.valid_up_to())),
        };
        parsed.unwrap_or_else(|problem| {
            self.problems.push(problem);
            Settings::default()
        })
    }

    fn file(&mut self, file: SourceFile, settings: &Settings) {
        let kind = match FileKind::of(&file.path) {
            Ok(FileKind::Settings | FileKind::Ignored) => return,
            Ok(kind) => kind,
            Err(problem) => return self.problems.push(problem),
        };
        let path = file.path.clone();
        let text = match text_of(file, settings.max_file_bytes) {
            Ok(text) => text,
            Err(problem) => return self.problems.push(problem),
        };
        if path.ends_with(".sql") {
            self.problems.extend(settings.placeholder_problems(&path, &text));
        }
        let companion = |text: Cow<'static, str>| CompanionFile { path: path.clone(), text: text.into() };
        match kind {
            FileKind::Migration { version, name } => self.migration(path, version, name, text),
            FileKind::Repeatable { name } => {
                let file = self.migration_file(path, &format!("V0__{name}"), name, text, Allowed::Repeatable);
                self.repeatables.extend(file.map(|file| Repeatable { file }));
            }
            FileKind::Checkpoint { version, name } => self.checkpoint(path, version, name, text),
            FileKind::Doc { stem } => drop(self.companions.insert((stem, Role::Doc), companion(text))),
            FileKind::Down { stem } => {
                self.check_companion(&path, &text);
                self.companions.insert((stem, Role::Down), companion(text));
            }
            FileKind::Check { stem } => {
                let checks = self
                    .queries_of(&path, &text, |path, text, stem| checks_of(path, text, stem, When::After));
                self.check_files.insert(stem.clone(), checks);
                self.companions.insert((stem, Role::Check), companion(text));
            }
            FileKind::StandingCheck => {
                let checks = self
                    .queries_of(&path, &text, |path, text, stem| checks_of(path, text, stem, When::Standing));
                self.checks.extend(checks);
            }
            FileKind::Budget { stem } => {
                let budgets = self.queries_of(&path, &text, budgets_of);
                self.budget_files.insert(stem.clone(), budgets);
                self.companions.insert((stem, Role::Budget), companion(text));
            }
            FileKind::StandingBudget => {
                let budgets = self.queries_of(&path, &text, budgets_of);
                self.budgets.extend(budgets);
            }
            FileKind::Seed { environment } => {
                self.check_companion(&path, &text);
                self.seeds.push(Seed { environment, path, sql: text.into() });
            }
            FileKind::Approvals => match ApprovalRecords::parse(&text) {
                Ok(ApprovalRecords { entries, lint, .. }) => {
                    (self.approvals.entries, self.approvals.lint) = (entries, lint);
                }
                Err(problems) => self.problems.extend(problems),
            },
            FileKind::AllowedSigners => self.approvals.allowed_signers = Some(text.into_owned()),
            FileKind::Footprints => match Footprints::parse(&path, &text) {
                Ok(footprints) => self.footprints = footprints,
                Err(problem) => self.problems.push(problem),
            },
            FileKind::Promotions => match Promotions::parse(&path, &text) {
                Ok(promotions) => self.promotions = promotions,
                Err(problem) => self.problems.push(problem),
            },
            FileKind::Settings | FileKind::Ignored => {}
        }
    }

    /// The checks or budgets of a file. What is wrong with them is noted, unless the file itself is.
    fn queries_of<T>(
        &mut self,
        path: &str,
        text: &str,
        read: impl FnOnce(&str, &str, &str) -> Result<Vec<T>, Vec<Problem>>,
    ) -> Vec<T> {
        if self.problems.iter().any(|problem| problem.path == path) {
            return Vec::new();
        }
        let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".sql");
        let stem = stem.trim_end_matches(".check").trim_end_matches(".budget");
        read(path, text, stem).unwrap_or_else(|problems| {
            self.problems.extend(problems);
            Vec::new()
        })
    }

    /// Checks a SQL file that is not a migration.
    fn check_companion(&mut self, path: &str, text: &str) {
        let is_backfill = text.contains("backfill") && front_matter(path, text).0.backfill.is_some();
        self.check_sql(path, text, is_backfill);
    }

    /// Checks that a file has statements, each terminated. The statement of a backfill may be a function of the program.
    fn check_sql(&mut self, path: &str, text: &str, is_backfill: bool) {
        match statements_of(path, text) {
            Err(problem) => self.problems.push(problem),
            Ok(statements) if statements.is_empty() && !is_backfill => self.problems.push(no_statement(path)),
            Ok(_) => {}
        }
    }

    fn checkpoint(&mut self, path: String, version: Version, name: String, sql: Cow<'static, str>) {
        self.check_companion(&path, &sql);
        let stem = stem_of(&path).to_owned();
        self.checkpoints.push(Checkpoint { version, stem, name, path, sql: sql.into() });
    }

    fn migration(&mut self, path: String, version: Version, name: String, sql: Cow<'static, str>) {
        let stem = stem_of(&path).to_owned();
        let Some(file) = self.migration_file(path, &stem, name, sql, Allowed::Migration) else { return };
        if file.directives.backfill.is_some() && !file.directives.transaction {
            let fix = "remove `transaction = false`: each batch is its own transaction";
            self.problems.push(Problem::new(&file.path, "a backfill always runs in transactions", fix));
        }
        self.migrations.push(Migration { version, file, down: None });
    }

    /// Reads a migration; `refinery_stem` is the file name from which refinery computes the checksum.
    fn migration_file(
        &mut self,
        path: String,
        refinery_stem: &str,
        name: String,
        sql: Cow<'static, str>,
        allowed: Allowed,
    ) -> Option<MigrationFile> {
        let FrontMatter { directives, suppressions } = parse(&path, &sql, allowed, &mut self.problems);
        self.check_sql(&path, &sql, directives.backfill.is_some());
        let checksum = self.checksum(&path, refinery_stem, &name, &sql)?;
        let stem = stem_of(&path).to_owned();
        Some(MigrationFile {
            stem,
            name,
            path,
            sql: sql.into(),
            checksum,
            directives,
            suppressions,
            checks: Vec::new(),
            budgets: Vec::new(),
            check_file: None,
            doc: None,
        })
    }

    /// refinery's own checksum, with a check that it reads the same name.
    fn checksum(&mut self, path: &str, stem: &str, name: &str, sql: &str) -> Option<u64> {
        match refinery_core::Migration::unapplied(stem, sql) {
            Ok(migration) if migration.name() == name => return Some(migration.checksum()),
            Ok(migration) => {
                let message = format!("refinery would cut the name to `{}`", migration.name());
                self.problems.push(Problem::new(path, message, "use letters, digits and underscores only"));
            }
            Err(error) => self.problems.push(Problem::new(path, error.to_string(), "rename the file")),
        }
        None
    }

    fn attach_companions(&mut self) {
        let mut migrations: HashMap<_, _> = self.migrations.iter_mut().map(|m| (m.stem.clone(), m)).collect();
        let mut repeatables: HashMap<_, _> =
            self.repeatables.iter_mut().map(|r| (r.stem.clone(), r)).collect();
        for ((stem, role), companion) in std::mem::take(&mut self.companions) {
            let migration = migrations.get_mut(&stem);
            let repeatable = repeatables.get_mut(&stem);
            let slot = match (migration, repeatable, role) {
                (Some(migration), _, Role::Down) => &mut migration.down,
                (Some(migration), _, Role::Check) => {
                    migration.file.checks = self.check_files.remove(&stem).unwrap_or_default();
                    &mut migration.file.check_file
                }
                (Some(migration), _, Role::Budget) => {
                    migration.file.budgets = self.budget_files.remove(&stem).unwrap_or_default();
                    continue;
                }
                (Some(migration), _, Role::Doc) => &mut migration.file.doc,
                (None, Some(_), Role::Down) => {
                    let fix = "remove it: a repeatable migration is undone by changing it";
                    self.problems.push(Problem::new(
                        companion.path,
                        "a repeatable migration cannot have a down file",
                        fix,
                    ));
                    continue;
                }
                (None, Some(repeatable), Role::Check) => {
                    repeatable.file.checks = self.check_files.remove(&stem).unwrap_or_default();
                    &mut repeatable.file.check_file
                }
                (None, Some(repeatable), Role::Budget) => {
                    repeatable.file.budgets = self.budget_files.remove(&stem).unwrap_or_default();
                    continue;
                }
                (None, Some(repeatable), Role::Doc) => &mut repeatable.file.doc,
                (None, None, _) => {
                    let near = nearest(&stem, migrations.keys().map(String::as_str));
                    let fix = match near {
                        Some(near) => format!("if it belongs to {near}.sql, give it the same stem"),
                        None => "give it the stem of its migration, or remove it".to_owned(),
                    };
                    let message = format!("this companion file has no migration {stem}.sql");
                    self.problems.push(Problem::new(companion.path, message, fix));
                    continue;
                }
            };
            *slot = Some(companion);
        }
    }
}

/// The file name of a migration without `.sql`.
fn stem_of(path: &str) -> &str {
    path.strip_suffix(".sql").unwrap_or(path)
}

fn text_of(file: SourceFile, max_bytes: usize) -> Result<Cow<'static, str>, Problem> {
    let SourceFile { path, bytes } = file;
    if bytes.len() > max_bytes {
        let message =
            format!("the file has {} bytes, which exceeds `max_file_bytes` ({max_bytes})", bytes.len());
        let fix = "load data with a backfill or an import, or raise `max_file_bytes` in refit.toml";
        return Err(Problem::new(path, message, fix));
    }
    let text = match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes).map(normalise),
        Cow::Owned(ref owned) => {
            std::str::from_utf8(owned).map(|text| Cow::Owned(normalise(text).into_owned()))
        }
    };
    match text {
        Ok(text) => match text.find('\0') {
            Some(offset) => {
                let problem =
                    Problem::new(path, "this is a NUL byte, which PostgreSQL cannot store", "remove it");
                Err(problem.at(Position::of(&text, offset)))
            }
            None => Ok(text),
        },
        Err(error) => Err(not_utf8(&path, &bytes, error.valid_up_to())),
    }
}

fn not_utf8(path: &str, bytes: &[u8], valid: usize) -> Problem {
    let before = String::from_utf8_lossy(&bytes[..valid]);
    Problem::new(path, "this is not valid UTF-8", "save the file as UTF-8")
        .at(Position::of(&before, before.len()))
}
