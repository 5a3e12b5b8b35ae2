//! What must be true, with what was found.

use std::fmt::{self, Display};

use serde::Serialize;

/// Something that must be true of a scenario, and whether it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Fact {
    /// What is compared.
    pub what: String,
    /// What was found.
    pub found: String,
    /// What it must be.
    pub expected: String,
    /// Whether they agree.
    pub holds: bool,
}

impl Fact {
    /// Two values that must be equal.
    pub(crate) fn equal<T: PartialEq + Display>(what: impl Into<String>, found: T, expected: T) -> Fact {
        Fact {
            what: what.into(),
            holds: found == expected,
            found: found.to_string(),
            expected: expected.to_string(),
        }
    }

    /// A condition on what was found.
    pub(crate) fn holds(
        what: impl Into<String>,
        holds: bool,
        found: impl Display,
        expected: impl Display,
    ) -> Fact {
        Fact { what: what.into(), found: found.to_string(), expected: expected.to_string(), holds }
    }
}

impl Display for Fact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.holds {
            true => write!(f, "ok      {}: {}", self.what, self.found),
            false => write!(f, "FAILED  {}: {}, expected {}", self.what, self.found, self.expected),
        }
    }
}
