//! Names and strings as this crate writes them: the same on every server, and always on one line.

/// A name as in SQL: unquoted if possible, else in double quotes. Control characters and backslashes inside quotes are
/// escaped, so that a name is always on one line.
pub fn ident(name: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let bare = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_') && name.chars().all(plain);
    if bare { name.to_owned() } else { format!("\"{}\"", escaped(name, '"')) }
}

/// The inverse of [`ident`].
pub fn bare(ident: &str) -> String {
    let Some(inner) = ident.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return ident.to_owned();
    };
    let mut name = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        name.push(match c {
            '"' => chars.next().unwrap_or(c),
            '\\' => match chars.next() {
                Some('n') => '\n',
                Some('t') => '\t',
                Some('r') => '\r',
                Some('u') => {
                    let digits: String = chars.by_ref().skip(1).take_while(|digit| *digit != '}').collect();
                    u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).unwrap_or('?')
                }
                other => other.unwrap_or(c),
            },
            c => c,
        });
    }
    name
}

/// Schema and name.
pub(crate) fn qualified(schema: &str, name: &str) -> String {
    format!("{}.{}", ident(schema), ident(name))
}

/// A string in single quotes, on one line.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", escaped(text, '\''))
}

/// A line of a text, without the characters that a terminal would interpret.
pub(crate) fn visible(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if c == '\t' { out.push(c) } else { push_visible(&mut out, c) }
    }
    out
}

fn escaped(text: &str, quote: char) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend([c, c]),
            c => push_visible(&mut out, c),
        }
    }
    out
}

fn push_visible(out: &mut String, c: char) {
    match c {
        '\n' => out.push_str("\\n"),
        '\t' => out.push_str("\\t"),
        '\r' => out.push_str("\\r"),
        // Directional overrides and the like would show a reviewer something other than the actual text.
        c if c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}') =>
        {
            out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
        }
        c => out.push(c),
    }
}

/// The name that PostgreSQL generates for an object that belongs to a table and a column (`makeObjectName`): both parts
/// are truncated, the longer one first, until the name fits in 63 bytes.
pub(crate) fn given_name(table: &str, column: &str, label: &str) -> String {
    let room = 63 - (label.len() + 1) - usize::from(!column.is_empty());
    let (mut first, mut second) = (table.len(), column.len());
    while first + second > room {
        if first > second { first -= 1 } else { second -= 1 }
    }
    let clip = |text: &str, mut length: usize| {
        while !text.is_char_boundary(length) {
            length -= 1;
        }
        text[..length].to_owned()
    };
    let column = if column.is_empty() { String::new() } else { format!("_{}", clip(column, second)) };
    format!("{}{column}_{label}", clip(table, first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_one_line() {
        assert_eq!(ident("posts_2"), "posts_2");
        assert_eq!(ident("Post\"s\n"), "\"Post\"\"s\\n\"");
        assert_eq!(ident(""), "\"\"");
        assert_eq!(ident("a\u{202e}b"), "\"a\\u{202e}b\"");
        assert_eq!(literal("it's\\"), "'it''s\\\\'");
    }

    #[test]
    fn names_come_back() {
        for name in ["posts_2", "", "\"", "Post\"\"s\n", "a\\b\\n", "a\u{202e}b\tc", "\u{1}{}"] {
            assert_eq!(bare(&ident(name)), name);
        }
    }

    #[test]
    fn given_names_fit() {
        assert_eq!(given_name("t", "id", "seq"), "t_id_seq");
        assert_eq!(given_name(&"é".repeat(31), &"c".repeat(40), "seq").len(), 62);
        assert_eq!(given_name(&"a".repeat(63), &"b".repeat(63), "not_null").len(), 63);
    }
}
