//! What each statement of a set is expected to lock, read and write: the static side of a trace.

use crate::effects::{Effects, effects};
use crate::engine::nested;
use crate::lint::Input;
use crate::parser::parse;
use crate::schema::Schema;
use crate::search_path;
use crate::sql::{Span, Stmt};
use crate::stack::with_room;

/// One top-level statement with the effects that are expected of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The file, as the caller named it.
    pub path: String,
    /// Where the statement stands, in bytes of the normalised text.
    pub span: Span,
    /// The statement.
    pub stmt: Stmt,
    /// Its effects, with those of the statements that it runs in bodies.
    pub effects: Effects,
}

/// Foresees every statement of SQL files that are one set, in the order given, for a server of a major version. What is
/// no text in them is passed over: [`lint`](crate::lint()) reports it.
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
            for part in &nested(&stmt, &schema) {
                let Effects { locks, work } = effects(&part.stmt, &schema, postgres);
                total.locks.extend(locks);
                total.work.extend(work);
            }
            schema.replay(&stmt);
            all.push(Prediction { path: input.path.clone(), span: stmt.span, stmt, effects: total });
        }
    }
    all
}
