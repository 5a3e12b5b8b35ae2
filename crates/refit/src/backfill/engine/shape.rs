//! The shape of a backfill's statement: its parameters, its target, what it changes, and which rows remain.
//!
//! The text is only tokenized, as for splitting: what it does not show is left to the directive, never guessed.

use std::ops::Range;

use refit_model::{BackfillDirective, split_statements};
use tokio_postgres::Client;

use self::tokens::Tokens;
use self::writes::Write;
use super::inserted::{self, Inserted};
use super::job::Job;
use super::key::literal;
use super::path;
use crate::error::Error;

pub(super) mod tokens;
mod writes;

/// The statements of a batch.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    pub(crate) parts: Vec<Part>,
    /// Whether the statements name their stripe: `… % $3 = $4` after the bounds of the key.
    pub(crate) striped: bool,
}

/// One statement.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    text: String,
    /// The number of its parameters.
    pub(crate) parameters: usize,
    /// `>` before `$1` and `<` after it: the positions to edit for an inclusive lower bound.
    lower: Vec<(Range<usize>, &'static str)>,
    /// The target of an UPDATE or DELETE, if it is, or may be, the directive's table.
    target: Option<Target>,
    /// The name of the target of an UPDATE or DELETE, in the syntax that the server's functions accept; also that of an INSERT
    /// whose rows are journaled.
    pub(super) named: Option<String>,
    /// Whether it is an UPDATE without RETURNING.
    pub(crate) plain_update: bool,
    /// The name or alias of the target in the statement, as written.
    pub(crate) called: String,
    /// The columns that it sets, unquoted.
    pub(crate) sets: Vec<String>,
    /// The condition, on the target alone, that rows no longer meet once they are done.
    pub(crate) guard: Option<String>,
    /// The table whose inserted rows are journaled, once the server was asked for it.
    pub(crate) inserted: Option<Inserted>,
    /// All writes in it, also nested ones.
    pub(crate) writes: Vec<Write>,
}

#[derive(Debug, Clone)]
struct Target {
    /// Its position in the text, including `ONLY`.
    span: Range<usize>,
    /// The table, in the syntax that the server's functions accept.
    name: Option<String>,
    /// The name by which the rest of the statement refers to it, if it has no alias.
    rename: Option<String>,
}

impl Shape {
    /// Reads the statements of a file, and asks the server which of them change the directive's table: only in these, batches
    /// replace its name by that of their partition.
    ///
    /// # Errors
    /// The inner one says why they are not batches of the directive's key, and what to do.
    pub(crate) async fn read(client: &Client, job: &Job) -> Result<Result<Shape, String>, Error> {
        let directive = &job.directive;
        let mut shape = match Shape::of(&job.statement, directive) {
            Ok(shape) => shape,
            Err(reason) => return Ok(Err(reason)),
        };
        if let Some(table) = directive.undo.inserted() {
            return inserted::ask(client, job, shape, table).await;
        }
        for (number, part) in shape.parts.iter_mut().enumerate() {
            let Some(target) = &part.target else { continue };
            // Once the job has begun, the targets of its statements are recorded: tables may have been renamed since.
            let known = job.targets.as_ref().and_then(|targets| targets.get(number).copied());
            match known.filter(|known| *known != 0) {
                known @ Some(_) if known == job.relation => continue,
                None if is_the_table(client, job, target.name.as_deref()).await? => continue,
                known @ Some(_) if known != resolved(client, job, target.name.as_deref()).await? => {
                    let name = target.name.as_deref().unwrap_or("another table");
                    return Ok(Err(format!(
                        "{name} is not the same table as when the backfill began: restore the table names, then run again"
                    )));
                }
                _ => {}
            }
            if !directive.undo.is_empty() {
                return Ok(Err(format!(
                    "`undo` journals changes to {}, and the statement changes {}",
                    directive.table,
                    target.name.as_deref().unwrap_or("another table")
                )));
            }
            part.clear_target();
        }
        Ok(Ok(shape))
    }

    /// Reads the statements of a file, assuming that each changes the directive's table.
    ///
    /// # Errors
    /// Why they are not batches of the directive's key, and what to do.
    pub(crate) fn of(sql: &str, directive: &BackfillDirective) -> Result<Shape, String> {
        let statements = split_statements(sql);
        if statements.is_empty() {
            return Err("it has no statement: write one, or register a function for its version".to_owned());
        }
        let keys = directive.key.len();
        let parts: Vec<Part> = statements.iter().map(|statement| Part::of(statement.text)).collect();
        if let Some(reason) = parts.iter().find_map(|part| part.reject_reason(&directive.key)) {
            return Err(reason);
        }
        let mut writes = parts.iter().flat_map(|part| &part.writes);
        let against = |write: &Write| write.reject_reason(&directive.key, &directive.table);
        if let Some(reason) = writes.by_ref().filter(|write| write.is_of(&directive.table)).find_map(against)
        {
            return Err(reason);
        }
        let striped = parts.iter().all(|part| part.parameters > 2 * keys);
        if !striped && parts.iter().any(|part| part.parameters > 2 * keys) {
            return Err(
                "some of its statements name a stripe and others do not: name it in all of them, or in none"
                    .to_owned(),
            );
        }
        let one_update = parts.len() == 1 && parts[0].plain_update;
        if let Some(table) = directive.undo.inserted()
            && let Some(reason) = inserted_reason(&parts)
        {
            return Err(format!("`undo` journals the rows that are inserted into {table}, and {reason}"));
        }
        if !directive.undo.columns().is_empty() && !one_update {
            return Err("`undo` needs a single UPDATE without RETURNING".to_owned());
        }
        Ok(Shape { parts, striped })
    }

    /// The columns that the statements set.
    pub(crate) fn sets(&self) -> Vec<String> {
        self.parts.iter().flat_map(|part| part.sets.iter().cloned()).collect()
    }

    /// The table whose inserted rows are journaled.
    pub(crate) fn inserted(&self) -> Option<&Inserted> {
        self.parts.iter().find_map(|part| part.inserted.as_ref())
    }

    /// Whether every statement can be restricted to one partition.
    pub(crate) fn can_be_restricted(&self) -> bool {
        self.parts.iter().all(|part| part.target.is_some())
    }
}

/// The OIDs of the tables that the job's statements change, 0 for a statement without one.
pub(super) async fn targets(client: &Client, job: &Job, shape: &Shape) -> Result<Vec<u32>, Error> {
    let mut targets = Vec::new();
    for part in &shape.parts {
        targets.push(match &part.named {
            Some(name) => resolved(client, job, Some(name)).await?.unwrap_or(0),
            None => 0,
        });
    }
    Ok(targets)
}

/// The OID of the relation to which a name in the job's statement resolves.
pub(super) async fn resolved(client: &Client, job: &Job, name: Option<&str>) -> Result<Option<u32>, Error> {
    let name = name.map_or("NULL".to_owned(), literal);
    let oid =
        path::value(client, job, &format!("pg_catalog.to_regclass({name})::pg_catalog.oid"), LOOKING).await?;
    Ok(oid.and_then(|oid| oid.parse().ok()))
}

/// Whether a name in the job's statement is its table; true if the table does not exist, which is reported later.
async fn is_the_table(client: &Client, job: &Job, name: Option<&str>) -> Result<bool, Error> {
    let name = name.map_or("NULL".to_owned(), literal);
    let table = literal(&job.directive.table);
    let expression = format!(
        "coalesce(pg_catalog.to_regclass({name})::pg_catalog.oid OPERATOR(pg_catalog.=) \
             pg_catalog.to_regclass({table})::pg_catalog.oid, pg_catalog.to_regclass({table}) IS NULL)"
    );
    Ok(path::value(client, job, &expression, LOOKING).await?.as_deref() == Some("t"))
}

const LOOKING: &str = "looking for the table of a statement";

impl Part {
    fn of(text: &str) -> Part {
        let tokens = Tokens::of(text);
        let (target, called, sets, guard, plain_update) = match tokens.target() {
            Some(target) => {
                let sets = if target.update { tokens.sets(target.after) } else { Vec::new() };
                let guard = tokens.guard(target.after, &target.called, &sets);
                let returning = tokens.find(target.after, "RETURNING").is_some();
                let rename = (!target.aliased).then(|| target.called.clone());
                let plain = target.update && !returning;
                (
                    Some(Target { span: target.span, name: target.name, rename }),
                    target.called,
                    sets,
                    guard,
                    plain,
                )
            }
            None => (None, String::new(), Vec::new(), None, false),
        };
        Part {
            text: text.to_owned(),
            parameters: tokens.parameters(),
            lower: tokens.lower_bounds(),
            named: target.as_ref().and_then(|target: &Target| target.name.clone()),
            target,
            plain_update,
            called,
            sets,
            guard,
            inserted: None,
            writes: tokens.writes(),
        }
    }

    /// Why it is not a batch of a key.
    fn reject_reason(&self, key: &[String]) -> Option<String> {
        let keys = key.len();
        let bound =
            |first: usize| row(&(first..first + keys).map(|number| format!("${number}")).collect::<Vec<_>>());
        let tokens = Tokens::of(&self.text);
        let (modulus, rest) = (2 * keys + 1, 2 * keys + 2);
        if self.lower.is_empty() {
            return Some(format!("the lower bound is exclusive: write it as `{} > {}`", row(key), bound(1)));
        }
        if !tokens.has_upper_bound(keys + 1) {
            let (key, upper) = (row(key), bound(keys + 1));
            return Some(format!("the upper bound belongs to the batch: write it as `{key} <= {upper}`"));
        }
        match key {
            _ if self.parameters == 2 * keys => None,
            [key] if self.parameters == rest => (!tokens.has_stripe(key, [modulus, rest])).then(|| {
                format!("the parameters after the bounds name a stripe: write it as `{key} % ${modulus} = ${rest}`")
            }),
            _ if self.parameters == rest => {
                Some(format!("a stripe needs a key of one column: leave ${modulus} and ${rest} out"))
            }
            _ => Some(format!(
                "a batch of {keys} key columns has {} parameters, or {rest} with a stripe (`key % ${modulus} = ${rest}`); \
                 this statement has {}",
                2 * keys,
                self.parameters
            )),
        }
    }

    /// The table of a DELETE, as written; none for other statements.
    pub(crate) fn deletes(&self) -> Option<String> {
        let is_delete = Tokens::of(&self.text).find(0, "DELETE").is_some();
        self.target.as_ref().filter(|_| is_delete).and_then(|target| target.name.clone())
    }

    /// The statement changes another table, so its target says nothing about the rows of the walk.
    fn clear_target(&mut self) {
        self.target = None;
        self.guard = None;
        self.sets = Vec::new();
    }

    /// The statement as it is written; `closed` makes the lower bound inclusive.
    pub(crate) fn written(&self, closed: bool) -> String {
        self.edited(if closed { self.closing_edits() } else { Vec::new() })
    }

    /// The edits that make the lower bound inclusive.
    fn closing_edits(&self) -> Vec<(Range<usize>, String)> {
        self.lower.iter().map(|(range, with)| (range.clone(), (*with).to_owned())).collect()
    }

    /// The statement for one relation; `closed` makes the lower bound inclusive.
    pub(crate) fn text(&self, relation: &str, closed: bool) -> String {
        let mut edits = if closed { self.closing_edits() } else { Vec::new() };
        if let Some(Target { span, rename, .. }) = &self.target {
            let with = match rename {
                Some(name) => format!("ONLY {relation} AS {name}"),
                None => format!("ONLY {relation}"),
            };
            edits.push((span.clone(), with));
        }
        self.edited(edits)
    }

    fn edited(&self, mut edits: Vec<(Range<usize>, String)>) -> String {
        edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start));
        let mut text = self.text.clone();
        for (range, with) in edits {
            text.replace_range(range, &with);
        }
        text
    }
}

/// Why the rows that statements insert cannot be journaled.
fn inserted_reason(parts: &[Part]) -> Option<&'static str> {
    let [part] = parts else { return Some("there are several statements: write a single INSERT") };
    Tokens::of(&part.text).insert_reason(&part.writes)
}

fn row(names: &[String]) -> String {
    match names {
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directive(key: &[&str]) -> BackfillDirective {
        let key = key.iter().map(|column| format!("{column:?}")).collect::<Vec<_>>().join(",");
        serde_json::from_str(&format!("{{\"table\":\"t\",\"key\":[{key}]}}")).unwrap()
    }

    const SAMPLE: &str = "UPDATE content_versions cv SET site_id = coalesce(p.site_id, (SELECT 1 WHERE true)), (a, \"B\") = (1, 2)\n\
         FROM posts p WHERE cv.id > $1 AND cv.id <= $2 AND cv.id % $3 = $4 AND p.x IS NULL AND cv.site_id IS NULL;";

    #[test]
    fn an_update_is_understood() {
        let shape = Shape::of(SAMPLE, &directive(&["id"])).unwrap();
        let part = &shape.parts[0];
        assert!(shape.striped && part.plain_update && shape.can_be_restricted());
        assert_eq!((part.called.as_str(), part.guard.as_deref()), ("cv", Some("site_id IS NULL")));
        assert_eq!(part.sets, ["site_id", "a", "B"]);
        let closed = part.text("public.\"P 1\"", true);
        assert!(closed.starts_with("UPDATE ONLY public.\"P 1\" cv SET"), "{closed}");
        assert!(closed.contains("cv.id >= $1 AND cv.id <= $2"), "{closed}");
    }

    #[test]
    fn a_name_without_alias_stays_what_it_is_called() {
        let shape =
            Shape::of("DELETE FROM app.\"T\" WHERE $1 < \"T\".id AND id <= $2", &directive(&["id"])).unwrap();
        let text = shape.parts[0].text("app.t_1", true);
        assert_eq!(text, "DELETE FROM ONLY app.t_1 AS \"T\" WHERE $1 <= \"T\".id AND id <= $2");
    }

    #[test]
    fn composite_keys_are_rows() {
        let sql = "UPDATE t SET n = n + 1 WHERE (a, b) > ($1, $2) AND (a, b) <= ($3, $4)";
        let shape = Shape::of(sql, &directive(&["a", "b"])).unwrap();
        assert!(!shape.striped && shape.parts[0].guard.is_none());
        assert!(shape.parts[0].text("t", true).contains("(a, b) >= ($1, $2) AND (a, b) <= ($3, $4)"));
        let turned = "UPDATE t SET n = 1 WHERE ($1, $2) < (a, b) AND (a, b) <= ($3, $4)";
        let shape = Shape::of(turned, &directive(&["a", "b"])).unwrap();
        let short = "UPDATE t SET n = 1 WHERE (a, b) > ($1, $2) AND (a, b) < ($3, $4)";
        let why = Shape::of(short, &directive(&["a", "b"])).unwrap_err();
        assert!(why.contains("`(a, b) <= ($3, $4)`"), "{why}");
        assert!(shape.parts[0].text("t", true).contains("($1, $2) <= (a, b)"));
    }

    #[test]
    fn what_is_no_batch_is_refused_with_the_way_out() {
        let refused = |sql: &str| Shape::of(sql, &directive(&["id"])).unwrap_err();
        assert!(refused("UPDATE t SET a = 1").contains("id > $1"));
        assert!(refused("UPDATE t SET a = 1 WHERE id >= $1 AND id <= $2").contains("exclusive"));
        assert!(refused("UPDATE t SET a = 1 WHERE id <> $1 AND id <= $2").contains("exclusive"));
        for upper in ["id < $2", "$2 > id", "id <> $2", "id <=- $2", "id = $2"] {
            let sql = format!("UPDATE t SET a = 1 WHERE id > $1 AND {upper}");
            assert!(refused(&sql).contains("write it as `id <= $2`"), "{upper}");
        }
        for stripe in ["other % $3 = $4", "id % $4 = $3", "id % $3 <> $4", "id / $3 = $4", "n IN ($3, $4)"] {
            let sql = format!("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND {stripe}");
            assert!(refused(&sql).contains("`id % $3 = $4`"), "{stripe}");
        }
        for stripe in ["$4 = t.id % $3", "mod(t.\"id\", $3) = $4", "$4=pg_catalog.MOD(id,$3)", "(ID%$3)=$4"] {
            let sql = format!("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND {stripe}");
            assert!(Shape::of(&sql, &directive(&["id"])).unwrap().striped, "{stripe}");
        }
        for upper in ["id<=$2::int", "$2>= id", "t.id <= ($2)"] {
            let sql = format!("UPDATE t SET a = 1 WHERE id > $1 AND {upper}");
            assert!(Shape::of(&sql, &directive(&["id"])).is_ok(), "{upper}");
        }
        assert!(refused("UPDATE t SET a = $3 WHERE id > $1 AND id <= $2").contains("this statement has 3"));
        assert!(refused("-- nothing").contains("no statement"));
    }

    #[test]
    fn a_guard_is_never_guessed() {
        let guard = |sql: &str| Shape::of(sql, &directive(&["id"])).unwrap().parts[0].guard.clone();
        assert_eq!(
            guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND a IS NULL").as_deref(),
            Some("a IS NULL")
        );
        assert_eq!(guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND b IS NULL"), None);
        assert_eq!(guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND a IS NULL OR b"), None);
        assert_eq!(guard("UPDATE t SET a = 1 WHERE id > $1 AND id <= $2 AND (a IS NULL)"), None);
        assert_eq!(guard("UPDATE t SET a = 1 FROM u WHERE id > $1 AND id <= $2 AND u.a IS NULL"), None);
    }
}
