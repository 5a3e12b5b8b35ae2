//! The report of one run, and the list of runs.

use refit::backup::BackupRecord;
use refit::{
    BudgetResult, CheckResult, Measurement, RecordedBackfill, RecordedStep, RunReport, RunSummary, StepKind,
    Verdict,
};
use refit_backup::size;
use refit_model::wording::{counted, measured};

use super::{direction, outcome, title, to_seconds, took};
use crate::output::WARN;
use crate::render::budgets::verdict;
use crate::render::sheet::{Block, Cell, Section, Sheet};

/// A run. `database` is the address that it was read from.
pub(crate) fn report(report: &RunReport, database: &str) -> Sheet {
    let mut sections = Vec::new();
    if let Some(error) = &report.run.error {
        sections.push(Section::new("Error", Block::Verbatim(error.clone())));
    }
    let rows = report.steps.iter().map(step).collect();
    sections.extend(Section::table("Steps", &["File", "Outcome", "Took", "Attempts", "Notes"], rows));
    sections.extend(step_errors(report));
    sections.extend(lock_waits(&report.steps));
    sections.extend(notices(&report.steps));
    sections.extend(backfills(&report.backfills));
    let rows = report.checks.iter().map(check).collect();
    sections.extend(Section::table("Checks", &["Check", "Verdict", "Rows", "Took"], rows));
    sections.extend(budgets(&report.budgets));
    sections.extend(backups(&report.backups));
    let held = report.held.iter().map(|held| vec![held.stem.clone().into(), held.reason.clone().into()]);
    sections.extend(Section::table("Held back", &["Migration", "Waits for"], held.collect()));
    if !report.warnings.is_empty() {
        sections.push(Section::new("Warnings", Block::List(report.warnings.clone())));
    }
    Sheet { title: title(&report.run), facts: facts(report, database), sections, contents: false }
}

fn facts(report: &RunReport, database: &str) -> Vec<(&'static str, String)> {
    let run = &report.run;
    let mut facts = vec![
        ("Database", database.to_owned()),
        ("Environment", run.environment.clone()),
        ("Direction", direction(run)),
        ("Began", to_seconds(&run.started_at)),
    ];
    facts.extend(run.finished_at.as_deref().map(|at| ("Ended", to_seconds(at))));
    facts.extend(run.seconds.map(|seconds| ("Took", took(Some(seconds)))));
    facts.extend(
        report.waited_seconds.filter(|waited| *waited > 0.0).map(|waited| ("Waited", took(Some(waited)))),
    );
    let steps = format!("{} of {} applied", run.steps_succeeded, report.planned);
    facts.push(("Steps", if run.undo_to.is_some() { steps.replace("applied", "undone") } else { steps }));
    facts.extend(report.override_reason.clone().map(|reason| match report.passed_gates.is_empty() {
        true => ("Override", format!("{reason} (no gate was closed)")),
        false => ("Override", format!("{reason} (passed: {})", report.passed_gates.join(", "))),
    }));
    facts.extend(run.release.clone().map(|release| ("Release", release)));
    facts.push(("Refit", report.refit_version.clone()));
    facts.push(("Role", report.role.clone()));
    facts.push(("Client", report.client.clone()));
    facts
}

fn step(step: &RecordedStep) -> Vec<Cell> {
    let mut notes = Vec::new();
    if step.kind == StepKind::Undo {
        notes.push("undo".to_owned());
    }
    if !step.lock_waits.is_empty() {
        notes.push(counted(step.lock_waits.len(), "lock wait"));
    }
    let warnings = step.notices.iter().filter(|notice| notice.is_warning()).count();
    if warnings > 0 {
        notes.push(counted(warnings, "warning"));
    }
    if let Some(done) = step.statements_done {
        notes.push(format!("{} outside a transaction", counted(done, "statement")));
    }
    vec![
        step.title().into(),
        outcome(step.outcome.as_str()),
        took(step.seconds).into(),
        step.attempts.to_string().into(),
        notes.join(", ").into(),
    ]
}

/// The errors of steps, without the one that the run ended with.
fn step_errors(report: &RunReport) -> Option<Section> {
    let others = report.steps.iter().filter(|step| step.error.is_some() && step.error != report.run.error);
    let errors: Vec<String> = others
        .map(|step| {
            let (title, error) = (step.title(), step.error.as_deref().unwrap_or_default());
            if error.starts_with(&title) { error.to_owned() } else { format!("{title}: {error}") }
        })
        .collect();
    (!errors.is_empty()).then(|| Section::new("Errors of steps", Block::Verbatim(errors.join("\n\n"))))
}

fn lock_waits(steps: &[RecordedStep]) -> Option<Section> {
    let waits = steps.iter().flat_map(|step| step.lock_waits.iter().map(move |wait| (step, wait)));
    let rows = waits.map(|(step, wait)| {
        let blockers = match wait.blockers.is_empty() {
            true => wait.error.clone(),
            false => wait.blockers.join("; "),
        };
        let [seconds, pause] = [wait.seconds, wait.pause_seconds].map(|seconds| took(Some(seconds)));
        vec![step.title().into(), seconds.into(), pause.into(), blockers.into()]
    });
    Section::table("Lock waits", &["File", "Attempt took", "Then paused", "Blocked by"], rows.collect())
}

fn notices(steps: &[RecordedStep]) -> Option<Section> {
    let notices = steps.iter().flat_map(|step| step.notices.iter().map(move |notice| (step, notice)));
    let rows = notices.map(|(step, notice)| {
        let severity = notice.severity.to_lowercase();
        let severity = if notice.is_warning() { Cell::styled(severity, WARN) } else { severity.into() };
        vec![step.title().into(), severity, notice.message.clone().into()]
    });
    Section::table("Notices", &["File", "Severity", "Message"], rows.collect())
}

fn backfills(backfills: &[RecordedBackfill]) -> Option<Section> {
    let row = |backfill: &RecordedBackfill| {
        let mut notes = Vec::new();
        if backfill.errors > 0 {
            notes.push(format!("{} set aside", counted(backfill.errors, "row")));
        }
        notes.extend(backfill.error.clone());
        vec![
            backfill.stem.clone().into(),
            outcome(backfill.state.as_str()),
            backfill.rows.to_string().into(),
            backfill.batches.to_string().into(),
            backfill.retries.to_string().into(),
            backfill.workers.to_string().into(),
            took(backfill.seconds).into(),
            notes.join("; ").into(),
        ]
    };
    let columns = ["Migration", "State", "Rows", "Batches", "Retries", "Workers", "Took", "Notes"];
    Section::table("Backfills", &columns, backfills.iter().map(row).collect())
}

fn check(check: &CheckResult) -> Vec<Cell> {
    let verdict = match check.verdict {
        Verdict::Passed => "passed",
        Verdict::Warned => "warned",
        Verdict::Failed => "failed",
    };
    vec![
        check.name.clone().into(),
        outcome(verdict),
        check.rows.to_string().into(),
        took(Some(check.duration.as_secs_f64())).into(),
    ]
}

fn budgets(budgets: &[BudgetResult]) -> Option<Section> {
    let p95 = |measurement: Option<&Measurement>| measurement.map_or_else(String::new, |of| measured(of.p95));
    let row = |budget: &BudgetResult| {
        let (word, style) = verdict(budget);
        let mut notes: Vec<String> = budget.error.iter().cloned().collect();
        notes.extend(budget.has_other_plan().then(|| "another plan than before".to_owned()));
        vec![
            budget.name.clone().into(),
            Cell::styled(word, style),
            p95(budget.before.as_ref()).into(),
            p95(budget.after.as_ref()).into(),
            budget.limit.map_or_else(String::new, measured).into(),
            notes.join("; ").into(),
        ]
    };
    let columns = ["Budget", "Verdict", "95 % before", "95 % after", "Allowed", "Notes"];
    Section::table("Budgets", &columns, budgets.iter().map(row).collect())
}

fn backups(backups: &[BackupRecord]) -> Option<Section> {
    let row = |backup: &BackupRecord| {
        vec![
            backup.id.clone().unwrap_or_default().into(),
            backup.kind.clone().into(),
            outcome(backup.state.as_str()),
            backup.bytes.map_or_else(String::new, |bytes| size(u64::try_from(bytes).unwrap_or(0))).into(),
            took(backup.seconds).into(),
            backup.error.clone().unwrap_or_default().into(),
        ]
    };
    let columns = ["Backup", "Kind", "State", "Size", "Took", "Error"];
    Section::table("Backups", &columns, backups.iter().map(row).collect())
}

/// The runs of a database, the newest first.
pub(crate) fn runs(runs: &[RunSummary], database: &str) -> Sheet {
    let row = |run: &RunSummary| {
        vec![
            run.id.to_string().into(),
            to_seconds(&run.started_at).into(),
            outcome(run.outcome.as_str()),
            took(run.seconds).into(),
            run.steps_succeeded.to_string().into(),
            run.environment.clone().into(),
            run.release.clone().unwrap_or_default().into(),
            direction(run).into(),
        ]
    };
    let columns = ["Run", "Began", "Outcome", "Took", "Steps", "Environment", "Release", "Direction"];
    let rows = runs.iter().map(row).collect();
    Sheet {
        title: "Runs".to_owned(),
        facts: vec![("Database", database.to_owned())],
        sections: Section::table("Newest first", &columns, rows).into_iter().collect(),
        contents: false,
    }
}
