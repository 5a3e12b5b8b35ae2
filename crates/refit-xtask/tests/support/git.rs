//! Workspaces that are git repositories.

use std::collections::BTreeMap;
use std::process::Command;

use super::Workspace;

/// Runs git in a workspace.
pub(crate) fn git(workspace: &Workspace, arguments: &[&str]) {
    let identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"];
    let output =
        Command::new("git").args(identity).args(arguments).current_dir(workspace.root()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Commits everything.
pub(crate) fn commit(workspace: &Workspace, message: &str) {
    git(workspace, &["add", "--all", "."]);
    git(workspace, &["commit", "--quiet", "-m", message]);
}

/// A repository whose branch `main` has `base` and then `theirs`, and whose branch `work`, which is checked out, has `base` and
/// the uncommitted files `ours`.
pub(crate) fn branches(base: &[(&str, &str)], theirs: &[(&str, &str)], ours: &[(&str, &str)]) -> Workspace {
    let workspace = Workspace::new(base);
    git(&workspace, &["init", "--quiet", "--initial-branch", "main"]);
    commit(&workspace, "base");
    git(&workspace, &["branch", "work"]);
    theirs.iter().for_each(|(path, text)| workspace.write(path, text));
    if !theirs.is_empty() {
        commit(&workspace, "theirs");
    }
    git(&workspace, &["checkout", "--quiet", "work"]);
    ours.iter().for_each(|(path, text)| workspace.write(path, text));
    workspace
}

/// All files with their texts.
pub(crate) fn contents(workspace: &Workspace) -> BTreeMap<String, String> {
    let read = |name: String| {
        let path = workspace.root().join("migrations").join(&name);
        let text = std::fs::read_to_string(path).unwrap_or_default();
        (name, text)
    };
    workspace.files().into_iter().map(read).collect()
}
