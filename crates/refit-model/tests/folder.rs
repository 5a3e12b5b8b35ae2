//! Folders as people have them: good ones become sets, bad ones list every problem at once.

use std::fs;
use std::path::Path;

use refit_model::{MigrationSet, SourceFile};

fn set(files: &[(&str, &str)]) -> Result<MigrationSet, refit_model::SetError> {
    let files = files.iter().map(|(path, text)| SourceFile::new(*path, text.as_bytes().to_vec())).collect();
    MigrationSet::from_files("migrations", files)
}

#[test]
fn a_good_folder_becomes_an_ordered_set() {
    let set = set(&[
        ("refit.toml", "versions = \"counted\"\n"),
        ("V0010__later.sql", "-- refit: after = [\"V0002\"]\nSELECT 10;\n"),
        ("V0002__first.sql", "SELECT 2;\n"),
        ("V0002__first.down.sql", "SELECT -2;\n"),
        ("V0002__first.check.sql", "SELECT 1 WHERE false;\n"),
        ("V0002__first.md", "# First\n"),
        ("R__views.sql", "CREATE OR REPLACE VIEW v AS SELECT 1;\n"),
        ("seeds/test/a.sql", "SELECT 1;\n"),
        ("snapshots/schema.snap", "anything"),
    ])
    .unwrap();
    let versions: Vec<i64> = set.migrations().iter().map(|migration| migration.version).collect();
    assert_eq!(versions, [2, 10]);
    let first = set.migration(2).unwrap();
    assert_eq!(first.down.as_ref().unwrap().text, "SELECT -2;\n");
    assert!(first.checks.len() == 1 && first.doc.is_some());
    assert_eq!(first.label(), "V0002");
    assert_eq!(set.repeatables()[0].name, "views");
    assert_eq!(set.seeds()[0].environment, "test");
}

#[test]
fn every_problem_of_a_folder_is_reported_at_once() {
    let error = set(&[
        ("V1__a.sql", "SELECT 1;"),
        ("V01__b.sql", "SELECT 1;"),
        ("V2__b_down.sql", "SELECT 1;"),
        ("V3__bad-name.sql", "SELECT 1;"),
        ("v4__x.sql", "SELECT 1;"),
        ("V5__x.SQL", "SELECT 1;"),
        ("V6__comments.sql", "-- only a comment\n"),
        ("V7__open.sql", "SELECT 1;\nSELECT 'x"),
        ("V8__after.sql", "-- refit: after = [\"V99\"]\n-- refit: depends = [\"V9\"]\nSELECT 1;"),
        ("V9__unknown.sql", "-- refit: transacton = false\nSELECT 1;"),
        ("V1__aa.down.sql", "SELECT 1;"),
        ("nested/V10__x.sql", "SELECT 1;"),
        ("refit.toml", "policies = 1\n"),
        ("|1__x.sql", "SELECT 1;"),
    ])
    .unwrap_err();
    insta::assert_snapshot!(error);
}

#[test]
fn line_endings_and_byte_order_mark_do_not_change_a_checksum() {
    let unix = set(&[("V1__a.sql", "SELECT 1;\nSELECT 2;\n")]).unwrap();
    let windows = set(&[("V1__a.sql", "\u{feff}SELECT 1;\r\nSELECT 2;\r\n")]).unwrap();
    assert_eq!(unix.migrations()[0].checksum, windows.migrations()[0].checksum);
    assert_eq!(unix.digest(), windows.digest());
    let refinery = refinery_core::Migration::unapplied("V1__a", "SELECT 1;\nSELECT 2;\n").unwrap();
    assert_eq!(unix.migrations()[0].checksum, refinery.checksum());
}

#[test]
fn bytes_that_are_no_text_are_refused_with_their_place() {
    let problems = |bytes: Vec<u8>| {
        MigrationSet::from_files("m", vec![SourceFile::new("V1__a.sql", bytes)]).unwrap_err().problems
    };
    let invalid = &problems(b"SELECT 1;\nSELECT '\xff';".to_vec())[0];
    assert_eq!((invalid.message.as_str(), invalid.position.unwrap().line), ("this is not valid UTF-8", 2));
    assert!(problems(b"SELECT '\0';".to_vec())[0].message.contains("NUL"));
    let large = [b"SELECT 1; -- ".to_vec(), vec![b'x'; 50 * 1024 * 1024]].concat();
    assert!(problems(large)[0].message.contains("bytes, which exceeds"));
}

#[test]
fn a_folder_that_cannot_be_read_is_a_problem() {
    let error = MigrationSet::from_dir(Path::new("/nowhere/at/all")).unwrap_err();
    assert!(error.to_string().contains("cannot be read"), "{error}");
    let file = tempfile::NamedTempFile::new().unwrap();
    assert!(MigrationSet::from_dir(file.path()).unwrap_err().to_string().contains("is not a folder"));
}

#[test]
fn a_broken_link_is_a_problem_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("V1__a.sql"), "SELECT 1;").unwrap();
    assert_eq!(MigrationSet::from_dir(folder.path()).unwrap().migrations().len(), 1);
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("missing.sql", folder.path().join("V2__b.sql")).unwrap();
        let error = MigrationSet::from_dir(folder.path()).unwrap_err();
        assert_eq!(error.problems.len(), 1);
        assert_eq!(error.problems[0].path, "V2__b.sql");
    }
}

#[test]
fn an_empty_folder_is_an_empty_set() {
    assert!(set(&[]).unwrap().migrations().is_empty());
}

#[test]
fn a_name_that_refinery_would_cut_is_refused() {
    let error = set(&[("V1__m².sql", "SELECT 1;")]).unwrap_err();
    assert!(error.to_string().contains("refinery would cut the name"), "{error}");
}

#[test]
fn versions_of_the_wrong_kind_are_refused() {
    assert!(set(&[("refit.toml", "versions = \"timestamp\""), ("V1__a.sql", "SELECT 1;")]).is_err());
    assert!(
        set(&[("refit.toml", "versions = \"counted\""), ("V20261120143000__a.sql", "SELECT 1;")]).is_err()
    );
    assert!(
        set(&[("refit.toml", "versions = \"timestamp\""), ("V20261120143000__a.sql", "SELECT 1;")]).is_ok()
    );
}
