//! The page of the commands, from the definitions of clap.

use clap::{Arg, ArgAction, Command};

use super::markdown::{anchor, any_of, code, escape};

/// The page of a program: its commands, and the options that all of them share.
pub(super) fn page(mut program: Command) -> String {
    program.build();
    let mut text = format!(
        "# Commands\n\n<!-- Written by `cargo xtask reference` from the definitions in crates/refit-xtask/src. -->\n\n\
         `{name} COMMAND --help` shows the same. [Configuration](../configuration.md) has the environment variables.\n\n\
         | command | what it does |\n|---|---|\n",
        name = program.get_name(),
    );
    let found = commands(&program, "");
    for (path, command) in &found {
        text.push_str(&format!("| [`{path}`](#{}) | {} |\n", anchor(path), cell(&about(command))));
    }
    text.push_str("\n## Options of all commands\n\n");
    let shared = |argument: &&Arg| argument.is_global_set() && !is_hidden(argument);
    text.extend(program.get_arguments().filter(shared).map(argument));
    for (path, command) in &found {
        text.push_str(&section(path, command));
    }
    text
}

/// The subcommands of a command, each followed by its own.
fn commands<'c>(parent: &'c Command, prefix: &str) -> Vec<(String, &'c Command)> {
    let mut found = Vec::new();
    let shown = |command: &&Command| !command.is_hide_set() && command.get_name() != "help";
    for command in parent.get_subcommands().filter(shown) {
        let path = format!("{prefix}{}", command.get_name());
        found.push((path.clone(), command));
        found.extend(commands(command, &format!("{path} ")));
    }
    found
}

fn section(path: &str, command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").trim();
    let mut text = format!("\n## {path}\n\n{}.\n\n```text\n{usage}\n```\n", escape(&about(command)));
    let own: Vec<&Arg> =
        command.get_arguments().filter(|one| !one.is_global_set() && !is_hidden(one)).collect();
    for (title, positional) in [("Arguments", true), ("Options", false)] {
        let listed: Vec<String> =
            own.iter().filter(|one| one.is_positional() == positional).map(|one| argument(one)).collect();
        if !listed.is_empty() {
            text.push_str(&format!("\n{title}:\n\n{}", listed.concat()));
        }
    }
    let below: Vec<String> = commands(command, "")
        .iter()
        .map(|(name, below)| {
            let anchor = anchor(&format!("{path} {name}"));
            format!("- [`{name}`](#{anchor}): {}\n", escape(&about(below)))
        })
        .collect();
    if !below.is_empty() {
        text.push_str(&format!("\nCommands:\n\n{}", below.concat()));
    }
    if let Some(help) = command.get_after_long_help().or(command.get_after_help()) {
        text.push_str(&prose(&help.to_string()));
    }
    text
}

fn about(command: &Command) -> String {
    command.get_long_about().or(command.get_about()).map(ToString::to_string).unwrap_or_default()
}

fn cell(text: &str) -> String {
    escape(text).replace('|', "\\|")
}

fn is_hidden(argument: &Arg) -> bool {
    argument.is_hide_set()
        || matches!(
            argument.get_action(),
            ArgAction::Version | ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong
        )
}

/// An argument as an item of a list.
fn argument(argument: &Arg) -> String {
    let names = match argument.get_short() {
        Some(short) => format!("`-{short}`, {}", code(&argument.to_string())),
        None => code(&argument.to_string()),
    };
    let help = argument.get_long_help().or(argument.get_help()).map(ToString::to_string).unwrap_or_default();
    // The help text has a default that is not a single value.
    let (help, worded) = match help.trim_end_matches(']').split_once(" [default: ") {
        Some((help, default)) => (help, Some(escape(default))),
        None => (help.as_str(), None),
    };
    let mut text = format!("- {names}: {}.", escape(help));
    let takes_several =
        argument.is_positional() || argument.get_num_args().is_some_and(|n| n.min_values() > 1);
    if matches!(argument.get_action(), ArgAction::Append) && !takes_several {
        text.push_str(" It may be given several times.");
    }
    let values = argument.get_default_values().iter().map(|value| code(&value.to_string_lossy()));
    let values: Vec<String> = values.filter(|_| argument.get_action().takes_values()).collect();
    let default = worded.or((!values.is_empty()).then(|| values.join(", ")));
    if let Some(default) = default.filter(|_| !argument.is_hide_default_value_set()) {
        text.push_str(&format!(" Default: {default}."));
    }
    if let Some(variable) = argument.get_env() {
        text.push_str(&format!(" Environment variable: {}.", code(&variable.to_string_lossy())));
    }
    text + &possible(argument)
}

/// The values that an argument takes: a list of their meanings if they have any.
fn possible(argument: &Arg) -> String {
    let values = argument.get_possible_values();
    let shown: Vec<_> = values.iter().filter(|value| !value.is_hide_set()).collect();
    if shown.is_empty() || !argument.get_action().takes_values() || argument.is_hide_possible_values_set() {
        return "\n".to_owned();
    }
    if shown.iter().all(|value| value.get_help().is_none()) {
        let names: Vec<String> = shown.iter().map(|value| code(value.get_name())).collect();
        return format!(" One of {}.\n", any_of(&names));
    }
    let mut text = " One of:\n".to_owned();
    for value in shown {
        let help = value.get_help().map(ToString::to_string).unwrap_or_default();
        text.push_str(&format!("  - {}: {}\n", code(value.get_name()), escape(&help)));
    }
    text
}

/// The text below the options: paragraphs, in which indented lines are code.
fn prose(help: &str) -> String {
    let paragraph = |text: &str| {
        let (code, words): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with("  "));
        let code: String = code.iter().map(|line| format!("{}\n", line.trim_start_matches("  "))).collect();
        let words =
            if words.is_empty() { String::new() } else { format!("\n{}\n", escape(&words.join("\n"))) };
        if code.is_empty() { words } else { format!("{words}\n```text\n{code}```\n") }
    };
    help.split("\n\n").map(paragraph).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_in_help_is_fenced() {
        let text = prose("A *sentence*:\n\n  [table]\n  key = 1\n\nExamples:\n  cargo xtask ci");
        let expected = "\nA \\*sentence\\*:\n\n```text\n[table]\nkey = 1\n```\n\n\
                        Examples:\n\n```text\ncargo xtask ci\n```\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn a_command_is_a_section() {
        let format = Arg::new("format")
            .long("format")
            .short('f')
            .value_name("FORMAT")
            .default_value("a")
            .value_parser(["a", "b"])
            .help("How to print");
        let all = Arg::new("all").long("all").global(true).action(ArgAction::SetTrue).help("All");
        let run = Command::new("run").about("Run it").arg(format).after_help("Examples:\n  t run");
        let page = page(Command::new("t").arg(all).subcommand(run));
        let shared = "## Options of all commands\n\n- `--all`: All.\n";
        assert!(page.contains(shared), "{page}");
        let section = "\n## run\n\nRun it.\n\n```text\nt run [OPTIONS]\n```\n\nOptions:\n\n\
                       - `-f`, `--format <FORMAT>`: How to print. Default: `a`. One of `a` or `b`.\n\n\
                       Examples:\n\n```text\nt run\n```\n";
        assert!(page.ends_with(section), "{page}");
    }
}
