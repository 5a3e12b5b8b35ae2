//! The files to lint: the migrations folder, or explicit files and folders.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use refit_lint::{Config, Input, Level};
use refit_model::{FileKind, Problem, RunOrder, Settings, read_folder};

use crate::context::Context;

/// Files in the order of replay.
pub(crate) struct Sources {
    pub(crate) inputs: Vec<Input>,
    /// The path of each input; none for standard input.
    pub(crate) files: Vec<Option<PathBuf>>,
    /// The folder to run git in.
    pub(crate) folder: PathBuf,
    /// The settings of `refit.toml`.
    pub(crate) config: Config,
}

/// The path of standard input in findings.
const STDIN: &str = "<stdin>";

impl Sources {
    /// Reads the files, and the settings of the migrations folder if there is one.
    ///
    /// # Errors
    /// When a file or folder cannot be read, or `refit.toml` is malformed.
    pub(crate) fn read(paths: &[PathBuf], context: &Context) -> anyhow::Result<Sources> {
        let folder = context.migrations_dir();
        let shown = Shown::new(&context.workspace)?;
        let config = config(&folder, &shown, context)?;
        let files = if paths.is_empty() { folder_files(&folder)? } else { named_files(paths)? };
        let input = |file: &Source| Input {
            path: file.path.as_deref().map_or_else(|| STDIN.to_owned(), |path| shown.path(path)),
            bytes: Vec::new(),
            named_by_folder: paths.is_empty(),
            reported: true,
        };
        let mut inputs: Vec<Input> = files.iter().map(input).collect();
        let mut places = Vec::with_capacity(files.len());
        for (input, file) in inputs.iter_mut().zip(files) {
            input.bytes = file.bytes;
            places.push(file.path);
        }
        let folder = if paths.is_empty() { folder } else { PathBuf::from(".") };
        Ok(Sources { inputs, files: places, folder, config })
    }

    /// An input as the server receives it.
    pub(crate) fn sent(&self, input: &Input) -> Input {
        Input { bytes: input.with_values(&self.config).as_bytes().to_vec(), ..input.clone() }
    }
}

struct Source {
    path: Option<PathBuf>,
    bytes: Vec<u8>,
}

fn config(folder: &Path, shown: &Shown, context: &Context) -> anyhow::Result<Config> {
    let file = folder.join("refit.toml");
    let text = match fs::read_to_string(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let path = shown.path(&file);
    let settings = Settings::parse(&path, &text).map_err(|problem| anyhow::anyhow!("{problem}"))?;
    let given = context.variables();
    if let Some(problem) = settings.unknown_variables(given.keys()).into_iter().next() {
        return Err(anyhow::anyhow!("{problem}"));
    }
    let variables = settings.values_to_read(&context.global.environment, &given);
    let paths = settings.lint.path.into_iter().map(|at| (at.path, at.rules)).collect();
    let levels: BTreeMap<String, Level> = settings.lint.rules;
    Ok(Config {
        postgres: settings.postgres,
        folder: shown.path(folder),
        levels,
        paths,
        settings: (path, text),
        variables,
        baseline: Vec::new(),
    })
}

/// All files of the migrations folder, including those with malformed names: migrations by version, then repeatable ones.
fn folder_files(folder: &Path) -> anyhow::Result<Vec<Source>> {
    let (mut files, problems) = read_folder(folder);
    if !problems.is_empty() {
        let problems: Vec<String> = problems.iter().map(Problem::to_string).collect();
        bail!("migrations folder {}: {}", folder.display(), problems.join("\n"));
    }
    files.sort_by_cached_key(|file| RunOrder::of(&file.path));
    let source = |file: refit_model::SourceFile| Source {
        path: Some(folder.join(&file.path)),
        bytes: file.bytes.into_owned(),
    };
    Ok(files.into_iter().map(source).collect())
}

/// The explicit files, and those in explicit folders, in name order; then standard input.
fn named_files(paths: &[PathBuf]) -> anyhow::Result<Vec<Source>> {
    let mut files = Vec::new();
    let mut from_stdin = false;
    for path in paths {
        if path.as_os_str() == "-" {
            from_stdin = true;
            continue;
        }
        let metadata = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
        match metadata.is_dir() {
            true => below(path, &mut files)?,
            false => files.push(path.clone()),
        }
    }
    remove_duplicates(&mut files);
    in_name_order(&mut files);
    let read = |file: PathBuf| {
        let bytes = fs::read(&file).with_context(|| format!("cannot read {}", file.display()))?;
        Ok(Source { path: Some(file), bytes })
    };
    let mut sources = files.into_iter().map(read).collect::<anyhow::Result<Vec<Source>>>()?;
    if from_stdin {
        let mut bytes = Vec::new();
        std::io::stdin().read_to_end(&mut bytes).context("cannot read standard input")?;
        sources.push(Source { path: None, bytes });
    }
    Ok(sources)
}

/// Removes files that occur more than once, also by different paths.
fn remove_duplicates(files: &mut Vec<PathBuf>) {
    // Resolve each folder once: resolving each file takes several system calls.
    let mut folders: HashMap<PathBuf, PathBuf> = HashMap::new();
    let mut seen = HashSet::new();
    files.retain(|file| {
        let is_link = fs::symlink_metadata(file).is_ok_and(|found| found.is_symlink());
        let real = match (file.parent(), file.file_name()) {
            (Some(folder), Some(name)) if !is_link => {
                let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                let known = folders.get(folder).cloned().or_else(|| {
                    let real = fs::canonicalize(here).ok()?;
                    folders.insert(folder.to_owned(), real.clone());
                    Some(real)
                });
                known.map(|folder| folder.join(name))
            }
            _ => fs::canonicalize(file).ok(),
        };
        seen.insert(real.unwrap_or_else(|| file.clone()))
    });
}

/// Collects the SQL files below a folder, without companion files.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let unreadable = || format!("cannot read {}", folder.display());
    let mut names = HashSet::new();
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') {
            continue;
        }
        if entry.file_type().with_context(unreadable)?.is_dir() {
            below(&path, files)?;
        } else if name.to_lowercase().ends_with(".sql") {
            names.insert(name.clone());
            found.push((name, path));
        }
    }
    let is_companion = |name: &str| {
        let stem =
            [".down.sql", ".check.sql", ".budget.sql"].iter().find_map(|suffix| name.strip_suffix(suffix));
        stem.is_some_and(|stem| names.contains(&format!("{stem}.sql")))
    };
    files.extend(found.into_iter().filter(|(name, _)| !is_companion(name)).map(|(_, path)| path));
    Ok(())
}

/// Sorts by path, or in the order of execution if all names are those of migrations.
fn in_name_order(files: &mut [PathBuf]) {
    let name = |file: &Path| file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    if files.iter().all(|file| FileKind::is_migration(&name(file))) {
        files.sort_by_cached_key(|file| (RunOrder::of(&name(file)), file.clone()));
    } else {
        files.sort();
    }
}

/// The paths to show in findings: relative to the workspace, with `/` as separator; as given for files outside.
struct Shown {
    workspace: PathBuf,
    current: PathBuf,
}

impl Shown {
    fn new(workspace: &Path) -> anyhow::Result<Shown> {
        let current = std::env::current_dir().context("cannot read the current folder")?;
        Ok(Shown { workspace: fs::canonicalize(workspace).unwrap_or_else(|_| workspace.to_owned()), current })
    }

    fn path(&self, path: &Path) -> String {
        let whole = self.current.join(path);
        let plain = plain(&whole);
        let inside = plain.strip_prefix(&self.workspace).map(Path::to_owned).ok();
        // The path may lead into the workspace through a link: /tmp is one on some systems.
        let inside = inside.or_else(|| {
            let real = fs::canonicalize(whole.parent()?).ok()?.join(whole.file_name()?);
            real.strip_prefix(&self.workspace).map(Path::to_owned).ok()
        });
        inside.unwrap_or_else(|| path.to_owned()).to_string_lossy().replace('\\', "/")
    }
}

/// Removes `.` and `..` lexically.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::CurDir => {}
            std::path::Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}
