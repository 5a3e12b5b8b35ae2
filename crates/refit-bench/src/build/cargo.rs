//! Cargo runs: the CPU time they use, and what they compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use wait4::Wait4;

/// A target folder that starts empty and is removed on drop.
pub(super) struct Builds {
    target: tempfile::TempDir,
}

/// The result of a cargo run.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// User and system time of cargo and of every process that it started.
    pub(super) cpu: Duration,
    /// The units that were compiled; units that were already up to date are not included.
    pub(super) compiled: Vec<Unit>,
    /// The last executable that was built.
    pub(super) program: Option<PathBuf>,
}

/// A compiled library or procedural macro.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    /// The package ID: source, name and version.
    pub(super) package: String,
}

impl Unit {
    /// Whether the package is from outside the workspace.
    pub(super) fn is_dependency(&self) -> bool {
        !self.package.starts_with("path+")
    }

    /// The name and the version.
    pub(super) fn name(&self) -> &str {
        self.package.rsplit_once('#').map_or(&self.package, |(_, name)| name)
    }
}

/// The parts of cargo's JSON messages that are used here.
#[derive(Deserialize)]
struct Message {
    reason: String,
    #[serde(default)]
    package_id: String,
    #[serde(default)]
    target: Target,
    #[serde(default)]
    fresh: bool,
    executable: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
struct Target {
    kind: Vec<String>,
}

impl Builds {
    /// Creates the folder.
    pub(super) fn new() -> anyhow::Result<Builds> {
        Ok(Builds { target: tempfile::tempdir().context("cannot create a temporary target folder")? })
    }

    /// Runs cargo in a folder, offline.
    pub(super) fn run(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<Run> {
        let messages = self.target.path().join("messages");
        let mut command = cargo(folder);
        command.args(arguments).args(["--quiet", "--offline", "--message-format=json-render-diagnostics"]);
        command.env("CARGO_TARGET_DIR", self.target.path()).stdout(File::create(&messages)?);
        // The usage of a process includes that of the children it has waited for.
        let used = command.spawn().context("cannot run cargo")?.wait4()?;
        if !used.status.success() {
            bail!("cargo {} failed ({})", arguments.join(" "), used.status);
        }
        let cpu = used.rusage.utime + used.rusage.stime;
        Ok(Run { cpu, ..read(&fs::read_to_string(&messages)?) })
    }
}

/// Downloads the dependencies of the package in a folder, so that downloads are not measured.
pub(super) fn fetch(folder: &Path) -> anyhow::Result<()> {
    let status = cargo(folder).args(["fetch", "--quiet"]).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo fetch failed ({status})");
    }
    Ok(())
}

/// Cargo as started from a shell: without the variables that `cargo run` sets.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for name in refit_xtask::set_by_cargo_run() {
        command.env_remove(name);
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

fn read(messages: &str) -> Run {
    let mut run = Run::default();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<Message>(line) else { continue };
        if message.reason != "compiler-artifact" {
            continue;
        }
        run.program = message.executable.or(run.program);
        let is_library = |kind: &String| kind.ends_with("lib") || kind == "proc-macro";
        if !message.fresh && message.target.kind.iter().any(is_library) {
            run.compiled.push(Unit { package: message.package_id });
        }
    }
    run
}

/// Name and version of each dependency that these runs, in one target folder, compiled more than once.
pub(super) fn twice(runs: &[&Run]) -> BTreeSet<String> {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    let units = runs.iter().flat_map(|run| &run.compiled);
    for unit in units.filter(|unit| unit.is_dependency()) {
        *times.entry(&unit.package).or_default() += 1;
    }
    times.retain(|_, times| *times > 1);
    let twice: BTreeSet<&str> = times.into_keys().collect();
    let units = runs.iter().flat_map(|run| &run.compiled);
    units.filter(|unit| twice.contains(unit.package.as_str())).map(|unit| unit.name().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(package: &str, kind: &str, fresh: bool) -> String {
        format!(
            r#"{{"reason":"compiler-artifact","package_id":"{package}","target":{{"kind":["{kind}"]}},"fresh":{fresh},"executable":null}}"#
        )
    }

    #[test]
    fn dependencies_compiled_twice_are_found() {
        let (log, serde) = ("registry+x#log@0.4.1", "registry+x#serde@1.0.2");
        let first = [
            artifact(log, "lib", false),
            artifact(serde, "lib", false),
            artifact(serde, "custom-build", false),
            artifact("path+file:///w/a#0.1.0", "lib", false),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        let second = [
            artifact(log, "lib", false),
            artifact(serde, "lib", true),
            artifact("path+file:///w/a#0.1.0", "lib", false),
        ];
        let (first, second) = (read(&first.join("\n")), read(&second.join("\n")));
        assert_eq!(first.compiled.len(), 3);
        assert_eq!(twice(&[&first, &second]), BTreeSet::from(["log@0.4.1".to_owned()]));
        assert!(twice(&[&first]).is_empty());
    }
}
