//! # A statement that does not parse
//!
//! The server refuses the statement (42601), and the whole migration with it. Other rules cannot check the statement.
//! The rest of the file is still checked, unless the error is an unterminated quote or comment, which extends to the
//! end of the file. The rule also reports a file that is not UTF-8 or contains a NUL byte, and parentheses nested
//! deeper than any server accepts.
//!
//! The parser knows the grammar of PostgreSQL 18; syntax that only an older version accepts is not an error. If the
//! parser rejects a statement that a server accepts, suppress the rule above it and give that as the reason.
//!
//! ```sql,unsafe
//! ALTER TABLE posts ADD COLUMN subtitle text DEFAULT;
//! ```
//!
//! ```toml,claim
//! error = "42601"
//! ```
//!
//! ```sql,safe
//! ALTER TABLE posts ADD COLUMN subtitle text DEFAULT '';
//! ```

use crate::finding::Severity;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "syntax-error",
    source: include_str!("syntax_error.rs"),
    severity: Some(Severity::Error),
    check: Check::Engine,
};

#[cfg(test)]
mod tests {
    use crate::lint::{Config, Input, lint};

    #[test]
    fn what_was_read_of_the_rest_is_said() {
        let read = "the rest of the file was still checked";
        let up_to = "the statements after it were still checked, up to the unterminated quote or comment";
        let cut = "close it: the rest of the file was parsed as part of it";
        for (text, expected) in [
            ("SELEC 1;\nDROP TABLE a;", &[(1, read)][..]),
            ("SELECT 'abc; DROP TABLE a;\nUPDATE b SET c = 1;", &[(1, cut)]),
            ("SELECT 1;\nSELECT \"abc; DROP TABLE a;", &[(2, cut)]),
            ("SELECT 1 /* abc; DROP TABLE a;", &[(1, cut)]),
            ("DO $x$ BEGIN DROP TABLE a; END $y$;", &[(1, cut)]),
            ("SELEC 1;\nSELECT E'abc;\nDROP TABLE a;", &[(1, up_to), (2, cut)]),
            ("SELEC 1; SELECT 'abc;\nDROP TABLE a;", &[(1, up_to), (1, cut)]),
            ("ALTER TABLE a;", &[(1, read)]),
            ("UPDATE a SET;\nDROP TABLE;", &[(1, read), (2, read)]),
            ("CREATE TABLE a;\nCOPY a;", &[(1, read), (2, read)]),
            ("SELEC 1;\nDO $$ BEGIN PERFORM 'abc; END $$;\nSELECT 1;", &[(1, read), (2, cut)]),
        ] {
            let input = Input {
                path: "V1__a.sql".to_owned(),
                bytes: text.as_bytes().to_vec(),
                named_by_folder: true,
                reported: true,
            };
            let findings = lint(&[input], &Config::default()).findings;
            let errors = findings.iter().filter(|finding| finding.rule == "syntax-error");
            let said: Vec<(usize, &str)> =
                errors.map(|finding| (finding.start.line, finding.help.as_str())).collect();
            assert_eq!(said, expected, "{text}");
        }
    }
}
