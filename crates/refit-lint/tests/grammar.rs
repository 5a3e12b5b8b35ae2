//! Statements made by a grammar that is heavy in WITH, nesting and comments: names are few, so that items of WITH name themselves, each
//! other, and tables; functions call each other. Whatever it makes, linting and fixing end, and within seconds.
//!
//! `REFIT_FUZZ_SECONDS=600` runs for that long.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

use std::cell::Cell;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};
use refit_lint::{Config, Input, fix, lint};

const NAMES: [&str; 6] = ["a", "b", "c", "t", "\"A b\"", "s.t"];

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(&NAMES[..]).prop_map(str::to_owned)
}

/// What may stand between two words.
fn gap() -> impl Strategy<Value = String> {
    prop::sample::select(
        &[" ", " ", " ", "\n", " -- it's a comment; $$\n", " /* /* nested */ ' */ ", "\n\n"][..],
    )
    .prop_map(str::to_owned)
}

fn condition(query: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (name(), gap()).prop_map(|(name, gap)| format!("{name}.id{gap}= 1")),
        1 => Just("true".to_owned()),
        2 => (query.clone(), gap()).prop_map(|(query, gap)| format!("EXISTS{gap}({query})")),
        1 => query.prop_map(|query| format!("id IN ({query})")),
        1 => name().prop_map(|name| format!("f_{}(id) > 0", name.trim_matches('"').replace(['.', ' '], "_"))),
    ]
}

/// A query, perhaps with items of WITH before it.
fn query() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        name().prop_map(|name| format!("SELECT * FROM {name}")),
        Just("SELECT 1 AS id".to_owned()),
        Just("VALUES (1), (2)".to_owned()),
        name().prop_map(|name| format!("TABLE {name}")),
    ];
    leaf.prop_recursive(6, 48, 4, |inner| {
        let inner = inner.boxed();
        let with = prop::collection::vec((name(), dml_or(inner.clone()), gap()), 1..4);
        prop_oneof![
            3 => (any::<bool>(), with, inner.clone()).prop_map(|(recursive, items, query)| {
                let items: Vec<String> = items
                    .into_iter()
                    .map(|(name, query, gap)| format!("{}{gap}AS ({query})", bare(&name)))
                    .collect();
                format!("WITH {}{} {query}", if recursive { "RECURSIVE " } else { "" }, items.join(", "))
            }),
            2 => (inner.clone(), gap(), inner.clone()).prop_map(|(one, gap, two)| format!("({one}){gap}UNION ALL ({two})")),
            2 => (inner.clone(), name()).prop_map(|(query, name)| format!("SELECT * FROM ({query}) AS {}", bare(&name))),
            2 => (name(), condition(inner.clone())).prop_map(|(name, condition)| format!("SELECT * FROM {name} WHERE {condition}")),
            1 => (name(), inner).prop_map(|(name, query)| format!("SELECT ({query}), count(*) FROM {name} JOIN {name} x USING (id)")),
        ]
    })
    .boxed()
}

fn bare(name: &str) -> &str {
    name.trim_start_matches("s.")
}

fn dml_or(query: BoxedStrategy<String>) -> BoxedStrategy<String> {
    prop_oneof![
        4 => query.clone(),
        1 => (name(), condition(query.clone())).prop_map(|(name, condition)| format!("UPDATE {name} SET n = 1 WHERE {condition} RETURNING *")),
        1 => (name(), query).prop_map(|(name, query)| format!("INSERT INTO {name} {query} RETURNING *")),
    ]
    .boxed()
}

fn statement() -> BoxedStrategy<String> {
    let with = || {
        prop::collection::vec((name(), dml_or(query())), 0..3).prop_map(|items| {
            let items: Vec<String> =
                items.iter().map(|(name, query)| format!("{} AS ({query})", bare(name))).collect();
            if items.is_empty() { String::new() } else { format!("WITH {} ", items.join(", ")) }
        })
    };
    let plain = prop_oneof![
        3 => (with(), name(), gap(), condition(query())).prop_map(|(with, name, gap, condition)| format!("{with}UPDATE {name}{gap}SET n = 1 WHERE {condition}")),
        2 => (with(), name(), query()).prop_map(|(with, name, query)| format!("{with}INSERT INTO {name} {query}")),
        2 => (with(), name(), condition(query())).prop_map(|(with, name, condition)| format!("{with}DELETE FROM {name} USING {name} x WHERE {condition}")),
        1 => (name(), query(), gap()).prop_map(|(name, query, gap)| format!("MERGE INTO {name} x{gap}USING ({query}) s ON x.id = s.id WHEN MATCHED THEN DELETE")),
        2 => query(),
        1 => (name(), query()).prop_map(|(name, query)| format!("CREATE MATERIALIZED VIEW {name} AS {query}")),
        1 => (name(), query()).prop_map(|(name, query)| format!("CREATE TABLE {name} AS {query}")),
        1 => name().prop_map(|name| format!("CREATE TABLE {name} (id bigint PRIMARY KEY, n int)")),
        2 => (name(), gap()).prop_map(|(name, gap)| format!("ALTER TABLE {name}{gap}ADD COLUMN k text UNIQUE,{gap}ALTER COLUMN n SET NOT NULL")),
        1 => name().prop_map(|name| format!("CREATE INDEX ON {name} (n) WHERE n > 0")),
    ]
    .boxed();
    let in_body = plain.clone();
    prop_oneof![
        8 => plain,
        2 => (prop::collection::vec(in_body.clone(), 1..3), gap())
            .prop_map(|(inner, gap)| format!("DO $$ BEGIN{gap}{};{gap}END $$", inner.join(";"))),
        1 => (name(), in_body).prop_map(|(name, inner)| {
            let function = name.trim_matches('"').replace(['.', ' '], "_");
            format!("CREATE FUNCTION f_{function}(int) RETURNS int LANGUAGE sql AS $b$ {inner} $b$")
        }),
    ]
    .boxed()
}

#[test]
fn whatever_the_grammar_makes_ends() {
    let until = std::env::var("REFIT_FUZZ_SECONDS").ok().and_then(|seconds| seconds.parse().ok());
    let end = Instant::now() + Duration::from_secs(until.unwrap_or(5));
    let files = prop::collection::vec(prop::collection::vec(statement(), 1..5), 1..4);
    let (runs, longest) = (Cell::new(0_u32), Cell::new(Duration::ZERO));
    while Instant::now() < end {
        let mut runner = TestRunner::new(Runs { cases: 16, failure_persistence: None, ..Runs::default() });
        let result = runner.run(&files, |files| {
            let inputs: Vec<Input> = files
                .iter()
                .enumerate()
                .map(|(at, statements)| Input {
                    path: format!("V{}__x.sql", at + 1),
                    bytes: format!("{};\n", statements.join(";\n")).into_bytes(),
                    named_by_folder: true,
                    reported: true,
                })
                .collect();
            let began = Instant::now();
            lint(&inputs, &Config::default());
            fix(&inputs, &Config::default(), &BTreeSet::new());
            runs.set(runs.get() + 1);
            longest.set(longest.get().max(began.elapsed()));
            prop_assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
            Ok(())
        });
        result.unwrap();
    }
    println!("{} sets, the longest took {:?}", runs.get(), longest.get());
}
