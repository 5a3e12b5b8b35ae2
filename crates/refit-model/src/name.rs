//! Names as the server keeps them: folded, unquoted, unescaped and cut to length.

/// Bytes of a name that a server keeps: `NAMEDATALEN - 1`.
const NAME_BYTES: usize = 63;

/// Folds an unquoted identifier as a server with a multi-byte encoding does: ASCII letters only.
///
/// ```
/// assert_eq!(refit_model::fold("ÜBERSICHT_V"), "Übersicht_v");
/// ```
pub fn fold(identifier: &str) -> String {
    identifier.to_ascii_lowercase()
}

/// The name that an identifier stands for, as the catalogs have it.
///
/// Understands `name`, `"Name"` and `U&"\0441"`; for the last with the escape character `\`.
///
/// ```
/// assert_eq!(refit_model::identifier_name("Songs"), "songs");
/// assert_eq!(refit_model::identifier_name(r#""My ""best"" songs""#), r#"My "best" songs"#);
/// assert_eq!(refit_model::identifier_name(r#"U&"d\0061t\+000061""#), "data");
/// ```
pub fn identifier_name(identifier: &str) -> String {
    unescaped_name(identifier, '\\')
}

/// As [`identifier_name`], with the escape character that UESCAPE names.
pub(crate) fn unescaped_name(identifier: &str, escape: char) -> String {
    let (unicode, rest) = match identifier.get(..2) {
        Some(prefix) if prefix.eq_ignore_ascii_case("u&") && identifier[2..].starts_with('"') => {
            (true, &identifier[2..])
        }
        _ => (false, identifier),
    };
    let name = match rest.strip_prefix('"').map(|inner| inner.strip_suffix('"').unwrap_or(inner)) {
        Some(inner) if unicode => unescape(&inner.replace("\"\"", "\""), escape),
        Some(inner) => inner.replace("\"\"", "\""),
        None => fold(rest),
    };
    cut(name)
}

/// Cuts at the last character that the server keeps whole.
fn cut(mut name: String) -> String {
    if name.len() > NAME_BYTES {
        let end = (0..=NAME_BYTES).rev().find(|end| name.is_char_boundary(*end));
        name.truncate(end.unwrap_or(0));
    }
    name
}

/// Replaces `\XXXX` and `\+XXXXXX`; what is no escape stays as it stands, and the server reports it.
fn unescape(text: &str, escape: char) -> String {
    let mut name = String::with_capacity(text.len());
    let mut units: Vec<u16> = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        if first == escape {
            let after = &rest[first.len_utf8()..];
            if after.starts_with(escape) {
                flush(&mut units, &mut name);
                name.push(escape);
                rest = &after[escape.len_utf8()..];
                continue;
            }
            let (skip, digits) = if after.starts_with('+') { (1, 6) } else { (0, 4) };
            let code = after.get(skip..skip + digits).and_then(|hex| u32::from_str_radix(hex, 16).ok());
            if let Some(code) = code {
                // Surrogates come as two escapes that are one character.
                match (u16::try_from(code), char::from_u32(code)) {
                    (Ok(unit), _) => units.push(unit),
                    (Err(_), Some(character)) => {
                        flush(&mut units, &mut name);
                        name.push(character);
                    }
                    (Err(_), None) => {}
                }
                rest = &after[skip + digits..];
                continue;
            }
        }
        flush(&mut units, &mut name);
        name.push(first);
        rest = &rest[first.len_utf8()..];
    }
    flush(&mut units, &mut name);
    name
}

fn flush(units: &mut Vec<u16>, name: &mut String) {
    name.extend(char::decode_utf16(units.drain(..)).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_catalogs() {
        assert_eq!(identifier_name("ÜBERSICHT_v"), "Übersicht_v");
        assert_eq!(identifier_name("u&\"\\0441\\d83d\\de00\\\\x\""), "с😀\\x");
        assert_eq!(unescaped_name("U&\"d!0061t\"", '!'), "dat");
        assert_eq!(identifier_name(&"i".repeat(80)).len(), 63);
        assert_eq!(identifier_name(&format!("\"{}é\"", "x".repeat(62))), "x".repeat(62));
        assert_eq!(identifier_name("\"unfinished"), "unfinished");
    }
}
