//! `allowed_signers`, the format of `ssh-keygen` (ALLOWED SIGNERS in ssh-keygen(1)): who may sign with which key.

use refit_model::{ALLOWED_SIGNERS, Position, Problem, SIGNATURE_NAMESPACE, SignatureState};
use ssh_key::PublicKey;
use ssh_key::public::KeyData;
use wildmatch::WildMatch;

/// The lines of the file.
#[derive(Debug)]
pub(crate) struct Signers(Vec<Signer>);

/// A line: a key, and what it may be used for.
#[derive(Debug)]
struct Signer {
    principals: Patterns,
    namespaces: Option<Patterns>,
    /// Times as in approvals, which are compared as texts.
    valid_after: Option<String>,
    valid_before: Option<String>,
    key: KeyData,
}

/// Comma-separated patterns with `*` and `?`, of which those with `!` exclude.
#[derive(Debug)]
struct Patterns(Vec<(bool, WildMatch)>);

impl Patterns {
    fn parse(list: &str) -> Patterns {
        let pattern = |pattern: &str| match pattern.strip_prefix('!') {
            Some(excluded) => (false, WildMatch::new(excluded)),
            None => (true, WildMatch::new(pattern)),
        };
        Patterns(list.split(',').map(pattern).collect())
    }

    fn matches(&self, text: &str) -> bool {
        let matching = || self.0.iter().filter(|(_, pattern)| pattern.matches(text));
        matching().any(|(includes, _)| *includes) && matching().all(|(includes, _)| *includes)
    }
}

/// A word of a line, and where it begins.
struct Word<'a> {
    text: &'a str,
    offset: usize,
}

impl Signers {
    /// Reads the file. What is wrong is added to `problems`.
    pub(crate) fn parse(text: &str, problems: &mut Vec<Problem>) -> Signers {
        let mut signers = Vec::new();
        let mut offset = 0;
        for line in text.split_inclusive('\n') {
            let begin = offset;
            offset += line.len();
            let line = line.trim_end();
            if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
                continue;
            }
            match signer(line) {
                Ok(signer) => signers.push(signer),
                Err((at, message, fix)) => {
                    let problem = Problem::new(ALLOWED_SIGNERS, message, fix);
                    problems.push(problem.at(Position::of(text, begin + at)));
                }
            }
        }
        Signers(signers)
    }

    /// Whether `by` may sign approvals with this key at a time. If several lines have the key, the best one counts.
    pub(crate) fn state(&self, key: &KeyData, by: &str, at: &str) -> SignatureState {
        let mut best = SignatureState::UnknownKey;
        for signer in self.0.iter().filter(|signer| signer.key == *key) {
            let state = signer.state(by, at);
            if rank(state) > rank(best) {
                best = state;
            }
        }
        best
    }
}

/// How far a line got until it failed.
fn rank(state: SignatureState) -> u8 {
    match state {
        SignatureState::Verified => 4,
        SignatureState::Expired | SignatureState::NotYetValid => 3,
        SignatureState::NamespaceNotAllowed => 2,
        SignatureState::OtherPerson => 1,
        _ => 0,
    }
}

impl Signer {
    fn state(&self, by: &str, at: &str) -> SignatureState {
        if !self.principals.matches(by) {
            SignatureState::OtherPerson
        } else if self.namespaces.as_ref().is_some_and(|allowed| !allowed.matches(SIGNATURE_NAMESPACE)) {
            SignatureState::NamespaceNotAllowed
        } else if self.valid_after.as_deref().is_some_and(|after| at < after) {
            SignatureState::NotYetValid
        } else if self.valid_before.as_deref().is_some_and(|before| at > before) {
            SignatureState::Expired
        } else {
            SignatureState::Verified
        }
    }
}

/// What is wrong with a line: the offset in it, a message, and a fix.
type Mistake = (usize, String, &'static str);

const FORM: &str = "write it as `alice@example.com namespaces=\"refit-approval\" ssh-ed25519 AAAA…`";

/// Reads a line: principals, options if there are any, the type of the key, the key.
fn signer(line: &str) -> Result<Signer, Mistake> {
    let words = words(line)?;
    let at =
        |index: usize| words.get(index).ok_or_else(|| (line.len(), "the line ends early".to_owned(), FORM));
    let principals = at(0)?;
    let second = at(1)?;
    let options = (!is_key_type(second.text)).then_some(second);
    let first = 1 + usize::from(options.is_some());
    let (kind, key) = (at(first)?, at(first + 1)?);
    let mut signer = Signer {
        principals: Patterns::parse(principals.text.trim_matches('"')),
        namespaces: None,
        valid_after: None,
        valid_before: None,
        key: read_key(kind, key)?,
    };
    if let Some(options) = options {
        for option in split(options.text, ',') {
            signer.set(&Word { text: option.text, offset: options.offset + option.offset })?;
        }
    }
    Ok(signer)
}

impl Signer {
    fn set(&mut self, option: &Word<'_>) -> Result<(), Mistake> {
        let mistake = |message: String, fix| (option.offset, message, fix);
        let (name, value) = option.text.split_once('=').unwrap_or((option.text, ""));
        let value = value.trim_matches('"');
        match name.to_ascii_lowercase().as_str() {
            "namespaces" => self.namespaces = Some(Patterns::parse(value)),
            "valid-after" => {
                self.valid_after = Some(time(value).map_err(|(message, fix)| mistake(message, fix))?)
            }
            "valid-before" => {
                self.valid_before = Some(time(value).map_err(|(message, fix)| mistake(message, fix))?);
            }
            "cert-authority" => {
                let fix = "list the keys of the people themselves";
                return Err(mistake("certificates are not supported".to_owned(), fix));
            }
            _ => {
                let fix = "the options are namespaces, valid-after and valid-before";
                return Err(mistake(format!("`{name}` is not an option"), fix));
            }
        }
        Ok(())
    }
}

fn is_key_type(word: &str) -> bool {
    ["ssh-", "ecdsa-", "sk-"].iter().any(|prefix| word.starts_with(prefix))
}

fn read_key(kind: &Word<'_>, key: &Word<'_>) -> Result<KeyData, Mistake> {
    let public = PublicKey::from_openssh(&format!("{} {}", kind.text, key.text));
    let fix = "write the first two words of the key's .pub file";
    public
        .map(|public| public.key_data().clone())
        .map_err(|error| (kind.offset, format!("the key cannot be read: {error}"), fix))
}

/// A time of OpenSSH, `YYYYMMDD[HHMM[SS]]Z`, as approvals write it.
fn time(value: &str) -> Result<String, (String, &'static str)> {
    let fix = "write it in UTC, as YYYYMMDDZ or YYYYMMDDHHMMSSZ";
    let mistake = |why: &str| (format!("`{value}` {why}"), fix);
    let Some(digits) = value.strip_suffix(['Z', 'z']) else {
        return Err(mistake("is not in UTC: without a Z at its end it depends on the machine"));
    };
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let full = match digits.len() {
        8 if is_number => format!("{digits}000000"),
        12 if is_number => format!("{digits}00"),
        14 if is_number => digits.to_owned(),
        _ => return Err(mistake("is not a time")),
    };
    match jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", &full) {
        Ok(time) => Ok(time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        Err(_) => Err(mistake("is not a time")),
    }
}

/// The words of a line, separated by white space outside of quotes.
fn words(line: &str) -> Result<Vec<Word<'_>>, Mistake> {
    match line.matches('"').count() % 2 {
        0 => Ok(split(line, ' ').into_iter().filter(|word| !word.text.is_empty()).collect()),
        _ => Err((line.rfind('"').unwrap_or(0), "this quote is not closed".to_owned(), "close it")),
    }
}

/// The parts of a text, separated outside of quotes; a space stands for a tab too.
fn split(text: &str, separator: char) -> Vec<Word<'_>> {
    let mut parts = Vec::new();
    let (mut start, mut is_quoted) = (0, false);
    for (offset, c) in text.char_indices() {
        is_quoted ^= c == '"';
        if !is_quoted && (c == separator || (separator == ' ' && c == '\t')) {
            parts.push(Word { text: &text[start..offset], offset: start });
            start = offset + c.len_utf8();
        }
    }
    parts.push(Word { text: &text[start..], offset: start });
    parts
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";
    const NOON: &str = "2026-11-29T12:00:00Z";

    fn parse(text: &str) -> Result<Signers, Vec<Problem>> {
        let mut problems = Vec::new();
        let signers = Signers::parse(text, &mut problems);
        if problems.is_empty() { Ok(signers) } else { Err(problems) }
    }

    fn state(text: &str, by: &str) -> SignatureState {
        let key = PublicKey::from_openssh(KEY).unwrap();
        parse(text).unwrap().state(key.key_data(), by, NOON)
    }

    #[test]
    fn a_line_says_who_may_sign_for_what_and_when() {
        let alice = "alice@example.com";
        for (line, expected) in [
            (format!("{alice} {KEY}"), SignatureState::Verified),
            (format!("# Team.\n\n  {alice}\t{KEY} alice's key\n"), SignatureState::Verified),
            (format!("bob@example.com,{alice} {KEY}"), SignatureState::Verified),
            (format!("\"bob@example.com,{alice}\" {KEY}"), SignatureState::Verified),
            (format!("*@example.com {KEY}"), SignatureState::Verified),
            (format!("*@example.com,!alice@* {KEY}"), SignatureState::OtherPerson),
            (format!("bob@example.com {KEY}"), SignatureState::OtherPerson),
            (format!("Alice@example.com {KEY}"), SignatureState::OtherPerson),
            (format!("{alice} namespaces=\"git,refit-approval\" {KEY}"), SignatureState::Verified),
            (format!("{alice} namespaces=\"git, file\" {KEY}"), SignatureState::NamespaceNotAllowed),
            (format!("{alice} Namespaces=\"refit-*\" {KEY}"), SignatureState::Verified),
            (format!("{alice} valid-before=\"20261129Z\" {KEY}"), SignatureState::Expired),
            (format!("{alice} valid-before=20261129115959Z {KEY}"), SignatureState::Expired),
            (format!("{alice} valid-before=20261129120000Z {KEY}"), SignatureState::Verified),
            (format!("{alice} valid-after=202611291201Z {KEY}"), SignatureState::NotYetValid),
            (
                format!("{alice} valid-after=20261129Z,valid-before=\"20261130Z\" {KEY}"),
                SignatureState::Verified,
            ),
            (format!("{alice} valid-before=20201129Z {KEY}\n{alice} {KEY}"), SignatureState::Verified),
            (format!("{alice} valid-before=20201129Z {KEY}\nbob@example.com {KEY}"), SignatureState::Expired),
            (String::new(), SignatureState::UnknownKey),
        ] {
            assert_eq!(state(&line, alice), expected, "{line}");
        }
    }

    #[test]
    fn mistakes_have_their_place_and_a_fix() {
        for (line, column, message) in [
            ("alice@example.com".to_owned(), 18, "the line ends early"),
            ("alice@example.com ssh-ed25519".to_owned(), 30, "the line ends early"),
            ("alice@example.com ssh-ed25519 AAAA".to_owned(), 19, "the key cannot be read"),
            (format!("alice@example.com name=x {KEY}"), 19, "`name` is not an option"),
            (format!("a@b namespaces=x,cert-authority {KEY}"), 18, "certificates are not supported"),
            (format!("a@b valid-before=20261129 {KEY}"), 5, "is not in UTC"),
            (format!("a@b valid-before=20261329Z {KEY}"), 5, "`20261329Z` is not a time"),
            (format!("a@b valid-before=2026Z {KEY}"), 5, "`2026Z` is not a time"),
            (format!("a@b namespaces=\"x {KEY}"), 16, "this quote is not closed"),
        ] {
            let problems = parse(&format!("# One line.\n{line}\n")).unwrap_err();
            let [problem] = &problems[..] else { panic!("{problems:?}") };
            assert_eq!(problem.position, Some(Position { line: 2, column }), "{line}: {problem}");
            assert!(problem.message.contains(message) && !problem.fix.is_empty(), "{line}: {problem}");
        }
    }

    proptest! {
        #[test]
        fn any_file_is_read_or_reported(text in "(a@b|\"| |,|!|\\*|valid-before=|2026112[0-9]Z|namespaces=|ssh-ed25519 AAAA|#|\n|[ -~ü]{0,9}){0,20}") {
            let _ = parse(&text);
        }
    }
}
