//! Mermaid charts: what they say, that Mermaid takes them, and how large they get.

use std::collections::BTreeSet;

use refit_catalog::diagram::{Chart, MermaidOptions, changed_tables, mermaid};
use refit_catalog::{Catalog, Delta};
use serde_json::json;

use crate::support::{pictures, with};

#[test]
fn the_sample_is_one_chart() {
    let charts = mermaid(&pictures::sample(), &MermaidOptions::default());
    assert_eq!(charts.len(), 1);
    judge(&charts, &MermaidOptions::default());
    insta::assert_snapshot!("mermaid_sample", charts[0].text);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_name_is_drawn() {
    let (_db, catalog) = with(pictures::HOSTILE).await;
    let charts = mermaid(&catalog, &MermaidOptions::default());
    judge(&charts, &MermaidOptions::default());
    let text: Vec<&str> = charts.iter().map(|chart| chart.text.as_str()).collect();
    insta::assert_snapshot!("mermaid_hostile", text.join("\n"));
}

#[test]
fn what_is_too_large_is_split_and_nothing_is_lost() {
    for (tables, columns) in [(1_000, 15), (1_200, 2), (40, 200)] {
        let charts = mermaid(&pictures::large(tables, columns), &MermaidOptions::default());
        judge(&charts, &MermaidOptions::default());
        assert!(charts.len() > 1);
        assert_eq!(charts.iter().map(|chart| chart.tables).sum::<usize>(), tables);
        assert_eq!(charts.iter().map(|chart| chart.relations).sum::<usize>(), tables - 1);
        assert!(charts.iter().all(|chart| chart.left_out.is_empty()), "{:?}", charts[0].left_out);
        assert!(charts[1].title.starts_with("schema app (2 of "), "{}", charts[1].title);
    }
}

#[test]
fn what_fits_nowhere_is_named() {
    let charts = mermaid(&pictures::large(2, 1_600), &MermaidOptions::default());
    judge(&charts, &MermaidOptions::default());
    let left: Vec<&String> = charts.iter().flat_map(|chart| &chart.left_out).collect();
    assert!(left[0].starts_with("comments on columns of app.table_000"), "{left:?}");
    assert!(left[1].contains(" columns of app.table_000"), "{left:?}");
    assert!(charts[0].text.contains("%% left out: comments on columns"), "{}", &charts[0].text[..300]);
    let many: serde_json::Map<_, _> = (0..700)
        .map(|place| {
            let key = json!({"kind": "foreign key", "columns": ["c"], "references": {"table": "a.t", "columns": ["c"]}});
            (format!("k{place}"), key)
        })
        .collect();
    let table = json!({"columns": [{"name": "c", "type": "integer"}], "constraints": many});
    let catalog: Catalog = serde_json::from_value(json!({"tables": {"a.t": table}})).unwrap();
    let charts = mermaid(&catalog, &MermaidOptions::default());
    judge(&charts, &MermaidOptions::default());
    assert_eq!(charts[0].left_out, ["200 foreign keys of a.t"]);
    let small = MermaidOptions { characters: 0, relations: 0, ..MermaidOptions::default() };
    judge(&mermaid(&pictures::large(30, 90), &small), &MermaidOptions { characters: 2_000, ..small });
    assert!(mermaid(&Catalog::default(), &MermaidOptions::default()).is_empty());
}

#[test]
fn around_a_change_stand_its_neighbours() {
    let before = pictures::sample();
    let mut after = before.clone();
    after.tables.get_mut("public.posts").unwrap().comment = "new".into();
    let around = changed_tables(&Delta::between(&before, &after), &after);
    assert_eq!(around, BTreeSet::from(["public.posts".to_owned()]));
    let options = MermaidOptions { around: Some(around), ..MermaidOptions::default() };
    let charts = mermaid(&after, &options);
    assert_eq!((charts.len(), charts[0].tables), (1, 2));
    assert!(
        charts[0].text.contains("\"public.sites\" {") && !charts[0].text.contains("pages"),
        "{}",
        charts[0].text
    );
    let nothing = MermaidOptions { around: Some(BTreeSet::from(["no.such".to_owned()])), ..options };
    assert!(mermaid(&after, &nothing).is_empty());
}

/// Within the limits, and of the part of Mermaid's grammar (`erDiagram.jison`) that these charts keep to.
fn judge(charts: &[Chart], options: &MermaidOptions) {
    for chart in charts {
        let size = chart.text.encode_utf16().count();
        assert!(size <= options.characters && chart.relations <= options.relations, "{size} {}", chart.title);
        assert!(chart.text.starts_with("erDiagram\n"));
        let mut open = false;
        for line in chart.text.lines().skip(1) {
            let is_fine = match (open, line.trim_start()) {
                (false, remark) if remark.starts_with("%% ") => !remark.contains('{'),
                (true, "}") => true,
                (true, attribute) => is_attribute(attribute),
                (false, entity) if entity.ends_with('{') && !entity.contains(" : ") => {
                    is_label(entity[..entity.len() - 1].trim_end())
                }
                (false, other) => is_label(other) || is_edge(other),
            };
            assert!(is_fine, "{line}");
            open = if open { line.trim() != "}" } else { line.ends_with(" {") };
        }
        assert!(!open);
    }
}

fn is_label(text: &str) -> bool {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    inner.is_some_and(|inner| !inner.is_empty() && !inner.contains(['"', '%', '\\', '<', '>']))
}

fn is_edge(text: &str) -> bool {
    let Some((ends, label)) = text.rsplit_once(" : ") else { return false };
    let lines = ["||--o{", "||..o{", "|o..o{", "|o--o{", "||--o|", "||..o|", "|o..o|", "|o--o|"];
    let split = lines.iter().find_map(|line| ends.split_once(&format!(" {line} ")));
    split.is_some_and(|(parent, child)| is_label(parent) && is_label(child)) && is_label(label)
}

fn is_attribute(text: &str) -> bool {
    let (words, comment) =
        text.split_once(" \"").map_or((text, None), |(words, comment)| (words, Some(comment)));
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c >= '\u{c0}';
    let mut parts = words.splitn(3, ' ');
    let mut is_word = || {
        let word = parts.next().unwrap_or_default();
        word.starts_with(is_letter)
            && !["PK", "FK", "UK"].contains(&word)
            && word.chars().all(|c| is_letter(c) || c.is_ascii_digit() || "-[]()".contains(c))
    };
    let words = is_word() && is_word();
    let keys = parts.next().is_none_or(|keys| keys.split(", ").all(|key| ["PK", "FK", "UK"].contains(&key)));
    words && keys && comment.is_none_or(|text| text.strip_suffix('"').is_some_and(|text| !text.contains('"')))
}
