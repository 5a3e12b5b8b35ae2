//! refit-xtask
