//! Cases labelled by hand: the first line of each says whether it must be flagged (with an error or a warning) or is safe (no
//! finding). Refit's own are in `lint_cases/`; those of `../shared/conformance/lint` are used if that folder exists.

use refit_lint::{Config, Input, Severity, example_values, lint};
use test_support::{LabelledCase, labelled_cases, workspace};

/// All cases, by name.
pub(super) fn cases() -> Vec<LabelledCase> {
    labelled_cases(workspace()).unwrap()
}

/// The rules that flag a case.
pub(super) fn flags(case: &LabelledCase) -> Vec<&'static str> {
    let inputs: Vec<Input> =
        case.files.iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)).collect();
    let outcome = lint(&inputs, &Config { variables: Some(example_values()), ..Config::default() });
    let flags = outcome.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
    let mut rules: Vec<&str> = flags.map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn every_case_matches_its_label() {
    let cases = cases();
    let mut wrong = Vec::new();
    for case in &cases {
        let flags = flags(case);
        if case.flagged == flags.is_empty() {
            wrong.push(match case.flagged {
                true => format!("missed: {}", case.name),
                false => format!("false alarm: {} by {}", case.name, flags.join(", ")),
            });
        }
    }
    let hazards = cases.iter().filter(|case| case.flagged).count();
    let missed = wrong.iter().filter(|line| line.starts_with("missed")).count();
    println!(
        "flagged {} of {hazards}; {} false alarms in {} safe ones",
        hazards - missed,
        wrong.len() - missed,
        cases.len() - hazards
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Shorter cases: each line of `flag.txt` and `safe.txt` is one migration.
#[test]
fn every_line_matches_the_label_of_its_list() {
    let folder = workspace().join("tests/lint_cases");
    let mut wrong = Vec::new();
    for (list, flagged) in [("flag.txt", true), ("safe.txt", false)] {
        let text = std::fs::read_to_string(folder.join(list)).unwrap();
        for line in text.lines() {
            let files = vec![("V1__line.sql".to_owned(), line.to_owned())];
            let flags = flags(&LabelledCase { name: line.to_owned(), flagged, files });
            if flagged == flags.is_empty() {
                wrong.push(format!("{list}: {line} {flags:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
