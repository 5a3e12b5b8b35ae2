//! The value of an SQL literal, and the position of each of its bytes in the text.

use squawk_lexer::LiteralKind;

/// The value of a literal.
pub(super) struct Decoded {
    pub(super) text: String,
    /// For each byte of the value, and for its end, the byte of the literal that it comes from.
    map: Vec<usize>,
}

impl Decoded {
    /// The range of the literal for a range of the value.
    pub(super) fn range(&self, range: &std::ops::Range<usize>) -> std::ops::Range<usize> {
        self.map[range.start]..self.map[range.end]
    }
}

/// The range between the quotes of a literal, or up to the end if it is unterminated.
pub(super) fn inside(literal: &str, kind: LiteralKind) -> std::ops::Range<usize> {
    let (open, close) = match kind {
        LiteralKind::DollarQuotedString { terminated } => {
            let tag = literal[1..].find('$').map_or(literal.len(), |at| at + 2);
            (tag, if terminated { literal.len().saturating_sub(tag) } else { literal.len() })
        }
        _ => {
            let open = literal.find('\'').map_or(literal.len(), |at| at + 1);
            (open, if terminated(kind) { literal.len() - 1 } else { literal.len() })
        }
    };
    open..close.max(open)
}

/// Whether it is some kind of string, whose value is text.
pub(super) fn is_string(kind: LiteralKind) -> bool {
    !matches!(kind, LiteralKind::Int { .. } | LiteralKind::Numeric { .. })
}

pub(super) fn terminated(kind: LiteralKind) -> bool {
    match kind {
        LiteralKind::Str { terminated }
        | LiteralKind::NationalStr { terminated }
        | LiteralKind::EscStr { terminated }
        | LiteralKind::UnicodeEscStr { terminated }
        | LiteralKind::BitStr { terminated }
        | LiteralKind::ByteStr { terminated }
        | LiteralKind::DollarQuotedString { terminated } => terminated,
        _ => true,
    }
}

/// Reads a literal as the server does, with `standard_conforming_strings = on`.
pub(super) fn decode(literal: &str, kind: LiteralKind) -> Decoded {
    let inside = inside(literal, kind);
    let mut decoded = Decoded { text: String::new(), map: Vec::new() };
    let mut rest = inside.clone();
    while let Some(first) = literal[rest.clone()].chars().next() {
        let at = rest.start;
        let (character, length) = match (kind, first) {
            (LiteralKind::DollarQuotedString { .. }, _) => (first, first.len_utf8()),
            (_, '\'') => (first, if literal[at..inside.end].starts_with("''") { 2 } else { 1 }),
            (LiteralKind::EscStr { .. }, '\\') => escape(&literal[at..inside.end]),
            (LiteralKind::UnicodeEscStr { .. }, '\\') => unicode_escape(&literal[at..inside.end]),
            _ => (first, first.len_utf8()),
        };
        decoded.text.push(character);
        decoded.map.resize(decoded.text.len(), at);
        rest.start = (at + length).min(inside.end);
    }
    decoded.map.push(inside.end);
    decoded
}

/// The character that an escape of an `E''` literal stands for, and the length of the escape.
fn escape(text: &str) -> (char, usize) {
    let Some(kind) = text[1..].chars().next() else { return ('\\', 1) };
    let number = |from: usize, most: usize, radix: u32| {
        let digits = text[from..].chars().take(most).take_while(|c| c.is_digit(radix)).count();
        let value = u32::from_str_radix(&text[from..from + digits], radix).ok();
        (value.and_then(char::from_u32).unwrap_or('\u{fffd}'), from + digits)
    };
    match kind {
        'b' => ('\u{8}', 2),
        'f' => ('\u{c}', 2),
        'n' => ('\n', 2),
        'r' => ('\r', 2),
        't' => ('\t', 2),
        '0'..='7' => number(1, 3, 8),
        'x' => number(2, 2, 16),
        'u' => number(2, 4, 16),
        'U' => number(2, 8, 16),
        other => (other, 1 + other.len_utf8()),
    }
}

/// The same for `U&''`, with the backslash as escape character.
fn unicode_escape(text: &str) -> (char, usize) {
    if text[1..].starts_with('\\') {
        return ('\\', 2);
    }
    let (from, most) = if text[1..].starts_with('+') { (2, 6) } else { (1, 4) };
    let digits = text[from..].chars().take(most).take_while(char::is_ascii_hexdigit).count();
    let value = u32::from_str_radix(&text[from..from + digits], 16).ok();
    (value.and_then(char::from_u32).unwrap_or('\u{fffd}'), from + digits)
}
