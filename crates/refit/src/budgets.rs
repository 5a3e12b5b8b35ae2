//! Measuring budgets on demand.

use refit_model::Budget;
use tokio_postgres::Client;

use crate::budget::result;
use crate::error::{Error, unknown_name};
use crate::migrator::Migrator;
use crate::report::BudgetResult;

impl Migrator {
    /// Measures the queries of budgets: all, or those with these names. Each runs in a read-only transaction. The search path is
    /// that of the session.
    ///
    /// ```no_run
    /// # async fn example(migrator: refit::Migrator, client: &tokio_postgres::Client) -> Result<(), refit::Error> {
    /// for budget in migrator.measure_budgets(client, &[]).await? {
    ///     println!("{}: {}", budget.name, if budget.is_over() { "over" } else { "within" });
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`Error::Target`] if a name is that of no budget. A query that cannot run is a result with an error.
    pub async fn measure_budgets(
        &self,
        client: &Client,
        names: &[String],
    ) -> Result<Vec<BudgetResult>, Error> {
        let set = self.set()?;
        if let Some(name) = names.iter().find(|name| set.budgets().all(|budget| budget.name != **name)) {
            let known = set.budgets().map(|budget| budget.name.as_str());
            return Err(Error::Target(unknown_name("budget", name, known)));
        }
        let named = |budget: &&Budget| names.is_empty() || names.contains(&budget.name);
        let mut results = Vec::new();
        for budget in set.budgets().filter(named) {
            results.push(result(client, budget, None, None, None).await?);
        }
        Ok(results)
    }
}
