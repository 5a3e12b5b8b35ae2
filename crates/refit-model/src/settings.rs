//! `refit.toml`: the settings of a set, embedded with it. The documentation of its keys is the text of
//! `docs/reference/settings.md` (`cargo xtask reference`).

mod durations;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};

pub(crate) use durations::parse_duration;
use durations::{DAY, days, duration, duration_text};

use crate::environment::{Environment, circular_requirement};
use crate::file_name::Version;
use crate::hook::HookSettings;
use crate::problem::Problem;
use crate::setting_keys::SETTING_KEYS;
use crate::text::{Position, nearest};
use crate::variables::some_variables;

/// How versions are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionStyle {
    /// `V0001`, `V0002`, …
    Counted,
    /// `V20261120143000`: UTC, year to second.
    Timestamp,
}

/// What to do when the history does not match the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// Refuse to run, with an error that explains the fix.
    Refuse,
    /// The run continues with a warning.
    Warn,
    /// The run continues silently.
    Accept,
}

/// What to do with a pending migration that is older than an applied one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutOfOrder {
    /// Refuse to run, with an error that explains the fix.
    Refuse,
    /// Apply it if it touches nothing that an applied newer one touches; otherwise refuse to run.
    Commuting,
    /// Apply it with a warning.
    Warn,
    /// Apply it silently.
    Accept,
}

/// What to do when the history of a database does not match the migrations folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Policies {
    /// A file was edited or renamed after it was applied. `cargo xtask repair` accepts the edit.
    pub changed: Policy,
    /// An applied migration has no file, at or below the newest version of the folder. `cargo xtask repair --forget V0007`
    /// removes it from the history.
    pub missing: Policy,
    /// A pending migration is older than the newest applied one. With `"warn"` and `"accept"` it is applied. With `"commuting"` it is
    /// applied if it touches no object that an applied newer one touches, as `footprints.toml` says, which `cargo xtask snapshot`
    /// then writes.
    pub out_of_order: OutOfOrder,
    /// The database has versions newer than the newest of the folder, and so than the program that embeds it.
    pub ahead: Policy,
}

impl Default for Policies {
    fn default() -> Policies {
        Policies {
            changed: Policy::Refuse,
            missing: Policy::Refuse,
            out_of_order: OutOfOrder::Refuse,
            ahead: Policy::Warn,
        }
    }
}

/// The level of a lint rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LintLevel {
    /// The rule is off.
    Allow,
    /// What the rule finds is a warning.
    Warn,
    /// What the rule finds is an error.
    Deny,
}

/// Levels of the linter's rules. A name that is no rule is a finding of `unknown-rule`.
///
/// ```toml
/// [lint.rules]
/// drop-column = "warn"
///
/// [[lint.path]]
/// path = "V0003__create_pages.sql"
/// rules = { prefer-text = "deny" }
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LintSettings {
    /// Levels by the name of the rule, instead of the rule's own. `cargo xtask explain --list` lists all rules.
    pub rules: BTreeMap<String, LintLevel>,
    /// Levels for one file or folder, instead of those in `[lint.rules]`. If two name the same rule, the later one counts.
    pub path: Vec<LintPath>,
}

/// Levels for one file or folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LintPath {
    /// A file of the migrations folder, or a folder in it.
    pub path: String,
    /// Levels by the name of the rule.
    pub rules: BTreeMap<String, LintLevel>,
}

/// The versions that are reserved for a package. Ranges must not overlap, and a range may be empty. Once a package is declared, every
/// version must be in the range of one.
///
/// ```toml
/// [package.base]
/// from = 0
/// to = 18
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PackageRange {
    /// The first version.
    pub from: Version,
    /// The last version.
    pub to: Version,
}

/// What `cargo xtask verify` leaves out. In a name, `*` stands for any characters and `?` for one.
///
/// ```toml
/// [verify]
/// ignore_tables = ["ev_*"]
/// ignore_schemas = ["monitoring"]
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct VerifySettings {
    /// Tables by name, in any schema, with their indexes, constraints and triggers.
    pub ignore_tables: Vec<String>,
    /// Schemas, with everything in them.
    pub ignore_schemas: Vec<String>,
}

/// Settings are the keys of `refit.toml` in the migrations folder, which is embedded with it. Every key is optional. An unknown
/// key and a wrong value are errors of the build.
///
/// ```toml
/// postgres = 15
/// lock_timeout = "5s"
///
/// [policy]
/// out_of_order = "warn"
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// How versions are numbered. If it is not set, both are accepted, and `cargo xtask new-migration` continues as the folder
    /// began.
    pub versions: Option<VersionStyle>,
    /// The oldest major version of PostgreSQL that the migrations must run on: 14 to 18. Syntax of later versions is then an
    /// error of the linter. If it is not set, 14 is assumed, and later syntax is no error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<u32>,
    /// How long a step in a transaction may wait for a lock before it is rolled back and tried again, such as `"500ms"`, `"2s"` or
    /// `"1min"`: at least `"1ms"`, less than a day.
    #[serde(deserialize_with = "duration", serialize_with = "duration_text")]
    pub lock_timeout: Duration,
    /// How long the values that a backfill with `undo` has overwritten are kept once it is complete, such as `"12h"`, `"30d"` or
    /// `"2w"`: at least `"1s"`, at most 100 years (`"36500d"`). A day has 24 hours.
    #[serde(deserialize_with = "days", serialize_with = "duration_text")]
    pub undo_retention: Duration,
    /// How long the records of runs, their steps and the results of checks are kept, such as `"30d"` or `"12w"`: at least `"1s"`, at
    /// most 100 years. They are what `cargo xtask report` shows; nothing that a later run depends on is deleted. A day has 24 hours.
    #[serde(deserialize_with = "days", serialize_with = "duration_text")]
    pub retention: Duration,
    /// The schema of the history table, `refinery_schema_history`: its name as the catalog has it, unquoted. If it is not set,
    /// the search path decides.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "schema")]
    pub history_schema: Option<String>,
    /// The schema in which Refit keeps its own records: its name as the catalog has it, unquoted. If it is not set, `refit`.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "schema")]
    pub state_schema: Option<String>,
    /// What to do when the history of a database does not match the folder.
    pub policy: Policies,
    /// Levels of the linter's rules.
    pub lint: LintSettings,
    /// Packages: migrations that are run or left out together, by ranges of versions. `cargo xtask migrate --to-package base` runs
    /// those up to a package, `--from-package` those from one on.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub package: BTreeMap<String, PackageRange>,
    /// What `cargo xtask verify` leaves out.
    pub verify: VerifySettings,
    /// Values of variables, by name. With this table, or with that of an environment, `${name}` in a SQL file stands for the value
    /// of a variable: as a literal, as an identifier (`${name:ident}`) or as it is (`${name:raw}`). A name that no table has is an error of
    /// the build. `Migrator::variable` and `--var` take precedence.
    ///
    /// ```toml
    /// [variables]
    /// reader = "app_reader"
    ///
    /// [environment.staging.variables]
    /// reader = "staging_reader"
    /// ```
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "some_variables")]
    pub variables: Option<BTreeMap<String, String>>,
    /// Profiles of environments, by name.
    pub environment: BTreeMap<String, Environment>,
    /// The size of the largest file accepted, in bytes.
    pub max_file_bytes: usize,
    /// Programs and web addresses that are notified of runs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hook: Vec<HookSettings>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            versions: None,
            postgres: None,
            lock_timeout: Duration::from_secs(2),
            undo_retention: Duration::from_secs(30 * DAY),
            retention: Duration::from_secs(30 * DAY),
            history_schema: None,
            state_schema: None,
            policy: Policies::default(),
            lint: LintSettings::default(),
            package: BTreeMap::new(),
            verify: VerifySettings::default(),
            variables: None,
            environment: BTreeMap::new(),
            max_file_bytes: 16 * 1024 * 1024,
            hook: Vec::new(),
        }
    }
}

impl Settings {
    /// Reads `refit.toml`.
    ///
    /// # Errors
    ///
    /// A problem with its position for a syntax error, an unknown key or an invalid value.
    pub fn parse(path: &str, text: &str) -> Result<Settings, Problem> {
        let settings: Settings = toml::from_str(text).map_err(|error| {
            let message = error.message().to_owned();
            let fix = fix_of(&message);
            let problem = Problem::new(path, message, fix);
            match error.span() {
                Some(span) => problem.at(Position::of(text, span.start)),
                None => problem,
            }
        })?;
        if let Some(message) = settings.hook.iter().find_map(HookSettings::problem) {
            return Err(Problem::new(path, message.to_owned(), "docs/hooks.md shows how a hook is written"));
        }
        match settings.postgres {
            Some(version) if !(14..=18).contains(&version) => {
                let message = format!("postgres = {version} is not supported");
                Err(Problem::new(path, message, "use a major version from 14 to 18"))
            }
            _ => match circular_requirement(&settings.environment) {
                Some(why) => {
                    Err(Problem::new(path, why, "name an environment in which migrations run earlier"))
                }
                None => Ok(settings),
            },
        }
    }

    /// Whether the profile of an environment requires that migrations were applied in this one.
    pub fn is_required(&self, environment: &str) -> bool {
        self.environment.values().any(|other| other.requires.as_deref() == Some(environment))
    }
}

fn fix_of(message: &str) -> String {
    match message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next()) {
        Some(key) => match nearest(key, SETTING_KEYS) {
            Some(known) => format!("did you mean `{known}`?"),
            None => format!("known keys: {}", SETTING_KEYS.join(", ")),
        },
        None if message.ends_with("expected a string") => "write it in quotes".to_owned(),
        None if message.contains("`allow`") => "write \"allow\", \"warn\" or \"deny\"".to_owned(),
        None => "docs/reference/settings.md says what each key takes".to_owned(),
    }
}

/// Reads the name of a schema, unquoted, as in the catalog.
fn schema<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let name = String::deserialize(deserializer)?;
    match name.is_empty() || name.len() > 63 || name.contains('\0') {
        true => Err(serde::de::Error::custom("the name of a schema must have 1 to 63 bytes")),
        false => Ok(Some(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_the_defaults() {
        assert_eq!(Settings::parse("refit.toml", "").unwrap(), Settings::default());
    }

    #[test]
    fn every_key_is_read() {
        let text = "versions = \"timestamp\"\npostgres = 15\nlock_timeout = \"500ms\"\nmax_file_bytes = 10\nundo_retention = \"2w\"\nretention = \"90d\"\n\
                    [policy]\nchanged = \"warn\"\nmissing = \"accept\"\nout_of_order = \"commuting\"\nahead = \"refuse\"\n\
                    [verify]\nignore_tables = [\"ev_*\"]\nignore_schemas = [\"monitoring\"]\n\
                    [variables]\nreader = \"app\"\n[environment.staging.variables]\nreader = \"other\"\n";
        let settings = Settings::parse("refit.toml", text).unwrap();
        assert_eq!(settings.versions, Some(VersionStyle::Timestamp));
        assert_eq!(settings.lock_timeout, Duration::from_millis(500));
        assert_eq!(settings.policy.out_of_order, OutOfOrder::Commuting);
        assert_eq!(settings.undo_retention, Duration::from_secs(14 * DAY));
        assert_eq!(settings.retention, Duration::from_secs(90 * DAY));
        assert_eq!(settings.verify.ignore_tables, ["ev_*"]);
        assert_eq!(settings.verify.ignore_schemas, ["monitoring"]);
        assert_eq!(settings.variables.as_ref().unwrap()["reader"], "app");
        assert_eq!(settings.environment["staging"].variables["reader"], "other");
        let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn levels_of_rules_are_read() {
        let text = "[lint.rules]\ndrop-column = \"warn\"\n\"lock-held\" = \"allow\"\n\
                    [[lint.path]]\npath = \"V0001__x.sql\"\nrules = { drop-table = \"deny\" }\n";
        let lint = Settings::parse("refit.toml", text).unwrap().lint;
        assert_eq!(lint.rules["drop-column"], LintLevel::Warn);
        assert_eq!(lint.rules["lock-held"], LintLevel::Allow);
        assert_eq!(
            (lint.path[0].path.as_str(), lint.path[0].rules["drop-table"]),
            ("V0001__x.sql", LintLevel::Deny)
        );
        for (text, fix) in [
            ("[lint]\nrule = {}", "did you mean `rules`?"),
            ("[[lint.path]]\npaths = \"x\"\nrules = {}", "did you mean `path`?"),
            ("[lint.rules]\nx = \"warning\"", "write \"allow\", \"warn\" or \"deny\""),
        ] {
            assert_eq!(Settings::parse("refit.toml", text).unwrap_err().fix, fix, "{text}");
        }
    }

    #[test]
    fn a_mistake_has_its_place_and_a_suggestion() {
        let problem = Settings::parse("refit.toml", "postgres = 15\nlock_timout = \"2s\"\n").unwrap_err();
        assert_eq!(problem.position.unwrap().line, 2);
        assert_eq!(problem.fix, "did you mean `lock_timeout`?");
        assert!(
            Settings::parse("refit.toml", "lock_timeout = \"soon\"")
                .unwrap_err()
                .message
                .contains("not a duration")
        );
        assert!(
            Settings::parse("refit.toml", "lock_timeout = \"0s\"")
                .unwrap_err()
                .message
                .contains("out of range")
        );
        for text in ["soon", "0s", "2 months", "200y", "-1d"] {
            let problem = Settings::parse("refit.toml", &format!("undo_retention = \"{text}\"")).unwrap_err();
            assert!(
                problem.message.contains("not a duration") || problem.message.contains("out of range"),
                "{text}: {}",
                problem.message
            );
        }
        assert!(Settings::parse("refit.toml", "postgres = 9").is_err());
        assert!(Settings::parse("refit.toml", "versions = [").is_err());
    }
}
