//! psql's own commands, and the data lines of COPY … FROM stdin: found, and put out of the parser's sight.

use crate::sql::Span;

/// The text with those lines blanked, and where they were; none when there are none.
pub(super) fn masked(text: &str) -> Option<(String, Vec<Span>)> {
    if !text.lines().any(|line| line.starts_with('\\')) {
        return None;
    }
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
            // Byte for byte, so that places stay right.
            masked.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
        } else {
            masked.push_str(line);
            let upper = content.to_ascii_uppercase();
            in_data = upper.trim_end().ends_with(';')
                && upper.trim_start().starts_with("COPY ")
                && upper.contains("FROM STDIN");
        }
    }
    Some((masked, found))
}
