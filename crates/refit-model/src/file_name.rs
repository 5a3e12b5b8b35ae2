//! The kind of a file, from its name. Every file of a folder has one of these kinds or is a problem with a fix.

use serde::Serialize;

use crate::footprints::Footprints;
use crate::problem::Problem;
use crate::promotions::Promotions;

/// A migration's version, which orders it.
pub type Version = i64;

/// The kind of a file of a migrations folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum FileKind {
    /// `refit.toml`
    Settings,
    /// `approvals.toml`
    Approvals,
    /// `allowed_signers`: the keys that may sign approvals.
    AllowedSigners,
    /// `footprints.toml`: what each migration touches.
    Footprints,
    /// `promotions.toml`: what was applied in other environments.
    Promotions,
    /// `V0001__create_content.sql`
    Migration {
        /// The version at the beginning of the name.
        version: Version,
        /// The name after the two underscores.
        name: String,
    },
    /// `R__reporting_views.sql`
    Repeatable {
        /// The name after the two underscores.
        name: String,
    },
    /// `B0018__baseline.sql`: a checkpoint, with which a new database begins in place of the migrations up to this version.
    Checkpoint {
        /// The last version that it contains.
        version: Version,
        /// The name after the two underscores.
        name: String,
    },
    /// `<stem>.down.sql`
    Down {
        /// The migration's file name without `.sql`.
        stem: String,
    },
    /// `<stem>.check.sql`
    Check {
        /// The migration's file name without `.sql`.
        stem: String,
    },
    /// `<stem>.budget.sql`
    Budget {
        /// The migration's file name without `.sql`.
        stem: String,
    },
    /// `<stem>.md`
    Doc {
        /// The migration's file name without `.sql`.
        stem: String,
    },
    /// `checks/*.sql`: checks of the whole database.
    StandingCheck,
    /// `budgets/*.sql`: budgets of the whole database.
    StandingBudget,
    /// `seeds/<environment>/*.sql`
    Seed {
        /// The folder's name.
        environment: String,
    },
    /// Known files that are not part of the set: snapshots, a README, hidden files.
    Ignored,
}

impl FileKind {
    /// Returns the kind of the file at `path`, which is relative to its migrations folder, with `/` between parts.
    ///
    /// # Errors
    ///
    /// The problem with the name, and how to fix it.
    pub fn of(path: &str) -> Result<FileKind, Problem> {
        classify(path)
    }

    /// Whether the file at `path` is run as a step: a versioned or repeatable migration.
    pub fn is_migration(path: &str) -> bool {
        matches!(FileKind::of(path), Ok(FileKind::Migration { .. } | FileKind::Repeatable { .. }))
    }
}

/// Whether all tools read a name (the part after `__`) in the same way.
pub fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_')
}

/// The version in a reference to a migration such as `V0004`, `V4__assign_sites` or `4`.
pub fn version_of(reference: &str) -> Option<Version> {
    let digits = reference.strip_prefix(['V', 'v']).unwrap_or(reference);
    let digits = digits.split("__").next().unwrap_or(digits);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        None
    } else {
        digits.parse().ok()
    }
}

fn classify(path: &str) -> Result<FileKind, Problem> {
    let problem = |message: &str, fix: String| Err(Problem::new(path, message, fix));
    let parts: Vec<&str> = path.split('/').collect();
    match parts[..] {
        _ if parts.iter().any(|part| part.starts_with('.') || *part == "Thumbs.db") => Ok(FileKind::Ignored),
        ["refit.toml"] => Ok(FileKind::Settings),
        ["approvals.toml"] => Ok(FileKind::Approvals),
        ["allowed_signers"] => Ok(FileKind::AllowedSigners),
        [Footprints::FILE] => Ok(FileKind::Footprints),
        [Promotions::FILE] => Ok(FileKind::Promotions),
        ["README.md"] | ["snapshots", ..] => Ok(FileKind::Ignored),
        ["seeds", environment, file] if file.ends_with(".sql") => {
            Ok(FileKind::Seed { environment: environment.to_owned() })
        }
        ["checks", file] if file.ends_with(".sql") => Ok(FileKind::StandingCheck),
        ["checks", ..] => {
            problem("this is not a file of checks", "files of checks are named checks/<name>.sql".to_owned())
        }
        ["budgets", file] if file.ends_with(".sql") => Ok(FileKind::StandingBudget),
        ["budgets", ..] => problem(
            "this is not a file of budgets",
            "files of budgets are named budgets/<name>.sql".to_owned(),
        ),
        ["seeds", ..] => {
            problem("this is not a seed", "seeds are named seeds/<environment>/<name>.sql".to_owned())
        }
        [file] => top_level(path, file),
        [.., file] => problem(
            "the folder is none of `budgets`, `checks`, `seeds` and `snapshots`",
            format!("move it to the top of the migrations folder: {file}"),
        ),
        [] => problem("the name is empty", String::new()),
    }
}

fn top_level(path: &str, file: &str) -> Result<FileKind, Problem> {
    let problem = |message: String, fix: String| Err(Problem::new(path, message, fix));
    if let Some(stem) = file.strip_suffix(".delta.snap") {
        return stem_of(path, stem).map(|_| FileKind::Ignored);
    }
    let lower = file.to_lowercase();
    let suffixes = [".down.sql", ".check.sql", ".budget.sql", ".md", ".sql"];
    if let Some(suffix) = suffixes.into_iter().find(|suffix| lower.ends_with(suffix)) {
        let stem = &file[..file.len() - suffix.len()];
        if !file.ends_with(suffix) {
            return problem(
                "the extension is not in lower case".to_owned(),
                format!("rename it to {stem}{suffix}"),
            );
        }
        let kind = stem_of(path, stem)?;
        let stem = stem.to_owned();
        if matches!(kind, FileKind::Checkpoint { .. }) && suffix != ".sql" {
            let fix = "remove it: the companion files of the migrations remain".to_owned();
            return problem("a checkpoint cannot have companion files".to_owned(), fix);
        }
        return Ok(match suffix {
            ".down.sql" => FileKind::Down { stem },
            ".check.sql" => FileKind::Check { stem },
            ".budget.sql" => FileKind::Budget { stem },
            ".md" => FileKind::Doc { stem },
            _ => kind,
        });
    }
    if lower.ends_with(".rs") {
        let fix = "write it as SQL; register a data migration in Rust under its version in the service";
        return problem("a migration is a .sql file".to_owned(), fix.to_owned());
    }
    problem(
        "this is not a migration, companion file or settings file".to_owned(),
        "move it out of the migrations folder".to_owned(),
    )
}

/// Reads `V0001__name` or `R__name`.
fn stem_of(path: &str, stem: &str) -> Result<FileKind, Problem> {
    let problem = |message: String, fix: String| Err(Problem::new(path, message, fix));
    let Some((head, name)) = stem.split_once("__") else {
        let fix = "name it V<version>__<name>.sql, or R__<name>.sql to run it whenever it changes";
        return problem("the name has no `__` between version and name".to_owned(), fix.to_owned());
    };
    let extension = &path[path.rfind(stem).map_or(path.len(), |start| start + stem.len())..];
    if let Some(undo) = name.strip_suffix("_down").or_else(|| name.strip_suffix("_undo")) {
        let fix = format!("rename it to {head}__{undo}.down.sql, or give the migration another name");
        return problem("an undo script under this name would run as a migration".to_owned(), fix);
    }
    if let Some((name, word)) = name.rsplit_once('.') {
        let fix = format!(
            "companion files end in .down.sql, .check.sql, .budget.sql or .md; the migration itself is {head}__{name}.sql"
        );
        return problem(format!("`.{word}` is not a known companion file"), fix);
    }
    if !is_valid_name(name) {
        let clean = clean_name(name);
        let message = format!("`{name}` is not a valid name: use only letters, digits and underscores");
        return problem(message, format!("rename it to {head}__{clean}{extension}"));
    }
    match head.chars().next() {
        _ if head == "R" => Ok(FileKind::Repeatable { name: name.to_owned() }),
        Some('V') => {
            let version = version(path, &head[1..], name, extension)?;
            Ok(FileKind::Migration { version, name: name.to_owned() })
        }
        Some('B') if version_of(&head[1..]).is_some() => {
            let version = version(path, &head[1..], name, extension)?;
            Ok(FileKind::Checkpoint { version, name: name.to_owned() })
        }
        Some('U') if version_of(&head[1..]).is_some() => {
            let fix = "use V and a version for a migration that runs once, R__ for one that runs whenever it changes";
            problem("the order of unversioned migrations (`U`) cannot be checked".to_owned(), fix.to_owned())
        }
        Some(first) if version_of(&head[first.len_utf8()..]).is_some() => {
            let fix = format!("rename it to V{}__{name}{extension}", &head[first.len_utf8()..]);
            problem(format!("the name begins with `{first}`, so it would never run"), fix)
        }
        _ => problem(
            format!("`{head}` is neither `V` with a version nor `R`"),
            "name it V<version>__<name>.sql or R__<name>.sql".to_owned(),
        ),
    }
}

fn version(path: &str, digits: &str, name: &str, extension: &str) -> Result<Version, Problem> {
    let problem = |message: String, fix: String| Err(Problem::new(path, message, fix));
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let kept: String = digits.chars().filter(char::is_ascii_digit).collect();
        return problem(
            format!("`{digits}` is not a whole number"),
            format!("name it V{kept}__{name}{extension}"),
        );
    }
    match digits.parse() {
        Ok(version) => Ok(version),
        Err(_) => problem(
            format!("version {digits} is too large"),
            "versions are 64-bit: at most 9223372036854775807".to_owned(),
        ),
    }
}

fn clean_name(name: &str) -> String {
    let clean: String = name.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
    let parts: Vec<&str> = clean.split('_').filter(|part| !part.is_empty()).collect();
    if parts.is_empty() { "name".to_owned() } else { parts.join("_") }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The names that plain refinery skips, truncates, panics on or runs by mistake, and the fix for each.
    #[test]
    fn names_that_refinery_mishandles_are_errors_with_a_fix() {
        for (path, fix) in [
            ("V2__bad-name.sql", "rename it to V2__bad_name.sql"),
            ("v3__x.sql", "rename it to V3__x.sql"),
            ("V4__x.SQL", "rename it to V4__x.sql"),
            ("|1__x.sql", "rename it to V1__x.sql"),
            ("V1__a-b.sql", "rename it to V1__a_b.sql"),
            ("V2__b_down.sql", "rename it to V2__b.down.sql, or give the migration another name"),
            ("V1.5__x.sql", "name it V15__x.sql"),
            ("V99999999999999999999__x.sql", "versions are 64-bit: at most 9223372036854775807"),
            ("nested/V1__x.sql", "move it to the top of the migrations folder: V1__x.sql"),
            ("V1_x.sql", "name it V<version>__<name>.sql, or R__<name>.sql to run it whenever it changes"),
            ("V1__.sql", "rename it to V1__name.sql"),
            (
                "V1__x.up.sql",
                "companion files end in .down.sql, .check.sql, .budget.sql or .md; the migration itself is V1__x.sql",
            ),
        ] {
            let problem = classify(path).expect_err(path);
            assert_eq!(problem.fix, fix, "{path}: {}", problem.message);
        }
        for path in [
            "V1__x.rs",
            "B1__x.down.sql",
            "B1__x.md",
            "B__x.sql",
            "U1__x.sql",
            "notes.txt",
            "V__x.sql",
            "X__x.sql",
            "seeds/a.sql",
        ] {
            assert!(classify(path).is_err(), "{path}");
        }
    }

    #[test]
    fn good_names_are_what_they_say() {
        let migration = |version, name: &str| FileKind::Migration { version, name: name.to_owned() };
        let stem = "V0001__create_content".to_owned();
        for (path, kind) in [
            ("V0001__create_content.sql", migration(1, "create_content")),
            ("V20261120143000__x.sql", migration(20_261_120_143_000, "x")),
            ("V0__größe.sql", migration(0, "größe")),
            ("V0001__create_content.down.sql", FileKind::Down { stem: stem.clone() }),
            ("V0001__create_content.check.sql", FileKind::Check { stem: stem.clone() }),
            ("V0001__create_content.budget.sql", FileKind::Budget { stem: stem.clone() }),
            ("budgets/listings.sql", FileKind::StandingBudget),
            ("V0001__create_content.md", FileKind::Doc { stem }),
            ("B0018__baseline.sql", FileKind::Checkpoint { version: 18, name: "baseline".to_owned() }),
            ("R__reporting_views.sql", FileKind::Repeatable { name: "reporting_views".to_owned() }),
            ("promotions.toml", FileKind::Promotions),
            ("footprints.toml", FileKind::Footprints),
            ("seeds/test/a.sql", FileKind::Seed { environment: "test".to_owned() }),
            ("refit.toml", FileKind::Settings),
            ("approvals.toml", FileKind::Approvals),
            ("allowed_signers", FileKind::AllowedSigners),
            ("snapshots/V0004.delta.snap", FileKind::Ignored),
            ("V0004__x.delta.snap", FileKind::Ignored),
            ("README.md", FileKind::Ignored),
            (".gitkeep", FileKind::Ignored),
        ] {
            assert_eq!(classify(path), Ok(kind), "{path}");
        }
    }

    #[test]
    fn a_reference_names_a_version() {
        assert_eq!(version_of("V0004"), Some(4));
        assert_eq!(version_of("V4__assign_sites"), Some(4));
        assert_eq!(version_of("4"), Some(4));
        assert_eq!(version_of("four"), None);
        assert_eq!(version_of("V"), None);
    }

    proptest! {
        #[test]
        fn any_name_is_a_kind_or_a_problem(path in "\\PC{1,40}(\\.sql|\\.SQL|\\.md|\\.down\\.sql)?") {
            let _ = classify(&path);
        }
    }
}
