//! Names and values of a catalog as SQL.

use refit_catalog::{Options, bare};
use refit_model::quoted_name;

/// A name of the catalog, quoted where SQL needs it: the catalog leaves keywords unquoted. A signature keeps its arguments.
pub(crate) fn sql(name: &str) -> String {
    let (path, rest) = name.split_at(outside_quotes(name, '(').unwrap_or(name.len()));
    let mut parts = Vec::new();
    let mut path = path;
    while let Some(dot) = outside_quotes(path, '.') {
        parts.push(&path[..dot]);
        path = &path[dot + 1..];
    }
    parts.push(path);
    let parts: Vec<String> = parts.into_iter().map(|part| quoted_name(&bare(part))).collect();
    parts.join(".") + rest
}

/// The schema of a qualified name, as SQL.
pub(crate) fn schema(name: &str) -> String {
    outside_quotes(name, '.').map_or_else(String::new, |dot| sql(&name[..dot]))
}

/// The last part of a qualified name, as the catalog writes it.
pub(crate) fn last(name: &str) -> &str {
    outside_quotes(name, '.').map_or(name, |dot| &name[dot + 1..])
}

/// The path of a signature, without its arguments.
pub(crate) fn path(signature: &str) -> &str {
    &signature[..outside_quotes(signature, '(').unwrap_or(signature.len())]
}

/// Names with commas.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a String>) -> String {
    names.into_iter().map(|name| sql(name)).collect::<Vec<_>>().join(", ")
}

/// A string in quotes.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A text, or NULL if it is empty.
pub(crate) fn comment(text: &str) -> String {
    if text.is_empty() { "NULL".to_owned() } else { literal(text) }
}

/// `name = 'value', …`
pub(crate) fn options(options: &Options) -> String {
    let pairs: Vec<String> =
        options.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
    pairs.join(", ")
}

/// The options to set, and the names of those to reset.
pub(crate) fn changed_options(before: &Options, after: &Options) -> (Options, Vec<String>) {
    let set = after.iter().filter(|(name, value)| before.get(*name) != Some(*value));
    let set = set.map(|(name, value)| (name.clone(), value.clone())).collect();
    let reset = before.keys().filter(|name| !after.contains_key(*name)).cloned().collect();
    (set, reset)
}

/// The actions that lead from storage parameters to others: SET and RESET.
pub(crate) fn set_and_reset(before: &Options, after: &Options) -> Vec<String> {
    let (set, reset) = changed_options(before, after);
    let mut actions = Vec::new();
    if !set.is_empty() {
        actions.push(format!("SET ({})", options(&set)));
    }
    if !reset.is_empty() {
        actions.push(format!("RESET ({})", reset.join(", ")));
    }
    actions
}

/// The action that leads to a default, or to none.
pub(crate) fn default_action(default: &str) -> String {
    match default {
        "" => "DROP DEFAULT".to_owned(),
        default => format!("SET DEFAULT {default}"),
    }
}

/// OPTIONS of foreign objects: which to add, set and drop.
pub(crate) fn server_options(before: &Options, after: &Options) -> Option<String> {
    let mut parts = Vec::new();
    for (name, value) in after {
        match before.get(name) {
            None => parts.push(format!("ADD {} {}", quoted_name(name), literal(value))),
            Some(old) if old != value => parts.push(format!("SET {} {}", quoted_name(name), literal(value))),
            Some(_) => {}
        }
    }
    parts.extend(
        before
            .keys()
            .filter(|name| !after.contains_key(*name))
            .map(|name| format!("DROP {}", quoted_name(name))),
    );
    (!parts.is_empty()).then(|| format!("OPTIONS ({})", parts.join(", ")))
}

/// OPTIONS of a new foreign object.
pub(crate) fn new_server_options(options: &Options) -> String {
    if options.is_empty() {
        return String::new();
    }
    let pairs: Vec<String> =
        options.iter().map(|(name, value)| format!("{} {}", quoted_name(name), literal(value))).collect();
    format!(" OPTIONS ({})", pairs.join(", "))
}

/// Whether a text of the server's mentions a name as a word.
pub(crate) fn mentions(text: &str, name: &str) -> bool {
    let wanted = bare(last(name));
    refit_model::significant_tokens(text).iter().any(|token| refit_model::identifier_name(token) == wanted)
}

/// Where a character is first, outside double quotes.
fn outside_quotes(text: &str, wanted: char) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '"';
        (!quoted && c == wanted).then_some(at)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_sql_needs_it() {
        assert_eq!(sql("public.order"), "public.\"order\"");
        assert_eq!(sql("public.\"a.b \"\"c\""), "public.\"a.b \"\"c\"");
        assert_eq!(sql("app.f(integer, \"x.y\")"), "app.f(integer, \"x.y\")");
        assert_eq!((schema("app.\"a.b\"").as_str(), last("app.\"a.b\"")), ("app", "\"a.b\""));
        assert!(
            mentions("SELECT a FROM public.\"Posts\"", "public.\"Posts\"")
                && !mentions("SELECT 'x'", "public.x")
        );
    }
}
