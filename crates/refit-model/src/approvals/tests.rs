//! Tests of the whole: a folder, its entries, and what they count for.

use proptest::prelude::*;

use super::*;
use crate::environment::Approvals;
use crate::order::SetStep;
use crate::set::MigrationSet;
use crate::source::SourceFile;

const STEM: &str = "V1__a";

/// A folder with one migration, the entries, and other files.
fn folder(entries: &str, others: &[(&str, &str)]) -> MigrationSet {
    let files = [("V1__a.sql", "CREATE TABLE a (id bigint);\n"), (APPROVALS, entries)];
    let files =
        files.iter().chain(others).map(|(path, text)| SourceFile::new(*path, text.as_bytes().to_vec()));
    MigrationSet::from_files("migrations", files.collect()).unwrap()
}

fn digest(set: &MigrationSet) -> String {
    set.steps().next().unwrap().digest()
}

/// An entry for the migration of [`folder`].
fn entry(by: &str) -> Approval {
    Approval::new(STEM, &digest(&folder("", &[])), by, "2026-11-29T09:30:00Z", LintSeverity::Warn)
}

/// The people of the entries, each with the reason if it does not count.
fn counts(set: &MigrationSet, authors: &[&str]) -> (Vec<(String, Option<ApprovalVoid>)>, u32) {
    let authors: Vec<String> = authors.iter().map(|author| (*author).to_owned()).collect();
    let step = set.steps().next().unwrap();
    let count = set.approvals_of(step, &authors);
    let entries = count.entries.iter().map(|(entry, void)| (entry.by.clone(), *void)).collect();
    (entries, count.counted())
}

#[test]
fn entries_are_read_as_they_are_written() {
    let mut with_all = entry("alice@example.com");
    with_all.role = Some("dba".to_owned());
    with_all.authors = vec!["carol@example.com".to_owned()];
    with_all.signature = Some("-----BEGIN SSH SIGNATURE-----\nabc=\n-----END SSH SIGNATURE-----".to_owned());
    let plain = entry("bob@example.com");
    let record = LintRecord::new(STEM, &plain.digest, LintSeverity::Clean);
    let text = format!("# Reviewed.\n\n{}\n{}\n{}", with_all.to_toml(), plain.to_toml(), record.to_toml());
    let set = folder(&text, &[]);
    let ApprovalRecords { entries, lint, allowed_signers } = set.approvals();
    assert_eq!((entries.len(), lint.len(), allowed_signers), (2, 1, &None));
    let read = &entries[0];
    assert_eq!(read.signed_text(), with_all.signed_text());
    assert_eq!(read.signature.as_deref().map(str::trim), with_all.signature.as_deref());
    assert_eq!((read.signature_state, read.position.line), (SignatureState::Unchecked, 3));
    assert_eq!(entries[1].signed_text(), plain.signed_text());
    assert_eq!(lint[0].severity, LintSeverity::Clean);
    assert_eq!(
        with_all.signed_text(),
        format!(
            "refit approval 1\nmigration: V1__a\ndigest: {}\nby: alice@example.com\nrole: dba\n\
             at: 2026-11-29T09:30:00Z\nlint: warn\nauthor: carol@example.com\n",
            plain.digest
        )
    );
}

#[test]
fn mistakes_have_their_place_and_a_fix() {
    let good = entry("alice@example.com").to_toml();
    for (from, to, line, message) in [
        ("migration = \"V1__a\"", "migration = \"a.sql\"", 2, "`a.sql` is not a migration"),
        ("digest = \"", "digest = \"g", 3, "is not a digest"),
        ("alice@example.com", "alice", 4, "`alice` is not an e-mail address"),
        ("alice@example.com", "alice@example.com,bob@example.com", 4, "is not an e-mail address"),
        ("alice@example.com", "a\\nb@example.com", 4, "`a\\nb@example.com` is not an e-mail address"),
        ("00Z", "00+01:00", 5, "2026-11-29T09:30:00+01:00 is not a time in UTC"),
        ("00Z", "00.5Z", 5, "is not a time in UTC"),
        ("09:30:00Z", "09:30:00", 5, "is not a time in UTC"),
        ("lint = \"warn\"", "lint = \"warning\"", 6, "unknown variant `warning`"),
        ("lint = ", "lnt = ", 6, "unknown field `lnt`"),
        ("lint = \"warn\"\n", "", 1, "missing field `lint`"),
        ("[[approval]]", "<<<<<<< HEAD\n[[approval]]", 1, ""),
    ] {
        let text = good.replacen(from, to, 1);
        let problems = ApprovalRecords::parse(&text).expect_err(to);
        let place = problems[0].position.expect(to);
        assert!(problems[0].message.contains(message), "{to}: {problems:?}");
        assert_eq!((place.line, problems[0].fix.is_empty()), (line, false), "{to}: {problems:?}");
    }
    let two = good.replace("alice@", "").replace("digest = \"", "digest = \"x");
    assert_eq!(ApprovalRecords::parse(&two).unwrap_err().len(), 2, "every problem is reported");
}

#[test]
fn an_edit_of_any_file_that_runs_voids_an_approval() {
    let text = entry("alice@example.com").to_toml();
    assert_eq!(counts(&folder(&text, &[]), &[]).1, 1);
    assert_eq!(counts(&folder(&text, &[("V1__a.md", "# Why\n")]), &[]).1, 1);
    for other in ["V1__a.down.sql", "V1__a.check.sql"] {
        let set = folder(&text, &[(other, "SELECT 1 WHERE false;\n")]);
        assert_eq!(counts(&set, &[]).0[0].1, Some(ApprovalVoid::Edited), "{other}");
    }
    let edited = text.replace(&digest(&folder("", &[])), &"0".repeat(64));
    assert_eq!(counts(&folder(&edited, &[]), &[]).0[0].1, Some(ApprovalVoid::Edited));
}

#[test]
fn a_person_counts_once_and_an_author_not_at_all() {
    let roles = |by: &str, role: &str| {
        let mut entry = entry(by);
        entry.role = Some(role.to_owned());
        entry.to_toml()
    };
    let text = roles("alice@example.com", "dba")
        + &roles("Alice@Example.com", "owner")
        + &roles("bob@example.com", "dba");
    let (entries, counted) = counts(&folder(&text, &[]), &[]);
    let voids: Vec<_> = entries.iter().map(|(_, void)| *void).collect();
    assert_eq!((voids, counted), (vec![None, Some(ApprovalVoid::Repeated), None], 2));
    assert_eq!(counts(&folder(&text, &[]), &["ALICE@example.com"]).1, 1);
    // Without git, the authors that an entry names.
    let mut by_bob = entry("bob@example.com");
    by_bob.authors = vec!["alice@example.com".to_owned()];
    let text = entry("alice@example.com").to_toml() + &by_bob.to_toml();
    let (entries, counted) = counts(&folder(&text, &[]), &[]);
    assert_eq!((entries[0].1, entries[1].1, counted), (Some(ApprovalVoid::Own), None, 1));
}

#[test]
fn signatures_count_only_if_they_were_verified() {
    let mut signed = entry("alice@example.com");
    signed.signature = Some("x".to_owned());
    let text = signed.to_toml() + &entry("bob@example.com").to_toml();
    let signers = [(ALLOWED_SIGNERS, "")];
    let void = |state| Some(ApprovalVoid::Signature(state));
    for (others, codes, expected) in [
        (&signers[..], "", [void(SignatureState::Unchecked), void(SignatureState::Unsigned)]),
        (&signers, "verified", [None, void(SignatureState::Unsigned)]),
        // A code cannot make a signature of an entry that has none.
        (&signers, "verified,verified", [None, void(SignatureState::Unsigned)]),
        (&signers, "expired,unsigned", [void(SignatureState::Expired), void(SignatureState::Unsigned)]),
        (&signers, "nonsense", [void(SignatureState::Unchecked), void(SignatureState::Unsigned)]),
        (&[], "no-signers,unsigned", [void(SignatureState::NoSigners), None]),
    ] {
        let set = folder(&text, others).with_signature_codes(codes);
        let (entries, _) = counts(&set, &[]);
        assert_eq!([entries[0].1, entries[1].1], expected, "{codes}");
        let again = set.clone().with_signature_codes(&set.approvals().signature_codes());
        assert_eq!(again, set);
    }
}

#[test]
fn the_severity_says_how_many_are_needed() {
    let required = Approvals { error: 2, warn: 1, clean: 0 };
    let missing = |text: &str| {
        let set = folder(text, &[]);
        let step = set.steps().next().unwrap();
        set.approvals_of(step, &[]).missing(&required)
    };
    let digest = digest(&folder("", &[]));
    let with = |by: &str, lint| Approval { lint, ..entry(by) }.to_toml();
    let record = |severity| LintRecord::new(STEM, &digest, severity).to_toml();
    assert_eq!(missing(""), 2, "nothing is recorded");
    assert_eq!(missing(&record(LintSeverity::Clean)), 0);
    assert_eq!(missing(&record(LintSeverity::Warn)), 1);
    assert_eq!(missing(&record(LintSeverity::Clean).replace(&digest, &"0".repeat(64))), 2, "it was edited");
    assert_eq!(missing(&with("alice@example.com", LintSeverity::Clean)), 0);
    assert_eq!(missing(&with("alice@example.com", LintSeverity::Error)), 1);
    let both = with("alice@example.com", LintSeverity::Clean) + &record(LintSeverity::Error);
    assert_eq!(missing(&both), 1, "the highest counts");
    let again =
        with("alice@example.com", LintSeverity::Clean) + &with("alice@example.com", LintSeverity::Error);
    assert_eq!(missing(&again), 1, "she has seen the error");
}

#[test]
fn the_boundary_between_two_files_counts() {
    let files = |down: &str, check: &str| {
        let files = [("V1__a.sql", "SELECT 1;"), ("V1__a.down.sql", down), ("V1__a.check.sql", check)];
        let files = files.map(|(path, text)| SourceFile::new(path, text.as_bytes().to_vec()));
        digest(&MigrationSet::from_files("migrations", files.to_vec()).unwrap())
    };
    assert_ne!(files("SELECT 1;\n-- x\n", "SELECT 3;"), files("SELECT 1;\n", "-- x\nSELECT 3;"));
    let repeatable = SourceFile::new("R__v.sql", b"SELECT 1;".to_vec());
    let set = MigrationSet::from_files("migrations", vec![repeatable]).unwrap();
    assert!(matches!(set.steps().next(), Some(step @ SetStep::Repeatable(_)) if step.digest().len() == 64));
}

proptest! {
    #[test]
    fn any_file_is_read_or_reported(
        text in "(\\[\\[(approval|lint)\\]\\]\n|(migration|digest|by|role|at|lint|authors|severity) = (\"[ -~ü]{0,12}\"|[0-9TZ:-]{0,20}|\\[\"a@b\"\\])\n|[ -~]{0,20}\n){0,12}"
    ) {
        if let Err(problems) = ApprovalRecords::parse(&text) {
            prop_assert!(problems.iter().all(|problem| !problem.message.is_empty() && !problem.fix.is_empty()));
        }
    }

    #[test]
    fn what_is_written_is_read(user in "[a-z'+.$é-]{1,12}", role in "[a-zé_-]{1,12}", lint in 0..3_u8) {
        let lint = [LintSeverity::Clean, LintSeverity::Warn, LintSeverity::Error][usize::from(lint)];
        let mut entry = Approval { lint, ..entry(&format!("{user}@example.com")) };
        entry.role = Some(role);
        let read = ApprovalRecords::parse(&entry.to_toml()).unwrap();
        prop_assert_eq!(read.entries[0].signed_text(), entry.signed_text());
    }
}
