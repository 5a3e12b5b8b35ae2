//! The HTML page as a document: well-formed, complete, and nothing in it that is not ours.

use html5ever::tendril::TendrilSink;
use html5ever::{ParseOpts, parse_document};
use markup5ever_rcdom::{Handle, NodeData, RcDom};
use refit_catalog::page::{Page, html};
use refit_catalog::{Catalog, Delta};

use crate::support::{pictures, with};

#[test]
fn the_sample_is_well_formed_and_complete() {
    let catalog = pictures::sample();
    let delta = Delta::between(&Catalog::default(), &catalog);
    let deltas = [("V0001__all", &delta)];
    let notes = [("V0001__all", vec!["ACCESS EXCLUSIVE on posts for 3 ms".to_owned()])];
    let page = Page {
        digest: "abc",
        date: "today",
        deltas: &deltas,
        notes: &notes,
        ..Page::new("sample", &catalog)
    };
    let page = html(&page);
    let elements = parse(&page);
    for table in catalog.tables.keys().chain(catalog.views.keys()) {
        assert!(
            elements.iter().any(|(_, attributes)| has(attributes, "id", &format!("t-{table}"))),
            "{table}"
        );
    }
    for text in
        ["ACCESS EXCLUSIVE on posts for 3 ms", "V0001__all", "refers to", "today", "posts_site_id_slug_key"]
    {
        assert!(page.to_lowercase().contains(&text.to_lowercase()), "{text}");
    }
    assert_eq!(
        page,
        html(&Page {
            digest: "abc",
            date: "today",
            deltas: &deltas,
            notes: &notes,
            ..Page::new("sample", &catalog)
        })
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_hostile_becomes_markup() {
    let (_db, catalog) = with(pictures::HOSTILE).await;
    let bad = "</title><script>alert(9)</script>";
    let delta = Delta::between(&Catalog::default(), &catalog);
    let deltas = [(bad, &delta)];
    let notes = [(bad, vec![bad.to_owned()])];
    let page =
        html(&Page { digest: bad, date: bad, deltas: &deltas, notes: &notes, ..Page::new(bad, &catalog) });
    let elements = parse(&page);
    let count = |name: &str| elements.iter().filter(|(found, _)| found == name).count();
    assert_eq!(
        (count("script"), count("style"), count("img"), count("iframe"), count("b") > 0),
        (1, 1, 0, 0, true)
    );
    for (name, attributes) in &elements {
        for (key, value) in attributes {
            assert!(!key.starts_with("on") && key != "style", "{name} {key}");
            assert!(key != "href" || value.starts_with('#'), "{name} {key} {value}");
        }
    }
    assert!(!page.contains('\u{202e}') && !page.contains('\u{1}'));
}

#[test]
fn nothing_at_all_is_a_page() {
    let catalog = Catalog::default();
    let page = html(&Page::new("empty", &catalog));
    parse(&page);
    assert!(page.contains("There are no tables."));
}

type Attributes = Vec<(String, String)>;

/// Elements with their attributes, once it is clear that the parser had nothing to fix.
fn parse(page: &str) -> Vec<(String, Attributes)> {
    let dom = parse_document(RcDom::default(), ParseOpts::default()).one(page);
    assert!(dom.errors.borrow().is_empty(), "{:?}", dom.errors.borrow());
    let mut elements = Vec::new();
    walk(&dom.document, &mut elements);
    let mut ids: Vec<&str> = elements
        .iter()
        .flat_map(|(_, attributes)| attributes)
        .filter(|(key, _)| key == "id")
        .map(|(_, id)| id.as_str())
        .collect();
    let links = elements.iter().flat_map(|(_, attributes)| attributes).filter(|(key, _)| key == "href");
    ids.sort_unstable();
    links.for_each(|(_, link)| assert!(ids.binary_search(&&link[1..]).is_ok(), "{link} leads nowhere"));
    assert!(ids.windows(2).all(|pair| pair[0] != pair[1]), "{ids:?}");
    elements
}

fn walk(node: &Handle, elements: &mut Vec<(String, Attributes)>) {
    if let NodeData::Element { name, attrs, .. } = &node.data {
        let attributes = attrs.borrow();
        let attributes = attributes.iter().map(|it| (it.name.local.to_string(), it.value.to_string()));
        elements.push((name.local.to_string(), attributes.collect()));
    }
    node.children.borrow().iter().for_each(|child| walk(child, elements));
}

fn has(attributes: &Attributes, key: &str, value: &str) -> bool {
    attributes.iter().any(|(found, is)| found == key && is == value)
}
