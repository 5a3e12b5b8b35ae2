//! Which columns of NEW a trigger function in PL/pgSQL may assign.
//!
//! The body is only tokenized: anything not understood counts as an assignment to any column.

use crate::backfill::engine::shape::tokens::{Tokens, unquoted};

/// What a trigger function does to the row that an UPDATE writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Assigned {
    /// It may assign these columns.
    Columns(Vec<String>),
    /// It may assign any.
    Any,
}

/// Reads the body of a trigger function.
pub(super) fn assigned(body: &str) -> Assigned {
    let tokens = Tokens::of(body);
    let (mut columns, mut branches) = (Vec::new(), Vec::<Branch>::new());
    for at in 0..tokens.len() {
        follow(&tokens, at, &mut branches);
        // Dynamic SQL may compute anything, but only INTO assigns it to NEW.
        if tokens.is(at, "RETURN") && !returns_the_row(&tokens, at + 1) {
            return Assigned::Any;
        }
        if unquoted(tokens.text(at)) != "new" || tokens.text(at.wrapping_sub(1)) == "." {
            continue;
        }
        let is_column = tokens.text(at + 1) == ".";
        let mut end = if is_column { at + 3 } else { at + 1 };
        // Assigning a field or an element of a column changes the column.
        while tokens.text(end) == "." || tokens.text(end) == "[" {
            end = match tokens.text(end) {
                "." => end + 2,
                _ => {
                    (end..tokens.len()).find(|close| tokens.text(*close) == "]").map_or(end, |close| close)
                        + 1
                }
            };
        }
        if !(is_assignment(&tokens, at, end) || is_into(&tokens, at)) {
            continue;
        }
        if !is_column {
            return Assigned::Any;
        }
        let column = unquoted(tokens.text(at + 2));
        let inserts_only = branches.iter().any(|branch| branch.is_for_inserts(&column));
        if !inserts_only && !keeps(&tokens, end, &column) && !columns.contains(&column) {
            columns.push(column);
        }
    }
    Assigned::Columns(columns)
}

/// An IF, and what holds in its current branch.
#[derive(Default)]
struct Branch {
    /// `TG_OP = 'INSERT'` holds.
    inserts: bool,
    /// An earlier branch has the condition `TG_OP = 'UPDATE'`.
    updates_before: bool,
    /// Columns that are NULL.
    nulls: Vec<String>,
}

impl Branch {
    /// Whether an UPDATE of a row whose `column` is not null never runs this branch.
    fn is_for_inserts(&self, column: &str) -> bool {
        self.inserts || self.nulls.iter().any(|null| null == column)
    }
}

fn follow(tokens: &Tokens<'_>, at: usize, branches: &mut Vec<Branch>) {
    let ends = tokens.is(at.wrapping_sub(1), "END");
    if tokens.is(at, "IF") && ends {
        branches.pop();
    } else if tokens.is(at, "IF") && !tokens.is(at + 1, "EXISTS") && !tokens.is(at + 1, "NOT") {
        branches.push(condition(tokens, at + 1, false));
    } else if tokens.is(at, "IF") {
        branches.push(Branch::default());
    } else if tokens.is(at, "ELSIF") || tokens.is(at, "ELSEIF") {
        if let Some(branch) = branches.last_mut() {
            *branch = condition(tokens, at + 1, branch.updates_before);
        }
    } else if tokens.is(at, "ELSE")
        && let Some(branch) = branches.last_mut().filter(|_| tokens.text(at.wrapping_sub(1)) == ";")
    {
        *branch = Branch { inserts: branch.updates_before, ..Branch::default() };
    }
}

/// What a condition implies; nothing if it has OR or NOT.
fn condition(tokens: &Tokens<'_>, from: usize, updates_before: bool) -> Branch {
    let end = (from..tokens.len()).find(|at| tokens.is(*at, "THEN")).unwrap_or(tokens.len());
    let mut branch = Branch { updates_before, ..Branch::default() };
    if (from..end).any(|at| tokens.is(at, "OR") || tokens.is(at, "NOT")) {
        return branch;
    }
    for at in from..end {
        if tokens.is(at, "TG_OP") && tokens.text(at + 1) == "=" {
            branch.inserts |= tokens.text(at + 2) == "'INSERT'";
            branch.updates_before |= tokens.text(at + 2) == "'UPDATE'" && at == from && at + 3 == end;
        }
        let names_null = unquoted(tokens.text(at)) == "new" && tokens.text(at + 1) == ".";
        if names_null && tokens.is(at + 3, "IS") && tokens.is(at + 4, "NULL") {
            branch.nulls.push(unquoted(tokens.text(at + 2)));
        }
    }
    branch
}

/// Whether RETURN is followed by the current row, or by nothing.
fn returns_the_row(tokens: &Tokens<'_>, at: usize) -> bool {
    let word = unquoted(tokens.text(at));
    let is_row = ["new", "old", "null"].contains(&word.as_str()) && tokens.text(at + 1) == ";";
    // `COALESCE (NEW, OLD)`, as in triggers for several operations, is the current row too.
    let is_either = word == "coalesce"
        && unquoted(tokens.text(at + 2)) == "new"
        && tokens.text(at + 3) == ","
        && unquoted(tokens.text(at + 4)) == "old";
    is_row || is_either || tokens.text(at) == ";"
}

/// Whether `:=`, or `=` where a statement begins, follows.
fn is_assignment(tokens: &Tokens<'_>, at: usize, end: usize) -> bool {
    let before = at.wrapping_sub(1);
    let begins = [";", ">"].contains(&tokens.text(before))
        || ["BEGIN", "THEN", "ELSE", "LOOP"].iter().any(|word| tokens.is(before, word));
    (tokens.text(end) == ":" && tokens.text(end + 1) == "=")
        || tokens.text(end) == ":="
        || (begins && tokens.text(end) == "=")
}

/// Whether it is one of the targets of INTO.
fn is_into(tokens: &Tokens<'_>, at: usize) -> bool {
    let mut before = at;
    while before > 0 {
        before -= 1;
        let text = tokens.text(before);
        if tokens.is(before, "INTO") {
            return !tokens.is(before.wrapping_sub(1), "INSERT");
        }
        let follows_dot = tokens.text(before + 1) == "." || tokens.text(before.wrapping_sub(1)) == ".";
        let is_part =
            text == "," || text == "." || tokens.is(before, "STRICT") || tokens.text(before + 1) == ",";
        if !is_part && !follows_dot {
            return false;
        }
    }
    false
}

/// Whether the assigned value is the row's own: `OLD.column`, or `coalesce(NEW.column, …)`.
fn keeps(tokens: &Tokens<'_>, end: usize, column: &str) -> bool {
    let value = (end..tokens.len()).find(|at| ![":", "=", ":="].contains(&tokens.text(*at))).unwrap_or(end);
    let is = |at: usize, row: &str| {
        unquoted(tokens.text(at)) == row
            && tokens.text(at + 1) == "."
            && unquoted(tokens.text(at + 2)) == column
    };
    (is(value, "old") && tokens.text(value + 3) == ";")
        || (tokens.is(value, "coalesce") && is(value + 2, "new") && tokens.text(value + 5) == ",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_found() {
        for (body, columns) in [
            ("BEGIN NEW.updated_at := now(); RETURN NEW; END", &["updated_at"][..]),
            ("BEGIN\n new.\"Up At\" = now(); NEW.n[1] := 2; RETURN new; END", &["Up At", "n"]),
            ("BEGIN IF NEW.a = 1 THEN NEW.b = 2; END IF; RETURN NEW; END", &["b"]),
            (
                "BEGIN SELECT x, y INTO STRICT NEW.x, NEW.y FROM u WHERE u.id = NEW.id; RETURN NEW; END",
                &["x", "y"],
            ),
            (
                "BEGIN IF TG_OP = 'INSERT' THEN NEW.id := nextval('s'); END IF; NEW.c := 1; RETURN NEW; END",
                &["c"],
            ),
            ("BEGIN IF NEW.id IS NULL THEN NEW.id := 1; END IF; RETURN NEW; END", &[]),
            ("BEGIN IF TG_OP = 'UPDATE' THEN NEW.u := 1; ELSE NEW.id := 1; END IF; RETURN NEW; END", &["u"]),
            ("BEGIN IF TG_OP = 'INSERT' OR true THEN NEW.id := 1; END IF; RETURN NEW; END", &["id"]),
            ("BEGIN NEW.id := OLD.id; NEW.k = coalesce(NEW.k, 1); RETURN NEW; END", &[]),
            ("BEGIN INSERT INTO log VALUES (NEW.id, NEW.a = 1); RETURN NULL; END", &[]),
            ("BEGIN IF NEW IS DISTINCT FROM OLD THEN RAISE EXCEPTION 'x'; END IF; RETURN NEW; END", &[]),
        ] {
            let expected = columns.iter().map(|&column| column.to_owned()).collect();
            assert_eq!(assigned(body), Assigned::Columns(expected), "{body}");
        }
        for body in [
            "BEGIN NEW := jsonb_populate_record(NEW, '{}'); RETURN NEW; END",
            "BEGIN RETURN jsonb_populate_record(NEW, '{}'); END",
            "BEGIN SELECT * INTO NEW FROM u; RETURN NEW; END",
            "DECLARE r t; BEGIN r := NEW; r.id := 1; RETURN r; END",
        ] {
            assert_eq!(assigned(body), Assigned::Any, "{body}");
        }
    }
}
