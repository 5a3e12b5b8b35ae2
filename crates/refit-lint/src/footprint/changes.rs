//! What a statement changes, from what the linter reads of it; for a statement of which it reads only the first words, from the
//! names in its text.

use super::{Footprint, words};
use crate::predict::is_opaque;
use crate::schema::Schema;
use crate::sql::{AlterAction, AlterTarget, Name, Span, Stmt, StmtKind, Use};

const CASCADE: &str = "CASCADE drops objects that are not named";
const DYNAMIC: &str = "it runs statements that cannot be read";

/// Adds the changes of a statement; `text` is that of the statement in which it runs.
pub(super) fn add(stmt: &Stmt, text: &str, schema: &Schema, found: &mut Footprint) {
    if is_opaque(&stmt.kind, schema) {
        found.opaque(DYNAMIC);
    }
    // Relations that a body names are not in the text.
    stmt.kind.clone().relations_mut(&mut |name, how| match how {
        Use::Makes { .. } => found.change(name),
        Use::Names => drop(found.names.insert(name.key())),
    });
    for change in stmt.kind.changes() {
        found.change_rows(&change.dml.table);
    }
    match &stmt.kind {
        StmtKind::CreateRoutine { name, .. }
        | StmtKind::CreateDomain { name, .. }
        | StmtKind::AlterDomain { name, .. }
        | StmtKind::CreateEnum { name, .. }
        | StmtKind::AddEnumValue { name, .. }
        | StmtKind::RenameEnumValue { name, .. }
        | StmtKind::AlterComposite { name, .. } => found.change(name),
        StmtKind::CreateSchema { name } => found.change(&bare(name)),
        StmtKind::Rename { name, to, .. } => {
            found.change(name);
            found.change(&beside(name, to));
        }
        StmtKind::CreateTrigger { table, .. }
        | StmtKind::TableRule { table, .. }
        | StmtKind::Refresh { view: table, .. }
        | StmtKind::Cluster { table: Some(table) } => found.change(table),
        StmtKind::CreateIndex(index) => {
            found.change(&index.table);
            index.name.iter().for_each(|name| found.change(name));
        }
        StmtKind::Alter { target, table, actions } => alter(*target, table, actions, text, schema, found),
        StmtKind::Drop { names, cascade, .. } => {
            for name in names {
                found.change(name);
                of_index(name, schema, found);
            }
            if *cascade {
                found.opaque(CASCADE);
            }
        }
        StmtKind::Truncate { tables, cascade } => {
            tables.iter().for_each(|table| found.change_rows(table));
            if *cascade {
                found.opaque(CASCADE);
            }
        }
        StmtKind::Copy { table: Some(table), from: true, .. } => found.change_rows(table),
        StmtKind::Do(body) if !matches!(body.language.as_str(), "sql" | "plpgsql") => found.opaque(DYNAMIC),
        StmtKind::Other(first) => other(first, text, found),
        _ => {}
    }
}

fn alter(
    target: AlterTarget,
    table: &Name,
    actions: &[(Span, AlterAction)],
    text: &str,
    schema: &Schema,
    found: &mut Footprint,
) {
    found.change(table);
    if target == AlterTarget::Index {
        of_index(table, schema, found);
    }
    for (_, action) in actions {
        match action {
            AlterAction::RenameTo(to) => found.change(&beside(table, to)),
            AlterAction::SetSchema(to) => {
                found.change(&Name { schema: Some(to.clone()), ..table.clone() });
            }
            AlterAction::AttachPartition { partition, .. }
            | AlterAction::DetachPartition { partition, .. } => found.change(partition),
            AlterAction::DropColumn(_) | AlterAction::DropConstraint(_) if has_word(text, "CASCADE") => {
                found.opaque(CASCADE);
            }
            _ => {}
        }
    }
}

/// A change of an index is one of its table.
fn of_index(name: &Name, schema: &Schema, found: &mut Footprint) {
    if let Some(index) = schema.indexes.get(&name.key()) {
        found.change(&Name::of_key(&index.table, name.span));
    }
}

/// A statement of which only the first words are known changes all that it names, but for the roles of GRANT, REVOKE and OWNER TO.
fn other(first: &str, text: &str, found: &mut Footprint) {
    let is = |words: &str| first.starts_with(words);
    const EVERYTHING: [&str; 6] =
        ["ALTER DEFAULT", "CREATE EVENT", "ALTER EVENT", "DROP OWNED", "REASSIGN OWNED", "IMPORT FOREIGN"];
    if EVERYTHING.iter().any(|words| is(words)) {
        found.opaque("it concerns objects that it does not name");
    }
    if (is("DROP") || is("REVOKE")) && has_word(text, "CASCADE") {
        found.opaque(CASCADE);
    }
    let end = match () {
        () if is("GRANT") => text.to_ascii_uppercase().rfind(" TO "),
        () if is("REVOKE") => text.to_ascii_uppercase().rfind(" FROM "),
        () if is("ALTER") => text.to_ascii_uppercase().rfind(" OWNER TO "),
        () => None,
    };
    let named = end.and_then(|end| text.get(..end)).unwrap_or(text);
    let mut names = words::whole_names(named);
    if is("COMMENT ON COLUMN") {
        names = names
            .iter()
            .map(|name| name.rsplit_once('.').map_or(&**name, |(table, _)| table).to_owned())
            .collect();
    }
    let is_keyword = |name: &str| {
        first.split(' ').any(|word| word.eq_ignore_ascii_case(name))
            || KEYWORDS.contains(&name)
            // What has to be quoted to be a name.
            || name.chars().all(|c| c.is_ascii_lowercase()) && refit_model::quoted_name(name) != name
    };
    found.changes.extend(names.into_iter().filter(|name| !is_keyword(name)));
}

/// Words of such statements that PostgreSQL does not reserve, and that are rarely names of objects.
const KEYWORDS: [&str; 41] = [
    "add",
    "after",
    "aggregate",
    "alter",
    "by",
    "cascade",
    "comment",
    "database",
    "depends",
    "drop",
    "execute",
    "extension",
    "function",
    "functions",
    "handler",
    "if",
    "insert",
    "is",
    "language",
    "large",
    "object",
    "option",
    "options",
    "owner",
    "policy",
    "privileges",
    "procedure",
    "procedures",
    "replace",
    "reset",
    "restrict",
    "role",
    "rule",
    "schema",
    "sequence",
    "server",
    "set",
    "trigger",
    "type",
    "view",
    "wrapper",
];

fn has_word(text: &str, word: &str) -> bool {
    refit_model::significant_tokens(text).iter().any(|token| token.eq_ignore_ascii_case(word))
}

fn bare(name: &str) -> Name {
    Name { schema: None, name: name.to_owned(), span: Span::default() }
}

/// Another name in the same schema.
fn beside(name: &Name, other: &str) -> Name {
    Name { name: other.to_owned(), ..name.clone() }
}
