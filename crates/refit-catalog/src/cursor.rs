//! Takes a row's cells one after the other, in the order of the query. Thousands of rows are read this way; looking
//! columns up by name would take longer than the query.

use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

use crate::Error;

/// The position in a row.
pub(crate) struct Cursor<'a> {
    row: &'a Row,
    next: usize,
    what: &'static str,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(row: &'a Row, what: &'static str) -> Cursor<'a> {
        Cursor { row, next: 0, what }
    }

    /// Begins after cells that were taken before.
    pub(crate) fn after(row: &'a Row, what: &'static str, next: usize) -> Cursor<'a> {
        Cursor { row, next, what }
    }

    /// Skips cells.
    pub(crate) fn skip(&mut self, cells: usize) {
        self.next += cells;
    }

    /// The next cell, deparsed by PostgreSQL: NULL if the object was dropped in the meantime.
    pub(crate) fn deparsed(&mut self) -> Result<String, Error> {
        match self.take::<Option<&str>>()? {
            Some(text) => Ok(text.to_owned()),
            None => Err(Error::Changing {
                attempts: 1,
                last: format!("an object among the {} was dropped", self.what),
            }),
        }
    }

    /// The next cell.
    pub(crate) fn take<T: FromSql<'a>>(&mut self) -> Result<T, Error> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index).map_err(|source| Error::Server { what: self.what, source })
    }

    /// The next cell as text, empty for NULL.
    pub(crate) fn text(&mut self) -> Result<String, Error> {
        Ok(self.take::<Option<&str>>()?.unwrap_or_default().to_owned())
    }

    /// The next cell, a `"char"`.
    pub(crate) fn letter(&mut self) -> Result<char, Error> {
        Ok(char::from(self.take::<i8>()? as u8))
    }

    /// The next cell, an array of text, empty for NULL.
    pub(crate) fn texts(&mut self) -> Result<Vec<String>, Error> {
        Ok(self.take::<Option<Vec<String>>>()?.unwrap_or_default())
    }

    /// The next cell, `name=value` pairs, empty for NULL.
    pub(crate) fn options(&mut self) -> Result<crate::Options, Error> {
        Ok(self.texts()?.into_iter().map(pair).collect())
    }
}

fn pair(text: String) -> (String, String) {
    match text.split_once('=') {
        Some((name, value)) => (name.to_owned(), value.to_owned()),
        None => (text, String::new()),
    }
}
