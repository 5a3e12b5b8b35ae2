//! The catalog against real servers: every change is noticed, nothing else is. `REFIT_PG=N` chooses the version.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be, helpers included")]

mod support;

mod cases {
    mod browser;
    mod concurrent;
    mod conformance;
    mod hostile;
    mod large;
    mod mermaid;
    mod model;
    mod page;
    mod privileges;
    mod round_trip;
}
