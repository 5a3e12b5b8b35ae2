//! Every recipe on a real server: its files lint clean, go up, down and up again with rows, and the statements of both releases
//! succeed at each step.

mod both;
mod cases;
mod schema;

use std::collections::BTreeMap;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use refit::{Backfills, CheckSelection, Migrator, Rollback, Verdict};
use refit_catalog::{Catalog, Delta, Drift};
use refit_devdb::TestDb;
use refit_lint::{Config, Input, Level, lint};
use refit_model::{FileKind, MigrationSet, SourceFile};
use refit_recipes::{Arguments, NewFile, RECIPES, Request, write};

use self::cases::{CASES, Case, Last};
use self::schema::{BASE, ROWS};
use crate::support::{major, value};

/// Names as they are, and names that need quotes; the last one has 63 bytes.
const NAMES: [(&str, &str, &str); 5] = [
    ("posts", "posts", "Odd \"posts\""),
    ("authors", "authors", "Writers.of posts"),
    ("title", "title", "Title"),
    ("subtitle", "subtitle", "sub title"),
    ("headline", "headline", "a headline whose name is as long as a name may ever be in here"),
];

/// Replaces `<name>` by a name: as it is, or as in SQL.
fn named(text: &str, odd: bool, in_sql: bool) -> String {
    NAMES.iter().fold(text.to_owned(), |text, (token, plain, strange)| {
        let name = if odd { strange } else { plain };
        let written = if in_sql { refit_model::quoted_name(name) } else { (*name).to_owned() };
        text.replace(&format!("<{token}>"), &written)
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_recipe_goes_up_and_down_with_rows_while_both_releases_run() {
    for recipe in &RECIPES {
        assert!(CASES.iter().any(|case| case.recipe == recipe.name), "{} has no case", recipe.name);
    }
    // Names that need quotes for all; names as most people choose them for some.
    let plain = |case: &&Case| ["add-foreign-key", "rename-column"].contains(&case.recipe);
    let all =
        CASES.iter().map(|case| (case, true)).chain(CASES.iter().filter(plain).map(|case| (case, false)));
    let proofs = all.map(|(case, odd)| {
        let proof = async move {
            let base = named(BASE, odd, true);
            let db = database(&base, odd).await;
            let proof = prove(case, &db, &base, odd).await;
            proof.err().map(|complaint| {
                format!("{}{}: {complaint}", case.recipe, if odd { " (quoted names)" } else { "" })
            })
        };
        proof.boxed_local()
    });
    let wrong: Vec<Option<String>> = stream::iter(proofs).buffer_unordered(12).collect().await;
    let wrong: Vec<String> = wrong.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

/// Two releases write one row at the same time, each its own column.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_writes_of_both_releases_leave_both_columns_equal() {
    let base = named(BASE, false, true);
    let db = database(&base, false).await;
    let case = CASES.iter().find(|case| case.recipe == "rename-column").unwrap();
    let files = files(case, &catalog(&db).await, major(&db).await, false).unwrap();
    let set = MigrationSet::from_files("migrations", sources(&base, &files)).unwrap();
    let last = set.migrations().last().unwrap().version;
    let writer = async |column: &str| {
        let client = db.connect().await.unwrap();
        for round in 0..100 {
            let sql = format!("UPDATE posts SET {column} = '{column} {round}' WHERE id <= 3");
            client.batch_execute(&sql).await.unwrap();
        }
        client.close().await;
    };
    let equal = "SELECT count(*) FROM posts WHERE title IS DISTINCT FROM headline";
    for version in 2..last {
        let migrator = Migrator::new(set.clone()).to(version).backfills(Backfills::Inline);
        migrator.run(db.url()).await.unwrap();
        tokio::join!(writer("title"), writer("headline"));
        let remaining =
            "SELECT count(*) FROM posts WHERE title IS DISTINCT FROM headline AND headline IS NOT NULL";
        assert_eq!(value::<i64>(&db, remaining).await, 0, "version {version}");
    }
    assert_eq!(value::<i64>(&db, equal).await, 0);
    let written =
        value::<String>(&db, "SELECT string_agg(DISTINCT title, ',') FROM posts WHERE id <= 3").await;
    assert!(written.contains(" 99"), "the last write of one of them: {written}");
}

async fn database(base: &str, odd: bool) -> TestDb {
    let rows = named(ROWS, odd, true);
    let fill = async |url: &str| {
        let files = [SourceFile::new("V0001__base.sql", base.as_bytes().to_vec())];
        let set = MigrationSet::from_files("migrations", files.into()).unwrap();
        Migrator::new(set).run(url).await.unwrap();
        let client = refit::connect(url, &refit::ConnectOptions::default()).await.unwrap();
        client.batch_execute(&rows).await.unwrap();
        client.close().await;
        Ok::<(), refit_devdb::Error>(())
    };
    TestDb::filled(&format!("recipes{base}{rows}"), fill).await.unwrap()
}

/// A database on which a recipe is applied.
struct Proof<'a> {
    case: &'a Case,
    db: &'a TestDb,
    /// Stays open, as the connections of a service do.
    client: refit::Connection,
    set: MigrationSet,
    versions: Vec<i64>,
    odd: bool,
}

async fn prove(case: &Case, db: &TestDb, base: &str, odd: bool) -> Result<(), String> {
    let catalog = catalog(db).await;
    // The forms for the oldest and the newest server, which are not run here.
    for postgres in [14, 18] {
        clean(&sources(base, &files(case, &catalog, postgres, odd)?), postgres)?;
    }
    let major = major(db).await;
    let inputs = sources(base, &files(case, &catalog, major, odd)?);
    clean(&inputs, major)?;
    let set = MigrationSet::from_files("migrations", inputs).map_err(|error| error.to_string())?;
    let versions: Vec<i64> =
        set.migrations().iter().map(|step| step.version).filter(|version| *version > 1).collect();
    let client = db.connect().await.unwrap();
    let proof = Proof { case, db, client, set, versions, odd };
    proof.runs().await
}

fn files(case: &Case, catalog: &Catalog, postgres: u32, odd: bool) -> Result<Vec<NewFile>, String> {
    let mut arguments = Arguments::default();
    for (name, values) in case.arguments {
        let in_sql = matches!(*name, "value" | "where" | "check" | "using" | "back" | "references");
        // A dot in a name would separate its schema.
        let given = |value: &&str| match (*name, odd) {
            ("table", true) => named(value, odd, true),
            ("references", true) => named(value, odd, true),
            _ => named(value, odd, in_sql),
        };
        arguments.set(name, values.iter().map(given));
    }
    let request = Request {
        postgres: Some(postgres),
        catalog: Some(catalog),
        first: 2,
        ..Request::new(case.recipe, "change_it", &arguments)
    };
    write(&request).map_err(|problem| problem.to_string())
}

fn sources(base: &str, files: &[NewFile]) -> Vec<SourceFile> {
    let own = files.iter().map(|file| SourceFile::new(file.name.clone(), file.text.clone().into_bytes()));
    [SourceFile::new("V0001__base.sql", base.as_bytes().to_vec())].into_iter().chain(own).collect()
}

/// No finding, also of the rules about companions that are off by default.
fn clean(files: &[SourceFile], major: u32) -> Result<(), String> {
    let input = |file: &SourceFile| {
        Input::of_folder(file.path.clone(), file.bytes.clone(), !file.path.starts_with("V0001__"))
    };
    let inputs: Vec<Input> = files.iter().map(input).collect();
    let levels: BTreeMap<String, Level> = ["missing-doc", "missing-down", "foreign-key-without-index"]
        .map(|rule| (rule.to_owned(), Level::Deny))
        .into();
    let outcome = lint(&inputs, &Config { postgres: Some(major), levels, ..Config::default() });
    let found: Vec<String> = outcome
        .findings
        .iter()
        .map(|finding| {
            format!("{}:{} {}: {}", finding.path, finding.start.line, finding.rule, finding.message)
        })
        .collect();
    match found.is_empty() {
        true => Ok(()),
        false => Err(format!("findings:\n{}\n{}", found.join("\n"), texts(files))),
    }
}

fn texts(files: &[SourceFile]) -> String {
    let shown =
        files.iter().filter(|file| FileKind::is_migration(&file.path) && !file.path.starts_with("V0001__"));
    shown.map(|file| format!("--- {}\n{}", file.path, String::from_utf8_lossy(&file.bytes))).collect()
}

impl Proof<'_> {
    async fn runs(&self) -> Result<(), String> {
        let mut states = vec![self.state().await];
        let count = self.versions.len();
        let cycle = if self.case.last == Last::Undone { count } else { count - 1 };
        for at in 0..cycle {
            self.up(at, at + 1).await?;
            states.push(self.state().await);
        }
        for at in (0..cycle).rev() {
            self.down(if at == 0 { 1 } else { self.versions[at - 1] }).await?;
            let rows = at == 0 && !self.case.values_stay;
            self.same(&format!("down from step {}", at + 1), &states[at], rows).await?;
        }
        if cycle > 0 {
            self.up(0, cycle).await?;
            self.same("up again", &states[cycle], true).await?;
        }
        let end = self.versions.get(cycle.wrapping_sub(1)).copied().unwrap_or(1);
        match self.case.last {
            Last::Undone => Ok(()),
            Last::Loses => {
                self.up(cycle, count).await?;
                self.down(end).await?;
                self.same("down from the last step", &states[cycle], false).await?;
                self.up(cycle, count).await
            }
            Last::Final => {
                self.up(cycle, count).await?;
                match self.down(end).await {
                    Ok(()) => Err("the last step was undone".to_owned()),
                    Err(_) => Ok(()),
                }
            }
        }
    }

    /// The schema, and the rows of every table.
    async fn state(&self) -> (Catalog, String) {
        (catalog(self.db).await, self.digest().await)
    }

    /// Applies steps one by one, with the statements of the releases that may run after each.
    async fn up(&self, from: usize, to: usize) -> Result<(), String> {
        let count = self.versions.len();
        for (at, version) in self.versions.iter().enumerate().take(to).skip(from) {
            let migrator = Migrator::new(self.set.clone())
                .to(*version)
                .include(*version)
                .checks(true)
                .backfills(Backfills::Inline);
            let report = migrator
                .run(self.db.url())
                .await
                .map_err(|error| format!("V{version}: {}", error.message()))?;
            if report.steps.len() != 1 {
                return Err(format!(
                    "V{version}: {} steps were applied, {:?}",
                    report.steps.len(),
                    report.held
                ));
            }
            // Checks of earlier steps hold later too: `cargo xtask check` runs all of them.
            let checked = Migrator::new(self.set.clone())
                .check(&self.client, &CheckSelection::default())
                .await
                .unwrap();
            if let Some(failed) = checked.iter().find(|result| result.verdict != Verdict::Passed) {
                return Err(format!("after V{version}: {failed:?}"));
            }
            let manual =
                self.set.migrations().iter().any(|step| step.directives.manual && step.version <= *version);
            if !manual {
                self.release("the old release", self.case.old, at).await?;
                self.release("both", self.case.both, at).await?;
            }
            if at + self.case.new_from_end + 1 >= count {
                self.release("the new release", self.case.new, at).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, version: i64) -> Result<(), String> {
        let to = Rollback { to: version, ..Rollback::default() };
        let migrator = Migrator::new(self.set.clone());
        let report = migrator.rollback(self.db.url(), &to).await;
        report.map(drop).map_err(|error| format!("down to {version}: {}", error.message()))
    }

    /// Statements of a release, which leave nothing behind.
    async fn release(&self, who: &str, statements: &[&str], at: usize) -> Result<(), String> {
        for statement in statements {
            let sql = named(statement, self.odd, true);
            let ran = self.client.batch_execute(&format!("BEGIN; {sql}")).await;
            self.client.batch_execute("ROLLBACK").await.unwrap();
            ran.map_err(|error| {
                let message =
                    error.as_db_error().map_or(error.to_string(), |error| error.message().to_owned());
                format!("{who} after step {}: {message}\n  {sql}", at + 1)
            })?;
        }
        Ok(())
    }

    async fn same(&self, when: &str, expected: &(Catalog, String), rows: bool) -> Result<(), String> {
        let delta = Delta::between(&expected.0, &catalog(self.db).await);
        // A column that comes back is the last one.
        if !delta.is_empty() && !delta.is_only_moved() {
            return Err(format!("{when}: the schema differs:\n{}", delta.text()));
        }
        match rows && self.digest().await != expected.1 {
            true => Err(format!("{when}: the rows differ")),
            false => Ok(()),
        }
    }

    /// The rows of every table.
    async fn digest(&self) -> String {
        let tables: String = value(
            self.db,
            "SELECT coalesce(string_agg(oid::regclass::text, E'\\n' ORDER BY oid::regclass::text), '') FROM pg_class
             WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace AND relname <> 'refinery_schema_history'",
        )
        .await;
        let mut all = String::new();
        for table in tables.lines() {
            let rows = format!(
                "SELECT coalesce(md5(string_agg(r, ',' ORDER BY r)), '') FROM (SELECT to_jsonb(t)::text AS r FROM {table} t) x"
            );
            all.push_str(&format!("{table} {}\n", value::<String>(self.db, &rows).await));
        }
        all
    }
}

async fn catalog(db: &TestDb) -> Catalog {
    let client = db.connect().await.unwrap();
    let catalog = Catalog::read(&client, &Drift::options()).await.unwrap();
    client.close().await;
    catalog
}
