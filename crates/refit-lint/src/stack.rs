//! Room to descend: linting runs on a stack of its own, since the parser needs some for each level of nesting.

/// Enough for the deepest nesting that is parsed, in a build without optimisation. It is reserved, and only what is used
/// is taken.
const STACK_BYTES: usize = 64 << 20;

/// Runs a function on a large stack. Where there is no room for one it runs on the caller's.
pub(crate) fn with_room<T: Send>(run: impl Fn() -> T + Sync + Send) -> T {
    let room = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("refit-lint".to_owned()).stack_size(STACK_BYTES);
        thread.spawn_scoped(scope, &run).ok().map(|running| running.join())
    });
    match room {
        Some(Ok(result)) => result,
        Some(Err(panic)) => std::panic::resume_unwind(panic),
        None => run(),
    }
}
