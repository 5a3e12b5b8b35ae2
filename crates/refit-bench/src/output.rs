//! What every bench prints: progress on standard error, and its findings at the end.

use std::io::Write;
use std::process::ExitCode;

use serde::Serialize;

/// Prints what is being measured, for people.
pub(crate) fn say(human: bool, what: &str) {
    if human {
        let dim = anstyle::Style::new().dimmed();
        anstream::eprintln!("{dim}{what}{dim:#}");
    }
}

/// Prints the findings: `text` for people, else JSON. `missed`: whether a target was, which is exit status 1.
pub(crate) fn finish(
    human: bool,
    text: impl FnOnce() -> String,
    findings: &impl Serialize,
    missed: bool,
) -> anyhow::Result<ExitCode> {
    let text = if human { text() } else { serde_json::to_string_pretty(findings)? };
    let mut out = anstream::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()?;
    Ok(if missed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}
