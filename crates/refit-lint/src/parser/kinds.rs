//! Which nodes of the parser's tree are statements.

use squawk_parser::SyntaxKind as K;

use super::drop::is_drop;
use super::query::is_query;

/// Whether a node is a statement.
pub(super) fn is_stmt(kind: K) -> bool {
    is_query(kind) && kind != K::PLPGSQL_EXPR
        || matches!(
            kind,
            K::ALTER_TABLE
                | K::ALTER_FOREIGN_TABLE
                | K::ALTER_INDEX
                | K::ALTER_VIEW
                | K::ALTER_MATERIALIZED_VIEW
                | K::ALTER_SEQUENCE
                | K::ALTER_DOMAIN
                | K::ALTER_TYPE
                | K::CREATE_TABLE
                | K::CREATE_TABLE_AS
                | K::CREATE_INDEX
                | K::REINDEX
                | K::UPDATE
                | K::DELETE
                | K::INSERT
                | K::MERGE
                | K::TRUNCATE
                | K::LOCK
                | K::VACUUM
                | K::CLUSTER
                | K::REFRESH
                | K::SET
                | K::RESET
                | K::DO
                | K::CREATE_FUNCTION
                | K::CREATE_PROCEDURE
                | K::CALL
                | K::CREATE_TRIGGER
                | K::CREATE_DOMAIN
                | K::CREATE_TYPE
                | K::CREATE_VIEW
                | K::CREATE_MATERIALIZED_VIEW
                | K::CREATE_SEQUENCE
                | K::CREATE_SCHEMA
                | K::COPY
                | K::BEGIN
                | K::PREPARE_TRANSACTION
                | K::COMMIT_TRANSACTION
                | K::COMMIT_PREPARED
                | K::ROLLBACK_TRANSACTION
                | K::ROLLBACK_TO_SAVEPOINT
                | K::ROLLBACK_PREPARED
                | K::ALTER_POLICY
                | K::CREATE_POLICY
                | K::CREATE_RULE
                | K::ALTER_FUNCTION
                | K::ALTER_PROCEDURE
                | K::ALTER_ROUTINE
                | K::ALTER_SCHEMA
        )
        || is_drop(kind)
        || is_other(kind)
}

/// Statements of which rules only check the keywords. Their node kinds begin with the same keywords.
fn is_other(kind: K) -> bool {
    matches!(
        kind,
        K::ALTER_SYSTEM
            | K::ALTER_DATABASE
            | K::ALTER_TABLESPACE
            | K::ALTER_SUBSCRIPTION
            | K::ALTER_TRIGGER
            | K::ALTER_ROLE
            | K::ALTER_EXTENSION
            | K::ALTER_PUBLICATION
            | K::ALTER_STATISTICS
            | K::ALTER_DEFAULT_PRIVILEGES
            | K::CREATE_DATABASE
            | K::CREATE_TABLESPACE
            | K::CREATE_SUBSCRIPTION
            | K::CREATE_EXTENSION
            | K::CREATE_ROLE
            | K::CREATE_PUBLICATION
            | K::CREATE_STATISTICS
            | K::CREATE_AGGREGATE
            | K::CREATE_CAST
            | K::CREATE_COLLATION
            | K::CREATE_OPERATOR
            | K::CREATE_EVENT_TRIGGER
            | K::CREATE_USER
            | K::CREATE_FOREIGN_TABLE
            | K::CREATE_SERVER
            | K::CREATE_FOREIGN_DATA_WRAPPER
            | K::DROP_DATABASE
            | K::DROP_TABLESPACE
            | K::DROP_SUBSCRIPTION
            | K::DROP_EXTENSION
            | K::DROP_ROLE
            | K::DROP_AGGREGATE
            | K::DROP_OWNED
            | K::DROP_PUBLICATION
            | K::DROP_STATISTICS
            | K::GRANT
            | K::REVOKE
            | K::COMMENT_ON
            | K::ANALYZE
            | K::NOTIFY
            | K::LISTEN
            | K::DISCARD
            | K::EXPLAIN
            | K::SET_CONSTRAINTS
            | K::SET_ROLE
            | K::SET_SESSION_AUTH
            | K::SAVEPOINT_CREATE
            | K::RELEASE_SAVEPOINT
            | K::CHECKPOINT
            | K::PREPARE
            | K::EXECUTE
            | K::DEALLOCATE
            | K::REASSIGN
            | K::SECURITY_LABEL
            | K::IMPORT_FOREIGN_SCHEMA
            | K::RESET_ROLE
            | K::SET_TRANSACTION
    )
}
