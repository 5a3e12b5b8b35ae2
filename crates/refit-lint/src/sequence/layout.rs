//! Which steps share a file. The statements before and after a replaced one keep their order.

use super::text::written;
use super::{Original, Piece, Runs, SequenceFile, Step};
use crate::sql::StmtKind;

/// Statements of one file.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) runs: Runs,
    pub(super) title: String,
    pub(super) pieces: Vec<Piece>,
}

/// The sequences of files that could replace a file if steps replace one of its statements, the better ones first.
///
/// # Errors
///
/// Why the file cannot be split.
pub fn layouts(original: &Original<'_>, steps: &[Step]) -> Result<Vec<Vec<SequenceFile>>, String> {
    let (before, rest) = original.parts.pieces.split_at(original.index);
    let Some((piece, behind)) = rest.split_first() else {
        return Err("there is no such statement".to_owned());
    };
    let mut layouts: Vec<Vec<Group>> = Vec::new();
    let outside = !original.directives.transaction;
    let plain = if outside { Runs::Alone } else { Runs::Here };
    let base = Group { runs: plain.clone(), title: String::new(), pieces: before.to_vec() };
    let later = |step: &&Step| step.runs == Runs::Later;
    let (deferred, first): (Vec<&Step>, Vec<&Step>) = steps.iter().partition(later);
    if !outside && !deferred.is_empty() && first.iter().all(|step| step.runs == Runs::Here) {
        let mut groups = vec![base.clone()];
        grouped(&mut groups, &first, piece, outside);
        push_all(&mut groups, behind);
        let at = groups.len();
        let replaced = |at: usize| (first.is_empty() && at == 0).then_some(piece);
        groups.extend(deferred.iter().enumerate().map(|(at, step)| own_group(step, replaced(at))));
        merge(&mut groups, at);
        layouts.push(groups);
    }
    let steps: Vec<&Step> = steps.iter().collect();
    let mut groups = vec![base];
    grouped(&mut groups, &steps, piece, outside);
    if behind.is_empty() {
        layouts.push(groups);
    } else {
        let mut joined = groups.clone();
        if joined.last().is_some_and(|last| joins(&last.runs, outside)) {
            push_all(&mut joined, behind);
            layouts.push(joined);
        }
        let mut split = groups;
        split.push(Group { runs: plain, title: String::new(), pieces: behind.to_vec() });
        layouts.push(split);
    }
    layouts.into_iter().map(|groups| written(original, groups)).collect()
}

/// The sequence of files in which several statements, each given by its index, become steps. `original` names the first
/// of them; `apart` starts a new file after each of them, even if they could share one.
///
/// # Errors
///
/// Why the file cannot be split.
pub fn replace_all(
    original: &Original<'_>,
    plans: &[(usize, &[Step])],
    apart: bool,
) -> Result<Vec<SequenceFile>, String> {
    let pieces = &original.parts.pieces;
    let last = plans.last().map_or(0, |(index, _)| *index);
    if original.stmts[original.index..last].iter().any(|stmt| matches!(stmt.kind, StmtKind::Set { .. })) {
        return Err("a SET between them applies only to some of them".to_owned());
    }
    let outside = !original.directives.transaction;
    let plain = Group {
        runs: if outside { Runs::Alone } else { Runs::Here },
        title: String::new(),
        pieces: Vec::new(),
    };
    let mut groups = vec![Group { pieces: pieces[..original.index].to_vec(), ..plain.clone() }];
    let mut ends: Vec<Group> = Vec::new();
    for (at, (index, steps)) in plans.iter().enumerate() {
        let (deferred, first): (Vec<&Step>, Vec<&Step>) =
            steps.iter().partition(|step| step.runs == Runs::Later);
        if !outside && !deferred.is_empty() && first.iter().all(|step| step.runs == Runs::Here) {
            grouped(&mut groups, &first, &pieces[*index], outside);
            let mut own: Vec<Group> = deferred
                .iter()
                .enumerate()
                .map(|(at, step)| own_group(step, (first.is_empty() && at == 0).then_some(&pieces[*index])))
                .collect();
            merge(&mut own, 0);
            ends.extend(own);
        } else {
            grouped(&mut groups, &steps.iter().collect::<Vec<_>>(), &pieces[*index], outside);
        }
        let behind = &pieces[index + 1..plans.get(at + 1).map_or(pieces.len(), |(next, _)| *next)];
        let joins = !apart && groups.last().is_some_and(|last| joins(&last.runs, outside));
        if !joins && (apart || !behind.is_empty()) {
            groups.push(plain.clone());
        }
        push_all(&mut groups, behind);
    }
    groups.extend(ends);
    written(original, groups)
}

/// The sequence of files for groups of statements if nothing else changes: for texts that are only split. The flag says
/// whether a group is one transaction.
///
/// # Errors
///
/// Why the file cannot be split.
pub fn cut(original: &Original<'_>, groups: Vec<(bool, Vec<Piece>)>) -> Result<Vec<SequenceFile>, String> {
    let group = |(transaction, pieces): (bool, Vec<Piece>)| Group {
        runs: if transaction { Runs::Here } else { Runs::Alone },
        title: String::new(),
        pieces,
    };
    written(original, groups.into_iter().map(group).collect())
}

fn joins(runs: &Runs, outside: bool) -> bool {
    match runs {
        Runs::Here | Runs::Apart | Runs::Later => !outside,
        Runs::Alone => outside,
        Runs::Backfill(_) => false,
    }
}

fn push_all(groups: &mut [Group], pieces: &[Piece]) {
    if let Some(last) = groups.last_mut() {
        last.pieces.extend_from_slice(pieces);
    }
}

/// Consecutive steps that run the same way share a file.
fn merge(groups: &mut Vec<Group>, from: usize) {
    if groups.len() > from + 1 {
        let more: Vec<Piece> = groups.drain(from + 1..).flat_map(|group| group.pieces).collect();
        groups[from].pieces.extend(more);
    }
}

/// Adds steps as pieces to the groups of the statements before them.
fn grouped(groups: &mut Vec<Group>, steps: &[&Step], piece: &Piece, outside: bool) {
    let first = groups.len();
    for (index, step) in steps.iter().enumerate() {
        let last = groups.len() - 1;
        let same = match (&step.runs, &groups[last].runs) {
            (Runs::Backfill(_), _) | (_, Runs::Backfill(_)) => false,
            _ if outside => true,
            (Runs::Here, Runs::Here | Runs::Apart) => true,
            // A slow step gets its own file, so that it can be retried separately.
            (Runs::Alone, Runs::Alone) => last >= first,
            _ => false,
        };
        let own = own_group(step, (index == 0).then_some(piece));
        match same {
            true => groups[last].pieces.extend(own.pieces),
            false => groups.push(if outside && !matches!(own.runs, Runs::Backfill(_)) {
                Group { runs: Runs::Alone, ..own }
            } else {
                own
            }),
        }
    }
}

/// A step's statements; the very first one gets the comments of the statement that it replaces.
fn own_group(step: &Step, replaced: Option<&Piece>) -> Group {
    let mut pieces: Vec<Piece> = step.sql.iter().map(|sql| Piece::new(sql.as_str())).collect();
    if let (Some(replaced), Some(first)) = (replaced, pieces.first_mut()) {
        first.above.clone_from(&replaced.above);
        first.behind.clone_from(&replaced.behind);
    }
    Group { runs: step.runs.clone(), title: step.title.clone(), pieces }
}
