//! # A placeholder whose value is not quoted
//!
//! `${name:raw}` stands for the value of a variable as it is. The value may end the statement, begin another one, or name
//! another table: what the migration does is then decided outside of the file that is reviewed, and differs from one
//! environment to the next. The checksum is that of the text as written, so no later run notices.
//!
//! Write `${name}` for a value and `${name:ident}` for the name of an object. They stay one literal and one name,
//! whatever the value contains. A literal does for numbers and dates too: the server reads `'1'` as the type that is
//! needed there. If only SQL will do, say above the statement which values are used.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ALTER COLUMN author_id SET DEFAULT ${number:raw};
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ALTER COLUMN author_id SET DEFAULT ${number};
//! ```

use crate::check::FileCheck;
use crate::finding::Severity;
use crate::rule::{Check, Rule};
use crate::sql::Span;

pub(super) const RULE: Rule = Rule {
    name: "raw-placeholder",
    source: include_str!("raw_placeholder.rs"),
    severity: Some(Severity::Warning),
    check: Check::File(check),
};

fn check(check: &mut FileCheck<'_>) {
    let file = check.file;
    for value in file.text.raw_values() {
        let offset = |byte: usize| u32::try_from(byte).unwrap_or(u32::MAX);
        let span = Span { start: offset(value.start), end: offset(value.end) };
        check
            .report_at(span, "the value of this placeholder becomes a part of the statement as it is")
            .help("write `${name}` for a literal, or `${name:ident}` for an identifier");
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn raw_values_only() {
        fires(
            "raw-placeholder",
            &["SELECT 1 LIMIT ${number:raw};", "SELECT ${number}; SELECT 2${number:raw};"],
        );
        silent(
            "raw-placeholder",
            &[
                "SELECT ${number}, ${table:ident}.id FROM ${table:ident};",
                "-- ${number:raw}\nSELECT 1;",
                "-- refit: allow(raw-placeholder): a number in every environment\nSELECT 1 LIMIT ${number:raw};",
            ],
        );
    }
}
