//! SQL → findings: what a migration locks, rewrites, scans, breaks or loses, and the safe way.
//!
//! Pure: no connection, no clock, no environment, no printing. The input is a set or plain texts, the output is findings.

mod parser;
pub mod sql;
