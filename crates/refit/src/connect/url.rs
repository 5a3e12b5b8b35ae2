//! Takes parameters out of a URL that libpq supports and the driver does not.

use percent_encoding::percent_decode_str;

use super::parameters::{Parameters, Taken};
use crate::error::Error;

/// What to do about a malformed URL.
pub(super) const FORM: &str = "write it as postgres://user:password@host:5432/database";

/// Rejects a URL whose password is not percent-encoded: the text after an `@` or `?` in it would be taken for a host or a
/// parameter, and errors would show it.
pub(super) fn refuse_stray_at(text: &str) -> Result<(), Error> {
    let Some((_, rest)) = text.split_once("://") else { return Ok(()) };
    let Some((credentials, place)) = rest.split_once('@') else { return Ok(()) };
    // Values of parameters may contain an `@`.
    let place = place.split_once('?').map_or(place, |(place, _)| place);
    if credentials.contains('?') || place.contains('@') {
        let fix = "in user, password and database, write `@` as %40, `?` as %3F and `/` as %2F";
        return Err(Error::Url(format!("misplaced `@` or `?`; {fix}")));
    }
    Ok(())
}

/// The rest of the text, for the driver, and the parameters that were taken out.
pub(super) fn split(text: &str) -> Result<(String, Parameters), Error> {
    let text = text.trim();
    let mut parameters = Parameters::default();
    let rest = if text.starts_with("postgres://") || text.starts_with("postgresql://") {
        split_url(text, &mut parameters)?
    } else if text.contains("://") {
        let scheme = text.split("://").next().unwrap_or_default();
        return Err(Error::Url(format!("`{scheme}` is not PostgreSQL; {FORM}")));
    } else {
        split_pairs(text, &mut parameters)?
    };
    Ok((rest, parameters))
}

/// A text that [`split`] has accepted, without the password in it.
pub(super) fn without_password(text: &str) -> String {
    let text = text.trim();
    let Some((scheme, rest)) = text.split_once("://") else { return pairs_without_password(text) };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, query),
        None => (rest, ""),
    };
    let place = match place.split_once('@') {
        Some((credentials, host)) => {
            format!("{}@{host}", credentials.split_once(':').map_or(credentials, |(user, _)| user))
        }
        None => place.to_owned(),
    };
    let is_secret = |pair: &&str| pair.split_once('=').is_some_and(|(key, _)| key == "password");
    let kept: Vec<&str> = query.split('&').filter(|pair| !pair.is_empty() && !is_secret(pair)).collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    format!("{scheme}://{place}{mark}{}", kept.join("&"))
}

fn pairs_without_password(text: &str) -> String {
    let mut kept = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let (raw, _, remaining) = take_value(after.trim_start());
        if key.trim() != "password" {
            kept.push(format!("{}={raw}", key.trim()));
        }
        rest = remaining.trim_start();
    }
    kept.join(" ")
}

fn split_url(text: &str, parameters: &mut Parameters) -> Result<String, Error> {
    let Some((base, query)) = text.split_once('?') else { return Ok(text.to_owned()) };
    let mut kept = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, raw) = pair.split_once('=').unwrap_or((pair, ""));
        let value = percent_decode_str(raw).decode_utf8();
        let value = value.map_err(|_| Error::Url(format!("`{key}` is not valid UTF-8")))?;
        match parameters.take(key, &value)? {
            Taken::Driver => kept.push(pair.to_owned()),
            Taken::As(name) => kept.push(format!("{name}={raw}")),
            Taken::Read => {}
        }
    }
    Ok(if kept.is_empty() { base.to_owned() } else { format!("{base}?{}", kept.join("&")) })
}

/// `key=value key='quoted value'`, as libpq writes it.
fn split_pairs(text: &str, parameters: &mut Parameters) -> Result<String, Error> {
    let mut kept = Vec::new();
    let mut rest = text;
    while let Some((key, after)) = rest.split_once('=') {
        let (raw, value, remaining) = take_value(after.trim_start());
        let key = key.trim();
        match parameters.take(key, &value)? {
            Taken::Driver => kept.push(format!("{key}={raw}")),
            Taken::As(name) => kept.push(format!("{name}={raw}")),
            Taken::Read => {}
        }
        rest = remaining.trim_start();
    }
    // The driver reports text without `=`.
    kept.push(rest.to_owned());
    Ok(kept.join(" ").trim().to_owned())
}

/// The value as written, the unquoted value, and the text after it.
fn take_value(text: &str) -> (&str, String, &str) {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut characters = text.char_indices().skip(usize::from(quoted));
    while let Some((index, character)) = characters.next() {
        match character {
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            '\'' if quoted => return (&text[..=index], value, &text[index + 1..]),
            _ if !quoted && character.is_whitespace() => return (&text[..index], value, &text[index..]),
            _ => value.push(character),
        }
    }
    (text, value, "")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tls::SslMode;
    use super::*;

    #[test]
    fn parameters_are_split_from_the_rest() {
        let (rest, parameters) =
            split("postgres://u:p%40@h:1/d?application_name=x&sslmode=verify-ca&sslrootcert=%2Fa%20b.crt")
                .unwrap();
        assert_eq!(rest, "postgres://u:p%40@h:1/d?application_name=x");
        assert_eq!(parameters.tls.mode, SslMode::VerifyCa);
        assert_eq!(parameters.tls.root_certificate.unwrap().to_str(), Some("/a b.crt"));
        let (rest, parameters) = split("host=h password='a b\\'c' sslmode = require dbname=d").unwrap();
        assert_eq!(rest, "host=h password='a b\\'c' dbname=d");
        assert_eq!(parameters.tls.mode, SslMode::Require);
    }

    #[test]
    fn the_password_is_removed_for_other_programs() {
        for (text, without) in [
            ("postgres://u:p%40x@h:1/d?sslmode=require", "postgres://u@h:1/d?sslmode=require"),
            ("postgres://u@h/d?password=secret", "postgres://u@h/d"),
            ("postgresql://h/d?a=1&password=s&b=2", "postgresql://h/d?a=1&b=2"),
            (
                "host=h password='a b\\'c' sslmode = require dbname='x y'",
                "host=h sslmode=require dbname='x y'",
            ),
        ] {
            assert_eq!(without_password(text), without);
        }
    }

    #[test]
    fn errors_name_the_cause() {
        let message = |text| split(text).unwrap_err().to_string();
        assert!(message("postgres://h/d?sslmode=yes").contains("verify-full"));
        assert!(message("mysql://h/d").contains("`mysql` is not PostgreSQL"));
    }

    #[test]
    fn a_password_that_was_not_encoded_is_never_shown() {
        for text in
            ["postgres://u:p@secret@h/d", "postgres://u:a?secret=x@h/d", "postgres://u:p@secret/x@h/d"]
        {
            let message = crate::connect::Target::parse(text).unwrap_err().to_string();
            assert!(message.contains("%40") && !message.contains("secret"), "{message}");
        }
        assert!(crate::connect::Target::parse("postgres://u:a/b%40@h/d?application_name=x@y").is_ok());
    }

    proptest! {
        #[test]
        fn any_text_is_split_or_rejected(text in "\\PC{0,80}") {
            let _ = split(&text);
            let _ = crate::connect::Target::parse(&text);
        }

        #[test]
        fn any_pairs_are_split_or_rejected(text in "(host|sslmode|password)=('[a-z\\\\ ]{0,5}'?|[a-z]{0,5}) ?(dbname='?x)?") {
            let _ = split(&text);
        }
    }
}
