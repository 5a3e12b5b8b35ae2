//! `cargo xtask doc` as a process: one page of the whole set.

use crate::support::Workspace;

fn workspace() -> Workspace {
    Workspace::new(&[
        ("V0001__posts.sql", "CREATE TABLE posts (id bigint PRIMARY KEY, title text);\n"),
        (
            "V0001__posts.md",
            "# Posts\n\nThe *first* table. <script>alert(1)</script>\n\nExpected duration: 1s\n",
        ),
        ("V0001__posts.down.sql", "DROP TABLE posts;\n"),
        (
            "V0002__status.sql",
            "-- refit: depends = [\"V0001\"]\nALTER TABLE posts ADD COLUMN status text NOT NULL DEFAULT '</pre>';\n\
             CREATE INDEX posts_title ON posts (title);\n",
        ),
        ("V0002__status.check.sql", "-- check: no_empty_status\nSELECT id FROM posts WHERE status = '';\n"),
        ("R__titles.sql", "CREATE OR REPLACE VIEW titles AS SELECT title FROM posts;\n"),
    ])
}

#[test]
fn the_page_has_the_whole_set_and_fetches_nothing() {
    let workspace = workspace();
    let folder = workspace.root().join("site/pages");
    let ran = workspace.run(&["doc", "--output", folder.to_str().unwrap()]).expect(0);
    assert!(ran.stdout.contains("index.html"), "{}", ran.stdout);
    let page = std::fs::read_to_string(folder.join("index.html")).unwrap();
    for part in [
        "<a href=\"#h0\">V0001__posts</a>",
        "The <em>first</em> table. &lt;script&gt;",
        "DROP TABLE posts;",
        "depends on V0001__posts",
        "is needed by V0002__status",
        "depends = [&quot;V0001&quot;]",
        "&lt;/pre&gt;",
        "ACCESS EXCLUSIVE",
        "no_empty_status",
        "R__titles",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    for heading in ["Directives", "Changes", "Undo", "Locks", "Findings", "Checks"] {
        assert!(page.contains(&format!("<h3>{heading}</h3>")), "{heading}: {page}");
    }
    for fetched in ["<script", "http:", "https:", "src=", "url(", "@import", " style="] {
        assert!(!page.contains(fetched), "{fetched}");
    }
    // The same set gives the same page.
    workspace.run(&["doc", "--output", folder.to_str().unwrap()]).expect(0);
    assert_eq!(std::fs::read_to_string(folder.join("index.html")).unwrap(), page);
    workspace.run(&["doc"]).expect(0);
    let default = workspace.root().join("target/refit-doc/index.html");
    assert_eq!(std::fs::read_to_string(default).unwrap(), page);
}

#[test]
fn a_malformed_folder_or_an_unusable_output_is_an_error() {
    let workspace = workspace();
    let file = workspace.root().join("Cargo.toml/x");
    let ran = workspace.run(&["doc", "--output", file.to_str().unwrap()]).expect(2);
    assert!(ran.stderr.contains("cannot create"), "{}", ran.stderr);
    workspace.write("V0002__other.sql", "SELECT 1;");
    assert!(workspace.run(&["doc"]).expect(2).stderr.contains("V0002__other.sql"));
}
