//! Measuring the queries of budgets, each with the same parameters whenever it is compared.

mod measure;

use refit_model::Budget;
use refit_model::wording::measured;
use tokio_postgres::Client;

use crate::error::Error;
use crate::report::{BudgetResult, Measurement};

use measure::{Parameters, measure, parameters};

/// Budgets that are measured twice, with what was found before.
pub(crate) struct Measured<'s> {
    search_path: Option<&'s str>,
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
        search_path: &'s str,
    ) -> Result<Measured<'s>, Error> {
        let mut measured = Measured { search_path: Some(search_path), budgets: Vec::new() };
        for budget in budgets {
            let found = parameters(client, budget, measured.search_path).await?;
            let before = match &found {
                Ok(rows) => measure(client, budget, rows, measured.search_path).await?.ok(),
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
            results.push(result(client, budget, kept, before, self.search_path).await?);
        }
        Ok(results)
    }
}

/// Measures a budget now. The session's own search path counts unless there is one.
pub(crate) async fn result(
    client: &Client,
    budget: &Budget,
    kept: Option<Parameters>,
    before: Option<Measurement>,
    search_path: Option<&str>,
) -> Result<BudgetResult, Error> {
    let rows = match kept {
        Some(rows) => Ok(rows),
        None => parameters(client, budget, search_path).await?,
    };
    let outcome = match rows {
        Ok(rows) => measure(client, budget, &rows, search_path).await?,
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
