//! The snapshots beside this file are what the migrations make.

refit_rehearsal::snapshot_test!();
