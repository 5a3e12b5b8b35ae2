//! Finds secrets in any text by what precedes them: SQL that is truncated or wrongly quoted, connection strings, URLs,
//! messages.
//!
//! A match does not depend on the text far before it, so a stray quote elsewhere cannot hide a secret.

use std::ops::Range;

use super::names;

/// The ranges of secrets. In a `loose` text, which cannot be read as SQL tokens, an unquoted word after PASSWORD counts
/// too.
pub(super) fn spans(text: &str, loose: bool) -> Vec<Range<usize>> {
    if !names::may_hold(text) {
        return Vec::new();
    }
    let mut spans = urls(text);
    verifiers(text, &mut spans);
    // The tag of a dollar quote is not a name.
    let is_tag = |word: &Range<usize>| text[..word.start].ends_with('$') || text[word.end..].starts_with('$');
    for word in words(text).filter(|word| names::is_secret(&text[word.clone()]) && !is_tag(word)) {
        spans.extend(
            value(text, &word, loose).filter(|span| !span.is_empty() && !is_placeholder(&text[span.clone()])),
        );
    }
    spans
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Each run of name characters.
fn words(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at + text[at..].find(is_word)?;
        let end = text[start..].find(|c| !is_word(c)).map_or(text.len(), |length| start + length);
        at = end;
        Some(start..end)
    })
}

fn skip(text: &str, at: usize, is_skipped: impl Fn(char) -> bool) -> usize {
    text[at..].find(|c| !is_skipped(c)).map_or(text.len(), |length| at + length)
}

/// The secret after a name, if there is one.
fn value(text: &str, name: &Range<usize>, loose: bool) -> Option<Range<usize>> {
    if let Some(key) = key_detail(text, name.end) {
        return Some(key);
    }
    let closed = skip(text, name.end, |c| matches!(c, '"' | '\'' | '`' | '\\'));
    let closed = if text[name.end..closed].starts_with("''") && !text[..name.start].ends_with("''") {
        name.end
    } else {
        closed
    };
    // A quote after a space opens the value.
    let quoted =
        closed > name.end && closed - name.end <= 2 && text[..name.start].ends_with(['"', '\'', '`']);
    let after_name = if quoted { closed } else { name.end };
    let at = skip(text, after_name, char::is_whitespace);
    let separated = skip(text, at, |c| matches!(c, '=' | ':' | '>') || (quoted && c == ','));
    let mut at = skip(text, separated, char::is_whitespace);
    let has_separator = separated > skip(text, after_name, char::is_whitespace);
    for word in ["to", "by", "as"] {
        let next = text.get(at..at + 2).is_some_and(|next| next.eq_ignore_ascii_case(word));
        if !has_separator && next && text[at + 2..].starts_with(char::is_whitespace) {
            at = skip(text, at + 2, char::is_whitespace);
        }
    }
    if let Some(span) = quoted_value(text, at) {
        // The quote ends the literal that contains the name, and an operator follows.
        if text[span.clone()].trim_start().starts_with("||") {
            return None;
        }
        return (has_separator || span.start > at).then_some(span);
    }
    if has_separator {
        let end = skip(text, at, |c| {
            !c.is_whitespace() && !matches!(c, '\'' | '"' | '&' | ';' | ',' | ')' | '}' | ']')
        });
        return Some(at..end);
    }
    let is_bare = loose
        && text[name.clone()].eq_ignore_ascii_case("password")
        && after_name < at
        && of_role(&text[..name.start]);
    (is_bare && !is_prose(&text[at..])).then(|| at..unquoted_end(text, at))
}

/// `Key (name, password)=(a, x)`, as the server reports a row.
fn key_detail(text: &str, end: usize) -> Option<Range<usize>> {
    let columns = text[end..].find(")=(").filter(|length| *length < 200)?;
    if text[end..end + columns].contains(['(', '\n', ';']) {
        return None;
    }
    let start = end + columns + 3;
    let close = text[start..].find(") ").or_else(|| text[start..].rfind(')')).unwrap_or(text.len() - start);
    Some(start..start + close)
}

/// Whether CREATE ROLE or similar comes before.
fn of_role(before: &str) -> bool {
    let mut last = "";
    for word in words(before) {
        let word = &before[word];
        let made = last.eq_ignore_ascii_case("create") || last.eq_ignore_ascii_case("alter");
        if made && ["role", "user", "group"].iter().any(|kind| word.eq_ignore_ascii_case(kind)) {
            return true;
        }
        last = word;
    }
    false
}

fn is_prose(text: &str) -> bool {
    const WORDS: [&str; 12] =
        ["null", "authentication", "for", "is", "was", "must", "cannot", "and", "or", "of", "valid", "too"];
    let first = text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    WORDS.iter().any(|word| first.eq_ignore_ascii_case(word)) || text.starts_with(';') || text.is_empty()
}

/// The end of a secret without SQL quotes: the closing quote, or the next space.
pub(super) fn unquoted_end(text: &str, start: usize) -> usize {
    const PAIRS: [(char, char); 7] =
        [('"', '"'), ('`', '`'), ('‘', '’'), ('“', '”'), ('«', '»'), ('’', '’'), ('´', '´')];
    let space = || skip(text, start, |c| !c.is_whitespace() && c != ';');
    let first = text[start..].chars().next();
    let Some((open, close)) = PAIRS.into_iter().find(|(open, _)| first == Some(*open)) else {
        return space();
    };
    let inside = start + open.len_utf8();
    text[inside..].find(close).map_or_else(space, |length| inside + length + close.len_utf8())
}

/// The inside of a quoted value that begins here, with any kind of quotes; up to the end if it is truncated.
fn quoted_value(text: &str, at: usize) -> Option<Range<usize>> {
    let rest = &text[at..];
    let prefix = ["E", "e", "N", "n", "U&", "u&", "B", "X", "\\"]
        .iter()
        .find(|prefix| rest.strip_prefix(**prefix).is_some_and(|rest| rest.starts_with(['\'', '"'])));
    let at = at + prefix.map_or(0, |prefix| prefix.len());
    let rest = &text[at..];
    match rest.chars().next()? {
        '\'' => Some(single_quoted(text, at)),
        quote @ ('"' | '`') => {
            let start = at + 1;
            let end = text[start..].find(quote).map_or(text.len(), |length| start + length);
            Some(start..end)
        }
        '$' => {
            let tag = rest[1..]
                .find('$')
                .filter(|length| rest[1..=*length].chars().all(|c| c.is_alphanumeric() || c == '_'))?;
            let tag = &rest[..tag + 2];
            let start = at + tag.len();
            Some(start..text[start..].find(tag).map_or(text.len(), |length| start + length))
        }
        '‘' | '“' => {
            let end = unquoted_end(text, at);
            Some(at + '‘'.len_utf8()..end.max(at + '‘'.len_utf8()))
        }
        _ => None,
    }
}

/// Quotes in the value are doubled or escaped; in a literal within a literal all are doubled.
fn single_quoted(text: &str, at: usize) -> Range<usize> {
    let bytes = text.as_bytes();
    let run = |from: usize| bytes[from..].iter().take_while(|byte| **byte == b'\'').count();
    let opening = run(at);
    if opening % 2 == 0 {
        // Doubled by the enclosing literal: the same run closes it. An empty value has no end of its own.
        let start = at + opening;
        let doubled = "'".repeat(opening);
        let next_line = text[start..].find('\n').map_or(text.len(), |length| start + length);
        let close = text[start..next_line].find(&doubled).map(|length| start + length);
        return match close {
            Some(close) => start..close,
            None if text[start..].starts_with(|c: char| c.is_alphanumeric()) => start..next_line,
            None => start..start,
        };
    }
    let start = at + 1;
    let mut end = start;
    while end < text.len() {
        match bytes[end] {
            b'\\' => end += 2,
            b'\'' if run(end) % 2 == 1 => return start..end,
            b'\'' => end += run(end),
            _ => end += 1,
        }
    }
    start..text.len()
}

/// Placeholders that a program fills later: `%L`, `$1`, `:name`, `{}`.
pub(super) fn is_placeholder(text: &str) -> bool {
    let parameter = text
        .strip_prefix('$')
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()) && rest.len() < 3);
    parameter
        || (text.starts_with('%') && text.len() <= 4 && text.ends_with(['L', 's', 'I']))
        || matches!(text, "?" | "{}" | "********")
}

/// Passwords in URLs: everything between the first colon and the last `@`, because an unencoded password may contain
/// either.
fn urls(text: &str) -> Vec<Range<usize>> {
    let mut spans = Vec::new();
    for (scheme, _) in text.match_indices("://") {
        let start = scheme + 3;
        let end = skip(text, start, |c| !c.is_whitespace() && !matches!(c, '\'' | '"' | '<' | '>' | '`'));
        let url = &text[start..end];
        let Some(colon) = url.find(':') else { continue };
        match url.rfind('@') {
            Some(at) if at > colon => spans.push(start + colon + 1..start + at),
            Some(_) => {}
            // Truncated before the `@`: the text after the colon is not a port.
            None => {
                let rest = &url[colon + 1..];
                let port = rest.bytes().take_while(u8::is_ascii_digit).count();
                let is_port =
                    rest[port..].is_empty() || rest[port..].starts_with(['/', '?', ',', ')', ';', ':', '.']);
                if !is_port && !url[..colon].contains('/') && !url.starts_with('[') {
                    spans.push(start + colon + 1..end);
                }
            }
        }
    }
    spans
}

/// Verifiers as stored in `pg_authid`.
fn verifiers(text: &str, spans: &mut Vec<Range<usize>>) {
    for (start, _) in text.match_indices("SCRAM-SHA-256$") {
        spans.push(start..skip(text, start, |c| c.is_ascii_alphanumeric() || "-$:+/=".contains(c)));
    }
    for (start, _) in text.match_indices("md5") {
        let end = skip(text, start + 3, |c| c.is_ascii_hexdigit());
        if end == start + 35 {
            spans.push(start..end);
        }
    }
}

/// Whether a piece of SQL ends where a secret is to be inserted, or has a placeholder for one.
pub(super) fn awaits_secret(text: &str) -> bool {
    words(text).filter(|word| names::is_secret(&text[word.clone()])).any(|word| {
        let at =
            skip(text, word.end, |c| c.is_whitespace() || matches!(c, '"' | '\'' | '=' | ':' | '`' | '>'));
        let rest = &text[at..];
        rest.is_empty() && at > word.end || rest.starts_with(['%', '$', '?'])
    })
}
