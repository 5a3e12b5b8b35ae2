//! What a failed batch means, by its SQLSTATE.

use super::failed::{Failed, is_conversion};
use crate::error::Error;

/// What to do about a batch that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureClass {
    /// Two transactions met: the same batch again, after a moment.
    Collision,
    /// It took too long, or another session holds its rows: the same again, half as large.
    TooLarge,
    /// The server has no room or no connections: the same again, after a pause.
    Exhausted,
    /// The connection is gone, or the server goes down: another connection, then on from the cursor.
    Disconnected,
    /// A row does not suit: it is looked for, and set aside.
    BadRow,
    /// This session's role may not do it: another role may, so the worker ends and the job goes on without it.
    Forbidden,
    /// The statement is wrong, or something that no repetition fixes.
    Fatal,
}

impl FailureClass {
    /// What an error of Refit's own query means; none where no query failed.
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
            // Shutting down, starting up, or a standby that was a primary; ended by an administrator or for idling.
            "57P01" | "57P02" | "57P03" | "57P05" | "25P03" | "25006" => FailureClass::Disconnected,
            "42501" => FailureClass::Forbidden,
            // A routine's own exceptions are about a row as much as a constraint is.
            "P0001" | "P0002" | "P0003" => FailureClass::BadRow,
            // A look-up that should find one row finds several.
            "21000" => FailureClass::BadRow,
            code => match &code[..code.len().min(2)] {
                "08" => FailureClass::Disconnected,
                "53" => FailureClass::Exhausted,
                // Authorisation, and roles that do not exist (any more).
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
