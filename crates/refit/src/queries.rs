//! The driver's queries as boxed futures. The driver's own are compiled into every function that awaits them, with everything that
//! they call; these are compiled once.

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Error, Row, SimpleQueryMessage, Statement};

/// What the driver answers.
type Answer<'a, T> = BoxFuture<'a, Result<T, Error>>;

/// Parameters with their types.
type Parameters<'a> = [(&'a (dyn ToSql + Sync), Type)];

/// Each method does what the one of the driver does that it is named after.
pub(crate) trait Queries {
    fn query_boxed<'a>(&'a self, sql: &'a str, parameters: &'a Parameters<'a>) -> Answer<'a, Vec<Row>>;

    fn query_one_boxed<'a>(&'a self, sql: &'a str, parameters: &'a Parameters<'a>) -> Answer<'a, Row>;

    fn execute_boxed<'a>(&'a self, sql: &'a str, parameters: &'a Parameters<'a>) -> Answer<'a, u64>;

    fn batch_execute_boxed<'a>(&'a self, sql: &'a str) -> Answer<'a, ()>;

    fn simple_query_boxed<'a>(&'a self, sql: &'a str) -> Answer<'a, Vec<SimpleQueryMessage>>;

    fn prepare_boxed<'a>(&'a self, sql: &'a str) -> Answer<'a, Statement>;
}

impl Queries for Client {
    fn query_boxed<'a>(&'a self, sql: &'a str, parameters: &'a Parameters<'a>) -> Answer<'a, Vec<Row>> {
        self.query_typed(sql, parameters).boxed()
    }

    fn query_one_boxed<'a>(&'a self, sql: &'a str, parameters: &'a Parameters<'a>) -> Answer<'a, Row> {
        self.query_typed_one(sql, parameters).boxed()
    }

    fn execute_boxed<'a>(&'a self, sql: &'a str, parameters: &'a Parameters<'a>) -> Answer<'a, u64> {
        self.execute_typed(sql, parameters).boxed()
    }

    fn batch_execute_boxed<'a>(&'a self, sql: &'a str) -> Answer<'a, ()> {
        self.batch_execute(sql).boxed()
    }

    fn simple_query_boxed<'a>(&'a self, sql: &'a str) -> Answer<'a, Vec<SimpleQueryMessage>> {
        self.simple_query(sql).boxed()
    }

    fn prepare_boxed<'a>(&'a self, sql: &'a str) -> Answer<'a, Statement> {
        self.prepare(sql).boxed()
    }
}
