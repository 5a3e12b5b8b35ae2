//! Cases that were labelled by hand: each must be flagged (an error or a warning at least) or safe (nothing) as its first
//! line says. Ours are in `lint_cases/`; those of `../shared/conformance/lint` are taken when that folder is there.

use std::path::{Path, PathBuf};

use refit_lint::{Config, Example, Input, Severity, lint};

/// A labelled case.
pub(super) struct Case {
    pub(super) name: String,
    /// Whether it must be flagged.
    pub(super) flagged: bool,
    /// Its migrations: names and texts.
    pub(super) files: Vec<(String, String)>,
}

/// All cases, by name.
pub(super) fn cases() -> Vec<Case> {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut cases = read(&tests.join("lint_cases"));
    let shared = tests.join("../../shared/conformance/lint");
    match shared.is_dir() {
        true => cases.extend(read(&shared)),
        false => println!("no shared cases at {}: only our own are run", shared.display()),
    }
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    cases
}

fn read(folder: &Path) -> Vec<Case> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|sql| sql == "sql")).collect();
    paths.iter().map(|path| case(path)).collect()
}

fn case(path: &Path) -> Case {
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let text = std::fs::read_to_string(path).unwrap();
    let flagged = match text.lines().next() {
        Some("-- expect: flag") => true,
        Some("-- expect: safe") => false,
        other => panic!("{}: the first line is {other:?}", path.display()),
    };
    let example = Example { safe: !flagged, since: None, claim: None, sql: text };
    let mut files = example.files();
    // The label and the title of a case of several files are no file.
    files.retain(|(_, text)| files_have_sql(text));
    Case { name, flagged, files }
}

fn files_have_sql(text: &str) -> bool {
    text.lines().any(|line| !line.trim().is_empty() && !line.starts_with("-- "))
}

/// The rules that flag a case.
pub(super) fn flags(case: &Case) -> Vec<&'static str> {
    let inputs: Vec<Input> =
        case.files.iter().map(|(path, text)| Input::of_folder(path.as_str(), text.as_str(), true)).collect();
    let outcome = lint(&inputs, &Config::default());
    let flags = outcome.findings.iter().filter(|finding| finding.severity >= Severity::Warning);
    let mut rules: Vec<&str> = flags.map(|finding| finding.rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

#[test]
fn every_case_is_as_it_is_labelled() {
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

/// Shorter ones: each line of `flag.txt` and `safe.txt` is a migration by itself.
#[test]
fn every_line_is_as_its_list_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lint_cases");
    let mut wrong = Vec::new();
    for (list, flagged) in [("flag.txt", true), ("safe.txt", false)] {
        let text = std::fs::read_to_string(folder.join(list)).unwrap();
        for line in text.lines() {
            let files = vec![("V1__line.sql".to_owned(), line.to_owned())];
            let flags = flags(&Case { name: line.to_owned(), flagged, files });
            if flagged == flags.is_empty() {
                wrong.push(format!("{list}: {line} {flags:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
