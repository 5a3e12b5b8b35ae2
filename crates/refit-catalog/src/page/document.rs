//! An HTML document in Refit's style that needs no network, server or other file. Its content security policy allows only its own
//! style and script, and nothing is fetched.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::markup::text;

const STYLE: &str = include_str!("base.css");

/// A document. Every text in `body` has been escaped by [`escape`](super::escape), and no element of it has an attribute `style` or a
/// handler, which the policy would ignore.
#[derive(Clone, Copy, Debug)]
pub struct Document<'a> {
    /// The title, not escaped.
    pub title: &'a str,
    /// CSS in addition to that of all documents: headings, tables, code, colors, in light and dark.
    pub style: &'a str,
    /// The content of the element `body`.
    pub body: &'a str,
    /// The script. Empty for none.
    pub script: &'a str,
}

impl Document<'_> {
    /// Writes the document, in UTF-8.
    pub fn html(&self) -> String {
        let style = format!("{STYLE}{}", self.style);
        let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        let policy = policy(&style, self.script);
        out.push_str(&format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n"));
        out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n");
        out.push_str(&format!("<title>{}</title>\n<style>{style}</style>\n</head>\n", text(self.title)));
        out.push_str(&format!("<body>\n{}", self.body));
        if !self.script.is_empty() {
            out.push_str(&format!("<script>{}</script>\n", self.script));
        }
        out.push_str("</body>\n</html>\n");
        out
    }
}

/// Only this style and script. Fetching, framing, forms and a base are forbidden with everything else.
fn policy(style: &str, script: &str) -> String {
    let hash = |text: &str| STANDARD.encode(Sha256::digest(text));
    let script = match script {
        "" => String::new(),
        script => format!(" script-src 'sha256-{}';", hash(script)),
    };
    format!(
        "default-src 'none'; style-src 'sha256-{}';{script} base-uri 'none'; form-action 'none'",
        hash(style)
    )
}
