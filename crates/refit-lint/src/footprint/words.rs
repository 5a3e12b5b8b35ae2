//! The names in a text: its identifiers, also in bodies, and strings that look like names.

use std::collections::BTreeSet;

use refit_model::{identifier_name, significant_tokens};

use crate::sql::{Name, Span};

/// The possible names of objects: for `app.posts.title`, that and `app.posts`.
pub(super) fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    collect(text, &mut names);
    names
}

fn collect(text: &str, names: &mut BTreeSet<String>) {
    for chain in chains(text, &mut |body| collect(body, names)) {
        names.insert(key(&chain));
        if let [qualifiers @ .., _] = &chain[..]
            && !qualifiers.is_empty()
        {
            names.insert(key(qualifiers));
        }
    }
}

/// The qualified names of a text, and none of its qualifiers alone, for statements of which only the words are known.
pub(super) fn whole_names(text: &str) -> BTreeSet<String> {
    chains(text, &mut |_| {}).iter().map(|chain| key(chain)).collect()
}

/// Identifiers joined by dots. `visit` gets the texts in dollar quotes, and those in quotes that may be names.
fn chains(text: &str, visit: &mut dyn FnMut(&str)) -> Vec<Vec<String>> {
    let mut chains: Vec<Vec<String>> = Vec::new();
    let mut is_joined = false;
    for token in significant_tokens(text) {
        match token.chars().next() {
            Some('.') => {
                is_joined = true;
                continue;
            }
            Some('$') => visit(body(token)),
            Some('\'') => {
                let inner = token.trim_matches('\'');
                if is_like_a_name(inner) {
                    visit(inner);
                }
            }
            Some(first) if first == '"' || first == '_' || first.is_alphabetic() => {
                let name = identifier_name(token);
                match chains.last_mut().filter(|_| is_joined) {
                    Some(chain) => chain.push(name),
                    None => chains.push(vec![name]),
                }
                is_joined = false;
                continue;
            }
            _ => {}
        }
        is_joined = false;
    }
    chains
}

/// The text between dollar quotes.
fn body(token: &str) -> &str {
    let Some(end) = token[1..].find('$') else { return "" };
    let tag = &token[..end + 2];
    token[tag.len()..].strip_suffix(tag).unwrap_or_default()
}

fn is_like_a_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.' | '"'))
}

/// The key of a name, as that of [`Name`].
fn key(parts: &[String]) -> String {
    match parts {
        [schema, name] => {
            Name { schema: Some(schema.clone()), name: name.clone(), span: Span::default() }.key()
        }
        parts => parts.join("."),
    }
}
