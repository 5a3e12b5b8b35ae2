//! Whether a migration gives a reason, which lets a contract migration make breaking changes.

/// Minimum number of words in a comment that counts as a reason: a shorter one is a title.
const WORDS: usize = 3;

/// Whether a comment above the first statement, apart from directives, has at least three words.
pub(crate) fn is_explained(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let comment = if let Some(line) = rest.strip_prefix("--") {
            let end = line.find('\n').unwrap_or(line.len());
            rest = &line[end..];
            &line[..end]
        } else if let Some(block) = rest.strip_prefix("/*") {
            let end = block.find("*/").unwrap_or(block.len());
            rest = block.get(end + 2..).unwrap_or_default();
            &block[..end]
        } else {
            return false;
        };
        let is_directive = comment.trim_start_matches('-').trim_start().starts_with("refit:");
        let words = comment.split_whitespace().filter(|word| word.chars().any(char::is_alphabetic)).count();
        if !is_directive && words >= WORDS {
            return true;
        }
        rest = rest.trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::is_explained;

    #[test]
    fn three_words_above_the_first_statement_are_a_reason() {
        for text in [
            "-- refit: phase = \"contract\"\n-- Nobody reads it since release 12.\nDROP TABLE t;",
            "/* Nobody reads\n it since */ DROP TABLE t;",
            "-- Legacy.\n\n-- Nobody reads it.\nDROP TABLE t;",
        ] {
            assert!(is_explained(text), "{text}");
        }
        for text in [
            "",
            "DROP TABLE t;",
            "-- refit: phase = \"contract\" # and that is all\nDROP TABLE t;",
            "-- Drop legacy\nDROP TABLE t;",
            "-- ----- - - -\nDROP TABLE t; -- Nobody reads it.",
            "/* unterminated",
        ] {
            assert!(!is_explained(text), "{text}");
        }
    }
}
