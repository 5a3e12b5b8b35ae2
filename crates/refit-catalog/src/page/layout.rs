//! Positions of boxes: tables that reference nothing are on the left, each other table is to the right of all that it
//! references, and tables without relations are in rows below. Cycles are broken where the fewest edges go back.

/// Between columns, with room for the lines.
const ACROSS: f64 = 90.0;
/// Between boxes of a column.
const DOWN: f64 = 22.0;
/// Around everything.
const MARGIN: f64 = 14.0;

/// All positions, in pixels; indexes are those of the given boxes.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: f64,
    pub(super) height: f64,
    /// Top left corners.
    pub(super) corners: Vec<(f64, f64)>,
}

/// Positions boxes of a given width and height. Edges go from a child's index to its parent's.
pub(super) fn place(sizes: &[(f64, f64)], edges: &[(usize, usize)]) -> Layout {
    let mut is_alone = vec![true; sizes.len()];
    for (child, parent) in edges.iter().filter(|(child, parent)| child != parent) {
        (is_alone[*child], is_alone[*parent]) = (false, false);
    }
    let area: f64 = sizes.iter().map(|(width, height)| (width + ACROSS) * (height + DOWN)).sum();
    let limit = (area.sqrt() * 0.8).max(620.0);
    let columns = columns(sizes, &layers(sizes.len(), edges, &is_alone), edges, limit);
    let mut corners = vec![(0.0, 0.0); sizes.len()];
    let height_of = |column: &[usize]| column.iter().map(|place| sizes[*place].1 + DOWN).sum::<f64>() - DOWN;
    let tallest = columns.iter().map(|column| height_of(column)).fold(0.0, f64::max);
    let mut x = MARGIN;
    for column in &columns {
        // A drawing that is taller than a screen is aligned to the top.
        let above = if tallest > 900.0 { 0.0 } else { (tallest - height_of(column)) / 2.0 };
        let mut y = MARGIN + above;
        for place in column {
            corners[*place] = (x, y);
            y += sizes[*place].1 + DOWN;
        }
        x += column.iter().map(|place| sizes[*place].0).fold(0.0, f64::max) + ACROSS;
    }
    let mut width = if columns.is_empty() { 0.0 } else { x - ACROSS };
    let top = if columns.is_empty() { MARGIN } else { MARGIN + tallest + 2.0 * DOWN };
    let row_width = width.max(limit * 1.4);
    let alone: Vec<usize> = (0..sizes.len()).filter(|place| is_alone[*place]).collect();
    let bottom = rows(sizes, &alone, top, row_width, &mut corners, &mut width);
    // A loop, or a line that goes back, needs space on the right.
    Layout { width: width + 3.0 * MARGIN, height: bottom + MARGIN, corners }
}

/// Boxes without relations, from left to right.
fn rows(
    sizes: &[(f64, f64)],
    alone: &[usize],
    top: f64,
    limit: f64,
    corners: &mut [(f64, f64)],
    width: &mut f64,
) -> f64 {
    let (mut x, mut y, mut tallest) = (MARGIN, top, 0.0_f64);
    for place in alone {
        let (wide, tall) = sizes[*place];
        if x > MARGIN && x + wide > limit {
            (x, y, tallest) = (MARGIN, y + tallest + DOWN, 0.0);
        }
        corners[*place] = (x, y);
        *width = width.max(x + wide);
        x += wide + DOWN;
        tallest = tallest.max(tall);
    }
    if alone.is_empty() { (top - 2.0 * DOWN).max(MARGIN) } else { y + tallest }
}

/// The distance of each box from one that references nothing.
fn layers(count: usize, edges: &[(usize, usize)], is_alone: &[bool]) -> Vec<Vec<usize>> {
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); count];
    let mut waits = vec![0_usize; count];
    for (child, parent) in edges.iter().filter(|(child, parent)| child != parent) {
        children[*parent].push(*child);
        waits[*child] += 1;
    }
    let mut depths = vec![0_usize; count];
    let mut left: Vec<usize> = (0..count).filter(|place| !is_alone[*place]).collect();
    let mut open: Vec<usize> = left.iter().copied().filter(|place| waits[*place] == 0).collect();
    let mut done = vec![false; count];
    let mut layers: Vec<Vec<usize>> = Vec::new();
    while !left.is_empty() {
        let Some(place) = open.pop().or_else(|| left.iter().copied().min_by_key(|place| waits[*place]))
        else {
            break;
        };
        if std::mem::replace(&mut done[place], true) {
            continue;
        }
        for child in &children[place] {
            waits[*child] = waits[*child].saturating_sub(1);
            if !done[*child] {
                depths[*child] = depths[*child].max(depths[place] + 1);
                if waits[*child] == 0 {
                    open.push(*child);
                }
            }
        }
        if open.is_empty() {
            left.retain(|place| !done[*place]);
        }
    }
    for place in (0..count).filter(|place| !is_alone[*place]) {
        if layers.len() <= depths[place] {
            layers.resize(depths[place] + 1, Vec::new());
        }
        layers[depths[place]].push(place);
    }
    layers.retain(|layer| !layer.is_empty());
    layers
}

/// Layers in an order with few crossings; those that are too tall are split into several columns.
fn columns(
    sizes: &[(f64, f64)],
    layers: &[Vec<usize>],
    edges: &[(usize, usize)],
    limit: f64,
) -> Vec<Vec<usize>> {
    let mut neighbours: Vec<Vec<usize>> = vec![Vec::new(); sizes.len()];
    for (child, parent) in edges.iter().filter(|(child, parent)| child != parent) {
        neighbours[*child].push(*parent);
        neighbours[*parent].push(*child);
    }
    let mut layers = layers.to_vec();
    let mut rank = vec![0.0_f64; sizes.len()];
    // The position of a box in its layer, from 0 to 1; each is moved to the mean of its neighbors.
    for _ in 0..8 {
        for layer in &mut layers {
            let count = layer.len() as f64;
            for (place, member) in layer.iter().enumerate() {
                rank[*member] = (place as f64 + 0.5) / count;
            }
        }
        let mean = |place: &usize| {
            let near = &neighbours[*place];
            near.iter().map(|other| rank[*other]).sum::<f64>() / near.len().max(1) as f64
        };
        for layer in &mut layers {
            layer.sort_by(|one, other| mean(one).total_cmp(&mean(other)));
        }
    }
    let mut columns = Vec::new();
    for layer in layers {
        let mut column: Vec<usize> = Vec::new();
        let mut height = 0.0;
        for place in layer {
            if height > 0.0 && height + sizes[place].1 > limit {
                columns.push(std::mem::take(&mut column));
                height = 0.0;
            }
            height += sizes[place].1 + DOWN;
            column.push(place);
        }
        columns.push(column);
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_overlaps_and_parents_stand_left() {
        let sizes: Vec<(f64, f64)> = (0..60)
            .map(|place| (100.0 + f64::from(place % 7) * 20.0, 30.0 + f64::from(place % 5) * 40.0))
            .collect();
        let edges: Vec<(usize, usize)> = (1..50).map(|place| (place, (place * 7) % place)).collect();
        let layout = place(&sizes, &edges);
        for (child, parent) in &edges {
            assert!(layout.corners[*child].0 > layout.corners[*parent].0, "{child} of {parent}");
        }
        for (place, (x, y)) in layout.corners.iter().enumerate() {
            assert!(x + sizes[place].0 <= layout.width && y + sizes[place].1 <= layout.height);
            for (other, (u, v)) in layout.corners.iter().enumerate().skip(place + 1) {
                let apart = x + sizes[place].0 <= *u
                    || u + sizes[other].0 <= *x
                    || y + sizes[place].1 <= *v
                    || v + sizes[other].1 <= *y;
                assert!(apart, "{place} and {other}");
            }
        }
    }

    #[test]
    fn cycles_loops_and_nothing_at_all_are_placed() {
        assert_eq!(place(&[], &[]).corners, []);
        let layout = place(&[(10.0, 10.0); 3], &[(0, 1), (1, 2), (2, 0), (0, 0)]);
        assert_eq!(layout.corners.len(), 3);
        assert!(layout.corners[0] != layout.corners[1] && layout.corners[1] != layout.corners[2]);
        let alone = place(&[(10.0, 10.0)], &[(0, 0)]);
        assert!(alone.width > 10.0 && alone.height > 10.0);
    }
}
