//! The hooks of `refit.toml`, for commands that run migrations.

use refit::Migrator;
use refit_hooks::ConfiguredHooks;

use crate::output::{WARN, say};
use crate::styled::text;

/// Prints the failures of hooks that no report contains, when the command ends.
pub(crate) struct HookWarnings(Option<ConfiguredHooks>);

impl Drop for HookWarnings {
    fn drop(&mut self) {
        for warning in self.0.iter().flat_map(ConfiguredHooks::take_warnings) {
            say(&text![WARN.of("warning"), format!(": {warning}")]);
        }
    }
}

/// The migrator with the hooks of its set. Keep the second value until the command ends.
///
/// # Errors
/// When a hook is malformed, or an environment variable that it names is not set.
pub(crate) fn with_hooks(migrator: Migrator) -> anyhow::Result<(Migrator, HookWarnings)> {
    let hooks = ConfiguredHooks::from_env(migrator.set()?)?;
    Ok(match hooks {
        Some(hooks) => (migrator.hook(hooks.clone()), HookWarnings(Some(hooks))),
        None => (migrator, HookWarnings(None)),
    })
}
