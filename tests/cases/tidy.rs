//! Rules for every source file.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{TokenStream, TokenTree};
use refit_devdb::TestDb;

/// The most lines that a file may have. A longer one is split by subject.
const FILE_LINES: usize = 420;
/// The most lines that a function may have, from its `fn` to its closing brace.
const FUNCTION_LINES: usize = 75;

#[test]
fn files_and_functions_are_small_and_every_crate_is_described() {
    let root = crate::support::scratch::workspace();
    let mut complaints = Vec::new();
    for path in sources(root) {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let lines: Vec<&str> = text.lines().collect();
        if lines.len() > FILE_LINES {
            complaints.push(format!("{name} has {} lines", lines.len()));
        }
        if !text.starts_with("//!") && !text.starts_with("#!") {
            complaints.push(format!("{name} does not open with what it holds"));
        }
        complaints.extend(
            long_functions(&lines).map(|(line, length)| format!("{name}:{line}: {length} lines of function")),
        );
        // In two parts, so that this file does not contain the text.
        for unfinished in [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("FIX", "ME")] {
            if text.contains(unfinished) {
                complaints.push(format!("{name} is unfinished: {unfinished}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn every_snapshot_belongs_to_a_source() {
    let root = crate::support::scratch::workspace();
    let stray: Vec<String> = files(root, "snap")
        .into_iter()
        .filter(|snapshot| {
            let text = std::fs::read_to_string(snapshot).unwrap();
            let source =
                text.lines().find_map(|line| line.strip_prefix("source: ")).map(|source| root.join(source));
            !source.is_some_and(|source| {
                // A named snapshot has its name in the test, others are named after the function.
                let stem = snapshot.file_stem().unwrap().to_string_lossy().into_owned();
                let name = stem
                    .rsplit("__")
                    .next()
                    .unwrap()
                    .trim_end_matches(|c: char| c == '-' || c.is_ascii_digit())
                    .to_owned();
                std::fs::read_to_string(source).is_ok_and(|source| source.contains(&name))
            })
        })
        .map(|snapshot| snapshot.display().to_string())
        .collect();
    assert!(stray.is_empty(), "no test writes these: {stray:?}");
}

/// Syntax that looks like a call of a function in `pg_proc`, but is not.
const SYNTAX: [&str; 2] = ["extract", "bit"];

/// Otherwise a role that may create in a schema of the search path could have its own functions called.
#[tokio::test]
async fn sql_qualifies_functions_of_the_server() {
    let db = TestDb::empty().await.unwrap();
    let names = "SELECT pg_catalog.array_agg(DISTINCT proname::text) FROM pg_catalog.pg_proc";
    let functions: HashSet<String> =
        crate::support::value::<Vec<String>>(&db, names).await.into_iter().collect();
    let root = crate::support::scratch::workspace();
    let mut complaints = Vec::new();
    for name in ["refit", "refit-backup", "refit-catalog", "refit-devdb", "refit-rehearsal", "refit-xtask"] {
        let folder = root.join("crates").join(name).join("src");
        for path in files(&folder, "sql") {
            let text = std::fs::read_to_string(&path).unwrap();
            complaints
                .extend(unqualified(&text, &functions).map(|call| format!("{}: {call}", path.display())));
        }
        for path in files(&folder, "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for literal in literals(code.parse().unwrap()) {
                let place = path.display();
                complaints.extend(
                    unqualified(&literal, &functions).map(|call| format!("{place}: {call} in {literal}")),
                );
            }
        }
    }
    assert!(complaints.is_empty(), "without pg_catalog.:\n{}", complaints.join("\n"));
    let caught: Vec<_> =
        unqualified("SELECT now(), pg_catalog.now(), count (*), f.lower(a)", &functions).collect();
    assert_eq!(caught, ["now", "count"]);
    let code = r##"let (a, b) = ("SELECT\n\"now\"", r#"a"b"#); #[doc = "no"] fn f() { g(b"no", 1, 'n') }"##;
    assert_eq!(literals(code.parse().unwrap()), ["\"SELECT \"now\"\"", "\"a\"b\""]);
}

/// Cargo compiles a dependency again for another set of features, and then all of its dependents. Add what this test reports to
/// `workspace-features`.
#[test]
fn programs_and_tests_share_their_dependencies() {
    let mut features: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let xtask = ["--package", "xtask", "--edges", "normal,build"];
    let program = ["--workspace", "--edges", "normal,build"];
    let tests = ["--workspace", "--edges", "normal,build,dev"];
    for selection in [xtask.as_slice(), &program, &tests] {
        let output = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
            .args(["tree", "--locked", "--prefix", "none", "--format", "{p};{f}"])
            .args(selection)
            .current_dir(crate::support::scratch::workspace())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let Some((package, enabled)) = line.trim_end_matches(" (*)").split_once(';') else { continue };
            features.entry(package.to_owned()).or_default().insert(enabled.to_owned());
        }
    }
    features.retain(|_, sets| sets.len() > 1);
    assert!(features.is_empty(), "compiled more than once:\n{features:#?}");
}

/// The functions of the server that a text calls without their schema, if it is SQL.
fn unqualified<'a>(text: &'a str, functions: &'a HashSet<String>) -> impl Iterator<Item = &'a str> {
    let is_sql = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|word| {
        ["SELECT", "UPDATE", "INSERT", "DELETE", "FROM", "WHERE", "SET", "WITH", "DEFAULT", "AT"]
            .contains(&word)
    });
    text.match_indices('(').filter(move |_| is_sql).filter_map(move |(bracket, _)| {
        let before = text[..bracket].trim_end();
        let start = before.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '_').map_or(0, |at| at + 1);
        let (rest, word) = before.split_at(start);
        // Qualified, quoted, part of a placeholder, or an alias.
        let named = rest.ends_with(['.', '\'', '"', '}']) || rest.ends_with(" AS ");
        (!named && functions.contains(word) && !SYNTAX.contains(&word)).then_some(word)
    })
}

/// String literals outside of comments. Their lines are unknown: `proc-macro2` provides them only with a feature, for which it would
/// be compiled again in addition to the build that macros use.
fn literals(code: TokenStream) -> Vec<String> {
    let mut found = Vec::new();
    let mut after_hash = false;
    for token in code {
        match token {
            TokenTree::Group(group) if !after_hash => found.extend(literals(group.stream())),
            TokenTree::Literal(literal) => found.extend(text_of(&literal.to_string())),
            TokenTree::Punct(punct) if punct.as_char() == '#' || (after_hash && punct.as_char() == '!') => {
                after_hash = true;
                continue;
            }
            _ => {}
        }
        after_hash = false;
    }
    found
}

/// The text of a string literal; `None` for bytes, characters and numbers. Escaped white space becomes a space.
fn text_of(literal: &str) -> Option<String> {
    match literal.strip_prefix('r') {
        Some(raw) => Some(raw.trim_matches('#').to_owned()),
        None if literal.starts_with('"') => {
            Some(literal.replace("\\n", " ").replace("\\t", " ").replace("\\\"", "\""))
        }
        None => None,
    }
}

pub(super) fn sources(root: &Path) -> Vec<PathBuf> {
    files(root, "rs")
}

/// Files with an extension below a folder; for the workspace, below the folders that contain sources.
pub(super) fn files(root: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = match root.join("Cargo.lock").exists() {
        true => ["crates", "examples", "xtask", "tests"].iter().map(|folder| root.join(folder)).collect(),
        false => vec![root.to_owned()],
    };
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// The first line and the length of each function that is too long. Formatted code closes a function in the column in which it
/// began.
fn long_functions<'a>(lines: &'a [&'a str]) -> impl Iterator<Item = (usize, usize)> + 'a {
    lines.iter().enumerate().filter_map(|(index, line)| {
        let indent = line.len() - line.trim_start().len();
        let words: Vec<&str> = line.split_whitespace().take_while(|word| *word != "fn").collect();
        let is_function = line.contains("fn ")
            && words.iter().all(|word| word.starts_with("pub") || matches!(*word, "async" | "const"))
            && !line.trim_end().ends_with(';');
        let close = format!("{}}}", " ".repeat(indent));
        let length = lines[index..].iter().position(|line| *line == close)? + 1;
        (is_function && length > FUNCTION_LINES).then_some((index + 1, length))
    })
}
