//! refit-devdb
