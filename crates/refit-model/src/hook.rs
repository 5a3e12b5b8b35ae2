//! `[[hook]]` of `refit.toml`: programs and web addresses that are notified of runs.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::settings::parse_duration;

/// When a hook is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HookEvent {
    /// A run has something to do, and its first step is next.
    Start,
    /// A run ended, and its steps are applied.
    Success,
    /// A run, a rollback or the work on backfills failed.
    Failure,
    /// A step takes longer than its migration's `.md` expects, in a line such as `Expected duration: 5min`.
    Late,
    /// A run ended, and holds migrations back.
    Gate,
}

impl HookEvent {
    /// As in `refit.toml`.
    pub fn as_str(self) -> &'static str {
        match self {
            HookEvent::Start => "start",
            HookEvent::Success => "success",
            HookEvent::Failure => "failure",
            HookEvent::Late => "late",
            HookEvent::Gate => "gate",
        }
    }
}

/// Programs and web addresses that are notified of runs of `cargo xtask migrate` and `rollback`, and of services that ask for it.
///
/// ```toml
/// [[hook]]
/// on = ["start", "failure"]
/// url = "https://hooks.example.com/migrations"
/// secret_env = "REFIT_HOOK_SECRET"
///
/// [[hook]]
/// on = ["success"]
/// command = ["./announce.sh", "--channel", "deploys"]
/// required = true
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HookSettings {
    /// When it is called.
    pub on: Vec<HookEvent>,
    /// The program and its arguments; it gets the message on standard input, as JSON. Either this or `url`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// The web address that the message is posted to, as JSON. Either this or `command`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The environment variable with the secret that signs what is posted. If it is not set, nothing is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
    /// How long it may take, attempts included, before it is ended: `"1ms"` to less than a day. If it is not set, 10 s.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "duration",
        serialize_with = "duration_text"
    )]
    pub timeout: Option<Duration>,
    /// Whether its failure stops a run before the first step (`start`), and makes a run fail whose steps are applied (`success`,
    /// `gate`). Otherwise, and for other events, it is a warning.
    #[serde(default)]
    pub required: bool,
}

impl HookSettings {
    /// Why the entry has no meaning; none if it has one.
    pub(crate) fn problem(&self) -> Option<&'static str> {
        match (&self.url, self.command.first().map(String::as_str)) {
            _ if self.on.is_empty() => Some("a hook needs `on`, with at least one event"),
            (None, None) => Some("a hook needs `command` or `url`"),
            (None, Some("")) => Some("the `command` of a hook begins with a program"),
            (Some(_), Some(_)) => Some("a hook has either `command` or `url`, not both"),
            (None, Some(_)) if self.secret_env.is_some() => {
                Some("`secret_env` signs what is posted to a `url`; a `command` reads the environment itself")
            }
            (Some(url), None) if !url.starts_with("https://") && !url.starts_with("http://") => {
                Some("the `url` of a hook begins with https:// or http://")
            }
            _ => None,
        }
    }
}

/// The time that a migration's description expects it to take: a line such as `Expected duration: 5min`, also in a list or in bold.
///
/// ```
/// let text = "# Add a status\n\n- **Expected duration:** 90s, on production's 12 million rows\n";
/// assert_eq!(refit_model::expected_duration(text), Some(std::time::Duration::from_secs(90)));
/// assert_eq!(refit_model::expected_duration("Expected duration: short"), None);
/// ```
pub fn expected_duration(text: &str) -> Option<Duration> {
    let value = |line: &str| {
        let line: String = line.chars().filter(|c| !matches!(c, '*' | '_' | '`')).collect();
        let line = line.trim_start_matches(['-', '#', '>', ' ', '\t']);
        let (name, value) = line.split_once(':')?;
        if !name.trim().eq_ignore_ascii_case("expected duration") {
            return None;
        }
        // `90s`, or `90 s`, and what follows it.
        let mut words = value.split([' ', '\t', ',', ';', '(', '.']).filter(|word| !word.is_empty());
        let first = words.next()?;
        let joined = words.next().map(|second| format!("{first}{second}"));
        parse_duration(first).ok().or_else(|| parse_duration(&joined?).ok())
    };
    text.lines().find_map(value)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse_duration(&text).map(Some).map_err(serde::de::Error::custom)
}

fn duration_text<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    match duration {
        Some(duration) => serializer.serialize_str(&format!("{}ms", duration.as_millis())),
        None => serializer.serialize_none(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[test]
    fn hooks_are_read() {
        let text = "[[hook]]\non = [\"start\", \"late\"]\nurl = \"https://example.com/x\"\nsecret_env = \"S\"\ntimeout = \"2s\"\n\
                    [[hook]]\non = [\"gate\"]\ncommand = [\"say\", \"it\"]\nrequired = true\n";
        let settings = Settings::parse("refit.toml", text).unwrap();
        let [post, program] = &settings.hook[..] else { panic!("{settings:?}") };
        assert_eq!(post.on, [HookEvent::Start, HookEvent::Late]);
        assert_eq!((post.timeout, post.required), (Some(Duration::from_secs(2)), false));
        assert_eq!((program.command.len(), program.timeout, program.required), (2, None, true));
        let again: Settings = toml::from_str(&toml::to_string(&settings).unwrap()).unwrap();
        assert_eq!(again, settings);
    }

    #[test]
    fn a_hook_without_a_meaning_is_refused() {
        for (text, message) in [
            ("on = []\ncommand = [\"a\"]", "at least one event"),
            ("on = [\"start\"]", "needs `command` or `url`"),
            ("on = [\"start\"]\ncommand = []", "needs `command` or `url`"),
            ("on = [\"start\"]\ncommand = [\"\"]", "begins with a program"),
            ("on = [\"start\"]\ncommand = [\"a\"]\nurl = \"http://a\"", "not both"),
            ("on = [\"start\"]\ncommand = [\"a\"]\nsecret_env = \"S\"", "reads the environment itself"),
            ("on = [\"start\"]\nurl = \"example.com\"", "begins with https://"),
            ("on = [\"begin\"]\ncommand = [\"a\"]", "unknown variant `begin`"),
            ("on = [\"start\"]\ncommand = [\"a\"]\ntimeout = \"0s\"", "out of range"),
            ("command = [\"a\"]", "missing field `on`"),
            ("on = [\"start\"]\ncommands = [\"a\"]", "unknown field `commands`"),
        ] {
            let problem = Settings::parse("refit.toml", &format!("[[hook]]\n{text}\n")).unwrap_err();
            assert!(problem.message.contains(message), "{text}: {}", problem.message);
        }
    }

    #[test]
    fn expected_durations_are_found() {
        for (text, seconds) in [
            ("Expected duration: 5min", Some(300)),
            ("* Expected duration: 30 s on a copy of production.", Some(30)),
            ("## expected duration: `2h`", Some(7200)),
            ("x\n> **Expected duration**: 1min\n", Some(60)),
            ("The expected duration: 5min", None),
            ("Expected duration:", None),
            ("Expected duration: -5min", None),
        ] {
            assert_eq!(expected_duration(text), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
