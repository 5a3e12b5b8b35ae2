//! A clock that is wrong: a library for `LD_PRELOAD` that shifts the wall clock of a process.

use std::path::PathBuf;
use std::process::Command;

const SOURCE: &str = "
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#include <sys/time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, \"clock_gettime\");
    int outcome = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += 3600;
    return outcome;
}
";

/// Compiles the library; `None` without a C compiler.
pub(crate) fn an_hour_ahead(folder: &tempfile::TempDir) -> Option<PathBuf> {
    let (source, library) = (folder.path().join("ahead.c"), folder.path().join("ahead.so"));
    std::fs::write(&source, SOURCE).unwrap();
    let compiled =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).arg("-ldl").status();
    compiled.is_ok_and(|status| status.success()).then_some(library)
}
