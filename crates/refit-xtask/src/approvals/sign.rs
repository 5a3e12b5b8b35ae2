//! Signs approvals with `ssh-keygen`, which asks for a passphrase, or uses an agent or a security key.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use refit_model::SIGNATURE_NAMESPACE;
use xshell::{Shell, cmd};

/// The armored signature of a text, made with the key in a file: a private key, or the public key of one that an agent has.
///
/// # Errors
/// When `ssh-keygen` cannot be started, or fails.
pub(crate) fn sign(key: &Path, text: &str) -> anyhow::Result<String> {
    if !key.is_file() {
        bail!("--sign {}: there is no such file", key.display());
    }
    let shell = Shell::new()?;
    let command = cmd!(shell, "ssh-keygen -Y sign -q -n {SIGNATURE_NAMESPACE} -f {key}");
    let signed = command.quiet().stdin(text).read();
    signed.with_context(|| format!("cannot sign with {}: ssh-keygen failed", key.display()))
}

/// The line that allows a key to sign as a person, if its public key can be read.
pub(crate) fn line_for(key: &Path, by: &str) -> Option<String> {
    let public = match key.extension() {
        Some(extension) if extension == "pub" => key.to_owned(),
        _ => PathBuf::from(format!("{}.pub", key.display())),
    };
    let text = std::fs::read_to_string(public).ok()?;
    let mut words = text.split_whitespace();
    let (kind, key) = (words.next()?, words.next()?);
    Some(format!("{by} namespaces=\"{SIGNATURE_NAMESPACE}\" {kind} {key}"))
}
