//! What the text of a condition tells: the literals in it, around which values are likely to satisfy it.

use refit_model::significant_tokens;

/// Literals of a condition as they are written: quoted texts and numbers, each once, at most twenty.
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
    fn literals_are_texts_and_numbers() {
        let condition =
            "((source = ANY (ARRAY['editor'::text, 'it''s'::text])) AND (age >= 18) AND (age >= 18))";
        assert_eq!(literals(condition), ["'editor'", "'it''s'", "18"]);
    }
}
