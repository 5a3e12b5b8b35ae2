//! Statements and messages with secrets, and their redacted form.

use proptest::prelude::*;

use super::*;

/// The redacted form of an SQL text.
fn source(sql: &str) -> String {
    Secrets::of(sql).source(sql)
}

/// Texts and their redacted forms.
const CASES: &[(&str, &str)] = &[
    ("CREATE ROLE r PASSWORD 'hunter2' NOSUCH", "CREATE ROLE r PASSWORD '********' NOSUCH"),
    (
        "alter user r with encrypted password E'hun\\'ter2' x",
        "alter user r with encrypted password E'********' x",
    ),
    ("ALTER ROLE r PASSWORD $pw$hunter2$pw$ x", "ALTER ROLE r PASSWORD $pw$********$pw$ x"),
    ("ALTER ROLE r PASSWORD U&'hunter\\0032' x", "ALTER ROLE r PASSWORD U&'********' x"),
    ("ALTER ROLE r PASSWORD 'hunter2'\n  'more' x", "ALTER ROLE r PASSWORD '********'\n  '********' x"),
    ("CREATE ROLE r PASSWORD hunter2-x NOSUCH", "CREATE ROLE r PASSWORD ******** NOSUCH"),
    ("CREATE ROLE r PASSWORD \"hunter2 x\" NOSUCH", "CREATE ROLE r PASSWORD \"********\" NOSUCH"),
    ("CREATE ROLE r PASSWORD ‘hunter2 x’ NOSUCH", "CREATE ROLE r PASSWORD ******** NOSUCH"),
    ("CREATE ROLE r PASSWORD = 'hunter2'", "CREATE ROLE r PASSWORD = '********'"),
    ("CREATE ROLE r PASSWORD 12345; SELECT 1", "CREATE ROLE r PASSWORD ********; SELECT 1"),
    ("CREATE ROLE r PASSWORD NULL x", "CREATE ROLE r PASSWORD NULL x"),
    ("CREATE ROLE r PASSWORD 'hunter2", "CREATE ROLE r PASSWORD '********"),
    ("CREATE ROLE r PASSWORD 'it's hunter2' x", "CREATE ROLE r PASSWORD ********' x"),
    (
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password 'hunter2')",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password '********')",
    ),
    (
        "ALTER USER MAPPING FOR u SERVER s OPTIONS (SET \"password\" 'hunter2')",
        "ALTER USER MAPPING FOR u SERVER s OPTIONS (SET \"password\" '********')",
    ),
    (
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password=hunter2 dbname=d' PUBLICATION p",
        "CREATE SUBSCRIPTION s CONNECTION 'host=h password=******** dbname=d' PUBLICATION p",
    ),
    (
        "SELECT dblink_connect('host=h password=''hunter 2'' dbname=d')",
        "SELECT dblink_connect('host=h password=''********'' dbname=d')",
    ),
    (
        "SELECT dblink('postgres://u:hunter2@h/d', 'SELECT 1')",
        "SELECT dblink('postgres://u:********@h/d', 'SELECT 1')",
    ),
    ("SET app.db_password = 'hunter2'", "SET app.db_password = '********'"),
    ("SET app.api_key TO 'hunter2'", "SET app.api_key TO '********'"),
    (
        "SELECT set_config('app.secret', 'hunter2', false)",
        "SELECT set_config('app.secret', '********', false)",
    ),
    ("SELECT crypt('hunter2', gen_salt('bf'))", "SELECT crypt('********', gen_salt('********'))"),
    (
        "INSERT INTO u (name, password) VALUES ('ann', 'hunter2'), ('bob', lower('HUNTER3'))",
        "INSERT INTO u (name, password) VALUES ('ann', '********'), ('bob', lower('********'))",
    ),
    ("SELECT 'hunter2' AS password, 'x' AS name", "SELECT '********' AS password, 'x' AS name"),
    (
        "SELECT '{\"password\": \"hunter2\", \"a\": 1}'::json",
        "SELECT '{\"password\": \"********\", \"a\": 1}'::json",
    ),
    (
        "DO $$ DECLARE pw text := 'hunter2'; BEGIN NULL; END $$",
        "DO $$ DECLARE pw text := '********'; BEGIN NULL; END $$",
    ),
    (
        "DO $$ BEGIN EXECUTE 'CREATE ROLE r PASSWORD ''hunter2'' x'; END $$",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE r PASSWORD ''********'' x'; END $$",
    ),
    (
        "DO $$ BEGIN EXECUTE format('CREATE ROLE r PASSWORD %L', 'hunter2'); END $$",
        "DO $$ BEGIN EXECUTE format('CREATE ROLE r PASSWORD %L', '********'); END $$",
    ),
    (
        "DO $$ BEGIN EXECUTE 'CREATE ROLE r PASSWORD ' || quote_literal('hunter2'); END $$",
        "DO $$ BEGIN EXECUTE 'CREATE ROLE r PASSWORD ' || quote_literal('********'); END $$",
    ),
    (
        "DO 'BEGIN EXECUTE ''ALTER ROLE r PASSWORD ''''hunter2'''' x''; END'",
        "DO 'BEGIN EXECUTE ''ALTER ROLE r PASSWORD ''''********'''' x''; END'",
    ),
    (
        "DO $$ DECLARE v text := 'hunter2'; BEGIN EXECUTE 'ALTER ROLE r PASSWORD ' || quote_literal(v); END $$",
        "DO $$ DECLARE v text := '********'; BEGIN EXECUTE 'ALTER ROLE r PASSWORD ' || quote_literal(v); END $$",
    ),
    ("SELECT 1 -- the password is: password=hunter2", "SELECT 1 -- the password is: password=********"),
    (
        "CREATE TEMP TABLE IF NOT EXISTS u (n varchar(3), CHECK (n <> ''), password text); INSERT INTO s.\"u\" VALUES ('a', 'hunter2')",
        "CREATE TEMP TABLE IF NOT EXISTS u (n varchar(3), CHECK (n <> ''), password text); INSERT INTO s.\"u\" VALUES ('a', '********')",
    ),
    (
        "CREATE TABLE u (n text, password text); INSERT INTO u (SELECT 'a', 'hunter2')",
        "CREATE TABLE u (n text, password text); INSERT INTO u (SELECT 'a', '********')",
    ),
    (
        "INSERT INTO app.users OVERRIDING USER VALUE VALUES (1, 'hunter2')",
        "INSERT INTO app.users OVERRIDING USER VALUE VALUES (1, '********')",
    ),
    (
        "INSERT INTO \"UserAccounts\" VALUES (1, 'hunter2')",
        "INSERT INTO \"UserAccounts\" VALUES (1, '********')",
    ),
    ("COPY t FROM PROGRAM 'curl -u a:hunter2 http://h'", "COPY t FROM PROGRAM '********'"),
    ("ALTER SYSTEM SET restore_command = 'get -k hunter2'", "ALTER SYSTEM SET restore_command = '********'"),
];

#[test]
fn of_a_row_that_was_refused_only_its_number_is_shown() {
    for (sqlstate, said, shown) in [
        ("23514", "Failing row contains (17, ann, hun (ter)2).", "Failing row contains (17, ********)."),
        (
            "23502",
            "Fehlgeschlagene Zeile enthält (bob, hunter2).",
            "Fehlgeschlagene Zeile enthält (********).",
        ),
        ("23502", "Failing row contains (7).", "Failing row contains (7)."),
        (
            "23514",
            "Failing row contains (6f1c0a86-3c80-4b9e-8a51-0d3f0a1b2c3d, x).",
            "Failing row contains (6f1c0a86-3c80-4b9e-8a51-0d3f0a1b2c3d, ********).",
        ),
        (
            "23514",
            "Partition key of the failing row contains (day) = (2026-01-01).",
            "Partition key of the failing row contains (day) = (2026-01-01).",
        ),
        ("23505", "Key (id)=(17) already exists.", "Key (id)=(17) already exists."),
        (
            "23514",
            "Failing row contains (1, null, x, where (a) = (b)).",
            "Failing row contains (1, ********).",
        ),
        ("23514", "3 sites (see V12) have none", "3 sites (see V12) have none"),
        ("23514", "", ""),
    ] {
        assert_eq!(detail(sqlstate, said), shown);
    }
}

#[test]
fn only_the_secret_is_replaced() {
    for (sql, shown) in CASES {
        assert_eq!(source(sql), *shown, "{sql}");
    }
}

#[test]
fn sql_without_secrets_is_left_as_it_is() {
    for sql in [
        "CREATE TABLE users (id int, password text NOT NULL, token_id int)",
        "COMMENT ON COLUMN users.password IS 'how a user signs in'",
        "SET password_encryption = 'scram-sha-256'",
        "ALTER TABLE users ALTER COLUMN password SET NOT NULL, ADD COLUMN name text DEFAULT 'x'",
        "SELECT 'a', $1, 'https://example.org:8080/x' FROM key WHERE passing = 'x'",
        "UPDATE users SET name = 'x' WHERE password IS NULL",
        "CREATE ROLE r PASSWORD NULL",
        "CREATE TABLE genre (name text, pinned bool); INSERT INTO genre VALUES ('rock', 'f')",
        "INSERT INTO genre VALUES ('rock')",
        "INSERT INTO users (name) VALUES ('ann')",
        "INSERT INTO users SELECT name FROM people",
    ] {
        assert_eq!(source(sql), sql);
    }
}

#[test]
fn what_the_server_repeats_is_recognised() {
    let sql = "CREATE ROLE r PASSWORD E'hun\\'ter2-x'; DO $$ BEGIN EXECUTE 'ALTER ROLE r PASSWORD ''a''''b c'''; END $$";
    let secrets = Secrets::of(sql);
    for (message, shown) in [
        ("syntax error at or near \"E'hun\\'ter2-x'\"", "syntax error at or near \"E'********'\""),
        ("value hun'ter2-x is bad", "value ******** is bad"),
        (
            "SQL statement \"ALTER ROLE r PASSWORD 'a''b c'\"",
            "SQL statement \"ALTER ROLE r PASSWORD '********'\"",
        ),
        ("it is a'b c", "it is ********"),
        ("relation \"r\" does not exist", "relation \"r\" does not exist"),
    ] {
        assert_eq!(secrets.redact(message), shown);
    }
    let unquoted = Secrets::of("CREATE ROLE r PASSWORD Hunter2-x");
    assert_eq!(
        unquoted.redact("syntax error at or near \"Hunter2\""),
        "syntax error at or near \"********\""
    );
    let short = Secrets::of("CREATE ROLE app PASSWORD 'ex'");
    assert_eq!(short.redact("syntax error at or near \"ex\""), "syntax error at or near \"********\"");
    let cut = "CREATE ROLE r PASSWORD 'hunter2;\nSELECT 1";
    let message = "unterminated quoted string at or near \"'hunter2;\nSELECT 1\n;RESET ALL\"";
    assert!(!Secrets::of(cut).redact(message).contains("hunter2"));
}

#[test]
fn queries_of_others_are_read_wherever_they_are_cut_off() {
    for (query, shown) in [
        (
            "pid 4 (it's me), idle; last query: ALTER ROLE x PASSWORD 'hunter2'",
            "pid 4 (it's me), idle; last query: ALTER ROLE x PASSWORD '********'",
        ),
        ("ALTER ROLE x PASSWORD 'hun", "ALTER ROLE x PASSWORD '********"),
        ("ALTER ROLE x PASSWORD hun", "ALTER ROLE x PASSWORD ********"),
        (
            "SELECT dblink_connect('host=h user=u password=hunter2",
            "SELECT dblink_connect('host=h user=u password=********",
        ),
        (
            "connect to postgresql://u:p@ss/w@h:5432/d failed",
            "connect to postgresql://u:********@h:5432/d failed",
        ),
        ("postgres://u:hunt", "postgres://u:********"),
        ("host=h sslpassword=hunter2&x", "host=h sslpassword=********&x"),
        (
            "Key (email, password)=(a@b, hunter2) already exists.",
            "Key (email, password)=(********) already exists.",
        ),
        ("stored SCRAM-SHA-256$4096:c2FsdA==$a+b=:c/d=", "stored ********"),
        ("md5900150983cd24fb0d6963f7d28e17f72", "********"),
        ("password authentication failed for user \"u\"", "password authentication failed for user \"u\""),
        ("cannot connect to postgres://localhost:5432/d", "cannot connect to postgres://localhost:5432/d"),
        ("role \"x\" does not exist", "role \"x\" does not exist"),
    ] {
        assert_eq!(text(query), shown);
    }
}

#[test]
fn a_caret_stays_under_what_it_points_to() {
    let sql = "SELECT 1;\nCREATE ROLE r PASSWORD 'hunter2-hunter2' NOSUCH;";
    let secrets = Secrets::of(sql);
    let (line, column) = secrets.line(sql, 2, 42).unwrap();
    assert_eq!(line, "CREATE ROLE r PASSWORD '********' NOSUCH;");
    assert!(line[column - 1..].starts_with("NOSUCH"), "{column}");
    assert_eq!(secrets.line(sql, 2, 8).unwrap().1, 8);
    assert_eq!(secrets.line(sql, 2, 30).unwrap().1, 25);
    assert_eq!(secrets.line(sql, 3, 1), None);
    let lines = "ALTER ROLE r PASSWORD 'one\ntwo' x";
    let secrets = Secrets::of(lines);
    assert_eq!(secrets.line(lines, 1, 1).unwrap().0, "ALTER ROLE r PASSWORD '********");
    assert_eq!(secrets.line(lines, 2, 6).unwrap(), ("********' x".to_owned(), 11));
}

/// A statement with a secret, and what PostgreSQL might report about it.
fn statement() -> impl Strategy<Value = (String, String)> {
    let templates = prop::sample::select(vec![
        "CREATE ROLE r LOGIN PASSWORD @ NOSUCH",
        "ALTER USER r ENCRYPTED PASSWORD @",
        "CREATE USER MAPPING FOR u SERVER s OPTIONS (user 'u', password @)",
        "SET app.password = @",
        "SELECT set_config('app.secret_key', @, false)",
        "UPDATE t SET api_key = @ WHERE id = 1",
        "INSERT INTO t (a, password, b) VALUES (1, @, 'b')",
        "DO $body$ BEGIN EXECUTE 'CREATE ROLE r PASSWORD ' || quote_literal(@); END $body$",
        "DO $body$ BEGIN ALTER ROLE r PASSWORD @; END $body$",
        "DO $body$ DECLARE x text := @; BEGIN EXECUTE format('ALTER ROLE r PASSWORD %L', x); END $body$",
    ]);
    let quoting = 0..4usize;
    ("[A-Z][0-9]{2}[a-z0-9' \\\\$é;\"(=:@%-]{1,12}[A-Z0-9]{3}", templates, quoting).prop_map(
        |(secret, template, quoting)| {
            let literal = match quoting {
                0 => format!("'{}'", secret.replace('\'', "''")),
                1 => format!("E'{}'", secret.replace('\\', "\\\\").replace('\'', "\\'")),
                2 => format!("$q${}$q$", secret.replace("$q", "")),
                _ => format!("U&'{}'", secret.replace('\\', "\\\\").replace('\'', "''")),
            };
            let secret = if quoting == 2 { secret.replace("$q", "") } else { secret };
            (template.replace('@', &literal), secret)
        },
    )
}

proptest! {
    #[test]
    fn no_secret_is_left((sql, secret) in statement(), cut in 0..200usize) {
        let secrets = Secrets::of(&sql);
        let shown = secrets.source(&sql);
        prop_assert!(!shown.contains(&secret), "{shown}");
        prop_assert!(shown.contains(MASK));
        let message = format!("invalid value \"{secret}\": {sql}");
        let shown = secrets.redact(&message);
        prop_assert!(!shown.contains(&secret), "{shown}");
        // A query that was truncated after the beginning of the secret.
        if let Some(at) = sql.find(&secret[..3]) {
            let cut: String = sql.chars().take(sql[..at].chars().count() + 3 + cut % 20).collect();
            let shown = text(&cut).into_owned();
            let dynamic = sql.starts_with("DO") && !sql.contains("ALTER ROLE r PASSWORD @");
            prop_assert!(dynamic || sql.starts_with("INSERT") || !shown.contains(&secret[..3]), "{cut}\n{shown}");
        }
    }

    #[test]
    fn any_text_is_read(sql in any::<String>()) {
        let secrets = Secrets::of(&sql);
        let shown = secrets.source(&sql);
        for (index, _) in sql.lines().enumerate() {
            secrets.line(&sql, index + 1, 3);
        }
        secrets.redact(&shown);
        text(&sql);
    }

    #[test]
    fn sql_like_text_is_read(sql in "(PASSWORD|password|CREATE ROLE|INSERT INTO t|VALUES|pw|://|U&|E|md5|:=|=|\\(|\\)|,|'|''|\"|\\$|\\$a\\$|\\\\|%L|\n| |;|@|:|é|x1|‘|`|\\|\\||Key \\(token\\)=\\(){0,40}") {
        let secrets = Secrets::of(&sql);
        for (index, _) in sql.lines().enumerate() {
            secrets.line(&sql, index + 1, 7);
        }
        secrets.redact(&secrets.source(&sql));
        text(&sql);
    }
}
