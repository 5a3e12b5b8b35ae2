//! What to read and what to omit.

/// How to read a database. The default suits a snapshot of a migrations folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadOptions {
    /// Whose ownership is recorded.
    pub owners: Owners,
    /// Schemas that are omitted with their content; default `refit`. In a name, `*` matches any characters and `?`
    /// matches one.
    pub exclude_schemas: Vec<String>,
    /// Tables that are omitted with everything that belongs to them, by unqualified name in any schema, with `*` and
    /// `?` as above; default `refinery_schema_history`.
    pub exclude_tables: Vec<String>,
    /// Whether objects that the model does not support are an error. By default, they are listed in
    /// [`Catalog::unknown`](crate::Catalog::unknown).
    pub strict: bool,
    /// How many times to read again if other sessions change the schema during a read; default 3.
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

/// Whose ownership is recorded.
///
/// A migration that runs as `postgres` on a private server and as `app` in production creates the same schema with
/// different owners, so the owner's name is not part of the schema. An object whose owner differs from that of the
/// others is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Owners {
    /// Only owners other than the role that owns most objects.
    #[default]
    Unusual,
    /// All owners.
    All,
    /// No owners.
    None,
}
