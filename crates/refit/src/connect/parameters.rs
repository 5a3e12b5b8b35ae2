//! libpq's connection parameters: which are passed to the driver, which are read here, and which are rejected with a reason.
//!
//! *Invariant*: a parameter that would make the connection more secure (`require_auth`, `sslcrl`) is applied or rejected, never
//! ignored.

use std::time::Duration;

use tokio_postgres::Config;
use tokio_postgres::config::TargetSessionAttrs;

use super::hosts::HostRole;
use super::tls::{SslMode, TlsOptions};
use crate::error::Error;

/// Parameters that the driver reads.
const DRIVER: [&str; 14] = [
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "options",
    "application_name",
    "connect_timeout",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "channel_binding",
    "load_balance_hosts",
];

/// Parameters that [`Parameters::take`] reads.
const READ: [&str; 14] = [
    "client_encoding",
    "fallback_application_name",
    "gssencmode",
    "keepalives_count",
    "replication",
    "sslcert",
    "sslcertmode",
    "sslkey",
    "sslmode",
    "sslnegotiation",
    "sslrootcert",
    "sslsni",
    "target_session_attrs",
    "tcp_user_timeout",
];

/// Parameters that are accepted and have no effect: those of GSSAPI, which is never used, and one that libpq itself ignores.
const WITHOUT_EFFECT: [&str; 4] = ["gssdelegation", "gsslib", "krbsrvname", "sslcompression"];

/// Parameters that are not supported, each with what to do.
const REFUSED: [(&str, &str); 15] = [
    ("oauth_client_id", "OAuth is not supported; use a role with another authentication method"),
    ("oauth_client_secret", "OAuth is not supported; use a role with another authentication method"),
    ("oauth_issuer", "OAuth is not supported; use a role with another authentication method"),
    ("oauth_scope", "OAuth is not supported; use a role with another authentication method"),
    ("passfile", "password files are not read; put the password in the URL"),
    ("require_auth", "authentication methods cannot be chosen; remove it, and use sslmode=verify-full"),
    ("requirepeer", "the owner of the server's socket is not checked; remove it"),
    ("scram_client_key", "keys are not accepted in place of a password; use the password"),
    ("scram_server_key", "keys are not accepted in place of a password; use the password"),
    ("service", "service files are not read; put the connection parameters in the URL"),
    ("servicefile", "service files are not read; put the connection parameters in the URL"),
    ("sslcrl", "certificate revocation lists are not read; remove it"),
    ("sslcrldir", "certificate revocation lists are not read; remove it"),
    ("sslkeylogfile", "TLS keys are not logged; remove it"),
    ("sslpassword", "encrypted keys are not supported; decrypt the file that sslkey names"),
];

/// How a parameter is handled.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// Passed to the driver.
    Driver,
    /// Passed to the driver under another name.
    As(&'static str),
    /// Read here, or without effect.
    Read,
}

/// The values of the parameters that are read here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Parameters {
    pub(super) tls: TlsOptions,
    /// The role for values of `target_session_attrs` that the driver does not support.
    pub(super) role: Option<HostRole>,
    session: Option<TargetSessionAttrs>,
    fallback_application_name: Option<String>,
    /// Zero means the system's default.
    tcp_user_timeout: Option<Duration>,
    keepalives_idle: bool,
    keepalives_interval: bool,
    keepalives_count: bool,
}

impl Parameters {
    pub(super) fn take(&mut self, key: &str, value: &str) -> Result<Taken, Error> {
        match key {
            "keepalives_idle" => self.keepalives_idle = true,
            "keepalives_interval" => self.keepalives_interval = true,
            "keepalives_count" | "keepalives_retries" => {
                self.keepalives_count = true;
                // Zero means the system's default, but the system rejects zero as a number of probes.
                return Ok(if value == "0" { Taken::Read } else { Taken::As("keepalives_retries") });
            }
            "sslnegotiation" => self.tls.direct = value == "direct",
            _ => {}
        }
        if DRIVER.contains(&key) || key == "sslnegotiation" {
            return Ok(Taken::Driver);
        }
        if let Some((_, reason)) = REFUSED.iter().find(|(refused, _)| *refused == key) {
            return match value {
                "" => Ok(Taken::Read),
                _ => Err(Error::Url(format!("`{key}` is not supported: {reason}"))),
            };
        }
        self.read(key, value).map(|()| Taken::Read)
    }

    fn read(&mut self, key: &str, value: &str) -> Result<(), Error> {
        match key {
            "sslmode" => self.tls.mode = SslMode::parse(value)?,
            // The spelling of JDBC and of older versions of libpq.
            "ssl" | "requiressl" => match value {
                "true" | "1" => self.tls.mode = SslMode::Require,
                "false" | "0" => {}
                _ => return Err(unknown_value(key, value, "sslmode=require")),
            },
            "sslrootcert" => self.tls.root_certificate = Some(value.into()),
            "sslcert" => self.tls.certificate = Some(value.into()),
            "sslkey" => self.tls.key = Some(value.into()),
            "sslsni" => self.tls.without_server_name = value == "0",
            "sslcertmode" => match value {
                "" | "allow" => {}
                "disable" => self.tls.without_certificate = true,
                _ => return Err(unknown_value(key, value, "disable or allow")),
            },
            "ssl_min_protocol_version" => match value {
                "" | "TLSv1" | "TLSv1.1" | "TLSv1.2" => {}
                "TLSv1.3" => self.tls.only_1_3 = true,
                _ => return Err(unknown_value(key, value, "TLSv1.2 or TLSv1.3")),
            },
            "ssl_max_protocol_version" => match value {
                "" | "TLSv1.3" => {}
                "TLSv1.2" => self.tls.only_1_2 = true,
                _ => return Err(unknown_value(key, value, "TLSv1.2 or TLSv1.3")),
            },
            "client_encoding" => {
                let name = value.to_ascii_lowercase().replace(['-', '_'], "");
                if !matches!(name.as_str(), "" | "auto" | "utf8" | "unicode") {
                    return Err(unknown_value(key, value, "UTF8, the encoding of migrations, or auto"));
                }
            }
            "gssencmode" if !matches!(value, "" | "disable" | "prefer") => {
                return Err(unknown_value(key, value, "disable or prefer; GSSAPI is not supported"));
            }
            "replication" if !matches!(value, "" | "false" | "off" | "no" | "0") => {
                return Err(unknown_value(key, value, "false; migrations do not run on such a connection"));
            }
            "min_protocol_version" if !matches!(value, "" | "3.0") => {
                return Err(unknown_value(key, value, "3.0, the version that is used"));
            }
            "fallback_application_name" => self.fallback_application_name = Some(value.to_owned()),
            "tcp_user_timeout" => {
                let milliseconds: i64 =
                    value.parse().map_err(|_| unknown_value(key, value, "a number of milliseconds"))?;
                let milliseconds = u64::try_from(milliseconds).unwrap_or(0);
                self.tcp_user_timeout = Some(Duration::from_millis(milliseconds));
            }
            "target_session_attrs" => self.target_session(value)?,
            "gssencmode" | "replication" | "min_protocol_version" | "max_protocol_version" => {}
            _ if WITHOUT_EFFECT.contains(&key) => {}
            _ => return Err(unknown(key)),
        }
        Ok(())
    }

    fn target_session(&mut self, value: &str) -> Result<(), Error> {
        // Pools do not choose among hosts as `connect` does; for them the closest attribute of the driver is set.
        let (session, role) = match value {
            "" | "any" => (TargetSessionAttrs::Any, None),
            "read-write" => (TargetSessionAttrs::ReadWrite, None),
            "read-only" => (TargetSessionAttrs::ReadOnly, None),
            "primary" => (TargetSessionAttrs::ReadWrite, Some(HostRole::Primary)),
            "standby" => (TargetSessionAttrs::ReadOnly, Some(HostRole::Standby)),
            "prefer-standby" => (TargetSessionAttrs::Any, Some(HostRole::PreferStandby)),
            _ => {
                let known = "any, read-write, read-only, primary, standby or prefer-standby";
                return Err(unknown_value("target_session_attrs", value, known));
            }
        };
        (self.session, self.role) = (Some(session), role);
        Ok(())
    }

    /// Applies the parameters to the driver's configuration. Keepalives have defaults that detect a lost host within a minute;
    /// those of operating systems take hours.
    pub(super) fn apply(&self, config: &mut Config) {
        if !self.keepalives_idle {
            config.keepalives_idle(Duration::from_secs(30));
        }
        if !self.keepalives_interval {
            config.keepalives_interval(Duration::from_secs(10));
        }
        if !self.keepalives_count {
            config.keepalives_retries(3);
        }
        let user_timeout = self.tcp_user_timeout.unwrap_or(Duration::from_secs(60));
        if !user_timeout.is_zero() {
            config.tcp_user_timeout(user_timeout);
        }
        if let Some(session) = self.session {
            config.target_session_attrs(session);
        }
        if let (Some(name), None) = (&self.fallback_application_name, config.get_application_name()) {
            config.application_name(name);
        }
    }
}

fn unknown_value(key: &str, value: &str, known: &str) -> Error {
    Error::Url(format!("{key}={value} is not supported; use {known}"))
}

fn unknown(key: &str) -> Error {
    let mut known: Vec<&str> = DRIVER.iter().chain(&READ).chain(&WITHOUT_EFFECT).copied().collect();
    known.extend([
        "max_protocol_version",
        "min_protocol_version",
        "ssl_max_protocol_version",
        "ssl_min_protocol_version",
    ]);
    known.sort_unstable();
    Error::Url(format!("unknown parameter `{key}`; use one of {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `PQconninfoOptions` of PostgreSQL 18, in its order, each with a valid value.
    const LIBPQ: [(&str, &str); 54] = [
        ("service", "s"),
        ("servicefile", "f"),
        ("user", "u"),
        ("password", "p"),
        ("passfile", "f"),
        ("channel_binding", "prefer"),
        ("connect_timeout", "2"),
        ("dbname", "d"),
        ("host", "h"),
        ("hostaddr", "127.0.0.1"),
        ("port", "1"),
        ("client_encoding", "UTF8"),
        ("options", "-cjit=off"),
        ("application_name", "a"),
        ("fallback_application_name", "a"),
        ("keepalives", "1"),
        ("keepalives_idle", "1"),
        ("keepalives_interval", "1"),
        ("keepalives_count", "1"),
        ("tcp_user_timeout", "1"),
        ("sslmode", "prefer"),
        ("sslnegotiation", "postgres"),
        ("sslcompression", "0"),
        ("sslcert", "f"),
        ("sslkey", "f"),
        ("sslcertmode", "allow"),
        ("sslpassword", "p"),
        ("sslrootcert", "f"),
        ("sslcrl", "f"),
        ("sslcrldir", "f"),
        ("sslsni", "1"),
        ("requirepeer", "p"),
        ("require_auth", "scram-sha-256"),
        ("min_protocol_version", "3.0"),
        ("max_protocol_version", "latest"),
        ("ssl_min_protocol_version", "TLSv1.2"),
        ("ssl_max_protocol_version", "TLSv1.3"),
        ("gssencmode", "prefer"),
        ("krbsrvname", "postgres"),
        ("gsslib", "gssapi"),
        ("gssdelegation", "0"),
        ("replication", "false"),
        ("target_session_attrs", "prefer-standby"),
        ("load_balance_hosts", "disable"),
        ("scram_client_key", "k"),
        ("scram_server_key", "k"),
        ("oauth_issuer", "i"),
        ("oauth_client_id", "i"),
        ("oauth_client_secret", "s"),
        ("oauth_scope", "s"),
        ("sslkeylogfile", "f"),
        // Older ones.
        ("requiressl", "1"),
        ("ssl", "true"),
        ("keepalives_retries", "1"),
    ];

    #[test]
    fn every_parameter_of_libpq_is_accepted_or_rejected_with_a_reason() {
        for (key, value) in LIBPQ {
            let refused = REFUSED.iter().any(|(name, _)| *name == key);
            match Parameters::default().take(key, value) {
                Ok(_) => assert!(!refused, "{key}"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(refused && text.contains("is not supported: "), "{key}: {text}");
                }
            }
        }
    }

    #[test]
    fn accepted_parameters_make_a_valid_configuration() {
        for (key, value) in LIBPQ.iter().filter(|(key, _)| REFUSED.iter().all(|(name, _)| name != key)) {
            let url = match *key {
                "host" | "hostaddr" | "port" | "user" | "password" | "dbname" => "postgres://h/d".to_owned(),
                _ => format!("postgres://h/d?{key}={value}"),
            };
            crate::connect::Target::parse(&url).unwrap_or_else(|error| panic!("{url}: {error}"));
            let pairs = format!("host=h dbname=d {key}='{value}'");
            crate::connect::Target::parse(&pairs).unwrap_or_else(|error| panic!("{pairs}: {error}"));
        }
    }

    #[test]
    fn the_error_for_an_unsupported_value_names_the_supported_ones() {
        for (key, value, expected) in [
            ("target_session_attrs", "master", "primary, standby or prefer-standby"),
            ("client_encoding", "latin1", "UTF8"),
            ("gssencmode", "require", "disable or prefer"),
            ("tcp_user_timeout", "1s", "milliseconds"),
            ("ssl_max_protocol_version", "TLSv1.1", "TLSv1.2"),
            ("replication", "database", "false"),
            ("sslcertmode", "require", "allow"),
            ("sslmodus", "x", "sslmode"),
        ] {
            let text = Parameters::default().take(key, value).unwrap_err().to_string();
            assert!(text.contains(key) && text.contains(expected), "{text}");
        }
    }
}
