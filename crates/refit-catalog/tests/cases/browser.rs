//! The HTML page in a browser. Without Chromium, these tests report that and do nothing.

use std::time::{Duration, Instant};

use refit_catalog::page::{Page, html};
use refit_catalog::{Catalog, Delta};
use serde_json::json;
use test_support::browser::Browser;

use crate::support::{pictures, with};

const LISTED: &str =
    "[...document.querySelectorAll('#list li:not([hidden]) a')].map(a => a.textContent.trim()).join()";
const CURRENT: &str = "document.querySelector('[aria-current]')?.textContent ?? ''";

/// A browser that shows a catalog's page.
fn shown(catalog: &Catalog, width: u32) -> Option<(Browser, tempfile::TempDir)> {
    let mut browser = Browser::start()?;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("page.html");
    let delta = Delta::between(&Catalog::default(), catalog);
    let deltas = [("V1__all", &delta)];
    std::fs::write(&file, html(&Page { deltas: &deltas, ..Page::new("test", catalog) })).unwrap();
    browser.open(&file, width);
    Some((browser, folder))
}

#[test]
fn search_filters_and_tables_are_chosen() {
    let Some((mut browser, _folder)) = shown(&pictures::sample(), 1_200) else { return };
    browser.press("/", 191);
    assert_eq!(browser.value("document.activeElement.id"), json!("search"));
    browser.write("slug");
    assert_eq!(browser.value(LISTED), json!("posts"));
    assert_eq!(browser.value("document.querySelector('#found').textContent"), json!("1 of 7"));
    assert_eq!(browser.value("document.querySelector('#list small').textContent"), json!("column: slug"));
    browser.press("Enter", 13);
    browser.until("location.hash === '#t-public.posts'");
    browser.until(&format!("({CURRENT}) === 'posts'"));
    // Its neighbourhood is drawn, and it stands on the screen.
    browser.until("document.querySelectorAll('[id=\"t-public.posts\"] figure a.node').length === 1");
    browser.until("Math.abs(document.getElementById('t-public.posts').getBoundingClientRect().top) < 60");
    browser.click("[id='t-public.posts'] figure a.node");
    browser.until(&format!("({CURRENT}) === 'sites'"));
    assert_eq!(browser.value("document.querySelectorAll('figure').length"), json!(1));
    assert_eq!(
        browser.value("document.querySelectorAll('#overview .node.near:not(.chosen)').length"),
        json!(3)
    );
    browser.value("document.querySelector('#search').focus()");
    browser.press("Escape", 27);
    assert_eq!(browser.value("document.querySelectorAll('#list li:not([hidden])').length"), json!(7));
    browser.press("ArrowDown", 40);
    browser.press("ArrowDown", 40);
    assert_eq!(browser.value("document.activeElement.textContent"), json!("pages"));
    browser.click("#overview a[href='#t-public.pages']");
    browser.until("location.hash === '#t-public.pages'");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_hostile_runs() {
    let (_db, catalog) = with(pictures::HOSTILE).await;
    let Some((mut browser, _folder)) = shown(&catalog, 1_200) else { return };
    let count = browser.value("document.querySelectorAll('#list li').length").as_u64().unwrap();
    for place in 0..count {
        browser.value(&format!("document.querySelectorAll('#list li a')[{place}].click()"));
        browser.until("document.querySelectorAll('[aria-current]').length === 1");
    }
    browser.value("document.querySelector('#search').focus()");
    browser.write("<script>alert(");
    assert_eq!(browser.value("document.querySelector('#found').textContent"), json!("2 of 4"));
    assert_eq!(browser.value("document.scripts.length + document.images.length"), json!(1));
    // What got in against all care would be stopped by the policy.
    browser.value("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hit = 1'}))");
    assert_eq!(browser.value("window.hit ?? 0"), json!(0));
    assert_eq!(browser.complaints().len(), 1, "{:?}", browser.complaints());
    assert!(browser.complaints()[0].contains("Content Security Policy"), "{:?}", browser.complaints());
}

#[test]
fn a_thousand_tables_are_quick() {
    let catalog = pictures::large(1_000, 15);
    let began = Instant::now();
    let Some((mut browser, _folder)) = shown(&catalog, 1_200) else { return };
    browser.until("document.querySelectorAll('.object').length === 1000");
    // Generous: a loaded machine and an unoptimised build draw it in a tenth of that.
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let filter = "(() => { const from = performance.now(); const it = document.querySelector('#search');
        it.value = 'table_0777'; it.dispatchEvent(new Event('input')); return performance.now() - from; })()";
    browser.value(filter);
    let again = browser.value(filter).as_f64().unwrap();
    assert!(again < 1_000.0, "{again} ms");
    assert_eq!(browser.value(LISTED), json!("table_0777"));
    browser.value("document.querySelector('#search').focus()");
    browser.press("Enter", 13);
    browser.until("Math.abs(document.getElementById('t-app.table_0777').getBoundingClientRect().top) < 60");
    assert_eq!(browser.complaints(), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_phone_does_not_scroll_sideways() {
    let (_db, hostile) = with(pictures::HOSTILE).await;
    for catalog in [pictures::sample(), hostile] {
        let Some((mut browser, _folder)) = shown(&catalog, 360) else { return };
        assert_eq!(browser.value("document.scrollingElement.scrollWidth"), json!(360));
        assert_eq!(browser.complaints(), [""; 0]);
    }
}
