//! Makes a backup: refuses it before anything runs, records that it begins, makes it, records how it ended.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use refit::backup::NewBackup;
use refit::{State, Target};
use refit_model::visible_line;

use crate::dump::{self, DumpPlan};
use crate::error::Error;
use crate::folder::Folder;
use crate::kind::Kind;
use crate::metadata::{Backup, FORMAT, written};
use crate::options::Options;
use crate::program;
use crate::session::{ServerFacts, Session};

/// How long a program for a backup may run.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(24 * 60 * 60);

/// The most bytes of a program's ID.
const ID_BYTES: usize = 200;

/// Which backup to make.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    /// The database.
    pub url: &'a str,
    /// The kind.
    pub kind: Kind,
    /// For [`Kind::Tables`]: the tables, written as in SQL, and found by the role's search path.
    pub tables: Vec<String>,
    /// Whether names without a table are left out instead of refused.
    pub may_be_missing: bool,
    /// The run that it is made for.
    pub run: Option<i64>,
    /// The history whose records it belongs to. Without one, it is recorded in the folder only.
    pub state: Option<&'a State>,
}

/// What a kind needs beyond the session.
enum Means {
    Dump(DumpPlan),
    RestorePoint,
    Command,
}

/// Makes a backup; none if none of the tables exists.
///
/// It is recorded in the table `refit.backup` before it begins. A failure leaves no file that looks like a backup.
///
/// ```no_run
/// use refit_backup::{Kind, Options, Request, create};
///
/// # async fn example(url: &str) -> Result<(), refit_backup::Error> {
/// let request = Request {
///     url, kind: Kind::Tables, tables: vec!["orders".to_owned()], may_be_missing: false, run: None, state: None,
/// };
/// if let Some(backup) = create(&request, &Options::new("/var/backups/app")).await? {
///     println!("{}", backup.id);
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
/// [`Error::Refused`] and [`Error::NoProgram`] before anything runs; [`Error::Program`], [`Error::Database`] and [`Error::File`]
/// when it fails.
pub async fn create(request: &Request<'_>, options: &Options) -> Result<Option<Backup>, Error> {
    let target = Target::parse(request.url)?;
    let session = Session::open(request.url, &options.connect).await?;
    let facts = ServerFacts::read(&session).await?;
    let Some(means) = means(&session, &facts, request, options).await? else {
        session.close().await;
        return Ok(None);
    };
    let id = new_id();
    let recorder = Recorder::begin(request, &facts, &means, &id, options).await?;
    let outcome = match make(&session, &target, facts, &means, request, id, options).await {
        Ok(backup) => recorder.complete(&backup, options).await.map(|()| Some(backup)),
        Err(error) => {
            recorder.fail(&error).await;
            Err(error)
        }
    };
    session.close().await;
    outcome
}

async fn means(
    session: &Session,
    facts: &ServerFacts,
    request: &Request<'_>,
    options: &Options,
) -> Result<Option<Means>, Error> {
    let chosen = match request.kind {
        Kind::RestorePoint => {
            return match dump::no_restore_point(facts) {
                Some(reason) => Err(Error::Refused(reason)),
                None => Ok(Some(Means::RestorePoint)),
            };
        }
        Kind::Command if options.command.is_empty() => {
            return Err(Error::Refused("a backup of kind command needs a program".to_owned()));
        }
        Kind::Command => return Ok(Some(Means::Command)),
        Kind::Full => None,
        Kind::Tables => {
            let tables = dump::selected(session, &request.tables, request.may_be_missing).await?;
            if tables.is_empty() {
                return Ok(None);
            }
            Some(tables)
        }
    };
    dump::begin(session).await?;
    dump::plan(session, facts, request.kind, chosen, options).await.map(|plan| Some(Means::Dump(plan)))
}

async fn make(
    session: &Session,
    target: &Target,
    facts: ServerFacts,
    means: &Means,
    request: &Request<'_>,
    id: String,
    options: &Options,
) -> Result<Backup, Error> {
    let (began, created_at) = (Instant::now(), written(Timestamp::now()));
    let folder = Folder(options.folder.clone());
    let mut backup = Backup {
        format: FORMAT,
        id,
        kind: request.kind,
        created_at,
        seconds: 0.0,
        run: request.run,
        refit_version: env!("CARGO_PKG_VERSION").to_owned(),
        server_version: facts.version,
        server_major: facts.major,
        identity: facts.identity,
        encoding: facts.encoding,
        dump: None,
    };
    match means {
        Means::Dump(plan) => {
            let partial = folder.begin(&backup.id)?;
            let mut dump = dump::write(session, target, plan, &partial, options).await?;
            let file = folder.dump(&backup.id);
            dump.file = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            backup.dump = Some(dump);
            backup.seconds = began.elapsed().as_secs_f64();
            folder.finish(partial, &backup)?;
            return Ok(backup);
        }
        Means::RestorePoint => dump::restore_point(session, &backup.id).await?,
        Means::Command => backup.id = command(target, request, options).await?,
    }
    backup.seconds = began.elapsed().as_secs_f64();
    folder.write(&backup)?;
    Ok(backup)
}

/// Runs the program; its standard output is the ID.
async fn command(target: &Target, request: &Request<'_>, options: &Options) -> Result<String, Error> {
    let (program, arguments) =
        options.command.split_first().map_or(("", &[][..]), |(first, rest)| (first, rest));
    let path = std::path::Path::new(program);
    options.began(format!("running {program}"));
    let mut command = program::command(path);
    command.args(arguments).stdout(std::process::Stdio::piped()).env("REFIT_CONNINFO", target.conninfo());
    if let Some(password) = target.config().get_password() {
        command.env("PGPASSWORD", String::from_utf8_lossy(password).as_ref());
    }
    if let Some(run) = request.run {
        command.env("REFIT_RUN", run.to_string());
    }
    let child = program::spawn(&mut command, path)?;
    let output = tokio::select! {
        output = child.wait_with_output() => output.map_err(Error::file("run", path))?,
        () = options.interrupt.triggered() => return Err(Error::Interrupted("the program was killed")),
        () = tokio::time::sleep(COMMAND_TIMEOUT) => return Err(Error::Interrupted("the program ran for a day and was killed")),
    };
    program::checked(output.status, path, &String::from_utf8_lossy(&output.stderr))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let id = text.trim();
    match id.is_empty() || id.lines().count() > 1 || id.len() > ID_BYTES || visible_line(id) != id {
        false => Ok(id.to_owned()),
        true => Err(Error::Refused(format!(
            "{program} must print the ID of the backup, one line of at most {ID_BYTES} bytes, and nothing else; it printed {:?}",
            id.chars().take(80).collect::<String>()
        ))),
    }
}

/// The record of a backup that is being made, and the session that shows that it is.
struct Recorder<'a> {
    session: Option<(Session, &'a State, i64)>,
}

impl<'a> Recorder<'a> {
    async fn begin(
        request: &Request<'a>,
        facts: &ServerFacts,
        means: &Means,
        id: &str,
        options: &Options,
    ) -> Result<Recorder<'a>, Error> {
        let Some(state) = request.state.filter(|state| !state.is_empty()) else {
            return Ok(Recorder { session: None });
        };
        let path = Folder(options.folder.clone()).dump(id);
        let path = std::path::absolute(&path).unwrap_or(path);
        let (tables, dump_version, path) = match means {
            Means::Dump(plan) => {
                let tables = plan.tables.iter().map(crate::tables::Table::quoted).collect();
                (tables, plan.tool.version.clone(), path.to_str())
            }
            Means::RestorePoint | Means::Command => (Vec::new(), None, None),
        };
        let new = NewBackup {
            name: (request.kind != Kind::Command).then_some(id),
            kind: request.kind.as_str(),
            run: request.run,
            tables: &tables,
            path,
            server_version: &facts.version,
            dump_version: dump_version.as_deref(),
            system_identifier: &facts.identity.system_identifier,
        };
        let session = Session::open(request.url, &options.connect).await?;
        match refit::backup::begin(&session, state, &new).await {
            Ok(row) => Ok(Recorder { session: Some((session, state, row)) }),
            Err(error) => Err(unrecorded(error, state, &facts.role)),
        }
    }

    /// Without its record, a backup is removed again.
    async fn complete(self, backup: &Backup, options: &Options) -> Result<(), Error> {
        let Some((session, state, row)) = self.session else { return Ok(()) };
        let file = backup.dump.as_ref().map(|dump| (dump.bytes, dump.sha256.as_str()));
        let recorded = refit::backup::complete(&session, state, row, &backup.id, file).await;
        session.close().await;
        if let Err(error) = recorded {
            Folder(options.folder.clone()).remove(backup)?;
            return Err(error.into());
        }
        Ok(())
    }

    async fn fail(self, error: &Error) {
        let Some((session, state, row)) = self.session else { return };
        if let Err(unrecorded) = refit::backup::fail(&session, state, row, &error.to_string()).await {
            tracing::warn!(error = %unrecorded.message(), "cannot record that a backup failed");
        }
        session.close().await;
    }
}

/// The backup was not begun, since it cannot be recorded.
fn unrecorded(error: refit::Error, state: &State, role: &str) -> Error {
    if error.sqlstate() != Some("42501") {
        return error.into();
    }
    let (schema, role) = (refit_model::quoted_name(state.schema()), refit_model::quoted_name(role));
    Error::Refused(format!(
        "the backup cannot be recorded: {}\nmake the first backup as the owner of the schema {schema}, then: \
         GRANT USAGE ON SCHEMA {schema} TO {role}; GRANT SELECT, INSERT, UPDATE ON {schema}.backup TO {role}",
        error.message()
    ))
}

/// An ID that begins with its time, to the second: `20261129T010203Z-4f2a9c`.
fn new_id() -> String {
    let random: u32 = rand::random::<u32>() & 0x00ff_ffff;
    format!("{}-{random:06x}", Timestamp::now().strftime("%Y%m%dT%H%M%SZ"))
}
