//! The table: each figure with those of the peers, its floor and its target, as text and as JSON.

use std::time::Duration;

use anstyle::{AnsiColor, Style};
use refit_model::wording::grouped;
use serde::{Serialize, Serializer};

use super::carried::Tool;

/// One figure.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Cell {
    /// The text.
    pub(crate) text: String,
    /// The number, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<f64>,
    /// The unit of `value`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<&'static str>,
}

impl Cell {
    /// An empty cell.
    pub(crate) fn none() -> Cell {
        Cell::words("—")
    }

    /// A text instead of a number.
    pub(crate) fn words(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), ..Cell::default() }
    }

    /// A count of things.
    pub(crate) fn count(value: u64, unit: &'static str) -> Cell {
        Cell { text: grouped(value), value: Some(value as f64), unit: Some(unit) }
    }

    /// A time.
    pub(crate) fn time(time: Duration) -> Cell {
        let milliseconds = time.as_secs_f64() * 1_000.0;
        let text = match milliseconds {
            ..100.0 => format!("{milliseconds:.2} ms"),
            ..1_000.0 => format!("{milliseconds:.0} ms"),
            _ => format!("{:.2} s", milliseconds / 1_000.0),
        };
        Cell { text, value: Some(milliseconds), unit: Some("ms") }
    }

    /// A time, and its ratio to another one.
    pub(crate) fn time_and_ratio(time: Duration, ratio: f64) -> Cell {
        let cell = Cell::time(time);
        Cell { text: format!("{} ({ratio:.1} ×)", cell.text), ..cell }
    }

    /// The same figure with a text after it.
    pub(crate) fn and(self, more: &str) -> Cell {
        Cell { text: format!("{}, {more}", self.text), ..self }
    }
}

/// Whether a target was met, and by how much.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "lowercase", tag = "outcome", content = "measure")]
pub(crate) enum Verdict {
    Met(String),
    Missed(String),
    /// There is no target, or nothing to compare with; the text says why, or what was measured instead.
    Open(String),
}

/// A target, the measured figure, and whether it was met.
#[derive(Serialize)]
pub(crate) struct Judged {
    pub(crate) what: &'static str,
    pub(crate) target: &'static str,
    pub(crate) verdict: Verdict,
}

impl Verdict {
    /// From a condition; `measure` is the figure that decided.
    pub(crate) fn of(met: bool, measure: impl Into<String>) -> Verdict {
        if met { Verdict::Met(measure.into()) } else { Verdict::Missed(measure.into()) }
    }

    /// Whether there is a target, and it was missed.
    pub(crate) fn is_missed(&self) -> bool {
        matches!(self, Verdict::Missed(_))
    }

    /// As text.
    pub(crate) fn text(&self) -> String {
        let (word, measure) = match self {
            Verdict::Met(measure) => ("met", measure),
            Verdict::Missed(measure) => ("MISSED", measure),
            Verdict::Open(measure) => ("", measure),
        };
        match (word.is_empty(), measure.is_empty()) {
            (true, _) => measure.clone(),
            (_, true) => word.to_owned(),
            _ => format!("{word}: {measure}"),
        }
    }

    fn style(&self) -> Style {
        match self {
            Verdict::Met(_) => Style::new().fg_color(Some(AnsiColor::Green.into())),
            Verdict::Missed(_) => Style::new().bold().fg_color(Some(AnsiColor::Red.into())),
            Verdict::Open(_) => Style::new(),
        }
    }
}

/// One line.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) what: String,
    /// In the order of [`Tool::ALL`].
    #[serde(serialize_with = "by_tool")]
    pub(crate) tools: [Cell; 3],
    /// The lower bound, measured in the same run.
    pub(crate) floor: Cell,
    pub(crate) target: &'static str,
    pub(crate) verdict: Verdict,
    /// What a reader needs to know to interpret the figures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

fn by_tool<S: Serializer>(cells: &[Cell; 3], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(Tool::ALL.map(Tool::name).iter().zip(cells))
}

/// All lines, and the environment of the measurement.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Table {
    pub(crate) format: u32,
    /// Server, its settings, the build.
    pub(crate) on: String,
    pub(crate) rows: Vec<Row>,
}

const TITLES: [&str; 7] = ["what", "refit", "refinery", "sqlx", "floor", "target", "verdict"];

impl Table {
    /// Whether a target was missed.
    pub(crate) fn missed(&self) -> bool {
        self.rows.iter().any(|row| row.verdict.is_missed())
    }

    /// The table as text, with numbered notes below.
    pub(crate) fn human(&self) -> String {
        let mut notes = Vec::new();
        let mut lines = vec![TITLES.map(str::to_owned)];
        for row in &self.rows {
            let mut what = row.what.clone();
            if let Some(note) = &row.note {
                notes.push(format!("[{}] {note}", notes.len() + 1));
                what.push_str(&format!(" [{}]", notes.len()));
            }
            let [refit, refinery, sqlx] = row.tools.each_ref().map(|cell| cell.text.clone());
            lines.push([
                what,
                refit,
                refinery,
                sqlx,
                row.floor.text.clone(),
                row.target.into(),
                row.verdict.text(),
            ]);
        }
        let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
        let widths: [usize; 7] = std::array::from_fn(width);
        let mut text = String::new();
        for (index, line) in lines.iter().enumerate() {
            let verdict = index.checked_sub(1).and_then(|index| self.rows.get(index)).map(|row| &row.verdict);
            let last = verdict.map_or(Style::new().bold(), Verdict::style);
            let rest = if verdict.is_some() { Style::new() } else { Style::new().bold() };
            for (column, cell) in line.iter().enumerate().take(6) {
                let padding = " ".repeat(widths[column] - cell.chars().count() + 2);
                text.push_str(&format!("{rest}{cell}{rest:#}{padding}"));
            }
            text.push_str(&format!("{last}{}{last:#}\n", line[6]));
        }
        for line in notes.iter().chain([&self.on]) {
            text.push_str(&format!("\n{line}"));
        }
        text
    }
}

/// Aligns the cells of all lines in columns. Every line has the same number of cells.
pub(crate) fn aligned(lines: &[Vec<String>]) -> String {
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..lines.first().map_or(0, Vec::len)).map(width).collect();
    let padded = |line: &Vec<String>| {
        let cells = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    lines.iter().map(padded).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(what: &str, verdict: Verdict) -> Row {
        let tools = [Cell::count(1, "round trips"), Cell::time(Duration::from_micros(2_060)), Cell::none()];
        Row { what: what.into(), tools, floor: Cell::none(), target: "1", verdict, note: Some("why".into()) }
    }

    #[test]
    fn columns_line_up_and_notes_are_numbered() {
        let rows = vec![row("a", Verdict::of(true, "")), row("longer", Verdict::of(false, "0.4"))];
        let table = Table { format: 1, on: "here".into(), rows };
        assert!(table.missed());
        let text = anstream::adapter::strip_str(&table.human()).to_string();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "a [1]       1      2.06 ms   —     —      1       met");
        assert_eq!(lines[2], "longer [2]  1      2.06 ms   —     —      1       MISSED: 0.4");
        assert_eq!(&lines[4..], ["[1] why", "[2] why", "here"]);
    }

    #[test]
    fn times_are_shown_in_the_unit_that_fits() {
        let shown = |micros| Cell::time(Duration::from_micros(micros)).text;
        assert_eq!([shown(950), shown(137_400), shown(1_250_000)], ["0.95 ms", "137 ms", "1.25 s"]);
    }
}
