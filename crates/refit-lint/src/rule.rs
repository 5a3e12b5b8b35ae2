//! A rule: its name, page, severity and check.

use std::collections::BTreeMap;

use crate::check::{FileCheck, StatementCheck};
use crate::finding::Severity;

/// A rule of the linter. Each is one file of `rules/`, whose `//!` block is its page.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// The name, which reads well after "allow": `unbatched-update`.
    pub name: &'static str,
    /// The rule's source file; its leading `//!` block is the page.
    pub(crate) source: &'static str,
    /// The default severity; `None` means that the rule is off by default.
    pub severity: Option<Severity>,
    pub(crate) check: Check,
}

/// When a rule runs.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Check {
    /// Once per statement, and once per statement inside bodies that it runs.
    Statement(fn(&mut StatementCheck<'_>)),
    /// Once per file, before its statements.
    File(fn(&mut FileCheck<'_>)),
    /// In the engine itself, which has the required data.
    Engine,
}

impl Rule {
    /// The page: the `//!` block at the top of the rule's file, as Markdown.
    pub fn page(&self) -> String {
        let lines = self.source.lines().take_while(|line| line.starts_with("//!"));
        let text: Vec<&str> = lines
            .map(|line| line.trim_start_matches("//!"))
            .map(|line| line.strip_prefix(' ').unwrap_or(line))
            .collect();
        text.join("\n")
    }

    /// The title: the first line without `# `.
    pub fn title(&self) -> String {
        let page = self.page();
        page.lines().next().unwrap_or_default().trim_start_matches("# ").to_owned()
    }

    /// The examples of the page: fenced blocks marked `sql,unsafe` and `sql,safe`, in order. A block marked
    /// `toml,claim` describes the unsafe example before it.
    pub fn examples(&self) -> Vec<Example> {
        let mut examples: Vec<Example> = Vec::new();
        for (info, text) in self.blocks() {
            let words: Vec<&str> = info.split(',').map(str::trim).collect();
            match words[..] {
                ["sql", kind, ..] => {
                    let since = words.iter().find_map(|word| word.strip_prefix("pg"));
                    examples.push(Example {
                        safe: kind == "safe",
                        since: since.and_then(|major| major.parse().ok()),
                        claim: None,
                        sql: text,
                    });
                }
                ["toml", "claim"] => {
                    if let Some(example) = examples.iter_mut().rfind(|example| !example.safe) {
                        example.claim = Some(text);
                    }
                }
                _ => {}
            }
        }
        examples
    }

    /// The fenced blocks of the page: the text after the fence, and the lines inside.
    fn blocks(&self) -> Vec<(String, String)> {
        let mut blocks = Vec::new();
        let mut open: Option<(String, String)> = None;
        for line in self.page().lines() {
            match (&mut open, line.strip_prefix("```")) {
                (None, Some(info)) => open = Some((info.to_owned(), String::new())),
                (Some(_), Some(_)) => blocks.extend(open.take()),
                (Some((_, text)), None) => {
                    text.push_str(line);
                    text.push('\n');
                }
                (None, None) => {}
            }
        }
        blocks
    }
}

/// An example of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Whether it shows the safe way.
    pub safe: bool,
    /// The first major version that it runs on, unless it runs on all of 14 to 18.
    pub since: Option<u32>,
    /// The effect on a server, as TOML: `lock`, `table`, `rewrite`, `scan`, `error`, `since`.
    pub claim: Option<String>,
    /// The SQL, directives included. A line `-- file: NAME` begins another migration.
    pub sql: String,
}

impl Example {
    /// Its migrations: names and texts.
    pub fn files(&self) -> Vec<(String, String)> {
        split_files(&self.sql)
    }
}

/// The values of the placeholders in examples of pages and in labelled cases.
pub fn example_values() -> BTreeMap<String, String> {
    [("number", "1"), ("table", "orders")].map(|(name, value)| (name.to_owned(), value.to_owned())).into()
}

/// Splits a text of several files at lines `-- file: NAME`: names and texts. What is above the first such line is
/// `V1__example.sql`.
pub fn split_files(text: &str) -> Vec<(String, String)> {
    let mut files = vec![("V1__example.sql".to_owned(), String::new())];
    for line in text.lines() {
        match line.strip_prefix("-- file: ") {
            Some(name) => files.push((name.trim().to_owned(), String::new())),
            None => {
                if let Some((_, text)) = files.last_mut() {
                    text.push_str(line);
                    text.push('\n');
                }
            }
        }
    }
    if files[0].1.is_empty() && files.len() > 1 {
        files.remove(0);
    }
    files
}
