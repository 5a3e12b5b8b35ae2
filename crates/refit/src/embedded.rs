//! The folder inside the binary.

use std::collections::BTreeMap;
use std::sync::Arc;

use include_dir::{Dir, File};
use refit_model::{Environment, HistoryDigest, MigrationSet, SetError};

/// The file of a folder with the schema that its migrations make.
const SNAPSHOT: &str = "snapshots/schema.json";

/// The file of a folder with its settings.
const SETTINGS: &str = "refit.toml";

/// What is needed of a set's settings before the set is read.
#[derive(Debug, Default)]
pub(crate) struct EarlySettings {
    pub(crate) history_schema: Option<String>,
    pub(crate) state_schema: Option<String>,
    /// Profiles of environments, by name.
    pub(crate) profiles: BTreeMap<String, Environment>,
}

impl From<refit_model::Settings> for EarlySettings {
    fn from(settings: refit_model::Settings) -> EarlySettings {
        EarlySettings {
            history_schema: settings.history_schema,
            state_schema: settings.state_schema,
            profiles: settings.environment,
        }
    }
}

/// A migrations folder that the build embedded; [`embed!`](crate::embed) makes it.
#[derive(Debug)]
pub struct Embedded {
    files: &'static Dir<'static>,
    versioned: &'static str,
    repeatable: &'static str,
    newest: &'static str,
}

impl Embedded {
    /// Called by [`embed!`](crate::embed) with what `refit-build` computed. Do not call it directly.
    #[doc(hidden)]
    pub const fn new(
        files: &'static Dir<'static>,
        versioned: &'static str,
        repeatable: &'static str,
        newest: &'static str,
    ) -> Embedded {
        Embedded { files, versioned, repeatable, newest }
    }

    /// Reads the set.
    ///
    /// ```
    /// # fn example(migrations: &'static refit::Embedded) -> Result<(), Box<dyn std::error::Error>> {
    /// println!("{} migrations", migrations.set()?.migrations().len());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// None after `refit_build::embed`: the build refuses a malformed folder.
    pub fn set(&self) -> Result<MigrationSet, SetError> {
        MigrationSet::from_embedded(self.files)
    }

    /// The set's snapshot as JSON, if the folder had one when it was embedded: `snapshots/schema.json`.
    ///
    /// ```
    /// # fn example(migrations: &'static refit::Embedded) {
    /// assert!(migrations.snapshot().is_some(), "run `cargo xtask snapshot`");
    /// # }
    /// ```
    pub fn snapshot(&self) -> Option<&'static str> {
        self.files.get_file(SNAPSHOT)?.contents_utf8()
    }

    /// The digest that the build computed; `None` if it depends on the environment.
    fn history_digest(&self) -> Option<HistoryDigest> {
        (!self.versioned.is_empty()).then(|| HistoryDigest {
            versioned: self.versioned.to_owned(),
            repeatable: (!self.repeatable.is_empty()).then(|| self.repeatable.to_owned()),
            newest: self.newest.parse().ok().filter(|newest| *newest >= 0),
        })
    }
}

/// Where the migrations of a [`Migrator`](crate::Migrator) come from.
///
/// ```no_run
/// use refit::{Source, model::MigrationSet};
///
/// # fn example(migrations: &'static refit::Embedded) -> Result<(), refit::Error> {
/// let embedded = Source::from(migrations);
/// let read = Source::from(MigrationSet::from_dir("migrations".as_ref())?);
/// # Ok(()) }
/// ```
#[derive(Debug, Clone)]
pub enum Source {
    /// The folder inside the binary.
    Embedded(&'static Embedded),
    /// A set that was read at run time.
    Set(Arc<MigrationSet>),
}

impl Source {
    /// The set; an embedded one is read by each call.
    ///
    /// ```
    /// # fn example(source: refit::Source) -> Result<(), refit::Error> {
    /// println!("newest: {:?}", source.set()?.migrations().last().map(|migration| migration.version));
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// As [`Embedded::set`].
    pub fn set(&self) -> Result<Arc<MigrationSet>, SetError> {
        match self {
            Source::Embedded(embedded) => embedded.set().map(Arc::new),
            Source::Set(set) => Ok(Arc::clone(set)),
        }
    }

    /// The snapshot that came with the set.
    pub(crate) fn snapshot(&self) -> Option<&'static str> {
        match self {
            Source::Embedded(embedded) => embedded.snapshot(),
            Source::Set(_) => None,
        }
    }

    /// The settings that are needed early. Cheap where there are none: a boot with nothing to do does not read the set.
    pub(crate) fn early_settings(&self) -> EarlySettings {
        match self {
            Source::Set(set) => set.settings().clone().into(),
            Source::Embedded(embedded) => {
                // Not get_file, which compares paths by components: a tenth of a millisecond with 1,000 files.
                let is_settings = |file: &&File<'_>| file.path().as_os_str() == SETTINGS;
                let text = embedded.files.files().find(is_settings).and_then(|file| file.contents_utf8());
                let text = text.filter(|text| text.contains("_schema") || text.contains("environment"));
                // A malformed file is a build error.
                let settings = text.and_then(|text| refit_model::Settings::parse(SETTINGS, text).ok());
                settings.map_or_else(EarlySettings::default, EarlySettings::from)
            }
        }
    }

    /// The digest of the whole history that is known without reading the set.
    pub(crate) fn known_digest(&self) -> Option<HistoryDigest> {
        match self {
            Source::Embedded(embedded) => embedded.history_digest(),
            Source::Set(_) => None,
        }
    }
}

impl From<&'static Embedded> for Source {
    fn from(embedded: &'static Embedded) -> Source {
        Source::Embedded(embedded)
    }
}

impl From<MigrationSet> for Source {
    fn from(set: MigrationSet) -> Source {
        Source::Set(Arc::new(set))
    }
}

impl From<Arc<MigrationSet>> for Source {
    fn from(set: Arc<MigrationSet>) -> Source {
        Source::Set(set)
    }
}

#[cfg(test)]
mod tests {
    use include_dir::DirEntry;

    use super::*;

    #[test]
    fn profiles_are_known_before_the_set_is_read() {
        const TEXT: &[u8] = b"state_schema = \"mine\"\n[environment.production]\nchecks = true\n";
        static ENTRIES: [DirEntry<'static>; 1] = [DirEntry::File(File::new("refit.toml", TEXT))];
        static FILES: Dir<'static> = Dir::new("", &ENTRIES);
        static EMBEDDED: Embedded = Embedded::new(&FILES, "", "", "");
        let early = Source::from(&EMBEDDED).early_settings();
        assert_eq!(early.state_schema.as_deref(), Some("mine"));
        assert!(early.profiles["production"].checks);
    }
}
