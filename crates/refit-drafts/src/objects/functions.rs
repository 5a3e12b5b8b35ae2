//! Functions, procedures and aggregates.

use refit_catalog::{Aggregate, Catalog, Function};

use super::tail::{self, tail};
use super::{Difference, differences};
use crate::names::{literal, path, sql};
use crate::plan::{Phase, Plan};

/// Settings whose value is a list, which is written without quotes around it.
const LISTS: [&str; 5] =
    ["search_path", "temp_tablespaces", "session_preload_libraries", "local_preload_libraries", "DateStyle"];

pub(super) fn draft(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    for (noun, old, new) in [
        ("FUNCTION", &before.functions, &after.functions),
        ("PROCEDURE", &before.procedures, &after.procedures),
        ("AGGREGATE", &before.aggregates, &after.aggregates),
    ] {
        for difference in differences(old, new) {
            one(noun, difference, plan);
        }
    }
}

fn one(noun: &str, difference: Difference<'_, Function>, plan: &mut Plan) {
    let (signature, old, new) = match difference {
        Difference::Removed(signature, _) => {
            let object = format!("{} {signature}", noun.to_lowercase());
            plan.add(Phase::DropTables, &object, format!("DROP {noun} {}", sql(signature)));
            return;
        }
        Difference::Added(signature, new) => (signature, None, new),
        Difference::Changed(signature, old, new) => (signature, Some(old), new),
    };
    let object = format!("{} {signature}", noun.to_lowercase());
    let mut old = old;
    if old.is_some_and(|before| !is_replaceable(before, new)) {
        plan.add(Phase::DropFunctions, &object, format!("DROP {noun} {}", sql(signature)));
        old = None;
    }
    if old.is_none_or(|old| without_tail(old) != without_tail(new)) {
        let text = match &new.aggregate {
            Some(aggregate) => create_aggregate(signature, new, aggregate),
            None => create(noun, signature, new),
        };
        plan.add(Phase::Functions, &object, text);
    }
    let depends =
        |function: Option<&Function>| function.map(|one| one.extensions.clone()).unwrap_or_default();
    tail::depends(&format!("{noun} {}", sql(signature)), &object, &depends(old), &new.extensions, plan);
    tail::draft(noun, &sql(signature), old.map(|old| tail!(old)), tail!(new), plan);
}

/// Whether CREATE OR REPLACE can turn one into the other: it cannot change results, or take defaults away.
fn is_replaceable(old: &Function, new: &Function) -> bool {
    let defaults = |function: &Function| function.arguments.matches(" DEFAULT ").count();
    let names = |function: &Function| -> Vec<String> {
        let each = function.arguments.split(", ");
        each.map(|one| one.split(" DEFAULT ").next().unwrap_or(one).to_owned()).collect()
    };
    // A default may contain a comma; then the names are compared with their defaults.
    let same_names = names(old) == names(new) || old.arguments.contains(", ") && defaults(new) > 0;
    let same_kind = old.aggregate.is_some() == new.aggregate.is_some() && old.window == new.window;
    old.returns == new.returns && defaults(new) >= defaults(old) && same_names && same_kind
}

fn without_tail(function: &Function) -> Function {
    Function {
        comment: String::new(),
        owner: String::new(),
        grants: refit_catalog::Grants::new(),
        labels: Vec::new(),
        extensions: Vec::new(),
        ..function.clone()
    }
}

fn create(noun: &str, signature: &str, function: &Function) -> String {
    let mut text = format!("CREATE OR REPLACE {noun} {}({})", sql(path(signature)), function.arguments);
    if !function.returns.is_empty() {
        text += &format!("\nRETURNS {}", function.returns);
    }
    text += &format!("\nLANGUAGE {}", sql(&function.language));
    if !function.transforms.is_empty() {
        let each: Vec<String> =
            function.transforms.iter().map(|of_type| format!("FOR TYPE {of_type}")).collect();
        text += &format!(" TRANSFORM {}", each.join(", "));
    }
    for (is_set, words) in [
        (function.window, " WINDOW".to_owned()),
        (!function.volatility.is_empty(), format!(" {}", function.volatility.to_uppercase())),
        (function.strict, " STRICT".to_owned()),
        (function.security_definer, " SECURITY DEFINER".to_owned()),
        (function.leakproof, " LEAKPROOF".to_owned()),
        (!function.parallel.is_empty(), format!(" PARALLEL {}", function.parallel.to_uppercase())),
        (!function.cost.is_empty(), format!(" COST {}", function.cost)),
        (!function.rows.is_empty(), format!(" ROWS {}", function.rows)),
        (!function.support.is_empty(), format!(" SUPPORT {}", sql(path(&function.support)))),
    ] {
        if is_set {
            text += &words;
        }
    }
    for (name, value) in &function.settings {
        let value =
            if LISTS.contains(&name.as_str()) && !value.is_empty() { value.clone() } else { literal(value) };
        text += &format!(" SET {name} TO {value}");
    }
    if !function.sql_body.is_empty() {
        text += &format!("\n{}", function.sql_body);
    } else if function.library.is_empty() {
        text += &format!("\nAS {}", dollar_quoted(&function.body));
    } else {
        text += &format!("\nAS {}, {}", literal(&function.library), literal(&function.body));
    }
    text
}

/// A text in dollar quotes that do not occur in it.
fn dollar_quoted(body: &str) -> String {
    let tags = std::iter::once(String::new()).chain((1..).map(|number| format!("body{number}")));
    let tag = tags.map(|tag| format!("${tag}$")).find(|quote| !body.contains(quote.trim_end_matches('$')));
    match tag {
        Some(quote) => format!("{quote}{body}{quote}"),
        None => literal(body),
    }
}

fn create_aggregate(signature: &str, function: &Function, aggregate: &Aggregate) -> String {
    let mut parts: Vec<String> =
        aggregate.functions.iter().map(|(option, name)| format!("{option} = {}", sql(path(name)))).collect();
    for (option, state) in [("stype", &aggregate.state), ("mstype", &aggregate.moving_state)] {
        if !state.is_empty() {
            let (name, space) = state.split_once(" [").unwrap_or((state, ""));
            parts.push(format!("{option} = {name}"));
            if let Some(space) = space.strip_suffix(']') {
                parts.push(format!("{} = {space}", option.replace("type", "space")));
            }
        }
    }
    for (option, value) in [("initcond", &aggregate.initial), ("minitcond", &aggregate.moving_initial)] {
        if let Some(value) = value {
            parts.push(format!("{option} = {}", literal(value)));
        }
    }
    for (is_set, words) in [
        (aggregate.final_extra, "finalfunc_extra".to_owned()),
        (aggregate.moving_final_extra, "mfinalfunc_extra".to_owned()),
        (!aggregate.sort_operator.is_empty(), format!("sortop = {}", aggregate.sort_operator)),
        (!function.parallel.is_empty(), format!("parallel = {}", function.parallel)),
        (aggregate.kind == "hypothetical-set", "hypothetical".to_owned()),
    ] {
        if is_set {
            parts.push(words);
        }
    }
    format!(
        "CREATE OR REPLACE AGGREGATE {}({}) ({})",
        sql(path(signature)),
        function.arguments,
        parts.join(", ")
    )
}
