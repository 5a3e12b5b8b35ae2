//! Signatures of approvals: good ones, and every kind that does not count.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

use std::path::Path;

use refit_approvals::verified;
use refit_model::{
    ALLOWED_SIGNERS, APPROVALS, Approval, LintSeverity, MigrationSet, SIGNATURE_NAMESPACE, SignatureState,
    SourceFile,
};
use ssh_key::private::Ed25519Keypair;
use ssh_key::{HashAlg, LineEnding, PrivateKey};

const ALICE: &str = "alice@example.com";

fn key(seed: u8) -> PrivateKey {
    Ed25519Keypair::from_seed(&[seed; 32]).into()
}

fn set(approvals: &str, signers: Option<&str>) -> MigrationSet {
    let mut files = vec![
        SourceFile::new("V1__a.sql", b"SELECT 1;\n".to_vec()),
        SourceFile::new(APPROVALS, approvals.as_bytes().to_vec()),
    ];
    files.extend(signers.map(|text| SourceFile::new(ALLOWED_SIGNERS, text.as_bytes().to_vec())));
    MigrationSet::from_files("migrations", files).unwrap()
}

/// Alice's approval of the present content, signed with a key for a purpose.
fn signed(key: &PrivateKey, namespace: &str) -> Approval {
    let set = set("", None);
    let digest = set.steps().next().unwrap().digest();
    let mut entry = Approval::new("V1__a", &digest, ALICE, "2026-11-29T09:30:00Z", LintSeverity::Error);
    entry.role = Some("dba".to_owned());
    let signature = key.sign(namespace, HashAlg::Sha512, entry.signed_text().as_bytes()).unwrap();
    entry.signature = Some(signature.to_pem(LineEnding::LF).unwrap());
    entry
}

fn line(principal: &str, options: &str, key: &PrivateKey) -> String {
    format!("{principal} {options} {}\n", key.public_key().to_openssh().unwrap())
}

fn state(entry: &Approval, signers: Option<&str>) -> SignatureState {
    let set = verified(set(&entry.to_toml(), signers), "migrations").unwrap();
    let state = set.approvals().entries[0].signature_state;
    let count = set.approvals_of(set.steps().next().unwrap(), &[]);
    assert_eq!(count.counted() == 1, state == SignatureState::Verified, "{state:?}");
    state
}

#[test]
fn a_signature_of_an_allowed_key_counts() {
    let signers =
        line("bob@example.com", "", &key(2)) + &line(ALICE, "namespaces=\"refit-approval\"", &key(1));
    assert_eq!(state(&signed(&key(1), SIGNATURE_NAMESPACE), Some(&signers)), SignatureState::Verified);
}

#[test]
fn every_other_signature_does_not_count_and_says_why() {
    let good = signed(&key(1), SIGNATURE_NAMESPACE);
    let alice = line(ALICE, "", &key(1));
    assert_eq!(state(&good, None), SignatureState::NoSigners);
    assert_eq!(state(&good, Some("")), SignatureState::UnknownKey);
    assert_eq!(state(&good, Some(&line(ALICE, "", &key(2)))), SignatureState::UnknownKey);
    assert_eq!(state(&good, Some(&line("bob@example.com", "", &key(1)))), SignatureState::OtherPerson);
    assert_eq!(
        state(&good, Some(&line(ALICE, "namespaces=\"git\"", &key(1)))),
        SignatureState::NamespaceNotAllowed
    );
    for (options, expected) in [
        ("valid-before=\"20261129Z\"", SignatureState::Expired),
        ("valid-before=\"20261130Z\"", SignatureState::Verified),
        ("valid-after=\"20261130Z\"", SignatureState::NotYetValid),
    ] {
        assert_eq!(state(&good, Some(&line(ALICE, options, &key(1)))), expected, "{options}");
    }
    assert_eq!(state(&signed(&key(1), "file"), Some(&alice)), SignatureState::OtherNamespace);
}

#[test]
fn a_change_of_any_field_invalidates_a_signature() {
    let good = signed(&key(1), SIGNATURE_NAMESPACE);
    let alice = line("*@example.com", "", &key(1));
    assert_eq!(state(&good, Some(&alice)), SignatureState::Verified);
    let changes: [fn(&mut Approval); 7] = [
        |entry| entry.migration = "V2__b".to_owned(),
        |entry| entry.digest = "0".repeat(64),
        |entry| entry.by = "bob@example.com".to_owned(),
        |entry| entry.role = None,
        |entry| entry.at = "2026-11-28T09:30:00Z".to_owned(),
        |entry| entry.lint = LintSeverity::Clean,
        |entry| entry.authors = vec!["bob@example.com".to_owned()],
    ];
    for (number, change) in changes.iter().enumerate() {
        let mut changed = good.clone();
        change(&mut changed);
        let set = verified(set(&changed.to_toml(), Some(&alice)), "migrations").unwrap();
        assert_eq!(set.approvals().entries[0].signature_state, SignatureState::Invalid, "{number}");
    }
}

/// What OpenSSH writes, with each kind of key.
#[test]
fn signatures_of_ssh_keygen_are_verified() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/openssh");
    let set = verified(MigrationSet::from_dir(&folder).unwrap(), "openssh").unwrap();
    let states: Vec<_> = set.approvals().entries.iter().map(|entry| entry.signature_state).collect();
    assert_eq!(states, [SignatureState::Verified, SignatureState::Verified, SignatureState::Unsupported]);
    assert_eq!(set.approvals_of(set.steps().next().unwrap(), &[]).counted(), 2);
}

#[test]
fn what_cannot_be_read_is_an_error_with_its_place() {
    let mut broken = signed(&key(1), SIGNATURE_NAMESPACE);
    broken.signature = Some("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----".to_owned());
    let text = format!("# One entry.\n{}", broken.to_toml());
    let error = verified(set(&text, Some("alice\n")), "migrations").unwrap_err();
    let shown = error.to_string();
    assert!(shown.contains("allowed_signers:1:6: the line ends early"), "{shown}");
    assert!(
        shown.contains("approvals.toml:2:1: the signature of alice@example.com cannot be read"),
        "{shown}"
    );
}
