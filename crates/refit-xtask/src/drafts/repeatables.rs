//! What repeatable migrations create: it is left out of a draft, because they run again after it.

use std::collections::BTreeSet;

use refit_catalog::{Catalog, Verb};
use refit_model::FileKind;
use refit_rehearsal::Snapshots;

/// The names of the objects that repeatable migrations create.
pub(super) struct Repeatables {
    names: BTreeSet<String>,
}

impl Repeatables {
    pub(super) fn of(made: &Snapshots) -> Repeatables {
        let steps = made
            .steps
            .iter()
            .filter(|step| matches!(FileKind::of(&step.path), Ok(FileKind::Repeatable { .. })));
        let changes = steps.flat_map(|step| &step.delta.changes);
        let added = changes.filter(|change| change.verb == Verb::Added && change.of.is_none());
        Repeatables { names: added.map(|change| change.name.clone()).collect() }
    }

    /// A schema without these objects.
    pub(super) fn without(&self, mut catalog: Catalog) -> Catalog {
        let is_other = |name: &String| !self.names.contains(name);
        catalog.views.retain(|name, _| is_other(name));
        catalog.materialized_views.retain(|name, _| is_other(name));
        for functions in [&mut catalog.functions, &mut catalog.procedures, &mut catalog.aggregates] {
            functions.retain(|name, _| is_other(name));
        }
        catalog
    }
}
