//! Releases: the migrations that ship together, as their directives say.

use crate::file_name::Version;
use crate::set::MigrationSet;
use crate::text::nearest;

impl MigrationSet {
    /// The releases that the directives of migrations name, in the order of execution.
    pub fn releases(&self) -> Vec<&str> {
        let mut releases = Vec::new();
        for release in self.steps().filter_map(|step| step.file().directives.release.as_deref()) {
            if !releases.contains(&release) {
                releases.push(release);
            }
        }
        releases
    }

    /// Checks that a migration has this release.
    ///
    /// # Errors
    /// There is none: the message suggests a near name.
    pub fn check_release(&self, release: &str) -> Result<(), String> {
        let known = self.releases();
        if known.contains(&release) {
            return Ok(());
        }
        Err(match nearest(release, known.iter().copied()) {
            Some(near) => format!("no migration has the release {release}: did you mean {near}?"),
            None if known.is_empty() => {
                format!("no migration has the release {release}: none has the directive `release`")
            }
            None => format!("no migration has the release {release}; there are {}", known.join(", ")),
        })
    }

    /// The last version of a release. A database at this version has all versioned migrations of the release.
    ///
    /// ```
    /// use refit_model::{MigrationSet, SourceFile};
    ///
    /// let file = |path: &str, release: &str| SourceFile {
    ///     path: path.to_owned(),
    ///     bytes: format!("-- refit: release = \"{release}\"\nSELECT 1;").into_bytes().into(),
    /// };
    /// let files = vec![file("V1__a.sql", "2.0"), file("V2__b.sql", "2.0"), file("V3__c.sql", "2.1")];
    /// let set = MigrationSet::from_files("migrations", files)?;
    /// assert_eq!(set.last_of_release("2.0"), Ok(2));
    /// # Ok::<(), refit_model::SetError>(())
    /// ```
    ///
    /// # Errors
    /// Why there is no such version: no versioned migration has the release, or one of another release stands between two of its
    /// own, so that it is not clear whether that one belongs to it.
    pub fn last_of_release(&self, release: &str) -> Result<Version, String> {
        self.check_release(release)?;
        let of = |version: Version| self.migration(version)?.directives.release.as_deref();
        let versions = self.migrations().iter().map(|migration| migration.version);
        let own: Vec<Version> = versions.clone().filter(|version| of(*version) == Some(release)).collect();
        let (Some(first), Some(last)) = (own.first(), own.last()) else {
            return Err(format!("the release {release} has only repeatable migrations"));
        };
        let between = versions.filter(|version| (first..=last).contains(&version));
        let other = between.filter_map(|version| Some((version, of(version)?)));
        match other.into_iter().find(|(_, other)| *other != release) {
            Some((version, other)) => Err(format!(
                "the release {release} is ambiguous: version {version} of {other} stands between its versions {first} and {last}; \
                 name a version instead"
            )),
            None => Ok(*last),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::source::SourceFile;

    use super::*;

    fn set(files: &[(&str, &str)]) -> MigrationSet {
        let file = |(path, release): &(&str, &str)| {
            let directive = match release.is_empty() {
                true => String::new(),
                false => format!("-- refit: release = \"{release}\"\n"),
            };
            let bytes = format!("{directive}SELECT 1;").into_bytes().into();
            SourceFile { path: (*path).to_owned(), bytes }
        };
        MigrationSet::from_files("migrations", files.iter().map(file).collect()).unwrap()
    }

    #[test]
    fn a_release_ends_with_its_last_version() {
        let files = [
            ("V1__a.sql", ""),
            ("V2__b.sql", "1.0"),
            ("V3__c.sql", ""),
            ("V4__d.sql", "1.0"),
            ("V5__e.sql", "1.1"),
            ("V6__f.sql", "1.2"),
            ("V7__g.sql", "1.1"),
            ("R__h.sql", "1.3"),
        ];
        let set = set(&files);
        assert_eq!(set.releases(), ["1.0", "1.1", "1.2", "1.3"]);
        assert_eq!(set.last_of_release("1.0"), Ok(4));
        assert_eq!(set.last_of_release("1.2"), Ok(6));
        let refused = |release: &str| set.last_of_release(release).unwrap_err();
        assert!(refused("1.1").contains("version 6 of 1.2 stands between its versions 5 and 7"));
        assert!(refused("1.3").contains("only repeatable"));
        assert!(refused("1.00").contains("did you mean 1.0?"), "{}", refused("1.00"));
        assert!(refused("autumn").contains("there are 1.0, 1.1"), "{}", refused("autumn"));
    }

    #[test]
    fn a_set_without_releases_says_so() {
        assert!(set(&[("V1__a.sql", "")]).check_release("1").unwrap_err().contains("none has the directive"));
    }
}
