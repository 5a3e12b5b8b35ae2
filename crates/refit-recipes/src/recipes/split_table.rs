//! # Move columns into a table of their own while both releases run
//!
//! Creates the table that `--to` names, with the primary key of the table and the columns of `--column`. A row there stands for a
//! row here in which one of the columns is not NULL. Triggers keep both tables equal in both directions; a row that is deleted
//! there leaves NULL here. Columns have to accept NULL and have no default, so that the new release can omit them.
//!
//! Files: the table and the triggers; a backfill; when you name it (`migrate --include`), the end of the way back; and that of the
//! old columns. Deploy the new release after the backfill; before you name the third one, no older release may run.
//!
//! What was written last wins. Two releases that write the same row at the same moment lock the two tables in different orders: one
//! of them may fail with a deadlock (40P01) and has to try again. Constraints and indexes of the columns are not copied.
//!
//! Locks: SHARE ROW EXCLUSIVE and ACCESS EXCLUSIVE on the table for moments. Rows are copied in batches.

use minijinja::Value;
use std::collections::BTreeMap;

use crate::builder::Builder;
use crate::parts::sync;
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};
use crate::table::Table;

pub(super) const RECIPE: Recipe = Recipe {
    name: "split-table",
    source: include_str!("split_table.rs"),
    required: &["table", "column", "to"],
    optional: &[],
    one_column: false,
    build,
};

const CREATE: &str = "\
CREATE TABLE {{ other }} (
{%- for one in keys %}
    {{ one.name|ident }} {{ one.type }},
{%- endfor %}
{%- for one in moved %}
    {{ one.name|ident }} {{ one.type }},
{%- endfor %}
    PRIMARY KEY ({{ key|idents }}),
    FOREIGN KEY ({{ key|idents }}) REFERENCES {{ table }} ({{ key|idents }}) ON DELETE CASCADE
);

";

const FORTH: &str = "\
CREATE FUNCTION {{ forth }}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $refit$
BEGIN
    IF TG_OP = 'UPDATE' THEN
        IF ROW({% for one in moved %}{{ comma[loop.index0] }}NEW.{{ one.name|ident }}{% endfor %})
            IS NOT DISTINCT FROM ROW({% for one in moved %}{{ comma[loop.index0] }}OLD.{{ one.name|ident }}{% endfor %})
        THEN
            RETURN NULL;
        END IF;
    END IF;
    IF {% for one in moved %}{% if not loop.first %} AND {% endif %}NEW.{{ one.name|ident }} IS NULL{% endfor %} THEN
        UPDATE {{ other }} AS n
        SET    {% for one in moved %}{{ comma[loop.index0] }}{{ one.name|ident }} = NULL{% endfor %}
        WHERE  {% for one in keys %}{% if not loop.first %} AND {% endif %}n.{{ one.name|ident }} = NEW.{{ one.name|ident }}{% endfor %};
        RETURN NULL;
    END IF;
    INSERT INTO {{ other }} AS n ({{ key|idents }}, {{ columns|idents }})
    VALUES ({% for one in keys %}NEW.{{ one.name|ident }}, {% endfor %}\
{% for one in moved %}{{ comma[loop.index0] }}NEW.{{ one.name|ident }}{% endfor %})
    ON CONFLICT ({{ key|idents }}) DO UPDATE
    SET    {% for one in moved %}{{ comma[loop.index0] }}{{ one.name|ident }} = excluded.{{ one.name|ident }}{% endfor %}
    -- Where both agree already, nothing is written: the two triggers cannot run in a loop.
    WHERE  ROW({% for one in moved %}{{ comma[loop.index0] }}n.{{ one.name|ident }}{% endfor %})
        IS DISTINCT FROM ROW({% for one in moved %}{{ comma[loop.index0] }}excluded.{{ one.name|ident }}{% endfor %});
    RETURN NULL;
END
$refit$;

CREATE TRIGGER {{ forth_name|ident }}
    AFTER INSERT OR UPDATE ON {{ table }}
    FOR EACH ROW EXECUTE FUNCTION {{ forth }}();
";

const BACK: &str = "\
CREATE FUNCTION {{ back }}() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $refit$
BEGIN
    IF TG_OP = 'DELETE' THEN
        UPDATE {{ table }} AS t
        SET    {% for one in moved %}{{ comma[loop.index0] }}{{ one.name|ident }} = NULL{% endfor %}
        WHERE  {% for one in keys %}{% if not loop.first %} AND {% endif %}t.{{ one.name|ident }} = OLD.{{ one.name|ident }}{% endfor %};
        RETURN NULL;
    END IF;
    UPDATE {{ table }} AS t
    SET    {% for one in moved %}{{ comma[loop.index0] }}{{ one.name|ident }} = NEW.{{ one.name|ident }}{% endfor %}
    WHERE  {% for one in keys %}t.{{ one.name|ident }} = NEW.{{ one.name|ident }} AND {% endfor %}\
ROW({% for one in moved %}{{ comma[loop.index0] }}t.{{ one.name|ident }}{% endfor %})
        IS DISTINCT FROM ROW({% for one in moved %}{{ comma[loop.index0] }}NEW.{{ one.name|ident }}{% endfor %});
    RETURN NULL;
END
$refit$;

CREATE TRIGGER {{ back_name|ident }}
    AFTER INSERT OR UPDATE OR DELETE ON {{ other }}
    FOR EACH ROW EXECUTE FUNCTION {{ back }}();
";

const COPY: &str = "\
INSERT INTO {{ other }} ({{ key|idents }}, {{ columns|idents }})
SELECT {{ key|idents }}, {{ columns|idents }}
FROM   {{ table }}
WHERE  {{ range }} AND ({% for one in moved %}{% if not loop.first %} OR {% endif %}{{ one.name|ident }} IS NOT NULL{% endfor %})
-- A row that is deleted meanwhile is not copied after its end.
FOR KEY SHARE
ON CONFLICT DO NOTHING;
";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let columns = builder.columns(&table)?;
    let to = builder.names.given(builder.required("to")?)?;
    let batches = builder.batches(&table)?;
    let (keys, moved) = (typed(&table, &batches.key, false)?, typed(&table, &columns, true)?);
    if let Some(both) = columns.iter().find(|column| batches.key.contains(column)) {
        return Err(Problem::new(format!("{both} belongs to the primary key: both tables keep it")));
    }
    let comma: Vec<&str> =
        (0..keys.len().max(moved.len())).map(|at| if at == 0 { "" } else { ", " }).collect();
    builder.templates.set("comma", comma);
    builder.templates.set("keys", keys);
    builder.templates.set("moved", moved);
    builder.templates.set("other", table.beside(&to));
    for (path, name, of, ending) in
        [("forth", "forth_name", table.name.as_str(), "forth"), ("back", "back_name", to.as_str(), "back")]
    {
        let chosen = builder.names.choose(of, "", ending);
        builder.templates.set(path, table.beside(&chosen));
        builder.templates.set(name, chosen);
    }
    builder.purpose("{{ columns|idents }} of {{ table }} are in a table of their own, {{ other }}.")?;
    let create = builder.templates.render(CREATE)?;
    let (forth, back) = (builder.templates.render(FORTH)?, builder.templates.render(BACK)?);
    builder.add(
        Step::quick("", Phase::Expand)
            .why("Creates {{ other }}, and the triggers that keep both tables equal, whichever of them a release writes.")
            .up(format!("{create}{forth}\n{back}"))
            .down(
                "DROP TRIGGER {{ forth_name|ident }} ON {{ table }};\n\
                 DROP FUNCTION {{ forth }}();\n\
                 DROP TABLE {{ other }};\n\
                 DROP FUNCTION {{ back }}();",
            )
            .releases("The old release."),
    )?;
    builder.add(
        Step::backfill("fill", batches.directive)
            .why("Copies the rows that were written before the triggers.")
            .up(COPY)
            .down("-- The copies go with the table.\nSELECT 1;")
            .releases("The old and the new release: deploy the new one now.")
            .rollback("The copies go with the table; nothing else was changed."),
    )?;
    end(builder, &forth, &back)
}

fn typed(table: &Table<'_>, names: &[String], omitted: bool) -> Result<Vec<Value>, Problem> {
    let mut columns = Vec::new();
    for name in names {
        let Some(column) = table.column(name)? else {
            let message =
                "there is no snapshot that shows the types of the columns: run `cargo xtask snapshot` first";
            return Err(Problem::new(message));
        };
        if omitted && (column.not_null || !column.default.is_empty() || !column.generated.is_empty()) {
            return Err(Problem::new(format!(
                "{name} is NOT NULL, or has a default: the new release could not omit it. Lift that first"
            )));
        }
        columns.push(Value::from(BTreeMap::from([("name", name.clone()), ("type", sync::typed(column))])));
    }
    Ok(columns)
}

fn end(builder: &mut Builder<'_>, forth: &str, back: &str) -> Result<(), Problem> {
    let copy = builder.templates.render(
        "UPDATE {{ table }} AS t\n\
         SET    {% for one in moved %}{{ comma[loop.index0] }}{{ one.name|ident }} = n.{{ one.name|ident }}{% endfor %}\n\
         FROM   {{ other }} n\n\
         WHERE  {% for one in keys %}n.{{ one.name|ident }} = t.{{ one.name|ident }} AND {% endfor %}\
         ROW({% for one in moved %}{{ comma[loop.index0] }}t.{{ one.name|ident }}{% endfor %})\n    \
         IS DISTINCT FROM ROW({% for one in moved %}{{ comma[loop.index0] }}n.{{ one.name|ident }}{% endfor %});\n",
    )?;
    let add = builder.templates.render(
        "{% for one in moved %}ALTER TABLE {{ table }} ADD COLUMN {{ one.name|ident }} {{ one.type }};\n{% endfor %}",
    )?;
    let waits = "-- All rows that differ are copied back in one statement, while others wait.\n";
    let rollback = "Its down file copies all rows back in one statement, while others wait.";
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Every release that runs uses {{ other }}: nothing reads the old columns any more.")
            .up("DROP TRIGGER {{ back_name|ident }} ON {{ other }};\nDROP FUNCTION {{ back }}();\n")
            .down(format!("{waits}{back}{copy}"))
            .releases("Only the new release.")
            .rollback(rollback),
    )?;
    builder.add(
        Step::quick("drop", Phase::Contract)
            .why("The rows are in {{ other }}, where every release that runs finds them.")
            .up(
                "DROP TRIGGER {{ forth_name|ident }} ON {{ table }};\n\
                 DROP FUNCTION {{ forth }}();\n\
                 {% for one in moved %}ALTER TABLE {{ table }} DROP COLUMN {{ one.name|ident }};\n{% endfor %}",
            )
            .down(format!("{waits}{add}{copy}{forth}"))
            .check("SELECT 'the table is missing' AS problem WHERE pg_catalog.to_regclass({{ other|literal }}) IS NULL;")
            .releases("Only the new release.")
            .rollback(rollback),
    )
}
