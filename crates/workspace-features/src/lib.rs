//! No code: the manifest enables the same features of shared dependencies for every member that depends on it.
//!
//! Cargo enables the features that the selected packages request. Members that request different features of one
//! dependency therefore compile it again, with everything that depends on it. Depending on this package avoids that for
//! `cargo xtask`, the demo and the tests.
