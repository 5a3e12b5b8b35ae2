//! Parses the examples in the help of every command with the command line that they are for.

/// Parses the example lines of a command line, and returns their number.
///
/// # Panics
/// When one is not valid.
pub(super) fn parse_all(mut cli: clap::Command) -> usize {
    cli.build();
    let examples = examples(&cli);
    for example in &examples {
        let all = commands(example);
        let ours =
            all.iter().filter_map(|words| words.strip_prefix(&["cargo".to_owned(), "xtask".to_owned()]));
        let mut parsed = 0;
        for arguments in ours {
            let line = std::iter::once("cargo xtask").chain(arguments.iter().map(String::as_str));
            if let Err(error) = cli.clone().try_get_matches_from(line) {
                panic!("{example}\n{error}");
            }
            parsed += 1;
        }
        assert!(parsed > 0, "`{example}` does not run `cargo xtask`");
    }
    examples.len()
}

/// The examples of a command and of those below it.
fn examples(command: &clap::Command) -> Vec<String> {
    let help = command.get_after_help().or(command.get_after_long_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    let own = help.split_once("Examples:\n").map_or("", |(_, examples)| examples);
    let own = own.lines().map(|line| line.trim().to_owned()).take_while(|line| !line.is_empty());
    own.chain(command.get_subcommands().flat_map(examples)).collect()
}

/// The commands of a shell's line, each as its words, without redirections.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    let mut words = words(line).into_iter();
    while let Some(word) = words.next() {
        match (word.as_str(), commands.last_mut()) {
            ("|" | "&&", _) => commands.push(Vec::new()),
            (">", _) => drop(words.next()),
            (_, Some(command)) => command.push(word),
            (_, None) => {}
        }
    }
    commands
}

/// The words of a line, without single quotes.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut is_quoted) = (Vec::new(), String::new(), false);
    for character in line.chars() {
        match character {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(std::mem::take(&mut word)),
            other => word.push(other),
        }
    }
    words.push(word);
    words
}
