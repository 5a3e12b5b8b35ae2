//! Cutting a table's key space into ranges, by a sample of its keys: any type that has an order has quantiles.

use futures_util::TryStreamExt;
use refit_model::{BackfillDirective, Strategy};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Row, Statement};

use super::facts::{Leaf, to_float, whole};
use super::heap::Tid;
use super::key::{Key, KeyColumns, Text, key_of};
use super::lease::Place;
use super::strategy::{Choice, STRIPES, WINDOW_ROWS};
use crate::error::Error;

/// Blocks, and keys, that are sampled for each piece. Neighbours are on one block, so it is the blocks that count: with 32 of them
/// pieces differ by a sixth.
const SAMPLED_BLOCKS: u64 = 32;
const SAMPLED_KEYS: u64 = 128;
/// Ranges of a table at most: enough that workers end together.
const RANGES: u64 = 64;

/// A range to be.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) relation: String,
    pub(crate) lower: Key,
    /// Whether `lower` is the first key itself.
    pub(crate) closed: bool,
    /// The last key of each window.
    pub(crate) windows: Vec<Key>,
    pub(crate) stripes: u32,
    pub(crate) rows: u64,
}

/// Cuts one table.
pub(crate) async fn cut(
    client: &Client,
    leaf: &Leaf,
    choice: &Choice,
    directive: &BackfillDirective,
) -> Result<Vec<Piece>, Error> {
    // A range has at least ten batches.
    let ranges = (leaf.rows / (u64::from(directive.batch) * 10)).clamp(1, RANGES);
    if choice.strategy == Strategy::Heap {
        return Ok(heap(leaf, ranges));
    }
    let key = &KeyColumns::new(&directive.key);
    let Some((first, last)) = ends(client, leaf, key, "true").await? else { return Ok(Vec::new()) };
    let striped = choice.strategy == Strategy::Striped && leaf.rows >= u64::from(WINDOW_ROWS);
    let (pieces, together) = if striped {
        (leaf.rows.div_ceil(u64::from(WINDOW_ROWS)), choice.rotation as usize)
    } else {
        (ranges, 1)
    };
    let mut bounds = quantiles(client, leaf, key, pieces).await?;
    bounds.retain(|bound| *bound != last);
    bounds.push(last);
    let rows = whole(to_float(leaf.rows) / to_float(bounds.len() as u64));
    let mut lower = first;
    let mut ranges = Vec::new();
    for windows in bounds.chunks(together) {
        let next = windows.last().cloned().unwrap_or_default();
        ranges.push(Piece {
            relation: leaf.name.clone(),
            closed: ranges.is_empty(),
            lower: std::mem::replace(&mut lower, next),
            windows: windows.to_vec(),
            stripes: if striped { STRIPES } else { 1 },
            rows: rows * windows.len() as u64,
        });
    }
    Ok(ranges)
}

fn heap(leaf: &Leaf, ranges: u64) -> Vec<Piece> {
    if leaf.pages == 0 {
        return Vec::new();
    }
    let ranges = ranges.min(leaf.pages);
    let bound = |number: u64| Tid::at(leaf.pages * number / ranges, 0).key();
    let piece = |number: u64| Piece {
        relation: leaf.name.clone(),
        lower: bound(number),
        closed: false,
        windows: vec![bound(number + 1)],
        stripes: 1,
        rows: leaf.rows / ranges,
    };
    (0..ranges).map(piece).collect()
}

/// The first and the last key among the rows that meet `condition`; none where there are none.
pub(crate) async fn ends(
    client: &Client,
    leaf: &Leaf,
    key: &KeyColumns,
    condition: &str,
) -> Result<Option<(Key, Key)>, Error> {
    let one = |order: &str| {
        let (keys, name) = (key.array(), &leaf.name);
        format!("(SELECT {keys} FROM ONLY {name} WHERE {condition} ORDER BY {order} LIMIT 1)")
    };
    let sql = format!("SELECT {}, {}", one(&key.list()), one(&key.descending()));
    let row =
        client.query_typed_one(&sql, &[]).await.map_err(Error::database("reading the ends of a key"))?;
    let (first, last): (Option<Key>, Option<Key>) = (row.get(0), row.get(1));
    Ok(first.zip(last))
}

/// Keys that cut the table into pieces of about the same size, without its last one.
async fn quantiles(client: &Client, leaf: &Leaf, key: &KeyColumns, pieces: u64) -> Result<Vec<Key>, Error> {
    if pieces < 2 {
        return Ok(Vec::new());
    }
    let blocks = to_float(pieces * SAMPLED_BLOCKS) / to_float(leaf.pages.max(1));
    let blocks = blocks.clamp(1e-6, 1.0);
    let keys = to_float(pieces * SAMPLED_KEYS) / (to_float(leaf.rows.max(1)) * blocks);
    let sql = format!(
        "SELECT DISTINCT ON (tile) {} FROM ( \
             SELECT {}, pg_catalog.ntile($1) OVER (ORDER BY {}) AS tile FROM ONLY {} TABLESAMPLE SYSTEM ({}) WHERE pg_catalog.random() < {keys}) AS sample \
         WHERE tile < $1 ORDER BY tile, {}",
        key.texts(),
        key.list(),
        key.list(),
        leaf.name,
        blocks * 100.0,
        key.descending()
    );
    let tiles = i32::try_from(pieces).unwrap_or(i32::MAX);
    let rows = client.query_typed(&sql, &[(&tiles, Type::INT4)]).await;
    let rows = rows.map_err(Error::database("sampling a table"))?;
    let mut keys: Vec<Key> = rows.iter().map(key_of).collect();
    // Keys that are not unique may be the last of several pieces.
    keys.dedup();
    Ok(keys)
}

/// The key with which a batch of `rows` rows ends, none when the rest is no more than that.
pub(crate) fn bound_sql(relation: &str, key: &KeyColumns, condition: Option<&str>, closed: bool) -> String {
    let condition = condition.map(|condition| format!(" AND ({condition})")).unwrap_or_default();
    // OFFSET counts from the batch's own beginning: it is never more than a batch.
    format!(
        "SELECT {} FROM ONLY {relation} WHERE {}{condition} ORDER BY {} LIMIT 1 OFFSET ${}",
        key.texts(),
        key.between(closed),
        key.list(),
        2 * key.len() + 1
    )
}

/// Asks for the key with which a batch of `rows` rows ends; `statement` is of [`bound_sql`].
pub(crate) async fn bound(
    client: &Client,
    statement: &Statement,
    place: &Place,
    rows: u32,
) -> Result<Option<Key>, tokio_postgres::Error> {
    let mut values = values(&[&place.lower, &place.last]);
    values.push(Text::new((rows.max(1) - 1).to_string()));
    let found: Vec<Row> = client.query_raw(statement, values).await?.try_collect().await?;
    Ok(found.first().map(key_of))
}

/// The values of a statement, as the driver's `*_raw` take them.
pub(crate) fn values<'a>(keys: &[&'a Key]) -> Vec<Text<'a>> {
    keys.iter().flat_map(|key| key.iter().map(Text::new)).collect()
}
