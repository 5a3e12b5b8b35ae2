//! Reads `approvals.toml`: every problem with its position.

use serde::Deserialize;
use toml::Spanned;
use toml::value::Datetime;

use super::{APPROVALS, Approval, ApprovalRecords, LintRecord, LintSeverity, SignatureState};
use crate::problem::Problem;
use crate::text::{Position, nearest};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    #[serde(default)]
    approval: Vec<Spanned<Entry>>,
    #[serde(default)]
    lint: Vec<Spanned<Record>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    migration: Spanned<String>,
    digest: Spanned<String>,
    by: Spanned<String>,
    role: Option<Spanned<String>>,
    at: Spanned<Datetime>,
    lint: LintSeverity,
    #[serde(default)]
    authors: Vec<Spanned<String>>,
    signature: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    migration: Spanned<String>,
    digest: Spanned<String>,
    severity: LintSeverity,
}

const KEYS: [&str; 11] = [
    "approval",
    "lint",
    "migration",
    "digest",
    "by",
    "role",
    "at",
    "authors",
    "signature",
    "severity",
    "clean",
];

/// Reads the file, as [`ApprovalRecords::parse`] says.
pub(super) fn parse(text: &str) -> Result<ApprovalRecords, Vec<Problem>> {
    let document: Document = toml::from_str(text).map_err(|error| vec![malformed(text, &error)])?;
    let mut reader = Reader { text, problems: Vec::new() };
    let entries = document.approval.into_iter().map(|entry| reader.approval(entry)).collect();
    let lint = document.lint.into_iter().map(|record| reader.record(record)).collect();
    match reader.problems.is_empty() {
        true => Ok(ApprovalRecords { entries, lint, allowed_signers: None }),
        false => Err(reader.problems),
    }
}

fn malformed(text: &str, error: &toml::de::Error) -> Problem {
    let message = error.message();
    let unknown = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next());
    let near = unknown.and_then(|key| nearest(key, KEYS));
    let fix = match near {
        Some(near) => format!("did you mean `{near}`?"),
        None => "let `cargo xtask approve` write the entry; after a merge, keep the entries of both sides"
            .to_owned(),
    };
    let problem = Problem::new(APPROVALS, message, fix);
    match error.span() {
        Some(span) => problem.at(Position::of(text, span.start)),
        None => problem,
    }
}

/// Whether a text can name a person: an e-mail address without characters that have a meaning in `allowed_signers` or TOML.
pub fn is_approver(text: &str) -> bool {
    let forbidden =
        |c: char| c.is_whitespace() || c.is_control() || matches!(c, '"' | '\\' | ',' | '*' | '?' | '!');
    let parts = text.split_once('@');
    let is_address =
        parts.is_some_and(|(user, domain)| !user.is_empty() && !domain.is_empty() && !domain.contains('@'));
    is_address && text.len() <= 254 && !text.chars().any(forbidden)
}

/// Whether a text can name a role: letters, digits, `-` and `_`.
pub fn is_role(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    !text.is_empty() && text.len() <= 63 && text.chars().all(is_part)
}

struct Reader<'a> {
    text: &'a str,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn approval(&mut self, entry: Spanned<Entry>) -> Approval {
        let position = Position::of(self.text, entry.span().start);
        let Entry { migration, digest, by, role, at, lint, authors, signature } = entry.into_inner();
        self.check(&migration, is_stem, "is not a migration", "write its file name without .sql");
        self.check(&digest, is_digest, "is not a digest", "write 64 hexadecimal digits in lower case");
        for person in authors.iter().chain([&by]) {
            self.check(person, is_approver, "is not an e-mail address", "write it like alice@example.com");
        }
        if let Some(role) = &role {
            self.check(role, is_role, "is not a role", "use letters, digits, `-` and `_`");
        }
        let time = at.get_ref().to_string();
        if !is_utc(&time) {
            let fix = "write it in UTC and in whole seconds, such as 2026-11-29T09:30:00Z";
            self.report(at.span().start, format!("{time} is not a time in UTC"), fix);
        }
        let signature_state = match signature {
            Some(_) => SignatureState::Unchecked,
            None => SignatureState::Unsigned,
        };
        Approval {
            migration: migration.into_inner(),
            digest: digest.into_inner(),
            by: by.into_inner(),
            role: role.map(Spanned::into_inner),
            at: time,
            lint,
            authors: authors.into_iter().map(Spanned::into_inner).collect(),
            signature,
            signature_state,
            position,
        }
    }

    fn record(&mut self, record: Spanned<Record>) -> LintRecord {
        let position = Position::of(self.text, record.span().start);
        let Record { migration, digest, severity } = record.into_inner();
        self.check(&migration, is_stem, "is not a migration", "write its file name without .sql");
        self.check(&digest, is_digest, "is not a digest", "write 64 hexadecimal digits in lower case");
        LintRecord { migration: migration.into_inner(), digest: digest.into_inner(), severity, position }
    }

    fn check(&mut self, value: &Spanned<String>, is_valid: fn(&str) -> bool, problem: &str, fix: &str) {
        if !is_valid(value.get_ref()) {
            let message = format!("`{}` {problem}", value.get_ref().escape_debug());
            self.report(value.span().start, message, fix);
        }
    }

    fn report(&mut self, offset: usize, message: String, fix: &str) {
        self.problems.push(Problem::new(APPROVALS, message, fix).at(Position::of(self.text, offset)));
    }
}

/// `V0012__add_status` or `R__views`: the migration need not exist any more.
fn is_stem(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    text.starts_with(['V', 'R']) && text.contains("__") && text.chars().all(is_part)
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// Whether a time is written as `cargo xtask approve` writes it, so that times can be compared as texts.
fn is_utc(time: &str) -> bool {
    let parsed: Result<jiff::Timestamp, _> = time.parse();
    parsed.is_ok_and(|parsed| parsed.to_string() == time && time.len() == "2026-11-29T09:30:00Z".len())
}
