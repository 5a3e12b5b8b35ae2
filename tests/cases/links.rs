//! Rules for the pages: links resolve, the book lists every page, and the README is short.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use crate::support::scratch::workspace;

/// The most lines that the README may have: it is an overview, and details are in the book.
const README_LINES: usize = 200;

/// The links of a page, with their lines, and the anchors of its headings.
struct Page {
    links: Vec<(usize, String)>,
    anchors: Vec<String>,
}

#[test]
fn relative_links_and_anchors_resolve() {
    let root = workspace();
    let pages: BTreeMap<PathBuf, Page> = pages(root)
        .into_iter()
        .map(|path| {
            let page = read(&std::fs::read_to_string(root.join(&path)).unwrap());
            (path, page)
        })
        .collect();
    let mut broken = Vec::new();
    for (path, page) in &pages {
        for (line, link) in page.links.iter().filter(|(_, link)| !has_scheme(link)) {
            let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(a, b)| (a, Some(b)));
            let target = match file {
                "" => path.clone(),
                _ => normal(&path.parent().unwrap().join(file)),
            };
            let place = format!("{}:{line}: {link}", path.display());
            if !root.join(&target).exists() || target.starts_with("..") {
                broken.push(format!("{place}: there is no {}", target.display()));
            } else if let Some(anchor) = anchor {
                let found =
                    pages.get(&target).is_some_and(|page| page.anchors.iter().any(|one| one == anchor));
                if !found {
                    broken.push(format!("{place}: {} has no such heading", target.display()));
                }
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_summary_lists_every_page_of_the_book() {
    let root = workspace();
    let summary = read(&std::fs::read_to_string(root.join("docs/SUMMARY.md")).unwrap());
    let listed: Vec<PathBuf> = summary.links.iter().map(|(_, link)| Path::new("docs").join(link)).collect();
    let book = pages(root).into_iter().filter(|path| path.starts_with("docs"));
    let missing: Vec<PathBuf> =
        book.filter(|path| !path.ends_with("SUMMARY.md") && !listed.contains(path)).collect();
    assert!(missing.is_empty(), "docs/SUMMARY.md lacks {missing:?}");
}

#[test]
fn the_readme_is_short() {
    let lines = std::fs::read_to_string(workspace().join("README.md")).unwrap().lines().count();
    assert!(lines <= README_LINES, "README.md has {lines} lines, more than {README_LINES}");
}

#[test]
fn anchors_are_those_of_github() {
    let page =
        read("# A `b_c` d/e: f-g\n\n## Twice\n\n[x](#y)\n\nTwice\n-----\n\n```sh\n# no heading\n```\n");
    assert_eq!(page.anchors, ["a-b_c-de-f-g", "twice", "twice-1"]);
    assert_eq!(page.links, [(5, "#y".to_owned())]);
}

/// The pages, relative to the workspace: those at its top, and the book.
fn pages(root: &Path) -> Vec<PathBuf> {
    let top = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md"].map(PathBuf::from);
    let book = super::tidy::files(&root.join("docs"), "md");
    let book = book.into_iter().map(|path| path.strip_prefix(root).unwrap().to_owned());
    top.into_iter().chain(book).collect()
}

fn read(text: &str) -> Page {
    let mut page = Page { links: Vec::new(), anchors: Vec::new() };
    let mut taken: HashMap<String, usize> = HashMap::new();
    let mut heading: Option<String> = None;
    for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::End(TagEnd::Heading(_)) => {
                let anchor = anchor(&heading.take().unwrap());
                let times = taken.entry(anchor.clone()).or_default();
                page.anchors.push(if *times == 0 { anchor } else { format!("{anchor}-{times}") });
                *times += 1;
            }
            Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                let line = text[..range.start].matches('\n').count() + 1;
                page.links.push((line, dest_url.into_string()));
            }
            Event::Text(words) | Event::Code(words) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&words);
                }
            }
            _ => {}
        }
    }
    page
}

/// The anchor that GitHub gives a heading.
fn anchor(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let kept = lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// Whether a link has a scheme, such as `https:` or `mailto:`.
fn has_scheme(link: &str) -> bool {
    link.split_once(':')
        .is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric() || c == '+'))
}

/// A path without `.` and `..`, except for those that lead out of the workspace.
fn normal(path: &Path) -> PathBuf {
    path.components().fold(PathBuf::new(), |mut whole, part| {
        match part {
            Component::CurDir => {}
            Component::ParentDir if whole.file_name().is_some() => {
                whole.pop();
            }
            part => whole.push(part),
        }
        whole
    })
}
