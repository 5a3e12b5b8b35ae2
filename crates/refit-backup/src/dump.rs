//! A dump: which tables, with which `pg_dump`, and the work itself, under one snapshot for file, counts and digests.

use std::path::Path;
use std::time::Duration;

use refit::Target;
use refit_model::wording::counted;
use tokio_postgres::types::Type;

use crate::digest::digest;
use crate::error::Error;
use crate::folder::{Partial, sha256};
use crate::kind::Kind;
use crate::metadata::{Dump, Snapshot, TableRows};
use crate::options::{Options, Progress};
use crate::program;
use crate::session::{ServerFacts, Session, resolve};
use crate::tables::{self, Table, escaped, quoted};
use crate::tools::{self, Tool};

/// How long `pg_dump` waits for its locks on the tables.
const LOCK_WAIT_MS: u32 = 60_000;

/// How often the size of the file is reported.
const TICK: Duration = Duration::from_millis(500);

/// What a dump will hold, and the program that writes it.
#[derive(Debug)]
pub(crate) struct DumpPlan {
    pub(crate) tables: Vec<Table>,
    pub(crate) tool: Tool,
    /// Arguments that leave out other rows and what the role may not read.
    arguments: Vec<String>,
}

impl DumpPlan {
    /// The size of the tables.
    pub(crate) fn bytes(&self) -> u64 {
        self.tables.iter().map(|table| table.bytes).sum()
    }
}

/// The tables that names stand for, with what is related to them. Names without a table are refused, or left out.
pub(crate) async fn selected(
    session: &Session,
    names: &[String],
    may_be_missing: bool,
) -> Result<Vec<Table>, Error> {
    let found = resolve(session, names).await?;
    let missing: Vec<&str> =
        found.iter().filter(|(_, oid)| oid.is_none()).map(|(name, _)| name.as_str()).collect();
    if !may_be_missing && !missing.is_empty() {
        return Err(Error::Refused(format!("no such table: {}", missing.join(", "))));
    }
    let oids: Vec<u32> = found.iter().filter_map(|(_, oid)| *oid).collect();
    tables::related(session, &oids).await
}

/// Plans a dump; refuses it if the role may not read what it is to hold.
pub(crate) async fn plan(
    session: &Session,
    facts: &ServerFacts,
    kind: Kind,
    chosen: Option<Vec<Table>>,
    options: &Options,
) -> Result<DumpPlan, Error> {
    let all = tables::all(session).await?;
    let (mut arguments, tables) = (Vec::new(), chosen.unwrap_or_else(|| all.clone()));
    let lacking = tables::lacking(&tables, &facts.role);
    if !lacking.is_empty() {
        return Err(Error::Refused(lacking.join("\n")));
    }
    if kind == Kind::Tables {
        let is_other = |table: &&Table| tables.iter().all(|chosen| chosen.oid != table.oid);
        let others = all.iter().filter(is_other);
        arguments.extend(
            others.map(|table| format!("--exclude-table-data={}", escaped(&table.schema, &table.name))),
        );
        let (schemas, relations) = tables::unreadable(session).await?;
        let escape = postgres_protocol::escape::escape_identifier;
        arguments.extend(schemas.iter().map(|schema| format!("--exclude-schema={}", escape(schema))));
        for (schema, name) in relations {
            let name = escaped(&schema, &name);
            // A sequence that a column owns comes with its table, so its value is left out on its own.
            arguments.extend([format!("--exclude-table={name}"), format!("--exclude-table-data={name}")]);
        }
        arguments.push("--no-blobs".to_owned());
    }
    let found = tools::find(&options.folders, "pg_dump", facts.major, "the server").await;
    let tool = tools::chosen(&found, "pg_dump", facts.major, &options.folders)?.clone();
    Ok(DumpPlan { tables, tool, arguments })
}

/// Opens the transaction that file, counts and digests see.
pub(crate) async fn begin(session: &Session) -> Result<(), Error> {
    let begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    session.batch_execute(begin).await.map_err(Error::database("opening a snapshot"))
}

/// Writes a dump on a session in the transaction of [`begin`].
pub(crate) async fn write(
    session: &Session,
    target: &Target,
    plan: &DumpPlan,
    partial: &Partial,
    options: &Options,
) -> Result<Dump, Error> {
    let failed = || Error::database("exporting a snapshot");
    let sql = "SELECT pg_catalog.pg_export_snapshot(), \
                   pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::pg_catalog.text::pg_catalog.int8, \
                   ARRAY(SELECT xid::pg_catalog.text::pg_catalog.int8 \
                         FROM pg_catalog.pg_snapshot_xip(pg_catalog.pg_current_snapshot()) AS running (xid))";
    let row = session.query_typed_one(sql, &[]).await.map_err(failed())?;
    let (exported, snapshot) = (row.get::<_, String>(0), Snapshot { xmax: row.get(1), running: row.get(2) });
    options.began(format!(
        "dumping {} with pg_dump {}",
        counted(plan.tables.len(), "table"),
        plan.tool.version()
    ));
    let mut command = program::client(&plan.tool.path, target);
    command
        .args(["--format=custom", "--encoding=UTF8"])
        .arg(format!("--lock-wait-timeout={LOCK_WAIT_MS}"))
        .arg(format!("--snapshot={exported}"))
        .args(&plan.arguments)
        .arg("--file")
        .arg(&partial.path);
    let child = program::spawn(&mut command, &plan.tool.path)?;
    let work = async {
        tokio::try_join!(program::wait(child, &plan.tool.path), rows(session, &plan.tables, options))
    };
    let (_, tables) = tokio::select! {
        outcome = work => outcome?,
        () = options.interrupt.triggered() => return Err(Error::Interrupted("the backup was discarded")),
        () = report_size(&partial.path, plan.bytes(), options) => return Err(Error::Interrupted("the backup was discarded")),
    };
    session.batch_execute("COMMIT").await.map_err(failed())?;
    options.began("computing the SHA-256");
    let path = partial.path.clone();
    let sha256 = tokio::task::spawn_blocking(move || sha256(&path)).await??;
    let bytes = std::fs::metadata(&partial.path).map_err(Error::file("read", &partial.path))?.len();
    let dump_version = plan.tool.version().to_owned();
    Ok(Dump { file: String::new(), bytes, sha256, dump_version, snapshot, tables })
}

/// Counts, digests and sequences of the tables.
async fn rows(session: &Session, tables: &[Table], options: &Options) -> Result<Vec<TableRows>, Error> {
    let mut all = Vec::new();
    for table in tables {
        let found = digest(session, &table.schema, &table.name).await?;
        options.report(&Progress::Table(quoted(&table.schema, &table.name)));
        all.push(TableRows {
            schema: table.schema.clone(),
            name: table.name.clone(),
            rows: found.rows,
            digest: found.sum,
            columns: table.columns.clone(),
            sequences: tables::sequences(session, table.oid).await?,
        });
    }
    Ok(all)
}

/// Reports the size of a file for as long as it is polled.
async fn report_size(path: &Path, estimate: u64, options: &Options) {
    loop {
        tokio::time::sleep(TICK).await;
        let bytes = std::fs::metadata(path).map_or(0, |found| found.len());
        options.report(&Progress::Written { bytes, estimate });
    }
}

/// Creates a restore point of a name in the write-ahead log.
pub(crate) async fn restore_point(session: &Session, name: &str) -> Result<(), Error> {
    let sql = "SELECT pg_catalog.pg_create_restore_point($1)::pg_catalog.text";
    let created = session.query_typed_one(sql, &[(&name, Type::TEXT)]).await;
    created.map(drop).map_err(Error::database("creating a restore point"))
}

/// Why restore points are of no use on a server; none if they are.
pub(crate) fn no_restore_point(facts: &ServerFacts) -> Option<String> {
    let role = refit_model::quoted_name(&facts.role);
    match () {
        () if facts.in_recovery => {
            Some("the server is a standby; restore points are created on the primary".to_owned())
        }
        () if facts.wal_level == "minimal" => {
            Some("wal_level is minimal, so no point in time can be restored; set it to replica".to_owned())
        }
        () => match &facts.not_archived {
            Some(why) => Some(format!(
                "{why}, so a restore point could not be restored: set archive_mode and archive_command (or archive_library), or \
                 choose another kind of backup"
            )),
            None if !facts.may_create_restore_point => Some(format!(
                "the role {role} may not create restore points: GRANT EXECUTE ON FUNCTION \
                 pg_catalog.pg_create_restore_point(text) TO {role}"
            )),
            None => None,
        },
    }
}
