//! The rows of the table, one file per kind.

mod fleet;
mod fresh;
mod noop;
mod profile;
mod reader;

use super::lab::Lab;
use super::table::Row;

/// The values of `--rows`, in the order of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Group {
    /// Round trips of a boot with nothing to do.
    NoopRoundTrips,
    /// Its time over an open connection.
    NoopTime,
    /// Its time at 10 ms round trip.
    NoopDistance,
    /// Its time with ten times the migrations.
    NoopGrowth,
    /// A profile with checks, approvals and windows, compared with none.
    NoopProfile,
    /// Round trips of applying a thousand migrations.
    FreshRoundTrips,
    /// Its time.
    FreshTime,
    /// 16 processes that boot at once.
    Fleet,
    /// Readers of a table that an ALTER needs.
    Reader,
}

impl Group {
    /// All of them.
    pub(crate) fn all() -> impl Iterator<Item = Group> {
        <Group as clap::ValueEnum>::value_variants().iter().copied()
    }

    /// Measures its rows.
    pub(crate) async fn measure(self, lab: &mut Lab) -> anyhow::Result<Vec<Row>> {
        match self {
            Group::NoopRoundTrips => Box::pin(noop::round_trips(lab)).await,
            Group::NoopTime => Box::pin(noop::time(lab)).await,
            Group::NoopDistance => Box::pin(noop::distance(lab)).await,
            Group::NoopGrowth => Box::pin(noop::growth(lab)).await,
            Group::NoopProfile => Box::pin(profile::rows(lab)).await,
            Group::FreshRoundTrips => Box::pin(fresh::round_trips(lab)).await,
            Group::FreshTime => Box::pin(fresh::time(lab)).await,
            Group::Fleet => Box::pin(fleet::rows(lab)).await,
            Group::Reader => Box::pin(reader::rows(lab)).await,
        }
    }
}
