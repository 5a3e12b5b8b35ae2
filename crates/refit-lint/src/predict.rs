//! Predicts what each statement of a set locks, reads and writes: the static side of a trace.

use crate::effects::{Effects, effects};
use crate::engine::nested;
use crate::lint::Input;
use crate::parser::parse;
use crate::schema::Schema;
use crate::search_path;
use crate::sql::{Span, Stmt, StmtKind};
use crate::stack::with_room;

/// A top-level statement with its predicted effects.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The path, as the caller gave it.
    pub path: String,
    /// Its range, in bytes of the normalized text.
    pub span: Span,
    /// The statement.
    pub stmt: Stmt,
    /// Its effects, including those of the statements that it runs in bodies.
    pub effects: Effects,
    /// Whether it may also change tables that its effects do not name: it runs dynamic SQL or a procedure that cannot be read, or
    /// drops a schema or all objects of a role.
    pub opaque: bool,
}

impl Prediction {
    /// Whether the statement itself changes nothing but rows: INSERT, UPDATE, DELETE, MERGE or TRUNCATE.
    pub fn changes_only_rows(&self) -> bool {
        matches!(self.stmt.kind, StmtKind::Dml(_) | StmtKind::Truncate { .. })
    }
}

/// Predicts the effects of every statement of SQL files that are one set, in the given order, for a server of a major
/// version. Parts that are not valid text are skipped: [`lint`](crate::lint()) reports them.
pub fn predict(inputs: &[Input], postgres: u32) -> Vec<Prediction> {
    with_room(|| predict_all(inputs, postgres))
}

fn predict_all(inputs: &[Input], postgres: u32) -> Vec<Prediction> {
    let mut schema = Schema::default();
    let mut all = Vec::new();
    for input in inputs {
        schema.in_utc = false;
        let text = input.text();
        let mut stmts = parse(&text).stmts;
        search_path::resolve(&mut stmts, &schema);
        for stmt in stmts {
            let mut total = Effects::default();
            let mut opaque = false;
            for part in &nested(&stmt, &schema) {
                let Effects { locks, work } = effects(&part.stmt, &schema, postgres);
                total.locks.extend(locks);
                total.work.extend(work);
                opaque |= is_opaque(&part.stmt.kind, &schema);
            }
            schema.replay(&stmt);
            all.push(Prediction { path: input.path.clone(), span: stmt.span, stmt, effects: total, opaque });
        }
    }
    all
}

/// Whether a statement may change tables that it does not name.
pub(crate) fn is_opaque(kind: &StmtKind, schema: &Schema) -> bool {
    match kind {
        StmtKind::DynamicSql { text, .. } => text.is_none(),
        StmtKind::Call { name, args } => schema.functions(name, args.len()).next().is_none(),
        StmtKind::Drop { what, .. } => matches!(what.as_str(), "SCHEMA" | "EXTENSION"),
        StmtKind::Other(words) => words.starts_with("DROP OWNED"),
        _ => false,
    }
}
