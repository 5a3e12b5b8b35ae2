//! Linting runs on a large stack, since the parser needs some of it for each level of nesting.
//!
//! It only switches stacks and starts no thread: with a single thread, every allocation is cheaper, and all share one
//! heap.

/// Enough for the deepest nesting that is parsed, in an unoptimized build. It is only reserved; memory is allocated as
/// it is used.
const STACK_BYTES: usize = 64 << 20;

/// Runs a function on a large stack.
pub(crate) fn with_room<T>(run: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_BYTES, run)
}
