//! Functions and procedures: their definitions, parameters and calls.

use std::collections::HashSet;

use squawk_parser::SyntaxKind as K;

use super::body::body;
use super::names::{data_type, identifier, name};
use super::tree::NodeRef;
use crate::sql::{Called, Name, Parameters, StmtKind};

/// Whether a statement runs the functions it calls. Others only store the call, as a default or in a view.
pub(super) fn runs_calls(kind: &StmtKind) -> bool {
    match kind {
        StmtKind::CreateView { materialized, no_data, .. } => *materialized && !no_data,
        StmtKind::Dml(_)
        | StmtKind::Select(_)
        | StmtKind::CreateTableAs { .. }
        | StmtKind::Copy { .. }
        | StmtKind::Call { .. } => true,
        _ => false,
    }
}

/// The functions that are called below a node, each once.
pub(super) fn calls(node: NodeRef<'_>) -> Vec<Called> {
    let mut seen = HashSet::new();
    let calls = node.descendants().filter(|node| node.kind() == K::CALL_EXPR).filter_map(|call| {
        // Special forms begin with their keyword, and are not user functions.
        let called = call.child_of(&[K::NAME_REF, K::FIELD_EXPR])?;
        let list = call.child(K::ARG_LIST).into_iter().flat_map(NodeRef::children);
        let args = list.filter(|child| child.kind() == K::ARG).count();
        seen.insert((called.text(), args)).then(|| Called { name: qualified(called), args })
    });
    calls.collect()
}

fn qualified(called: NodeRef<'_>) -> Name {
    let (mut before, mut last) = (None, called);
    for part in called.descendants().filter(|part| part.kind() == K::NAME_REF) {
        (before, last) = (Some(last).filter(|last| last.kind() == K::NAME_REF), part);
    }
    let schema = before.map(|part| identifier(part.text()));
    Name { schema, name: identifier(last.text()), span: called.span() }
}

/// CREATE FUNCTION and CREATE PROCEDURE.
pub(super) fn routine(node: NodeRef<'_>) -> StmtKind {
    let options = node.child(K::FUNC_OPTION_LIST);
    let volatility =
        match options.and_then(|options| options.child_of(&[K::IMMUTABLE, K::STABLE])).map(NodeRef::kind) {
            Some(K::IMMUTABLE) => 'i',
            Some(_) => 's',
            None => 'v',
        };
    let routine_name = node.child_of(&[K::FUNCTION_NAME, K::PROCEDURE_NAME]).map_or_else(|| name(node), name);
    StmtKind::CreateRoutine {
        name: routine_name,
        volatility,
        parameters: parameters(node),
        is_trigger: node
            .child(K::RET_TYPE)
            .and_then(data_type)
            .is_some_and(|kind| matches!(kind.name.as_str(), "trigger" | "event_trigger")),
        body: body(node).into(),
    }
}

/// The parameters of a function or procedure.
fn parameters(node: NodeRef<'_>) -> Parameters {
    let list = node.child(K::PARAM_LIST).into_iter().flat_map(NodeRef::children);
    let mut parameters = Parameters { most: Some(0), ..Parameters::default() };
    for parameter in list.filter(|child| child.kind() == K::PARAM) {
        let is_out = parameter.has(K::PARAM_OUT);
        // A function returns its OUT parameters; a procedure takes them in the call.
        if is_out && node.kind() == K::CREATE_FUNCTION {
            continue;
        }
        parameters.types.extend(data_type(parameter).filter(|_| !is_out));
        if parameter.has(K::PARAM_VARIADIC) {
            parameters.most = None;
        } else {
            parameters.most = parameters.most.map(|most| most + 1);
            parameters.least += usize::from(!parameter.has(K::PARAM_DEFAULT));
        }
    }
    parameters
}
