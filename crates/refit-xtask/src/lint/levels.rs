//! Levels from the command line, which override those of `refit.toml`.

use anyhow::bail;
use refit_lint::{Config, Level, RULES, suggestion};

/// Applies `--deny`, `--warn` and `--allow` to all files.
///
/// # Errors
/// When a rule does not exist or is given two levels.
pub(crate) fn apply(config: &mut Config, [deny, warn, allow]: [&[String]; 3]) -> anyhow::Result<()> {
    let levels =
        [(Level::Deny, "--deny", deny), (Level::Warn, "--warn", warn), (Level::Allow, "--allow", allow)];
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (level, option, names) in levels {
        for name in names {
            if !RULES.iter().any(|rule| rule.name == name) {
                bail!("{option} {name}: there is no such rule; {}", suggestion(name));
            }
            match seen.iter().find(|(other, _)| other == name) {
                Some((_, other)) if *other != option => {
                    bail!("{name} is given to {other} and to {option}; choose one")
                }
                _ => seen.push((name, option)),
            }
            for (_, levels) in &mut config.paths {
                levels.remove(name);
            }
            config.levels.insert(name.clone(), level);
        }
    }
    Ok(())
}
