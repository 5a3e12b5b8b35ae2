//! The catalog against real servers: every change is noticed, nothing else is. `REFIT_PG=N` chooses the version.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

mod support;

mod cases {
    mod concurrent;
    mod conformance;
    mod hostile;
    mod large;
    mod model;
    mod privileges;
    mod round_trip;
}
