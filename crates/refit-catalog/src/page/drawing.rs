//! The diagram of all tables, as inline SVG: boxes are links, lines end in crow's feet.

use std::collections::HashMap;

use super::layout::{Layout, place};
use super::markup::{clipped, text};
use super::tables::{Index, end};
use crate::diagram::{Marks, Relation, plural, schema_of, short_type};
use crate::{Catalog, Table};

/// Maximum number of tables that are drawn with their columns.
const DETAILED: usize = 30;
/// Maximum number of columns of each.
const COLUMNS: usize = 14;
/// Heights of a box's title and of a row, and the width of a character, in pixels.
const TITLE: f64 = 28.0;
const ROW: f64 = 18.0;
const LETTER: f64 = 7.3;

struct Shape<'a> {
    id: &'a str,
    name: &'a str,
    table: &'a Table,
    width: f64,
    height: f64,
    /// Number of drawn columns.
    rows: usize,
}

/// The section with the drawing.
pub(super) fn section(out: &mut String, catalog: &Catalog, index: &Index<'_>, relations: &[Relation<'_>]) {
    out.push_str(
        "<section id=\"diagram\" aria-labelledby=\"diagram-h\">\n<h2 id=\"diagram-h\">Diagram</h2>\n",
    );
    let shapes = shapes(catalog, index);
    let places: HashMap<&str, usize> =
        shapes.iter().enumerate().map(|(place, shape)| (shape.name, place)).collect();
    let drawn: Vec<(&Relation<'_>, usize, usize)> = relations
        .iter()
        .filter_map(|relation| Some((relation, *places.get(relation.child)?, *places.get(relation.parent)?)))
        .collect();
    let sizes: Vec<(f64, f64)> = shapes.iter().map(|shape| (shape.width, shape.height)).collect();
    let edges: Vec<(usize, usize)> = drawn.iter().map(|(_, child, parent)| (*child, *parent)).collect();
    let layout = place(&sizes, &edges);
    let partitions = index.entries.iter().filter(|entry| !entry.table.partition_of.is_empty()).count();
    if partitions > 0 {
        let noun = plural(partitions, "partition is", "partitions are");
        out.push_str(&format!("<p class=\"facts\">{partitions} {noun} not drawn.</p>\n"));
    }
    out.push_str(MARKERS);
    if !shapes.is_empty() {
        let fit = if layout.width <= 1_500.0 { " fit" } else { "" };
        out.push_str(&format!(
            "<div class=\"drawing{fit}\" id=\"overview\" tabindex=\"0\" role=\"region\" aria-labelledby=\"diagram-h\">\n<svg width=\"{0:.0}\" height=\"{1:.0}\" viewBox=\"0 0 {0:.0} {1:.0}\" role=\"group\" aria-label=\"Tables and their foreign keys\">\n",
            layout.width, layout.height
        ));
        for (relation, child, parent) in drawn {
            line(out, relation, &shapes, &layout, child, parent);
        }
        shapes.iter().zip(&layout.corners).for_each(|(shape, corner)| figure(out, shape, *corner));
        out.push_str("</svg>\n</div>\n");
        out.push_str(LEGEND);
    }
    out.push_str("</section>\n");
}

/// Line end markers, for this drawing and those of the script. The tip is at 24.
const MARKERS: &str = r#"<svg class="defs" width="0" height="0" aria-hidden="true"><defs>
<marker id="one" viewBox="0 0 24 16" refX="24" refY="8" markerWidth="24" markerHeight="16" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M14 3V13M19 3V13"/></marker>
<marker id="zero-one" viewBox="0 0 24 16" refX="24" refY="8" markerWidth="24" markerHeight="16" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><circle cx="10" cy="8" r="4"/><path d="M19 3V13"/></marker>
<marker id="many" viewBox="0 0 24 16" refX="24" refY="8" markerWidth="24" markerHeight="16" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><circle cx="8" cy="8" r="4"/><path d="M12 8L24 2M12 8L24 14"/></marker>
<marker id="one-many" viewBox="0 0 24 16" refX="24" refY="8" markerWidth="24" markerHeight="16" markerUnits="userSpaceOnUse" orient="auto-start-reverse"><path d="M8 3V13M12 8L24 2M12 8L24 14"/></marker>
</defs></svg>
"#;

const LEGEND: &str = r#"<ul class="legend" aria-label="How lines end">
<li><svg width="44" height="16" aria-hidden="true"><path class="edge" d="M0 8H42" marker-end="url(#one)"/></svg> exactly one</li>
<li><svg width="44" height="16" aria-hidden="true"><path class="edge" d="M0 8H42" marker-end="url(#zero-one)"/></svg> at most one</li>
<li><svg width="44" height="16" aria-hidden="true"><path class="edge" d="M0 8H42" marker-end="url(#many)"/></svg> any number</li>
</ul>
"#;

fn shapes<'a>(catalog: &'a Catalog, index: &'a Index<'_>) -> Vec<Shape<'a>> {
    let all = catalog.tables.iter().chain(&catalog.foreign_tables);
    let whole: Vec<(&String, &Table)> = all.filter(|(_, table)| table.partition_of.is_empty()).collect();
    let detailed = whole.len() <= DETAILED;
    let shape = |(name, table): (&'a String, &'a Table)| {
        let rows = if detailed { table.columns.len().min(COLUMNS) } else { 0 };
        let cells = table.columns.iter().take(rows);
        let widest = cells
            .map(|column| {
                cells_of(&clipped(&column.name, 26))
                    + cells_of(&clipped(&short_type(&column.type_name), 24))
                    + 5
            })
            .max();
        let letters = widest.unwrap_or_default().max(cells_of(&title(name)) + 2);
        let more = if detailed && table.columns.len() > rows { 1 } else { 0 };
        Shape {
            id: index.id(name).unwrap_or_default(),
            name,
            table,
            width: letters as f64 * LETTER + 16.0,
            height: TITLE + (rows + more) as f64 * ROW + if rows > 0 { 8.0 } else { 0.0 },
            rows,
        }
    };
    whole.into_iter().map(shape).collect()
}

/// The schema `public` is omitted from names.
fn title(name: &str) -> String {
    let name = if schema_of(name) == "public" { super::tables::bare(name) } else { name };
    clipped(name, 40)
}

/// Width of a text in characters: East Asian characters and emoji count as two.
fn cells_of(text: &str) -> usize {
    text.chars().map(|c| if u32::from(c) >= 0x1100 { 2 } else { 1 }).sum()
}

fn figure(out: &mut String, shape: &Shape<'_>, (x, y): (f64, f64)) {
    let (width, height) = (shape.width, shape.height);
    out.push_str(&format!(
        "<a class=\"node\" href=\"#{}\" data-name=\"{}\"><title>{1}</title><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"5\"/>",
        shape.id,
        text(shape.name)
    ));
    out.push_str(&format!(
        "<text class=\"title\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
        x + 10.0,
        y + 19.0,
        text(&title(shape.name))
    ));
    if shape.rows > 0 {
        out.push_str(&format!("<path class=\"rule\" d=\"M{x:.1} {:.1}h{width:.1}\"/>", y + TITLE));
    }
    for (row, column) in shape.table.columns.iter().take(shape.rows).enumerate() {
        let base = y + TITLE + (row as f64 + 1.0) * ROW - 2.0;
        let mark = Marks::of(shape.table, &column.name).words().first().copied().unwrap_or_default();
        out.push_str(&format!(
            "<text class=\"mark {}\" x=\"{:.1}\" y=\"{base:.1}\">{mark}</text><text x=\"{:.1}\" y=\"{base:.1}\">{}</text><text class=\"type\" x=\"{:.1}\" y=\"{base:.1}\" text-anchor=\"end\">{}</text>",
            mark.to_lowercase(),
            x + 10.0,
            x + 10.0 + 3.0 * LETTER,
            text(&clipped(&column.name, 26)),
            x + width - 10.0,
            text(&clipped(&short_type(&column.type_name), 24)),
        ));
    }
    let left = shape.table.columns.len() - shape.rows;
    if shape.rows > 0 && left > 0 {
        let base = y + TITLE + (shape.rows as f64 + 1.0) * ROW - 2.0;
        out.push_str(&format!(
            "<text class=\"type\" x=\"{:.1}\" y=\"{base:.1}\">+ {left} more</text>",
            x + 10.0
        ));
    }
    out.push_str("</a>\n");
}

/// From the row of the foreign key's first column to the column that it references, if these are drawn.
fn line(
    out: &mut String,
    relation: &Relation<'_>,
    shapes: &[Shape<'_>],
    layout: &Layout,
    child: usize,
    parent: usize,
) {
    let row = |place: usize, column: Option<usize>| {
        let shape = &shapes[place];
        let inside = column.filter(|row| *row < shape.rows);
        let offset = inside.map_or(TITLE / 2.0, |row| TITLE + (row as f64 + 0.5) * ROW + 3.0);
        layout.corners[place].1 + offset
    };
    let column = |place: usize, name: Option<&String>| {
        shapes[place].table.columns.iter().position(|column| Some(&column.name) == name)
    };
    let y1 = row(child, column(child, relation.columns.first()));
    let key = shapes[parent].table.constraints.values().find(|constraint| constraint.kind == "primary key");
    let y2 = row(parent, column(parent, key.and_then(|key| key.columns.first())));
    let (left, right) = (layout.corners[child].0, layout.corners[parent].0 + shapes[parent].width);
    let path = if right <= left {
        let bend = ((left - right) / 2.0).clamp(36.0, 160.0);
        format!(
            "M{left:.1} {y1:.1}C{:.1} {y1:.1} {:.1} {y2:.1} {right:.1} {y2:.1}",
            left - bend,
            right + bend
        )
    } else {
        // A loop, or a line that goes back: from right side to right side.
        let start = layout.corners[child].0 + shapes[child].width;
        let y2 = if child == parent { layout.corners[parent].1 + TITLE / 2.0 } else { y2 };
        let y1 = if (y1 - y2).abs() < 10.0 { y1 + TITLE / 3.0 } else { y1 };
        let bend = start.max(right) + 50.0;
        format!("M{start:.1} {y1:.1}C{bend:.1} {y1:.1} {bend:.1} {y2:.1} {right:.1} {y2:.1}")
    };
    out.push_str(&format!(
        "<path class=\"edge\" d=\"{path}\" data-a=\"{}\" data-b=\"{}\" marker-start=\"url(#{})\" marker-end=\"url(#{})\"/>\n",
        shapes[child].id,
        shapes[parent].id,
        end(relation.children),
        end(relation.parents)
    ));
}
