//! Directives: the TOML front matter of a migration, one key per `-- refit:` line before the first statement.

mod keys;
mod value;

use std::collections::BTreeMap;

use squawk_lexer::{TokenKind, tokenize};
use toml::Value;

pub use keys::{Category, Directives, Phase, Suppression};

use crate::problem::Problem;
use crate::text::{LineIndex, Position, nearest};
use keys::{KEYS, REPEATABLE_KEYS};
use value::{backfill, boolean, duration, one_of, text, texts, versions};

/// Reads the directives and suppressions of a file by itself, whatever else is wrong with it.
///
/// `text` is normalized. The last part of the result holds all problems with them.
pub fn front_matter(path: &str, text: &str) -> (Directives, Vec<Suppression>, Vec<Problem>) {
    let repeatable = path.rsplit('/').next().is_some_and(|file| file.starts_with("R__"));
    let allowed = if repeatable { Allowed::Repeatable } else { Allowed::Migration };
    let mut problems = Vec::new();
    let FrontMatter { directives, suppressions } = parse(path, text, allowed, &mut problems);
    (directives, suppressions, problems)
}

/// The keys that a kind of file may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Allowed {
    Migration,
    Repeatable,
}

/// The directives and suppressions in a file's comments.
pub(crate) struct FrontMatter {
    pub(crate) directives: Directives,
    pub(crate) suppressions: Vec<Suppression>,
}

/// Reads the directives and suppressions of a normalized text, and reports all problems, not just the first.
pub(crate) fn parse(path: &str, text: &str, allowed: Allowed, problems: &mut Vec<Problem>) -> FrontMatter {
    let mut reader = Reader {
        path,
        allowed,
        problems,
        seen: BTreeMap::new(),
        front: FrontMatter { directives: Directives::default(), suppressions: Vec::new() },
    };
    let (mut offset, mut in_front) = (0, true);
    // Most texts have no directives, and the others have them at the top: the rest need not be read.
    let Some(last) = last_mention(text) else { return reader.front };
    let index = LineIndex::new(text);
    for token in tokenize(text) {
        if offset > last {
            break;
        }
        let (start, end) = (offset, offset + token.len as usize);
        offset = end;
        match token.kind {
            TokenKind::LineComment if may_concern_us(&text[start..end]) => {
                reader.comment(&text[start..end], index.position(start), in_front);
            }
            TokenKind::LineComment => {}
            TokenKind::Whitespace | TokenKind::BlockComment { .. } | TokenKind::Semi => {}
            _ => in_front = false,
        }
    }
    reader.front
}

/// The offset of the last occurrence of `refit`, in any case.
fn last_mention(text: &str) -> Option<usize> {
    const NAME: &[u8] = b"refit";
    let bytes = text.as_bytes();
    let is_name =
        |at: &usize| bytes.get(*at..*at + NAME.len()).is_some_and(|word| word.eq_ignore_ascii_case(NAME));
    // The middle letter is rarer than the others, so it is searched first.
    let middles = (0..bytes.len()).rev().filter(|at| bytes[*at] | 0x20 == b'f');
    middles.filter_map(|at| at.checked_sub(NAME.len() / 2)).find(is_name)
}

fn may_concern_us(comment: &str) -> bool {
    let body = comment.trim_start_matches('-').trim_start();
    body.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("refit"))
}

struct Reader<'a> {
    path: &'a str,
    allowed: Allowed,
    problems: &'a mut Vec<Problem>,
    seen: BTreeMap<String, usize>,
    front: FrontMatter,
}

impl Reader<'_> {
    fn comment(&mut self, comment: &str, position: Position, in_front: bool) {
        let body = comment.trim_start_matches('-').trim();
        let Some(directive) = body.strip_prefix("refit:").map(str::trim) else {
            return self.near_miss(body, position);
        };
        if directive.starts_with("allow(") || directive.starts_with("allow ") || directive == "allow" {
            return self.suppression(directive, position);
        }
        if !in_front {
            let message = "a directive after the first statement has no effect";
            return self.report(position, message, "move it into the comment block at the top");
        }
        match toml::from_str::<toml::Table>(directive) {
            Ok(table) if table.is_empty() => {
                self.report(
                    position,
                    "this directive is empty",
                    "write a key and a value, or remove the line",
                );
            }
            Ok(table) => table.into_iter().for_each(|(key, value)| self.key(&key, &value, position)),
            Err(error) => {
                let message = format!("invalid directive: {}", error.message());
                self.report(
                    position,
                    message,
                    "write it as TOML, for example: -- refit: transaction = false",
                );
            }
        }
    }

    /// Reports lines such as `-- refit transaction = false` and `-- Refit: …`, which were intended as directives.
    fn near_miss(&mut self, body: &str, position: Position) {
        let mut words = body.split_whitespace();
        let first = words.next().unwrap_or_default();
        let named = first.trim_end_matches(':').eq_ignore_ascii_case("refit");
        let second = words.next().unwrap_or_default().trim_end_matches('=');
        if named && (KEYS.contains(&second) || second.starts_with("allow(")) {
            self.report(
                position,
                "this looks like a directive, but it is not one",
                "write `-- refit: ` in lower case with its colon",
            );
        }
    }

    fn suppression(&mut self, directive: &str, position: Position) {
        let inner = directive.trim_start_matches("allow").trim_start();
        let Some((rule, rest)) = inner.strip_prefix('(').and_then(|inner| inner.split_once(')')) else {
            return self.report(
                position,
                "invalid suppression",
                "write it as: -- refit: allow(rule): reason",
            );
        };
        let reason = rest.trim_start().trim_start_matches(':').trim().to_owned();
        for rule in rule.split(',') {
            let (rule, reason) = (rule.trim().to_owned(), reason.clone());
            self.front.suppressions.push(Suppression { rule, reason, position });
        }
    }

    fn key(&mut self, key: &str, value: &Value, position: Position) {
        if let Some(line) = self.seen.insert(key.to_owned(), position.line) {
            return self.report(
                position,
                format!("`{key}` is already set on line {line}"),
                "keep one of them",
            );
        }
        let known: &[&str] = if self.allowed == Allowed::Repeatable { &REPEATABLE_KEYS } else { &KEYS };
        if !known.contains(&key) {
            let (message, fix) = if KEYS.contains(&key) {
                (format!("`{key}` has no effect in a repeatable migration"), "remove it".to_owned())
            } else {
                let fix = match nearest(key, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("known directives: {}", known.join(", ")),
                };
                (format!("unknown directive `{key}`"), fix)
            };
            return self.report(position, message, fix);
        }
        if let Err(expected) = self.assign(key, value) {
            let message = format!("`{key}` has an invalid value: {value}");
            self.report(position, message, format!("use {expected}"));
        }
    }

    /// Sets one key; the error describes the values that the key accepts.
    fn assign(&mut self, key: &str, value: &Value) -> Result<(), String> {
        let directives = &mut self.front.directives;
        match key {
            "transaction" => directives.transaction = boolean(value)?,
            "manual" => directives.manual = boolean(value)?,
            "after" => directives.after = versions(value)?,
            "depends" => directives.depends = versions(value)?,
            "phase" => directives.phase = Some(one_of(value, "\"expand\", \"migrate\" or \"contract\"")?),
            "category" => {
                directives.category =
                    Some(one_of(value, "\"schema\", \"data\", \"index\" or \"constraint\"")?);
            }
            "package" => directives.package = Some(text(value)?),
            "release" => directives.release = Some(text(value)?),
            "environments" => directives.environments = texts(value)?,
            "lock_timeout" => directives.lock_timeout = Some(duration(value)?),
            "backfill" => directives.backfill = Some(backfill(value)?),
            _ => {}
        }
        Ok(())
    }

    fn report(&mut self, position: Position, message: impl Into<String>, fix: impl Into<String>) {
        self.problems.push(Problem::new(self.path, message, fix).at(position));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> (Directives, Vec<Suppression>, Vec<Problem>) {
        let mut problems = Vec::new();
        let front = parse("V1__x.sql", text, Allowed::Migration, &mut problems);
        (front.directives, front.suppressions, problems)
    }

    #[test]
    fn every_directive_is_read() {
        let (directives, _, problems) = read(
            "-- A comment.\n-- refit: transaction = false\n--refit: after = [\"V0004\"]\n-- refit: phase = \"contract\"\n\
             -- refit: manual = true\n-- refit: package = \"core-schema\"\n-- refit: environments = [\"development\", \"test\"]\n\
             -- refit: category = \"data\"\n-- refit: release = \"2.0.1\"\n-- refit: depends = [\"V0002\"]\n\
             -- refit: lock_timeout = \"2s\"\n\
             -- refit: backfill = { table = \"t\", key = [\"id\"] }\nSELECT 1;",
        );
        assert_eq!(problems, []);
        assert!(!directives.transaction && directives.manual && directives.may_wait());
        assert_eq!((directives.after, directives.depends), (vec![4], vec![2]));
        assert_eq!(directives.lock_timeout, Some(Duration::from_secs(2)));
        assert_eq!(directives.backfill.unwrap().batch, 10_000);
        assert_eq!(directives.phase, Some(Phase::Contract));
    }

    #[test]
    fn mistakes_have_a_place_and_a_fix() {
        for (text, line, fix) in [
            ("-- refit: transacton = false", 1, "did you mean `transaction`?"),
            ("\n-- refit: transaction = \"no\"", 2, "use true or false"),
            ("SELECT 1;\n-- refit: manual = true", 2, "move it into the comment block at the top"),
            ("-- refit: manual = true\n-- refit: manual = true", 2, "keep one of them"),
            ("-- refit: after = \"V1\"", 1, "use a list of versions, such as [\"V0004\"]"),
            ("-- refit manual = true", 1, "write `-- refit: ` in lower case with its colon"),
            ("-- Refit: manual = true", 1, "write `-- refit: ` in lower case with its colon"),
            ("-- refit:", 1, "write a key and a value, or remove the line"),
            ("-- refit: allow(x", 1, "write it as: -- refit: allow(rule): reason"),
        ] {
            let (_, _, problems) = read(text);
            assert_eq!(problems.len(), 1, "{text}: {problems:?}");
            assert_eq!((problems[0].position.unwrap().line, problems[0].fix.as_str()), (line, fix), "{text}");
        }
        assert!(read("-- refit: = = =").2[0].message.starts_with("invalid directive"));
        assert!(read("-- refit: backfill = { table = \"t\" }").2[0].fix.contains("missing field"));
    }

    #[test]
    fn directives_in_strings_are_text() {
        assert_eq!(read("SELECT '\n-- refit: manual = true\n';").2, []);
    }

    #[test]
    fn suppressions_are_kept_wherever_they_stand() {
        let (_, suppressions, problems) =
            read("SELECT 1;\n-- refit: allow(unbatched-update): 12 rows, static table\nUPDATE t SET a = 1;");
        assert_eq!(problems, []);
        assert_eq!(suppressions[0].rule, "unbatched-update");
        assert_eq!(suppressions[0].reason, "12 rows, static table");
        assert_eq!(suppressions[0].position, Position { line: 2, column: 1 });
        let (_, several, problems) = read("-- refit: allow(lock-held, drop-view): both are empty\nSELECT 1;");
        let several: Vec<(&str, &str)> = several.iter().map(|one| (&*one.rule, &*one.reason)).collect();
        assert_eq!(several, [("lock-held", "both are empty"), ("drop-view", "both are empty")]);
        assert_eq!(problems, []);
    }

    #[test]
    fn the_last_mention_is_found_wherever_it_stands() {
        for before in 0..12 {
            for after in 0..12 {
                let text = format!("reFit{}REFIT{}", "-".repeat(before), "e".repeat(after));
                assert_eq!(last_mention(&text), Some(5 + before), "{text}");
            }
        }
        assert_eq!(["", "refi", "a line\nretif"].map(last_mention), [None; 3]);
    }

    proptest! {
        #[test]
        fn any_front_matter_is_read_or_reported(text in "(-- ?refit:? ?[ -~ü]{0,40}\n|[ -~]{0,20}\n){0,6}") {
            read(&text);
        }
    }
}
