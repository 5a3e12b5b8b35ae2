//! Which owners' objects Refit reads and writes: a view, a policy, a cast or a trigger of another role would run with the
//! privileges of this one.
//!
//! *Invariant*: except for the server's own catalogs, nothing is read before its owner is known. Trusted are this role, the roles
//! of which it is a member, superusers, the owner of the database, and for a table the owner of its schema.

use tokio_postgres::Client;
use tokio_postgres::types::Type;

use crate::error::Error;
use crate::queries::Queries;

/// Whether the role `owner`, a row of `pg_roles`, is trusted regardless of the object. For a pinned session.
pub(crate) const TRUSTED: &str = "(owner.rolname = current_user OR owner.rolsuper \
    OR owner.oid = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) \
    OR EXISTS (SELECT FROM pg_catalog.pg_auth_members m JOIN pg_catalog.pg_roles r ON r.oid = m.member \
               WHERE m.roleid = owner.oid AND r.rolname IN (current_user, session_user)))";

/// Refuses a table or view whose owner is not trusted, on a session that is [pinned](crate::pinned). `None` is accepted.
///
/// # Errors
/// [`Error::NotOurs`], and errors of the connection.
pub async fn refuse_untrusted(client: &Client, relation: Option<u32>) -> Result<(), Error> {
    let sql = format!(
        "SELECT pg_catalog.format('table %I.%I', nspname, relname), owner.rolname::pg_catalog.text \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
         JOIN pg_catalog.pg_roles owner ON owner.oid = relowner \
         WHERE c.oid = $1 AND NOT {TRUSTED} AND relowner <> nspowner"
    );
    refuse(client.query_boxed(&sql, &[(&relation, Type::OID)]).await)
}

/// Refuses a state schema whose owner, or the owner of a table or view in it, is not trusted, on a pinned session.
pub(crate) async fn refuse_untrusted_state(client: &Client, schema: &str) -> Result<(), Error> {
    let sql = format!(
        "SELECT pg_catalog.format('schema %I', nspname), owner.rolname::pg_catalog.text \
         FROM pg_catalog.pg_namespace n JOIN pg_catalog.pg_roles owner ON owner.oid = nspowner \
         WHERE nspname = $1 AND NOT {TRUSTED} \
         UNION ALL SELECT pg_catalog.format('table %I.%I', nspname, relname), owner.rolname::pg_catalog.text \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = relnamespace \
         JOIN pg_catalog.pg_roles owner ON owner.oid = relowner \
         WHERE nspname = $1 AND relkind IN ('r', 'p', 'v', 'm', 'f') AND NOT {TRUSTED} LIMIT 1"
    );
    refuse(client.query_boxed(&sql, &[(&schema, Type::TEXT)]).await)
}

fn refuse(rows: Result<Vec<tokio_postgres::Row>, tokio_postgres::Error>) -> Result<(), Error> {
    match rows.map_err(Error::database("looking at the owner of the history"))?.first() {
        Some(row) => Err(Error::NotOurs { object: row.get(0), owner: row.get(1) }),
        None => Ok(()),
    }
}
