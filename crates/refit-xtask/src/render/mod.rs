//! What commands print, where several print the same. Data in, text or styled spans out: nothing here connects, reads or writes.

pub(crate) mod statement;
