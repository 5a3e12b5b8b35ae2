//! refit-build
