//! Rendering of `backfill status`: all backfills, and the steps that wait.

use refit::HeldStep;
use serde::Serialize;

use super::backfill::blocks;
use crate::backfills::{Named, ObservedJob};
use crate::output::WARN;
use crate::styled::{Text, text};

/// The JSON document.
#[derive(Serialize)]
pub(crate) struct StatusDocument<'a> {
    pub(crate) backfills: &'a [ObservedJob],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pending: Option<&'a [Named]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<&'a [HeldStep]>,
}

/// The pending and held steps of the migrations folder.
#[derive(Default)]
pub(crate) struct Waiting {
    pub(crate) pending: Vec<Named>,
    pub(crate) held: Vec<HeldStep>,
}

/// All backfills with their details, then the waiting steps.
pub(crate) fn status(all: &[ObservedJob], waiting: Option<&Waiting>) -> Text {
    let mut lines = Vec::new();
    if !all.is_empty() {
        lines.push(blocks(all));
    }
    if let Some(Waiting { pending, held }) = waiting {
        lines.extend(pending.iter().map(|Named { name, .. }| {
            text![WARN.column("pending", 10), format!("  {name}  its migration is not applied")]
        }));
        let held = held.iter().filter(|step| pending.iter().all(|named| Some(named.version) != step.version));
        lines.extend(
            held.map(|step| text![WARN.column("held", 10), format!("  {}  {}", step.stem, step.gate)]),
        );
    }
    if lines.is_empty() {
        return "no backfills are registered in this database".into();
    }
    Text::lines(lines)
}
