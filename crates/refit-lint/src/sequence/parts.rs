//! A file split into parts: the directives, the statements with the comments above them, and the end. Joined again,
//! they are the file, byte for byte.

use crate::parser::tokens;
use crate::sql::Stmt;
use crate::words::{is_comment, is_trivia};

/// A text split into parts.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// The text up to the end of the last directive's line.
    pub front: String,
    /// The statements.
    pub pieces: Vec<Piece>,
    /// The text after the last statement and its line.
    pub end: String,
}

/// A statement with its surrounding text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Comments and space above it.
    pub above: String,
    /// The statement, without its semicolon.
    pub sql: String,
    /// The semicolon, if there is one, and the rest of its line.
    pub behind: String,
}

impl Piece {
    /// A statement that is not in the file.
    pub fn new(sql: impl Into<String>) -> Piece {
        Piece { above: String::new(), sql: sql.into(), behind: ";\n".to_owned() }
    }

    /// The text of the piece if another may follow.
    pub fn write(&self, text: &mut String) {
        text.push_str(&self.above);
        text.push_str(&self.sql);
        match self.behind.trim_start().starts_with(';') {
            true => text.push_str(&self.behind),
            false => {
                text.push(';');
                text.push_str(&self.behind);
            }
        }
        if !text.ends_with('\n') {
            text.push('\n');
        }
    }
}

impl Parts {
    /// A file that does not exist yet: the front matter, and a statement that steps replace.
    pub fn of_new_file(front: impl Into<String>) -> Parts {
        Parts { front: front.into(), pieces: vec![Piece::new("")], end: String::new() }
    }

    /// Splits a normalized text. `None` if the parser and the splitter disagree on the positions of its statements.
    pub(crate) fn of(text: &str, stmts: &[Stmt]) -> Option<Parts> {
        let split = refit_model::split_statements(text);
        let agree = split.len() == stmts.len()
            && split.iter().zip(stmts).all(|(one, stmt)| one.offset == stmt.span.start as usize);
        if !agree {
            return None;
        }
        let mut front_end = 0;
        let first = split.first().map_or(text.len(), |first| first.offset);
        for at in tokens(&text[..first]) {
            if directive(&text[at.clone()]).is_some() {
                front_end = line_end(text, at.end);
            }
        }
        let mut done = front_end;
        let mut pieces = Vec::new();
        for one in &split {
            let end = one.offset + one.text.len();
            let behind = end + length_behind(&text[end..]);
            pieces.push(Piece {
                above: text.get(done..one.offset)?.to_owned(),
                sql: one.text.to_owned(),
                behind: text[end..behind].to_owned(),
            });
            done = behind;
        }
        Some(Parts { front: text[..front_end].to_owned(), pieces, end: text.get(done..)?.to_owned() })
    }

    /// Joins the parts.
    pub fn whole(&self) -> String {
        let mut text = self.front.clone();
        for piece in &self.pieces {
            text.push_str(&piece.above);
            text.push_str(&piece.sql);
            text.push_str(&piece.behind);
        }
        text + &self.end
    }
}

/// The end of the semicolon and the rest of its line.
fn length_behind(rest: &str) -> usize {
    let mut end = 0;
    for at in tokens(rest) {
        let token = &rest[at.clone()];
        match (end, token) {
            (0, ";") => end = at.end,
            (0, token) if is_trivia(token) => {}
            (0, _) => return 0,
            // Only the rest of the same line: a comment that begins on it belongs to the statement.
            (_, token) if is_comment(token) && !token.contains('\n') => end = at.end,
            (_, token) if token.trim().is_empty() => match token.find('\n') {
                Some(line) => return at.start + line + 1,
                None => end = at.end,
            },
            _ => return end,
        }
    }
    end
}

fn line_end(text: &str, from: usize) -> usize {
    text[from..].find('\n').map_or(text.len(), |line| from + line + 1)
}

/// Key and value of a directive in a comment; suppressions do not count.
fn directive(comment: &str) -> Option<(&str, &str)> {
    let body = comment.strip_prefix("--")?.trim_start_matches('-').trim().strip_prefix("refit:")?.trim();
    let (key, value) = body.split_once('=')?;
    let key = key.trim();
    (!key.starts_with("allow")).then_some((key, value.trim()))
}

/// The front matter with a directive added or replaced.
pub fn with_directive(front: &str, key: &str, value: &str) -> String {
    let line = format!("-- refit: {key} = {value}\n");
    let mut found = false;
    let mut result = String::new();
    for old in front.split_inclusive('\n') {
        match directive(old.trim()) {
            Some((known, _)) if known == key => {
                found = true;
                result.push_str(&line);
            }
            _ => result.push_str(old),
        }
    }
    if !found {
        if !result.is_empty() && !result.ends_with('\n') {
            result.push('\n');
        }
        result.push_str(&line);
    }
    result
}

/// The front matter without a directive.
pub fn without_directive(front: &str, key: &str) -> String {
    let keeps = |line: &&str| directive(line.trim()).is_none_or(|(known, _)| known != key);
    front.split_inclusive('\n').filter(keeps).collect()
}

/// The value of a directive as written.
pub fn value_of<'f>(front: &'f str, key: &str) -> Option<&'f str> {
    let values = front.lines().filter_map(|line| directive(line.trim()));
    values.filter(|(known, _)| *known == key).map(|(_, value)| value).next()
}

/// The text with the versions in its `after` and `depends` replaced: `moved` returns the new form of a reference such as
/// `V0012` or `V0012__add_status`, if it has one. `None` if nothing changes.
pub fn with_references(text: &str, moved: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut changed = false;
    let mut result = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        match directive(line.trim()) {
            Some(("after" | "depends", _)) => {
                let mut parts = line.split(['"', '\'']).enumerate();
                let mut written = String::new();
                for (index, part) in &mut parts {
                    let label = (index % 2 == 1).then(|| moved(part)).flatten();
                    changed |= label.is_some();
                    if index > 0 {
                        written.push('"');
                    }
                    written.push_str(label.as_deref().unwrap_or(part));
                }
                result.push_str(&written);
            }
            _ => result.push_str(line),
        }
    }
    changed.then_some(result)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;

    fn parts(text: &str) -> Parts {
        Parts::of(text, &parse(text).stmts).unwrap()
    }

    #[test]
    fn parts_are_the_whole() {
        let text = "-- Title\n-- refit: transaction = false\n\n-- one\nSELECT 1 ; -- first\n/* two\n */ SELECT ';';SELECT 3\n;\n-- end\n";
        let parts = parts(text);
        assert_eq!(parts.whole(), text);
        assert_eq!(parts.front, "-- Title\n-- refit: transaction = false\n");
        let texts: Vec<(&str, &str, &str)> =
            parts.pieces.iter().map(|piece| (&*piece.above, &*piece.sql, &*piece.behind)).collect();
        assert_eq!(
            texts,
            [
                ("\n-- one\n", "SELECT 1", " ; -- first\n"),
                ("/* two\n */ ", "SELECT ';'", ";"),
                ("", "SELECT 3", "\n;\n")
            ]
        );
        assert_eq!(parts.end, "-- end\n");
    }

    #[test]
    fn a_last_statement_needs_no_semicolon() {
        let mut text = String::new();
        parts("SELECT 1 -- x").pieces[0].write(&mut text);
        assert_eq!(text, "SELECT 1;\n");
        assert_eq!(parts("SELECT 1 -- x").end, " -- x");
    }

    #[test]
    fn directives_are_set_and_references_moved() {
        assert_eq!(with_directive("", "transaction", "false"), "-- refit: transaction = false\n");
        let front = "-- refit: after = [\"V3\", 'V4__x']\n";
        assert_eq!(with_directive(front, "after", "[]"), "-- refit: after = []\n");
        assert_eq!(value_of(front, "after"), Some("[\"V3\", 'V4__x']"));
        assert_eq!(without_directive(front, "after"), "");
        let moved = with_references(front, &|reference| (reference == "V4__x").then(|| "V0009".to_owned()));
        assert_eq!(moved.as_deref(), Some("-- refit: after = [\"V3\", \"V0009\"]\n"));
        assert_eq!(with_references(front, &|_| None), None);
    }
}
