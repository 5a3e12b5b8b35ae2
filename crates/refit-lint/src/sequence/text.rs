//! The text of each file. Settings of the original file, such as the phase or a SET, are repeated in each.

use refit_model::Phase;

use super::layout::Group;
use super::parts::{value_of, with_directive, without_directive};
use super::{Original, Parts, Piece, Runs, SequenceFile};
use crate::sql::{Stmt, StmtKind};
use crate::words::Words;

/// Directives that apply to every part of a file.
const SHARED: [&str; 7] =
    ["phase", "manual", "package", "environments", "category", "release", "lock_timeout"];

/// Writes each group of statements as a file.
pub(super) fn written(original: &Original<'_>, groups: Vec<Group>) -> Result<Vec<SequenceFile>, String> {
    let settings = Settings::of(original);
    // A group of only settings is repeated in all later files.
    let mut groups: Vec<Group> = groups.into_iter().filter(|group| !group.pieces.is_empty()).collect();
    if groups.len() > 1 {
        settings.may_be_split(original)?;
        let comments = drop_settings_only(&mut groups, original);
        if let Some(first) = groups.first_mut().and_then(|group| group.pieces.first_mut()) {
            first.above.insert_str(0, &comments);
        }
    }
    let parts = original.parts;
    let mut files = Vec::new();
    let mut gated = false;
    let count = groups.len();
    for (index, group) in groups.iter().enumerate() {
        let rest = format!("rest of {}", original.name);
        let title = if group.title.is_empty() { &rest } else { &group.title };
        let mut text = match index {
            0 => front(parts, &group.runs),
            _ => later_front(original, group, title),
        };
        text.push_str(&settings.before(group, original)?);
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
            || index == 0 && (!original.directives.after.is_empty() || original.directives.manual);
        files.push(SequenceFile { name: slug(title), text, gated: waits });
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

fn later_front(original: &Original<'_>, group: &Group, title: &str) -> String {
    let mut front = String::new();
    match &group.runs {
        Runs::Alone => front = with_directive(&front, "transaction", "false"),
        Runs::Backfill(value) => front = with_directive(&front, "backfill", value),
        _ => {}
    }
    for key in SHARED {
        if let Some(value) = value_of(&original.parts.front, key) {
            front = with_directive(&front, key, value);
        }
    }
    let mut title = title.to_owned();
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    match original.directives.phase {
        // A comment written here would count as the reason that a contract migration has to give.
        Some(Phase::Contract) if !original.explained => front,
        Some(Phase::Contract) => front + &format!("-- {title}; the reason is that of {}.\n", original.name),
        _ => front + &format!("-- {title}.\n"),
    }
}

/// Removes groups that only consist of SET, which all later files repeat, and returns their comments.
fn drop_settings_only(groups: &mut Vec<Group>, original: &Original<'_>) -> String {
    let mut comments = String::new();
    groups.retain(|group| {
        let only = group.pieces.iter().all(|piece| is_setting(original, piece));
        if only {
            comments.extend(group.pieces.iter().map(|piece| piece.above.as_str()));
        }
        !only
    });
    comments
}

fn is_setting(original: &Original<'_>, piece: &Piece) -> bool {
    let at = original.parts.pieces.iter().position(|other| other == piece);
    at.and_then(|at| original.stmts.get(at)).is_some_and(|stmt| matches!(stmt.kind, StmtKind::Set { .. }))
}

/// The SETs of a file.
struct Settings<'s> {
    all: Vec<(&'s Piece, &'s str, bool)>,
}

impl<'s> Settings<'s> {
    fn of(original: &Original<'s>) -> Settings<'s> {
        let pieces = original.parts.pieces.iter().zip(original.stmts).take(original.index);
        let all = pieces.filter_map(|(piece, stmt)| match &stmt.kind {
            StmtKind::Set { name, local, .. } => Some((piece, name.as_str(), *local)),
            _ => None,
        });
        Settings { all: all.collect() }
    }

    /// Whether the file relies on something that ends when the file is split.
    fn may_be_split(&self, original: &Original<'_>) -> Result<(), String> {
        if original.directives.backfill.is_some() {
            return Err("its safe form takes several migrations, and this one is a backfill".to_owned());
        }
        let why = original.stmts.iter().find_map(whole);
        why.map_or(Ok(()), |why| {
            Err(format!("its safe form takes several migrations, but {why}, which ends with this migration: split it by hand"))
        })
    }

    /// The SETs that a group has to repeat.
    fn before(&self, group: &Group, original: &Original<'_>) -> Result<String, String> {
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
                        original.name
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
