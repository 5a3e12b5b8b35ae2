//! String constants, read as the server does: plain, escape, Unicode and dollar-quoted ones, and those in several
//! parts.

/// The text of a string constant; `None` for other literals.
pub(crate) fn string(text: &str) -> Option<String> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix('$') {
        let tag = rest.find('$')? + 2;
        return text.get(tag..text.len().checked_sub(tag)?).map(str::to_owned);
    }
    let (kind, quoted) = match text.as_bytes() {
        [b'e' | b'E', b'\'', ..] => (Kind::Escape, &text[1..]),
        [b'n' | b'N', b'\'', ..] => (Kind::Plain, &text[1..]),
        [b'u' | b'U', b'&', b'\'', ..] => (Kind::Unicode, &text[2..]),
        _ => (Kind::Plain, text),
    };
    let (raw, rest) = parts(quoted, kind)?;
    Some(match kind {
        Kind::Plain => raw,
        Kind::Escape => unescaped(&raw),
        Kind::Unicode => decoded(&raw, uescape(rest)?),
    })
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Plain,
    Escape,
    Unicode,
}

/// The text between the quotes, with doubled quotes reduced, and the rest after the last quote. A line break between
/// two quoted parts joins them.
fn parts(quoted: &str, kind: Kind) -> Option<(String, &str)> {
    let mut raw = String::with_capacity(quoted.len());
    let mut rest = quoted.strip_prefix('\'')?;
    loop {
        let at = rest.find(['\'', '\\'])?;
        raw.push_str(&rest[..at]);
        if rest.as_bytes()[at] == b'\\' {
            // In an escape string, a quote after a backslash does not end it.
            let escaped = rest[at + 1..].chars().next().filter(|_| kind == Kind::Escape);
            let end = at + 1 + escaped.map_or(0, char::len_utf8);
            raw.push_str(&rest[at..end]);
            rest = &rest[end..];
            continue;
        }
        rest = &rest[at + 1..];
        if let Some(further) = rest.strip_prefix('\'') {
            raw.push('\'');
            rest = further;
            continue;
        }
        let next = rest.trim_start();
        match next.strip_prefix('\'') {
            Some(further) if rest[..rest.len() - next.len()].contains('\n') => rest = further,
            _ => return Some((raw, next)),
        }
    }
}

/// Resolves the escapes of `E'…'`.
fn unescaped(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, escape)) = rest.split_once('\\') {
        text.push_str(before);
        let Some(first) = escape.chars().next() else { return text };
        let digits = |radix: u32, most: usize, from: &str| {
            let length = from.chars().take(most).take_while(|digit| digit.is_digit(radix)).count();
            u32::from_str_radix(&from[..length], radix).ok().map(|code| (code, length))
        };
        let behind = &escape[first.len_utf8()..];
        let coded = match first {
            '0'..='7' => digits(8, 3, escape).map(|(code, length)| (code & 0xff, length)),
            'x' => digits(16, 2, behind).map(|(code, length)| (code, length + 1)),
            'u' => digits(16, 4, behind).map(|(code, length)| (code, length + 1)),
            'U' => digits(16, 8, behind).map(|(code, length)| (code, length + 1)),
            _ => None,
        };
        let (character, length) = match coded {
            Some((code, length)) => (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), length),
            None => {
                let plain = match first {
                    'b' => '\u{8}',
                    'f' => '\u{c}',
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    other => other,
                };
                (plain, first.len_utf8())
            }
        };
        text.push(character);
        rest = &escape[length..];
    }
    text.push_str(rest);
    text
}

/// The character that UESCAPE sets for a Unicode string; a backslash by default.
fn uescape(behind: &str) -> Option<char> {
    match behind.get(..7) {
        Some(word) if word.eq_ignore_ascii_case("uescape") => {
            behind[7..].trim_start().strip_prefix('\'')?.chars().next()
        }
        _ => Some('\\'),
    }
}

/// Resolves the escapes of `U&'…'`: four digits, or a plus sign and six.
fn decoded(raw: &str, escape: char) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, behind)) = rest.split_once(escape) {
        text.push_str(before);
        let (skip, length) = if behind.starts_with('+') { (1, 6) } else { (0, 4) };
        let code = behind.get(skip..skip + length).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        match code.and_then(char::from_u32) {
            Some(character) => {
                text.push(character);
                rest = &behind[skip + length..];
            }
            None => {
                // A doubled escape character is a literal one.
                text.push(escape);
                rest = behind.strip_prefix(escape).unwrap_or(behind);
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn every_kind_of_quotes() {
        for (written, read) in [
            ("'a''b'", "a'b"),
            (r"'a\nb'", r"a\nb"),
            (r"E'a\n\'b''\\\x41\101\u0041'", "a\n'b'\\AAA"),
            ("'a'\n  'b'", "ab"),
            (r"U&'\0041\+000042\\'", r"AB\"),
            (r"U&'!0041' UESCAPE '!'", "A"),
            ("$$a'b$$", "a'b"),
            ("$x$a$$b$x$", "a$$b"),
            ("n'a'", "a"),
            (r"E'\é\'", "é"),
        ] {
            // The last one is not closed: its quote is escaped.
            let expected = (written != r"E'\é\'").then(|| read.to_owned());
            assert_eq!(string(written), expected, "{written}");
        }
        assert_eq!(string("1"), None);
        assert_eq!(string("'"), None);
    }
}
