//! `transaction-control`: removes BEGIN and COMMIT. Two transactions become two migrations.

use super::Planned;
use crate::plan::{Plan, Site};
use crate::sequence::Piece;
use crate::sql::StmtKind;

pub(super) fn plan(site: &Site<'_>) -> Planned {
    let mut groups: Vec<(bool, Vec<Piece>)> = Vec::new();
    let own = site.directives.transaction;
    let mut inside = own;
    let mut begins = true;
    let mut comments = String::new();
    for (piece, stmt) in site.parts.pieces.iter().zip(site.stmts) {
        if let StmtKind::Transaction(word) = &stmt.kind {
            match word.as_str() {
                "BEGIN" | "START" => inside = true,
                "COMMIT" | "END" => inside = own,
                word => return Err(format!("{word} undoes the statements before it: remove both by hand")),
            }
            // Within the migration's own transaction, BEGIN has no effect.
            begins |= !matches!(word.as_str(), "BEGIN" | "START") || !own;
            comments.push_str(kept(&piece.above));
            continue;
        }
        let piece = Piece { above: format!("{comments}{}", piece.above), ..piece.clone() };
        comments.clear();
        match groups.last_mut().filter(|_| !begins) {
            Some((_, pieces)) => pieces.push(piece),
            None => groups.push((inside, vec![piece])),
        }
        begins = false;
    }
    if let Some(last) = groups.last_mut().and_then(|(_, pieces)| pieces.last_mut()) {
        last.behind.push_str(comments.trim_start_matches('\n'));
    }
    match groups.is_empty() {
        true => Err("it is the only statement of the file: remove the file".to_owned()),
        false => Ok(Plan::Cut(groups)),
    }
}

/// The comments above a removed statement; the space between is removed with it.
fn kept(above: &str) -> &str {
    if above.trim().is_empty() { "" } else { above }
}
