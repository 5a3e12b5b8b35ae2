//! Cases of several files, labelled by hand, from `../shared/conformance/lint-sets`: the last file of each is flagged or safe.

use refit_lint::{Config, Input, Severity, lint, split_files};

/// Lints one case as a folder; the rules that flag its last file.
fn flags(files: &[(String, String)]) -> Vec<String> {
    let toml = files.iter().find(|(name, _)| name == "refit.toml");
    let postgres = toml.and_then(|(_, text)| text.trim().strip_prefix("postgres = ")?.parse().ok());
    let sql: Vec<&(String, String)> = files.iter().filter(|(name, _)| name.ends_with(".sql")).collect();
    let inputs: Vec<Input> =
        sql.iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)).collect();
    let last = &sql.last().unwrap().0;
    let findings = lint(&inputs, &Config { postgres, ..Config::default() }).findings;
    let flagged =
        findings.iter().filter(|finding| finding.severity >= Severity::Warning && finding.path == *last);
    flagged.map(|finding| format!("{}: {}", finding.rule, finding.message)).collect()
}

#[test]
fn every_set_matches_its_label() {
    let Some(path) = test_support::conformance("lint-sets/cases.txt") else { return };
    let text = std::fs::read_to_string(path).unwrap();
    let (mut wrong, mut count) = (Vec::new(), 0);
    for case in text.split("\n=== ").map(|case| case.trim_start_matches("=== ")) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (name, label) = title.rsplit_once(" | ").unwrap();
        let line = |line: &str| match line.strip_prefix("--- ") {
            Some(name) => format!("-- file: {name}\n"),
            None => format!("{line}\n"),
        };
        let flags = flags(&split_files(&rest.lines().map(line).collect::<String>()));
        count += 1;
        if flags.is_empty() == (label == "flag") {
            wrong.push(format!("{name} ({label}): {flags:?}"));
        }
    }
    assert!(count > 10 && wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
