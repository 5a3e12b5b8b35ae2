//! The relation that an unqualified name refers to, if a migration sets its search path or creates temporary tables.
//!
//! Both end with the migration: Refit resets the session for the next one. In a migration that does neither, names stay
//! as written, and `t` is `public.t`.

use std::borrow::Cow;
use std::collections::HashSet;

use crate::schema::Schema;
use crate::sql::{Expr, Literal, Name, Stmt, StmtKind, Use};

/// Qualifies the names of a file's statements as the server would resolve them. A name that the set does not show is
/// assumed to be in the only schema of the path, and left unchanged if there are several.
pub(crate) fn resolve(stmts: &mut [Stmt], schema: &Schema) {
    let Some(first) = stmts.iter().position(is_concerned) else { return };
    let mut session = Session { path: None, temporary: HashSet::new(), made: HashSet::new(), schema };
    stmts[..first].iter().for_each(|stmt| session.note(&stmt.kind));
    for stmt in &mut stmts[first..] {
        if let Some(path) = path_of(&stmt.kind) {
            session.path = path;
            continue;
        }
        stmt.kind.relations_mut(&mut |name, how| session.qualify(name, how));
        session.note(&stmt.kind);
    }
}

/// The same for statements that are kept as written.
pub(crate) fn resolved<'s>(stmts: &'s [Stmt], schema: &Schema) -> Cow<'s, [Stmt]> {
    let mut stmts = Cow::Borrowed(stmts);
    if stmts.iter().any(is_concerned) {
        resolve(stmts.to_mut(), schema);
    }
    stmts
}

fn is_concerned(stmt: &Stmt) -> bool {
    path_of(&stmt.kind).is_some() || is_temporary(&stmt.kind)
}

struct Session<'s> {
    /// Its schemas; `None` for the default path.
    path: Option<Vec<String>>,
    temporary: HashSet<String>,
    /// Keys of the objects that the file has created so far.
    made: HashSet<String>,
    schema: &'s Schema,
}

impl Session<'_> {
    fn qualify(&mut self, name: &mut Name, how: Use) {
        if name.schema.is_some() {
            return;
        }
        match how {
            Use::Makes { temporary: true } => {
                self.temporary.insert(name.name.clone());
                name.schema = Some("pg_temp".to_owned());
            }
            Use::Makes { temporary: false } => {
                let first = self.path.as_ref().and_then(|path| path.first());
                name.schema = first.filter(|schema| *schema != "public").cloned();
            }
            // The schema of temporary tables comes first, unless the path names it elsewhere.
            Use::Names if self.temporary.contains(&name.name) => name.schema = Some("pg_temp".to_owned()),
            Use::Names => {
                let Some(path) = &self.path else { return };
                let within = |schema: &String| Name { schema: Some(schema.clone()), ..name.clone() };
                let known = path.iter().find(|schema| self.is_known(&within(schema).key()));
                let only = path.first().filter(|_| path.len() == 1);
                name.schema = known.or(only).filter(|schema| *schema != "public").cloned();
            }
        }
    }

    fn is_known(&self, key: &str) -> bool {
        let Schema { tables, indexes, materialized_views, .. } = self.schema;
        tables.contains_key(key)
            || indexes.contains_key(key)
            || materialized_views.contains_key(key)
            || self.made.contains(key)
    }

    /// Takes into account what a statement creates or drops.
    fn note(&mut self, kind: &StmtKind) {
        match kind {
            StmtKind::CreateTable(create) => drop(self.made.insert(create.name.key())),
            StmtKind::CreateTableAs { table: name, .. }
            | StmtKind::CreateView { name, .. }
            | StmtKind::CreateSequence { name } => drop(self.made.insert(name.key())),
            StmtKind::CreateIndex(index) => {
                let name = index
                    .name
                    .as_ref()
                    .map(|name| Name { schema: index.table.schema.clone(), ..name.clone() });
                self.made.extend(name.map(|name| name.key()));
            }
            StmtKind::Drop { what, names, .. } if what == "TABLE" => {
                for name in names.iter().filter(|name| name.schema.as_deref() == Some("pg_temp")) {
                    self.temporary.remove(&name.name);
                }
            }
            _ => {}
        }
    }
}

fn is_temporary(kind: &StmtKind) -> bool {
    match kind {
        StmtKind::CreateTable(create) => create.temporary,
        StmtKind::CreateTableAs { temporary, .. } => *temporary,
        _ => false,
    }
}

/// The search path that a statement sets: `Some(None)` for the default.
fn path_of(kind: &StmtKind) -> Option<Option<Vec<String>>> {
    match kind {
        StmtKind::Set { name, value, .. } if name == "search_path" => Some(value.as_deref().map(schemas)),
        StmtKind::Other(words)
            if words.starts_with("RESET ALL") || words.starts_with("RESET SEARCH_PATH") =>
        {
            Some(None)
        }
        StmtKind::Select(query) => {
            let mut found = None;
            for column in &query.columns {
                column.walk(&mut |part| {
                    if let Expr::Call { name, args, .. } = part
                        && name.name == "set_config"
                        && let [
                            Expr::Literal(Literal::String(setting)),
                            Expr::Literal(Literal::String(value)),
                            ..,
                        ] = &args[..]
                        && setting == "search_path"
                    {
                        found = Some(Some(schemas(value)));
                    }
                });
            }
            found
        }
        _ => None,
    }
}

/// The schemas of a path, without those that cannot hold relations of a migration.
fn schemas(path: &str) -> Vec<String> {
    let parts = path.split(',').map(str::trim).map(|part| part.trim_matches('\''));
    let names = parts.filter(|part| !part.is_empty()).map(refit_model::identifier_name);
    names.filter(|name| !matches!(name.as_str(), "$user" | "pg_catalog" | "pg_temp" | "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parser::parse;
    use crate::rules::testing::{fires, silent};

    fn tables(text: &str) -> Vec<String> {
        let mut stmts = parse(text).stmts;
        let mut schema = Schema::default();
        for stmt in &parse("CREATE TABLE app.orders (id int); CREATE TABLE users (id int);").stmts {
            schema.replay(stmt);
        }
        resolve(&mut stmts, &schema);
        let mut found = Vec::new();
        for stmt in &mut stmts {
            stmt.kind.relations_mut(&mut |name, _| found.push(name.to_string()));
        }
        found
    }

    #[test]
    fn names_are_what_the_server_takes_them_for() {
        for (text, expected) in [
            (
                "UPDATE orders SET a = 1; SET search_path TO app; UPDATE orders SET a = 1;",
                &["orders", "app.orders"][..],
            ),
            (
                "SET search_path = app, public; UPDATE orders SET a = 1; UPDATE users SET a = 1; UPDATE x SET a = 1;",
                &["app.orders", "users", "x"],
            ),
            (
                "SET LOCAL search_path TO \"My app\"; CREATE TABLE t (id int REFERENCES u); DROP TABLE t;",
                &["\"My app\".t", "\"My app\".u", "\"My app\".t"],
            ),
            (
                "SELECT set_config('search_path', 'app', false); DELETE FROM orders; RESET search_path; DELETE FROM orders;",
                &["app.orders", "orders"],
            ),
            ("SET search_path TO app; SET search_path TO DEFAULT; DELETE FROM orders;", &["orders"]),
            ("SET search_path TO public; DELETE FROM orders;", &["orders"]),
            (
                "CREATE TEMP TABLE users (id int); UPDATE users SET id = 1; UPDATE public.users SET id = 1; DROP TABLE users; UPDATE users SET id = 1;",
                &["pg_temp.users", "pg_temp.users", "public.users", "pg_temp.users", "users"],
            ),
            (
                "SET search_path TO app; WITH orders AS (SELECT 1) SELECT * FROM orders, users;",
                &["app.users"],
            ),
        ] {
            assert_eq!(tables(text), expected, "{text}");
        }
    }

    #[test]
    fn rules_see_the_relation_that_is_meant() {
        silent(
            "unbatched-update",
            &[
                "CREATE TEMPORARY TABLE posts (id int); UPDATE posts SET id = 1;",
                "SET search_path TO mine; CREATE TABLE posts (id int); UPDATE posts SET id = 1;",
            ],
        );
        fires(
            "unbatched-update",
            &[
                "CREATE TEMPORARY TABLE posts (id int); UPDATE public.posts SET status = 'x';",
                "CREATE TABLE posts2 (id int);\n-- file: V2__x.sql\nSET search_path TO mine; CREATE TABLE posts (id int);\n\
                 SET search_path TO public; UPDATE posts SET status = 'x';",
            ],
        );
        fires("index-not-concurrent", &["SET search_path TO other; CREATE INDEX ON posts (a);"]);
    }
}
