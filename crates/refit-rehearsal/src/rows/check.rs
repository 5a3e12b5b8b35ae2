//! The literals in a condition's text: values near them are likely to satisfy it.

use refit_model::significant_tokens;

/// The distinct literals of a condition as written: quoted strings and numbers, at most 20.
pub(super) fn literals(condition: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for token in significant_tokens(condition) {
        let is_literal = token.starts_with('\'') && token.len() > 1
            || token.starts_with(|first: char| first.is_ascii_digit());
        if is_literal && !found.iter().any(|known| known == token) && found.len() < 20 {
            found.push(token.to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_strings_and_numbers() {
        let condition =
            "((source = ANY (ARRAY['editor'::text, 'it''s'::text])) AND (age >= 18) AND (age >= 18))";
        assert_eq!(literals(condition), ["'editor'", "'it''s'", "18"]);
    }
}
