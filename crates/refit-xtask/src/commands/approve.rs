//! `cargo xtask approve`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use refit_model::wording::counted;
use refit_model::{
    ALLOWED_SIGNERS, APPROVALS, Approval, ApprovalVoid, LintRecord, MigrationSet, is_approver, is_role,
};

use crate::approvals::authors::Authors;
use crate::approvals::write::Appended;
use crate::approvals::{Reviewed, reference_of, review, sign};
use crate::context::Context;
use crate::output::GOOD;
use crate::render::approvals as render;
use crate::styled::text;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "An approval accepts a migration as it is: its text, with directives and suppressions, and its down and check files. \
                  It is appended to approvals.toml in the migrations folder, which is reviewed and embedded like the rest. An edit \
                  voids it. The approval of a person who wrote the migration does not count: authors are read from git.\n\n\
                  --sign makes a signature with `ssh-keygen -Y sign`. If the folder has the file allowed_signers, only signed \
                  approvals count.\n\n\
                  How many a migration needs is set in refit.toml (`approvals` of the environment), by the highest severity of what \
                  the linter finds, suppressed findings included.\n\n\
                  Exit status: 0 success; 1 with --check, a migration lacks approvals; 2 could not run, or the approval would not count.\n\n\
                  Examples:\n  cargo xtask approve V0012 --as alice@example.com\n  \
                  cargo xtask approve V0012 V0013 --as alice@example.com --role dba --sign ~/.ssh/id_ed25519\n  \
                  cargo xtask approve --list --environment production\n  \
                  cargo xtask approve --lint\n  \
                  cargo xtask approve --check --environment production"
)]
pub struct Args {
    /// The migrations [default with --list, --check and --lint: all of the environment]
    #[arg(value_name = "VERSION | R__NAME", required_unless_present_any = ["list", "check", "lint"])]
    references: Vec<String>,
    /// The e-mail address of the person who approves
    #[arg(long = "as", value_name = "EMAIL", value_parser = approver, required_unless_present_any = ["list", "check", "lint"])]
    by: Option<String>,
    /// The role in which the person approves
    #[arg(long, value_name = "ROLE", value_parser = role, requires = "by")]
    role: Option<String>,
    /// Sign with this SSH key: Ed25519 or ECDSA P-256, also of an agent (its .pub file) or a security key
    #[arg(long, value_name = "KEY", requires = "by")]
    sign: Option<PathBuf>,
    /// Show each migration with its approvals, and why some do not count
    #[arg(long, conflicts_with_all = ["by", "check", "lint"])]
    list: bool,
    /// Fail if a migration lacks approvals in the environment
    #[arg(long, conflicts_with_all = ["by", "lint"])]
    check: bool,
    /// Record what the linter finds in migrations without an approval, so that a run knows how many they need
    #[arg(long, conflicts_with = "by")]
    lint: bool,
}

fn approver(text: &str) -> Result<String, String> {
    match is_approver(text) {
        true => Ok(text.to_owned()),
        false => Err("expected an e-mail address, such as alice@example.com".to_owned()),
    }
}

fn role(text: &str) -> Result<String, String> {
    match is_role(text) {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, `-` and `_`".to_owned()),
    }
}

pub(crate) fn run(args: &Args, context: &Context) -> anyhow::Result<ExitCode> {
    let set = context.set()?;
    let authors = Authors::read(&context.migrations_dir())?;
    if let Some(unknown) = &authors.unknown {
        context.out.note(format!("note: {unknown}"));
    }
    let reviewed = review(&set, &args.references, &authors, context)?;
    match &args.by {
        Some(by) => approve(args, by, &reviewed, context),
        None if args.lint => record(&reviewed, context),
        None => show(args, &set, &reviewed, context),
    }
}

/// `--list` and `--check`.
fn show(
    args: &Args,
    set: &MigrationSet,
    reviewed: &[Reviewed<'_>],
    context: &Context,
) -> anyhow::Result<ExitCode> {
    let environment = &context.global.environment;
    let listed = render::listed(set, reviewed, environment, args.check);
    let text = render::approvals(&listed);
    context.out.result(&listed, text)?;
    Ok(if args.check && listed.lacking() > 0 { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// `--lint`: records severities that are unknown or too low.
fn record(reviewed: &[Reviewed<'_>], context: &Context) -> anyhow::Result<ExitCode> {
    let folder = context.migrations_dir();
    let mut file = Appended::read(&folder)?;
    let unknown = |one: &&Reviewed<'_>| one.count.severity.is_none_or(|recorded| recorded < one.found);
    let records: Vec<LintRecord> = reviewed
        .iter()
        .filter(unknown)
        .map(|one| LintRecord::new(&one.step.file().stem, &one.step.digest(), one.found))
        .collect();
    let recorded = serde_json::json!({ "format": 1, "recorded": records });
    if records.is_empty() {
        context.out.result(&recorded, "what the linter finds is recorded for all migrations")?;
        return Ok(ExitCode::SUCCESS);
    }
    records.iter().for_each(|record| file.push(&record.to_toml()));
    file.set(&folder)?;
    let path = file.write()?;
    let count = counted(records.len(), "migration");
    let text =
        text![GOOD.of("recorded"), format!(" what the linter finds in {count}, in {}", path.display())];
    context.out.result(&recorded, text)?;
    Ok(ExitCode::SUCCESS)
}

/// Appends an approval of each migration: all of them or none.
fn approve(args: &Args, by: &str, reviewed: &[Reviewed<'_>], context: &Context) -> anyhow::Result<ExitCode> {
    let folder = context.migrations_dir();
    refuse_own(by, reviewed)?;
    require_signature(args, by, &folder)?;
    let mut file = Appended::read(&folder)?;
    let mut entries: Vec<Approval> = Vec::new();
    for one in reviewed {
        let has_approved = one.count.entries.iter().any(|(entry, void)| {
            void.is_none()
                && entry.by.eq_ignore_ascii_case(by)
                && entry.role == args.role
                && entry.lint >= one.found
        });
        if has_approved {
            context.out.note(format!("{by} has approved {} as it is already", one.count.stem));
            continue;
        }
        let at = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
        let mut entry = Approval::new(one.count.stem, &one.step.digest(), by, &at, one.found);
        entry.role.clone_from(&args.role);
        // An address that cannot be written cannot approve either.
        entry.authors = one.authors.iter().filter(|author| is_approver(author)).cloned().collect();
        if let Some(key) = &args.sign {
            entry.signature = Some(sign::sign(key, &entry.signed_text())?);
        }
        file.push(&entry.to_toml());
        entries.push(entry);
    }
    if entries.is_empty() {
        context
            .out
            .result(&serde_json::json!({ "format": 1, "approved": entries }), "nothing was changed")?;
        return Ok(ExitCode::SUCCESS);
    }
    let set = file.set(&folder)?;
    refuse_void(args, &set, &entries, reviewed)?;
    let path = file.write()?;
    let lines = entries.iter().map(|entry| {
        let lint = format!("  lint: {}", entry.lint.as_str());
        text![GOOD.of("approved"), format!(" {} as {by}{lint}", entry.migration)]
    });
    let mut text = crate::styled::Text::lines(lines);
    text.push_line(format!("commit {}", path.display()));
    // With the states of their signatures.
    let all = &set.approvals().entries;
    let written = all.get(all.len() - entries.len()..).unwrap_or_default();
    context.out.result(&serde_json::json!({ "format": 1, "approved": written }), text)?;
    Ok(ExitCode::SUCCESS)
}

/// An approval of one's own does not count, so it is not written.
fn refuse_own(by: &str, reviewed: &[Reviewed<'_>]) -> anyhow::Result<()> {
    let is_own = |one: &&Reviewed<'_>| one.authors.iter().any(|author| author.eq_ignore_ascii_case(by));
    let own: Vec<&str> = reviewed.iter().filter(is_own).map(|one| reference_of(one.step)).collect();
    if own.is_empty() {
        return Ok(());
    }
    bail!(
        "{by} wrote {}, according to git, and an approval of one's own does not count; ask another person to approve",
        own.join(", ")
    )
}

fn require_signature(args: &Args, by: &str, folder: &Path) -> anyhow::Result<()> {
    let has_signers = folder.join(ALLOWED_SIGNERS).exists();
    match &args.sign {
        None if has_signers => {
            bail!("the folder has {ALLOWED_SIGNERS}, so only signed approvals count; give --sign KEY")
        }
        Some(key) if !has_signers => {
            let line = sign::line_for(key, by).map_or(String::new(), |line| format!(": {line}"));
            bail!(
                "a signature counts only if {ALLOWED_SIGNERS} names its key; write {}{line}",
                folder.join(ALLOWED_SIGNERS).display()
            )
        }
        _ => Ok(()),
    }
}

/// Fails unless all new entries would count.
fn refuse_void(
    args: &Args,
    set: &MigrationSet,
    entries: &[Approval],
    reviewed: &[Reviewed<'_>],
) -> anyhow::Result<()> {
    for one in reviewed {
        let Some(entry) = entries.iter().find(|entry| entry.migration == one.count.stem) else { continue };
        let Some(step) = set.step(one.step.version(), &entry.migration) else { continue };
        let count = set.approvals_of(step, &one.authors);
        match count.entries.last().and_then(|(_, void)| *void) {
            // Another role, or a higher severity.
            None | Some(ApprovalVoid::Repeated) => {}
            Some(void) => {
                let line = args.sign.as_ref().and_then(|key| sign::line_for(key, &entry.by));
                let line = line.map_or(String::new(), |line| format!("; the line of this key is: {line}"));
                bail!(
                    "the approval of {} would not count, so {APPROVALS} was not changed: {void}{line}",
                    entry.migration
                )
            }
        }
    }
    Ok(())
}
