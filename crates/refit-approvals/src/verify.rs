//! One signature: whether it is one of the person who approves.

use refit_model::{APPROVALS, Approval, Problem, SIGNATURE_NAMESPACE, SignatureState};
use ssh_key::{Algorithm, EcdsaCurve, PublicKey, SshSig};

use crate::allowed_signers::Signers;

/// The state of the signature of an entry. Without `signers`, there is no file with keys.
pub(crate) fn state(entry: &Approval, signers: Option<&Signers>) -> Result<SignatureState, Problem> {
    let Some(armored) = &entry.signature else { return Ok(SignatureState::Unsigned) };
    let signature = SshSig::from_pem(armored.trim()).map_err(|error| {
        let fix = "write what `ssh-keygen -Y sign` printed, from BEGIN SSH SIGNATURE to END SSH SIGNATURE";
        let message = format!("the signature of {} cannot be read: {error}", entry.by);
        Problem::new(APPROVALS, message, fix).at(entry.position)
    })?;
    if signature.namespace() != SIGNATURE_NAMESPACE {
        return Ok(SignatureState::OtherNamespace);
    }
    let key = PublicKey::from(signature.public_key().clone());
    if !is_supported(&key.algorithm()) {
        return Ok(SignatureState::Unsupported);
    }
    if key.verify(SIGNATURE_NAMESPACE, entry.signed_text().as_bytes(), &signature).is_err() {
        return Ok(SignatureState::Invalid);
    }
    Ok(match signers {
        Some(signers) => signers.state(signature.public_key(), &entry.by, &entry.at),
        None => SignatureState::NoSigners,
    })
}

/// RSA is not: the implementation in Rust has an unresolved advisory.
fn is_supported(algorithm: &Algorithm) -> bool {
    matches!(
        algorithm,
        Algorithm::Ed25519
            | Algorithm::SkEd25519
            | Algorithm::SkEcdsaSha2NistP256
            | Algorithm::Ecdsa { curve: EcdsaCurve::NistP256 }
    )
}
