//! A private server. It belongs to the process that started it and never outlives it, unless it is detached.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use std::os::unix::process::CommandExt;

use rustix::process::Signal;

use crate::{
    Binaries, Error, Listen, ServerOptions, account::Account, cluster, folder::Folder, options::line, sql,
};

/// Port of a server that listens only on its socket: the socket's folder distinguishes servers.
const SOCKET_PORT: u16 = 5432;

/// Interval between checks while waiting.
const POLL: Duration = Duration::from_millis(5);

/// How a server stops, as in `pg_ctl stop --mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopMode {
    /// Waits for clients to disconnect.
    Smart,
    /// Ends all sessions, rolls back their transactions, and writes a checkpoint.
    Fast,
    /// Exits at once, as in a crash; the next start recovers.
    Immediate,
}

impl StopMode {
    fn signal(self) -> Signal {
        match self {
            StopMode::Smart => Signal::TERM,
            StopMode::Fast => Signal::INT,
            StopMode::Immediate => Signal::QUIT,
        }
    }
}

/// A private PostgreSQL server. Dropping it stops the server and removes its folder; if this process dies before that,
/// even by SIGKILL, a watchdog does both.
pub struct Server {
    pub(crate) binaries: Binaries,
    pub(crate) options: ServerOptions,
    pub(crate) account: Account,
    pub(crate) port: u16,
    pub(crate) password: Option<String>,
    pub(crate) process: Option<Child>,
    // Last, so that it is dropped last.
    pub(crate) folder: Folder,
}

/// Without the password.
impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let folder = self.folder.path();
        f.debug_struct("Server").field("folder", &folder).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Server {
    /// Starts a server on a new cluster. Blocks for about a second the first time on a machine and 0.2 s afterwards,
    /// plus a download where the machine has no binaries; from async code call it with `spawn_blocking`.
    ///
    /// # Errors
    /// [`Error::NoBinaries`], [`Error::BadBinaries`] or [`Error::NoAccount`] when there is no server to start,
    /// [`Error::Start`] with the end of the log when it does not start, [`Error::PortInUse`], [`Error::DiskFull`],
    /// [`Error::Setting`].
    pub fn start(options: ServerOptions) -> Result<Server, Error> {
        let account = Account::detect()?;
        let configuration = options.configuration()?;
        let binaries = Binaries::find(&options.search)?;
        let folder = Folder::create(&options.temp_dir, &account)?;
        cluster::create(&binaries, &account, options.search.cache_dir.as_deref(), folder.path())?;
        let mut server =
            Server { binaries, options, account, port: 0, password: None, process: None, folder };
        server.append_configuration(&configuration)?;
        server.listen_and_run()?;
        if let Listen::Loopback(_) = server.options.listen {
            server.set_password()?;
        }
        Ok(server)
    }

    /// The URL of a database for the superuser `postgres`, as tokio-postgres, sqlx and libpq parse it: the host is the
    /// socket's folder, percent-encoded, or `127.0.0.1` with a password. The database need not exist.
    pub fn url(&self, database: &str) -> String {
        match self.options.listen {
            Listen::Socket => self.socket_url(database),
            Listen::Loopback(_) => sql::url("127.0.0.1", self.port, self.password.as_deref(), database),
        }
    }

    /// The server's binaries.
    pub fn binaries(&self) -> &Binaries {
        &self.binaries
    }

    /// The data folder.
    pub fn data_dir(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The folder that holds the data folder, the log and the Unix socket.
    pub fn dir(&self) -> &Path {
        self.folder.path()
    }

    /// The port on 127.0.0.1, or the one in the socket's name.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the postmaster; none while the server is stopped.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    /// The server's log file.
    pub fn log_path(&self) -> PathBuf {
        log_path(self.folder.path())
    }

    /// The last lines of the server's log, at most 8 KB; empty if the log cannot be read.
    pub fn log_tail(&self) -> String {
        log_tail(self.folder.path())
    }

    /// Stops the server and keeps its data. Does nothing if the server is already stopped.
    ///
    /// # Errors
    /// [`Error::StopTimeout`] when it is still running after [`ServerOptions::timeout`]; it may still stop later.
    pub fn stop(&mut self, mode: StopMode) -> Result<(), Error> {
        let Some(process) = &mut self.process else { return Ok(()) };
        signal(process.id(), mode.signal());
        if wait_for_exit(process, self.options.timeout).is_none() {
            return Err(Error::StopTimeout { seconds: self.options.timeout.as_secs() });
        }
        self.process = None;
        self.folder.watchdog.postmaster(None);
        Ok(())
    }

    /// Starts the server again on the same data and port. A running server is stopped first ([`StopMode::Fast`]).
    ///
    /// # Errors
    /// As [`Server::start`] and [`Server::stop`].
    pub fn restart(&mut self) -> Result<(), Error> {
        self.stop(StopMode::Fast)?;
        self.run()
    }

    /// The URL through the socket. Servers on a port have one too, for connections without a password.
    pub(crate) fn socket_url(&self, database: &str) -> String {
        sql::url(&self.folder.path().to_string_lossy(), self.port, None, database)
    }

    /// Appends lines to `postgresql.conf`.
    pub(crate) fn append_configuration(&self, lines: &str) -> Result<(), Error> {
        let path = self.data_dir().join("postgresql.conf");
        let append = || {
            let mut file = fs::OpenOptions::new().append(true).open(&path)?;
            std::io::Write::write_all(&mut file, lines.as_bytes())
        };
        append().map_err(Error::io("write", &path))
    }

    /// Configures socket, port and access, and starts the server. Another process may take the port that the system picked
    /// before the server binds it; then another port is picked.
    pub(crate) fn listen_and_run(&mut self) -> Result<(), Error> {
        let mut attempts_left = 5;
        loop {
            self.listen()?;
            match self.run() {
                Err(Error::PortInUse { .. })
                    if self.options.listen == Listen::Loopback(0) && attempts_left > 0 =>
                {
                    attempts_left -= 1;
                }
                other => return other,
            }
        }
    }

    fn listen(&mut self) -> Result<(), Error> {
        let address = match self.options.listen {
            Listen::Socket => "",
            Listen::Loopback(_) => "127.0.0.1",
        };
        self.port = match self.options.listen {
            Listen::Socket => SOCKET_PORT,
            Listen::Loopback(0) => free_port()?,
            Listen::Loopback(port) => port,
        };
        let lines = [
            line("listen_addresses", address)?,
            line("port", &self.port.to_string())?,
            line("unix_socket_directories", &self.folder.path().to_string_lossy())?,
            line("unix_socket_permissions", "0700")?,
        ];
        self.append_configuration(&lines.concat())?;
        // Only the account may enter the socket's folder, so connections through it need no password.
        let mut allowed = "local all all trust\nlocal replication all trust\n".to_owned();
        if !address.is_empty() {
            allowed.push_str("host all all 127.0.0.1/32 scram-sha-256\n");
            allowed.push_str("host replication all 127.0.0.1/32 scram-sha-256\n");
        }
        let path = self.data_dir().join("pg_hba.conf");
        fs::write(&path, allowed).map_err(Error::io("write", &path))
    }

    /// Starts the process and waits until it accepts connections.
    fn run(&mut self) -> Result<(), Error> {
        let folder = self.folder.path().to_owned();
        let log = fs::OpenOptions::new().create(true).append(true).open(log_path(&folder));
        let log = log.map_err(Error::io("write", log_path(&folder)))?;
        let log_start = fs::metadata(log_path(&folder)).map_or(0, |found| found.len());
        let both = log.try_clone().map_err(Error::io("write", log_path(&folder)))?;
        let program = self.binaries.dir().join("postgres");
        let process = self
            .account
            .command(&program, &folder)
            .arg("-D")
            .arg(self.data_dir())
            // Ctrl-C in the terminal must reach only the owner.
            .process_group(0)
            .stdout(Stdio::from(log))
            .stderr(Stdio::from(both))
            .spawn()
            .map_err(|error| Error::Program {
                program: program.display().to_string(),
                reason: error.to_string(),
            })?;
        self.folder.watchdog.postmaster(Some(process.id()));
        self.process = Some(process);
        let failed = match self.wait_until_ready() {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        self.terminate();
        let log = fs::read(log_path(&folder)).unwrap_or_default();
        let log = String::from_utf8_lossy(log.get(log_start as usize..).unwrap_or_default()).into_owned();
        Err(start_error(failed, &log, self.port, folder))
    }

    /// Waits for the status line in the server's PID file, as pg_ctl does.
    fn wait_until_ready(&mut self) -> Result<(), String> {
        let Some(process) = &mut self.process else { return Err("the process is not running".into()) };
        let file = self.folder.path().join("data/postmaster.pid");
        let pid = process.id().to_string();
        let begun = Instant::now();
        while begun.elapsed() < self.options.timeout {
            if let Ok(Some(status)) = process.try_wait() {
                return Err(status.to_string());
            }
            let text = fs::read_to_string(&file).unwrap_or_default();
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            if lines.first() == Some(&pid.as_str()) && lines.get(7) == Some(&"ready") {
                return Ok(());
            }
            std::thread::sleep(POLL);
        }
        Err(format!("not ready after {} s", self.options.timeout.as_secs()))
    }

    fn set_password(&mut self) -> Result<(), Error> {
        let password = format!("{:032x}", rand::random::<u128>());
        let statement = format!("ALTER ROLE postgres PASSWORD '{password}'");
        let pinned = "SET password_encryption = 'scram-sha-256'";
        sql::execute(&self.socket_url("postgres"), "setting the password", &[pinned, &statement])?;
        self.password = Some(password);
        Ok(())
    }

    /// Stops the process at once, by SIGKILL if it does not exit within 6 s.
    fn terminate(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        signal(process.id(), Signal::QUIT);
        if wait_for_exit(&mut process, Duration::from_secs(6)).is_none() {
            let _ = process.kill();
            let _ = process.wait();
        }
        self.folder.watchdog.postmaster(None);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.terminate();
    }
}

pub(crate) fn log_path(folder: &Path) -> PathBuf {
    folder.join("server.log")
}

fn log_tail(folder: &Path) -> String {
    let log = fs::read(log_path(folder)).unwrap_or_default();
    tail(&String::from_utf8_lossy(&log))
}

/// The last 8 KB, starting at a line.
fn tail(log: &str) -> String {
    let from = log.floor_char_boundary(log.len().saturating_sub(8192));
    let last = &log[from..];
    let last = if from == 0 { last } else { last.split_once('\n').map_or(last, |(_, rest)| rest) };
    last.trim_end().to_owned()
}

fn start_error(reason: String, log: &str, port: u16, path: PathBuf) -> Error {
    if log.contains("Address already in use") || log.contains("could not create any TCP/IP sockets") {
        Error::PortInUse { port }
    } else if log.contains("No space left on device") {
        Error::DiskFull { path }
    } else {
        Error::Start { reason, log: tail(log) }
    }
}

fn free_port() -> Result<u16, Error> {
    let picked = std::net::TcpListener::bind(("127.0.0.1", 0)).and_then(|listener| listener.local_addr());
    picked.map(|address| address.port()).map_err(Error::io("find a free port at", "127.0.0.1"))
}

/// Sends a signal. The caller must know that the id still belongs to its server: a child that has not been waited for,
/// or the process in the PID file.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process(pid, signal);
    }
}

fn wait_for_exit(process: &mut Child, timeout: Duration) -> Option<ExitStatus> {
    let begun = Instant::now();
    loop {
        match process.try_wait() {
            Ok(Some(status)) => return Some(status),
            _ if begun.elapsed() >= timeout => return None,
            _ => std::thread::sleep(POLL),
        }
    }
}
