//! Privileges, by role.

use std::collections::BTreeSet;

use refit_catalog::Grants;

use crate::names::sql;
use crate::plan::{Phase, Plan};

/// Drafts GRANT and REVOKE for the roles whose privileges differ.
pub(super) fn draft(noun: &str, name: &str, before: &Grants, after: &Grants, plan: &mut Plan) {
    if before == after {
        return;
    }
    let Some(on) = kind(noun) else { return };
    let object = format!("{} {name}", noun.to_lowercase());
    for statement in statements(&format!("{on} {name}"), default_of(noun), before, after) {
        plan.add(Phase::Properties, &object, statement);
    }
}

/// Drafts the privileges on a column.
pub(super) fn of_column(table: &str, column: &str, before: &Grants, after: &Grants, plan: &mut Plan) {
    for role in roles(before, after) {
        let grantee = grantee(role);
        let listed = |grants: &Grants| grants.get(role).cloned().unwrap_or_default();
        if !listed(before).is_empty() {
            let sql = format!("REVOKE ALL ({column}) ON TABLE {table} FROM {grantee}");
            plan.add(Phase::Properties, &format!("column {table}.{column}"), sql);
        }
        for (privileges, option) in privileges(&listed(after)) {
            let each: Vec<String> = privileges.iter().map(|one| format!("{one} ({column})")).collect();
            let sql = format!("GRANT {} ON TABLE {table} TO {grantee}{option}", each.join(", "));
            plan.add(Phase::Properties, &format!("column {table}.{column}"), sql);
        }
    }
}

/// The statements that change the privileges on `object`, which includes its kind.
pub(super) fn statements(object: &str, default: &str, before: &Grants, after: &Grants) -> Vec<String> {
    let mut found = Vec::new();
    for role in roles(before, after) {
        let grantee = grantee(role);
        let (old, new) = (before.get(role), after.get(role));
        let default = if role == "PUBLIC" { default } else { "" };
        // What an object has without GRANT and REVOKE is not in the catalog.
        let had = old.map_or(default, String::as_str);
        if !had.is_empty() && had != "none" {
            found.push(format!("REVOKE ALL ON {object} FROM {grantee}"));
        }
        for (privileges, option) in privileges(new.map_or(default, String::as_str)) {
            found.push(format!("GRANT {} ON {object} TO {grantee}{option}", privileges.join(", ")));
        }
    }
    found
}

/// The roles whose privileges differ; the owner's cannot be named.
fn roles<'a>(before: &'a Grants, after: &'a Grants) -> BTreeSet<&'a String> {
    let all = before.keys().chain(after.keys());
    all.filter(|role| *role != "(owner)" && before.get(*role) != after.get(*role)).collect()
}

fn grantee(role: &str) -> String {
    if role == "PUBLIC" { role.to_owned() } else { sql(role) }
}

/// Privileges that can be granted together, and WITH GRANT OPTION.
fn privileges(text: &str) -> Vec<(Vec<&str>, &'static str)> {
    let (mut plain, mut with_option) = (Vec::new(), Vec::new());
    for one in text.split(", ").filter(|one| !one.is_empty() && *one != "none") {
        // Privileges that another role granted are `SELECT by x`, and that role would have to grant them.
        let one = one.split(" by ").next().unwrap_or(one);
        match one.strip_suffix('*') {
            Some(one) => with_option.push(one),
            None => plain.push(one),
        }
    }
    let all = [(plain, ""), (with_option, " WITH GRANT OPTION")];
    all.into_iter().filter(|(privileges, _)| !privileges.is_empty()).collect()
}

/// The kind of an object as in GRANT.
fn kind(noun: &str) -> Option<&'static str> {
    Some(match noun {
        "TABLE" | "VIEW" | "MATERIALIZED VIEW" | "FOREIGN TABLE" => "TABLE",
        "SEQUENCE" => "SEQUENCE",
        "FUNCTION" | "AGGREGATE" => "FUNCTION",
        "PROCEDURE" => "PROCEDURE",
        "SCHEMA" => "SCHEMA",
        "TYPE" => "TYPE",
        "DOMAIN" => "DOMAIN",
        "SERVER" => "FOREIGN SERVER",
        "FOREIGN DATA WRAPPER" => "FOREIGN DATA WRAPPER",
        _ => return None,
    })
}

/// What PUBLIC has on a new object.
pub(super) fn default_of(noun: &str) -> &'static str {
    match noun {
        "FUNCTION" | "AGGREGATE" | "PROCEDURE" => "EXECUTE",
        "TYPE" | "DOMAIN" => "USAGE",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_are_granted_and_revoked_by_role() {
        let grants = |pairs: &[(&str, &str)]| -> Grants {
            pairs.iter().map(|(role, text)| ((*role).to_owned(), (*text).to_owned())).collect()
        };
        let draft = |before, after| statements("TABLE t", "", &grants(before), &grants(after));
        assert_eq!(
            draft(&[("a", "SELECT"), ("b", "ALL")], &[("b", "ALL"), ("c", "SELECT, UPDATE*")]),
            [
                "REVOKE ALL ON TABLE t FROM a",
                "GRANT SELECT ON TABLE t TO c",
                "GRANT UPDATE ON TABLE t TO c WITH GRANT OPTION"
            ]
        );
        let none = statements("FUNCTION f()", "EXECUTE", &grants(&[]), &grants(&[("PUBLIC", "none")]));
        assert_eq!(none, ["REVOKE ALL ON FUNCTION f() FROM PUBLIC"]);
        let again = statements("FUNCTION f()", "EXECUTE", &grants(&[("PUBLIC", "none")]), &grants(&[]));
        assert_eq!(again, ["GRANT EXECUTE ON FUNCTION f() TO PUBLIC"]);
    }
}
