//! Statements as the rules see them: what a migration says, without how it is spelt.
//!
//! The types of the parser stay in `parser/`: `sql::body` calls it for the body of a function or a DO block, and gets the types
//! of this module. Names are folded as PostgreSQL folds them; what no rule asks about is left out or kept as [`Expr::Other`] and
//! [`StmtKind::Other`], so that its parts are still looked at.

mod alter;
mod body;
mod expr;
mod query;
mod relations;
mod table;

pub use alter::{AlterAction, AlterTarget, ColumnChange};
pub use body::{Body, BodyStmt};
pub(crate) use body::{BodyFaults, BodyText};
pub use expr::{Compare, Expr, Literal};
pub use query::{Change, Cte, Dml, DmlKind, FromItem, Merges, Query};
pub(crate) use relations::Use;
pub use table::{Column, Constraint, ConstraintKind, CreateTable, DataType, Generated, Index, Like};

/// A range of bytes in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

/// A name, perhaps qualified, folded to lower case where it is not quoted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// The schema, when one is written.
    pub schema: Option<String>,
    /// The name itself.
    pub name: String,
    /// Where it is written.
    pub span: Span,
}

impl Name {
    /// The name that a key stands for, written at `span`.
    pub(crate) fn of_key(key: &str, span: Span) -> Name {
        let (schema, name) = match key.split_once('.') {
            Some((schema, name)) => (Some(schema.to_owned()), name),
            None => (None, key),
        };
        Name { schema, name: name.to_owned(), span }
    }

    /// The table of a directive, which is written as in SQL.
    pub(crate) fn of_directive(written: &str) -> Name {
        let words = refit_model::significant_tokens(written).into_iter().filter(|word| *word != ".");
        let mut parts: Vec<String> = words.map(refit_model::identifier_name).collect();
        let name = parts.pop().unwrap_or_default();
        Name { schema: parts.pop(), name, span: Span::default() }
    }

    /// Whether it is a catalog of the server's, such as `pg_index`.
    pub(crate) fn is_of_the_system(&self) -> bool {
        match self.schema.as_deref() {
            Some(schema) => schema == "pg_catalog" || schema == "information_schema",
            None => self.name.starts_with("pg_"),
        }
    }

    /// What identifies the object: `public.t` and `t` are the same, as long as the search path is the usual one.
    pub fn key(&self) -> String {
        self.key_ref().into_owned()
    }

    /// The key for looking up, which costs nothing for most names.
    pub(crate) fn key_ref(&self) -> std::borrow::Cow<'_, str> {
        match self.schema.as_deref() {
            None | Some("public") => self.name.as_str().into(),
            Some(schema) => format!("{schema}.{}", self.name).into(),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if let Some(schema) = &self.schema {
            write!(f, "{}.", refit_model::quoted_name(schema))?;
        }
        write!(f, "{}", refit_model::quoted_name(&self.name))
    }
}

/// One statement.
#[derive(Debug, Clone, PartialEq)]
pub struct Stmt {
    /// Its span, without leading comments.
    pub span: Span,
    /// What it does.
    pub kind: StmtKind,
    /// The functions that it calls anywhere, except in bodies that it only defines.
    pub calls: Vec<Called>,
}

/// A function that is called.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    /// Its name.
    pub name: Name,
    /// How many arguments it is given.
    pub args: usize,
}

/// What a function or procedure takes.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Parameters {
    /// The types of its arguments: two functions of one name differ in them.
    pub types: Vec<DataType>,
    /// How many arguments it needs.
    pub least: usize,
    /// How many it takes; none for VARIADIC.
    pub most: Option<usize>,
}

impl Parameters {
    /// Whether it can be called with some number of arguments.
    pub fn take(&self, args: usize) -> bool {
        self.least <= args && self.most.is_none_or(|most| args <= most)
    }
}

/// What a statement does.
#[derive(Debug, Clone, PartialEq)]
pub enum StmtKind {
    /// CREATE TABLE.
    CreateTable(CreateTable),
    /// CREATE TABLE … AS and SELECT … INTO.
    CreateTableAs {
        /// The new table.
        table: Name,
        /// TEMPORARY.
        temporary: bool,
        /// IF NOT EXISTS.
        if_not_exists: bool,
        /// Where its rows come from.
        query: Query,
    },
    /// ALTER TABLE, and the same actions on other relations.
    Alter {
        /// What kind of relation is named.
        target: AlterTarget,
        /// The relation.
        table: Name,
        /// Each action with its place.
        actions: Vec<(Span, AlterAction)>,
    },
    /// CREATE INDEX.
    CreateIndex(Index),
    /// DROP of anything.
    Drop {
        /// TABLE, INDEX, VIEW, …: upper case, words joined by a space.
        what: String,
        /// The objects; for triggers and policies the table they are on.
        names: Vec<Name>,
        /// CONCURRENTLY.
        concurrently: bool,
        /// CASCADE.
        cascade: bool,
    },
    /// REINDEX.
    Reindex {
        /// INDEX, TABLE, SCHEMA, DATABASE or SYSTEM.
        what: String,
        /// What is rebuilt; none for the current database.
        name: Option<Name>,
        /// CONCURRENTLY, as a word or an option.
        concurrently: bool,
    },
    /// UPDATE, DELETE, INSERT, MERGE.
    Dml(Box<Dml>),
    /// SELECT, VALUES, TABLE and what combines them.
    Select(Query),
    /// TRUNCATE.
    Truncate {
        /// The tables.
        tables: Vec<Name>,
        /// CASCADE.
        cascade: bool,
    },
    /// LOCK TABLE.
    Lock {
        /// The tables.
        tables: Vec<Name>,
        /// The mode, as in `ACCESS EXCLUSIVE`.
        mode: String,
    },
    /// VACUUM.
    Vacuum {
        /// FULL.
        full: bool,
        /// The tables; none for all.
        tables: Vec<Name>,
    },
    /// CLUSTER.
    Cluster {
        /// The table; none for all that were clustered before.
        table: Option<Name>,
    },
    /// REFRESH MATERIALIZED VIEW.
    Refresh {
        /// The view.
        view: Name,
        /// CONCURRENTLY.
        concurrently: bool,
        /// WITH NO DATA.
        no_data: bool,
    },
    /// BEGIN, COMMIT, ROLLBACK, …; the words, upper case.
    Transaction(String),
    /// SET and RESET of a setting.
    Set {
        /// The setting, lower case.
        name: String,
        /// The value as written, without quotes; none for RESET and DEFAULT.
        value: Option<String>,
        /// LOCAL.
        local: bool,
    },
    /// DO: the statements of its body, or none when the language is not one we read.
    Do(Body),
    /// CREATE FUNCTION or PROCEDURE.
    CreateRoutine {
        /// Its name.
        name: Name,
        /// `v`, `s` or `i`, as `pg_proc.provolatile` has it.
        volatility: char,
        /// What it takes.
        parameters: Parameters,
        /// Whether it returns `trigger`.
        is_trigger: bool,
        /// Its body.
        body: std::sync::Arc<Body>,
    },
    /// CALL.
    Call {
        /// The procedure.
        name: Name,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// EXECUTE of a string inside a body.
    DynamicSql {
        /// The string, when it is a constant.
        text: Option<String>,
        /// The statements in it, when it could be read; with the spans of the EXECUTE.
        statements: Vec<Stmt>,
    },
    /// CREATE TRIGGER.
    CreateTrigger {
        /// The trigger.
        name: String,
        /// INSTEAD OF: on a view.
        instead: bool,
        /// The table.
        table: Name,
    },
    /// CREATE and ALTER POLICY, CREATE RULE.
    TableRule {
        /// POLICY or RULE.
        what: &'static str,
        /// The table.
        table: Name,
    },
    /// ALTER TYPE … ALTER, ADD or DROP ATTRIBUTE.
    AlterComposite {
        /// The type.
        name: Name,
        /// Whether the columns of an attribute change their type, which writes the rows of typed tables.
        retypes: bool,
    },
    /// RENAME TO of a function, procedure, schema, type, domain or routine.
    Rename {
        /// FUNCTION, SCHEMA, …: upper case.
        what: &'static str,
        /// The object as it was.
        name: Name,
        /// As it becomes.
        to: String,
    },
    /// CREATE DOMAIN.
    CreateDomain {
        /// The domain.
        name: Name,
        /// What it is made of.
        base: DataType,
        /// Whether it has a CHECK or NOT NULL.
        constrained: bool,
    },
    /// ALTER DOMAIN … ADD CONSTRAINT, VALIDATE CONSTRAINT, SET NOT NULL; other changes are [`StmtKind::Other`].
    AlterDomain {
        /// The domain.
        name: Name,
        /// The action.
        action: AlterAction,
    },
    /// CREATE TYPE … AS ENUM.
    CreateEnum {
        /// The type.
        name: Name,
        /// Its values.
        values: Vec<String>,
    },
    /// ALTER TYPE … ADD VALUE.
    AddEnumValue {
        /// The type.
        name: Name,
        /// The new value.
        value: String,
    },
    /// ALTER TYPE … RENAME VALUE.
    RenameEnumValue {
        /// The type.
        name: Name,
        /// The value as it was.
        from: String,
    },
    /// CREATE VIEW and CREATE MATERIALIZED VIEW.
    CreateView {
        /// The view.
        name: Name,
        /// MATERIALIZED.
        materialized: bool,
        /// OR REPLACE.
        or_replace: bool,
        /// WITH NO DATA.
        no_data: bool,
        /// Its query.
        query: Query,
    },
    /// CREATE SEQUENCE.
    CreateSequence {
        /// The sequence.
        name: Name,
    },
    /// CREATE SCHEMA.
    CreateSchema {
        /// The schema.
        name: String,
    },
    /// COPY … FROM or TO.
    Copy {
        /// The table, when one is named.
        table: Option<Name>,
        /// The statement in its place.
        source: Option<Box<StmtKind>>,
        /// FROM (true) or TO.
        from: bool,
        /// STDIN or STDOUT.
        through_client: bool,
    },
    /// Anything else; its first words, upper case.
    Other(String),
}
