//! A delta in one line: `+2 tables, ~1 column, -1 policy`.

use std::collections::{BTreeMap, BTreeSet};

use refit_catalog::{Delta, Verb};
use refit_model::wording;

/// The numbers of objects that are added, changed and removed, by kind.
///
/// ```
/// use refit_catalog::{Catalog, Delta, Sequence};
///
/// let mut after = Catalog::default();
/// after.sequences.insert("public.numbers".into(), Sequence::default());
/// assert_eq!(refit_drafts::summary(&Delta::between(&Catalog::default(), &after)), "+1 sequence");
/// ```
pub fn summary(delta: &Delta) -> String {
    let mut counts = BTreeMap::new();
    for change in &delta.changes {
        let sign = match change.verb {
            Verb::Added => 0,
            Verb::Changed | Verb::Moved => 1,
            Verb::Removed => 2,
        };
        let objects: &mut BTreeSet<_> = counts.entry((sign, change.kind.as_str())).or_default();
        objects.insert((&change.of, &change.name));
    }
    let parts: Vec<String> = counts
        .iter()
        .map(|((sign, kind), objects)| format!("{}{}", ["+", "~", "-"][*sign], counted(objects.len(), kind)))
        .collect();
    parts.join(", ")
}

fn counted(count: usize, kind: &str) -> String {
    match kind {
        "policy" if count != 1 => format!("{} policies", wording::grouped(count)),
        kind => wording::counted(count, kind),
    }
}
