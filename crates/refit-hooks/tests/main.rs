//! Tests of hooks on real servers: one binary, a module per subject.

#![allow(clippy::unwrap_used, reason = "test helpers may panic")]

mod cases {
    mod events;
}
