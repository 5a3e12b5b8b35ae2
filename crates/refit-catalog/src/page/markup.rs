//! Escapes text for markup.

/// Text escaped for use between tags and in quoted attributes. Control characters that HTML does not allow, and marks
/// that change the writing direction, are shown by number.
pub fn text(raw: &str) -> String {
    let mut out = String::with_capacity(raw.len() + 8);
    for c in raw.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control()
                || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
                || (u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}')) =>
            {
                out.push_str(&format!("\\u{{{:x}}}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out
}

/// The first characters of a text, the last an ellipsis if there were more.
pub(super) fn clipped(raw: &str, characters: usize) -> String {
    if raw.chars().count() <= characters {
        return raw.to_owned();
    }
    raw.chars().take(characters - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_markup() {
        assert_eq!(text("<a href=\"x\">'&"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
        assert_eq!(text("a\u{202e}b\u{1}\n"), "a\\u{202e}b\\u{1}\n");
        assert_eq!(clipped("héllo", 4), "hél…");
        assert_eq!(clipped("héllo", 5), "héllo");
    }
}
