//! Rendering of the graph of a set: as a tree for a terminal, and as a Mermaid flowchart.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use refit_model::Version;
use refit_model::wording::{counted, plural};

use crate::graph::{Directive, Edge, Graph, Node, NodeState};
use crate::output::{GOOD, QUIET, WARN};
use crate::styled::{Style, Text, text};

/// The graph as a tree: below each migration are those that wait for it. One that waits for several is shown below each; what
/// waits for it is shown once, and `(*)` stands for it elsewhere.
pub(crate) fn tree(graph: &Graph) -> Text {
    let nodes: HashMap<Version, &Node> = graph.migrations.iter().map(|node| (node.version, node)).collect();
    let mut waiting: HashMap<Version, Vec<&Edge>> = HashMap::new();
    for edge in &graph.edges {
        waiting.entry(edge.on).or_default().push(edge);
    }
    let waits: HashSet<Version> = graph.edges.iter().map(|edge| edge.waits).collect();
    let roots = graph.migrations.iter().filter(|node| !waits.contains(&node.version));
    let mut lines = Vec::new();
    let mut shown = HashSet::new();
    // The next line is at the end: the node, the guides before it, whether it is the last child, and the edge that leads to it.
    let mut open: Vec<(Version, String, bool, Option<Directive>)> =
        roots.map(|node| (node.version, String::new(), true, None)).collect();
    open.reverse();
    while let Some((version, guides, is_last, directive)) = open.pop() {
        let Some(node) = nodes.get(&version) else { continue };
        let below = waiting.get(&version).map_or(&[][..], Vec::as_slice);
        let is_repeated = !shown.insert(version) && !below.is_empty();
        lines.push(line(node, &guides, is_last, directive, is_repeated));
        if is_repeated {
            continue;
        }
        let guides = match directive {
            None => guides,
            Some(_) => guides + if is_last { "    " } else { "│   " },
        };
        for (index, edge) in below.iter().enumerate().rev() {
            open.push((edge.waits, guides.clone(), index + 1 == below.len(), Some(edge.directive)));
        }
    }
    if graph.others > 0 {
        let (others, verb) = (counted(graph.others, "migration"), plural(graph.others, "waits", "wait"));
        lines.push(
            QUIET.of(format!("{others} {verb} for nothing, and nothing waits for {}", them(graph.others))),
        );
    }
    Text::lines(lines)
}

fn them(count: usize) -> &'static str {
    plural(count, "it", "them")
}

fn line(node: &Node, guides: &str, is_last: bool, directive: Option<Directive>, is_repeated: bool) -> Text {
    let branch = match directive {
        None => "",
        Some(_) if is_last => "└── ",
        Some(_) => "├── ",
    };
    let mut line = text![guides, branch, &node.name, "  ", style(node.state).of(node.state.as_str())];
    let notes = [directive.map(Directive::as_str), node.backfill.then_some("a backfill")];
    let notes: Vec<&str> = notes.into_iter().flatten().collect();
    if !notes.is_empty() {
        line.push(QUIET.of(format!("  ({})", notes.join(", "))));
    }
    if is_repeated {
        line.push(QUIET.of("  (*)"));
    }
    line
}

fn style(state: NodeState) -> Style {
    match state {
        NodeState::Applied => GOOD,
        NodeState::Pending | NodeState::Held => WARN,
        NodeState::LeftOut => QUIET,
    }
}

/// The graph as a Mermaid flowchart. Names of migrations have letters, digits and underscores only.
pub(crate) fn mermaid(graph: &Graph) -> String {
    let mut chart = "flowchart TD\n".to_owned();
    for Node { version, name, state, backfill } in &graph.migrations {
        let note = if *backfill { " (a backfill)" } else { "" };
        // Writing to a String cannot fail.
        let _ = writeln!(chart, "    V{version}[\"{name}{note}\"]:::{}", class(*state));
    }
    for Edge { on, waits, directive } in &graph.edges {
        let arrow = match directive {
            Directive::After => "-->",
            Directive::Depends => "-.->",
        };
        let _ = writeln!(chart, "    V{on} {arrow}|{}| V{waits}", directive.as_str());
    }
    for (state, colours) in [
        (NodeState::Applied, "fill:#e6f4ea,stroke:#137333,color:#202124"),
        (NodeState::Pending, "fill:#fef7e0,stroke:#b06000,color:#202124"),
        (NodeState::Held, "fill:#fce8e6,stroke:#c5221f,color:#202124"),
        (NodeState::LeftOut, "fill:#f1f3f4,stroke:#80868b,color:#202124"),
    ] {
        let _ = writeln!(chart, "    classDef {} {colours}", class(state));
    }
    chart.trim_end().to_owned()
}

fn class(state: NodeState) -> &'static str {
    match state {
        NodeState::LeftOut => "leftOut",
        other => other.as_str(),
    }
}
