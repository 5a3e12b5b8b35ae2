//! A thousand tables.

use std::fmt::Write;

use crate::support::{read, with};

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_tables_are_read_once_each() {
    let mut sql = String::from("create schema big;");
    for table in 0..1_000 {
        let other = table / 2;
        writeln!(
            sql,
            "create table big.t{table} (id bigint generated always as identity primary key, name text default 'x' not null,
               parent bigint {}, check (length(name) < {table} + 10)); create index on big.t{table} (lower(name));",
            if table == 0 { String::new() } else { format!("references big.t{other}") }
        )
        .unwrap();
    }
    let (db, catalog) = with(&sql).await;
    assert_eq!(catalog.tables.len(), 1_000);
    // Expressions that differ in little are not taken for each other.
    let check =
        |table: usize| &catalog.tables[&format!("big.t{table}")].constraints[&format!("t{table}_name_check")];
    for table in 0..1_000 {
        assert_eq!(check(table).expression, format!("(length(name) < ({table} + 10))"));
    }
    assert_eq!(read(&db).await.digest(), catalog.digest());
}
