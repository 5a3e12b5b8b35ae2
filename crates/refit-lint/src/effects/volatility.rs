//! Whether an expression may yield a different value for each row.

use std::collections::HashMap;
use std::sync::OnceLock;

use crate::schema::Schema;
use crate::sql::{Expr, Name};

/// How an expression varies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Volatility {
    /// One value for the whole statement.
    Stable,
    /// A different value for each row, or unknown.
    Volatile,
}

/// Every function of `pg_catalog`, one per line, with the suffix ` v` for volatile ones. Read from `pg_proc` of
/// PostgreSQL 15, plus special forms and the functions of later versions.
const BUILT_IN: &str = include_str!("functions.txt");

/// The volatility of an expression. Unknown functions count as volatile, which is the default of CREATE FUNCTION.
pub fn volatility(expr: &Expr, schema: &Schema) -> Volatility {
    let mut volatile = false;
    expr.walk(&mut |part| {
        if let Expr::Call { name, args, .. } = part {
            volatile |= is_volatile(name, args.len(), schema);
        }
    });
    if volatile { Volatility::Volatile } else { Volatility::Stable }
}

fn is_volatile(name: &Name, args: usize, schema: &Schema) -> bool {
    let mut known = schema.functions(name, args).peekable();
    if known.peek().is_some() {
        return known.any(|function| function.volatility == 'v');
    }
    match name.schema.as_deref() {
        None | Some("pg_catalog") => built_in().get(name.name.as_str()).copied().unwrap_or(true),
        Some(_) => true,
    }
}

fn built_in() -> &'static HashMap<&'static str, bool> {
    static FUNCTIONS: OnceLock<HashMap<&'static str, bool>> = OnceLock::new();
    FUNCTIONS.get_or_init(|| {
        let lines = BUILT_IN.lines();
        lines.map(|line| line.strip_suffix(" v").map_or((line, false), |name| (name, true))).collect()
    })
}
