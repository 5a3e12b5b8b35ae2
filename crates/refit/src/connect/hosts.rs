//! Chooses among hosts for the values of `target_session_attrs` that libpq supports and the driver does not.

use std::net::IpAddr;

use rand::seq::SliceRandom;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, LoadBalanceHosts, TargetSessionAttrs};

/// The role that a server must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HostRole {
    /// Not in recovery.
    Primary,
    /// In recovery.
    Standby,
    /// In recovery if there is such a server, else any.
    PreferStandby,
}

impl HostRole {
    /// Whether a server has the role; `None` if it is used only when no other server has it.
    pub(super) fn suits(self, in_recovery: bool) -> Option<bool> {
        match self {
            HostRole::Primary => Some(!in_recovery),
            HostRole::Standby => Some(in_recovery),
            HostRole::PreferStandby => in_recovery.then_some(true),
        }
    }

    /// Why a server that was reached is not used.
    pub(super) fn refusal(self) -> &'static str {
        match self {
            HostRole::Primary => {
                "the server is a standby, and target_session_attrs=primary requires a primary"
            }
            _ => "the server is a primary, and target_session_attrs=standby requires a standby",
        }
    }
}

/// One configuration for each address of each host, in the order in which they are tried.
pub(super) async fn each(config: &Config) -> Vec<Config> {
    let mut all = Vec::new();
    for (index, host) in config.get_hosts().iter().enumerate() {
        let ports = config.get_ports();
        let port = ports.get(index).or(ports.first()).copied().unwrap_or(5432);
        for address in addresses(host, port, config.get_hostaddrs().get(index)).await {
            let mut one = without_hosts(config);
            match host {
                Host::Tcp(name) => one.host(name),
                #[cfg(unix)]
                Host::Unix(folder) => one.host_path(folder),
            };
            one.port(port).target_session_attrs(TargetSessionAttrs::Any);
            if let Some(address) = address {
                one.hostaddr(address);
            }
            all.push(one);
        }
    }
    if config.get_load_balance_hosts() == LoadBalanceHosts::Random {
        all.shuffle(&mut rand::rng());
    }
    all
}

/// The addresses of a host. If a name cannot be resolved, the driver reports it.
async fn addresses(host: &Host, port: u16, given: Option<&IpAddr>) -> Vec<Option<IpAddr>> {
    match (host, given) {
        (_, Some(address)) => vec![Some(*address)],
        (Host::Tcp(name), None) => match tokio::net::lookup_host((name.as_str(), port)).await {
            Ok(found) => found.map(|address| Some(address.ip())).collect(),
            Err(_) => vec![None],
        },
        #[cfg(unix)]
        (Host::Unix(_), None) => vec![None],
    }
}

/// A copy without hosts: the driver has no way to remove them from a configuration.
fn without_hosts(config: &Config) -> Config {
    let mut new = Config::new();
    if let Some(user) = config.get_user() {
        new.user(user);
    }
    if let Some(password) = config.get_password() {
        new.password(password);
    }
    if let Some(name) = config.get_dbname() {
        new.dbname(name);
    }
    if let Some(options) = config.get_options() {
        new.options(options);
    }
    if let Some(name) = config.get_application_name() {
        new.application_name(name);
    }
    if let Some(timeout) = config.get_connect_timeout() {
        new.connect_timeout(*timeout);
    }
    if let Some(timeout) = config.get_tcp_user_timeout() {
        new.tcp_user_timeout(*timeout);
    }
    if let Some(interval) = config.get_keepalives_interval() {
        new.keepalives_interval(interval);
    }
    if let Some(retries) = config.get_keepalives_retries() {
        new.keepalives_retries(retries);
    }
    new.keepalives(config.get_keepalives())
        .keepalives_idle(config.get_keepalives_idle())
        .ssl_mode(config.get_ssl_mode())
        .ssl_negotiation(config.get_ssl_negotiation())
        .channel_binding(config.get_channel_binding());
    new
}
