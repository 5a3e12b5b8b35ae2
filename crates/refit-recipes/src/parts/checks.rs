//! Checks that stay true when later steps have run.

/// `{{ column }}` exists.
pub(crate) const COLUMN: &str = "\
SELECT 'the column is missing' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE  attrelid = pg_catalog.to_regclass({{ table|literal }}) AND attname = {{ column|literal }} AND NOT attisdropped
);
";

/// `{{ column }}` is NOT NULL.
pub(crate) const NOT_NULL: &str = "\
SELECT 'the column may be NULL' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_attribute
    WHERE  attrelid = pg_catalog.to_regclass({{ table|literal }}) AND attname = {{ column|literal }} AND attnotnull
);
";

/// `{{ index_path }}` exists and is valid.
pub(crate) const INDEX: &str = "\
SELECT 'the index is missing or invalid' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_index
    WHERE  indexrelid = pg_catalog.to_regclass({{ index_path|literal }}) AND indisvalid
);
";

/// `{{ constraint }}` exists and is validated.
pub(crate) const CONSTRAINT: &str = "\
SELECT 'the constraint is missing or not validated' AS problem
WHERE  NOT EXISTS (
    SELECT FROM pg_catalog.pg_constraint
    WHERE  conrelid = pg_catalog.to_regclass({{ table|literal }}) AND conname = {{ constraint|literal }} AND convalidated
);
";

/// `{{ gone }}` is not a table any more.
pub(crate) const NO_TABLE: &str = "\
SELECT 'the table is still there' AS problem WHERE pg_catalog.to_regclass({{ gone|literal }}) IS NOT NULL;
";

/// `{{ column }}` is gone.
pub(crate) const NO_COLUMN: &str = "\
SELECT 'the column is still there' AS problem
FROM   pg_catalog.pg_attribute
WHERE  attrelid = pg_catalog.to_regclass({{ table|literal }}) AND attname = {{ column|literal }} AND NOT attisdropped;
";
