//! Schemas to draw.

use refit_catalog::Catalog;
use serde_json::{Map, Value, json};

/// The sample service's schema, as its snapshot has it.
pub(crate) fn sample() -> Catalog {
    let path =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../migrations/snapshots/schema.json");
    let snapshot = refit_catalog::Snapshot::from_json(&std::fs::read_to_string(path).unwrap()).unwrap();
    snapshot.catalog
}

/// Names, types, comments and expressions that try to be markup, script or grammar, each table referring to the one before.
pub(crate) const HOSTILE: &str = r##"
create schema "<script>alert(1)</script>";
create table "<script>alert(1)</script>"."</title><img src=x onerror=alert(2)>" (
  id int primary key, "PK" int unique, "a ""b"" c" text default '</script><script>alert(3)</script>', "%%{init: {}}%%" text);
create table "erDiagram" ("1. x" int primary key, "title" text, "}" int not null references
  "<script>alert(1)</script>"."</title><img src=x onerror=alert(2)>", "ключ ☃ 😀" int unique references "erDiagram");
create table "style:x"";#34;y" ("class Def" int, "ユーザー" "char", "a`b`*c*" numeric(10, 2)[], "#quot;" timestamptz,
  "ref" int not null unique references "erDiagram");
create table "a\b" ("--" int, "}o--||" int, "javascript:alert(4)" int, "&amp;" int);
comment on table "erDiagram" is E'<script>alert(5)</script> "quoted"\n%% second line -->';
comment on column "erDiagram"."}" is '"} <b onmouseover=alert(6)>x</b> %%{init}%% #quot; ]]>';
comment on table "a\b" is E'\u0001 control, \u202E turned, <!-- ';
alter table "erDiagram" add constraint "'><svg onload=alert(7)>" check ("}" > 0);
"##;

/// As many tables, each but the first referring to an earlier one; every column has a comment.
pub(crate) fn large(tables: usize, columns: usize) -> Catalog {
    let table = |place: usize| {
        let columns: Vec<Value> = (0..columns)
            .map(|column| {
                json!({"name": format!("column_{column}"), "type": "timestamp with time zone",
                "comment": format!("what column {column} of table {place} is there for")})
            })
            .collect();
        let key = json!({"kind": "primary key", "columns": ["column_0"]});
        let mut constraints = Map::from_iter([("key".to_owned(), key)]);
        if place > 0 {
            let other = format!("app.table_{:04}", (place * 7919) % place.clamp(1, 40));
            let reference = json!({"kind": "foreign key", "columns": ["column_1"],
                "references": {"table": other, "columns": ["column_0"]}});
            constraints.insert("reference".into(), reference);
        }
        (format!("app.table_{place:04}"), json!({"columns": columns, "constraints": constraints}))
    };
    let tables: Map<String, Value> = (0..tables).map(table).collect();
    serde_json::from_value(json!({"tables": tables})).unwrap()
}
