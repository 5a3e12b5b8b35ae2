//! What to read and what to leave out.

/// How to read a database. The default is what a snapshot of a migrations folder wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whose ownership is told.
    pub owners: Owners,
    /// Schemas whose content is left out, with themselves; default `refit`. In a name, `*` stands for any characters and `?` for one.
    pub exclude_schemas: Vec<String>,
    /// Tables that are left out with all that belongs to them, by bare name in any schema, with `*` and `?` as
    /// above; default `refinery_schema_history`.
    pub exclude_tables: Vec<String>,
    /// Whether objects that the model does not know are an error. Default: they are listed in
    /// [`Catalog::unknown`](crate::Catalog::unknown).
    pub strict: bool,
    /// How often to read again when other sessions change the schema meanwhile; default 3.
    pub attempts: u32,
}

impl Default for ReadOptions {
    fn default() -> ReadOptions {
        ReadOptions {
            owners: Owners::Unusual,
            exclude_schemas: vec!["refit".into()],
            exclude_tables: vec!["refinery_schema_history".into()],
            strict: false,
            attempts: 3,
        }
    }
}

/// Whose ownership is told.
///
/// A migration that runs as `postgres` on a private server and as `app` in production makes the same schema with other owners, so
/// owners as such are no part of it. An object that belongs to somebody else than its neighbours do is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owners {
    /// Only where it is not the role that owns most objects.
    #[default]
    Unusual,
    /// Everybody's.
    All,
    /// Nobody's.
    None,
}
