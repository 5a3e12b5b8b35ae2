//! What a reader may count on in every source file.

use std::path::{Path, PathBuf};

/// Lines at most. A file that needs more is split by noun.
const FILE_LINES: usize = 420;
/// Lines of a function at most, from its `fn` to its closing brace.
const FUNCTION_LINES: usize = 75;

#[test]
fn files_and_functions_stay_small_and_every_crate_says_what_it_is_for() {
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
        // In two parts, so that this file does not find itself.
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
                // Named snapshots keep the name in the test, the others carry the function's.
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
    assert!(stray.is_empty(), "no test makes these: {stray:?}");
}

fn sources(root: &Path) -> Vec<PathBuf> {
    files(root, "rs")
}

/// Files with an extension below the folders that hold sources.
fn files(root: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> =
        ["crates", "xtask", "tests"].iter().map(|folder| root.join(folder)).collect();
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

/// Where a function begins and how long it is, for those that are too long. Formatted code closes a function in the column
/// where it began.
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
