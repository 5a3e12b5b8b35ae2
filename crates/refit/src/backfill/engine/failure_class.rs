//! Classifies failed batches by SQLSTATE.

use super::failed::{Failed, is_conversion};
use crate::error::Error;

/// The class of a failure, which decides how a worker recovers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureClass {
    /// A serialization failure or deadlock: the same batch is retried after a pause.
    Collision,
    /// It took too long, or another session holds its rows: retried with half the rows.
    TooLarge,
    /// The server lacks space, memory or connections: the same batch is retried after a pause.
    Exhausted,
    /// The connection is lost, or the server shuts down: the worker reconnects and continues from the cursor.
    Disconnected,
    /// A row violates a constraint or fails to convert: it is located and set aside.
    BadRow,
    /// The session's role lacks a privilege: the worker ends, and the job stays for other roles.
    Forbidden,
    /// The statement is wrong, or another error that a retry does not fix.
    Fatal,
}

impl FailureClass {
    /// The class of an error of Refit's own query; none if no query failed.
    pub(crate) fn of_error(error: &Error) -> Option<FailureClass> {
        let Error::Database { source, .. } = error else { return None };
        Some(match source.code() {
            Some(code) => FailureClass::of(&Failed::new(code.code(), "")),
            None if !source.is_closed() && is_conversion(source) => FailureClass::BadRow,
            None => FailureClass::Disconnected,
        })
    }

    pub(crate) fn of(failed: &Failed) -> FailureClass {
        let Some(code) = &failed.sqlstate else { return FailureClass::Disconnected };
        match code.as_str() {
            "40001" | "40P01" => FailureClass::Collision,
            "55P03" | "57014" => FailureClass::TooLarge,
            // Shutdown, startup, or a standby that was a primary; terminated by an administrator or for idling.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => FailureClass::Disconnected,
            "42501" => FailureClass::Forbidden,
            // Exceptions that a routine raises concern a row, as constraints do.
            "P0001" | "P0002" | "P0003" => FailureClass::BadRow,
            // A subquery returned more than one row.
            "21000" => FailureClass::BadRow,
            code => match &code[..code.len().min(2)] {
                "08" => FailureClass::Disconnected,
                "53" => FailureClass::Exhausted,
                // Authorization, and roles that do not exist.
                "0L" | "0P" | "28" => FailureClass::Forbidden,
                "22" | "23" => FailureClass::BadRow,
                _ => FailureClass::Fatal,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlstates_mean_what_the_documentation_says() {
        let of = |code: &str| FailureClass::of(&Failed::new(code, "x"));
        assert_eq!(of("40P01"), FailureClass::Collision);
        assert_eq!(of("57014"), FailureClass::TooLarge);
        assert_eq!(of("53300"), FailureClass::Exhausted);
        assert_eq!(of("23505"), FailureClass::BadRow);
        assert_eq!((of("21000"), of("P0003")), (FailureClass::BadRow, FailureClass::BadRow));
        assert_eq!(of("42703"), FailureClass::Fatal);
        assert_eq!(of("57P01"), FailureClass::Disconnected);
        assert_eq!(of(""), FailureClass::Fatal);
        assert_eq!(
            (of("42501"), of("28000"), of("0P000")),
            (FailureClass::Forbidden, FailureClass::Forbidden, FailureClass::Forbidden)
        );
    }
}
