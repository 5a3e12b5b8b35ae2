//! The runbook: what is done when, and what to do when something goes wrong. Its figures are those of a run.

use std::fmt::Write;

use refit_model::wording::grouped;

use super::Outcome;

const BEGIN: &str = "\
# content-versions: a CMS becomes multi-site

Every version of the content of a CMS gets a site and a locale, while the old and the new release serve requests. The migrations are in
`tests/scenarios/content_versions/migrations`. This page is written by

```console
$ cargo xtask bench scenario content-versions --runbook docs/systems/content-versions.md
```

which plays all of it on a private server and compares the rows with what they must be. The tests do the same with fewer rows, and
`cargo xtask scenario content-versions` with as many as `--rows` says.

## How a version gets its site

| version of | site | locale |
|---|---|---|
| a post or a page whose domain has a site | that site | that of the content, else that of the site |
| a post or a page of another domain, or of none | the default site | that of the content, else that of the default site |
| content that is gone, media, or no content at all | the default site; it is listed in the report | that of the default site |

Domains are compared in lower case, without `www.` and without a port. `V0003` keeps the result in the table `domain_sites`, which the
backfill uses and `V0012` drops. What the old release inserts meanwhile gets its site from a trigger, by the same rule.

## Before

1. `cargo xtask check --pending` runs what is checked before the first step: there must be exactly one default site, and domains
   without a site are listed.
2. `cargo xtask plan` shows the steps, the gates that are closed, and whether the backup can be made.
3. `cargo xtask rehearse` applies the migrations to a private server, with generated rows.
4. The profile of the environment in `refit.toml`:

```toml
[environment.production]
checks = true
budgets = true
backup = \"tables\"
windows = [\"01:00-05:00 Europe/Berlin\"]
```

## The change

1. Expand: `cargo xtask migrate --to V0004`, or the boot of a release that embeds no more. The old release continues.
2. Deploy the new release, which writes `site_id` and `locale`, and reads versions without a site too.
3. Migrate and contract: `cargo xtask migrate`, or the boot of a release that embeds all. The backfill runs in the background; what
   waits for it is applied when it is complete and its checks have passed.

Any number of processes may do this at the same time, and any of them may be killed: another one continues.

";

const WATCH: &str = "
## While it runs

| command | shows |
|---|---|
| `cargo xtask backfill status --watch` | rows, rate, time left, workers, and why it pauses |
| `cargo xtask status` | what is applied, and what waits for what |
| `cargo xtask report` | the run: steps, lock waits, checks, budgets, backup |

`cargo xtask backfill pause V0005` stops the backfill after the batches that run, `resume` continues it.

## When something goes wrong

| what | what it means | what to do |
|---|---|---|
| `one_default_site` fails before the run | no site is the default, or several are | `UPDATE sites SET is_default = …`, then run again; nothing was changed |
| `domains_without_a_site` warns | content of these domains goes to the default site | add the sites before the run if it must not |
| the run is refused: outside the windows | the window is closed | wait, or `--override REASON` |
| the backfill pauses: outside the windows | the window has closed meanwhile | nothing: it continues when the window opens |
| a process was killed | its ranges are free when its leases expire | start it again, or leave the rest to the others |
| a step waits for a lock | a long transaction uses the table; requests are not kept waiting | `cargo xtask status` names the session; the step is tried again |
| a check of the backfill fails | a version has no site, or its numbers have a gap | correct the rows, then `cargo xtask backfill retry V0005` |
| a budget is exceeded | a query has become slower | the migrations stay applied; look at its plan, roll back if it must be |

## Back

By the journal, while the old release runs; every row gets the site and locale that it had:

```console
$ cargo xtask rollback --to V0001
```

By the backup, if rows were lost meanwhile. The rows of the tables become those of the backup, in one transaction that locks them:

```console
$ cargo xtask rollback --to V0001
$ cargo xtask backup list
$ cargo xtask backup restore ID
```

Afterwards the same migrations can be applied again.
";

/// The runbook of the change, with the figures of an outcome.
pub fn runbook(outcome: &Outcome) -> String {
    let mut text = BEGIN.to_owned();
    // Writing to a String cannot fail.
    let _ = figures(&mut text, outcome);
    text + WATCH
}

fn figures(text: &mut String, outcome: &Outcome) -> std::fmt::Result {
    let Outcome { rows, batches, retries, .. } = outcome;
    let (rows, seconds) = (grouped(*rows), outcome.seconds);
    writeln!(
        text,
        "A run with {rows} versions on PostgreSQL, with 200 requests a second, took {seconds:.1} seconds:\n"
    )?;
    writeln!(text, "| step | seconds |\n|---|---|")?;
    for step in &outcome.steps {
        writeln!(text, "| `{}` | {:.2} |", step.file, step.seconds)?;
    }
    writeln!(text, "\nThe backfill committed {batches} batches and retried {retries}.\n")?;
    writeln!(text, "| rule | versions |\n|---|---|")?;
    for rule in &outcome.rules {
        writeln!(text, "| {} | {} |", rule.rule, grouped(rule.versions))?;
    }
    let [passed, warned, failed] = outcome.checks;
    writeln!(
        text,
        "\nThe report lists {} versions whose content is gone. Of the checks, {passed} passed, {warned} warned and {failed} failed; \
         those that failed are of the refusals.\n",
        grouped(outcome.orphans)
    )?;
    writeln!(text, "| requests | sent | median | 99 % within | slowest |\n|---|---|---|---|---|")?;
    for figures in &outcome.traffic {
        writeln!(
            text,
            "| {} | {} | {:.2} ms | {:.2} ms | {:.2} ms |",
            figures.when,
            grouped(figures.requests),
            figures.p50_ms,
            figures.p99_ms,
            figures.max_ms
        )?;
    }
    let (with, without) = (outcome.growth.share() * 100.0, outcome.growth.share_without_index() * 100.0);
    writeln!(text, "\nTable and indexes grew by {with:.1} %, without the new index by {without:.1} %.")
}
