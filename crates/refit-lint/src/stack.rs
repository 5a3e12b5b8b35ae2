//! Room to descend: linting runs on a stack of its own, since the parser needs some for each level of nesting.
//!
//! It is a stack, not a thread: with one thread only, every allocation is cheaper, and all share one heap.

/// Enough for the deepest nesting that is parsed, in a build without optimisation. It is reserved, and only what is used
/// is taken.
const STACK_BYTES: usize = 64 << 20;

/// Runs a function on a large stack.
pub(crate) fn with_room<T>(run: impl FnOnce() -> T) -> T {
    stacker::grow(STACK_BYTES, run)
}
