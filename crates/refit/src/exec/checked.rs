//! Steps with checks, which run in the transaction of the step, or after its last statement.

use super::failure::{Attempt, alone};
use super::opening::Opening;
use super::step::{Step, StepContext};
use crate::check::{Occasion, Surroundings, failures, record, run};
use crate::error::Error;
use crate::event::Event;
use crate::report::CheckResult;

impl StepContext<'_> {
    /// Whether checks run after a step. It is then not sent ahead, nor as one message.
    pub(crate) fn runs_checks(&self, step: &Step<'_>) -> bool {
        self.checks && !step.checks.is_empty()
    }

    /// Runs a step's transaction with its checks before the commit. The inner error is that of the step, which may be retried;
    /// the outer one is final, and the transaction is rolled back.
    pub(super) async fn transaction_with_checks(
        &self,
        step: &Step<'_>,
        record: &str,
        attempts: u32,
        results: &mut Vec<CheckResult>,
    ) -> Result<Result<(), Attempt>, Error> {
        let lock_timeout = step.lock_timeout.unwrap_or(self.lock_timeout);
        let opening = Opening::transactional(step.stem, lock_timeout, self.facts, None);
        let text = step.instead.as_deref().unwrap_or(step.sql);
        let failed = |(error, completed)| Attempt {
            opening: opening.extent(),
            offset: Some(0),
            ..alone((error, completed))
        };
        if let Err(error) = self.send(&format!("{}{text}", opening.sql)).await {
            return Ok(Err(failed(error)));
        }
        let surroundings = Surroundings::of_step(&self.facts.as_before, &self.facts.caller.search_path);
        if let Err(error) = self.check(step, &surroundings, results).await {
            self.clean_up(step.sql).await;
            let row = self.row(step, attempts);
            row.insert_failed(self.client, &error.message(), &self.log.take_details()).await.ok();
            return Err(error);
        }
        let closing = self.closing(step, record, attempts);
        Ok(self.send_to_end(&closing).await.map_err(|(error, _)| {
            let completed = opening.extent().statements + refit_model::split_statements(step.sql).len();
            Attempt { offset: None, ..failed((error, completed)) }
        }))
    }

    /// Runs the checks of a step without a transaction, once its statements are complete.
    pub(super) async fn check_after(
        &self,
        step: &Step<'_>,
        results: &mut Vec<CheckResult>,
    ) -> Result<(), Error> {
        match self.runs_checks(step) {
            true => {
                let surroundings = Surroundings::of_run(&self.facts.caller.search_path);
                self.check(step, &surroundings, results).await
            }
            false => Ok(()),
        }
    }

    /// Records what the checks of a step found, whatever became of the step.
    pub(super) async fn checks_recorded<T>(
        &self,
        results: &[CheckResult],
        outcome: Result<T, Error>,
    ) -> Result<T, Error> {
        let state = &self.facts.state;
        let recorded = record(self.client, state, Some(self.run), Occasion::After, results).await;
        let value = outcome?;
        recorded.map(|()| value)
    }

    async fn check(
        &self,
        step: &Step<'_>,
        surroundings: &Surroundings,
        results: &mut Vec<CheckResult>,
    ) -> Result<(), Error> {
        results.clear();
        for check in &step.checks {
            let result = run(self.client, check, surroundings).await?;
            self.hooks.event(&Event::Checked { result: &result });
            results.push(result);
        }
        let failed = failures(results);
        match failed.is_empty() {
            true => Ok(()),
            false => Err(Error::Checks { at: format!("after {}", step.stem), failed }),
        }
    }
}
