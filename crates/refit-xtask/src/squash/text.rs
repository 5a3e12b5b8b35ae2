//! The text of a checkpoint, from what `pg_dump` writes: without what a run sets itself, and without names of the private server.

/// The role of private servers.
const SUPERUSER: &str = "postgres";

/// What the comment at the top says.
pub(super) struct Facts<'a> {
    /// The stem of the last migration.
    pub(super) last: &'a str,
    /// The major version of the server.
    pub(super) postgres: u32,
}

/// Settings that a run makes itself, or that not every server has.
const SET_BY_RUN: [&str; 7] = [
    "SET statement_timeout",
    "SET lock_timeout",
    "SET idle_in_transaction_session_timeout",
    "SET transaction_timeout",
    "SET client_encoding",
    "SET standard_conforming_strings",
    "SET client_min_messages",
];

/// The file.
pub(super) fn checkpoint(heading: &str, facts: &Facts<'_>, dump: &str) -> String {
    let mut text = format!(
        "{heading}--\n-- The schema after {}, with which a new database begins in place of the migrations up to it.\n\
         -- Made by `cargo xtask squash` on PostgreSQL {}: make it again instead of changing it.\n",
        facts.last, facts.postgres
    );
    let end = dump.rfind("--\n-- PostgreSQL database dump complete").unwrap_or(dump.len());
    let mut is_preamble = true;
    for line in dump[..end].trim_end().lines() {
        if is_preamble && line.starts_with("-- Name:") {
            is_preamble = false;
            text.push_str("--\n");
        }
        let is_left_out = is_preamble
            && (line.starts_with("--")
                || line.starts_with("\\restrict ")
                || SET_BY_RUN.iter().any(|setting| line.starts_with(setting))
                || line.is_empty() && text.ends_with("\n\n"));
        if !is_left_out {
            text.push_str(&of_any_role(line));
            text.push('\n');
        }
    }
    text
}

/// A statement that names the private server's role, for the role that runs it.
fn of_any_role(line: &str) -> String {
    let role = format!("ALTER DEFAULT PRIVILEGES FOR ROLE {SUPERUSER} ");
    if let Some(rest) = line.strip_prefix(&role) {
        return format!("ALTER DEFAULT PRIVILEGES {rest}");
    }
    for (verb, end) in [("GRANT ", format!(" TO {SUPERUSER};")), ("REVOKE ", format!(" FROM {SUPERUSER};"))] {
        if let Some(start) = line.strip_suffix(&*end).filter(|start| start.starts_with(verb)) {
            return format!("{start}{} CURRENT_USER;", end.trim_end_matches(&format!(" {SUPERUSER};")));
        }
    }
    line.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_run_sets_and_the_role_of_the_server_are_left_out() {
        let dump = "--\n-- PostgreSQL database dump\n--\n\n\\restrict x\n\nSET statement_timeout = 0;\nSET transaction_timeout = 0;\n\
                    SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n\n\
                    --\n-- Name: t; Type: TABLE\n--\n\nCREATE TABLE public.t (\n    a text DEFAULT '\nSET statement_timeout'\n);\n\n\n\
                    REVOKE ALL ON TABLE public.t FROM postgres;\nGRANT SELECT ON TABLE public.t TO reader;\n\
                    ALTER DEFAULT PRIVILEGES FOR ROLE postgres GRANT SELECT ON TABLES TO reader;\n\n\
                    --\n-- PostgreSQL database dump complete\n--\n\n\\unrestrict x\n\n";
        let facts = Facts { last: "V2__t", postgres: 15 };
        let text = checkpoint("-- refit: squashes = \"1\"\n", &facts, dump);
        assert_eq!(
            text,
            "-- refit: squashes = \"1\"\n--\n-- The schema after V2__t, with which a new database begins in place of the \
             migrations up to it.\n-- Made by `cargo xtask squash` on PostgreSQL 15: make it again instead of changing it.\n\n\
             SELECT pg_catalog.set_config('search_path', '', false);\nSET check_function_bodies = false;\n\n\
             --\n-- Name: t; Type: TABLE\n--\n\nCREATE TABLE public.t (\n    a text DEFAULT '\nSET statement_timeout'\n);\n\n\n\
             REVOKE ALL ON TABLE public.t FROM CURRENT_USER;\nGRANT SELECT ON TABLE public.t TO reader;\n\
             ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO reader;\n"
        );
    }
}
