//! Annotations in a GitHub workflow: one command per finding, and the summary as a log line.

use refit_lint::{Finding, Outcome, Severity};

use super::{lock_sentence, summary};

pub(super) fn render(outcome: &Outcome) -> String {
    let lines: Vec<String> = outcome.findings.iter().map(annotation).collect();
    [lines, vec![summary(outcome)]].concat().join("\n")
}

fn annotation(finding: &Finding) -> String {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "notice",
    };
    let (start, end) = (finding.start, finding.end);
    // GitHub accepts end columns only within one line.
    let columns = match start.line == end.line {
        true => format!(",col={},endColumn={}", start.column, end.column),
        false => format!(",col={}", start.column),
    };
    let lock = lock_sentence(finding).map(|lock| format!("\n{lock}")).unwrap_or_default();
    let help = if finding.help.is_empty() { String::new() } else { format!("\n\n{}", finding.help) };
    let message = format!("{}{lock}{help}", finding.message);
    format!(
        "::{level} file={},line={},endLine={}{columns},title={}::{}",
        property(&finding.path),
        start.line,
        end.line,
        property(finding.rule),
        data(&message)
    )
}

pub(super) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

pub(super) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_that_end_a_command_are_escaped() {
        assert_eq!(data("100%\r\na: b, c"), "100%25%0D%0Aa: b, c");
        assert_eq!(property("a:b,c%\n"), "a%3Ab%2Cc%25%0A");
    }
}
