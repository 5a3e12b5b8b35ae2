//! Functions, procedures, window functions and aggregates.

use tokio_postgres::Row;

use crate::cursor::Cursor;
use crate::facts::{Facts, class};
use crate::grants::On;
use crate::record::{object, record};
use crate::text::{Sheet, needs};
use crate::{Catalog, Error, Options};

object! {
    /// A function, procedure or aggregate: the map that contains it determines which.
    Function {
        /// With names, modes and defaults.
        arguments: String,
        /// What it returns; empty for a procedure.
        returns: String,
        /// `sql`, `plpgsql`, …
        language: String,
        /// A window function.
        window: bool,
        /// `immutable` or `stable`; empty for volatile.
        volatility: String,
        /// `safe` or `restricted`; empty for unsafe.
        parallel: String,
        /// STRICT.
        strict: bool,
        /// SECURITY DEFINER.
        security_definer: bool,
        /// LEAKPROOF.
        leakproof: bool,
        /// COST, if it is not the language's default.
        cost: String,
        /// ROWS, if it is not 1000.
        rows: String,
        /// The planner support function.
        support: String,
        /// TRANSFORM FOR TYPE.
        transforms: Vec<String>,
        /// SET.
        settings: Options,
        /// Source text, or the symbol in a library.
        body: String,
        /// The library of a function in C.
        library: String,
        /// The parsed body of a function that was written in standard SQL.
        sql_body: String,
        /// DEPENDS ON EXTENSION.
        extensions: Vec<String>,
        /// The parts of an aggregate.
        aggregate: Option<Aggregate>,
    }
}

record! {
    /// The options of CREATE AGGREGATE.
    Aggregate {
        /// `ordered-set` or `hypothetical-set`.
        kind: String,
        /// Functions by the names of CREATE AGGREGATE: `sfunc`, `finalfunc`, `combinefunc`, `mfinalfunc`, …
        functions: Options,
        /// STYPE, with the size in brackets if it is set.
        state: String,
        /// MSTYPE.
        moving_state: String,
        /// INITCOND.
        initial: Option<String>,
        /// MINITCOND.
        moving_initial: Option<String>,
        /// FINALFUNC_EXTRA.
        final_extra: bool,
        /// MFINALFUNC_EXTRA.
        moving_final_extra: bool,
        /// FINALFUNC_MODIFY and MFINALFUNC_MODIFY as the letters of the catalog: `r`, `s`, `w`.
        modify: String,
        /// SORTOP.
        sort_operator: String,
    }
}

pub(crate) fn sql(_version: u32) -> String {
    // The constructors of a range type are part of that type.
    "SELECT p.oid, p.proname, p.pronamespace, p.prokind, p.proowner, p.proacl::text[],
            pg_catalog.array_to_string(ARRAY(SELECT pg_catalog.format_type(u.t, NULL) FROM pg_catalog.unnest(p.proargtypes) WITH ORDINALITY u (t, n)
                                  ORDER BY n), ', '),
            pg_catalog.pg_get_function_arguments(p.oid), pg_catalog.pg_get_function_result(p.oid), l.lanname, p.provolatile, p.proparallel,
            p.proisstrict, p.prosecdef, p.proleakproof,
            CASE WHEN p.procost <> CASE WHEN l.lanname IN ('c', 'internal') THEN 1 ELSE 100 END THEN p.procost::text END,
            CASE WHEN p.prorows NOT IN (0, 1000) THEN p.prorows::text END,
            CASE WHEN p.prosupport <> 0 THEN p.prosupport::regproc::text END,
            CASE WHEN p.protrftypes IS NOT NULL THEN ARRAY(SELECT pg_catalog.format_type(u, NULL) FROM pg_catalog.unnest(p.protrftypes) u ORDER BY 1) END,
            p.proconfig, CASE WHEN p.prosqlbody IS NULL THEN p.prosrc END, p.probin,
            CASE WHEN p.prosqlbody IS NOT NULL THEN pg_catalog.pg_get_function_sqlbody(p.oid) END
     FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
     WHERE p.oid >= 16384
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 1255 AND d.objid = p.oid AND d.deptype = 'i')"
        .into()
}

pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
    for row in rows {
        let mut cells = Cursor::new(row, "functions");
        let oid: u32 = cells.take()?;
        let (name, schema) = (cells.text()?, cells.take()?);
        if !facts.ours(class::PROC, oid, schema) {
            continue;
        }
        let (kind, owner) = (cells.letter()?, cells.take()?);
        let grants = facts.grants(On::Function, owner, cells.take()?);
        let key = format!("{}({})", facts.key(schema, &name), cells.text()?);
        let mut function = function(&mut cells)?;
        function.grants = grants;
        function.owner = facts.owner(owner);
        function.comment = facts.comment(class::PROC, oid);
        function.labels = facts.labels(class::PROC, oid, 0);
        function.extensions = facts.needed(class::PROC, oid);
        function.window = kind == 'w';
        match kind {
            'a' => {
                // An aggregate has no body; its language and source are placeholders.
                function.language.clear();
                function.body.clear();
                facts.aggregates.insert(oid, key.clone());
                catalog.aggregates.insert(key, function)
            }
            'p' => catalog.procedures.insert(key, function),
            _ => catalog.functions.insert(key, function),
        };
    }
    Ok(())
}

fn function(cells: &mut Cursor<'_>) -> Result<Function, Error> {
    let mut function = Function {
        arguments: cells.deparsed()?,
        returns: cells.text()?,
        language: cells.text()?,
        ..Function::default()
    };
    function.volatility = match cells.letter()? {
        'i' => "immutable".into(),
        's' => "stable".into(),
        _ => String::new(),
    };
    function.parallel = match cells.letter()? {
        's' => "safe".into(),
        'r' => "restricted".into(),
        _ => String::new(),
    };
    function.strict = cells.take()?;
    function.security_definer = cells.take()?;
    function.leakproof = cells.take()?;
    function.cost = cells.text()?;
    function.rows = cells.text()?;
    function.support = cells.text()?;
    function.transforms = cells.texts()?;
    function.settings = cells.options()?;
    function.body = cells.text()?;
    function.library = cells.text()?;
    function.sql_body = cells.text()?;
    Ok(function)
}

/// Properties that only aggregates have.
pub(crate) mod aggregate {
    use super::{Aggregate, Catalog, Cursor, Error, Facts, Row};

    const FUNCTIONS: [(&str, &str); 9] = [
        ("sfunc", "aggtransfn"),
        ("finalfunc", "aggfinalfn"),
        ("combinefunc", "aggcombinefn"),
        ("serialfunc", "aggserialfn"),
        ("deserialfunc", "aggdeserialfn"),
        ("msfunc", "aggmtransfn"),
        ("minvfunc", "aggminvtransfn"),
        ("mfinalfunc", "aggmfinalfn"),
        ("sortop", "aggsortop"),
    ];

    pub(crate) fn sql(_version: u32) -> String {
        let name = |(_, column): &(&str, &str)| match *column {
            "aggsortop" => "CASE WHEN aggsortop <> 0 THEN aggsortop::regoperator::text END".to_owned(),
            column => format!("CASE WHEN {column} <> 0 THEN {column}::regproc::text END"),
        };
        format!(
            "SELECT aggfnoid::oid, aggkind, {}, pg_catalog.format_type(aggtranstype, NULL), aggtransspace,
                    CASE WHEN aggmtranstype <> 0 THEN pg_catalog.format_type(aggmtranstype, NULL) END, aggmtransspace,
                    agginitval, aggminitval, aggfinalextra, aggmfinalextra, aggfinalmodify, aggmfinalmodify
             FROM pg_aggregate WHERE aggfnoid::oid >= 16384",
            FUNCTIONS.iter().map(name).collect::<Vec<_>>().join(", ")
        )
    }

    pub(crate) fn load(rows: &[Row], facts: &mut Facts, catalog: &mut Catalog) -> Result<(), Error> {
        for row in rows {
            let mut cells = Cursor::new(row, "aggregates");
            let Some(key) = facts.aggregates.get(&cells.take()?) else { continue };
            let mut aggregate = Aggregate::default();
            let letter = cells.letter()?;
            aggregate.kind = match letter {
                'o' => "ordered-set".into(),
                'h' => "hypothetical-set".into(),
                _ => String::new(),
            };
            for (name, _) in FUNCTIONS {
                let function = cells.text()?;
                if name == "sortop" {
                    aggregate.sort_operator = function;
                } else if !function.is_empty() {
                    aggregate.functions.insert(name.into(), function);
                }
            }
            aggregate.state = sized(cells.text()?, cells.take()?);
            aggregate.moving_state = sized(cells.text()?, cells.take()?);
            aggregate.initial = cells.take()?;
            aggregate.moving_initial = cells.take()?;
            aggregate.final_extra = cells.take()?;
            aggregate.moving_final_extra = cells.take()?;
            let modify = format!("{}{}", cells.letter()?, cells.letter()?);
            if modify != if letter == 'n' { "rr" } else { "ww" } {
                aggregate.modify = modify;
            }
            if let Some(function) = catalog.aggregates.get_mut(key) {
                function.aggregate = Some(aggregate);
            }
        }
        Ok(())
    }

    fn sized(name: String, size: i32) -> String {
        if size == 0 { name } else { format!("{name} [{size}]") }
    }
}

pub(crate) fn text(sheet: &mut Sheet, noun: &str, name: &str, function: &Function) {
    let returns =
        if function.returns.is_empty() { String::new() } else { format!(" returns {}", function.returns) };
    sheet.block(&format!("{noun} {name}{returns}"));
    let mut facts = Vec::new();
    if !function.language.is_empty() {
        facts.push(format!("language {}", function.language));
    }
    for (set, word) in [
        (function.window, "window"),
        (function.strict, "strict"),
        (function.security_definer, "security definer"),
        (function.leakproof, "leakproof"),
    ] {
        if set {
            facts.push(word.into());
        }
    }
    let titled = [
        ("", &function.volatility),
        ("parallel ", &function.parallel),
        ("cost ", &function.cost),
        ("rows ", &function.rows),
        ("support ", &function.support),
        ("library ", &function.library),
    ];
    facts.extend(
        titled.iter().filter(|(_, value)| !value.is_empty()).map(|(title, value)| format!("{title}{value}")),
    );
    facts.extend(needs(&function.extensions));
    if !function.arguments.is_empty() {
        sheet.field("arguments", &function.arguments);
    }
    if !facts.is_empty() {
        sheet.line(&facts.join(", "));
    }
    if !function.transforms.is_empty() {
        sheet.field("transforms", &function.transforms.join(", "));
    }
    for (name, value) in &function.settings {
        sheet.field("set", &format!("{name} = {value}"));
    }
    if let Some(aggregate) = &function.aggregate {
        sheet.fields(aggregate);
    }
    sheet.body(&function.sql_body);
    sheet.body(&function.body);
    sheet.tail(function);
}
