//! SARIF 2.1.0, for code scanning.

use refit_lint::{Finding, Outcome, RULES, Rule, Severity};
use serde_json::{Value, json};

use super::{lock_sentence, unique_fingerprints};
use crate::render::rule_page;

pub(super) fn render(outcome: &Outcome) -> anyhow::Result<String> {
    let rules: Vec<Value> = RULES.iter().map(rule).collect();
    let fingerprints = unique_fingerprints(&outcome.findings);
    let results: Vec<Value> = outcome
        .findings
        .iter()
        .zip(fingerprints)
        .map(|(finding, fingerprint)| result(finding, &fingerprint))
        .collect();
    let document = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "refit-lint",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&document)?)
}

fn rule(rule: &Rule) -> Value {
    let markdown = rule_page::markdown(rule, 0);
    json!({
        "id": rule.name,
        "shortDescription": { "text": rule.title() },
        "help": { "text": crate::terminal::plain(&rule_page::terminal(rule)), "markdown": markdown },
        "defaultConfiguration": {
            "enabled": rule.severity.is_some(),
            "level": rule.severity.unwrap_or(Severity::Warning).as_str(),
        },
    })
}

fn result(finding: &Finding, fingerprint: &str) -> Value {
    let lock = lock_sentence(finding).map(|lock| format!("\n{lock}")).unwrap_or_default();
    let help = if finding.help.is_empty() { String::new() } else { format!("\n\n{}", finding.help) };
    let (start, end) = (finding.start, finding.end);
    json!({
        "ruleId": finding.rule,
        "ruleIndex": rule_index(finding),
        "level": finding.severity.as_str(),
        "message": { "text": format!("{}{lock}{help}", finding.message) },
        "locations": [{ "physicalLocation": {
            "artifactLocation": artifact(&finding.path),
            "region": {
                "startLine": start.line,
                "startColumn": start.column,
                "endLine": end.line,
                "endColumn": end.column,
            },
        } }],
        "partialFingerprints": { "refitLint/v1": fingerprint },
        "properties": {
            "lock": finding.lock.map(|lock| lock.to_string()),
            "table": finding.table,
        },
    })
}

/// The index of the finding's rule in the list above; -1 for a finding without a rule (SARIF 2.1.0, 3.27.6).
fn rule_index(finding: &Finding) -> i64 {
    let index = RULES.iter().position(|rule| rule.name == finding.rule);
    index.and_then(|index| i64::try_from(index).ok()).unwrap_or(-1)
}

/// A location relative to the root of the sources, or absolute for a file outside.
fn artifact(path: &str) -> Value {
    match path.starts_with('/') {
        true => json!({ "uri": format!("file://{}", encoded(path)) }),
        false => json!({ "uri": encoded(path), "uriBaseId": "%SRCROOT%" }),
    }
}

/// Percent-encodes a path (RFC 3986, 3.3).
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris() {
        assert_eq!(encoded("a b/ö:#%.sql"), "a%20b/%C3%B6%3A%23%25.sql");
        assert_eq!(artifact("/tmp/a.sql"), json!({ "uri": "file:///tmp/a.sql" }));
        assert_eq!(artifact("m/a.sql"), json!({ "uri": "m/a.sql", "uriBaseId": "%SRCROOT%" }));
    }
}
