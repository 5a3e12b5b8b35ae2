//! The files of a new migration: names, the next version, and templates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use refit_lint::DOC_SECTIONS;
use refit_model::{FileKind, PackageRange, Settings, Version, VersionStyle, nearest};

/// Maximum length of a name: refinery's history allows 255 characters, and long file names are hard to read.
const MAX_NAME: usize = 100;

/// The files of a migration: names and texts.
pub(crate) fn files(stem: &str, outside_transaction: bool) -> [(String, String); 4] {
    [
        (format!("{stem}.sql"), up(outside_transaction)),
        (format!("{stem}.down.sql"), down(stem)),
        (format!("{stem}.check.sql"), check(stem)),
        (format!("{stem}.md"), description(stem)),
    ]
}

/// Checks the name of a new migration.
///
/// # Errors
/// When it is not made of lower-case words, is too long, or is that of a companion file.
pub(crate) fn check_name(name: &str) -> anyhow::Result<()> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let words: Vec<String> = name
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    let suggestion = words.join("_");
    let starts_well = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !starts_well || !name.chars().all(good) || name != suggestion {
        let instead = match suggestion.starts_with(|c: char| c.is_ascii_lowercase()) {
            true => format!("; try {suggestion}"),
            false => String::new(),
        };
        bail!(
            "`{name}` is not a valid name: use lower-case words and digits joined by underscores, such as add_post_status{instead}"
        );
    }
    if name.len() > MAX_NAME {
        bail!("`{name}` has {} characters; the maximum is {MAX_NAME}", name.len());
    }
    for ending in ["_down", "_undo"] {
        if name.ends_with(ending) {
            bail!(
                "a name that ends in {ending} would look like one of undo scripts; each migration already gets an undo script"
            );
        }
    }
    Ok(())
}

/// The existing versions. Only file names are read, so an unfinished migration does not block another one.
pub(crate) struct Existing {
    migrations: Vec<(Version, String, usize)>,
    style: Option<VersionStyle>,
    packages: BTreeMap<String, PackageRange>,
    postgres: Option<u32>,
}

impl Existing {
    /// Reads the names of the files of a folder.
    ///
    /// # Errors
    /// When the folder cannot be read, or `refit.toml` is malformed.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Existing> {
        let mut migrations = Vec::new();
        for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
            let file = entry?.file_name().to_string_lossy().into_owned();
            if let Ok(FileKind::Migration { version, name }) = FileKind::of(&file) {
                let digits = file.chars().skip(1).take_while(char::is_ascii_digit).count();
                migrations.push((version, name, digits));
            }
        }
        migrations.sort();
        let settings = match fs::read_to_string(folder.join("refit.toml")) {
            Ok(text) => {
                Settings::parse("refit.toml", &text).map_err(|problem| anyhow::anyhow!("{problem}"))?
            }
            Err(_) => Settings::default(),
        };
        Ok(Existing {
            migrations,
            style: settings.versions,
            packages: settings.package,
            postgres: settings.postgres,
        })
    }

    /// `postgres` of `refit.toml`.
    pub(crate) fn postgres(&self) -> Option<u32> {
        self.postgres
    }

    /// The newest version.
    pub(crate) fn newest(&self) -> Option<Version> {
        self.migrations.last().map(|(version, ..)| *version)
    }

    /// Whether all these versions are free, and those of one package if packages are declared.
    pub(crate) fn has_room(&self, versions: &BTreeSet<Version>) -> bool {
        let (Some(first), Some(last)) = (versions.first(), versions.last()) else { return true };
        let free = self.migrations.iter().all(|(version, ..)| !versions.contains(version));
        let mut ranges = self.packages.values().map(|range| range.from..=range.to);
        free && (self.packages.is_empty()
            || ranges.any(|range| range.contains(first) && range.contains(last)))
    }

    /// The file with this name, whatever its version.
    pub(crate) fn named(&self, name: &str) -> Option<String> {
        let same = self.migrations.iter().find(|(_, existing, _)| existing == name);
        same.map(|(version, name, digits)| format!("V{version:0digits$}__{name}.sql"))
    }

    /// The next version, formatted: that of a package, or of the folder.
    ///
    /// # Errors
    /// When there is no higher version, no such package, or packages are declared and the version is in none of them.
    pub(crate) fn next(&self, package: Option<&str>) -> anyhow::Result<String> {
        let Some(name) = package else {
            let next = self.next_of_folder()?;
            let version: Version = next.parse()?;
            let mut ranges = self.packages.values();
            if !self.packages.is_empty() && !ranges.any(|range| (range.from..=range.to).contains(&version)) {
                let names: Vec<&str> = self.packages.keys().map(String::as_str).collect();
                bail!(
                    "version {version} is in the range of no package; give --package: {}",
                    names.join(", ")
                );
            }
            return Ok(next);
        };
        let Some(PackageRange { from, to }) = self.packages.get(name) else {
            let instead = match nearest(name, self.packages.keys().map(String::as_str)) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("declare `[package.{name}]` with `from` and `to`"),
            };
            bail!("refit.toml has no package {name}: {instead}");
        };
        let versions = self.migrations.iter().map(|(version, ..)| *version);
        let newest = versions.filter(|version| (from..=to).contains(&version)).max();
        let next = newest.map_or((*from).max(1), |newest| newest.saturating_add(1));
        if next > *to {
            bail!("the range of package {name} ({from} to {to}) is used up: extend it in refit.toml");
        }
        let digits = self.migrations.last().map_or(4, |(_, _, digits)| *digits);
        Ok(format!("{next:0digits$}"))
    }

    /// The newest version plus 1 with as many digits, or the current time if the folder uses timestamps.
    fn next_of_folder(&self) -> anyhow::Result<String> {
        let newest = self.migrations.last();
        let stamped = |(_, _, digits): &(Version, String, usize)| *digits == 14;
        if self.style == Some(VersionStyle::Timestamp)
            || (self.style.is_none() && newest.is_some_and(stamped))
        {
            let now: Version = jiff::Timestamp::now().strftime("%Y%m%d%H%M%S").to_string().parse()?;
            // The newest version may be from the same second or from a clock that is ahead.
            return Ok(newest.map_or(now, |(version, _, _)| now.max(version + 1)).to_string());
        }
        let Some((version, _, digits)) = newest else { return Ok("0001".to_owned()) };
        let next = version.checked_add(1).context("the newest version is already the maximum")?;
        Ok(format!("{next:0digits$}"))
    }
}

fn up(outside_transaction: bool) -> String {
    let head = if outside_transaction {
        "-- refit: transaction = false\n--\n-- Runs statement by statement. If interrupted, it resumes with the statement that was not complete.\n"
    } else {
        "-- Runs in one transaction with its history row. Waits at most 2 s for a lock, then retries.\n"
    };
    format!("{head}-- Write the statements below, and delete these lines.\n")
}

fn down(stem: &str) -> String {
    format!("-- Undoes {stem}. Write the statements below, or delete this file if it cannot be undone.\n")
}

fn check(stem: &str) -> String {
    format!(
        "-- Checks {stem}: a query that returns no rows if all is well, else rows that describe the problem.\n\
         -- Write it below, or delete this file if there is nothing to check.\n"
    )
}

/// The sections that a reviewer needs, each with a comment that says what belongs there.
fn description(stem: &str) -> String {
    let name = stem.split_once("__").map_or(stem, |(_, name)| name).replace('_', " ");
    let sections = DOC_SECTIONS.iter().map(|(name, answers)| format!("\n## {name}\n\n<!-- {answers} -->\n"));
    format!("# {name}\n{}", sections.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_lower_case_words() {
        for good in ["add_status", "a", "v2_columns", "drop_2fa"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for (bad, says) in [
            ("Add-Status", "try add_status"),
            ("add status", "try add_status"),
            ("", "is not a valid name"),
            ("__", "is not a valid name"),
            ("2fa", "is not a valid name"),
            ("add__x", "try add_x"),
            ("größe", "is not a valid name"),
            ("x/../y", "try x_y"),
            ("add_x_down", "undo scripts"),
        ] {
            let error = check_name(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
        assert!(check_name(&"a".repeat(101)).is_err());
    }

    fn next_after(files: &[&str], settings: &str) -> String {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            fs::write(folder.path().join(file), "").unwrap();
        }
        fs::write(folder.path().join("refit.toml"), settings).unwrap();
        Existing::read(folder.path()).unwrap().next(None).unwrap()
    }

    #[test]
    fn a_package_has_its_own_next_version() {
        let folder = tempfile::tempdir().unwrap();
        let ranges = "[package.base]\nfrom = 0\nto = 2\n[package.cms]\nfrom = 30\nto = 49\n";
        fs::write(folder.path().join("refit.toml"), ranges).unwrap();
        let next =
            |package| Existing::read(folder.path()).unwrap().next(package).map_err(|error| error.to_string());
        assert_eq!(next(Some("base")).unwrap(), "0001");
        assert_eq!(next(Some("cms")).unwrap(), "0030");
        for file in ["V002__a.sql", "V031__b.sql"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        assert_eq!(next(None).unwrap(), "032");
        assert_eq!(next(Some("cms")).unwrap(), "032");
        assert!(next(Some("base")).unwrap_err().contains("the range of package base (0 to 2) is used up"));
        assert!(next(Some("cmss")).unwrap_err().contains("did you mean cms?"));
        fs::write(folder.path().join("V049__c.sql"), "").unwrap();
        assert!(
            next(None)
                .unwrap_err()
                .contains("version 50 is in the range of no package; give --package: base, cms")
        );
    }

    #[test]
    fn the_next_version_follows_the_style_of_the_folder() {
        assert_eq!(next_after(&[], ""), "0001");
        assert_eq!(next_after(&["V0009__a.sql", "V0002__b.sql"], ""), "0010");
        assert_eq!(next_after(&["V9__a.sql"], ""), "10");
        assert_eq!(next_after(&["V99990101000000__a.sql"], ""), "99990101000001");
        assert_eq!(next_after(&[], "versions = \"timestamp\"").len(), 14);
    }
}
