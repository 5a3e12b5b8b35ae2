//! The set during fixing: the files with their paths, and the next free versions.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::rc::Rc;

use refit_model::{Directives, FileKind, front_matter};

use crate::lint::{Config, Input, Source};
use crate::parser::{Parsed, parse};
use crate::sequence::{SequenceFile, next_version, numbered, with_references};

/// An input file as passed to the linter. Its content is shared, so a copy under another name is cheap.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Rc<[u8]>,
    named_by_folder: bool,
    reported: bool,
}

impl File {
    fn of(input: &Input) -> File {
        let Input { path, bytes, named_by_folder, reported } = input;
        File {
            path: path.clone(),
            bytes: bytes.as_slice().into(),
            named_by_folder: *named_by_folder,
            reported: *reported,
        }
    }

    fn source(&self) -> Source<'_> {
        Source {
            path: &self.path,
            bytes: &self.bytes,
            named_by_folder: self.named_by_folder,
            reported: self.reported,
        }
    }

    pub(crate) fn to_input(&self) -> Input {
        Input {
            path: self.path.clone(),
            bytes: self.bytes.to_vec(),
            named_by_folder: self.named_by_folder,
            reported: self.reported,
        }
    }
}

/// One file.
#[derive(Debug, Clone)]
pub(crate) struct Doc {
    pub(crate) input: File,
    /// The path of the file that this one was derived from.
    pub(crate) origin: String,
    /// The current path on disk; `None` for a new file.
    pub(crate) was: Option<String>,
    /// Its normalized text.
    pub(crate) text: Rc<str>,
    pub(crate) parsed: Rc<Parsed>,
    pub(crate) directives: Rc<Directives>,
    /// The version in its name, if it is a migration.
    version: Option<i64>,
}

impl Doc {
    fn new(input: &Input, config: &Config) -> Doc {
        let text = input.text();
        let input = File::of(input);
        let (origin, version) = (input.path.clone(), version_of(&input, config));
        Doc::with_text(input, (origin.clone(), Some(origin)), version, &text)
    }

    fn with_text(
        input: File,
        (origin, was): (String, Option<String>),
        version: Option<i64>,
        text: &str,
    ) -> Doc {
        let runs = input.path.to_lowercase().ends_with(".sql") || !input.named_by_folder;
        let parsed = if runs { parse(text) } else { Parsed::default() };
        let (directives, ..) = front_matter(file_of(&input.path), text);
        Doc {
            input,
            origin,
            was,
            text: text.into(),
            parsed: Rc::new(parsed),
            directives: Rc::new(directives),
            version,
        }
    }

    fn set_text(&mut self, text: &str) {
        let input = File { bytes: encoded(text, &self.input.bytes), ..self.input.clone() };
        *self = Doc::with_text(input, (self.origin.clone(), self.was.clone()), self.version, text);
    }

    fn stem(&self) -> &str {
        self.input.path.strip_suffix(".sql").unwrap_or(&self.input.path)
    }

    fn rename(&mut self, path: String, version: Option<i64>) {
        self.input.path = path;
        self.version = version;
    }
}

/// Suffixes of companion files.
const COMPANIONS: [&str; 4] = [".down.sql", ".check.sql", ".budget.sql", ".md"];

/// All files, in order.
#[derive(Debug, Clone)]
pub(crate) struct Docs<'c> {
    pub(crate) all: Vec<Rc<Doc>>,
    pub(crate) config: &'c Config,
    /// Paths that must not change.
    pub(crate) protected: &'c BTreeSet<String>,
    /// Notes for the user about the written files.
    pub(crate) notes: Vec<(String, String)>,
}

impl<'c> Docs<'c> {
    pub(crate) fn new(inputs: &[Input], config: &'c Config, protected: &'c BTreeSet<String>) -> Docs<'c> {
        let all: Vec<Rc<Doc>> = inputs.iter().map(|input| Rc::new(Doc::new(input, config))).collect();
        Docs { all, config, protected, notes: Vec::new() }
    }

    pub(crate) fn inputs(&self) -> Vec<Input> {
        self.all.iter().map(|doc| doc.input.to_input()).collect()
    }

    /// Returns a file for modification.
    fn doc(&mut self, at: usize) -> &mut Doc {
        Rc::make_mut(&mut self.all[at])
    }

    /// Some files and their `.md` files, to be linted separately.
    pub(crate) fn alone(&self, range: Range<usize>) -> Vec<Source<'_>> {
        let own = &self.all[range];
        let stems: Vec<&str> = own.iter().map(|doc| doc.stem()).collect();
        let is_beside =
            |doc: &&Rc<Doc>| doc.input.path.strip_suffix(".md").is_some_and(|stem| stems.contains(&stem));
        own.iter().chain(self.all.iter().filter(is_beside)).map(|doc| doc.input.source()).collect()
    }

    /// Whether a file has an `.md` file.
    pub(crate) fn has_page(&self, doc: &Doc) -> bool {
        let page = format!("{}.md", doc.stem());
        self.all.iter().any(|other| other.input.path == page)
    }

    /// The set with a file replaced by a sequence.
    ///
    /// # Errors
    ///
    /// If a file would have to move that must not change, or the file has no version to continue from.
    pub(crate) fn replaced(&self, index: usize, files: &[SequenceFile]) -> Result<Docs<'c>, String> {
        let mut next = self.clone();
        let Some((first, rest)) = files.split_first() else { return Err("nothing would be left".to_owned()) };
        next.doc(index).set_text(&first.text);
        if rest.is_empty() {
            next.chain(index);
            return Ok(next);
        }
        let doc = &self.all[index];
        let version = doc.version.ok_or(
            "its safe form takes several migrations, and the file's name has no version to continue from",
        )?;
        let (folder, file) = split_path(&doc.input.path);
        let width = file.split("__").next().map_or(0, |label| label.len() - 1);
        let numbered = numbered(version, width, files)?;
        if !self.all.iter().filter_map(|doc| doc.version).is_sorted() {
            return Err("the files are not in version order".to_owned());
        }
        let (mut last, mut label) = (version, String::new());
        for (offset, new) in numbered.into_iter().enumerate().skip(1) {
            (last, label) = (new.version, new.label());
            let input = File {
                path: format!("{folder}{}", new.file_name()),
                bytes: encoded(&new.text, &doc.input.bytes),
                ..doc.input.clone()
            };
            let new = Doc::with_text(input, (doc.origin.clone(), None), Some(last), &new.text);
            next.all.insert(index + offset, Rc::new(new));
        }
        next.make_room(index + rest.len(), last)?;
        // Files that waited for this one now wait for all files that replace it.
        next.refer(index + rest.len() + 1, &HashMap::from([(version, label)]))?;
        next.chain(index + rest.len());
        next.companions(index, index + rest.len());
        Ok(next)
    }

    /// Files derived from one file run in order: after a step that waits, the next ones wait for it.
    fn chain(&mut self, from: usize) {
        for at in from + 1..self.all.len() {
            let (before, doc) = (&self.all[at - 1], &self.all[at]);
            let holds = !before.directives.after.is_empty() || before.directives.backfill.is_some();
            if doc.origin != before.origin || !holds {
                return;
            }
            if doc.directives.after.is_empty() {
                let label = file_of(&before.input.path).split("__").next().unwrap_or_default();
                let text = format!("-- refit: after = [\"{label}\"]\n{}", doc.text);
                self.doc(at).set_text(&text);
            }
        }
    }

    /// Moves later files to later versions, if their versions collide.
    fn make_room(&mut self, index: usize, version: i64) -> Result<(), String> {
        let mut last = version;
        let mut moved = HashMap::new();
        let mut stems = HashMap::new();
        for at in index + 1..self.all.len() {
            let Some(version) = self.all[at].version else { continue };
            if version > last {
                break;
            }
            let doc = &self.all[at];
            if doc.was.as_deref().is_some_and(|path| self.protected.contains(path)) {
                return Err(format!(
                    "{} would have to move to a later version, and may have run already: give this migration a \
                     later version first",
                    doc.input.path
                ));
            }
            last = next_version(last);
            let (folder, file) = split_path(&doc.input.path);
            let (label, name) = file.split_once("__").unwrap_or((file, ""));
            let width = label.len() - 1;
            let label = format!("V{last:0width$}");
            let path = format!("{folder}{label}__{name}");
            let new_stem = path.strip_suffix(".sql").unwrap_or(&path).to_owned();
            stems.insert(doc.stem().to_owned(), new_stem);
            moved.insert(version, label);
            self.doc(at).rename(path, Some(last));
        }
        self.move_companions(&stems, &COMPANIONS);
        self.refer(index + 1, &moved)
    }

    /// Updates the versions in `after` and `depends` of files.
    fn refer(&mut self, from: usize, moved: &HashMap<i64, String>) -> Result<(), String> {
        for at in from..self.all.len() {
            let doc = &self.all[at];
            let named = doc.directives.after.iter().chain(&doc.directives.depends);
            if !named.into_iter().any(|version| moved.contains_key(version)) {
                continue;
            }
            let Some(text) = with_references(&doc.text, &|reference| {
                moved.get(&refit_model::version_of(reference)?).cloned()
            }) else {
                continue;
            };
            if doc.was.as_deref().is_some_and(|path| self.protected.contains(path)) {
                return Err(format!("{} waits for it, and may have run already", doc.input.path));
            }
            self.doc(at).set_text(&text);
        }
        Ok(())
    }

    /// Renames companion files with their migrations: `stems` maps old stems to new ones.
    fn move_companions(&mut self, stems: &HashMap<String, String>, suffixes: &[&str]) {
        if stems.is_empty() {
            return;
        }
        for doc in &mut self.all {
            let path = &doc.input.path;
            let parts = suffixes.iter().find_map(|suffix| Some((path.strip_suffix(suffix)?, suffix)));
            if let Some((stem, suffix)) = parts
                && let Some(new_stem) = stems.get(stem)
            {
                let path = format!("{new_stem}{suffix}");
                Rc::make_mut(doc).rename(path, None);
            }
        }
    }

    /// A check of the migration becomes the check of its last part; each part gets a down file if the whole had one.
    fn companions(&mut self, first: usize, last: usize) {
        let stems: Vec<String> = self.all[first..=last].iter().map(|doc| doc.stem().to_owned()).collect();
        let (Some(head), Some(tail)) = (stems.first(), stems.last()) else { return };
        self.move_companions(&HashMap::from([(head.clone(), tail.clone())]), &[".check.sql", ".budget.sql"]);
        let down = format!("{head}.down.sql");
        let Some(doc) = self.all.iter().find(|doc| doc.input.path == down) else { return };
        let (origin, input) = (doc.origin.clone(), doc.input.clone());
        let first_file = split_path(&down).1;
        let text = format!(
            "-- What this step did is undone by {first_file}, which undoes the whole change: roll back to before\n\
             -- {}, not to a version in between.\nSELECT 1;\n",
            split_path(head).1
        );
        for stem in &stems[1..] {
            let path = format!("{stem}.down.sql");
            let input = File { path, bytes: encoded(&text, &input.bytes), ..input.clone() };
            self.all.push(Rc::new(Doc::with_text(input, (origin.clone(), None), None, &text)));
        }
        let note = format!(
            "{first_file} undoes the whole sequence; the down files of the later steps do nothing, so roll back past all of them"
        );
        self.notes.retain(|(of, _)| *of != origin);
        self.notes.push((origin, note));
    }
}

/// The folder with a trailing slash, and the file name.
pub(crate) fn split_path(path: &str) -> (&str, &str) {
    path.split_at(path.rfind('/').map_or(0, |slash| slash + 1))
}

fn file_of(path: &str) -> &str {
    split_path(path).1
}

fn version_of(input: &File, config: &Config) -> Option<i64> {
    let name = match input.named_by_folder {
        true => config.in_folder(&input.path),
        false => file_of(&input.path),
    };
    match FileKind::of(name) {
        Ok(FileKind::Migration { version, .. }) => Some(version),
        _ => None,
    }
}

/// The text with the line endings and byte-order mark of the original file.
fn encoded(text: &str, as_in: &[u8]) -> Rc<[u8]> {
    let mut bytes = Vec::with_capacity(text.len());
    if as_in.starts_with("\u{feff}".as_bytes()) {
        bytes.extend_from_slice("\u{feff}".as_bytes());
    }
    let windows = as_in.windows(2).any(|pair| pair == b"\r\n");
    bytes.extend_from_slice(if windows { text.replace('\n', "\r\n") } else { text.to_owned() }.as_bytes());
    bytes.into()
}
