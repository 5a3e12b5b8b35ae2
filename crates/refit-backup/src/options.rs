//! What backups are made with.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use refit::{ConnectOptions, Interrupt};

/// What is happening, for a progress display.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Progress {
    /// A part of the work began: a phrase such as `dumping 3 tables`.
    Began(String),
    /// Bytes written to the file so far, of about how many. Compression makes most files smaller than the estimate.
    Written {
        /// Bytes so far.
        bytes: u64,
        /// The size of the tables.
        estimate: u64,
    },
    /// A table was counted, loaded or compared.
    Table(String),
}

type Observer = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Where backups are kept, and what they are made with. The library reads no environment variable: `folders` says where to
/// search for programs.
///
/// ```
/// use refit_backup::Options;
///
/// let mut options = Options::new("/var/backups/app");
/// options.folders = vec!["/usr/lib/postgresql/17/bin".into()];
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Options {
    /// The folder of the files. It is created if it is missing, readable by its owner only.
    pub folder: PathBuf,
    /// The folders to search for `pg_dump` and `pg_restore`.
    pub folders: Vec<PathBuf>,
    /// The program for backups of kind `command`, and its arguments.
    pub command: Vec<String>,
    /// How to connect.
    pub connect: ConnectOptions,
    /// Where to search for the server of a verification.
    pub server: refit_devdb::ServerOptions,
    /// Stops the work.
    pub interrupt: Interrupt,
    observer: Option<Observer>,
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("folder", &self.folder)
            .field("folders", &self.folders)
            .finish_non_exhaustive()
    }
}

impl Options {
    /// Options with the folders of the distributions.
    pub fn new(folder: impl Into<PathBuf>) -> Options {
        Options {
            folder: folder.into(),
            folders: refit_devdb::Binaries::program_folders(&refit_devdb::Search::default()),
            command: Vec::new(),
            connect: ConnectOptions::default(),
            server: refit_devdb::ServerOptions::default(),
            interrupt: Interrupt::new(),
            observer: None,
        }
    }

    /// Calls a function with the progress of the work. It must not block.
    #[must_use]
    pub fn observe(mut self, observer: impl Fn(&Progress) + Send + Sync + 'static) -> Options {
        self.observer = Some(Arc::new(observer));
        self
    }

    pub(crate) fn report(&self, progress: &Progress) {
        if let Some(observer) = &self.observer {
            observer(progress);
        }
    }

    pub(crate) fn began(&self, what: impl Into<String>) {
        self.report(&Progress::Began(what.into()));
    }
}
