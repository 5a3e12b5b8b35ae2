//! Verifies the signatures of a folder's approvals against its `allowed_signers`.
//!
//! It is called where a set is built, by `refit-build` and by `cargo xtask`, so that a service links no cryptography: it
//! embeds the results. It starts no process, and does no I/O and no printing; there is no clock, since a key has to be valid at
//! the time that is signed.

#![warn(missing_docs)]

mod allowed_signers;
mod verify;

use refit_model::{MigrationSet, Problem, SetError};

use allowed_signers::Signers;

/// The set with the state of each signature of its approvals. `folder` names the folder in errors.
///
/// A signature that is not accepted is no error: its approval does not count, and says why.
///
/// ```
/// use refit_model::{MigrationSet, SourceFile};
///
/// let files = vec![SourceFile::new("V1__a.sql", b"SELECT 1;".to_vec())];
/// let set = MigrationSet::from_files("migrations", files)?;
/// assert_eq!(refit_approvals::verified(set.clone(), "migrations")?, set);
/// # Ok::<(), refit_model::SetError>(())
/// ```
///
/// # Errors
/// Every problem of `allowed_signers`, and of signatures that cannot be read, with its position.
pub fn verified(set: MigrationSet, folder: &str) -> Result<MigrationSet, SetError> {
    let approvals = set.approvals();
    if !approvals.has_signatures() {
        return Ok(set);
    }
    let mut problems: Vec<Problem> = Vec::new();
    let signers = approvals.allowed_signers.as_deref().map(|text| Signers::parse(text, &mut problems));
    let mut codes = Vec::new();
    for entry in &approvals.entries {
        match verify::state(entry, signers.as_ref()) {
            Ok(state) => codes.push(state.code()),
            Err(problem) => problems.push(problem),
        }
    }
    if problems.is_empty() {
        let codes = codes.join(",");
        return Ok(set.with_signature_codes(&codes));
    }
    problems.sort();
    Err(SetError { folder: folder.to_owned(), problems })
}
