//! psql commands, and the data lines of COPY … FROM stdin: finds them and hides them from the parser.

use squawk_lexer::{TokenKind, tokenize};

use super::without;
use crate::sql::Span;

/// The text with these blanked, and their positions; `None` if there are none.
pub(super) fn masked(text: &str) -> Option<(String, Vec<Span>)> {
    if !text.contains('\\') {
        return None;
    }
    let (masked, mut found) = lines(text);
    let behind = commands_behind(&masked);
    let mut masked = without(&masked, &behind).into_owned();
    for span in &behind {
        // psql sends the text before the command, as if a semicolon followed it.
        let start = span.start as usize;
        masked.replace_range(start..=start, ";");
    }
    found.extend(behind);
    found.sort();
    (!found.is_empty()).then_some((masked, found))
}

/// Commands after a statement, as in `SELECT 1 \gset`, up to the end of the line.
fn commands_behind(text: &str) -> Vec<Span> {
    let (mut found, mut end): (Vec<Span>, u32) = (Vec::new(), 0);
    for token in tokenize(text) {
        let start = end;
        end += token.len;
        let is_command = token.kind == TokenKind::Unknown && text[start as usize..].starts_with('\\');
        if is_command && found.last().is_none_or(|before| before.end <= start) {
            let length = text[start as usize..].find('\n').unwrap_or(text.len() - start as usize);
            found.push(Span { start, end: start + length as u32 });
        }
    }
    found
}

/// Lines that begin with a backslash, and lines of data.
fn lines(text: &str) -> (String, Vec<Span>) {
    let mut masked = String::with_capacity(text.len());
    let mut found = Vec::new();
    let mut in_data = false;
    let mut offset = 0_u32;
    for line in text.split_inclusive('\n') {
        let (start, end) = (offset, offset + line.len() as u32);
        offset = end;
        let content = line.trim_end_matches('\n');
        if in_data || content.starts_with('\\') {
            found.push(Span { start, end: start + content.len() as u32 });
            in_data = in_data && content.trim_end() != "\\.";
            // Blanked byte for byte, so that offsets stay valid.
            masked.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            masked.push_str(line);
            let upper = content.to_ascii_uppercase();
            in_data = upper.trim_end().ends_with(';')
                && upper.trim_start().starts_with("COPY ")
                && upper.contains("FROM STDIN");
        }
    }
    (masked, found)
}
