//! Measuring the queries of budgets, each with the same parameters whenever it is compared.

mod measure;

use refit_model::Budget;
use refit_model::wording::measured;
use tokio_postgres::Client;

use crate::error::Error;
use crate::pin::Caller;
use crate::report::{BudgetResult, Measurement};

use measure::{Parameters, measure, parameters};

/// Budgets that are measured twice, with what was found before.
pub(crate) struct Measured<'s> {
    caller: &'s Caller,
    budgets: Vec<(&'s Budget, Option<Parameters>, Option<Measurement>)>,
}

impl<'s> Measured<'s> {
    /// Measures before a run. A query that cannot run yet has no figures.
    ///
    /// # Errors
    /// When the session is lost.
    pub(crate) async fn before(
        client: &Client,
        budgets: impl Iterator<Item = &'s Budget>,
        caller: &'s Caller,
    ) -> Result<Measured<'s>, Error> {
        let mut measured = Measured { caller, budgets: Vec::new() };
        for budget in budgets {
            let found = parameters(client, budget, Some(caller)).await?;
            let before = match &found {
                Ok(rows) => measure(client, budget, rows, Some(caller)).await?.ok(),
                Err(_) => None,
            };
            // Without figures from before, the parameters may as well be those of the new schema.
            let kept = found.ok().filter(|_| before.is_some());
            measured.budgets.push((budget, kept, before));
        }
        Ok(measured)
    }

    /// Measures again, with the same parameters.
    ///
    /// # Errors
    /// When the session is lost.
    pub(crate) async fn after(self, client: &Client) -> Result<Vec<BudgetResult>, Error> {
        let mut results = Vec::new();
        for (budget, kept, before) in self.budgets {
            results.push(result(client, budget, kept, before, Some(self.caller)).await?);
        }
        Ok(results)
    }
}

/// Measures a budget now, on a session with the caller's settings, or on a pinned one with those of `caller`.
pub(crate) async fn result(
    client: &Client,
    budget: &Budget,
    kept: Option<Parameters>,
    before: Option<Measurement>,
    caller: Option<&Caller>,
) -> Result<BudgetResult, Error> {
    let rows = match kept {
        Some(rows) => Ok(rows),
        None => parameters(client, budget, caller).await?,
    };
    let outcome = match rows {
        Ok(rows) => measure(client, budget, &rows, caller).await?,
        Err(why) => Err(why),
    };
    let (after, error) = match outcome {
        Ok(measurement) => (Some(measurement), None),
        Err(why) => (None, Some(why)),
    };
    let Budget { name, path, position, p95, .. } = budget;
    let (name, path) = (name.clone(), path.clone());
    Ok(BudgetResult { name, path, line: position.line, limit: *p95, before, after, error })
}

/// What is over its budget, a line for each.
pub(crate) fn over(results: &[BudgetResult]) -> Vec<String> {
    let line = |result: &BudgetResult| {
        let why = match (&result.error, &result.after, result.limit) {
            (Some(error), ..) => error.clone(),
            (None, Some(after), Some(limit)) => {
                format!("95 % take up to {}, allowed are {}", measured(after.p95), measured(limit))
            }
            _ => String::new(),
        };
        format!("{} ({}:{}): {why}", result.name, result.path, result.line)
    };
    results.iter().filter(|result| result.is_over()).map(line).collect()
}
