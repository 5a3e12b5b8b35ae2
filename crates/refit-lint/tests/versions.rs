//! A version that two files of a folder have is reported once, in the words with which the runtime refuses the folder.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

use refit_lint::{Config, Input, lint};

/// The findings about file names; those with a leading `-` are not reported.
fn findings(names: &[&str], named_by_folder: bool) -> Vec<String> {
    let input = |name: &&str| Input {
        path: name.trim_start_matches('-').to_owned(),
        bytes: b"SELECT 1;\n".to_vec(),
        named_by_folder,
        reported: !name.starts_with('-'),
    };
    let inputs: Vec<Input> = names.iter().map(input).collect();
    let folder = if named_by_folder { "m" } else { "" }.to_owned();
    let findings = lint(&inputs, &Config { folder, ..Config::default() }).findings;
    findings
        .iter()
        .map(|found| format!("{} {}: {}; {}", found.path, found.rule, found.message, found.help))
        .collect()
}

#[test]
fn the_second_file_of_a_version_is_reported() {
    let twice = "misnamed-file: version 1 is also used by";
    let fix = "give one of them another version, such as 8";
    for by_folder in [true, false] {
        let names = ["m/V1__a.sql", "m/V01__b.sql", "m/V7__c.sql", "m/R__d.sql"];
        assert_eq!(findings(&names, by_folder), [format!("m/V01__b.sql {twice} V1__a.sql; {fix}")]);
    }
    // Each but the first is reported.
    let names = ["m/V1__a.sql", "m/V1__b.sql", "m/V1__c.sql", "m/V7__d.sql"];
    assert_eq!(
        findings(&names, true),
        [format!("m/V1__b.sql {twice} V1__a.sql; {fix}"), format!("m/V1__c.sql {twice} V1__a.sql; {fix}")]
    );
}

#[test]
fn whichever_file_is_reported_tells_it() {
    let twice = "misnamed-file: version 1 is also used by";
    let fix = "give one of them another version, such as 2";
    let names = ["m/V1__a.sql", "-m/V1__b.sql"];
    assert_eq!(findings(&names, true), [format!("m/V1__a.sql {twice} V1__b.sql; {fix}")]);
    let names = ["-m/V1__a.sql", "m/V1__b.sql"];
    assert_eq!(findings(&names, true), [format!("m/V1__b.sql {twice} V1__a.sql; {fix}")]);
    assert_eq!(findings(&["-m/V1__a.sql", "-m/V1__b.sql"], true), Vec::<String>::new());
}

#[test]
fn folders_and_companion_files_have_separate_versions() {
    assert_eq!(findings(&["a/V1__a.sql", "b/V1__a.sql"], false), Vec::<String>::new());
    assert_eq!(
        findings(&["m/V1__a.sql", "m/V1__a.down.sql", "m/V1__a.check.sql"], true),
        Vec::<String>::new()
    );
}
