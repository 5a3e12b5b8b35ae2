//! Names that precede a secret.

/// Parts that mark a name as that of a secret, anywhere in it.
const ANYWHERE: [&str; 8] =
    ["password", "passwd", "passphrase", "passwort", "secret", "apikey", "credential", "identified"];
/// Words that mark a name as a whole part of it: `access_token`, `api_key`, `db.pw`.
const WORDS: [&str; 5] = ["token", "pw", "pwd", "pass", "pin"];
/// Pairs of words that mark a name.
const PAIRS: [[&str; 2]; 4] = [["api", "key"], ["access", "key"], ["private", "key"], ["encryption", "key"]];
/// Last words of names that only describe a secret.
const ABOUT: [&str; 18] = [
    "encryption",
    "required",
    "length",
    "lifetime",
    "expires",
    "expiry",
    "at",
    "on",
    "policy",
    "hint",
    "reset",
    "id",
    "count",
    "iterations",
    "rounds",
    "algorithm",
    "secretary",
    "file",
];
/// Functions whose literals are secrets, or become one.
const FUNCTIONS: [&str; 9] = [
    "crypt",
    "hmac",
    "encrypt",
    "decrypt",
    "pgp_sym_encrypt",
    "pgp_sym_decrypt",
    "pgp_sym_encrypt_bytea",
    "pgp_sym_decrypt_bytea",
    "pgp_pub_decrypt",
];

/// Whether the value of a name is a secret.
pub(super) fn is_secret(name: &str) -> bool {
    if name.len() > 128 {
        return false;
    }
    let name = name.to_lowercase();
    let words: Vec<&str> =
        name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    if words.last().is_none_or(|last| ABOUT.contains(last)) {
        return false;
    }
    COMMANDS.contains(&&*name)
        || ANYWHERE.iter().any(|part| name.contains(part))
        || words.iter().any(|word| WORDS.contains(word))
        || words.windows(2).any(|pair| PAIRS.iter().any(|known| known == pair))
}

/// Parts of names of tables with a secret in each row.
const TABLES: [&str; 5] = ["user", "account", "login", "admin", "token"];
/// Settings whose value is a command line, which may contain a password.
const COMMANDS: [&str; 5] = [
    "archive_command",
    "restore_command",
    "archive_cleanup_command",
    "recovery_end_command",
    "ssl_passphrase_command",
];

/// Whether a table's name indicates that its rows contain secrets.
pub(super) fn has_secrets(table: &str) -> bool {
    let table = table.to_lowercase();
    is_secret(&table) || TABLES.iter().any(|known| table.contains(known))
}

/// Whether a function's arguments are secrets.
pub(super) fn is_secret_function(name: &str) -> bool {
    FUNCTIONS.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// Whether a text may contain a secret at all: most texts do not.
pub(super) fn may_hold(text: &str) -> bool {
    const NEEDLES: [&str; 18] = [
        "pass",
        "secret",
        "token",
        "pw",
        "pin",
        "key",
        "credential",
        "identified",
        "crypt",
        "hmac",
        "://",
        "scram-",
        "user",
        "account",
        "login",
        "admin",
        "program",
        "_command",
    ];
    let folded = text.to_ascii_lowercase();
    NEEDLES.iter().any(|needle| folded.contains(needle)) || folded.contains("md5")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_and_others_are_not() {
        for name in
            ["PASSWORD", "app.db_password", "sslpassword", "client_secret", "access-token", "api_key", "pw"]
        {
            assert!(is_secret(name), "{name}");
        }
        for name in [
            "password_encryption",
            "password_required",
            "token_id",
            "tokenizer",
            "secretary",
            "key",
            "pass_at",
            "passing",
        ] {
            assert!(!is_secret(name), "{name}");
        }
    }
}
