//! Builds the binary of the service with cargo.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, bail};

/// Builds `content-service` and returns its path. Cargo's diagnostics go to standard error.
///
/// With `--workspace`, dependencies have the same features as for the tests and are compiled once for both.
pub(crate) async fn content_service(workspace: &Path) -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = tokio::process::Command::new(cargo);
    for name in refit_xtask::set_by_cargo_run() {
        command.env_remove(name);
    }
    let output = command
        .args(["build", "--quiet", "--workspace", "--bin", "content-service"])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(workspace)
        .stderr(Stdio::inherit())
        .kill_on_drop(true)
        .output()
        .await
        .context("cannot run cargo")?;
    if !output.status.success() {
        bail!("cannot build content-service ({})", output.status);
    }
    executable(&String::from_utf8_lossy(&output.stdout))
        .context("cargo did not report the path of content-service")
}

/// Finds the path of the executable in cargo's messages, one JSON object per line.
fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == "content-service")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_is_found_among_other_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"build-script-build"},"executable":"/x/build"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"content-service"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"content-service"},"executable":"/x/content-service"}"#,
            "\n{\"reason\":\"build-finished\",\"success\":true}\n",
        );
        assert_eq!(executable(messages), Some(PathBuf::from("/x/content-service")));
        assert_eq!(executable(""), None);
    }
}
