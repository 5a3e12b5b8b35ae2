//! `new-migration --recipe`, and the pages of recipes.

use refit_recipes::RECIPES;

use crate::support::Workspace;

const RENAME: [&str; 9] = [
    "new-migration",
    "rename_title",
    "--recipe",
    "rename-column",
    "--table",
    "content_versions",
    "--column",
    "title",
    "--to",
];

/// The snapshot of the sample.
fn sample() -> Workspace {
    let workspace = Workspace::new(&[("V0021__last.sql", "SELECT 1;\n")]);
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/snapshots/schema.json");
    workspace.write("snapshots/schema.json", &std::fs::read_to_string(kept).unwrap());
    workspace
}

#[test]
fn a_recipe_writes_all_its_files() {
    let workspace = sample();
    let ran = workspace.run(&[&RENAME[..], &["headline"]].concat()).expect(0);
    assert!(ran.stdout.starts_with("migrations/V0022__rename_title.sql\n"), "{}", ran.stdout);
    let files = workspace.files();
    let sql: Vec<&String> = files.iter().filter(|file| file.ends_with("rename_title_end.sql")).collect();
    assert_eq!(sql, ["V0025__rename_title_end.sql"]);
    let end = workspace.read("V0025__rename_title_end.sql");
    assert!(
        end.starts_with(
            "-- refit: after = [\"V0024\"]\n-- refit: phase = \"contract\"\n-- refit: manual = true\n"
        ),
        "{end}"
    );
    let description = workspace.read("V0022__rename_title.md");
    assert!(description.contains(
        "| 3 | `V0024__rename_title_exchange` | The old and the new release: deploy the new one now. |"
    ));
    workspace.run(&["lint-migrations"]).expect(0);
    // The set is valid; a second recipe does not begin with versions that are taken.
    let again = workspace.run(&[
        "new-migration",
        "more",
        "--recipe",
        "add-index",
        "--table",
        "content_versions",
        "--column",
        "author,title",
        "--unique",
        "--format",
        "json",
    ]);
    assert!(again.expect(0).stdout.contains("V0026__more.down.sql"));
}

#[test]
fn what_is_unusable_is_refused_and_nothing_is_written() {
    let workspace = sample();
    let add = |rest: &[&'static str]| {
        [&["new-migration", "x", "--recipe", "add-column", "--table", "content_versions"], rest].concat()
    };
    for (arguments, says) in [
        (
            RENAME[..4].to_vec(),
            "recipe rename-column needs --table and --column and --to; it takes --table TABLE",
        ),
        (
            [&RENAME[..7], &["titel", "--to", "headline"]].concat(),
            "has no column titel in the snapshot: did you mean title?",
        ),
        ([&RENAME[..], &["body"]].concat(), "content_versions already has a column body"),
        ([&RENAME[..], &["a", "--value", "1"]].concat(), "recipe rename-column takes no --value"),
        (add(&["--column", "n", "--type", "text", "--default", "("]), "an argument is not usable"),
        (add(&["--column", "n", "--type", "uuid", "--default", "gen_random_uuid()"]), "volatile-default"),
        (
            vec!["new-migration", "x", "--table", "posts"],
            "--table is an option of recipes: say which one with --recipe",
        ),
        (vec!["new-migration", "x", "--recipe", "add-colum"], "add-column"),
        (
            vec!["new-migration", "x", "--recipe", "add-check", "--table", "post", "--check", "true"],
            "the snapshot has no table post: did you mean posts?",
        ),
        (
            vec![
                "new-migration",
                "x",
                "--recipe",
                "add-unique",
                "--table",
                "posts",
                "--column",
                "slug",
                "--nulls-not-distinct",
            ],
            "needs PostgreSQL 15",
        ),
        (
            vec!["new-migration", "x", "--recipe", "drop-table", "--table", "sites"],
            "refer to sites: drop them first",
        ),
    ] {
        let ran = workspace.run(&arguments).expect(2);
        assert!(ran.stderr.contains(says), "{arguments:?}: {}", ran.stderr);
        assert_eq!(workspace.files(), ["V0021__last.sql", "snapshots"], "{arguments:?}");
    }
    let without = Workspace::new(&[]);
    let ran = without.run(&[&RENAME[..], &["headline"]].concat()).expect(2);
    assert!(ran.stderr.contains("run `cargo xtask snapshot` first"), "{}", ran.stderr);
}

#[test]
fn recipes_are_listed_and_have_pages() {
    let workspace = Workspace::new(&[]);
    let list = workspace.run(&["explain", "recipes"]).expect(0).stdout;
    let help = workspace.run(&["new-migration", "--help"]).expect(0).stdout;
    for recipe in &RECIPES {
        assert!(list.contains(&recipe.summary()), "{}", recipe.name);
        assert!(help.contains(recipe.name), "{}", recipe.name);
        let page = workspace.run(&["explain", &format!("recipe:{}", recipe.name)]).expect(0).stdout;
        assert!(page.contains("Locks:") && page.contains("Files") && page.contains("--"), "{page}");
    }
    assert!(
        workspace.run(&["explain", "recipe:add-colum"]).expect(2).stderr.contains("did you mean add-column?")
    );
}

#[test]
fn the_document_of_all_recipes_matches_the_code() {
    let workspace = Workspace::new(&[]);
    let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/recipes.md");
    let ran = workspace.run(&["explain", "--check", committed]);
    assert_eq!(ran.status, 0, "cargo xtask explain --markdown recipes > docs/recipes.md\n{}", ran.stdout);
}
