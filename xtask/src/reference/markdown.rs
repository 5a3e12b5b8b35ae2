//! Plain text as Markdown.

/// Escapes characters that are markup in Markdown. Code in backticks is unchanged.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    let mut in_code = false;
    let is_word = |character: Option<char>| character.is_some_and(char::is_alphanumeric);
    for (at, character) in text.char_indices() {
        in_code ^= character == '`';
        let is_markup = match character {
            // Within a word, it is not markup.
            '_' => !is_word(text[..at].chars().last()) || !is_word(text[at + 1..].chars().next()),
            _ => matches!(character, '*' | '<' | '\\'),
        };
        if is_markup && !in_code {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Inline code, which may contain a backtick.
pub(super) fn code(text: &str) -> String {
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

/// The anchor of a heading that is code, as on GitHub and in mdBook.
pub(super) fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    let kept = kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// A list in words: `a`, `b` or `c`.
pub(super) fn any_of(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}

/// The first sentence of a doc comment, without the full stop.
pub(super) fn summary(docs: &str) -> &str {
    let ends = [docs.find(". "), docs.find(".\n"), docs.find("\n\n")];
    let end = ends.into_iter().flatten().min().unwrap_or(docs.len());
    docs[..end].trim_end_matches('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_escaped_outside_of_code() {
        assert_eq!(escape("a_b _c_ *d* `e_*` <f>"), "a_b \\_c\\_ \\*d\\* `e_*` \\<f>");
        assert_eq!(code("a`b"), "`` a`b ``");
    }

    #[test]
    fn anchors_are_those_of_the_forge() {
        assert_eq!(anchor("policy.out_of_order"), "policyout_of_order");
        assert_eq!(anchor("backfill run"), "backfill-run");
    }

    #[test]
    fn a_summary_is_the_first_sentence() {
        assert_eq!(summary("How long. Then\nmore.\n\nEven more."), "How long");
        assert_eq!(summary("A file."), "A file");
    }
}
