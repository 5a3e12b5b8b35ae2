//! Makes text of unknown origin safe to display: characters that a terminal or a page would interpret become visible
//! escapes.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a character controls a terminal or the order of the text around it, instead of being displayed.
///
/// These are control characters (C0, DEL, C1), marks and overrides of the writing direction, line and paragraph
/// separators, the byte-order mark, tags, and noncharacters. Newline and tab are included; [`visible`] keeps them
/// because layout needs them.
pub fn is_invisible_control(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}'
        )
        || matches!(c, '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || matches!(c, '\u{fdd0}'..='\u{fdef}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// A text of several lines, with every control character except newline and tab escaped, as in `\u{1b}`.
pub fn visible(text: &str) -> Cow<'_, str> {
    escaped(text, |c| !matches!(c, '\n' | '\t') && is_invisible_control(c))
}

/// A text on one line: newlines and tabs are escaped too.
pub fn visible_line(text: &str) -> Cow<'_, str> {
    escaped(text, is_invisible_control)
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if is_escaped(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn control_characters_are_shown_and_layout_is_kept() {
        assert_eq!(visible("a\u{1b}[31m\u{9b}0m\u{7f}\r\n\tb"), "a\\u{1b}[31m\\u{9b}0m\\u{7f}\\u{d}\n\tb");
        assert_eq!(visible("\u{202e}\u{2066}\u{2028}\u{e0041}"), "\\u{202e}\\u{2066}\\u{2028}\\u{e0041}");
        assert_eq!(visible_line("a\nb\tc"), "a\\u{a}b\\u{9}c");
        assert!(matches!(visible("übersicht 👩‍👩‍👧\n"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn nothing_that_acts_is_left(text in any::<String>()) {
            let line = visible_line(&text);
            prop_assert!(!line.chars().any(is_invisible_control));
            let lines = visible(&text);
            prop_assert!(!lines.chars().any(|c| is_invisible_control(c) && c != '\n' && c != '\t'));
            let again = visible(&lines);
            prop_assert_eq!(again.as_ref(), lines.as_ref());
        }
    }
}
