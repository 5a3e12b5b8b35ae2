//! Lock modes, with the names and order of PostgreSQL (manual, 13.3.1).

use std::fmt;

/// A table-level lock mode; later ones conflict with more modes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LockMode {
    /// Taken by SELECT.
    AccessShare,
    /// Taken by SELECT FOR UPDATE.
    RowShare,
    /// Taken by INSERT, UPDATE, DELETE, MERGE.
    RowExclusive,
    /// Taken by VACUUM, CREATE INDEX CONCURRENTLY, VALIDATE CONSTRAINT.
    ShareUpdateExclusive,
    /// Taken by CREATE INDEX: blocks writes.
    Share,
    /// Taken by CREATE TRIGGER and ADD FOREIGN KEY: blocks writes.
    ShareRowExclusive,
    /// Taken by REFRESH MATERIALIZED VIEW CONCURRENTLY: blocks writes.
    Exclusive,
    /// Taken by most forms of ALTER TABLE: blocks reads and writes.
    AccessExclusive,
}

impl LockMode {
    /// All modes, weakest first.
    pub(crate) const ALL: [LockMode; 8] = [
        LockMode::AccessShare,
        LockMode::RowShare,
        LockMode::RowExclusive,
        LockMode::ShareUpdateExclusive,
        LockMode::Share,
        LockMode::ShareRowExclusive,
        LockMode::Exclusive,
        LockMode::AccessExclusive,
    ];

    /// The name of the mode in `pg_locks`: `AccessExclusiveLock`.
    pub fn pg_locks_name(self) -> &'static str {
        match self {
            LockMode::AccessShare => "AccessShareLock",
            LockMode::RowShare => "RowShareLock",
            LockMode::RowExclusive => "RowExclusiveLock",
            LockMode::ShareUpdateExclusive => "ShareUpdateExclusiveLock",
            LockMode::Share => "ShareLock",
            LockMode::ShareRowExclusive => "ShareRowExclusiveLock",
            LockMode::Exclusive => "ExclusiveLock",
            LockMode::AccessExclusive => "AccessExclusiveLock",
        }
    }

    /// The mode with the given name in `pg_locks`.
    pub fn of_pg_locks(name: &str) -> Option<LockMode> {
        LockMode::ALL.into_iter().find(|mode| mode.pg_locks_name() == name)
    }

    /// The mode as LOCK TABLE spells it.
    pub fn parse(text: &str) -> Option<LockMode> {
        LockMode::ALL.into_iter().find(|mode| mode.to_string() == text)
    }

    /// Whether the mode blocks writes of other sessions.
    pub fn stops_writes(self) -> bool {
        self >= LockMode::Share
    }

    /// Whether the mode blocks reads of other sessions.
    pub fn stops_reads(self) -> bool {
        self == LockMode::AccessExclusive
    }
}

impl fmt::Display for LockMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LockMode::AccessShare => "ACCESS SHARE",
            LockMode::RowShare => "ROW SHARE",
            LockMode::RowExclusive => "ROW EXCLUSIVE",
            LockMode::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            LockMode::Share => "SHARE",
            LockMode::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            LockMode::Exclusive => "EXCLUSIVE",
            LockMode::AccessExclusive => "ACCESS EXCLUSIVE",
        })
    }
}
