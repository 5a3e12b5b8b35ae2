//! A step of a recipe: what becomes one migration with its companions.

use refit_lint::sequence::{Runs, Step as SqlStep};

/// A text: a template, or one that is complete.
#[derive(Debug, Clone)]
pub(crate) enum Text {
    Template(&'static str),
    Done(String),
}

impl Default for Text {
    fn default() -> Text {
        Text::Template("")
    }
}

impl From<&'static str> for Text {
    fn from(template: &'static str) -> Text {
        Text::Template(template)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text::Done(text)
    }
}

/// The step of an expand, migrate and contract change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    Expand,
    Migrate,
    Contract,
}

impl Phase {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Phase::Expand => "expand",
            Phase::Migrate => "migrate",
            Phase::Contract => "contract",
        }
    }
}

/// A step.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    /// What the file name adds to the name of the whole; nothing for a change in one step.
    pub(crate) title: &'static str,
    pub(crate) phase: Phase,
    pub(crate) runs: Runs,
    /// Whether it runs only when it is named.
    pub(crate) manual: bool,
    /// The longest wait for a lock, for steps that block others while they wait.
    pub(crate) lock_timeout: bool,
    /// Why the step is there: the comment above its first statement, and its purpose.
    pub(crate) why: Text,
    pub(crate) up: Text,
    pub(crate) down: Text,
    pub(crate) check: Text,
    /// Which releases may run once it is applied.
    pub(crate) releases: Text,
    /// What it locks or loses.
    pub(crate) risk: Text,
    /// What going back means, if the down file does not say it all.
    pub(crate) rollback: Text,
}

const MOMENT: &str = "It takes a lock that stops reads and writes of the table for a moment, and waits at most 500 ms for it. \
                      No row is read or written.";

impl Step {
    fn new(title: &'static str, phase: Phase, runs: Runs) -> Step {
        Step {
            title,
            phase,
            runs,
            manual: false,
            lock_timeout: false,
            why: Text::default(),
            up: Text::default(),
            down: Text::default(),
            check: Text::default(),
            releases: "The old and the new release.".into(),
            risk: Text::default(),
            rollback: Text::default(),
        }
    }

    /// One that takes a strong lock for a moment.
    pub(crate) fn quick(title: &'static str, phase: Phase) -> Step {
        Step { lock_timeout: true, ..Step::new(title, phase, Runs::Apart).risk(MOMENT) }
    }

    /// One that reads the table and lets others read and write.
    pub(crate) fn validation(title: &'static str, phase: Phase) -> Step {
        let risk = "It reads the whole table under SHARE UPDATE EXCLUSIVE: reads and writes continue.";
        Step::new(title, phase, Runs::Apart).risk(risk)
    }

    /// One that builds or drops an index.
    pub(crate) fn index(title: &'static str, phase: Phase) -> Step {
        let risk = "It runs concurrently: reads and writes continue. It waits for transactions that are older than itself. \
                    One that is interrupted is resumed by the next run.";
        Step::new(title, phase, Runs::Alone).risk(risk)
    }

    /// A backfill, with the value of its directive.
    pub(crate) fn backfill(title: &'static str, directive: String) -> Step {
        let risk = "Rows change in batches of about 100 ms, each a transaction of its own. A batch locks only its own rows.";
        Step::new(title, Phase::Migrate, Runs::Backfill(directive)).risk(risk)
    }

    /// It runs only when it is named.
    pub(crate) fn manual(mut self) -> Step {
        self.manual = true;
        self
    }

    pub(crate) fn why(mut self, text: impl Into<Text>) -> Step {
        self.why = text.into();
        self
    }

    pub(crate) fn up(mut self, text: impl Into<Text>) -> Step {
        self.up = text.into();
        self
    }

    /// The statements of a safe form that the linter writes too.
    pub(crate) fn form(self, form: &SqlStep) -> Step {
        self.up(form.sql.iter().map(|sql| format!("{sql};\n")).collect::<String>())
    }

    pub(crate) fn down(mut self, text: impl Into<Text>) -> Step {
        self.down = text.into();
        self
    }

    pub(crate) fn check(mut self, text: impl Into<Text>) -> Step {
        self.check = text.into();
        self
    }

    pub(crate) fn releases(mut self, text: impl Into<Text>) -> Step {
        self.releases = text.into();
        self
    }

    pub(crate) fn risk(mut self, text: impl Into<Text>) -> Step {
        self.risk = text.into();
        self
    }

    pub(crate) fn rollback(mut self, text: impl Into<Text>) -> Step {
        self.rollback = text.into();
        self
    }
}
