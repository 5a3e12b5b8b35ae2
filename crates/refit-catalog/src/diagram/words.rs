//! Names in Mermaid syntax. Its grammar has no escapes; its preprocessor replaces `#code;` by a character, which it
//! decodes only after parsing, so that a name cannot end its quotes.

/// A name in quotes.
pub(super) fn label(name: &str) -> String {
    // Mermaid does not accept an empty name.
    if name.is_empty() { "\" \"".into() } else { format!("\"{}\"", coded(name)) }
}

/// A comment after a column, with a leading blank; empty if there is none.
pub(super) fn comment(text: &str) -> String {
    const CHARACTERS: usize = 120;
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.is_empty() {
        return String::new();
    }
    let mut short: String = flat.chars().take(CHARACTERS).collect();
    if short.len() < flat.len() {
        short.push('…');
    }
    format!(" \"{}\"", coded(&short))
}

/// A text after `%%`, on one line. A brace would make it a directive.
pub(super) fn remark(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '{' | '}') { ' ' } else { c }).collect()
}

/// A type's or column's name: one word of letters, digits and a few symbols, and none of the words that mark keys.
pub(super) fn word(name: &str) -> String {
    let name = name.trim_matches('"');
    // Mermaid only accepts ASCII and characters from U+00C0 on as letters.
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || (c >= '\u{c0}' && c.is_alphabetic());
    let is_other = |c: char| c.is_ascii_digit() || matches!(c, '-' | '[' | ']' | '(' | ')');
    let mut out: String = name.chars().map(|c| if is_letter(c) || is_other(c) { c } else { '_' }).collect();
    let is_key = ["PK", "FK", "UK"].iter().any(|key| out.starts_with(key));
    if is_key || !out.starts_with(is_letter) {
        out.insert(0, '_');
    }
    out
}

fn coded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            // After "style:", the preprocessor removes the semicolon of a code. Backticks are Markdown.
            '%' | '\\' | '#' | ':' | '`' | '*' | '~' | '{' | '}' => {
                out.push_str(&format!("#{};", u32::from(c)));
            }
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_their_quotes() {
        assert_eq!(label("a\"b%c\\d#e;"), "\"a#quot;b#37;c#92;d#35;e;\"");
        assert_eq!(comment("one\n two\""), " \"one two#quot;\"");
        assert_eq!(comment(" \n"), "");
        assert!(comment(&"é".repeat(200)).ends_with("…\""));
        assert_eq!(remark("a\n%%{init}"), "a %% init ");
    }

    #[test]
    fn words_are_ones_that_mermaid_takes() {
        for (name, expected) in [
            ("id", "id"),
            ("\"a b\"", "a_b"),
            ("PK", "_PK"),
            ("9", "_9"),
            ("\"\"", "_"),
            ("ünï", "ünï"),
            ("numeric(10,2)", "numeric(10_2)"),
            ("text[]", "text[]"),
            ("µ", "_"),
        ] {
            assert_eq!(word(name), expected);
        }
    }
}
