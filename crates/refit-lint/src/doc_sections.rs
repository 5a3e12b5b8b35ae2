//! The sections of a migration's `.md` file.

/// The sections that a description has, each with what it answers. `cargo xtask new-migration` writes them, and the rule
/// `missing-doc` reports those that are missing or empty.
pub const DOC_SECTIONS: [(&str, &str); 5] = [
    ("Purpose", "Why the change is needed, and what it makes possible."),
    ("Risk", "What it locks, rewrites or loses, and what happens to releases that run beside it."),
    ("Runtime", "How long it takes and on how many rows, with a line such as `Expected duration: 30s`."),
    ("Verification", "How to see that it worked, in addition to its checks."),
    ("Rollback", "How to go back, and what is lost."),
];

/// The names of the sections of [`DOC_SECTIONS`] that a text has, and that are not empty. Comments are no content.
pub(crate) fn filled(text: &str) -> Vec<&'static str> {
    let text = without_comments(text);
    let mut found = Vec::new();
    let mut current: Option<(usize, &'static str)> = None;
    for line in text.lines().map(str::trim) {
        let level = line.chars().take_while(|c| *c == '#').count();
        let ends = level > 0 && current.is_none_or(|(of, _)| level <= of);
        if ends {
            let title = line[level..].trim().trim_end_matches([':', '#', ' ']);
            let known = DOC_SECTIONS.iter().find(|(name, _)| name.eq_ignore_ascii_case(title));
            current = known.map(|(name, _)| (level, *name));
        } else if !line.is_empty()
            && let Some((_, name)) = current
            && !found.contains(&name)
        {
            found.push(name);
        }
    }
    found
}

fn without_comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, comment)) = rest.split_once("<!--") {
        out.push_str(before);
        rest = comment.split_once("-->").map_or("", |(_, after)| after);
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_with_content_are_found() {
        let text = "# Add a status\n\n## Purpose\n\nFor the new page.\n\n## RISK:\nnone\n## Runtime\n\n<!-- How\n\nlong? -->\n\n\
                    ## Verification\n### By hand\n## Rollback";
        assert_eq!(filled(text), ["Purpose", "Risk", "Verification"]);
        assert!(filled("Purpose: none\n").is_empty() && filled("").is_empty());
        assert!(filled("## Purpose\n<!-- never closed\ntext").is_empty());
    }
}
