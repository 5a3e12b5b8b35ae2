//! The commands from outside: one binary, a module a subject.

mod support;

mod cases {
    mod adopt;
    mod commands;
    mod lint;
    mod repair;
}
