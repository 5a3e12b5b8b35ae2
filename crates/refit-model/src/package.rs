//! Packages: migrations that belong together and can be run or left out as one, by reserved ranges of versions in `refit.toml` or by
//! a directive.

use std::collections::BTreeMap;

use crate::file_name::Version;
use crate::order::SetStep;
use crate::problem::Problem;
use crate::set::MigrationSet;
use crate::settings::PackageRange;
use crate::text::nearest;

/// The packages from one to another, in their order; without an end, all before or after.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PackageSpan {
    /// The first package.
    pub from: Option<String>,
    /// The last package.
    pub to: Option<String>,
}

impl PackageSpan {
    /// Whether it names no package: then it contains every migration.
    pub fn is_empty(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

impl MigrationSet {
    /// The packages in their order: by their ranges if `refit.toml` declares them, empty ones too; otherwise by the place at which
    /// a migration first names them.
    pub fn packages(&self) -> Vec<&str> {
        let ranges = &self.settings().package;
        let mut packages: Vec<&str> = in_order(ranges).map(|(name, _)| name).collect();
        if ranges.is_empty() {
            for package in self.steps().filter_map(|step| self.package_of(step)) {
                if !packages.contains(&package) {
                    packages.push(package);
                }
            }
        }
        packages
    }

    /// The package of a step: that of its directive, or the one whose range contains its version.
    pub fn package_of<'a>(&'a self, step: SetStep<'a>) -> Option<&'a str> {
        let named = step.file().directives.package.as_deref();
        named.or_else(|| range_of(&self.settings().package, step.version()?))
    }

    /// The packages of a span; none if it is empty, and so contains every migration.
    pub fn packages_in(&self, span: &PackageSpan) -> Option<Vec<&str>> {
        if span.is_empty() {
            return None;
        }
        let mut packages = self.packages();
        let at =
            |name: &Option<String>| packages.iter().position(|package| Some(*package) == name.as_deref());
        let end = match span.to {
            Some(_) => at(&span.to).map_or(0, |last| last + 1),
            None => packages.len(),
        };
        let start = if span.from.is_some() { at(&span.from).unwrap_or(end) } else { 0 };
        packages.truncate(end);
        packages.drain(..start.min(end));
        Some(packages)
    }

    /// Checks that the packages of a span exist, in this order.
    ///
    /// # Errors
    /// What is wrong, with a near name.
    pub fn check_span(&self, span: &PackageSpan) -> Result<(), String> {
        let packages = self.packages();
        for name in span.from.iter().chain(&span.to) {
            if !packages.contains(&name.as_str()) {
                return Err(unknown(name, &packages));
            }
        }
        let at =
            |name: &Option<String>| packages.iter().position(|package| Some(*package) == name.as_deref());
        match (&span.from, &span.to) {
            (Some(from), Some(to)) if at(&span.from) > at(&span.to) => {
                Err(format!("the package {from} comes after {to}; the order is {}", packages.join(", ")))
            }
            _ => Ok(()),
        }
    }

    /// Whether two versions are in different packages: then the order of one does not matter to the other.
    pub fn are_apart(&self, one: Version, other: Version) -> bool {
        let package = |version: Version| match self.migration(version) {
            Some(migration) => self.package_of(SetStep::Versioned(migration)),
            None => range_of(&self.settings().package, version),
        };
        package(one).zip(package(other)).is_some_and(|(one, other)| one != other)
    }
}

fn unknown(name: &str, packages: &[&str]) -> String {
    match nearest(name, packages.iter().copied()) {
        Some(near) => format!("there is no package {name}: did you mean {near}?"),
        None if packages.is_empty() => format!(
            "there is no package {name}: declare it as `[package.{name}]` in refit.toml, or by the directive `package`"
        ),
        None => format!("there is no package {name}; there are {}", packages.join(", ")),
    }
}

fn in_order(ranges: &BTreeMap<String, PackageRange>) -> impl Iterator<Item = (&str, PackageRange)> {
    let mut ordered: Vec<(&str, PackageRange)> =
        ranges.iter().map(|(name, range)| (name.as_str(), *range)).collect();
    ordered.sort_by_key(|(_, range)| (range.from, range.to));
    ordered.into_iter()
}

fn range_of(ranges: &BTreeMap<String, PackageRange>, version: Version) -> Option<&str> {
    let mut containing = ranges.iter().filter(|(_, range)| (range.from..=range.to).contains(&version));
    containing.next().map(|(name, _)| name.as_str())
}

/// Reports ranges that are empty or overlap.
pub(crate) fn check_ranges(ranges: &BTreeMap<String, PackageRange>, problems: &mut Vec<Problem>) {
    let mut report = |message: String, fix: &str| problems.push(Problem::new("refit.toml", message, fix));
    for (name, PackageRange { from, to }) in in_order(ranges) {
        if from > to {
            report(
                format!("the range of package {name} ends before it begins: {from} to {to}"),
                "swap `from` and `to`",
            );
        }
    }
    let ordered: Vec<(&str, PackageRange)> =
        in_order(ranges).filter(|(_, range)| range.from <= range.to).collect();
    for pair in ordered.windows(2) {
        if let [(first, before), (second, after)] = pair
            && before.to >= after.from
        {
            let message = format!(
                "the ranges of packages {first} ({} to {}) and {second} ({} to {}) overlap",
                before.from, before.to, after.from, after.to
            );
            report(message, "give each version to one package");
        }
    }
}

/// Reports a step whose package is none of the declared ones, or not the one of its version.
pub(crate) fn check_package(
    ranges: &BTreeMap<String, PackageRange>,
    (path, version, named): (&str, Option<Version>, Option<&str>),
    problems: &mut Vec<Problem>,
) {
    if ranges.is_empty() {
        return;
    }
    let mut report = |message: String, fix: &str| problems.push(Problem::new(path, message, fix));
    let known: Vec<&str> = in_order(ranges).map(|(name, _)| name).collect();
    if let Some(named) = named.filter(|named| !known.contains(named)) {
        return report(unknown(named, &known), "declare its range in refit.toml, or name another package");
    }
    let Some(version) = version else { return };
    match (range_of(ranges, version), named) {
        (None, _) => {
            let all: Vec<String> = in_order(ranges)
                .map(|(name, range)| format!("{name} {} to {}", range.from, range.to))
                .collect();
            report(
                format!("version {version} is in the range of no package ({})", all.join(", ")),
                "give it a version of its package, or extend the range in refit.toml",
            );
        }
        (Some(package), Some(named)) if package != named => report(
            format!(
                "version {version} is in the range of package {package}, and the directive names {named}"
            ),
            "remove the directive, or give the migration a version of that package",
        ),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::problem::SetError;
    use crate::source::SourceFile;

    use super::*;

    fn set(toml: &str, files: &[(&str, &str)]) -> Result<MigrationSet, SetError> {
        let file =
            |path: &str, text: String| SourceFile { path: path.to_owned(), bytes: text.into_bytes().into() };
        let directive = |package: &str| match package {
            "" => "SELECT 1;".to_owned(),
            _ => format!("-- refit: package = \"{package}\"\nSELECT 1;"),
        };
        let mut all = vec![file("refit.toml", toml.to_owned())];
        all.extend(files.iter().map(|(path, package)| file(path, directive(package))));
        MigrationSet::from_files("migrations", all)
    }

    const RANGES: &str = "[package.base]\nfrom = 0\nto = 18\n[package.spare]\nfrom = 19\nto = 29\n[package.cms]\nfrom = 30\nto = 49\n";

    fn span(from: &str, to: &str) -> PackageSpan {
        let name = |name: &str| (!name.is_empty()).then(|| name.to_owned());
        PackageSpan { from: name(from), to: name(to) }
    }

    fn chosen(set: &MigrationSet, from: &str, to: &str) -> Vec<String> {
        let packages = set.packages_in(&span(from, to));
        let is_in = |package: Option<&str>| {
            packages.as_ref().is_none_or(|all| package.is_some_and(|one| all.contains(&one)))
        };
        let steps = set.steps().filter(|step| is_in(set.package_of(*step)));
        steps.map(|step| step.file().stem.clone()).collect()
    }

    #[test]
    fn packages_are_ranges_or_names() {
        let files = [
            ("V1__a.sql", ""),
            ("V18__b.sql", "base"),
            ("V30__c.sql", ""),
            ("R__v.sql", "cms"),
            ("R__w.sql", ""),
        ];
        let ranges = set(RANGES, &files).unwrap();
        assert_eq!(ranges.packages(), ["base", "spare", "cms"]);
        assert_eq!(chosen(&ranges, "", "spare"), ["V1__a", "V18__b"]);
        assert_eq!(chosen(&ranges, "spare", ""), ["V30__c", "R__v"]);
        assert_eq!(chosen(&ranges, "", "").len(), 5);
        assert!(ranges.are_apart(1, 30) && !ranges.are_apart(1, 18));
        let names = set("", &[("V1__a.sql", "x"), ("V2__b.sql", ""), ("V3__c.sql", "y"), ("V4__d.sql", "x")])
            .unwrap();
        assert_eq!(names.packages(), ["x", "y"]);
        assert_eq!(chosen(&names, "x", "x"), ["V1__a", "V4__d"]);
        assert!(names.are_apart(1, 3) && !names.are_apart(1, 4) && !names.are_apart(1, 2));
    }

    #[test]
    fn what_a_span_names_exists() {
        let ranges = set(RANGES, &[]).unwrap();
        let refused = |from, to| ranges.check_span(&span(from, to)).unwrap_err();
        assert_eq!(refused("spar", ""), "there is no package spar: did you mean spare?");
        assert_eq!(refused("", "finance"), "there is no package finance; there are base, spare, cms");
        assert_eq!(refused("cms", "base"), "the package cms comes after base; the order is base, spare, cms");
        assert!(ranges.check_span(&span("base", "cms")).is_ok());
    }

    #[test]
    fn malformed_packages_are_problems_of_the_folder() {
        let problems = |toml: &str, files: &[(&str, &str)]| -> Vec<String> {
            set(toml, files).unwrap_err().problems.iter().map(|problem| problem.message.clone()).collect()
        };
        let overlap = "[package.a]\nfrom = 0\nto = 18\n[package.b]\nfrom = 18\nto = 20\n";
        assert_eq!(problems(overlap, &[]), ["the ranges of packages a (0 to 18) and b (18 to 20) overlap"]);
        let reversed = "[package.a]\nfrom = 9\nto = 1\n";
        assert_eq!(problems(reversed, &[]), ["the range of package a ends before it begins: 9 to 1"]);
        let outside = problems(RANGES, &[("V50__x.sql", ""), ("V1__y.sql", "cms"), ("R__z.sql", "csm")]);
        assert_eq!(outside.len(), 3, "{outside:?}");
        assert!(
            outside.iter().any(|one| one.contains("version 50 is in the range of no package (base 0 to 18"))
        );
        assert!(
            outside
                .iter()
                .any(|one| one.contains("in the range of package base, and the directive names cms"))
        );
        assert!(outside.iter().any(|one| one.contains("no package csm: did you mean cms?")));
        let unknown = problems("[package.a]\nfrom = 1\nto = 2\nupto = 3\n", &[]);
        assert!(unknown[0].contains("unknown field `upto`"), "{unknown:?}");
    }
}
