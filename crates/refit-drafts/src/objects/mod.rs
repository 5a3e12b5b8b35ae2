//! One file for each kind of object, or for kinds that are written alike.

mod columns;
mod constraints;
mod extensions;
mod foreign;
mod functions;
mod grants;
mod indexes;
mod others;
mod policies;
mod publications;
mod rules;
mod schemas;
mod sequences;
mod tables;
mod tail;
mod text_search;
mod triggers;
mod types;
mod views;

use std::collections::BTreeMap;

use refit_catalog::Catalog;

use crate::plan::Plan;

/// Drafts every kind.
pub(crate) fn all(before: &Catalog, after: &Catalog, plan: &mut Plan) {
    schemas::draft(before, after, plan);
    extensions::draft(before, after, plan);
    types::draft(before, after, plan);
    sequences::draft(before, after, plan);
    functions::draft(before, after, plan);
    foreign::draft(before, after, plan);
    tables::draft(before, after, plan);
    views::draft(before, after, plan);
    text_search::draft(before, after, plan);
    publications::draft(before, after, plan);
    others::draft(before, after, plan);
}

/// How an object of a map differs.
pub(crate) enum Difference<'a, T> {
    Added(&'a str, &'a T),
    Removed(&'a str, &'a T),
    Changed(&'a str, &'a T, &'a T),
}

/// The objects of a map that differ.
pub(crate) fn differences<'a, T: PartialEq>(
    before: &'a BTreeMap<String, T>,
    after: &'a BTreeMap<String, T>,
) -> Vec<Difference<'a, T>> {
    let removed = before.iter().filter(|(name, _)| !after.contains_key(*name));
    let mut found: Vec<_> = removed.map(|(name, old)| Difference::Removed(name, old)).collect();
    for (name, new) in after {
        match before.get(name) {
            None => found.push(Difference::Added(name, new)),
            Some(old) if old != new => found.push(Difference::Changed(name, old, new)),
            Some(_) => {}
        }
    }
    found
}
