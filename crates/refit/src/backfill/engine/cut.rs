//! Cuts a table's key space into ranges at the quantiles of a sample of its keys, which works for any type with an order.

use futures_util::future::BoxFuture;
use futures_util::{FutureExt, TryStreamExt};
use refit_model::{BackfillDirective, Strategy};
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Statement};

use super::facts::{Leaf, to_float, whole};
use super::heap::Tid;
use super::key::{Key, KeyColumns, Text, key_of};
use super::lease::Place;
use super::strategy::{Choice, STRIPES, WINDOW_ROWS};
use crate::error::Error;
use crate::queries::Queries;

/// Blocks and keys that are sampled for each piece. Neighboring keys are often in one block, so the number of blocks matters: with
/// 32, the sizes of pieces differ by a sixth.
const SAMPLED_BLOCKS: u64 = 32;
const SAMPLED_KEYS: u64 = 128;
/// Maximum ranges of a table: enough for workers to end at about the same time.
const RANGES: u64 = 64;

/// A range that is not recorded yet.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Piece {
    pub(crate) relation: String,
    pub(crate) lower: Key,
    /// Whether `lower` is part of the range.
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

/// The first and the last key of the rows that meet `condition`; none if no row does.
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
        client.query_one_boxed(&sql, &[]).await.map_err(Error::database("reading the ends of a key"))?;
    let (first, last): (Option<Key>, Option<Key>) = (row.get(0), row.get(1));
    Ok(first.zip(last))
}

/// Keys that cut the table into pieces of about the same size, without its last key.
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
    let rows = client.query_boxed(&sql, &[(&tiles, Type::INT4)]).await;
    let rows = rows.map_err(Error::database("sampling a table"))?;
    let mut keys: Vec<Key> = rows.iter().map(key_of).collect();
    // A key that is not unique may end several pieces.
    keys.dedup();
    Ok(keys)
}

/// SQL for the last key of a batch of a number of rows; no row when no more rows than that are left.
pub(crate) fn bound_sql(relation: &str, key: &KeyColumns, condition: Option<&str>, closed: bool) -> String {
    let condition = condition.map(|condition| format!(" AND ({condition})")).unwrap_or_default();
    // OFFSET counts from the beginning of the batch, so it skips at most one batch.
    format!(
        "SELECT {} FROM ONLY {relation} WHERE {}{condition} ORDER BY {} LIMIT 1 OFFSET ${}",
        key.texts(),
        key.between(closed),
        key.list(),
        2 * key.len() + 1
    )
}

/// Reads the last key of a batch of `rows` rows; `statement` is prepared from [`bound_sql`].
pub(crate) async fn bound(
    client: &Client,
    statement: &Statement,
    place: &Place,
    rows: u32,
) -> Result<Option<Key>, tokio_postgres::Error> {
    let mut values = values(&[&place.lower, &place.last]);
    values.push(Text::new((rows.max(1) - 1).to_string()));
    Ok(keys(client, statement, values).await?.into_iter().next())
}

/// Runs a prepared query whose rows are keys.
pub(crate) fn keys<'a>(
    client: &'a Client,
    statement: &'a Statement,
    values: Vec<Text<'a>>,
) -> BoxFuture<'a, Result<Vec<Key>, tokio_postgres::Error>> {
    let rows = async move {
        client.query_raw(statement, values).await?.map_ok(|row| key_of(&row)).try_collect().await
    };
    rows.boxed()
}

/// The parameters of a statement, as the driver's `*_raw` methods take them.
pub(crate) fn values<'a>(keys: &[&'a Key]) -> Vec<Text<'a>> {
    keys.iter().flat_map(|key| key.iter().map(Text::new)).collect()
}
