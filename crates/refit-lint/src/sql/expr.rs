//! Expressions, with the detail that bounds, volatility and proofs of NOT NULL need.

use super::{Name, Query, Span};

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Expr {
    /// A column, perhaps qualified by a table or alias.
    Column {
        /// The table or alias.
        table: Option<String>,
        /// The column.
        name: String,
    },
    /// A constant.
    Literal(Literal),
    /// `$1`.
    Param(u32),
    /// All of these.
    And(Vec<Expr>),
    /// Any of these.
    Or(Vec<Expr>),
    /// The opposite.
    Not(Box<Expr>),
    /// A comparison.
    Compare {
        /// Which.
        op: Compare,
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
    },
    /// `x BETWEEN low AND high`.
    Between {
        /// NOT.
        negated: bool,
        /// What is compared.
        value: Box<Expr>,
        /// Lower bound, included.
        low: Box<Expr>,
        /// Upper bound, included.
        high: Box<Expr>,
    },
    /// `x IN (1, 2)` and `x = ANY (ARRAY[…])` or `ANY ($1)`.
    InList {
        /// NOT.
        negated: bool,
        /// What is compared.
        value: Box<Expr>,
        /// With what.
        items: Vec<Expr>,
    },
    /// `x IN (SELECT …)` and `x = ANY (SELECT …)`.
    InQuery {
        /// NOT.
        negated: bool,
        /// What is compared.
        value: Box<Expr>,
        /// With the rows of what.
        query: Box<Query>,
    },
    /// `x IS NULL`.
    IsNull {
        /// NOT.
        negated: bool,
        /// What is tested.
        value: Box<Expr>,
    },
    /// EXISTS.
    Exists(Box<Query>),
    /// A query that gives one value.
    Subquery(Box<Query>),
    /// A function call; the special forms have their keyword as name.
    Call {
        /// The function.
        name: Name,
        /// Its arguments.
        args: Vec<Expr>,
        /// Where.
        span: Span,
    },
    /// A cast; the type's name as written, lower case.
    Cast {
        /// What is cast.
        value: Box<Expr>,
        /// To what.
        to: String,
    },
    /// `(a, b)` and `ROW (a, b)`.
    Row(Vec<Expr>),
    /// Anything else, with its parts.
    Other(Vec<Expr>),
}

/// A constant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Literal {
    /// NULL.
    Null,
    /// TRUE or FALSE.
    Bool(bool),
    /// A string, without its quotes.
    String(String),
    /// A number as written.
    Number(String),
    /// DEFAULT.
    Default,
}

/// A comparison operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compare {
    /// `=`
    Eq,
    /// `<>`, `!=`
    Ne,
    /// `<`
    Lt,
    /// `<=`
    Le,
    /// `>`
    Gt,
    /// `>=`
    Ge,
}

impl Expr {
    /// Whether the value is the same for every row: constants, parameters, casts of them, and calls over them.
    pub fn is_constant(&self) -> bool {
        match self {
            Expr::Literal(_) | Expr::Param(_) => true,
            Expr::Cast { value, .. } => value.is_constant(),
            Expr::Row(parts) | Expr::Other(parts) => parts.iter().all(Expr::is_constant),
            Expr::Call { args, .. } => args.iter().all(Expr::is_constant),
            _ => false,
        }
    }

    /// The operands of an AND; the whole expression if it is not an AND.
    pub fn conjuncts(&self) -> &[Expr] {
        match self {
            Expr::And(parts) => parts,
            whole => std::slice::from_ref(whole),
        }
    }

    /// Calls `visit` on this expression and all of its parts, without entering queries.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Expr)) {
        visit(self);
        match self {
            Expr::Column { .. } | Expr::Literal(_) | Expr::Param(_) | Expr::Exists(_) | Expr::Subquery(_) => {
            }
            Expr::And(parts) | Expr::Or(parts) | Expr::Row(parts) | Expr::Other(parts) => {
                parts.iter().for_each(|part| part.walk(visit));
            }
            Expr::Call { args, .. } => args.iter().for_each(|part| part.walk(visit)),
            Expr::Not(part) | Expr::Cast { value: part, .. } | Expr::IsNull { value: part, .. } => {
                part.walk(visit)
            }
            Expr::Compare { left, right, .. } => {
                left.walk(visit);
                right.walk(visit);
            }
            Expr::Between { value, low, high, .. } => {
                [value, low, high].into_iter().for_each(|part| part.walk(visit))
            }
            Expr::InList { value, items, .. } => {
                value.walk(visit);
                items.iter().for_each(|part| part.walk(visit));
            }
            Expr::InQuery { value, .. } => value.walk(visit),
        }
    }

    /// The queries inside, without entering them.
    pub fn queries(&self) -> Vec<&Query> {
        let mut found = Vec::new();
        self.walk(&mut |part| match part {
            Expr::Exists(query) | Expr::Subquery(query) | Expr::InQuery { query, .. } => found.push(&**query),
            _ => {}
        });
        found
    }
}
