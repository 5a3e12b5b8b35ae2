//! Certificates made for a test, and a server that uses them.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use refit_devdb::{Listen, Server, ServerOptions};
use tempfile::TempDir;

use super::{server, until, value_at};

/// An authority that signs certificates into a folder.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, as PEM.
pub(crate) struct Signed {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("root.crt"), issuer.pem()).unwrap();
        Authority { issuer, folder }
    }

    /// The file to name as `sslrootcert`.
    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root.crt")
    }

    pub(crate) fn root_pem(&self) -> String {
        self.issuer.pem()
    }

    /// A certificate with that common name, and those alternative names.
    pub(crate) fn sign(&self, common_name: &str, names: &[&str]) -> Signed {
        let key = KeyPair::generate().unwrap();
        let certificate = parameters(common_name, names).signed_by(&key, &self.issuer).unwrap();
        Signed { certificate: certificate.pem(), key: key.serialize_pem() }
    }

    /// Files to name as `sslcert` and `sslkey`.
    pub(crate) fn client(&self, user: &str) -> (PathBuf, PathBuf) {
        let signed = self.sign(user, &[]);
        let (certificate, key) =
            (self.folder.path().join("client.crt"), self.folder.path().join("client.key"));
        std::fs::write(&certificate, signed.certificate).unwrap();
        std::fs::write(&key, signed.key).unwrap();
        (certificate, key)
    }
}

fn parameters(common_name: &str, names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params
}

/// A self-signed certificate that could sign others, as `openssl req -x509` makes them.
pub(crate) fn self_signed(common_name: &str) -> Signed {
    let key = KeyPair::generate().unwrap();
    let mut params = parameters(common_name, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    Signed { certificate: certificate.pem(), key: key.serialize_pem() }
}

/// A server on loopback with this certificate. `clients` is the authority of its clients' certificates.
pub(crate) async fn tls_server(signed: &Signed, clients: Option<&Authority>) -> Server {
    let server = server(ServerOptions { listen: Listen::Loopback(0), ..ServerOptions::for_tests() }).await;
    give(&server, "server.crt", &signed.certificate);
    give(&server, "server.key", &signed.key);
    let mut settings = "ssl = on\n".to_owned();
    if let Some(clients) = clients {
        give(&server, "root.crt", &clients.root_pem());
        settings.push_str("ssl_ca_file = 'root.crt'\n");
    }
    let file = server.data_dir().join("postgresql.auto.conf");
    let auto = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, auto + &settings).unwrap();
    reload(&server).await;
    server
}

/// Writes pg_hba.conf with `lines` as its host lines.
pub(crate) async fn allow(server: &Server, lines: &str) {
    let file = server.data_dir().join("pg_hba.conf");
    std::fs::write(file, format!("local all all trust\n{lines}\n")).unwrap();
    reload(server).await;
}

/// Reloads the server's configuration files, and waits until it is done: the postmaster reads all of them at once, and new sessions
/// show the values that it has read.
async fn reload(server: &Server) {
    let socket = socket_url(server);
    let marker: String = value_at(&socket, "SELECT md5(random()::text)").await;
    super::execute_at(&socket, &format!("ALTER SYSTEM SET log_line_prefix = '{marker} '")).await;
    super::execute_at(&socket, "SELECT pg_reload_conf()").await;
    let shown = async || value_at::<String>(&socket, "SHOW log_line_prefix").await.trim() == marker;
    until("the server has reloaded its configuration", shown).await;
}

fn socket_url(server: &Server) -> String {
    let host = server.dir().to_str().unwrap().replace('/', "%2F");
    format!("postgres://postgres@{host}:{}/postgres", server.port())
}

fn give(server: &Server, name: &str, text: &str) {
    let path: &Path = &server.data_dir().join(name);
    let account = std::fs::metadata(server.data_dir()).unwrap();
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
    chown(path, Some(account.uid()), Some(account.gid())).unwrap();
}
