//! Production-like content of the sample CMS for the schema of the old release, as rows of COPY in text format.
//!
//! A [`Spec`] determines sites, posts, pages and a stream of versions; the same spec gives the same bytes. Versions are in
//! the order in which they were saved, so those of different posts interleave as in a real table, and memory use does
//! not grow with their number. Version numbers have no gaps for any post or page, including deleted ones.

use std::fmt::Write as _;

use jiff::Timestamp;
use rand::{RngExt, SeedableRng};

use super::text::{Random, Stock, log_uniform};

/// Columns of [`Content::sites`].
pub(crate) const SITE_COLUMNS: &str = "sites (id, domain, name, is_default, created_at)";
/// Columns of [`Content::posts`].
pub(crate) const POST_COLUMNS: &str =
    "posts (id, site_id, slug, title, body, excerpt, published_at, created_at, updated_at)";
/// Columns of [`Content::pages`].
pub(crate) const PAGE_COLUMNS: &str = "pages (id, site_id, path, title, body, created_at, updated_at)";
/// Columns of [`Content::versions`].
pub(crate) const VERSION_COLUMNS: &str =
    "content_versions (content_type, content_id, version_number, title, body, author, created_at)";

/// The sites, the default one first; later ones have fewer posts.
const SITES: &[(&str, &str)] = &[
    ("www.example.org", "Example"),
    ("blog.example.org", "The Example Blog"),
    ("docs.example.org", "Documentation"),
    ("пример.example.org", "Пример"),
    ("例え.example.org", "例え"),
    ("مثال.example.org", "مثال"),
    ("shop.example.com", "Shop & Co \"wholesale\""),
    ("empty.example.net", "Nothing here yet"),
];

/// 2019-01-01 00:00 UTC, in seconds; the content is from the seven years after it.
const FIRST_SECOND: i64 = 1_546_300_800;
const SPAN_SECONDS: i64 = 7 * 365 * 86_400;

/// How much to generate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    /// Rows of `content_versions`.
    pub(crate) versions: u64,
    /// Number of posts and pages, including deleted ones; each has at least one version if there are enough.
    pub(crate) items: usize,
    /// Equal seeds give equal content.
    pub(crate) seed: u64,
}

impl Spec {
    /// A spec with eight versions per post or page on average, as in the CMS that this is modelled on.
    pub(crate) fn new(versions: u64, seed: u64) -> Spec {
        let items = usize::try_from(versions / 8).unwrap_or(usize::MAX).max(1);
        Spec { versions, items, seed }
    }
}

/// A post or a page, possibly deleted.
#[derive(Clone, Copy)]
struct Item {
    is_page: bool,
    id: i64,
    deleted: bool,
}

/// The generated content.
pub(crate) struct Content {
    spec: Spec,
    stock: Stock,
    items: Vec<Item>,
}

/// Statistics of a stream of versions so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Counts {
    /// All versions.
    pub(crate) versions: u64,
    /// Versions whose post or page was deleted.
    pub(crate) orphans: u64,
    /// Versions without a title.
    pub(crate) without_title: u64,
    /// Versions without an author.
    pub(crate) without_author: u64,
    /// Versions of the post or page with the most versions.
    pub(crate) most_of_one: u64,
}

impl Content {
    /// Generates the posts and pages: every fifth is a page, and about one in fifty is deleted.
    pub(crate) fn new(spec: Spec) -> Content {
        let mut rng = Random::seed_from_u64(spec.seed);
        let stock = Stock::new(&mut rng);
        let (mut posts, mut pages) = (0, 0);
        let items = (0..spec.items)
            .map(|index| {
                let is_page = index % 5 == 4;
                let next = if is_page { &mut pages } else { &mut posts };
                *next += 1;
                Item { is_page, id: *next, deleted: index > 4 && rng.random_ratio(1, 50) }
            })
            .collect();
        Content { spec, stock, items }
    }

    /// The spec of the content.
    pub(crate) fn spec(&self) -> Spec {
        self.spec
    }

    /// Rows for [`SITE_COLUMNS`].
    pub(crate) fn sites(&self) -> Vec<u8> {
        let mut out = CopyText::default();
        for (index, (domain, name)) in SITES.iter().enumerate() {
            out.value(index + 1).text(domain).text(name).value(index == 0).time(FIRST_SECOND).end();
        }
        out.into_bytes()
    }

    /// Rows for [`POST_COLUMNS`], without deleted posts.
    pub(crate) fn posts(&self) -> Vec<u8> {
        let mut rng = Random::seed_from_u64(self.spec.seed ^ 0x705);
        let mut out = CopyText::default();
        for item in self.items.iter().filter(|item| !item.is_page && !item.deleted) {
            let created = FIRST_SECOND + rng.random_range(0..SPAN_SECONDS);
            out.value(item.id).value(site(&mut rng)).value(format_args!("post-{}", item.id));
            out.text(&self.stock.title(&mut rng)).text(&self.stock.body(&mut rng));
            let excerpt = rng.random_bool(0.3).then(|| self.stock.title(&mut rng));
            out.text_or_null(excerpt.as_deref().filter(|text| !text.is_empty()));
            match rng.random_bool(0.8) {
                true => out.time(created + 3600),
                false => out.text_or_null(None),
            };
            out.time(created).time(created + 7200).end();
        }
        out.into_bytes()
    }

    /// Rows for [`PAGE_COLUMNS`], without deleted pages.
    pub(crate) fn pages(&self) -> Vec<u8> {
        let mut rng = Random::seed_from_u64(self.spec.seed ^ 0xba9e);
        let mut out = CopyText::default();
        for item in self.items.iter().filter(|item| item.is_page && !item.deleted) {
            let created = FIRST_SECOND + rng.random_range(0..SPAN_SECONDS);
            out.value(item.id).value(site(&mut rng)).value(format_args!("/page/{}", item.id));
            out.text(&self.stock.title(&mut rng)).text(&self.stock.body(&mut rng));
            out.time(created).time(created + 7200).end();
        }
        out.into_bytes()
    }

    /// The versions as rows for [`VERSION_COLUMNS`], in chunks of slightly more than `chunk_bytes`.
    pub(crate) fn versions(&self, chunk_bytes: usize) -> Versions<'_> {
        Versions {
            content: self,
            rng: Random::seed_from_u64(self.spec.seed ^ 0x7e25),
            numbers: vec![0; self.items.len()],
            known: 0,
            counts: Counts::default(),
            chunk_bytes,
        }
    }

    /// The numbers of sites, posts and pages, without deleted ones.
    pub(crate) fn sizes(&self) -> (usize, usize, usize) {
        let existing = || self.items.iter().filter(|item| !item.deleted);
        (SITES.len(), existing().filter(|i| !i.is_page).count(), existing().filter(|i| i.is_page).count())
    }

    /// The highest identifiers of posts and pages, including deleted ones; the sequences continue from there.
    pub(crate) fn last_ids(&self) -> (i64, i64) {
        let last = |page| self.items.iter().filter(|i| i.is_page == page).map(|i| i.id).max().unwrap_or(0);
        (last(false), last(true))
    }
}

/// A stream of versions; see [`Content::versions`].
pub(crate) struct Versions<'a> {
    content: &'a Content,
    rng: Random,
    /// The latest version number of each item.
    numbers: Vec<u32>,
    /// Number of items that have appeared so far: a prefix of all.
    known: usize,
    counts: Counts,
    chunk_bytes: usize,
}

impl Versions<'_> {
    /// The statistics so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// New items appear evenly over time. Half of the other versions go to a few busy items, half to any.
    fn next_item(&mut self) -> usize {
        let all = self.content.items.len();
        let due =
            (self.counts.versions as u128 * all as u128 / u128::from(self.content.spec.versions)) as usize;
        if self.known == 0 || (due >= self.known && self.known < all) {
            self.known += 1;
            return self.known - 1;
        }
        match self.rng.random_bool(0.5) {
            true => log_uniform(&mut self.rng, self.known),
            false => self.rng.random_range(0..self.known),
        }
    }

    fn row(&mut self, out: &mut CopyText) {
        let index = self.next_item();
        let item = self.content.items[index];
        self.numbers[index] += 1;
        let elapsed =
            SPAN_SECONDS as u128 * u128::from(self.counts.versions) / u128::from(self.content.spec.versions);
        let jitter = self.rng.random_range(0..3600);
        let (rng, stock) = (&mut self.rng, &self.content.stock);
        // Early content was imported from a system without titles and authors of old versions.
        let imported = elapsed < SPAN_SECONDS as u128 / 5;
        let title = (!rng.random_ratio(if imported { 20 } else { 1 }, 100)).then(|| stock.title(rng));
        let author = (!rng.random_ratio(if imported { 40 } else { 2 }, 100)).then(|| stock.author(rng));

        out.value(if item.is_page { "page" } else { "post" }).value(item.id).value(self.numbers[index]);
        out.text_or_null(title.as_deref()).text(&stock.body(rng)).text_or_null(author);
        out.time(FIRST_SECOND + elapsed as i64 + jitter).end();

        self.counts.versions += 1;
        self.counts.orphans += u64::from(item.deleted);
        self.counts.without_title += u64::from(title.is_none());
        self.counts.without_author += u64::from(author.is_none());
        self.counts.most_of_one = self.counts.most_of_one.max(self.numbers[index].into());
    }
}

impl Iterator for Versions<'_> {
    type Item = Vec<u8>;

    fn next(&mut self) -> Option<Vec<u8>> {
        let mut out = CopyText::with_capacity(self.chunk_bytes + 4096);
        while self.counts.versions < self.content.spec.versions && out.text.len() < self.chunk_bytes {
            self.row(&mut out);
        }
        (!out.text.is_empty()).then(|| out.into_bytes())
    }
}

/// A random site: the default one has most of the content and the last one none.
fn site(rng: &mut Random) -> usize {
    log_uniform(rng, SITES.len() - 1) + 1
}

/// The characters that COPY requires to be escaped, the backslash first.
const ESCAPES: [(char, &str); 4] = [('\\', "\\\\"), ('\n', "\\n"), ('\r', "\\r"), ('\t', "\\t")];

/// Rows of COPY in text format: tab between columns, backslash escapes (PostgreSQL manual, COPY, "Text Format").
#[derive(Default)]
struct CopyText {
    text: String,
    in_row: bool,
}

impl CopyText {
    fn with_capacity(bytes: usize) -> CopyText {
        CopyText { text: String::with_capacity(bytes), in_row: false }
    }

    /// Appends a value whose text form contains neither backslashes nor control characters.
    fn value(&mut self, value: impl std::fmt::Display) -> &mut Self {
        self.separate();
        // Writing to a String cannot fail.
        let _ = write!(self.text, "{value}");
        self
    }

    fn text(&mut self, text: &str) -> &mut Self {
        self.separate();
        // Searching is fast even in an unoptimised build; iterating over the characters is not.
        if !ESCAPES.iter().any(|(from, _)| text.contains(*from)) {
            self.text.push_str(text);
            return self;
        }
        let escaped = ESCAPES.iter().fold(text.to_owned(), |text, (from, to)| match text.contains(*from) {
            true => text.replace(*from, to),
            false => text,
        });
        self.text.push_str(&escaped);
        self
    }

    fn text_or_null(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.text(text),
            None => self.value("\\N"),
        }
    }

    /// Appends a time in seconds since 1970, UTC.
    fn time(&mut self, second: i64) -> &mut Self {
        let time = Timestamp::from_second(second).unwrap_or(Timestamp::UNIX_EPOCH);
        self.value(time)
    }

    fn end(&mut self) {
        self.text.push('\n');
        self.in_row = false;
    }

    fn separate(&mut self) {
        if self.in_row {
            self.text.push('\t');
        }
        self.in_row = true;
    }

    fn into_bytes(self) -> Vec<u8> {
        self.text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn rows(content: &Content) -> (Vec<String>, Counts) {
        let mut stream = content.versions(10_000);
        let mut bytes = Vec::new();
        for chunk in stream.by_ref() {
            bytes.extend(chunk);
        }
        let text = String::from_utf8(bytes).unwrap();
        (text.lines().map(str::to_owned).collect(), stream.counts())
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes() {
        let rows_of = |seed| rows(&Content::new(Spec::new(2_000, seed))).0;
        assert_eq!(rows_of(7), rows_of(7));
        assert_ne!(rows_of(7), rows_of(8));
        assert_eq!(Content::new(Spec::new(800, 7)).posts(), Content::new(Spec::new(800, 7)).posts());
    }

    #[test]
    fn version_numbers_have_no_gaps_and_counts_are_correct() {
        let content = Content::new(Spec::new(20_000, 42));
        let (rows, counts) = rows(&content);
        let mut latest: HashMap<(String, String), u64> = HashMap::new();
        let (mut without_title, mut without_author) = (0, 0);
        for row in &rows {
            let columns: Vec<&str> = row.split('\t').collect();
            assert_eq!(columns.len(), 7, "{row}");
            let number = latest.entry((columns[0].into(), columns[1].into())).or_default();
            *number += 1;
            assert_eq!(columns[2], number.to_string());
            without_title += u64::from(columns[3] == "\\N");
            without_author += u64::from(columns[5] == "\\N");
        }
        assert_eq!(rows.len(), 20_000);
        assert_eq!(latest.len(), 2_500, "each post and page has a version");
        assert_eq!(counts.versions, 20_000);
        assert_eq!(counts.most_of_one, latest.values().copied().max().unwrap());
        assert_eq!((counts.without_title, counts.without_author), (without_title, without_author));
        assert!(counts.orphans > 100 && counts.orphans < 2_000, "{counts:?}");
        assert!(counts.most_of_one > 50 * 8, "a busy post has many times the average: {counts:?}");
    }

    #[test]
    fn deleted_content_is_not_among_posts_and_pages() {
        let content = Content::new(Spec::new(20_000, 42));
        let lines = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().lines().count();
        let (sites, posts, pages) = content.sizes();
        assert_eq!(
            (lines(content.sites()), lines(content.posts()), lines(content.pages())),
            (sites, posts, pages)
        );
        assert_eq!(content.last_ids(), (2_000, 500));
        assert!(posts < 2_000 && pages < 500);
    }

    #[test]
    fn copy_text_escapes_special_characters() {
        let mut out = CopyText::default();
        out.text("a\\b\tc\nd\re").text_or_null(None).text("\\N").text("").value(true).end();
        assert_eq!(out.into_bytes(), b"a\\\\b\\tc\\nd\\re\t\\N\t\\\\N\t\ttrue\n");
    }

    #[test]
    fn one_version_and_none_work() {
        assert_eq!(rows(&Content::new(Spec::new(1, 0))).0.len(), 1);
        assert_eq!(rows(&Content::new(Spec::new(0, 0))).0.len(), 0);
    }
}
