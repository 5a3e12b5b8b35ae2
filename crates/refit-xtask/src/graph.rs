//! The graph of a set: which migrations wait for which others, and what a plan says about them.

use std::collections::{BTreeMap, HashSet};

use refit::{Plan, StepKind};
use refit_model::{Migration, MigrationSet, Version};
use serde::Serialize;

/// The migrations that wait or are waited for; it serialises to JSON.
#[derive(Debug, Serialize)]
pub(crate) struct Graph {
    /// In the order of their versions.
    pub(crate) migrations: Vec<Node>,
    /// In the order of the migrations that wait.
    pub(crate) edges: Vec<Edge>,
    /// How many migrations neither wait nor are waited for.
    pub(crate) others: usize,
}

/// A migration.
#[derive(Debug, Serialize)]
pub(crate) struct Node {
    pub(crate) version: Version,
    pub(crate) name: String,
    pub(crate) state: NodeState,
    pub(crate) backfill: bool,
}

/// What a plan says about a migration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NodeState {
    Applied,
    Pending,
    Held,
    /// It is not in the plan: it runs in other environments, or is above the plan's target.
    LeftOut,
}

/// `waits` waits for `on`.
#[derive(Debug, Serialize)]
pub(crate) struct Edge {
    pub(crate) on: Version,
    pub(crate) waits: Version,
    pub(crate) directive: Directive,
}

/// The directive that makes a migration wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Directive {
    After,
    Depends,
}

impl NodeState {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            NodeState::Applied => "applied",
            NodeState::Pending => "pending",
            NodeState::Held => "held",
            NodeState::LeftOut => "left out",
        }
    }
}

impl Directive {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Directive::After => "after",
            Directive::Depends => "depends",
        }
    }
}

impl Graph {
    /// The graph of a set; `applied` are the versions in the history.
    pub(crate) fn of(set: &MigrationSet, plan: &Plan, applied: &HashSet<Version>) -> Graph {
        let edges: Vec<Edge> = set.migrations().iter().flat_map(edges).collect();
        let connected: HashSet<Version> = edges.iter().flat_map(|edge| [edge.on, edge.waits]).collect();
        let pending = plan.pending.iter().filter(|step| step.kind == StepKind::Versioned);
        let mut states: BTreeMap<Version, NodeState> =
            pending.filter_map(|step| Some((step.version?, NodeState::Pending))).collect();
        states.extend(plan.held.iter().filter_map(|step| Some((step.version?, NodeState::Held))));
        states.extend(applied.iter().map(|version| (*version, NodeState::Applied)));
        let node = |migration: &Migration| Node {
            version: migration.version,
            name: migration.stem.clone(),
            state: states.get(&migration.version).copied().unwrap_or(NodeState::LeftOut),
            backfill: migration.directives.backfill.is_some(),
        };
        let is_connected = |migration: &&Migration| connected.contains(&migration.version);
        let migrations: Vec<Node> = set.migrations().iter().filter(is_connected).map(node).collect();
        let others = set.migrations().len() - migrations.len();
        Graph { migrations, edges, others }
    }
}

/// What a migration waits for; one edge for a version that both directives name.
fn edges(migration: &Migration) -> Vec<Edge> {
    let directives = &migration.directives;
    let after = directives.after.iter().map(|on| (*on, Directive::After));
    let depends = directives.depends.iter().map(|on| (*on, Directive::Depends));
    let mut seen = HashSet::new();
    let unseen = after.chain(depends).filter(|(on, _)| seen.insert(*on));
    unseen.map(|(on, directive)| Edge { on, waits: migration.version, directive }).collect()
}
