//! Restores a backup into an empty database: schema and rows, by `pg_restore` in one transaction.

use refit::Target;

use super::{RestorePlan, Restored};
use crate::digest::digest;
use crate::error::Error;
use crate::options::Options;
use crate::program;
use crate::session::{ServerFacts, Session};
use crate::tools;

/// Creates everything that the file defines. Objects belong to the role that connects, and have no other privileges.
pub(super) async fn create(plan: &RestorePlan, url: &str, options: &Options) -> Result<Restored, Error> {
    let Some(dump) = &plan.backup.dump else {
        return Err(Error::Unknown(format!("{} has no file", plan.id)));
    };
    let tool = tools::pg_restore(&options.folders, &dump.dump_version).await?;
    options.began("restoring schema and rows");
    let mut command = program::client(&tool.path, &Target::parse(url)?);
    command.args([
        "--single-transaction",
        "--no-owner",
        "--no-privileges",
        "--no-tablespaces",
        "--no-subscriptions",
    ]);
    let child = program::spawn(command.arg(&plan.path), &tool.path)?;
    program::wait(child, &tool.path).await?;
    let session = Session::open(url, &options.connect).await?;
    let facts = ServerFacts::read(&session).await?;
    let (mut tables, mut problems) = (Vec::new(), Vec::new());
    for table in &dump.tables {
        let found = digest(&session, &table.schema, &table.name).await?;
        let comparable = facts.major == plan.backup.server_major;
        if found.rows != table.rows || (comparable && found.sum != table.digest) {
            problems.push(table.quoted());
        }
        tables.push((table.quoted(), found.rows));
    }
    session.close().await;
    match problems.is_empty() {
        true => Ok(Restored { tables, sequences: Vec::new() }),
        false => Err(Error::DoesNotFit(format!(
            "pg_restore succeeded, but these tables do not have the rows of the backup: {}",
            problems.join(", ")
        ))),
    }
}
