//! Queries and the statements that change rows.

use super::{Expr, Name, Span, StmtKind};

/// SELECT, VALUES, TABLE, or a combination.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Query {
    /// WITH.
    pub ctes: Vec<Cte>,
    /// What is selected; for VALUES the values.
    pub columns: Vec<Expr>,
    /// FROM, joins included, flattened.
    pub from: Vec<FromItem>,
    /// Join conditions.
    pub on: Vec<Expr>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// Whether it has a LIMIT or FETCH other than ALL.
    pub limited: bool,
    /// VALUES.
    pub values: bool,
    /// Whether aggregates make one row of all: there are some, and no GROUP BY.
    pub one_row: bool,
    /// The sides of UNION, INTERSECT, EXCEPT.
    pub parts: Vec<Query>,
}

/// One item of WITH.
#[derive(Debug, Clone, PartialEq)]
pub struct Cte {
    /// Its name.
    pub name: String,
    /// Its query, when it reads.
    pub query: Option<Query>,
    /// Its change, when it writes.
    pub dml: Option<Box<Dml>>,
}

/// One item of FROM.
#[derive(Debug, Clone, PartialEq)]
pub enum FromItem {
    /// A table, view or WITH item.
    Table {
        /// Its name.
        name: Name,
        /// Its alias.
        alias: Option<String>,
    },
    /// A query in parentheses.
    Query {
        /// The query.
        query: Box<Query>,
        /// Its alias.
        alias: Option<String>,
    },
    /// A function.
    Function {
        /// The call.
        call: Expr,
        /// Its alias.
        alias: Option<String>,
    },
}

impl FromItem {
    fn tables<'a>(&'a self, found: &mut Vec<&'a Name>) {
        match self {
            FromItem::Table { name, .. } => found.push(name),
            FromItem::Query { query, .. } => query.tables(found),
            FromItem::Function { .. } => {}
        }
    }

    /// The qualifier of its columns.
    pub fn name(&self) -> Option<&str> {
        match self {
            FromItem::Table { name, alias } => Some(alias.as_deref().unwrap_or(&name.name)),
            FromItem::Query { alias, .. } => alias.as_deref(),
            FromItem::Function { call, alias } => match (alias, call) {
                (Some(alias), _) => Some(alias),
                (None, Expr::Call { name, .. }) => Some(&name.name),
                (None, _) => None,
            },
        }
    }
}

/// What a change does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DmlKind {
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// INSERT.
    Insert,
    /// MERGE.
    Merge,
}

/// The rows of the target that MERGE changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Merges {
    /// WHEN MATCHED.
    pub matched: bool,
    /// WHEN NOT MATCHED BY SOURCE.
    pub lacking: bool,
}

/// UPDATE, DELETE, INSERT or MERGE.
#[derive(Debug, Clone, PartialEq)]
pub struct Dml {
    /// Which.
    pub kind: DmlKind,
    /// Its span.
    pub span: Span,
    /// The table that changes.
    pub table: Name,
    /// Its alias.
    pub alias: Option<String>,
    /// WITH.
    pub ctes: Vec<Cte>,
    /// Columns that are set (UPDATE) or filled (INSERT), with the values of UPDATE.
    pub columns: Vec<(String, Option<Expr>)>,
    /// FROM (UPDATE), USING (DELETE, MERGE).
    pub from: Vec<FromItem>,
    /// Conditions of joins in `from`, and ON of MERGE.
    pub on: Vec<Expr>,
    /// WHERE.
    pub filter: Option<Expr>,
    /// Where the rows of INSERT come from; none for DEFAULT VALUES.
    pub source: Option<Query>,
    /// ON CONFLICT DO UPDATE.
    pub updates_on_conflict: bool,
    /// RETURNING.
    pub returning: bool,
    /// MERGE: whether it changes rows that match, and those that its source lacks.
    pub merges: Merges,
    /// Whether it is in a body, where a name that is no column may be a variable.
    pub in_body: bool,
}

impl Query {
    /// Calls `visit` on this query and on every query inside it.
    pub fn walk<'a>(&'a self, visit: &mut impl FnMut(&'a Query)) {
        visit(self);
        for cte in &self.ctes {
            if let Some(query) = &cte.query {
                query.walk(visit);
            }
        }
        for item in &self.from {
            if let FromItem::Query { query, .. } = item {
                query.walk(visit);
            }
        }
        self.parts.iter().for_each(|part| part.walk(visit));
        for expr in self.columns.iter().chain(&self.on).chain(&self.filter) {
            expr.queries().into_iter().for_each(|query| query.walk(visit));
        }
    }

    fn tables<'a>(&'a self, found: &mut Vec<&'a Name>) {
        self.ctes.iter().filter_map(|cte| cte.query.as_ref()).for_each(|query| query.tables(found));
        self.from.iter().for_each(|item| item.tables(found));
        self.parts.iter().for_each(|part| part.tables(found));
    }

    /// Adds the changes that its WITH items make, at any depth.
    fn collect<'a>(&'a self, found: &mut Vec<Change<'a>>) {
        self.walk(&mut |query| collect_with(&query.ctes, found));
    }
}

/// A change with the names that it can read.
#[derive(Debug, Clone, PartialEq)]
pub struct Change<'a> {
    /// The change.
    pub dml: &'a Dml,
    /// The items of the WITH that it is in; its own are in `dml`.
    pub with: Vec<&'a Cte>,
}

impl Dml {
    /// The tables that the rows of INSERT … SELECT, or of MERGE, come from; not those of subqueries in conditions.
    pub fn source_tables(&self) -> Vec<&Name> {
        let mut tables = Vec::new();
        match &self.source {
            Some(source) => source.tables(&mut tables),
            None => self.from.iter().for_each(|item| item.tables(&mut tables)),
        }
        let ctes = self.ctes.iter().chain(self.source.iter().flat_map(|source| &source.ctes));
        let own: Vec<&Cte> = ctes.collect();
        tables.retain(|table| table.schema.is_some() || !own.iter().any(|cte| cte.name == table.name));
        tables
    }

    /// What must hold of its rows: the parts of its conditions, and of those of the queries in it, that an AND joins.
    pub fn conditions(&self) -> Vec<&Expr> {
        let mut all: Vec<&Expr> = self.on.iter().chain(&self.filter).collect();
        let from = self.from.iter().filter_map(|item| match item {
            FromItem::Query { query, .. } => Some(&**query),
            _ => None,
        });
        let ctes = self.ctes.iter().filter_map(|cte| cte.query.as_ref());
        let inside: Vec<&Query> = all.iter().flat_map(|condition| condition.queries()).collect();
        for query in from.chain(ctes).chain(&self.source).chain(inside) {
            query.walk(&mut |part| all.extend(part.on.iter().chain(&part.filter)));
        }
        all.into_iter().flat_map(Expr::conjuncts).collect()
    }

    fn collect<'a>(&'a self, with: Vec<&'a Cte>, found: &mut Vec<Change<'a>>) {
        collect_with(&self.ctes, found);
        if let Some(source) = &self.source {
            source.collect(found);
        }
        found.push(Change { dml: self, with });
    }
}

/// Adds the changes that the items of one WITH make.
fn collect_with<'a>(ctes: &'a [Cte], found: &mut Vec<Change<'a>>) {
    for cte in ctes {
        if let Some(dml) = &cte.dml {
            dml.collect(ctes.iter().collect(), found);
        }
    }
}

impl StmtKind {
    /// Every UPDATE, DELETE, INSERT and MERGE that the statement runs, those in WITH included, in the order they are written.
    pub fn changes(&self) -> Vec<Change<'_>> {
        let mut found = Vec::new();
        match self {
            StmtKind::Dml(dml) => dml.collect(Vec::new(), &mut found),
            StmtKind::Select(query) | StmtKind::CreateTableAs { query, .. } => query.collect(&mut found),
            StmtKind::Copy { source: Some(source), .. } => return source.changes(),
            _ => {}
        }
        found
    }
}
