//! Positions in the heap as keys: `(block,offset)`.

use super::key::Key;
use super::lease::Place;

/// An upper bound of the rows on a page of 8 kB: offsets end here.
const OFFSETS: u64 = 300;

/// The position of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tid {
    block: u64,
    offset: u64,
}

impl Tid {
    pub(crate) fn at(block: u64, offset: u64) -> Tid {
        Tid { block, offset }
    }

    pub(crate) fn read(key: &Key) -> Option<Tid> {
        let text = key.first()?.strip_prefix('(')?.strip_suffix(')')?;
        let (block, offset) = text.split_once(',')?;
        Some(Tid { block: block.parse().ok()?, offset: offset.parse().ok()? })
    }

    pub(crate) fn key(self) -> Key {
        vec![format!("({},{})", self.block, self.offset)]
    }

    /// The position `rows` rows later, in a table with this many rows on a page; less than a page counts by offset.
    pub(crate) fn after(self, rows: u32, rows_per_page: u64) -> Tid {
        let pages = u64::from(rows) / rows_per_page.max(1);
        if pages > 0 {
            return Tid { block: self.block + pages, offset: 0 };
        }
        let offset = self.offset + u64::from(rows);
        if offset > OFFSETS { Tid { block: self.block + 1, offset: 0 } } else { Tid { offset, ..self } }
    }
}

/// The last key of a batch of `rows` rows; none when it is the last of the window.
pub(crate) fn bound(place: &Place, rows: u32, rows_per_page: u64) -> Option<Key> {
    let end = Tid::read(&place.lower)?.after(rows, rows_per_page);
    (end < Tid::read(&place.last)?).then(|| end.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_through() {
        let start = Tid::read(&vec!["(3,7)".to_owned()]).unwrap();
        assert_eq!(start.after(1_000, 100), Tid::at(13, 0));
        assert_eq!(start.after(1, 100), Tid::at(3, 8));
        assert_eq!(Tid::at(3, 300).after(1, 100), Tid::at(4, 0));
        assert_eq!(start.key(), ["(3,7)"]);
        assert_eq!(Tid::read(&vec!["7".to_owned()]), None);
    }
}
