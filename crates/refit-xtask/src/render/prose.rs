//! Markdown as HTML, for the descriptions of migrations. Nothing in it is markup of the page: raw HTML is shown as text, images and
//! links as their texts.

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};
use refit_catalog::page::escape;

/// Renders a Markdown document. Headings begin at level 4.
pub(crate) fn html(markdown: &str) -> String {
    let options = Options::ENABLE_TABLES | Options::ENABLE_TASKLISTS | Options::ENABLE_STRIKETHROUGH;
    let mut out = String::from("<div class=\"prose\">\n");
    for event in Parser::new_ext(markdown, options) {
        match event {
            Event::Start(tag) => start(&mut out, &tag),
            Event::End(tag) => end(&mut out, tag),
            Event::Text(text) | Event::Html(text) | Event::InlineHtml(text) => out.push_str(&escape(&text)),
            Event::Code(text) => out.push_str(&format!("<code>{}</code>", escape(&text))),
            Event::SoftBreak => out.push('\n'),
            Event::HardBreak => out.push_str("<br>\n"),
            Event::Rule => out.push_str("<hr>\n"),
            Event::TaskListMarker(done) => out.push_str(if done { "☑ " } else { "☐ " }),
            Event::FootnoteReference(text) | Event::InlineMath(text) | Event::DisplayMath(text) => {
                out.push_str(&escape(&text));
            }
        }
    }
    out.push_str("</div>\n");
    out
}

fn start(out: &mut String, tag: &Tag<'_>) {
    match tag {
        Tag::Paragraph => out.push_str("<p>"),
        Tag::Heading { .. } => out.push_str("<h4>"),
        Tag::BlockQuote(_) => out.push_str("<blockquote>"),
        Tag::CodeBlock(CodeBlockKind::Indented | CodeBlockKind::Fenced(_)) => {
            out.push_str("<pre tabindex=\"0\">");
        }
        Tag::List(Some(first)) => out.push_str(&format!("<ol start=\"{first}\">\n")),
        Tag::List(None) => out.push_str("<ul>\n"),
        Tag::Item => out.push_str("<li>"),
        Tag::Table(_) => out.push_str("<div class=\"wide\"><table class=\"columns\">\n"),
        Tag::TableHead | Tag::TableRow => out.push_str("<tr>"),
        Tag::TableCell => out.push_str("<td>"),
        Tag::Emphasis => out.push_str("<em>"),
        Tag::Strong => out.push_str("<strong>"),
        Tag::Strikethrough => out.push_str("<del>"),
        // Links, images and the rest: their texts.
        _ => {}
    }
}

fn end(out: &mut String, tag: TagEnd) {
    match tag {
        TagEnd::Paragraph => out.push_str("</p>\n"),
        TagEnd::Heading(_) => out.push_str("</h4>\n"),
        TagEnd::BlockQuote(_) => out.push_str("</blockquote>\n"),
        TagEnd::CodeBlock => out.push_str("</pre>\n"),
        TagEnd::List(true) => out.push_str("</ol>\n"),
        TagEnd::List(false) => out.push_str("</ul>\n"),
        TagEnd::Item => out.push_str("</li>\n"),
        TagEnd::Table => out.push_str("</table></div>\n"),
        TagEnd::TableHead | TagEnd::TableRow => out.push_str("</tr>\n"),
        TagEnd::TableCell => out.push_str("</td>"),
        TagEnd::Emphasis => out.push_str("</em>"),
        TagEnd::Strong => out.push_str("</strong>"),
        TagEnd::Strikethrough => out.push_str("</del>"),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_is_rendered_and_html_is_text() {
        let page = html(
            "# Why\n\nA *new* column & [more](javascript:alert(1)).\n\n<script>x</script>\n\n- one\n- `two`\n",
        );
        assert!(page.contains("<h4>Why</h4>") && page.contains("<em>new</em> column &amp; more."), "{page}");
        assert!(page.contains("<li>one</li>") && page.contains("<code>two</code>"), "{page}");
        assert!(
            page.contains("&lt;script&gt;") && !page.contains("<script") && !page.contains("javascript"),
            "{page}"
        );
        assert!(
            html("```sql\nSELECT '<b>';\n```\n").contains("<pre tabindex=\"0\">SELECT &#39;&lt;b&gt;&#39;;")
        );
    }
}
