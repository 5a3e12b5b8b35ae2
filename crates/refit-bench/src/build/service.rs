//! A minimal service on tokio-postgres, and the same service with a migration tool that applies one migration.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// The migration tool of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    /// None: tokio and tokio-postgres, which all the others use as well.
    Plain,
    Refit,
    /// Refit without its default features.
    RefitBare,
    Refinery,
    Sqlx,
    /// sqlx without macros: migrations are read from disk at run time.
    SqlxReading,
}

impl Service {
    /// The baseline first.
    pub(super) const ALL: [Service; 6] = [
        Service::Plain,
        Service::Refit,
        Service::RefitBare,
        Service::Refinery,
        Service::Sqlx,
        Service::SqlxReading,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Service::Plain => "a service on tokio-postgres",
            Service::Refit => "  with refit",
            Service::RefitBare => "  with refit, no default features",
            Service::Refinery => "  with refinery",
            Service::Sqlx => "  with sqlx, embedded migrations, TLS",
            Service::SqlxReading => "  with sqlx, migrations read from disk, TLS",
        }
    }

    fn dependencies(self, workspace: &Path) -> String {
        let path = |name: &str| workspace.join("crates").join(name).display().to_string();
        let refit = |options: &str| {
            format!(
                "refit = {{ path = '{}'{options} }}\n\n[build-dependencies]\nrefit-build = {{ path = '{}' }}\n",
                path("refit"),
                path("refit-build")
            )
        };
        let sqlx = |more: &str| {
            format!(
                "sqlx = {{ version = \"0.9\", default-features = false, features = [\"postgres\", \"runtime-tokio\", \
                 \"migrate\", \"tls-rustls-ring-native-roots\"{more}] }}\n"
            )
        };
        match self {
            Service::Plain => String::new(),
            Service::Refit => refit(""),
            Service::RefitBare => refit(", default-features = false"),
            Service::Refinery => "refinery = { version = \"0.10\", default-features = false, features = \
                                  [\"int8-versions\", \"tokio-postgres\"] }\n"
                .to_owned(),
            Service::Sqlx => sqlx(", \"macros\""),
            Service::SqlxReading => sqlx(""),
        }
    }

    /// The statements that apply the migration.
    fn boot(self) -> &'static str {
        match self {
            Service::Plain => "",
            Service::Refit | Service::RefitBare => {
                "    refit::Migrator::new(&MIGRATIONS).run(&url).await?;\n"
            }
            Service::Refinery => "    embedded::migrations::runner().run_async(&mut client).await?;\n",
            Service::Sqlx => {
                "    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await?;\n    \
                 sqlx::migrate!().run(&mut connection).await?;\n"
            }
            Service::SqlxReading => {
                "    let mut connection = <sqlx::PgConnection as sqlx::Connection>::connect(&url).await?;\n    \
                 let migrator = sqlx::migrate::Migrator::new(std::path::Path::new(\"migrations\")).await?;\n    \
                 migrator.run(&mut connection).await?;\n"
            }
        }
    }

    fn items(self) -> &'static str {
        match self {
            Service::Refit | Service::RefitBare => {
                "static MIGRATIONS: refit::Embedded = refit::embed!();\n\n"
            }
            Service::Refinery => "mod embedded {\n    refinery::embed_migrations!(\"migrations\");\n}\n\n",
            Service::Plain | Service::Sqlx | Service::SqlxReading => "",
        }
    }

    fn migration(self) -> &'static str {
        match self {
            Service::Sqlx | Service::SqlxReading => "1_posts.sql",
            _ => "V1__posts.sql",
        }
    }

    /// Writes the package, with the workspace's lock file.
    pub(super) fn write(self, scratch: &Path, workspace: &Path) -> anyhow::Result<PathBuf> {
        let folder = scratch.join(format!("{self:?}"));
        let write = |path: &str, text: &str| -> anyhow::Result<()> {
            let path = folder.join(path);
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            fs::write(&path, text).with_context(|| path.display().to_string())
        };
        write(
            "Cargo.toml",
            &format!(
                "[package]\nname = \"service\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n\n\
                 [profile.release]\nstrip = true\n\n[dependencies]\n\
                 tokio = {{ version = \"1\", features = [\"rt-multi-thread\", \"macros\"] }}\n\
                 tokio-postgres = \"0.7\"\n{}",
                self.dependencies(workspace)
            ),
        )?;
        write("Cargo.lock", &fs::read_to_string(workspace.join("Cargo.lock"))?)?;
        write(&format!("migrations/{}", self.migration()), "CREATE TABLE posts (id bigint PRIMARY KEY);\n")?;
        if matches!(self, Service::Refit | Service::RefitBare) {
            write("build.rs", "fn main() {\n    refit_build::embed(\"migrations\");\n}\n")?;
        }
        write("src/main.rs", &self.program())?;
        Ok(folder)
    }

    fn program(self) -> String {
        let mutable = if self == Service::Refinery { "mut " } else { "" };
        format!(
            "{}#[tokio::main]\nasync fn main() -> Result<(), Box<dyn std::error::Error>> {{\n    \
             let url = std::env::var(\"DATABASE_URL\")?;\n    \
             let ({mutable}client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;\n    \
             tokio::spawn(connection);\n{}    \
             println!(\"{{}}\", client.query(\"SELECT id FROM posts\", &[]).await?.len());\n    Ok(())\n}}\n",
            self.items(),
            self.boot()
        )
    }
}
