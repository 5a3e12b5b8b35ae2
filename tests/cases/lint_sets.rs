//! Cases of several files, labelled by hand, of `../shared/conformance/lint-sets`: the last file of each is flagged or safe.

use std::path::Path;

use refit_lint::{Config, Input, Severity, lint};

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
fn every_set_is_as_it_is_labelled() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance/lint-sets/cases.txt");
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("no shared cases at {}: skipped", path.display());
        return;
    };
    let (mut wrong, mut count) = (Vec::new(), 0);
    for case in text.split("\n=== ").map(|case| case.trim_start_matches("=== ")) {
        let (title, rest) = case.split_once('\n').unwrap();
        let (name, label) = title.rsplit_once(" | ").unwrap();
        let mut files: Vec<(String, String)> = Vec::new();
        for line in rest.lines() {
            match (line.strip_prefix("--- "), files.last_mut()) {
                (Some(name), _) => files.push((name.trim().to_owned(), String::new())),
                (None, Some((_, text))) => text.push_str(&format!("{line}\n")),
                (None, None) => {}
            }
        }
        let flags = flags(&files);
        count += 1;
        if flags.is_empty() == (label == "flag") {
            wrong.push(format!("{name} ({label}): {flags:?}"));
        }
    }
    assert!(count > 10 && wrong.is_empty(), "{} of {count} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
