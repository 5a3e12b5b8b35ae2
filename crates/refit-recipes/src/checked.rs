//! Whether the statements that arguments have become a part of are what they should be.

use refit_lint::{Config, Input, lint};

use crate::files::NewFile;
use crate::problem::Problem;

/// Findings that only an argument can cause.
const RULES: [&str; 7] = [
    "newer-syntax",
    "non-transactional-statement",
    "psql-command",
    "syntax-error",
    "table-rewrite",
    "transaction-control",
    "volatile-default",
];

/// Lints the migrations by themselves.
pub(crate) fn check(files: &[NewFile], postgres: u32) -> Result<(), Problem> {
    let inputs: Vec<Input> = files
        .iter()
        .filter(|file| refit_model::FileKind::is_migration(&file.name))
        .map(|file| Input::of_folder(file.name.as_str(), file.text.as_str(), true))
        .collect();
    let outcome = lint(&inputs, &Config { postgres: Some(postgres), ..Config::default() });
    let found = outcome.findings.iter().find(|finding| RULES.contains(&finding.rule));
    found.map_or(Ok(()), |finding| {
        let line = inputs
            .iter()
            .find(|input| input.path == finding.path)
            .and_then(|input| {
                input.text().lines().nth(finding.start.line.saturating_sub(1)).map(str::to_owned)
            })
            .unwrap_or_default();
        Err(Problem::new(format!(
            "an argument is not usable: {} ({})\n  {line}",
            finding.message, finding.rule
        )))
    })
}
