//! Dependencies go one way, between the modules of a crate and between crates.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{TokenStream, TokenTree};

/// The modules that each module names, each with a file that names it.
type Uses = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn the_modules_of_refit_depend_on_each_other_one_way() {
    let uses = uses(&crate::support::scratch::workspace().join("crates/refit/src"));
    assert!(uses.contains_key("migrator") && uses["migrator"].contains_key("planner"), "no module was read");
    assert_one_way(uses);
}

#[test]
fn the_modules_of_the_sample_service_depend_on_each_other_one_way() {
    let uses = uses(&crate::support::scratch::workspace().join("crates/content-service/src"));
    assert!(uses.contains_key("boot") && uses["boot"].contains_key("router"), "no module was read");
    assert_one_way(uses);
}

#[test]
fn cycles_are_found() {
    let named = |modules: &[&str]| modules.iter().map(|name| ((*name).to_owned(), String::new())).collect();
    let uses = Uses::from([
        ("a".to_owned(), named(&["b", "d"])),
        ("b".to_owned(), named(&["c"])),
        ("c".to_owned(), named(&["b"])),
        ("d".to_owned(), named(&[])),
    ]);
    assert_eq!(
        cycle(uses).into_keys().collect::<Vec<_>>(),
        ["a", "b", "c"],
        "modules that lead into a cycle are shown too"
    );
}

/// Code that commands share is in modules beside `commands`.
#[test]
fn no_command_imports_another() {
    let commands = crate::support::scratch::workspace().join("crates/refit-xtask/src/commands");
    let mut complaints = Vec::new();
    for path in super::tidy::sources(&commands) {
        let file = path.strip_prefix(&commands).unwrap().with_extension("");
        let own = file.iter().next().unwrap().to_str().unwrap();
        let code: TokenStream = std::fs::read_to_string(&path).unwrap().parse().unwrap();
        let mut paths = Vec::new();
        paths_of(code.clone(), "crate", &mut paths);
        let others =
            paths.iter().filter(|path| path[0] == "commands" && path.get(1).is_none_or(|name| name != own));
        complaints.extend(others.map(|path| format!("{} names crate::{}", file.display(), path.join("::"))));
        let mut siblings = Vec::new();
        if file.iter().count() == 1 {
            paths_of(without_tests(code), "super", &mut siblings);
        }
        complaints.extend(
            siblings.iter().map(|path| format!("{} names super::{}", file.display(), path.join("::"))),
        );
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Replacing or upgrading the parser changes only these places.
#[test]
fn the_parser_is_named_in_few_places() {
    let at_home = [
        "crates/refit-lint/src/parser/",
        "crates/refit-model/src/directive.rs",
        "crates/refit-model/src/placeholder.rs",
        "crates/refit-model/src/redact/",
        "crates/refit-model/src/statement",
        "crates/refit/src/backfill/engine/shape/tokens.rs",
    ];
    only_in(&["squawk_".to_owned()], &at_home);
}

/// Only refit-catalog reads whole schemas; single facts are queried where they are needed.
#[test]
fn the_catalog_is_queried_in_few_places() {
    let at_home = [
        "crates/refit-backup/src/",
        "crates/refit-bench/src/",
        "crates/refit-catalog/src/",
        "crates/refit-devdb/src/",
        // Checks that recipes write.
        "crates/refit-recipes/src/",
        "crates/refit-rehearsal/src/observe/",
        "crates/refit-rehearsal/src/rows/",
        "crates/refit-scenarios/src/",
        "crates/refit-xtask/src/adopt/",
        "crates/refit/src/",
        // Examples of the rules.
        "crates/refit-lint/src/rules/",
    ];
    let tables =
        ["pg_class", "pg_attribute", "pg_constraint", "pg_index", "pg_namespace", "pg_proc", "pg_type"];
    let queries = tables.map(|table| [format!("FROM {table}"), format!("FROM pg_catalog.{table}")]);
    only_in(&queries.concat(), &at_home);
}

/// Files that the documents for maintainers name exist.
#[test]
fn files_named_in_the_maintainer_documents_exist() {
    let root = crate::support::scratch::workspace();
    let files: Vec<String> = ["rs", "sql", "txt", "toml", "md", "json"]
        .iter()
        .flat_map(|extension| super::tidy::files(root, extension))
        .map(|path| format!("/{}", path.strip_prefix(root).unwrap().display()))
        .collect();
    let is_file = |word: &str| {
        word.contains('/')
            && !word.contains(['<', '*', ' ', '{'])
            && Path::new(word).extension().is_some_and(|extension| extension == "rs" || extension == "sql")
    };
    for paper in ["ARCHITECTURE.md", "CONTRIBUTING.md"] {
        let text = std::fs::read_to_string(root.join(paper)).unwrap();
        let named = text.split('`').skip(1).step_by(2).filter(|word| is_file(word));
        let gone: Vec<&str> =
            named.filter(|word| !files.iter().any(|file| file.ends_with(&format!("/{word}")))).collect();
        assert!(gone.is_empty(), "{paper} names {gone:?}");
    }
}

/// Fails if one of the texts is in a source file that is neither in one of these places nor a test.
fn only_in(texts: &[String], places: &[&str]) {
    let root = crate::support::scratch::workspace();
    let mut found = Vec::new();
    for path in super::tidy::sources(&root.join("crates")) {
        let name = path.strip_prefix(root).unwrap().to_str().unwrap();
        if name.contains("/tests/") || places.iter().any(|place| name.starts_with(place)) {
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let named = texts.iter().filter(|text| source.contains(*text));
        found.extend(named.map(|text| format!("{text} is in {name}")));
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Fails if modules depend on each other, or on items of `lib.rs`, which depends on all of them.
fn assert_one_way(uses: Uses) {
    let root: Vec<String> = uses
        .values()
        .flatten()
        .filter(|(other, _)| !uses.contains_key(*other))
        .map(|(item, file)| format!("{file} names crate::{item}"))
        .collect();
    assert!(root.is_empty(), "move what these files use from lib.rs into a module:\n{}", root.join("\n"));
    let cycle = cycle(uses);
    let edges = cycle.iter().flat_map(|(module, named)| {
        named.iter().map(move |(other, file)| format!("{module} names {other} in {file}"))
    });
    assert!(
        cycle.is_empty(),
        "these modules depend on each other:\n{}",
        edges.collect::<Vec<_>>().join("\n")
    );
}

/// The modules that remain after repeatedly removing those that depend on no others.
fn cycle(mut uses: Uses) -> Uses {
    loop {
        let known: BTreeSet<String> = uses.keys().cloned().collect();
        for named in uses.values_mut() {
            named.retain(|module, _| known.contains(module));
        }
        let before = uses.len();
        uses.retain(|_, named| !named.is_empty());
        if uses.len() == before {
            return uses;
        }
    }
}

fn uses(source: &Path) -> Uses {
    let mut uses = Uses::new();
    for path in super::tidy::sources(source) {
        let file = path.strip_prefix(source).unwrap().with_extension("");
        let parts: Vec<&str> = file.iter().map(|part| part.to_str().unwrap()).collect();
        let module = module(&parts);
        if module == "lib" {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let mut paths = Vec::new();
        paths_of(without_tests(text.parse().unwrap()), "crate", &mut paths);
        let named = uses.entry(module.clone()).or_default();
        for path in paths {
            let other = self::module(&path.iter().map(String::as_str).collect::<Vec<_>>());
            if other != module {
                named.entry(other).or_insert_with(|| file.display().to_string());
            }
        }
    }
    uses
}

/// The module of a path in the crate. `backfill` counts as two: the engine, and the driver that a migrator uses.
fn module(path: &[&str]) -> String {
    match path {
        ["backfill", part @ ("driver" | "engine"), ..] => format!("backfill::{part}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

/// The first parts of the paths that begin with `root`: `crate` or `super`.
fn paths_of(code: TokenStream, root: &str, found: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            TokenTree::Group(group) => paths_of(group.stream(), root, found),
            TokenTree::Ident(ident) if ident == root => {
                let rest = tokens[at + 1..].iter().filter(|token| !matches!(token, TokenTree::Punct(_)));
                let mut named = rest.take(2);
                match named.next() {
                    Some(TokenTree::Ident(first)) => {
                        let second = named.next().and_then(|token| match token {
                            TokenTree::Ident(second) => Some(second.to_string()),
                            _ => None,
                        });
                        found.push(std::iter::once(first.to_string()).chain(second).collect());
                    }
                    Some(TokenTree::Group(group)) => {
                        let names = group.stream().into_iter().filter_map(|token| match token {
                            TokenTree::Ident(ident) => Some(vec![ident.to_string()]),
                            _ => None,
                        });
                        found.extend(names);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}

/// The code without its `mod tests { … }`.
fn without_tests(code: TokenStream) -> TokenStream {
    let tokens: Vec<TokenTree> = code.into_iter().collect();
    let is_tests = |at: usize| {
        matches!(&tokens[at], TokenTree::Group(_))
            && at >= 2
            && matches!(&tokens[at - 1], TokenTree::Ident(ident) if ident == "tests")
            && matches!(&tokens[at - 2], TokenTree::Ident(ident) if ident == "mod")
    };
    (0..tokens.len()).filter(|at| !is_tests(*at)).map(|at| tokens[at].clone()).collect()
}
