//! Enums for values that the database stores as text.

/// Defines an enum whose variants have a text form in the state, with `as_str` and `read`.
macro_rules! words {
    ($(#[$about:meta])* $name:ident { $($(#[$what:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$what])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The text form, as in the database and in JSON.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            /// # Errors
            /// For a value of a newer release.
            pub(crate) fn read(word: &str) -> Result<$name, crate::error::Error> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(crate::error::Error::Target(format!(
                        "a newer release wrote `{word}` into the state of this database; use that release"
                    ))),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }
    };
}

words! {
    /// The direction of a job.
    JobKind {
        /// Changes rows, as the migration says.
        Forward = "forward",
        /// Restores earlier values from the journal, for a rollback.
        Undo = "undo",
    }
}

words! {
    /// The state of a job.
    JobState {
        /// Its migration is applied; no process has begun it.
        Registered = "registered",
        /// Its ranges are cut, and workers change rows.
        Running = "running",
        /// Rows failed, or rows to change keep being written.
        Incomplete = "incomplete",
        /// An error stopped it.
        Failed = "failed",
        /// All rows are done; gates that wait for it are open.
        Complete = "complete",
        /// An operator canceled it.
        Canceled = "canceled",
    }
}

words! {
    /// The state of a backup.
    BackupState {
        /// It is being made.
        Running = "running",
        /// It can be used.
        Complete = "complete",
        /// It failed, and there is nothing to use.
        Failed = "failed",
        /// Its process or connection ended before it was complete, and there is nothing to use.
        Interrupted = "interrupted",
        /// It was complete, and was removed.
        Removed = "removed",
    }
}

words! {
    /// How a run ended.
    RunOutcome {
        /// It is active, or its process was killed.
        Running = "running",
        /// All of its steps are applied.
        Succeeded = "succeeded",
        /// An error stopped it.
        Failed = "failed",
    }
}

words! {
    /// How a step ended.
    StepOutcome {
        /// It is active, or its process was killed.
        Running = "running",
        /// It is applied.
        Succeeded = "succeeded",
        /// An error stopped it.
        Failed = "failed",
    }
}

words! {
    /// What an operator requested last.
    JobRequest {
        /// To run.
        Run = "run",
        /// To pause.
        Pause = "pause",
        /// To cancel.
        Cancel = "cancel",
    }
}
