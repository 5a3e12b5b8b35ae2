//! Whether the signature of an approval is one of the person who approves.

use std::fmt;

use serde::Serialize;

/// Whether the signature of an approval is one of the person who approves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SignatureState {
    /// There is none.
    Unsigned,
    /// It was not verified.
    Unchecked,
    /// It is one of the person.
    Verified,
    /// There is no `allowed_signers`.
    NoSigners,
    /// It is not over this text: the entry was changed, or the signature was made for another one.
    Invalid,
    /// It was made for another purpose.
    OtherNamespace,
    /// The key is of a kind that is not supported, such as RSA.
    Unsupported,
    /// The key is not in `allowed_signers`.
    UnknownKey,
    /// The key is that of another person.
    OtherPerson,
    /// The key may not sign approvals.
    NamespaceNotAllowed,
    /// The key was not yet valid.
    NotYetValid,
    /// The key was no longer valid.
    Expired,
}

const ALL: [SignatureState; 12] = [
    SignatureState::Unsigned,
    SignatureState::Unchecked,
    SignatureState::Verified,
    SignatureState::NoSigners,
    SignatureState::Invalid,
    SignatureState::OtherNamespace,
    SignatureState::Unsupported,
    SignatureState::UnknownKey,
    SignatureState::OtherPerson,
    SignatureState::NamespaceNotAllowed,
    SignatureState::NotYetValid,
    SignatureState::Expired,
];

impl SignatureState {
    /// A short name, as the build passes it to the program.
    pub fn code(self) -> &'static str {
        match self {
            SignatureState::Unsigned => "unsigned",
            SignatureState::Unchecked => "unchecked",
            SignatureState::Verified => "verified",
            SignatureState::NoSigners => "no-signers",
            SignatureState::Invalid => "invalid",
            SignatureState::OtherNamespace => "other-namespace",
            SignatureState::Unsupported => "unsupported",
            SignatureState::UnknownKey => "unknown-key",
            SignatureState::OtherPerson => "other-person",
            SignatureState::NamespaceNotAllowed => "namespace-not-allowed",
            SignatureState::NotYetValid => "not-yet-valid",
            SignatureState::Expired => "expired",
        }
    }

    /// The state with a short name.
    pub fn from_code(code: &str) -> Option<SignatureState> {
        ALL.into_iter().find(|state| state.code() == code)
    }
}

impl fmt::Display for SignatureState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SignatureState::Unsigned => "it is not signed",
            SignatureState::Unchecked => "its signature was not verified",
            SignatureState::Verified => "its signature is verified",
            SignatureState::NoSigners => "it is signed, but there is no allowed_signers to verify it with",
            SignatureState::Invalid => "its signature does not match the entry",
            SignatureState::OtherNamespace => "its signature has another namespace than refit-approval",
            SignatureState::Unsupported => "its key is neither Ed25519 nor ECDSA P-256",
            SignatureState::UnknownKey => "its key is not in allowed_signers",
            SignatureState::OtherPerson => "its key is that of another person in allowed_signers",
            SignatureState::NamespaceNotAllowed => {
                "allowed_signers does not allow its key the namespace refit-approval"
            }
            SignatureState::NotYetValid => "its key was not yet valid at that time (valid-after)",
            SignatureState::Expired => "its key was no longer valid at that time (valid-before)",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_a_code_and_is_found_by_it() {
        for state in ALL {
            assert_eq!(SignatureState::from_code(state.code()), Some(state));
            assert_eq!(serde_json_name(state), state.code());
        }
        assert_eq!(SignatureState::from_code("good"), None);
    }

    fn serde_json_name(state: SignatureState) -> String {
        toml::Value::try_from(state).unwrap().as_str().unwrap().to_owned()
    }
}
