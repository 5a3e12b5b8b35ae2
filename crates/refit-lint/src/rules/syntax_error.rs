//! # A statement that does not parse
//!
//! The server will refuse it (42601), and with it the whole migration; until then nobody knows what it does, so no other rule
//! says anything about it. The rest of the file is read all the same, unless it is a quote or a comment that nothing closes,
//! which takes all that follows with it. A file that is not UTF-8, or holds a NUL byte, is reported
//! by this rule too, and so is one whose parentheses nest deeper than any server reads.
//!
//! The parser knows the grammar of PostgreSQL 18; what only an older version accepts is no error here. Where the parser is
//! wrong about a statement that a server takes, allow the rule above it and say so.
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
        let read = "the rest of the file was read all the same";
        let up_to = "what follows was read all the same, up to what nothing closes";
        let cut = "close it: what follows was taken for a part of it";
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
