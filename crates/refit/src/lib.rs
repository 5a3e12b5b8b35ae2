//! refit
