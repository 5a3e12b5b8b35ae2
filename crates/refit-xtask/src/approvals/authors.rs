//! Who wrote the migrations, from git: an approval of one's own does not count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use crate::git::Git;

/// The authors of migrations, by stem.
pub(crate) struct Authors {
    by_stem: BTreeMap<String, BTreeSet<String>>,
    /// Why git does not know them, or not all of them.
    pub(crate) unknown: Option<String>,
}

/// What marks the parts of a commit in git's output.
const FORMAT: &str = "--format=%x01%aE%x02%(trailers:key=Co-authored-by,valueonly,separator=%x02)%x03";

impl Authors {
    /// Reads the authors of all commits that changed a file of the folder, also under an earlier name, and who changes it
    /// now without having committed.
    ///
    /// # Errors
    /// When git fails in a repository.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Authors> {
        let mut authors = Authors { by_stem: BTreeMap::new(), unknown: None };
        let git = match Git::at(folder, "approve") {
            Ok(git) => git,
            Err(error) => {
                authors.unknown = Some(format!("the authors of migrations are unknown: {error}"));
                return Ok(authors);
            }
        };
        if git.read(&["rev-parse", "--is-shallow-repository"])?.trim() == "true" {
            let why =
                "this is a shallow clone: git knows only some authors of migrations; fetch the whole history";
            authors.unknown = Some(why.to_owned());
        }
        let here = git.path_of(&folder.join("refit.toml"));
        let here = here.as_deref().and_then(|file| file.rsplit_once('/')).map_or(".", |(folder, _)| folder);
        if git.read(&["rev-parse", "--verify", "--quiet", "HEAD"]).is_ok() {
            let log = ["log", "-c", "-M", "-z", "--name-status", FORMAT, "--", here];
            authors.committed(&git.read(&log)?);
        }
        let changed = git.read(&["status", "--porcelain=v1", "-z", "--untracked-files=all", "--", here])?;
        let me = git.read(&["config", "user.email"]).unwrap_or_default();
        authors.uncommitted(&changed, me.trim());
        Ok(authors)
    }

    /// The authors of a migration, with its companion files.
    pub(crate) fn of(&self, stem: &str) -> Vec<String> {
        self.by_stem.get(stem).into_iter().flatten().cloned().collect()
    }

    fn committed(&mut self, log: &str) {
        // The present paths of files by earlier ones: the log begins with the newest commit.
        let mut renamed: HashMap<String, String> = HashMap::new();
        for commit in log.split('\u{1}').skip(1) {
            let Some((people, files)) = commit.split_once('\u{3}') else { continue };
            let people: Vec<&str> =
                people.split('\u{2}').map(address).filter(|address| !address.is_empty()).collect();
            let mut words = files.split('\0').map(|word| word.trim_start_matches('\n'));
            while let Some(status) = words.next() {
                if status.is_empty() {
                    continue;
                }
                let Some(path) = words.next() else { break };
                // `R100` and `C75` are followed by the path before and the path after.
                let has_two =
                    status.starts_with(['R', 'C']) && status[1..].starts_with(|c: char| c.is_ascii_digit());
                let after = if has_two { words.next().unwrap_or(path) } else { path };
                let present = renamed.get(after).cloned().unwrap_or_else(|| after.to_owned());
                self.add(&present, &people);
                if has_two && path != present {
                    renamed.insert(path.to_owned(), present);
                }
            }
        }
    }

    fn uncommitted(&mut self, status: &str, me: &str) {
        let mut words = status.split('\0');
        while let Some(word) = words.next() {
            let Some((state, path)) = word.split_at_checked(3) else { continue };
            if state.starts_with(['R', 'C']) {
                words.next();
            }
            if !me.is_empty() {
                self.add(path, &[me]);
            }
        }
    }

    fn add(&mut self, path: &str, people: &[&str]) {
        let file = path.rsplit('/').next().unwrap_or(path);
        let stem = [".down.sql", ".check.sql", ".sql"].iter().find_map(|suffix| file.strip_suffix(suffix));
        if let Some(stem) = stem {
            let known = self.by_stem.entry(stem.to_owned()).or_default();
            known.extend(people.iter().map(|person| (*person).to_owned()));
        }
    }
}

/// The address in `Name <address>`, or the text itself.
fn address(person: &str) -> &str {
    let inner = person.split_once('<').and_then(|(_, rest)| rest.split_once('>')).map(|(inner, _)| inner);
    inner.unwrap_or(person).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_read_with_renames_and_co_authors() {
        let mut authors = Authors { by_stem: BTreeMap::new(), unknown: None };
        authors.committed(
            "\u{1}ann@x\u{2}Bob B. <bob@x>\u{2}Cy <cy@x>\u{3}\0\nR090\0m/V1__a.sql\0m/V2__a.sql\0M\0m/V1__b.down.sql\0\
             \u{1}dan@x\u{2}\u{3}\0\nA\0m/V1__a.sql\0A\0m/README.md\0\u{1}eve@x\u{2}\u{3}\0\nMM\0m/V1__b.sql\0",
        );
        authors
            .uncommitted("?? m/V3__new.sql\0R  m/V4__to.sql\0m/V4__from.sql\0 M m/V1__b.check.sql\0", "me@x");
        assert_eq!(authors.of("V2__a"), ["ann@x", "bob@x", "cy@x", "dan@x"]);
        assert_eq!(authors.of("V1__b"), ["ann@x", "bob@x", "cy@x", "eve@x", "me@x"]);
        assert_eq!([authors.of("V3__new"), authors.of("V4__to")], [["me@x"], ["me@x"]]);
        assert!(authors.of("V1__a").is_empty() && authors.of("V4__from").is_empty());
    }
}
