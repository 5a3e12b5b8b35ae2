//! The model: one map per kind, from an object's name to its non-default properties.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio_postgres::{Client, GenericClient};

use crate::answers::Answers;
use crate::cursor::Cursor;
use crate::facts::{self, Facts, Relation};
use crate::kinds::{
    self, BaseType, Column, Composite, Database, DefaultPrivileges, Domain, Elsewhere, Enum, Function, Lane,
    Plain, Range, Reader, Schema, Sequence, Table,
};
use crate::record::record;
use crate::session::Hello;
use crate::{Error, ReadOptions, session};

/// The version of the JSON format. It increases when a reader of an older version would misunderstand the new one.
pub const FORMAT: u32 = 1;

record! {
    /// A database's user objects. Keys are names as written in SQL, with schema and argument types if they have any.
    /// The catalog contains nothing that differs between two databases with the same schema.
    Catalog {
        /// Settings of the database itself.
        database: Database,
        /// Extensions, without the objects that belong to them.
        extensions: BTreeMap<String, Plain>,
        /// Schemas.
        schemas: BTreeMap<String, Schema>,
        /// ALTER DEFAULT PRIVILEGES.
        default_privileges: BTreeMap<String, DefaultPrivileges>,
        /// Enums.
        enums: BTreeMap<String, Enum>,
        /// Domains.
        domains: BTreeMap<String, Domain>,
        /// Composite types.
        composites: BTreeMap<String, Composite>,
        /// Range types.
        ranges: BTreeMap<String, Range>,
        /// Base types and shells.
        base_types: BTreeMap<String, BaseType>,
        /// Collations.
        collations: BTreeMap<String, Plain>,
        /// Sequences, except those of identity columns.
        sequences: BTreeMap<String, Sequence>,
        /// Tables, partitioned tables and partitions.
        tables: BTreeMap<String, Table>,
        /// Foreign tables.
        foreign_tables: BTreeMap<String, Table>,
        /// Views.
        views: BTreeMap<String, Table>,
        /// Materialized views.
        materialized_views: BTreeMap<String, Table>,
        /// Functions and window functions.
        functions: BTreeMap<String, Function>,
        /// Procedures.
        procedures: BTreeMap<String, Function>,
        /// Aggregates.
        aggregates: BTreeMap<String, Function>,
        /// Operators.
        operators: BTreeMap<String, Plain>,
        /// Operator classes.
        operator_classes: BTreeMap<String, Plain>,
        /// Operator families.
        operator_families: BTreeMap<String, Plain>,
        /// Casts.
        casts: BTreeMap<String, Plain>,
        /// Conversions.
        conversions: BTreeMap<String, Plain>,
        /// Languages.
        languages: BTreeMap<String, Plain>,
        /// Transforms.
        transforms: BTreeMap<String, Plain>,
        /// Access methods.
        access_methods: BTreeMap<String, Plain>,
        /// Text search parsers.
        text_search_parsers: BTreeMap<String, Plain>,
        /// Text search templates.
        text_search_templates: BTreeMap<String, Plain>,
        /// Text search dictionaries.
        text_search_dictionaries: BTreeMap<String, Plain>,
        /// Text search configurations.
        text_search_configurations: BTreeMap<String, Plain>,
        /// Extended statistics.
        statistics: BTreeMap<String, Plain>,
        /// Foreign data wrappers.
        foreign_data_wrappers: BTreeMap<String, Plain>,
        /// Foreign servers.
        foreign_servers: BTreeMap<String, Plain>,
        /// User mappings.
        user_mappings: BTreeMap<String, Plain>,
        /// Publications.
        publications: BTreeMap<String, Plain>,
        /// Subscriptions.
        subscriptions: BTreeMap<String, Plain>,
        /// Event triggers.
        event_triggers: BTreeMap<String, Plain>,
        /// Changed privileges on the server's own objects and on members of extensions.
        elsewhere: BTreeMap<String, Elsewhere>,
        /// Objects that the model does not support, by name.
        unknown: Vec<String>,
        /// What the reading role could not see. It is not part of the schema: digest and delta ignore it.
        #[serde(skip)]
        unseen: Vec<String>,
    }
}

impl Catalog {
    /// Reads a database in its own read-only transaction: `client` must not have one open. The session's settings are
    /// restored afterwards, even if the future is dropped. Takes three round trips.
    ///
    /// Other sessions may change the schema at the same time; a read that saw a mixture is repeated.
    ///
    /// # Errors
    /// [`Error::Server`] if the server reports an error or the connection is lost, [`Error::Changing`] if the schema changed during each
    /// attempt, [`Error::Unknown`] if `strict` is set.
    pub async fn read(client: &Client, options: &ReadOptions) -> Result<Catalog, Error> {
        Catalog::attempt([client, client], options).await
    }

    /// Like [`Catalog::read`], but with two sessions of the same role in the same database, so that two server
    /// processes work at the same time: on an idle server, this takes about two thirds of the time. If the two do not
    /// see the same transactions, the first reads alone.
    ///
    /// # Errors
    /// As for [`Catalog::read`].
    pub async fn read_by_two(clients: [&Client; 2], options: &ReadOptions) -> Result<Catalog, Error> {
        Catalog::attempt(clients, options).await
    }

    async fn attempt([first, second]: [&Client; 2], options: &ReadOptions) -> Result<Catalog, Error> {
        let attempts = options.attempts.max(1);
        let mut last = String::from("rows of the catalog were written");
        for _ in 0..attempts {
            let (hello, open, both) = if std::ptr::eq(first, second) {
                let (hello, open) = session::begin(first).await?;
                (hello, open, None)
            } else {
                session::begin_both(first, second).await?
            };
            let clients = [first, if both.is_some() { second } else { first }];
            let read = Catalog::ask(clients, &hello, options).await;
            drop(both);
            match read {
                Ok(catalog) => {
                    if session::finish(&hello, open).await? {
                        return catalog.judged(options);
                    }
                }
                Err(Error::Changing { last: what, .. }) => last = what,
                // The object was dropped in the meantime, or its names no longer resolve.
                Err(Error::Server { what, source }) if is_race(&source) => last = format!("{what}: {source}"),
                Err(other) => return Err(other),
            }
        }
        Err(Error::Changing { attempts, last })
    }

    /// Reads inside a transaction that the caller has open, including its own changes so far. Settings are restored. It
    /// does not detect changes by other sessions: use it on private servers.
    ///
    /// # Errors
    /// See [`Catalog::read`]; after an error the transaction can continue.
    pub async fn read_within<C: GenericClient + Sync>(
        client: &C,
        options: &ReadOptions,
    ) -> Result<Catalog, Error> {
        let hello = session::enter(client).await?;
        let read = Catalog::ask([client, client], &hello, options).await;
        session::leave(client).await?;
        read?.judged(options)
    }

    /// As readable text: one block per object. Equal for equal schemas.
    pub fn text(&self) -> String {
        crate::text::catalog(self)
    }

    /// SHA-256 over the serialized model and its format, in hexadecimal.
    pub fn digest(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(FORMAT.to_be_bytes());
        // Maps of strings to plain data always serialize.
        let written = serde_json::to_vec(self).unwrap_or_default();
        hasher.update(&written);
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// As a JSON document with format version and digest.
    pub fn to_json(&self) -> String {
        let document = Document {
            format: FORMAT,
            digest: self.digest(),
            unseen: self.unseen.clone(),
            catalog: self.clone(),
        };
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }

    /// Reads a document that [`Catalog::to_json`] wrote.
    ///
    /// # Errors
    /// [`Error::Document`] if it is not such a document, has another format, or does not match its digest.
    pub fn from_json(json: &str) -> Result<Catalog, Error> {
        Catalog::from_value(serde_json::from_str(json).map_err(|error| Error::Document(error.to_string()))?)
    }

    pub(crate) fn from_value(value: serde_json::Value) -> Result<Catalog, Error> {
        let format = value.get("format").and_then(serde_json::Value::as_u64);
        if format != Some(FORMAT.into()) {
            let found = format.map_or("no format".into(), |format| format!("format {format}"));
            return Err(Error::Document(format!("{found}, but this release reads {FORMAT}")));
        }
        let document: Document =
            serde_json::from_value(value).map_err(|error| Error::Document(error.to_string()))?;
        let mut catalog = document.catalog;
        if catalog.digest() != document.digest {
            return Err(Error::Document("the digest does not match: it was edited by hand".into()));
        }
        catalog.unseen = document.unseen;
        Ok(catalog)
    }

    /// Sends all queries without waiting in between, then takes the answers in order.
    async fn ask<C: GenericClient + Sync>(
        clients: [&C; 2],
        hello: &Hello,
        options: &ReadOptions,
    ) -> Result<Catalog, Error> {
        let mut answers = Answers::new(clients);
        let query = |answers: &mut Answers<'_, C>, kind: &Reader| {
            let (what, sql) = kind.query(hello.version);
            answers.ask(kind.lane(), what, sql)
        };
        let names: Vec<_> = facts::QUERIES
            .iter()
            .map(|(lane, sql)| answers.ask(*lane, "names and comments", (*sql).to_owned()))
            .collect();
        let filled = answers.ask(Lane::Tables, "which kinds there are", kinds::filled());
        let first: Vec<_> = kinds::FIRST.iter().map(|kind| (kind, query(&mut answers, kind))).collect();
        // Most schemas have no objects of many kinds; kinds that all schemas have are queried before the answer is
        // known.
        let mut others: Vec<_> = kinds::OTHERS
            .iter()
            .map(|kind| (kind, kind.probe().is_none().then(|| query(&mut answers, kind))))
            .collect();
        let mut named = Vec::new();
        for names in names {
            named.push(answers.take(names).await?);
        }
        let filled: Vec<bool> = match answers.take(filled).await?.first() {
            Some(row) => Cursor::new(row, "which kinds there are").take()?,
            None => Vec::new(),
        };
        let probed = others.iter_mut().filter(|(kind, _)| kind.probe().is_some());
        for ((kind, asked), filled) in probed.zip(filled) {
            *asked = filled.then(|| query(&mut answers, kind));
        }
        let mut facts = Facts::new(hello.version, &named, options)?;
        let mut catalog = Catalog::default();
        // Processes the answers that have arrived while the server works on the rest.
        for (kind, asked) in first {
            kind.load(&answers.take(asked).await?, &mut facts, &mut catalog)?;
        }
        let words =
            kinds::words::sql(&facts).map(|sql| answers.ask(Lane::Tables, "the words of expressions", sql));
        let worded: Vec<_> = kinds::WORDED.iter().map(|kind| (kind, query(&mut answers, kind))).collect();
        for (kind, asked) in others {
            if let Some(asked) = asked {
                kind.load(&answers.take(asked).await?, &mut facts, &mut catalog)?;
            }
        }
        if let Some(words) = words {
            kinds::words::load(&answers.take(words).await?, &mut facts, &mut catalog)?;
        }
        for (kind, asked) in worded {
            kind.load(&answers.take(asked).await?, &mut facts, &mut catalog)?;
        }
        if !facts.superuser && !catalog.user_mappings.is_empty() {
            catalog.unseen.push("options of other roles' user mappings".into());
        }
        Ok(catalog)
    }

    fn judged(self, options: &ReadOptions) -> Result<Catalog, Error> {
        if options.strict && !self.unknown.is_empty() {
            return Err(Error::Unknown { names: self.unknown });
        }
        Ok(self)
    }

    /// The map for relations of a kind.
    pub(crate) fn relations_mut(&mut self, kind: char) -> Option<&mut BTreeMap<String, Table>> {
        match kind {
            'r' | 'p' => Some(&mut self.tables),
            'f' => Some(&mut self.foreign_tables),
            'v' => Some(&mut self.views),
            'm' => Some(&mut self.materialized_views),
            _ => None,
        }
    }

    pub(crate) fn relation_mut(&mut self, relation: &Relation) -> Option<&mut Table> {
        self.relations_mut(relation.kind)?.get_mut(&relation.key)
    }

    pub(crate) fn column_mut(&mut self, relation: &Relation, name: &str) -> Option<&mut Column> {
        self.relation_mut(relation)?.columns.iter_mut().find(|column| column.name == name)
    }
}

/// The content of a JSON file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    digest: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    unseen: Vec<String>,
    catalog: Catalog,
}

/// Whether the server failed because another session dropped an object, or because of that session's locks.
fn is_race(error: &tokio_postgres::Error) -> bool {
    // internal_error ("cache lookup failed"), undefined_table, undefined_object, undefined_function, undefined_column
    // lock_not_available, deadlock_detected
    let codes = ["XX000", "42P01", "42704", "42883", "42703", "55P03", "40P01"];
    error.code().is_some_and(|code| codes.contains(&code.code()))
}
