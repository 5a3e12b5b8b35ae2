//! Privileges as the difference from PostgreSQL's defaults: an access list that equals the default counts as none.

use std::collections::BTreeMap;

use crate::quote::ident;

/// Privileges by role: `SELECT, UPDATE*` (`*` is WITH GRANT OPTION), `ALL`, or `none` if a default was revoked.
/// `PUBLIC` is all roles; `(owner)` is the object's owner, listed only if it lacks a default privilege.
pub type Grants = BTreeMap<String, String>;

/// The kind of object with the privileges, which determines the defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum On {
    Table,
    Column,
    Sequence,
    Function,
    Type,
    Schema,
    Database,
    Language,
    Wrapper,
    Server,
    /// Privileges added to others, with no defaults; `ALL` is that of a table, sequence, function or type.
    Added(&'static str),
    /// The same if the kind of object is unknown.
    Nothing,
}

impl On {
    /// All existing privileges, as letters of an access list.
    fn all(self, version: u32) -> &'static str {
        match self {
            On::Table if version >= 17 => "Dadmrtwx",
            On::Table => "Dadrtwx",
            On::Column => "arwx",
            On::Sequence => "Urw",
            On::Function => "X",
            On::Type | On::Language | On::Wrapper | On::Server => "U",
            On::Schema => "CU",
            On::Database => "CTc",
            On::Added(all) => all,
            On::Nothing => "",
        }
    }

    /// Privileges that are added to those of an object by default.
    pub(crate) fn added(on: On) -> On {
        // MAINTAIN was added later; a server that has it grants it with ALL.
        On::Added(on.all(if on == On::Table { 17 } else { 14 }))
    }

    fn is_added(self) -> bool {
        matches!(self, On::Added(_) | On::Nothing)
    }

    fn public(self) -> &'static str {
        match self {
            On::Function => "X",
            On::Type | On::Language => "U",
            On::Database => "Tc",
            _ => "",
        }
    }

    /// The default privileges of an owner.
    fn owner(self, version: u32) -> &'static str {
        if self == On::Column || self.is_added() { "" } else { self.all(version) }
    }
}

/// Reads an access list (`None` is the default one). `owner` is the role's plain name, `version` the server's major one.
pub(crate) fn read(on: On, version: u32, owner: &str, list: Option<Vec<String>>) -> Grants {
    let Some(list) = list else { return Grants::new() };
    let mut found: BTreeMap<String, Vec<(char, bool, String)>> = BTreeMap::new();
    for item in &list {
        let (grantee, rest) = role(item);
        let (letters, grantor) = rest.strip_prefix('=').unwrap_or(rest).split_once('/').unwrap_or((rest, ""));
        let grantor = role(grantor).0;
        let held = found.entry(grantee).or_default();
        let mut letters = letters.chars().peekable();
        while let Some(letter) = letters.next() {
            let option = letters.next_if_eq(&'*').is_some();
            held.push((letter, option, grantor.clone()));
        }
    }
    let defaults = [(owner, on.owner(version)), ("", on.public())];
    let mut grants = Grants::new();
    for (role, default) in defaults {
        if !default.is_empty() && !found.contains_key(role) {
            grants.insert(grantee(role, owner, on), "none".into());
        }
    }
    for (role, held) in found {
        let default = defaults.iter().find(|(name, _)| *name == role).map_or("", |(_, default)| default);
        let mut letters: Vec<char> = held.iter().map(|(letter, ..)| *letter).collect();
        letters.sort_unstable();
        let plain = held.iter().all(|(_, option, grantor)| !option && grantor == owner);
        if plain && letters.iter().collect::<String>() == default {
            continue;
        }
        grants.insert(grantee(&role, owner, on), words(on, version, owner, held));
    }
    grants
}

fn grantee(role: &str, owner: &str, on: On) -> String {
    match role {
        "" => "PUBLIC".into(),
        role if role == owner && !on.is_added() => "(owner)".into(),
        role => ident(role),
    }
}

/// The privileges of one role, as text.
fn words(on: On, version: u32, owner: &str, mut held: Vec<(char, bool, String)>) -> String {
    held.sort_by_key(|(letter, option, grantor)| (ORDER.find(*letter), *option, grantor.clone()));
    let same = held.windows(2).all(|pair| pair[0].1 == pair[1].1 && pair[0].2 == pair[1].2);
    let mut letters: Vec<char> = held.iter().map(|(letter, ..)| *letter).collect();
    letters.sort_unstable();
    let all = on.all(version);
    let before = version < 17 && matches!(on, On::Added("Dadmrtwx"));
    let all = if before { "Dadrtwx" } else { all };
    let suffix = |option: bool, grantor: &str| {
        let star = if option { "*" } else { "" };
        let by = if grantor == owner { String::new() } else { format!(" by {}", ident(grantor)) };
        format!("{star}{by}")
    };
    if let (true, Some((_, option, grantor))) =
        (all.len() > 1 && same && letters.iter().collect::<String>() == all, held.first())
    {
        return format!("ALL{}", suffix(*option, grantor));
    }
    let one = |(letter, option, grantor): &(char, bool, String)| {
        format!("{}{}", word(*letter), suffix(*option, grantor))
    };
    held.iter().map(one).collect::<Vec<_>>().join(", ")
}

const ORDER: &str = "rawdDxtmXUCcTsA";

fn word(letter: char) -> String {
    let word = match letter {
        'r' => "SELECT",
        'a' => "INSERT",
        'w' => "UPDATE",
        'd' => "DELETE",
        'D' => "TRUNCATE",
        'x' => "REFERENCES",
        't' => "TRIGGER",
        'm' => "MAINTAIN",
        'X' => "EXECUTE",
        'U' => "USAGE",
        'C' => "CREATE",
        'c' => "CONNECT",
        'T' => "TEMPORARY",
        's' => "SET",
        'A' => "ALTER SYSTEM",
        other => return format!("privilege {other}"),
    };
    word.into()
}

/// The role at the start of an item or grantor, unquoted, and the rest.
fn role(item: &str) -> (String, &str) {
    let Some(quoted) = item.strip_prefix('"') else {
        let end = item.find(['=', '/']).unwrap_or(item.len());
        return (item[..end].to_owned(), &item[end..]);
    };
    let mut name = String::new();
    let mut chars = quoted.char_indices().peekable();
    while let Some((index, c)) = chars.next() {
        if c != '"' {
            name.push(c);
        } else if chars.next_if(|(_, next)| *next == '"').is_some() {
            name.push('"');
        } else {
            return (name, &quoted[index + 1..]);
        }
    }
    (name, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(on: On, list: &[&str]) -> Vec<(String, String)> {
        read(on, 15, "own", Some(list.iter().map(|item| (*item).to_owned()).collect())).into_iter().collect()
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(role, may)| ((*role).to_owned(), (*may).to_owned())).collect()
    }

    #[test]
    fn only_what_differs_from_the_default_is_listed() {
        assert_eq!(shown(On::Table, &["own=arwdDxt/own"]), []);
        assert_eq!(shown(On::Function, &["=X/own", "own=X/own"]), []);
        assert_eq!(shown(On::Function, &["own=X/own"]), pairs(&[("PUBLIC", "none")]));
        assert_eq!(shown(On::Table, &[]), pairs(&[("(owner)", "none")]));
        assert_eq!(shown(On::Table, &["own=r/own"]), pairs(&[("(owner)", "SELECT")]));
        assert_eq!(shown(On::Column, &["r=w/own"]), pairs(&[("r", "UPDATE")]));
    }

    #[test]
    fn options_grantors_and_odd_names_are_listed() {
        let list = ["own=arwdDxt/own", "r=arwdDxt/own", "\"a=\"\"b\"=r*w/\"x/y\"", "=r/own"];
        let expected =
            [("\"a=\"\"b\"", "SELECT* by \"x/y\", UPDATE by \"x/y\""), ("PUBLIC", "SELECT"), ("r", "ALL")];
        assert_eq!(shown(On::Table, &list), pairs(&expected));
    }
}
