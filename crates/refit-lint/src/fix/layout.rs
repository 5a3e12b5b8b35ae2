//! Turns the steps that replace a statement into the texts of files.
//!
//! The statements before and after keep their order, comments and form. File-level settings, such as the phase or a
//! SET, are repeated in each new file.

use refit_model::Phase;

use super::docs::NewFile;
use crate::plan::{Parts, Piece, Runs, Site, Step, Words, value_of, with_directive, without_directive};
use crate::sql::{Stmt, StmtKind};

/// Statements of one file.
#[derive(Debug, Clone)]
struct Group {
    runs: Runs,
    title: String,
    pieces: Vec<Piece>,
}

/// Directives that apply to every part of a file.
const SHARED: [&str; 7] =
    ["phase", "manual", "package", "environments", "category", "release", "lock_timeout"];

/// The sequences of files that could replace a file, the better ones first.
///
/// # Errors
///
/// Why the file cannot be split.
pub(crate) fn layouts(site: &Site<'_>, steps: &[Step]) -> Result<Vec<Vec<NewFile>>, String> {
    let (before, rest) = site.parts.pieces.split_at(site.index);
    let Some((piece, behind)) = rest.split_first() else {
        return Err("there is no such statement".to_owned());
    };
    let mut layouts: Vec<Vec<Group>> = Vec::new();
    let outside = !site.directives.transaction;
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
    layouts.into_iter().map(|groups| written(site, groups)).collect()
}

/// The sequence of files in which several statements, in order, become steps. `site` belongs to the first; `apart`
/// starts a new file after each of them, even if they could share one.
///
/// # Errors
///
/// Why the file cannot be split.
pub(crate) fn sequence(
    site: &Site<'_>,
    plans: &[(usize, &[Step])],
    apart: bool,
) -> Result<Vec<NewFile>, String> {
    let pieces = &site.parts.pieces;
    let last = plans.last().map_or(0, |(index, _)| *index);
    if site.stmts[site.index..last].iter().any(|stmt| matches!(stmt.kind, StmtKind::Set { .. })) {
        return Err("a SET between them applies only to some of them".to_owned());
    }
    let outside = !site.directives.transaction;
    let plain = Group {
        runs: if outside { Runs::Alone } else { Runs::Here },
        title: String::new(),
        pieces: Vec::new(),
    };
    let mut groups = vec![Group { pieces: pieces[..site.index].to_vec(), ..plain.clone() }];
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
    written(site, groups)
}

/// The files for groups of statements if nothing else changes: for texts that are only split.
///
/// # Errors
///
/// Why the file cannot be split.
pub(crate) fn cut(site: &Site<'_>, groups: Vec<(bool, Vec<Piece>)>) -> Result<Vec<NewFile>, String> {
    let group = |(transaction, pieces): (bool, Vec<Piece>)| Group {
        runs: if transaction { Runs::Here } else { Runs::Alone },
        title: String::new(),
        pieces,
    };
    written(site, groups.into_iter().map(group).collect())
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

fn written(site: &Site<'_>, groups: Vec<Group>) -> Result<Vec<NewFile>, String> {
    let settings = Settings::of(site);
    // A group of only settings is repeated in all later files.
    let mut groups: Vec<Group> = groups.into_iter().filter(|group| !group.pieces.is_empty()).collect();
    if groups.len() > 1 {
        settings.may_be_split(site)?;
        let comments = drop_settings_only(&mut groups, site);
        if let Some(first) = groups.first_mut().and_then(|group| group.pieces.first_mut()) {
            first.above.insert_str(0, &comments);
        }
    }
    let parts = site.parts;
    let mut files = Vec::new();
    let mut gated = false;
    let count = groups.len();
    for (index, group) in groups.iter().enumerate() {
        let rest = format!("rest of {}", site.name());
        let title = if group.title.is_empty() { &rest } else { &group.title };
        let mut text = match index {
            0 => front(parts, &group.runs),
            _ => later_front(site, group, title),
        };
        text.push_str(&settings.before(group, site)?);
        for (at, piece) in group.pieces.iter().enumerate() {
            let last = index + 1 == count && at + 1 == group.pieces.len();
            write_piece(piece, last, index > 0 && at == 0, &mut text);
        }
        if index + 1 == count {
            text.push_str(&parts.end);
        }
        let waits = gated;
        gated = matches!(group.runs, Runs::Backfill(_))
            || gated
            || index == 0 && (!site.directives.after.is_empty() || site.directives.manual);
        files.push(NewFile { name: slug(title), text, gated: waits });
    }
    Ok(files)
}

/// A statement; without a semicolon if it was the last of the file and had none.
fn write_piece(piece: &Piece, ends_file: bool, begins_file: bool, text: &mut String) {
    let mut piece = piece.clone();
    if begins_file {
        piece.above = piece.above.trim_start_matches(['\n', ' ']).to_owned();
    }
    match ends_file && !piece.behind.contains(';') {
        true => {
            text.push_str(&piece.above);
            text.push_str(&piece.sql);
            text.push_str(&piece.behind);
        }
        false => piece.write(text),
    }
}

/// The front matter of the first file: that of the old one, except for how it runs.
fn front(parts: &Parts, runs: &Runs) -> String {
    let front = &parts.front;
    let outside = value_of(front, "transaction") == Some("false");
    match runs {
        Runs::Alone if !outside => with_directive(front, "transaction", "false"),
        Runs::Backfill(value) => with_directive(&without_directive(front, "transaction"), "backfill", value),
        Runs::Here | Runs::Apart | Runs::Later if outside => without_directive(front, "transaction"),
        _ => front.clone(),
    }
}

fn later_front(site: &Site<'_>, group: &Group, title: &str) -> String {
    let mut front = String::new();
    match &group.runs {
        Runs::Alone => front = with_directive(&front, "transaction", "false"),
        Runs::Backfill(value) => front = with_directive(&front, "backfill", value),
        _ => {}
    }
    for key in SHARED {
        if let Some(value) = value_of(&site.parts.front, key) {
            front = with_directive(&front, key, value);
        }
    }
    let mut title = title.to_owned();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match site.directives.phase {
        // A comment written here would count as the reason that a contract migration has to give.
        Some(Phase::Contract) if !site.explained => front,
        Some(Phase::Contract) => front + &format!("-- {title}; the reason is that of {}.\n", site.name()),
        _ => front + &format!("-- {title}.\n"),
    }
}

/// Removes groups that only consist of SET, which all later files repeat, and returns their comments.
fn drop_settings_only(groups: &mut Vec<Group>, site: &Site<'_>) -> String {
    let mut comments = String::new();
    groups.retain(|group| {
        let only = group.pieces.iter().all(|piece| is_setting(site, piece));
        if only {
            comments.extend(group.pieces.iter().map(|piece| piece.above.as_str()));
        }
        !only
    });
    comments
}

fn is_setting(site: &Site<'_>, piece: &Piece) -> bool {
    let at = site.parts.pieces.iter().position(|other| other == piece);
    at.and_then(|at| site.stmts.get(at)).is_some_and(|stmt| matches!(stmt.kind, StmtKind::Set { .. }))
}

/// The SETs of a file.
struct Settings<'s> {
    all: Vec<(&'s Piece, &'s str, bool)>,
}

impl<'s> Settings<'s> {
    fn of(site: &Site<'s>) -> Settings<'s> {
        let pieces = site.parts.pieces.iter().zip(site.stmts).take(site.index);
        let all = pieces.filter_map(|(piece, stmt)| match &stmt.kind {
            StmtKind::Set { name, local, .. } => Some((piece, name.as_str(), *local)),
            _ => None,
        });
        Settings { all: all.collect() }
    }

    /// Whether the file relies on something that ends when the file is split.
    fn may_be_split(&self, site: &Site<'_>) -> Result<(), String> {
        if site.directives.backfill.is_some() {
            return Err("its safe form takes several migrations, and this one is a backfill".to_owned());
        }
        let why = site.stmts.iter().find_map(whole);
        why.map_or(Ok(()), |why| {
            Err(format!("its safe form takes several migrations, but {why}, which ends with this migration: split it by hand"))
        })
    }

    /// The SETs that a group has to repeat.
    fn before(&self, group: &Group, site: &Site<'_>) -> Result<String, String> {
        let mut text = String::new();
        for (piece, name, local) in &self.all {
            if group.pieces.contains(piece) {
                continue;
            }
            let timeout = name.ends_with("_timeout");
            match &group.runs {
                Runs::Backfill(_) if timeout => {
                    let words: Vec<&str> = piece.sql.split_whitespace().collect();
                    text.push_str(&format!("-- Not in a backfill, which has its own: {}\n", words.join(" ")));
                }
                Runs::Backfill(_) => {
                    return Err(format!(
                        "{} sets {name}, which a backfill cannot: qualify the names instead",
                        site.name()
                    ));
                }
                Runs::Alone if *local => Piece::new(without_local(&piece.sql)).write(&mut text),
                _ => Piece::new(piece.sql.as_str()).write(&mut text),
            }
        }
        Ok(text)
    }
}

fn without_local(sql: &str) -> String {
    let words = Words::of(sql);
    match words.all.get(1).filter(|word| word.is("LOCAL")) {
        Some(local) => format!("{}{}", &sql[..local.at.start], sql[local.at.end..].trim_start()),
        None => sql.to_owned(),
    }
}

/// An effect of a statement that the rest of its file relies on and that is not visible to other files.
fn whole(stmt: &Stmt) -> Option<&'static str> {
    match &stmt.kind {
        StmtKind::CreateTable(create) if create.temporary => Some("it creates a temporary table"),
        StmtKind::CreateTableAs { temporary: true, .. } => Some("it creates a temporary table"),
        StmtKind::Lock { .. } => Some("it locks a table"),
        StmtKind::Other(words) => {
            let first = words.split(' ').next().unwrap_or_default();
            match first {
                "SAVEPOINT" | "RELEASE" => Some("it uses a savepoint"),
                "PREPARE" | "DECLARE" => Some("it prepares a statement"),
                "CREATE" if words.contains("TEMP") => Some("it creates a temporary object"),
                _ => None,
            }
        }
        _ => None,
    }
}

/// A file name made from any words.
fn slug(words: &str) -> String {
    let clean: String =
        words.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect();
    let parts: Vec<&str> = clean.split('_').filter(|part| !part.is_empty()).collect();
    let mut name = parts.join("_");
    name.truncate(60);
    // A name that ends this way would be taken for an undo script.
    for ending in ["_down", "_undo"] {
        if name.ends_with(ending) {
            name.push_str("_step");
        }
    }
    if name.is_empty() { "step".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn a_slug_is_a_file_name() {
        assert_eq!(slug("Fill posts.\"Übung\""), "fill_posts_bung");
        assert_eq!(slug("scale_down"), "scale_down_step");
        assert_eq!(slug("…"), "step");
    }
}
