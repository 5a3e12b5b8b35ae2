//! Runs the new migrations of two branches in both orders, each on a private server of its own, and compares the schemas.

use refit_catalog::{Catalog, Delta};
use refit_lint::{Config, Input};
use refit_rehearsal::{Error, Failure, File, schema_after};

use super::{Branch, Files};
use crate::context::Context;
use crate::database::rehearsal_server;

/// What both orders showed.
#[derive(Debug)]
pub(crate) enum Proof {
    /// How the schema that ours make after theirs differs from the one that they make before; empty if the order does not matter.
    Compared(Delta),
    /// A migration fails.
    Failed {
        /// Its file.
        file: String,
        /// Whether it failed in the order in which the migrations of this branch run first.
        ours_first: bool,
        /// The reason.
        failure: Box<Failure>,
    },
}

/// Runs both orders.
///
/// # Errors
/// When a private server does not start, or reading a schema fails.
pub(crate) async fn prove(branch: &Branch, config: &Config, context: &Context) -> anyhow::Result<Proof> {
    let environment = &context.global.environment;
    let side = |files: &Files, selected: &dyn Fn(&str) -> bool| -> Vec<File> {
        let read = |file: &str| {
            let input = Input::of_folder(file, files.0.get(file)?.clone(), false);
            let file = File::with_text(file, input.with_values(config), false);
            file.directives.runs_in(environment).then_some(file)
        };
        files.migrations().into_iter().filter(|file| selected(file)).filter_map(read).collect()
    };
    let is_repeatable = |file: &str| super::overlap::version_of(file).is_none();
    let (here, there) = (branch.new_here(), branch.new_there());
    let base = side(&branch.ours, &|file| !is_repeatable(file) && !here.contains(&file));
    let ours = side(&branch.ours, &|file| !is_repeatable(file) && here.contains(&file));
    let theirs = side(&branch.theirs, &|file| !is_repeatable(file) && there.contains(&file));
    // Repeatable migrations run last in both orders; one that both have is taken from this branch.
    let mut last =
        side(&branch.ours, &|file| is_repeatable(file) && (here.contains(&file) || !there.contains(&file)));
    last.extend(side(&branch.theirs, &|file| {
        is_repeatable(file) && there.contains(&file) && !here.contains(&file)
    }));
    let [first, second] = [[&ours, &theirs], [&theirs, &ours]]
        .map(|[a, b]| [&base, a, b, &last].into_iter().flatten().cloned().collect::<Vec<File>>());
    let (ours_server, theirs_server) = tokio::try_join!(rehearsal_server(), rehearsal_server())?;
    context.out.note(format_args!(
        "running both orders on two private PostgreSQL {}: {} of this branch, {} of {}",
        ours_server.version(),
        ours.len(),
        theirs.len(),
        branch.name
    ));
    let (before, after) = tokio::join!(
        Box::pin(schema_after(&ours_server, &first)),
        Box::pin(schema_after(&theirs_server, &second))
    );
    compare(before, after)
}

fn compare(
    ours_first: Result<Catalog, Error>,
    theirs_first: Result<Catalog, Error>,
) -> anyhow::Result<Proof> {
    match (ours_first, theirs_first) {
        (Ok(before), Ok(after)) => Ok(Proof::Compared(Delta::between(&before, &after))),
        // What fails after theirs is what would fail in production.
        (_, Err(Error::Failed { path, failure })) => {
            Ok(Proof::Failed { file: path, ours_first: false, failure })
        }
        (Err(Error::Failed { path, failure }), Ok(_)) => {
            Ok(Proof::Failed { file: path, ours_first: true, failure })
        }
        (_, Err(error)) | (Err(error), _) => Err(error.into()),
    }
}
