//! The text for a schema that differs from its snapshot.

/// Differences shown in an error or a warning.
const SHOWN: usize = 5;

/// The first differences, and what to do about them.
pub(crate) fn summary(differences: &[String]) -> String {
    let count = match differences.len() {
        1 => "1 difference".to_owned(),
        count => format!("{count} differences"),
    };
    let mut text = format!(
        "the schema differs from that of the migrations: {count} (+ only in the database, - missing in it, ~ different)"
    );
    for line in differences.iter().take(SHOWN) {
        text.push_str(&format!("\n  {}", refit_model::visible_line(line)));
    }
    if let Some(more @ 1..) = differences.len().checked_sub(SHOWN) {
        text.push_str(&format!("\n  and {more} more"));
    }
    text.push_str("\n  `cargo xtask verify` lists all; undo the changes, or write a migration for them");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_differences_are_listed() {
        let lines: Vec<String> = (0..7).map(|n| format!("+ index i{n}")).collect();
        let text = summary(&lines);
        assert!(
            text.contains("7 differences") && text.contains("+ index i4") && text.contains("and 2 more"),
            "{text}"
        );
        assert!(!text.contains("i5"), "{text}");
        assert!(!summary(&lines[..5]).contains("more"));
        assert!(summary(&lines[..1]).contains("1 difference ("));
    }
}
