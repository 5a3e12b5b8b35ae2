//! One hook: what it runs, and its time limit.

use std::time::Duration;

use refit_model::{HookEvent, HookSettings};

use crate::command::Program;
use crate::message::Message;
use crate::post::Address;

/// The limit of a hook that has none.
const TIMEOUT: Duration = Duration::from_secs(10);

/// A hook of `refit.toml`, ready to be called.
#[derive(Debug)]
pub(crate) struct Call {
    on: Vec<HookEvent>,
    action: Action,
    timeout: Duration,
    pub(crate) required: bool,
}

#[derive(Debug)]
enum Action {
    Program(Program),
    Address(Box<Address>),
}

impl Call {
    /// # Errors
    /// What is wrong with the entry, or with the environment variable that it names.
    pub(crate) fn new(
        settings: &HookSettings,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Call, String> {
        let action = match &settings.url {
            Some(url) => {
                let secret = settings.secret_env.as_ref().map(|name| {
                    let value = variable(name).filter(|value| !value.is_empty());
                    value.ok_or_else(|| {
                        format!("set the environment variable {name}, which has the hook's secret")
                    })
                });
                Action::Address(Box::new(Address::new(url, secret.transpose()?)?))
            }
            None => Action::Program(Program::new(&settings.command)),
        };
        let HookSettings { on, timeout, required, .. } = settings;
        Ok(Call { on: on.clone(), action, timeout: timeout.unwrap_or(TIMEOUT), required: *required })
    }

    pub(crate) fn is_on(&self, event: HookEvent) -> bool {
        self.on.contains(&event)
    }

    /// Runs it to its end, or to its time limit.
    pub(crate) async fn run(&self, message: &Message) -> Result<(), String> {
        let body = message.json();
        let (what, outcome) = match &self.action {
            Action::Program(program) => (program.name(), program.run(body, self.timeout).await),
            Action::Address(address) => (address.shown(), address.post(body, self.timeout).await),
        };
        outcome.map_err(|reason| format!("the hook {what} ({}) {reason}", message.event.as_str()))
    }
}
