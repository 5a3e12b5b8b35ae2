//! Servers that outlive the command that starts them and are found again by name: `devdb start` and `devdb stop`.
//! A state file in the cache folder (without one, the temporary folder) describes each server. It is valid only while
//! the process that it names runs on the data folder that it names.

use std::{
    fs::{self, File, Permissions},
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;

use crate::{
    Error, Server, ServerOptions,
    folder::{is_alive, postmaster},
    server::signal,
};

/// Placeholder for the database's name in the stored URL.
const DATABASE: &str = "__DATABASE__";

/// A server that keeps running when this process ends.
#[derive(Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Detached {
    name: String,
    version: String,
    pid: u32,
    dir: PathBuf,
    url: String,
}

/// Without the URL, which may hold a password.
impl std::fmt::Debug for Detached {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Detached").field("name", &self.name).field("pid", &self.pid).finish_non_exhaustive()
    }
}

impl Detached {
    /// Starts a server that keeps running when this process ends, or returns the running server of that name, whatever
    /// its options. Concurrent calls return the same server.
    ///
    /// # Errors
    /// [`Error::Name`], and as [`Server::start`].
    pub fn start(name: &str, options: ServerOptions) -> Result<Detached, Error> {
        let file = state_file(name, &options)?;
        let _lock = lock(&file)?;
        match read(&file)? {
            Some(running) => Ok(running),
            None => Server::start(options)?.detach_to(name, &file),
        }
    }

    /// The running server of that name. The options must name the same cache or temporary folder as at its start.
    ///
    /// # Errors
    /// [`Error::Name`], and [`Error::Io`] when its state file cannot be read.
    pub fn find(name: &str, options: &ServerOptions) -> Result<Option<Detached>, Error> {
        read(&state_file(name, options)?)
    }

    /// The server's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL of a database; see [`Server::url`].
    pub fn url(&self, database: &str) -> String {
        self.url.replace(DATABASE, &crate::sql::encode(database))
    }

    /// The process id of the postmaster.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The folder that holds data, socket and log.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The server's log file.
    pub fn log_path(&self) -> PathBuf {
        crate::server::log_path(&self.dir)
    }

    /// The server's version, such as `17.10`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Stops the server and removes its folder with all data.
    ///
    /// # Errors
    /// [`Error::StopTimeout`] when it is still running after 30 s, [`Error::Io`] when the folder cannot be removed.
    pub fn stop(self, options: &ServerOptions) -> Result<(), Error> {
        let file = state_file(&self.name, options)?;
        let _lock = lock(&file)?;
        if self.is_running() {
            signal(self.pid, Signal::INT);
            let begun = Instant::now();
            while self.is_running() {
                if begun.elapsed() > Duration::from_secs(30) {
                    return Err(Error::StopTimeout { seconds: 30 });
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        remove(&self.dir, |path| fs::remove_dir_all(path))?;
        remove(&file, |path| fs::remove_file(path))
    }

    /// The PID file must name the process as well: the operating system may have reused the id.
    fn is_running(&self) -> bool {
        postmaster(&self.dir) == Some(self.pid) && is_alive(self.pid)
    }
}

impl Server {
    /// Keeps the server running when this process ends; [`Detached::find`] finds it by that name.
    ///
    /// # Errors
    /// [`Error::Name`]; [`Error::State`] when the server is stopped or another running server has that name.
    pub fn detach(self, name: &str) -> Result<Detached, Error> {
        let file = state_file(name, &self.options)?;
        let _lock = lock(&file)?;
        if read(&file)?.is_some() {
            return Err(Error::State("another running server has that name; stop it or choose another name"));
        }
        self.detach_to(name, &file)
    }

    fn detach_to(mut self, name: &str, file: &Path) -> Result<Detached, Error> {
        let pid = self.pid().ok_or(Error::State("a stopped server cannot be detached"))?;
        let detached = Detached {
            name: name.to_owned(),
            version: self.binaries.version().to_owned(),
            pid,
            dir: self.dir().to_owned(),
            url: self.url(DATABASE),
        };
        // Write the file first: if this process is killed in between, the watchdog still stops the server.
        write(file, &detached)?;
        if let Err(error) = self.folder.keep() {
            let _ = fs::remove_file(file);
            return Err(error);
        }
        self.process = None;
        Ok(detached)
    }
}

fn state_file(name: &str, options: &ServerOptions) -> Result<PathBuf, Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if name.is_empty() || name.len() > 40 || !name.chars().all(fits) {
        return Err(Error::Name { name: name.to_owned() });
    }
    let own = || options.temp_dir.join(format!("refit-servers-{}", rustix::process::geteuid().as_raw()));
    let folder = options.search.cache_dir.as_ref().map_or_else(own, |cache| cache.join("servers"));
    Ok(folder.join(format!("{name}.json")))
}

/// Serialises starts and stops of a name. The folder is closed to others because a URL may hold a password.
fn lock(file: &Path) -> Result<File, Error> {
    let folder = file.parent().unwrap_or(file);
    let make = || {
        if !folder.is_dir() {
            folder.parent().map_or(Ok(()), crate::npm::open_folder)?;
            fs::create_dir(folder)?;
            fs::set_permissions(folder, Permissions::from_mode(0o700))?;
        }
        let lock = File::create(file.with_extension("lock"))?;
        lock.lock()?;
        Ok(lock)
    };
    make().map_err(Error::io("lock", file))
}

/// The server that the file describes, if it is still running.
fn read(file: &Path) -> Result<Option<Detached>, Error> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Error::io("read", file)(error)),
    };
    // A file that cannot be parsed describes no server; the next start overwrites it.
    let described: Option<Detached> = serde_json::from_str(&text).ok();
    Ok(described.filter(Detached::is_running))
}

fn write(file: &Path, detached: &Detached) -> Result<(), Error> {
    let failed = |error: io::Error| Error::io("write", file)(error);
    let folder = file.parent().unwrap_or(file);
    let mut new = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    let text = serde_json::to_string_pretty(detached).map_err(|error| failed(error.into()))?;
    new.write_all(text.as_bytes()).map_err(failed)?;
    new.persist(file).map_err(|error| failed(error.error))?;
    Ok(())
}

fn remove(path: &Path, how: impl Fn(&Path) -> io::Result<()>) -> Result<(), Error> {
    match how(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}
