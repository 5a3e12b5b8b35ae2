//! `[environment.NAME]` of `refit.toml`: what a run must satisfy in an environment. The documentation of its keys is part of
//! `docs/reference/settings.md` (`cargo xtask reference`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::calendar::{FreezePeriod, RunWindow};
use crate::problem::Problem;
use crate::text::Position;
use crate::variables::variables;

/// The profile of an environment: what a service does there when it boots, and what a run must satisfy. `[environment.production]`
/// is the profile of the environment `production`; any name can have one. An environment without a profile requires nothing.
///
/// ```toml
/// [environment.production]
/// boot = "check"
/// windows = ["Sat,Sun 01:00-05:00 Europe/Berlin"]
/// freeze = ["2026-12-20/2027-01-02"]
/// requires = "staging"
/// checks = true
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Environment {
    /// What a service does when it boots. `cargo xtask migrate` always applies.
    pub boot: Boot,
    /// How many people must approve a migration: a number, or a table of numbers by the highest lint severity of the migration.
    /// `cargo xtask approve` writes approvals. A run with a pending migration that lacks some is refused.
    ///
    /// ```toml
    /// [environment.production]
    /// approvals = { error = 2, warn = 1 }
    /// ```
    pub approvals: Approvals,
    /// What is backed up before the first step of a run: `cargo xtask migrate`, `rollback` and `backfill run` do it. A service needs
    /// `refit_backup::BackupHook`; without a hook that makes backups, its runs are refused.
    pub backup: Backup,
    /// When migrations may run: `"[DAYS] FROM-TO [TIME ZONE]"`. Times are `HH:MM` or `HH:MM:SS`, and `24:00` is the end of a day.
    /// Days are names such as `Sat,Sun` or `Mon-Fri`, and default to every day; the time zone is a name such as `Europe/Berlin`,
    /// and defaults to UTC. A window that ends before it begins spans midnight, and belongs to the day on which it begins. Outside
    /// the windows, a run with pending migrations is refused, and backfills pause. If there are none, migrations may run at any
    /// time.
    pub windows: Vec<RunWindow>,
    /// When no migration may run: `"FIRST/LAST [TIME ZONE]"`, two dates that both belong to the period, or one date. The time zone
    /// defaults to UTC.
    pub freeze: Vec<FreezePeriod>,
    /// Another environment, in which each migration that runs there must have been applied before, with the same text, down file
    /// and checks. `cargo xtask migrate` there records what is applied in `promotions.toml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requires: Option<String>,
    /// Whether runs run the checks of the migrations that they apply. `Migrator::checks` takes precedence.
    pub checks: bool,
    /// Whether a run measures budgets before and after, and fails if a query exceeds its own.
    pub budgets: bool,
    /// Values of variables in this environment, instead of those in `[variables]`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "variables")]
    pub variables: BTreeMap<String, String>,
    /// Whether seeds may be loaded. No command loads seeds yet.
    pub seeds: bool,
    /// Whether commands print log messages of level debug to standard error; `RUST_LOG` takes precedence. A service decides itself
    /// what it logs.
    pub verbose: bool,
}

impl Default for Environment {
    fn default() -> Environment {
        Environment {
            boot: Boot::default(),
            approvals: Approvals::default(),
            backup: Backup::default(),
            windows: Vec::new(),
            freeze: Vec::new(),
            requires: None,
            checks: false,
            budgets: false,
            variables: BTreeMap::new(),
            seeds: true,
            verbose: false,
        }
    }
}

/// What a service does when it boots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Boot {
    /// It applies what is pending.
    #[default]
    Apply,
    /// It refuses to start while migrations are pending, and changes nothing.
    Check,
    /// It does nothing, and does not connect.
    Off,
}

/// What is backed up before a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Backup {
    /// Nothing.
    #[default]
    None,
    /// Nothing; a restore point is created in the WAL.
    RestorePoint,
    /// The tables that the plan touches.
    Tables,
    /// The whole database.
    Full,
    /// What a program backs up.
    Command,
}

impl Backup {
    /// Its name in `refit.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Backup::None => "none",
            Backup::RestorePoint => "restore-point",
            Backup::Tables => "tables",
            Backup::Full => "full",
            Backup::Command => "command",
        }
    }
}

/// How many people must approve a migration: a number, or a table of numbers by the highest lint severity of the migration.
/// `cargo xtask approve` writes approvals. A run with a pending migration that lacks some is refused.
///
/// ```toml
/// [environment.production]
/// approvals = { error = 2, warn = 1 }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Approvals {
    /// If the linter reports an error.
    pub error: u32,
    /// If the linter reports a warning, and no error.
    pub warn: u32,
    /// If the linter reports nothing.
    pub clean: u32,
}

/// A number for all severities, or a table.
impl<'de> Deserialize<'de> for Approvals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Approvals, D::Error> {
        deserializer.deserialize_any(ApprovalsVisitor)
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct BySeverity {
    error: u32,
    warn: u32,
    clean: u32,
}

struct ApprovalsVisitor;

impl<'de> Visitor<'de> for ApprovalsVisitor {
    type Value = Approvals;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number of approvals, or a table such as { error = 2, warn = 1, clean = 0 }")
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Approvals, E> {
        let number = u32::try_from(number).map_err(|_| {
            E::invalid_value(serde::de::Unexpected::Signed(number), &"a number of approvals from 0 on")
        })?;
        Ok(Approvals { error: number, warn: number, clean: number })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Approvals, A::Error> {
        let BySeverity { error, warn, clean } = BySeverity::deserialize(MapAccessDeserializer::new(map))?;
        Ok(Approvals { error, warn, clean })
    }
}

impl Environment {
    /// Whether it says when migrations may run.
    pub fn has_calendar(&self) -> bool {
        !self.windows.is_empty() || !self.freeze.is_empty()
    }

    /// The time zones that it names.
    pub fn zones(&self) -> impl Iterator<Item = &str> {
        let windows = self.windows.iter().map(|window| window.zone());
        windows.chain(self.freeze.iter().map(|period| period.zone()))
    }
}

/// The time zones of `refit.toml` that do not exist, as problems of the file. `exists` knows the names of time zones; this crate
/// does not.
pub fn unknown_zones(
    environments: &BTreeMap<String, Environment>,
    text: &str,
    exists: impl Fn(&str) -> bool,
) -> Vec<Problem> {
    let mut unknown: Vec<&str> = environments.values().flat_map(Environment::zones).collect();
    unknown.sort_unstable();
    unknown.dedup();
    unknown.retain(|zone| !exists(zone));
    let problem = |zone: &str| {
        let message = format!("`{zone}` is not a time zone");
        let problem = Problem::new("refit.toml", message, "use a name such as Europe/Berlin or UTC");
        match text.find(zone) {
            Some(offset) => problem.at(Position::of(text, offset)),
            None => problem,
        }
    };
    unknown.into_iter().map(problem).collect()
}

/// Why the profiles cannot be satisfied: one requires itself, perhaps through others, or an environment without a name.
pub(crate) fn circular_requirement(environments: &BTreeMap<String, Environment>) -> Option<String> {
    if environments.values().any(|environment| environment.requires.as_deref() == Some("")) {
        return Some("a profile requires the environment \"\"".to_owned());
    }
    let requires =
        |name: &str| environments.get(name).and_then(|environment| environment.requires.as_deref());
    for name in environments.keys() {
        let (mut at, mut seen) = (name.as_str(), vec![name.as_str()]);
        while let Some(next) = requires(at) {
            seen.push(next);
            if next == name {
                return Some(seen.join(", which requires "));
            }
            // A circle that this one leads into is reported for a member of it.
            if seen.len() > environments.len() + 1 {
                break;
            }
            at = next;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;

    fn read(rest: &str) -> Result<Environment, Problem> {
        let text = format!("[environment.production]\n{rest}\n");
        Settings::parse("refit.toml", &text).map(|settings| settings.environment["production"].clone())
    }

    #[test]
    fn every_key_is_read() {
        assert_eq!(read("").unwrap(), Environment::default());
        let full = read(
            "boot = \"check\"\napprovals = { error = 2, warn = 1 }\nbackup = \"restore-point\"\n\
             windows = [\"Sat,Sun 01:00-05:00 Europe/Berlin\", \"22:00-02:00\"]\nfreeze = [\"2026-12-20/2027-01-02\"]\n\
             requires = \"staging\"\nchecks = true\nbudgets = true\nseeds = false\nverbose = true",
        )
        .unwrap();
        assert_eq!((full.boot, full.backup), (Boot::Check, Backup::RestorePoint));
        assert_eq!(full.approvals, Approvals { error: 2, warn: 1, clean: 0 });
        assert_eq!(
            full.windows.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["Sat,Sun 01:00-05:00 Europe/Berlin", "22:00-02:00"]
        );
        assert_eq!(full.zones().collect::<Vec<_>>(), ["Europe/Berlin", "UTC", "UTC"]);
        assert_eq!(full.freeze[0].to_string(), "2026-12-20/2027-01-02");
        assert_eq!(full.requires.as_deref(), Some("staging"));
        assert!(full.checks && full.budgets && !full.seeds && full.verbose);
        let again: Environment = toml::from_str(&toml::to_string(&full).unwrap()).unwrap();
        assert_eq!(again, full);
        assert_eq!(read("approvals = 3").unwrap().approvals, Approvals { error: 3, warn: 3, clean: 3 });
        for (word, backup) in [
            ("none", Backup::None),
            ("tables", Backup::Tables),
            ("full", Backup::Full),
            ("command", Backup::Command),
        ] {
            assert_eq!(read(&format!("backup = \"{word}\"")).unwrap().backup, backup);
        }
        for (word, boot) in [("apply", Boot::Apply), ("off", Boot::Off)] {
            assert_eq!(read(&format!("boot = \"{word}\"")).unwrap().boot, boot);
        }
    }

    #[test]
    fn wrong_keys_and_values_are_reported_with_their_place() {
        for (rest, message) in [
            ("boot = \"later\"", "unknown variant `later`"),
            ("boot = true", ""),
            ("approvals = -1", "a number of approvals"),
            ("approvals = \"two\"", ""),
            ("approvals = { errors = 2 }", "unknown field `errors`"),
            ("backup = \"restore_point\"", "unknown variant"),
            ("windows = \"01:00-05:00\"", ""),
            ("windows = [\"01:00-25:00\"]", "is not a window"),
            ("freeze = [\"2026-12-20/2026-12-19\"]", "ends before it begins"),
            ("requires = 1", ""),
            ("requires = \"\"", "requires the environment \"\""),
            ("checks = \"yes\"", ""),
            ("budgets = 1", ""),
            ("seeds = \"no\"", ""),
            ("verbose = 2", ""),
        ] {
            let problem = read(rest).unwrap_err();
            assert!(problem.message.contains(message), "{rest}: {problem}");
            assert!(rest.starts_with("requires = \"\"") || problem.position.unwrap().line == 2, "{problem}");
        }
        assert_eq!(read("window = []").unwrap_err().fix, "did you mean `windows`?");
    }

    #[test]
    fn an_environment_cannot_require_itself() {
        let read = |text: &str| Settings::parse("refit.toml", text);
        let own = read("[environment.a]\nrequires = \"a\"").unwrap_err();
        assert!(own.message.contains("a, which requires a"), "{own}");
        let circle = "[environment.a]\nrequires = \"b\"\n[environment.b]\nrequires = \"c\"\n[environment.c]\nrequires = \"b\"";
        assert!(read(circle).unwrap_err().message.contains("b, which requires c, which requires b"));
        let chain = "[environment.a]\nrequires = \"b\"\n[environment.b]\nrequires = \"c\"";
        let settings = read(chain).unwrap();
        assert!(settings.is_required("c") && settings.is_required("b") && !settings.is_required("a"));
    }

    #[test]
    fn time_zones_that_do_not_exist_have_a_place() {
        let text = "[environment.a]\nwindows = [\"01:00-02:00 Europe/Bern\"]\nfreeze = [\"2026-12-24 Mars/Olympus\"]\n";
        let settings = Settings::parse("refit.toml", text).unwrap();
        let problems = unknown_zones(&settings.environment, text, |zone| zone == "UTC");
        let places: Vec<_> = problems.iter().map(|problem| problem.position.unwrap().line).collect();
        assert_eq!(places, [2, 3]);
        assert!(problems[0].message.contains("Europe/Bern"));
        assert!(unknown_zones(&settings.environment, text, |_| true).is_empty());
    }
}
