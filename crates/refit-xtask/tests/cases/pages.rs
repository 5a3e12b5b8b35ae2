//! The pages of `report` and `doc` in a browser. Without Chromium, these tests report that and do nothing.

use std::path::Path;

use refit_devdb::TestDb;
use serde_json::json;
use test_support::browser::Browser;

use crate::support::Workspace;

/// Texts whose contrast with what is behind them is less than 4.5, which is what WCAG 2.1 requires of small text.
const FAINT: &str = "(() => {
    const parse = color => (color.match(/[\\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) => {
        const linear = [r, g, b].map(v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
    };
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] > 0.99) return color;
        }
        return [255, 255, 255];
    };
    const faint = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode, text = node.textContent.trim();
        if (!text || !node.parentElement.offsetParent) continue;
        const [a, b] = [light(parse(getComputedStyle(node.parentElement).color)), light(behind(node.parentElement))];
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.push(`${text.slice(0, 40)}: ${contrast.toFixed(2)}`);
    }
    return faint.join(', ');
})()";

const BACKGROUND: &str = "getComputedStyle(document.documentElement).backgroundColor + getComputedStyle(document.body).backgroundColor";

/// Looks at a page narrow and wide, light and dark: nothing is wider than the window, every text can be read, and nothing is refused.
fn look(browser: &mut Browser, page: &Path) {
    let mut backgrounds = Vec::new();
    for width in [400, 1_400] {
        for is_dark in [false, true] {
            browser.prefer(is_dark);
            browser.open(page, width);
            let at = format!("{} at {width}, dark: {is_dark}", page.display());
            let too_wide = "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth";
            assert_eq!(browser.value(too_wide), json!(0), "{at}");
            assert_eq!(browser.value(FAINT), json!(""), "{at}");
            assert!(browser.value("document.body.innerText.length").as_u64() > Some(200), "{at}");
            backgrounds.push(browser.value(BACKGROUND).to_string());
        }
    }
    assert!(backgrounds[0] != backgrounds[1], "dark and light look alike: {backgrounds:?}");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test]
async fn pages_can_be_read_on_every_screen() {
    let Some(mut browser) = Browser::start() else { return };
    let db = TestDb::empty().await.unwrap();
    let long = "a_name_that_is_as_long_as_names_of_tables_may_be_in_postgresql_";
    let table = format!(
        "CREATE TABLE {long} (id bigint PRIMARY KEY, n int);\nINSERT INTO {long} SELECT generate_series(1, 50);\n"
    );
    let fill = format!(
        "-- refit: backfill = {{ table = \"{long}\", key = [\"id\"] }}\nUPDATE {long} SET n = 1 WHERE id > $1 AND id <= $2;\n"
    );
    let check = format!(
        "-- check: every_row_has_a_number {{ severity = \"warn\" }}\nSELECT id, n FROM {long} WHERE n IS NULL;\n"
    );
    let workspace = Workspace::new(&[
        ("V0001__table.sql", table.as_str()),
        ("V0001__table.check.sql", check.as_str()),
        (
            "V0001__table.md",
            "# Purpose\n\nA table, with `code` and **emphasis**.\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        ),
        ("V0002__fill.sql", fill.as_str()),
        ("V0003__say.sql", "DO $$ BEGIN RAISE WARNING 'something to look at'; END $$;\n"),
        ("V0004__fails.sql", "SELECT 1 / 0;\n"),
    ])
    .on(&db);
    workspace.run(&["migrate", "--checks", "--to", "3"]).expect(0);
    workspace.run(&["migrate"]).expect(2);
    let pages = tempfile::tempdir().unwrap();
    for run in ["1", "2"] {
        let page = pages.path().join(format!("run{run}.html"));
        std::fs::write(&page, workspace.run(&["report", run, "--format", "html"]).expect(0).stdout).unwrap();
        look(&mut browser, &page);
    }
    workspace.run(&["doc", "--output", pages.path().to_str().unwrap()]).expect(0);
    look(&mut browser, &pages.path().join("index.html"));
}
