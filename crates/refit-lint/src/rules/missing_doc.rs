//! # A migration without documentation
//!
//! The `.md` file of a migration describes its purpose, risk, runtime, verification and rollback, for the person who
//! reviews it and for the one who is on call while it runs. `cargo xtask new-migration` writes a file with these headings, and
//! `cargo xtask doc` shows all of them on one page. A heading without text, or with a comment only, counts as missing.
//!
//! Off by default. Repeatable migrations need none.
//!
//! ```sql,unsafe
//! -- file: V1__add_subtitle.sql
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! ```
//!
//! ```sql,safe
//! -- file: V1__add_subtitle.sql
//! ALTER TABLE posts ADD COLUMN subtitle text;
//! -- file: V1__add_subtitle.md
//! ## Purpose
//! Subtitles for the new front page.
//! ## Risk
//! None: the column is nullable.
//! ## Runtime
//! Expected duration: 1s
//! ## Verification
//! The editor shows the field.
//! ## Rollback
//! Drop the column; subtitles are lost.
//! ```

use super::companion_files::{ask_for, found};
use crate::check::FileCheck;
use crate::doc_sections::DOC_SECTIONS;
use crate::rule::{Check, Rule};

pub(super) const RULE: Rule = Rule {
    name: "missing-doc",
    source: include_str!("missing_doc.rs"),
    severity: None,
    check: Check::File(check),
};

fn check(check: &mut FileCheck<'_>) {
    ask_for(
        check,
        ".md",
        "this migration has no description of its purpose and risks",
        "describe purpose, risk, runtime, verification and rollback in its `.md` file",
    );
    let Some(parts) = found(check).filter(|parts| parts.contains(&".md")) else { return };
    let names = DOC_SECTIONS.iter().map(|(name, _)| *name);
    let missing: Vec<&str> = names.filter(|name| !parts.contains(name)).collect();
    if !missing.is_empty() {
        let message = format!("the description of this migration says nothing under {}", missing.join(", "));
        check.report(message).help("add these headings to its `.md` file, with a sentence under each");
    }
}

#[cfg(test)]
mod tests {
    use crate::rules::testing::{fires, silent};

    #[test]
    fn descriptions_have_every_section() {
        let full = "-- file: V1__x.md\n## Purpose\na\n## Risk\nb\n## Runtime\nc\n## Verification\nd\n## Rollback\ne\n";
        let sql = "-- file: V1__x.sql\nSELECT 1;";
        fires(
            "missing-doc",
            &[
                "SELECT 1;",
                &format!("-- file: V2__x.md\n{full}-- file: V3__x.sql\nSELECT 1;"),
                &format!("-- file: V1__x.md\nNothing special.\n{sql}"),
                &format!("{}{sql}", full.replace("c\n", "<!-- c -->\n")),
            ],
        );
        silent("missing-doc", &[&format!("{full}{sql}"), "-- file: R__x.sql\nSELECT 1;"]);
    }
}
