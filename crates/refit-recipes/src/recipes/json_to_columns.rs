//! # Give keys of a JSON document columns of their own while both releases run
//!
//! Each `--field key:type` becomes a column that is named like the key. A trigger keeps document and columns equal in both
//! directions: a column that changes is written into the document, and a key that changes into its column. The document
//! itself stays, with all its other keys; drop it with `drop-column` if nothing needs it any more.
//!
//! Files: the columns and the trigger; a backfill; and, when you name it (`migrate --include`), the end of the trigger. Deploy
//! the new release after the backfill; before the last one, no older release may run.
//!
//! What changes in a statement wins, key by key; if a statement changes a key and its column, the column wins. The documents
//! have to be objects or NULL, and the column of type `jsonb`.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments. Rows are written in batches.

use minijinja::Value;
use std::collections::BTreeMap;

use crate::builder::Builder;
use crate::names::checked;
use crate::parts::sync;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};
use crate::table::Table;

pub(super) const RECIPE: Recipe = Recipe {
    name: "json-to-columns",
    source: include_str!("json_to_columns.rs"),
    required: &["table", "column", "field"],
    optional: &["key"],
    one_column: true,
    build,
};

const ADD: &str = "\
{% for field in fields %}ALTER TABLE {{ table }} ADD COLUMN {{ field.key|ident }} {{ field.type }};
{% endfor %}
";
const DROP: &str = "\
{% for field in fields %}ALTER TABLE {{ table }} DROP COLUMN {{ field.key|ident }};
{% endfor %}";

const FUNCTION: &str = "\
CREATE FUNCTION {{ function }}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $refit$
BEGIN
{%- for field in fields %}
    IF TG_OP = 'INSERT' AND NEW.{{ field.key|ident }} IS NULL THEN
        NEW.{{ field.key|ident }} := (NEW.{{ column|ident }} ->> {{ field.key|literal }})::{{ field.type }};
    ELSIF TG_OP = 'INSERT' OR NEW.{{ field.key|ident }} IS DISTINCT FROM OLD.{{ field.key|ident }} THEN
        -- Where both agree already, as in the backfill, the document stays as it is.
        IF NEW.{{ field.key|ident }} IS NULL THEN
            NEW.{{ column|ident }} := NEW.{{ column|ident }} - {{ field.key|literal }}::text;
        ELSIF NEW.{{ field.key|ident }} IS DISTINCT FROM (NEW.{{ column|ident }} ->> {{ field.key|literal }})::{{ field.type }} THEN
            NEW.{{ column|ident }} := coalesce(NEW.{{ column|ident }}, '{}')
                || jsonb_build_object({{ field.key|literal }}::text, NEW.{{ field.key|ident }});
        END IF;
    ELSIF NEW.{{ column|ident }} ->> {{ field.key|literal }} IS DISTINCT FROM OLD.{{ column|ident }} ->> {{ field.key|literal }} THEN
        NEW.{{ field.key|ident }} := (NEW.{{ column|ident }} ->> {{ field.key|literal }})::{{ field.type }};
    END IF;
{%- endfor %}
    RETURN NEW;
END
$refit$;
";

const REMAINING: &str = "\
({% for field in fields %}{% if not loop.first %} OR {% endif %}\
{{ field.key|ident }} IS NULL AND {{ column|ident }} ->> {{ field.key|literal }} IS NOT NULL{% endfor %})";

const FILL: &str = "\
UPDATE {{ table }}
SET    {% for field in fields %}{% if not loop.first %},
       {% endif %}{{ field.key|ident }} = ({{ column|ident }} ->> {{ field.key|literal }})::{{ field.type }}{% endfor %}
WHERE  {{ range }} AND {{ remaining }};
";

/// What rows that were written without the trigger lack.
const DOCUMENTS: &str = "\
-- Documents of rows that were written meanwhile, in one statement.
UPDATE {{ table }}
SET    {{ column|ident }} = coalesce({{ column|ident }}, '{}') || jsonb_strip_nulls(jsonb_build_object(
           {% for field in fields %}{% if not loop.first %}, {% endif %}\
{{ field.key|literal }}::text, {{ field.key|ident }}{% endfor %}))
WHERE  {% for field in fields %}{% if not loop.first %} OR {% endif %}\
({{ column|ident }} ->> {{ field.key|literal }})::{{ field.type }} IS DISTINCT FROM {{ field.key|ident }}{% endfor %};

";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let (column, facts) = builder.column(&table)?;
    if let Some(facts) = facts.filter(|facts| facts.type_name != "jsonb") {
        let message = format!(
            "{column} is of type {}, not jsonb: change it with change-column-type first",
            facts.type_name
        );
        return Err(Problem::new(message));
    }
    let fields = fields(builder, &table)?;
    builder.templates.set("fields", fields);
    sync::name(builder, &table, &column);
    builder.purpose("Keys of {{ column|ident }} of {{ table }} have columns of their own.")?;
    let end = sync::no_trigger(builder)?;
    let (add, drop) = (builder.templates.render(ADD)?, builder.templates.render(DROP)?);
    let (function, trigger) = (builder.templates.render(FUNCTION)?, sync::trigger(builder)?);
    builder.add(
        Step::quick("", Phase::Expand)
            .why("Adds the columns, and the trigger that keeps them and {{ column|ident }} equal, whichever of them a release writes.")
            .up(format!("{add}{function}{trigger}"))
            .down(format!("{end}{drop}"))
            .releases("The old release."),
    )?;
    fill(builder, &table)?;
    let documents = builder.templates.render(DOCUMENTS)?;
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Every release that runs uses the columns: the trigger has done its work.")
            .up(end)
            .down(format!("{documents}{function}{trigger}"))
            .releases("Only the new release.")
            .rollback("Its down file writes the columns into the documents again, in one statement, while others wait."),
    )
}

fn fields(builder: &Builder<'_>, table: &Table<'_>) -> Result<Vec<Value>, Problem> {
    let mut fields = Vec::new();
    for given in builder.arguments.all("field") {
        let Some((key, kind)) =
            given.rsplit_once(':').filter(|(key, kind)| !key.is_empty() && !kind.is_empty())
        else {
            return Err(Problem::new(format!(
                "--field {given} is not a key and a type, such as price:numeric"
            )));
        };
        table.is_new(checked(key)?)?;
        fields.push(Value::from(BTreeMap::from([("key", key.to_owned()), ("type", kind.to_owned())])));
    }
    Ok(fields)
}

fn fill(builder: &mut Builder<'_>, table: &Table<'_>) -> Result<(), Problem> {
    let batches = builder.batches(table)?;
    let condition = builder.templates.render(REMAINING)?;
    builder.templates.set("remaining", condition.clone());
    builder.add(
        Step::backfill("fill", batches.with_remaining(&condition).directive)
            .why("Copies the keys to their columns for the rows that were written before the trigger.")
            .up(FILL)
            .down("-- The values go with the columns.\nSELECT 1;")
            .releases("The old and the new release: deploy the new one now.")
            .rollback("The values go with the columns; nothing else was changed."),
    )
}
