//! refit-model
