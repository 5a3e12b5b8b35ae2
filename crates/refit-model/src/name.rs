//! Names as the server stores them: folded, unquoted, unescaped and truncated.

/// Maximum length of a name in bytes: `NAMEDATALEN - 1`.
const NAME_BYTES: usize = 63;

/// Folds an unquoted identifier as a server with a multi-byte encoding does: only ASCII letters.
///
/// ```
/// assert_eq!(refit_model::fold("ÜBERSICHT_V"), "Übersicht_v");
/// ```
pub fn fold(identifier: &str) -> String {
    identifier.to_ascii_lowercase()
}

/// The name that an identifier stands for, as stored in the catalogs.
///
/// Supports `name`, `"Name"` and `U&"\0441"`, the last with the escape character `\`.
///
/// ```
/// assert_eq!(refit_model::identifier_name("Songs"), "songs");
/// assert_eq!(refit_model::identifier_name(r#""My ""best"" songs""#), r#"My "best" songs"#);
/// assert_eq!(refit_model::identifier_name(r#"U&"d\0061t\+000061""#), "data");
/// ```
pub fn identifier_name(identifier: &str) -> String {
    unescaped_name(identifier, '\\')
}

/// A name as an SQL identifier, quoted if needed, like `quote_ident` of the server.
///
/// ```
/// assert_eq!(refit_model::quoted_name("songs"), "songs");
/// assert_eq!(refit_model::quoted_name("My \"best\""), r#""My ""best""""#);
/// assert_eq!(refit_model::quoted_name("user"), r#""user""#);
/// ```
pub fn quoted_name(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().is_some_and(|c| c.is_ascii_lowercase() || c == '_');
    let is_plain = first && characters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    match is_plain && KEYWORDS.binary_search(&name).is_err() {
        true => name.to_owned(),
        false => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// Like [`identifier_name`], with the escape character given by UESCAPE.
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

/// Truncates at the last character that fits.
fn cut(mut name: String) -> String {
    if name.len() > NAME_BYTES {
        let end = (0..=NAME_BYTES).rev().find(|end| name.is_char_boundary(*end));
        name.truncate(end.unwrap_or(0));
    }
    name
}

/// Replaces `\XXXX` and `\+XXXXXX`. Invalid escapes are kept, and the server reports them.
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
                // A character outside the basic plane is written as two escapes, its surrogates.
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

/// Keywords that cannot be used as names everywhere: those that `pg_get_keywords` of PostgreSQL 14 to 18 does not call
/// unreserved.
#[rustfmt::skip]
const KEYWORDS: [&str; 164] = [
    "all", "analyse", "analyze", "and", "any", "array", "as", "asc", "asymmetric", "authorization",
    "between", "bigint", "binary", "bit", "boolean", "both", "case", "cast", "char", "character",
    "check", "coalesce", "collate", "collation", "column", "concurrently", "constraint", "create", "cross", "current_catalog",
    "current_date", "current_role", "current_schema", "current_time", "current_timestamp", "current_user", "dec", "decimal", "default", "deferrable",
    "desc", "distinct", "do", "else", "end", "except", "exists", "extract", "false", "fetch",
    "float", "for", "foreign", "freeze", "from", "full", "grant", "greatest", "group", "grouping",
    "having", "ilike", "in", "initially", "inner", "inout", "int", "integer", "intersect", "interval",
    "into", "is", "isnull", "join", "json", "json_array", "json_arrayagg", "json_exists", "json_object", "json_objectagg",
    "json_query", "json_scalar", "json_serialize", "json_table", "json_value", "lateral", "leading", "least", "left", "like",
    "limit", "localtime", "localtimestamp", "merge_action", "national", "natural", "nchar", "none", "normalize", "not",
    "notnull", "null", "nullif", "numeric", "offset", "on", "only", "or", "order", "out",
    "outer", "overlaps", "overlay", "placing", "position", "precision", "primary", "real", "references", "returning",
    "right", "row", "select", "session_user", "setof", "similar", "smallint", "some", "substring", "symmetric",
    "system_user", "table", "tablesample", "then", "time", "timestamp", "to", "trailing", "treat", "trim",
    "true", "union", "unique", "user", "using", "values", "varchar", "variadic", "verbose", "when",
    "where", "window", "with", "xmlattributes", "xmlconcat", "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse",
    "xmlpi", "xmlroot", "xmlserialize", "xmltable",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keywords_are_in_order() {
        assert!(KEYWORDS.is_sorted());
    }

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
