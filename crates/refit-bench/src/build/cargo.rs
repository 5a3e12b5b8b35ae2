//! Runs of cargo: what they take, and what they compile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, bail};
use serde::Deserialize;
use wait4::Wait4;

/// A target folder of its own, empty at first and removed at the end.
pub(super) struct Builds {
    target: tempfile::TempDir,
}

/// What a run of cargo took and did.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// User and system time of cargo and of every compiler, linker and build script that it started.
    pub(super) cpu: Duration,
    /// What was compiled, not what was found.
    pub(super) compiled: Vec<Unit>,
    /// The last program that was made.
    pub(super) program: Option<PathBuf>,
}

/// A library or procedural macro of a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Unit {
    /// As cargo writes it: where the package comes from, its name and its version.
    pub(super) package: String,
}

impl Unit {
    /// Whether the package comes from outside of the workspace.
    pub(super) fn is_dependency(&self) -> bool {
        !self.package.starts_with("path+")
    }

    /// The name and the version.
    pub(super) fn name(&self) -> &str {
        self.package.rsplit_once('#').map_or(&self.package, |(_, name)| name)
    }
}

/// The messages of cargo that are read here.
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
    /// Makes the folder.
    pub(super) fn new() -> anyhow::Result<Builds> {
        Ok(Builds { target: tempfile::tempdir().context("no folder for what cargo builds")? })
    }

    /// Runs cargo in a folder, without the network.
    pub(super) fn run(&self, folder: &Path, arguments: &[&str]) -> anyhow::Result<Run> {
        let messages = self.target.path().join("messages");
        let mut command = cargo(folder);
        command.args(arguments).args(["--quiet", "--offline", "--message-format=json-render-diagnostics"]);
        command.env("CARGO_TARGET_DIR", self.target.path()).stdout(File::create(&messages)?);
        // Waiting for cargo says what it took, those included that it waited for itself.
        let used = command.spawn().context("cannot run cargo")?.wait4()?;
        if !used.status.success() {
            bail!("cargo {} failed ({})", arguments.join(" "), used.status);
        }
        let cpu = used.rusage.utime + used.rusage.stime;
        Ok(Run { cpu, ..read(&fs::read_to_string(&messages)?) })
    }
}

/// Gets what a folder's packages need, so that no time of the network is measured.
pub(super) fn fetch(folder: &Path) -> anyhow::Result<()> {
    let status = cargo(folder).args(["fetch", "--quiet"]).status().context("cannot run cargo")?;
    if !status.success() {
        bail!("cargo fetch failed ({status})");
    }
    Ok(())
}

/// Cargo as a user runs it: without the variables that it sets for a program like this one.
fn cargo(folder: &Path) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("CARGO_PKG_") || name_text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
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

/// The dependencies that some runs in one folder compiled more than once, by name and version.
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
    fn what_is_compiled_again_is_named() {
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
