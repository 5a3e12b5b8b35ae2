//! How many rows a change affects: those of a key, those between two bounds, or an unknown number.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::schema::Schema;
use crate::sql::{Change, Compare, Cte, Dml, DmlKind, Expr, FromItem, Literal, Name, Query};

/// How the rows of a change are bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bound {
    /// By the values of a key.
    Keyed,
    /// By two bounds on a key, or a LIMIT.
    Bounded,
    /// Not bounded, with the reason.
    Unbounded(&'static str),
}

impl Bound {
    /// Whether the change is bounded.
    pub fn is_bounded(&self) -> bool {
        !matches!(self, Bound::Unbounded(_))
    }
}

/// Classifies UPDATE, DELETE, INSERT and MERGE.
pub fn classify(change: &Change<'_>, schema: &Schema) -> Bound {
    let dml = change.dml;
    // A migration cannot change rows of system catalogs in batches.
    if dml.table.is_of_the_system() {
        return Bound::Bounded;
    }
    let ctes: Vec<&Cte> = change.with.iter().copied().chain(&dml.ctes).collect();
    let known = Known::default();
    let around = Around { schema, known: &known, in_body: dml.in_body };
    let scope =
        Scope { table: &dml.table, alias: dml.alias.as_deref(), from: &dml.from, ctes: &ctes, around };
    match dml.kind {
        DmlKind::Update | DmlKind::Delete => {
            let Some(filter) = &dml.filter else { return Bound::Unbounded("it has no WHERE") };
            let mut conditions = vec![filter];
            conditions.extend(&dml.on);
            scope.conjunction(&conditions)
        }
        DmlKind::Insert => match &dml.source {
            Some(source) => source_bound(source, &ctes, around),
            None => Bound::Keyed,
        },
        DmlKind::Merge => match dml.from.first() {
            Some(item) if scope.is_bounded_item(item) => scope.merged(dml),
            _ => Bound::Unbounded("its source is a whole table"),
        },
    }
}

/// Whether the checked WITH items yield few rows: an item that many others name is checked once.
type Known = RefCell<HashMap<*const Cte, bool>>;

/// State shared by all queries of a statement.
#[derive(Clone, Copy)]
struct Around<'a> {
    schema: &'a Schema,
    known: &'a Known,
    /// Whether names that are not columns may be variables.
    in_body: bool,
}

/// How many rows a query returns. `ctes` are the WITH items visible to it, the innermost last.
fn source_bound(query: &Query, ctes: &[&Cte], around: Around<'_>) -> Bound {
    let mut visible: Vec<&Cte> = ctes.to_vec();
    visible.extend(&query.ctes);
    if query.values || query.limited || query.one_row {
        return Bound::Bounded;
    }
    for part in &query.parts {
        let bound = source_bound(part, &visible, around);
        if !bound.is_bounded() {
            return bound;
        }
    }
    // A source without tables (constants, generate_series, unnest) is bounded by the text.
    let tables: Vec<&FromItem> =
        query.from.iter().filter(|item| !matches!(item, FromItem::Function { .. })).collect();
    let Some(first) = tables.first() else { return Bound::Bounded };
    let no_table = Name { schema: None, name: String::new(), span: crate::sql::Span::default() };
    let (table, alias) = match first {
        FromItem::Table { name, alias } => (name, alias.as_deref()),
        _ => (&no_table, None),
    };
    let scope = Scope { table, alias, from: &query.from, ctes: &visible, around };
    if tables.iter().all(|item| scope.is_bounded_item(item)) {
        return Bound::Bounded;
    }
    match &query.filter {
        Some(filter) => scope.conjunction(&[filter]),
        None => Bound::Unbounded("it reads a whole table"),
    }
}

/// The columns that a condition can refer to.
struct Scope<'a> {
    /// The table whose rows are counted.
    table: &'a Name,
    alias: Option<&'a str>,
    from: &'a [FromItem],
    ctes: &'a [&'a Cte],
    around: Around<'a>,
}

impl Scope<'_> {
    /// All of these hold: a single bounding condition is enough, and two half-ranges make a range.
    fn conjunction(&self, conditions: &[&Expr]) -> Bound {
        let mut flat = Vec::new();
        for condition in conditions {
            match condition {
                Expr::And(parts) => flat.extend(parts),
                other => flat.push(*other),
            }
        }
        let mut keyed: Vec<&str> = Vec::new();
        let (mut lower, mut upper): (Vec<Vec<&str>>, Vec<Vec<&str>>) = (Vec::new(), Vec::new());
        for part in &flat {
            match part {
                Expr::Or(branches)
                    if branches.iter().all(|branch| self.conjunction(&[branch]).is_bounded()) =>
                {
                    return Bound::Keyed;
                }
                Expr::Literal(Literal::Bool(false)) => return Bound::Bounded,
                Expr::InQuery { negated: false, value, query }
                    if self.keys(value).is_some() && self.is_short(query) =>
                {
                    return Bound::Bounded;
                }
                Expr::InList { negated: false, value, items } => match self.list(value, items) {
                    Some(Bound::Bounded) => return Bound::Bounded,
                    Some(_) => keyed.extend(self.keys(value).unwrap_or_default()),
                    None => {}
                },
                Expr::Between { negated: false, value, low, high }
                    if self.is_value(low) && self.is_value(high) =>
                {
                    if let Some(columns) = self.keys(value) {
                        lower.push(columns.clone());
                        upper.push(columns);
                    }
                }
                Expr::Compare { op, left, right } => {
                    if let Some(bound) = self.compare(*op, left, right, &mut keyed, &mut lower, &mut upper) {
                        return bound;
                    }
                }
                _ => {}
            }
        }
        if !keyed.is_empty() && self.is_key(&keyed) {
            return Bound::Keyed;
        }
        if lower.iter().any(|columns| upper.contains(columns) && self.is_range_key(columns)) {
            return Bound::Bounded;
        }
        Bound::Unbounded(self.reason(&flat, !lower.is_empty() || !upper.is_empty()))
    }

    fn list(&self, value: &Expr, items: &[Expr]) -> Option<Bound> {
        self.keys(value)?;
        // `= ANY (ARRAY (SELECT … LIMIT n))`
        let short = items.iter().flat_map(Expr::queries).collect::<Vec<_>>();
        if !short.is_empty() {
            return short.iter().all(|query| self.is_short(query)).then_some(Bound::Bounded);
        }
        items.iter().all(|item| self.is_value(item)).then_some(Bound::Keyed)
    }

    #[allow(clippy::too_many_arguments)]
    fn compare<'e>(
        &self,
        op: Compare,
        left: &'e Expr,
        right: &'e Expr,
        keyed: &mut Vec<&'e str>,
        lower: &mut Vec<Vec<&'e str>>,
        upper: &mut Vec<Vec<&'e str>>,
    ) -> Option<Bound> {
        for (column, other, flipped) in [(left, right, false), (right, left, true)] {
            let Some(columns) = self.keys(column) else { continue };
            let one_query = matches!(other, Expr::Subquery(_));
            match (op, flipped) {
                (Compare::Eq, _) if self.is_value(other) || one_query => keyed.extend(columns),
                // Each of the few rows matches one row with these values.
                (Compare::Eq, _) if self.comes_from_short(other) => keyed.extend(columns),
                (Compare::Gt | Compare::Ge, false) | (Compare::Lt | Compare::Le, true)
                    if self.is_value(other) || one_query =>
                {
                    lower.push(columns);
                }
                (Compare::Lt | Compare::Le, false) | (Compare::Gt | Compare::Ge, true)
                    if self.is_value(other) || one_query =>
                {
                    upper.push(columns);
                }
                _ => {}
            }
        }
        None
    }

    /// Whether an expression is the same for every row: a constant or, in a body, an expression of variables.
    fn is_value(&self, expr: &Expr) -> bool {
        if expr.is_constant() {
            return true;
        }
        let mut same = self.around.in_body && expr.queries().is_empty();
        expr.walk(&mut |part| {
            if let Expr::Column { table, name } = part {
                same &= self.is_variable(table.as_deref(), name);
            }
        });
        same
    }

    /// Whether a name in a body is a variable: its qualifier is not a table of the statement, or no table of the
    /// statement is known to have such a column. Comparing a key with another column of an unknown table is rarer.
    fn is_variable(&self, qualifier: Option<&str>, name: &str) -> bool {
        let Some(qualifier) = qualifier else {
            let tables = self.from.iter().filter_map(|item| match item {
                FromItem::Table { name, .. } => Some(name),
                _ => None,
            });
            return !tables.chain([self.table]).any(|table| self.around.schema.column(table, name).is_some());
        };
        self.alias.unwrap_or(&self.table.name) != qualifier
            && !self.from.iter().any(|item| item.name() == Some(qualifier))
    }

    /// The columns of the counted table in an expression; `None` if it is something else.
    fn keys<'e>(&self, expr: &'e Expr) -> Option<Vec<&'e str>> {
        match expr {
            Expr::Column { table, name } => {
                let own = match table.as_deref() {
                    None => true,
                    Some(table) => self.alias.unwrap_or(&self.table.name) == table,
                };
                own.then(|| vec![name.as_str()])
            }
            Expr::Row(parts) => {
                let columns: Option<Vec<Vec<&str>>> = parts.iter().map(|part| self.keys(part)).collect();
                columns.map(|columns| columns.concat())
            }
            _ => None,
        }
    }

    /// Whether equal values of these columns identify one row. For unknown tables, the names decide.
    fn is_key(&self, columns: &[&str]) -> bool {
        columns.contains(&"ctid")
            || self
                .around
                .schema
                .is_unique_key(self.table, columns)
                .unwrap_or_else(|| columns.iter().any(|c| self.looks_like_key(c)))
    }

    /// Whether a range of these columns bounds a batch: they are a key, or its first columns.
    fn is_range_key(&self, columns: &[&str]) -> bool {
        self.is_key(columns) || self.leads_key(columns)
    }

    /// Keyset batches use a range over the leading columns of a composite key.
    fn leads_key(&self, columns: &[&str]) -> bool {
        use crate::schema::ConstraintType::{PrimaryKey, Unique};
        let constraints = self
            .around
            .schema
            .table(self.table)
            .map(|table| table.constraints.as_slice())
            .unwrap_or_default();
        constraints.iter().any(|constraint| {
            matches!(constraint.kind, PrimaryKey | Unique)
                && constraint.columns.len() > columns.len()
                && constraint.columns.iter().zip(columns).all(|(a, b)| **a == **b)
        })
    }

    fn looks_like_key(&self, column: &str) -> bool {
        let singular = self.table.name.strip_suffix('s').unwrap_or(&self.table.name);
        matches!(column, "id" | "uuid" | "guid" | "pk" | "oid") || column == format!("{singular}_id")
    }

    /// Whether a query returns few rows: VALUES, LIMIT, or only constants.
    fn is_short(&self, query: &Query) -> bool {
        source_bound(query, self.ctes, self.around).is_bounded()
    }

    fn is_bounded_item(&self, item: &FromItem) -> bool {
        match item {
            FromItem::Query { query, .. } => self.is_short(query),
            FromItem::Table { name, .. } => {
                let named = |cte: &&Cte| name.schema.is_none() && cte.name == name.name;
                match self.ctes.iter().rposition(named) {
                    Some(at) => self.is_short_cte(at),
                    None => is_catalog(name),
                }
            }
            FromItem::Function { .. } => true,
        }
    }

    /// Like `is_short` for a WITH item. It sees the items before it and not itself: within its own query, its name is
    /// that of a table or of an unbounded recursion.
    fn is_short_cte(&self, at: usize) -> bool {
        let cte = self.ctes[at];
        if let Some(known) = self.around.known.borrow().get(&std::ptr::from_ref(cte)) {
            return *known;
        }
        let short = match &cte.query {
            Some(query) => source_bound(query, &self.ctes[..at], self.around).is_bounded(),
            // The rows that a change returns are counted at the change.
            None => cte.dml.is_some(),
        };
        self.around.known.borrow_mut().insert(std::ptr::from_ref(cte), short);
        short
    }

    /// Whether a column belongs to a FROM item that returns few rows.
    fn comes_from_short(&self, expr: &Expr) -> bool {
        // The column of a function that returns scalar values is named like the function's alias.
        let (table, is_bare) = match expr {
            Expr::Column { table: Some(table), .. } => (table, false),
            Expr::Column { table: None, name } => (name, true),
            Expr::Cast { value, .. } => return self.comes_from_short(value),
            _ => return false,
        };
        self.from.iter().any(|item| {
            item.name() == Some(table)
                && match item {
                    FromItem::Function { call, .. } => self.is_written_out(call),
                    _ => !is_bare && self.is_bounded_item(item),
                }
        })
    }

    /// Whether a FROM function returns as many rows as its arguments hold, and these are the same for all rows of the
    /// table.
    fn is_written_out(&self, call: &Expr) -> bool {
        let ours = |name: &Name| self.around.schema.functions.contains_key(&*name.key_ref());
        matches!(call, Expr::Call { name, args, .. }
            if !ours(name) && args.iter().all(|arg| self.is_value(arg)))
    }

    /// The rows of the target that MERGE changes, if its source returns few rows.
    fn merged(&self, dml: &Dml) -> Bound {
        if dml.merges.lacking {
            return Bound::Unbounded("the rows that its source lacks may be the whole table");
        }
        let on: Vec<&Expr> = dml.on.iter().collect();
        match dml.merges.matched && !self.conjunction(&on).is_bounded() {
            true => Bound::Unbounded(
                "its ON is not on a key, so one row of the source may match any number of rows",
            ),
            false => Bound::Bounded,
        }
    }

    /// Why a change is not bounded, as text for messages.
    fn reason(&self, conditions: &[&Expr], half: bool) -> &'static str {
        if half {
            return "its range is open at one end, or its column is not a key";
        }
        // A query whose rows are counted also names its own table.
        let joins = self
            .from
            .iter()
            .any(|item| !matches!(item, FromItem::Table { name, .. } if name.span == self.table.span));
        for condition in conditions {
            match condition {
                Expr::IsNull { .. } => return "IS NULL is not a bound: it may match every row",
                Expr::Exists(_) | Expr::InQuery { .. } | Expr::Not(_) => {
                    return "a subquery determines the number of rows";
                }
                Expr::Literal(Literal::Bool(true)) => return "its WHERE is always true",
                _ => {}
            }
        }
        if joins { "a join determines the number of rows" } else { "its WHERE is not on a key" }
    }
}

/// Whether a table is one of the server's own, whose size depends on the schema.
fn is_catalog(name: &Name) -> bool {
    match name.schema.as_deref() {
        Some(schema) => matches!(schema, "pg_catalog" | "information_schema"),
        None => name.name.starts_with("pg_"),
    }
}
