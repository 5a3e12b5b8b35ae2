//! Which privileges a role lacks, each with the statement that grants it: queried after the server has denied an operation of
//! Refit's own. Running all of the statements is sufficient.

use tokio_postgres::Client;
use tokio_postgres::types::{ToSql, Type};

use crate::error::Error;
use crate::exec::by_statement::COMPARING;
use crate::options::Options;
use crate::preflight::Preflight;
use crate::queries::Queries;

/// The missing statements, one per row, in the order in which an owner has to run them.
const MISSING: &str = "WITH me AS (SELECT pg_catalog.quote_ident(current_user) AS role), \
    history AS (SELECT oid, pg_catalog.quote_ident(nspname) AS name FROM pg_namespace WHERE nspname = $1), \
    state AS (SELECT oid, nspowner, pg_catalog.quote_ident(nspname) AS name FROM pg_namespace WHERE nspname = $2), \
    tables AS (SELECT c.oid, relname FROM pg_class c WHERE relnamespace = (SELECT oid FROM state) AND relkind = 'r') \
    SELECT sql FROM ( \
        SELECT 1 AS number, pg_catalog.format('GRANT USAGE, CREATE ON SCHEMA %s TO %s', name, role) AS sql FROM me, history \
        WHERE NOT pg_catalog.has_schema_privilege(oid, 'USAGE') OR ($3 IS NULL AND NOT pg_catalog.has_schema_privilege(oid, 'CREATE')) \
        UNION ALL SELECT 2, pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s.refinery_schema_history TO %s', name, role) \
        FROM me, history WHERE $3 IS NOT NULL AND NOT (pg_catalog.has_table_privilege($3, 'SELECT') AND pg_catalog.has_table_privilege($3, 'INSERT') \
            AND pg_catalog.has_table_privilege($3, 'UPDATE') AND pg_catalog.has_table_privilege($3, 'DELETE')) \
        UNION ALL SELECT 3, pg_catalog.format('CREATE SCHEMA %s AUTHORIZATION %s', pg_catalog.quote_ident($2), role) FROM me \
        WHERE NOT EXISTS (SELECT FROM state) AND NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') \
        UNION ALL SELECT 4, pg_catalog.format('ALTER SCHEMA %s OWNER TO %s', name, role) FROM me, state \
        WHERE NOT EXISTS (SELECT FROM tables WHERE relname = 'history') AND NOT pg_catalog.pg_has_role(nspowner, 'USAGE') \
        UNION ALL SELECT 5, pg_catalog.format('GRANT USAGE, CREATE ON SCHEMA %s TO %s', name, role) FROM me, state \
        WHERE EXISTS (SELECT FROM tables WHERE relname = 'history') \
            AND NOT (pg_catalog.has_schema_privilege(oid, 'USAGE') AND pg_catalog.has_schema_privilege(oid, 'CREATE')) \
        UNION ALL SELECT 6, pg_catalog.format('GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %s TO %s', name, role) FROM me, state \
        WHERE EXISTS (SELECT FROM tables WHERE relname = 'history') AND EXISTS (SELECT FROM tables WHERE NOT ( \
            pg_catalog.has_table_privilege(tables.oid, 'SELECT') AND pg_catalog.has_table_privilege(tables.oid, 'INSERT') \
            AND pg_catalog.has_table_privilege(tables.oid, 'UPDATE') AND pg_catalog.has_table_privilege(tables.oid, 'DELETE'))) \
        UNION ALL SELECT 7, pg_catalog.format('GRANT TEMPORARY ON DATABASE %s TO %s', pg_catalog.quote_ident(pg_catalog.current_database()), role) \
        FROM me WHERE $4 AND NOT pg_catalog.has_database_privilege(pg_catalog.current_database(), 'TEMPORARY')) AS missing \
    ORDER BY number";

/// The outcome of a run; if the role lacks privileges, the error names them.
pub(crate) async fn explained<T>(
    client: &Client,
    facts: &Preflight,
    outcome: Result<T, Error>,
) -> Result<T, Error> {
    match outcome {
        Err(error) => Err(explain(client, facts, error).await),
        outcome => outcome,
    }
}

/// Replaces the server's error by the privileges that the role lacks on Refit's own tables, if it lacks any.
async fn explain(client: &Client, facts: &Preflight, error: Error) -> Error {
    let refused = matches!(&error, Error::Database { .. }) && error.sqlstate() == Some("42501");
    if !refused || client.is_closed() {
        return error;
    }
    let temporary = matches!(&error, Error::Database { doing: COMPARING, .. });
    let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
        (&facts.schema, Type::TEXT),
        (&facts.state.schema(), Type::TEXT),
        (&facts.relation, Type::OID),
        (&temporary, Type::BOOL),
    ];
    let Ok(rows) = client.query_boxed(MISSING, &parameters).await else { return error };
    let grants: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if grants.is_empty() {
        return error;
    }
    Error::Rights { refused: error.message(), grants, state_schema: facts.state.schema().to_owned() }
}

/// The same for a first read, on a session that is not pinned.
pub(crate) async fn explain_read(client: &Client, options: &Options, error: Error) -> Error {
    let Ok(facts) = Preflight::read(client, options).await else { return error };
    let error = explain(client, &facts, error).await;
    facts.end_after(client, "").await;
    error
}
