//! Rendering of approvals: each migration with its entries.

use refit_model::wording::{counted, plural};
use refit_model::{ApprovalVoid, Approvals, LintSeverity, MigrationSet, SignatureState};
use serde::Serialize;

use crate::approvals::{Reviewed, reference_of, required};
use crate::output::{BAD, GOOD, QUIET, WARN};
use crate::styled::{Text, text};

/// The approvals of a folder in an environment.
#[derive(Debug, Serialize)]
pub(crate) struct Listed<'a> {
    format: u32,
    environment: &'a str,
    required: Approvals,
    migrations: Vec<Migration<'a>>,
    /// Entries for migrations that are not in the folder.
    gone: Vec<Gone<'a>>,
    /// Whether only migrations that lack approvals are shown to people.
    #[serde(skip)]
    only_lacking: bool,
}

#[derive(Debug, Serialize)]
struct Migration<'a> {
    migration: &'a str,
    /// How a command line names it.
    #[serde(skip)]
    reference: &'a str,
    /// What the linter finds now, or what is recorded if that is higher.
    lint: LintSeverity,
    /// What a run knows of it.
    recorded_lint: Option<LintSeverity>,
    authors: &'a [String],
    needed: u32,
    approved: u32,
    missing: u32,
    /// Whether a run would demand more than it needs, because it does not know what the linter finds.
    unrecorded: bool,
    approvals: Vec<Entry<'a>>,
}

#[derive(Debug, Serialize)]
struct Gone<'a> {
    migration: &'a str,
    by: &'a str,
}

#[derive(Debug, Serialize)]
struct Entry<'a> {
    by: &'a str,
    role: Option<&'a str>,
    at: &'a str,
    lint: LintSeverity,
    signature: SignatureState,
    counts: bool,
    reason: Option<String>,
}

impl Listed<'_> {
    /// How many migrations a run would refuse.
    pub(crate) fn lacking(&self) -> usize {
        self.migrations.iter().filter(|migration| migration.is_lacking()).count()
    }
}

impl Migration<'_> {
    fn is_lacking(&self) -> bool {
        self.missing > 0 || self.unrecorded
    }
}

/// What is known about migrations, in an environment.
pub(crate) fn listed<'a>(
    set: &'a MigrationSet,
    reviewed: &'a [Reviewed<'a>],
    environment: &'a str,
    only_lacking: bool,
) -> Listed<'a> {
    let required = &required(set, environment);
    let entry = |(approval, void): &(&'a refit_model::Approval, Option<ApprovalVoid>)| Entry {
        by: &approval.by,
        role: approval.role.as_deref(),
        at: &approval.at,
        lint: approval.lint,
        signature: approval.signature_state,
        counts: void.is_none(),
        reason: void.map(|void| void.to_string()),
    };
    let migration = |one: &'a Reviewed<'a>| Migration {
        migration: one.count.stem,
        reference: reference_of(one.step),
        lint: one.severity(),
        recorded_lint: one.count.severity,
        authors: &one.authors,
        needed: one.needed(required),
        approved: one.count.counted(),
        missing: one.missing(required),
        unrecorded: one.is_unrecorded(required),
        approvals: one.count.entries.iter().map(entry).collect(),
    };
    let migrations = reviewed.iter().map(migration).collect();
    let is_gone = |stem: &str| set.steps().all(|step| step.file().stem != stem);
    let entries = set.approvals().entries.iter().filter(|entry| is_gone(&entry.migration));
    let gone = entries.map(|entry| Gone { migration: &entry.migration, by: &entry.by }).collect();
    Listed { format: 1, environment, required: *required, migrations, gone, only_lacking }
}

/// A line for each migration, a line for each of its entries, and a summary.
pub(crate) fn approvals(listed: &Listed<'_>) -> Text {
    let mut text = Text::default();
    for migration in listed.migrations.iter().filter(|one| !listed.only_lacking || one.is_lacking()) {
        text.push_line(headline(migration));
        for entry in &migration.approvals {
            text.push_line(entry_line(entry));
        }
        if migration.missing > 0 {
            text.push_line(format!("    cargo xtask approve {} --as EMAIL", migration.reference));
        } else if migration.unrecorded {
            let why = "its severity is not recorded, so a run counts it as the highest";
            text.push_line(format!("    {why}: cargo xtask approve --lint {}", migration.reference));
        }
    }
    for Gone { migration, by } in listed.gone.iter().filter(|_| !listed.only_lacking) {
        let line = format!("  {migration}  {by}: the folder has no such migration");
        text.push_line(text![QUIET.column("  gone", 12), line]);
    }
    let (all, lacking) = (listed.migrations.len(), listed.lacking());
    let environment = listed.environment;
    let summary = match lacking {
        0 => text![GOOD.of(counted(all, "migration")), format!(" approved for {environment}")],
        _ => {
            let verb = plural(lacking, "lacks", "lack");
            text![
                BAD.of(format!("{lacking} of {}", counted(all, "migration"))),
                format!(" {verb} approvals for {environment}")
            ]
        }
    };
    text.push_line(summary);
    text
}

fn headline(migration: &Migration<'_>) -> Text {
    let Migration { migration: stem, lint, needed, approved, .. } = migration;
    let (word, style) = match (migration.is_lacking(), needed) {
        (true, _) if migration.missing == 0 => ("unrecorded", BAD),
        (true, _) => ("lacks", BAD),
        (false, 0) => ("needs none", QUIET),
        (false, _) => ("approved", GOOD),
    };
    text!["  ", style.column(word, 10), format!("  {stem}  lint: {}  {approved} of {needed}", lint.as_str())]
}

fn entry_line(entry: &Entry<'_>) -> Text {
    let role = entry.role.map_or(String::new(), |role| format!(" ({role})"));
    let signed = if entry.signature == SignatureState::Verified { "  signed" } else { "" };
    let line = format!("    {}{role}  {}  lint: {}{signed}", entry.by, entry.at, entry.lint.as_str());
    match &entry.reason {
        Some(reason) => text![line, "  ", WARN.of(format!("does not count: {reason}"))],
        None => line.into(),
    }
}
