//! A sheet: a document of facts and tables, as text, Markdown, or one HTML page.

use refit_catalog::page::{Document, escape};
use refit_model::visible_line;

use crate::output::Format;
use crate::styled::{Style, Text, text};

/// The style of a sheet's page, in addition to that of all pages.
const STYLE: &str = include_str!("sheet.css");

/// A document.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    pub(crate) title: String,
    /// Names and values below the title.
    pub(crate) facts: Vec<(&'static str, String)>,
    pub(crate) sections: Vec<Section>,
    /// Whether the page begins with links to its sections.
    pub(crate) contents: bool,
}

/// A heading, and what stands below it.
#[derive(Debug)]
pub(crate) struct Section {
    pub(crate) heading: String,
    pub(crate) blocks: Vec<Block>,
}

#[derive(Debug)]
pub(crate) enum Block {
    /// The names of the columns, and the rows.
    Table(Vec<&'static str>, Vec<Vec<Cell>>),
    List(Vec<String>),
    /// Text with its line breaks.
    Verbatim(String),
    /// A heading within a section.
    Heading(&'static str),
    /// Markdown.
    Prose(String),
}

/// A text in a table.
#[derive(Debug, Default)]
pub(crate) struct Cell {
    text: String,
    style: Option<Style>,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell { text: text.into(), style: None }
    }
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell { text: text.into(), style: Some(style) }
    }

    fn text(&self, width: usize) -> Text {
        let shown = visible_line(&self.text);
        match self.style {
            Some(style) => style.column(shown, width),
            None => format!("{shown:width$}").into(),
        }
    }
}

impl Section {
    pub(crate) fn new(heading: &str, block: Block) -> Section {
        Section { heading: heading.to_owned(), blocks: vec![block] }
    }

    /// A section with a table; none without rows.
    pub(crate) fn table(heading: &str, columns: &[&'static str], rows: Vec<Vec<Cell>>) -> Option<Section> {
        (!rows.is_empty()).then(|| Section::new(heading, Block::Table(columns.to_vec(), rows)))
    }
}

impl Sheet {
    /// The sheet in a format for people: HTML, Markdown, or text.
    pub(crate) fn render(&self, format: Format) -> Text {
        match format {
            Format::Html => self.html().trim_end().to_owned().into(),
            Format::Markdown => self.markdown().trim_end().to_owned().into(),
            _ => self.text(),
        }
    }

    fn text(&self) -> Text {
        let mut lines = vec![Style::Bold.of(visible_line(&self.title))];
        let width = self.facts.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
        for (name, value) in &self.facts {
            lines.push(text!["  ", Style::Quiet.column(name, width), format!("  {}", visible_line(value))]);
        }
        for section in &self.sections {
            lines.push(text!["\n", Style::Bold.of(visible_line(&section.heading))]);
            section.blocks.iter().for_each(|block| block.text(&mut lines));
        }
        Text::lines(lines)
    }

    fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n", markdown(&self.title));
        for (name, value) in &self.facts {
            out.push_str(&format!("- {name}: {}\n", markdown(value)));
        }
        for section in &self.sections {
            out.push_str(&format!("\n## {}\n\n", markdown(&section.heading)));
            section.blocks.iter().for_each(|block| block.markdown(&mut out));
        }
        out
    }

    fn html(&self) -> String {
        let mut body = String::from("<a class=\"skip\" href=\"#main\">Skip to the content</a>\n<header>\n");
        body.push_str(&format!("<h1>{}</h1>\n<dl>\n", escape(&self.title)));
        for (name, value) in &self.facts {
            body.push_str(&format!("<div><dt>{name}</dt><dd>{}</dd></div>\n", escape(value)));
        }
        body.push_str("</dl>\n");
        if self.contents {
            body.push_str("<nav class=\"jump contents\" aria-label=\"Sections\">\n");
            for (number, section) in self.sections.iter().enumerate() {
                body.push_str(&format!("<a href=\"#h{number}\">{}</a>\n", escape(&section.heading)));
            }
            body.push_str("</nav>\n");
        }
        body.push_str("</header>\n<main id=\"main\" tabindex=\"-1\">\n");
        for (number, section) in self.sections.iter().enumerate() {
            let heading = escape(&section.heading);
            body.push_str(&format!(
                "<section aria-labelledby=\"h{number}\">\n<h2 id=\"h{number}\">{heading}</h2>\n"
            ));
            section.blocks.iter().for_each(|block| block.html(&mut body, number));
            body.push_str("</section>\n");
        }
        body.push_str("</main>\n");
        Document { title: &self.title, style: STYLE, body: &body, script: "" }.html()
    }
}

impl Block {
    fn text(&self, lines: &mut Vec<Text>) {
        match self {
            Block::Table(columns, rows) => {
                let widths: Vec<usize> = columns
                    .iter()
                    .enumerate()
                    .map(|(column, name)| {
                        let cells = rows.iter().filter_map(|row| row.get(column));
                        let widest = cells.map(|cell| visible_line(&cell.text).chars().count()).max();
                        widest.unwrap_or(0).max(name.chars().count())
                    })
                    .collect();
                // The last column is not padded.
                let width = |column: usize| if column + 1 == columns.len() { 0 } else { widths[column] };
                let names = columns.iter().enumerate();
                let names = names.map(|(column, name)| Style::Quiet.column(name, width(column)));
                lines.push(text!["  ", Text::join(names, "  ")]);
                for row in rows {
                    let used = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |last| last + 1);
                    let width = |column: usize| if column + 1 == used { 0 } else { width(column) };
                    let cells = row[..used].iter().enumerate();
                    let cells = cells.map(|(column, cell)| cell.text(width(column)));
                    lines.push(text!["  ", Text::join(cells, "  ")]);
                }
            }
            Block::List(items) => {
                let lines_of =
                    |item: &String| item.lines().map(visible_line).collect::<Vec<_>>().join("\n    ");
                lines.extend(items.iter().map(|item| format!("  {}", lines_of(item)).into()));
            }
            Block::Heading(name) => lines.push(text!["  ", Style::Bold.of(name)]),
            Block::Verbatim(text) | Block::Prose(text) => {
                lines.extend(text.lines().map(|line| format!("  {line}").into()));
            }
        }
    }

    fn markdown(&self, out: &mut String) {
        match self {
            Block::Table(columns, rows) => {
                out.push_str(&format!("| {} |\n|{}\n", columns.join(" | "), "---|".repeat(columns.len())));
                for row in rows {
                    let cells: Vec<String> = row.iter().map(|cell| markdown(&cell.text)).collect();
                    out.push_str(&format!("| {} |\n", cells.join(" | ")));
                }
            }
            Block::List(items) => {
                for item in items {
                    let lines: Vec<String> = item.lines().map(markdown).collect();
                    out.push_str(&format!("- {}\n", lines.join("  \n  ")));
                }
            }
            Block::Heading(name) => out.push_str(&format!("### {name}\n\n")),
            // Indented, so that no fence in the text ends it.
            Block::Verbatim(text) | Block::Prose(text) => {
                text.lines().for_each(|line| out.push_str(&format!("    {}\n", visible_line(line))));
            }
        }
    }

    fn html(&self, out: &mut String, section: usize) {
        match self {
            Block::Table(columns, rows) => {
                out.push_str(&format!(
                    "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-labelledby=\"h{section}\">\
                     <table class=\"columns\">\n<thead><tr>"
                ));
                columns.iter().for_each(|name| out.push_str(&format!("<th scope=\"col\">{name}</th>")));
                out.push_str("</tr></thead>\n<tbody>\n");
                for row in rows {
                    out.push_str("<tr>");
                    row.iter().enumerate().for_each(|(column, cell)| cell.html(out, column));
                    out.push_str("</tr>\n");
                }
                out.push_str("</tbody></table></div>\n");
            }
            Block::List(items) => {
                out.push_str("<ul>\n");
                items.iter().for_each(|item| out.push_str(&format!("<li>{}</li>\n", escape(item))));
                out.push_str("</ul>\n");
            }
            Block::Heading(name) => out.push_str(&format!("<h3>{name}</h3>\n")),
            Block::Prose(text) => out.push_str(&super::prose::html(text)),
            Block::Verbatim(text) => out.push_str(&format!("<pre tabindex=\"0\">{}</pre>\n", escape(text))),
        }
    }
}

impl Cell {
    fn html(&self, out: &mut String, column: usize) {
        let text = escape(&self.text);
        let text = match self.style {
            Some(Style::Good) => format!("<span class=\"mark added\">{text}</span>"),
            Some(Style::Warn) => format!("<span class=\"mark changed\">{text}</span>"),
            Some(Style::Bad) => format!("<span class=\"mark removed\">{text}</span>"),
            _ => text,
        };
        match column {
            0 => out.push_str(&format!("<th scope=\"row\">{text}</th>")),
            _ => out.push_str(&format!("<td>{text}</td>")),
        }
    }
}

/// A text that means nothing in Markdown, on one line.
fn markdown(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in visible_line(text).chars() {
        if matches!(c, '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '~' | '&' | '$') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sheet() -> Sheet {
        let rows = vec![vec![Cell::from("a|b"), Cell::styled("<script>", Style::Bad)]];
        let mut sheet = Sheet {
            title: "Run <1> & more".to_owned(),
            facts: vec![("Environment", "a\u{1b}[31m".to_owned())],
            sections: Section::table("Steps", &["Step", "Outcome"], rows).into_iter().collect(),
            contents: true,
        };
        sheet.sections.push(Section::new("Error", Block::Verbatim("one\n```\n</pre>".to_owned())));
        sheet.sections.push(Section::new("Warnings", Block::List(vec!["*x*".to_owned()])));
        sheet
    }

    #[test]
    fn nothing_in_it_is_markup() {
        let html = sheet().html();
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;"), "{html}");
        assert!(html.contains("&lt;/pre&gt;") && html.contains("Run &lt;1&gt; &amp; more"), "{html}");
        let text = sheet().markdown();
        assert!(text.contains("| a\\|b | \\<script\\> |") && text.contains("- \\*x\\*"), "{text}");
        assert!(text.contains("    ```\n") && !text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn empty_tables_are_left_out() {
        assert!(Section::table("Steps", &["Step"], Vec::new()).is_none());
    }
}
