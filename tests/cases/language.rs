//! Retired words: the project uses one standard word for one thing, and these are not it.

use std::path::{Path, PathBuf};

use super::tidy::{files, sources};

/// A word or phrase, and what to write. Words are compared without case; names count as their words.
const RETIRED: &[(&str, &str)] = &[
    ("at work", "running"),
    ("by and by", "gradually"),
    ("by himself", "without an operator"),
    ("contradiction", "mismatch"),
    ("find out", "read, check or determine"),
    ("finds out", "reads, checks or determines"),
    ("foresee", "predict"),
    ("foreseen", "predicted"),
    ("foresees", "predicts"),
    ("found out", "read, checked or determined"),
    ("gave back", "released or restored"),
    ("give back", "release or restore"),
    ("given back", "released or restored"),
    ("gives back", "releases or restores"),
    ("giving back", "releasing or restoring"),
    ("glance", "state"),
    ("go on", "continue"),
    ("goes on", "continues"),
    ("going on", "continuing"),
    ("honesty", "suppressions"),
    ("in the way", "blocks"),
    ("in vain", "timed out"),
    ("look-up", "lookup"),
    ("looker", "poller"),
    ("mend", "fix or recover"),
    ("mended", "fixed or recovered"),
    ("mender", "recovery"),
    ("mending", "recovery"),
    ("mends", "fixes or recovers"),
    ("otherwise than", "unlike, or a mismatch"),
    ("prospect", "plan"),
    ("roll-back", "rollback"),
    ("roll-backs", "rollbacks"),
    ("sight", "status"),
    ("somebody", "another session, user or process"),
    ("speaks against", "rejects, or the reason"),
    ("stranger", "the name of what it is"),
    ("stubborn", "what happened to it"),
    ("taken up", "resumed"),
    ("told", "reported, or render"),
    ("trouble", "failure"),
    ("turn back", "roll back, or undo"),
    ("turned back", "rolled back, or undone"),
    ("unheard", "unused"),
    ("went on", "continued"),
    ("without a word", "unexpectedly"),
];

/// Names and comments of all crates, and the book. String literals count outside of tests, where they are SQL and data.
#[test]
fn retired_words_are_not_used() {
    let root = crate::support::scratch::workspace();
    let mut complaints = Vec::new();
    for path in sources(root).into_iter().chain(pages(root)) {
        let name = path.strip_prefix(root).unwrap().display().to_string();
        let mut text = std::fs::read_to_string(&path).unwrap();
        if name == "tests/cases/language.rs" {
            continue;
        }
        if name.starts_with("tests/") || name.contains("/tests/") {
            text = without_literals(&text);
        }
        complaints.extend(
            retired(&text)
                .into_iter()
                .map(|(line, word, instead)| format!("{name}:{line}: retired: `{word}`; write: {instead}")),
        );
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn retired_words_are_found_in_names_and_across_lines() {
    let found =
        |text: &str| retired(text).into_iter().map(|(line, word, _)| (line, word)).collect::<Vec<_>>();
    assert_eq!(
        found("struct JobLooker;\nfn turn_back() {} // It goes\n  /// on."),
        [(1, "looker"), (2, "turn back"), (2, "goes on")]
    );
    assert_eq!(found("amend recommended; what goes, on; a roll back"), []);
    let code = "f(\"told\\\"told\", r#\"told\n\"told\"#, '\"', told) // \"told\"\n";
    assert_eq!(found(&without_literals(code)), [(2, "told"), (2, "told")]);
}

/// The pages of the book and of the root. The change log may quote old names.
fn pages(root: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let own = names.filter(|path| is_page(path) && !path.ends_with("CHANGELOG.md"));
    own.chain(files(&root.join("docs"), "md")).collect()
}

/// A word in lower case. A hyphen joins words; an underscore or a capital letter inside a name separates them.
struct Word {
    line: usize,
    text: String,
    /// Whether nothing but white space, underscores and comment marks is between it and the word before.
    adjacent: bool,
}

fn words(text: &str) -> Vec<Word> {
    let mut words: Vec<Word> = Vec::new();
    let (mut line, mut adjacent, mut inside, mut after_lower) = (1, false, false, false);
    for c in text.chars() {
        let is_part = c.is_alphanumeric() || (c == '-' && inside);
        if is_part && (!inside || (after_lower && c.is_uppercase())) {
            words.push(Word { line, text: String::new(), adjacent });
            adjacent = true;
        }
        match words.last_mut().filter(|_| is_part) {
            Some(word) => word.text.extend(c.to_lowercase()),
            None => adjacent &= c.is_whitespace() || ['_', '/', '!', '\\'].contains(&c),
        }
        line += usize::from(c == '\n');
        (inside, after_lower) = (is_part, c.is_lowercase());
    }
    words
}

/// The retired words of a text: the line, the word, and what to write.
fn retired(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let words = words(text);
    let is_at = |at: usize, phrase: &str| {
        phrase.split(' ').enumerate().all(|(index, part)| {
            words.get(at + index).is_some_and(|word| word.text == part && (index == 0 || word.adjacent))
        })
    };
    let at = |at: usize| RETIRED.iter().filter(move |(phrase, _)| is_at(at, phrase)).copied();
    (0..words.len())
        .flat_map(|index| at(index).map(move |(phrase, instead)| (index, phrase, instead)))
        .map(|(index, phrase, instead)| (words[index].line, phrase, instead))
        .collect()
}

/// Code without its string literals, line by line.
fn without_literals(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while !rest.is_empty() {
        let (length, is_literal) = token(rest);
        let (token, after) = rest.split_at(length);
        match is_literal {
            true => kept.extend(token.chars().filter(|c| *c == '\n')),
            false => kept.push_str(token),
        }
        rest = after;
    }
    kept
}

/// The length of what a text begins with, and whether it is a string literal: a literal, a comment, or one character.
fn token(text: &str) -> (usize, bool) {
    let hashes = text.strip_prefix('r').map(|raw| raw.len() - raw.trim_start_matches('#').len());
    if let Some(hashes) = hashes.filter(|hashes| text[1 + hashes..].starts_with('"')) {
        let (begin, close) = (hashes + 2, format!("\"{}", "#".repeat(hashes)));
        return (text[begin..].find(&close).map_or(text.len(), |at| begin + at + close.len()), true);
    }
    if let Some(quote) = ["'\"'", "'\\\"'"].iter().find(|quote| text.starts_with(**quote)) {
        return (quote.len(), false);
    }
    if text.starts_with("//") {
        return (text.find('\n').unwrap_or(text.len()), false);
    }
    if !text.starts_with('"') {
        return (text.chars().next().map_or(1, char::len_utf8), false);
    }
    let mut escaped = false;
    let end = text.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    (end.map_or(text.len(), |(at, _)| at + 1), true)
}
