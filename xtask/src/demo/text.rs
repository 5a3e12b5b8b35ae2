//! Random titles and bodies from words of many scripts. The same random numbers give the same text. Every text is valid
//! for a PostgreSQL `text` column (no U+0000), and some break careless code: the end-of-data marker of COPY, a
//! literal `\N`, line endings, quotes, combining marks, right-to-left overrides.

use rand::RngExt;

/// A fixed algorithm, so that a seed gives the same content with every release of `rand`.
pub(crate) type Random = rand::rngs::Xoshiro256PlusPlus;

/// A vocabulary per script, most frequent scripts first.
const SCRIPTS: &[&[&str]] = &[
    &[
        "draft", "release", "the", "site", "moved", "and", "its", "content", "history", "stayed", "where",
        "it", "was",
    ],
    &[
        "façade",
        "naïve",
        "Straße",
        "über",
        "œuvre",
        "año",
        "smørrebrød",
        "žluťoučký",
        "kůň",
        "İstanbul",
        "ığdır",
    ],
    &["новости", "выпуск", "страница", "и", "сайт", "который", "переехал", "вчера", "ёлка"],
    &["今日", "公開", "記事", "版", "更新", "サイト", "です", "した", "東京", "カタカナ"],
    &["版本", "网站", "内容", "历史", "迁移", "完成", "龍", "𠮷野家"],
    &["الموقع", "انتقل", "أمس", "مع", "كل", "النسخ", "السابقة"],
    &["האתר", "עבר", "אתמול", "עם", "כל", "הגרסאות"],
    &["साइट", "सामग्री", "संस्करण", "और", "इतिहास", "क्षेत्र"],
    &["เว็บไซต์", "ย้าย", "เมื่อวาน", "พร้อม", "ประวัติ", "ทั้งหมด"],
    &["사이트", "내용", "버전", "이전", "완료", "역사"],
    &["Νέα", "έκδοση", "του", "ιστότοπου", "χθες", "ΣΊΣΥΦΟΣ"],
    &["საიტი", "გუშინ", "հայերեն", "አማርኛ", "ᚠᛇᚻ", "ਪੰਜਾਬੀ", "தமிழ்"],
];

const EMOJI: &[&str] = &["🎉", "🚀", "👩‍👩‍👧‍👦", "🇪🇺", "👍🏽", "🏳️‍🌈", "❤️", "🧑🏿‍🚀", "☃"];

/// Texts that careless quoting, escaping or normalising damages.
const AWKWARD: &[&str] = &[
    "\\.",
    "\\N",
    "tab\there, line\nfeed, return\r\nand both",
    "it's \"quoted\" with $1, %s, {} and \\u0000",
    "'; DROP TABLE content_versions; --",
    "e\u{301} is not é, and \u{1e9b}\u{323} has four forms",
    "\u{202e}right to left\u{202c} and \u{200b}zero\u{200d}width\u{feff}",
    "<script>alert(1)</script> &amp; <b>",
    "  leading and trailing  ",
    "\u{1}\u{7}\u{8}\u{b}\u{c}\u{1b}[31m\u{7f}",
    "𝕬𝖘𝖙𝖗𝖆𝖑 \u{10fffd} \u{e000}",
    "NULL",
];

const SENTENCES: usize = 2048;
const AUTHORS: usize = 400;

/// A stock of sentences and names. Building rows from it is much faster than from single words.
pub(crate) struct Stock {
    sentences: Vec<String>,
    titles: Vec<String>,
    authors: Vec<String>,
}

impl Stock {
    /// Fills the stock; more than half comes from the first three scripts.
    pub(crate) fn new(rng: &mut Random) -> Stock {
        let sentences = (0..SENTENCES).map(|_| sentence(rng, 4, 16)).collect();
        let titles = (0..SENTENCES).map(|_| sentence(rng, 2, 8)).collect();
        let authors = (0..AUTHORS).map(|_| sentence(rng, 1, 3)).collect();
        Stock { sentences, titles, authors }
    }

    /// A short line, sometimes with an emoji or an awkward text.
    pub(crate) fn title(&self, rng: &mut Random) -> String {
        let mut title = self.titles[rng.random_range(0..self.titles.len())].clone();
        match rng.random_range(0..200_u32) {
            0 => title = AWKWARD[rng.random_range(0..AWKWARD.len())].to_owned(),
            1..20 => {
                title.push(' ');
                title.push_str(EMOJI[rng.random_range(0..EMOJI.len())]);
            }
            _ => {}
        }
        title
    }

    /// One to eight sentences, usually one or two; one body in a thousand is long enough to be stored out of line.
    pub(crate) fn body(&self, rng: &mut Random) -> String {
        let sentences = match rng.random_range(0..1000_u32) {
            0 => 150,
            1..8 => return AWKWARD[rng.random_range(0..AWKWARD.len())].to_owned(),
            8..10 => return String::new(),
            _ => log_uniform(rng, 8) + 1,
        };
        let mut body = String::with_capacity(sentences * 64);
        for i in 0..sentences {
            if i > 0 {
                body.push_str(if i % 5 == 0 { "\n\n" } else { " " });
            }
            body.push_str(self.sentence(rng));
        }
        body
    }

    /// One of a few hundred authors, some of whom write most of the content.
    pub(crate) fn author(&self, rng: &mut Random) -> &str {
        &self.authors[log_uniform(rng, AUTHORS)]
    }

    fn sentence(&self, rng: &mut Random) -> &str {
        &self.sentences[rng.random_range(0..self.sentences.len())]
    }
}

/// A number from 0 to `below` - 1 with a probability proportional to 1 / (number + 1): close to Zipf's law, without a table.
pub(crate) fn log_uniform(rng: &mut Random, below: usize) -> usize {
    let exponent: f64 = rng.random::<f64>() * ((below + 1) as f64).ln();
    ((exponent.exp() as usize).saturating_sub(1)).min(below.saturating_sub(1))
}

fn sentence(rng: &mut Random, least: usize, most: usize) -> String {
    let script = SCRIPTS[log_uniform(rng, SCRIPTS.len())];
    let words = rng.random_range(least..=most);
    let mut sentence = String::new();
    for i in 0..words {
        if i > 0 {
            sentence.push(' ');
        }
        sentence.push_str(script[rng.random_range(0..script.len())]);
    }
    sentence
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn log_uniform_is_skewed_and_stays_in_range() {
        let mut rng = Random::seed_from_u64(1);
        let mut hits = [0_u32; 100];
        for _ in 0..100_000 {
            hits[log_uniform(&mut rng, 100)] += 1;
        }
        assert!(hits[0] > 10 * hits[20], "the first is much more frequent: {hits:?}");
        assert!(hits[99] > 0, "the last is reached: {hits:?}");
        assert_eq!(log_uniform(&mut rng, 1), 0);
    }

    #[test]
    fn texts_can_be_stored() {
        let mut rng = Random::seed_from_u64(2);
        let stock = Stock::new(&mut rng);
        let bodies: Vec<String> = (0..20_000).map(|_| stock.body(&mut rng)).collect();
        assert!(bodies.iter().all(|body| !body.contains('\0')));
        assert!(bodies.iter().any(|body| body == "\\."), "the end marker of COPY is among them");
        assert!(bodies.iter().any(|body| body.len() > 8192), "some are stored out of line");
    }
}
