//! # Rename a column while both releases run
//!
//! The column gets a double with the new name, and a trigger keeps the two equal in both directions. Once the rows that were
//! there are copied, the two change names in one transaction: from then on the column with the new name is the one that was
//! there first, with its indexes, constraints, defaults, comments, privileges, statistics, policies and dependent views. The
//! double, which now has the old name, is dropped when no release uses it.
//!
//! Files: the double and its trigger; a backfill; its indexes; the exchange of names; and, when you name it
//! (`migrate --include`), the end of the double. Deploy the new release after the exchange; before the last one, no older
//! release may run.
//!
//! What changes in a statement wins: an UPDATE of either column sets the other, and if it changes both, the new name wins. An
//! INSERT may give either.
//!
//! Functions whose text names the column have to be changed before the last step: PostgreSQL does not see them as dependent.
//!
//! Locks: ACCESS EXCLUSIVE on the table for moments. Rows are copied in batches.

use crate::builder::Builder;
use crate::parts::checks;
use crate::parts::sync::{self, RULE};
use crate::problem::Problem;
use crate::recipe::Recipe;
use crate::step::{Phase, Step};

pub(super) const RECIPE: Recipe = Recipe {
    name: "rename-column",
    source: include_str!("rename_column.rs"),
    required: &["table", "column", "to"],
    optional: &["key"],
    one_column: true,
    build,
};

const EXCHANGE: &str = "\
-- refit: allow(rename-column): both names exist before and after it, with the same values
ALTER TABLE {{ table }} RENAME COLUMN {{ from|ident }} TO {{ spare|ident }};
-- refit: allow(rename-column): both names exist before and after it, with the same values
ALTER TABLE {{ table }} RENAME COLUMN {{ into|ident }} TO {{ from|ident }};
-- refit: allow(rename-column): both names exist before and after it, with the same values
ALTER TABLE {{ table }} RENAME COLUMN {{ spare|ident }} TO {{ into|ident }};

";

fn build(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let table = builder.table()?;
    let (old, facts) = sync::old_column(builder, &table)?;
    let new = builder.required("to")?.to_owned();
    table.is_new(&new)?;
    builder.templates.set("new", new.clone());
    builder.templates.set("new_type", sync::typed(facts));
    for (name, template) in [
        ("using_row", "NEW.{{ old|ident }}"),
        ("back_row", "NEW.{{ new|ident }}"),
        ("using", "{{ old|ident }}"),
    ] {
        let text = builder.templates.render(template)?;
        builder.templates.set(name, text);
    }
    sync::name(builder, &table, &old);
    builder.purpose("The column {{ old|ident }} of {{ table }} is called {{ new|ident }}, and no release notices the change.")?;
    let rule = builder.templates.render(RULE)?;
    builder.notes.push(rule);
    sync::begin(builder, "", "")?;
    sync::fill(builder, &table, &old)?;
    sync::copy_indexes(builder, &table, &old, &new, true)?;
    exchange(builder, &table.name, &old, &new)?;
    end(builder)
}

fn exchange(builder: &mut Builder<'_>, table: &str, old: &str, new: &str) -> Result<(), Problem> {
    let spare = builder.names.choose(table, old, "spare");
    builder.templates.set("spare", spare);
    let mut renames = Vec::new();
    for (from, into) in [(old, new), (new, old)] {
        builder.templates.set("from", from);
        builder.templates.set("into", into);
        renames.push(builder.templates.render(EXCHANGE)?);
    }
    let (after, before) = (sync::function(builder, true, true)?, sync::function(builder, true, false)?);
    builder.add(
        Step::quick("exchange", Phase::Migrate)
            .why(
                "The two columns change names: {{ new|ident }} is now the column that was there first, with all that belongs \
                 to it, and {{ old|ident }} its double.",
            )
            .up(format!("{}{after}", renames[0]))
            .down(format!("{}{before}", renames[1]))
            .releases("The old and the new release: deploy the new one now."),
    )
}

fn end(builder: &mut Builder<'_>) -> Result<(), Problem> {
    let (function, trigger) = (sync::function(builder, false, true)?, sync::trigger(builder)?);
    let end = sync::no_trigger(builder)?;
    let drop = builder.templates.render("ALTER TABLE {{ table }} DROP COLUMN {{ old|ident }};\n")?;
    let add = builder.templates.render(
        "-- Others wait until all rows are copied and the indexes are built.\n\
         ALTER TABLE {{ table }} ADD COLUMN {{ old|ident }} {{ old_type }};\n\
         UPDATE {{ table }} SET {{ old|ident }} = {{ new|ident }};\n{{ copies }}\n",
    )?;
    builder.templates.set("column", builder.required("to")?);
    builder.add(
        Step::quick("end", Phase::Contract)
            .manual()
            .why("Every release that runs uses {{ new|ident }}: the double with the old name, and the trigger, have done their work.")
            .up(format!("{end}{drop}"))
            .down(format!("{add}{function}{trigger}"))
            .check(checks::COLUMN)
            .releases("Only the new release.")
            .rollback("Its down file adds the double again, copies all rows in one statement and builds its indexes, while others wait."),
    )
}
