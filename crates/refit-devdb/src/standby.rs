//! A hot standby of a private server, for tests with replication. The base backup uses the server's backup functions
//! (manual, 26.3.3 "Making a Base Backup Using the Low Level API") because the npm packages lack pg_basebackup.

use std::{fs, path::Path};

use crate::{Error, Server, files::copy_tree, folder::Folder, options::line, sql};

/// What a base backup must not contain: the primary's PID file, slots, and files that each start recreates.
const LEFT_OUT: [&str; 9] = [
    "postmaster.pid",
    "postmaster.opts",
    "pg_replslot/",
    "pg_dynshmem/",
    "pg_notify/",
    "pg_serial/",
    "pg_snapshots/",
    "pg_stat_tmp/",
    "pg_subtrans/",
];

impl Server {
    /// Starts a second server that follows this one by streaming replication and accepts reads. It has its own folder and
    /// runs until the returned value is dropped. Blocks for about half a second.
    ///
    /// # Errors
    /// [`Error::State`] when this server is stopped or has tablespaces, [`Error::Sql`] when it rejects the backup (as
    /// with `wal_level = minimal`), and those of [`Server::start`].
    pub fn standby(&self) -> Result<Server, Error> {
        if self.process.is_none() {
            return Err(Error::State("a stopped server cannot have a standby; restart it first"));
        }
        let tablespaces = self.data_dir().join("pg_tblspc");
        if fs::read_dir(&tablespaces).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::State(
                "a server with tablespaces outside its data folder cannot have a standby",
            ));
        }
        let folder = Folder::create(&self.options.temp_dir, &self.account)?;
        self.back_up(folder.path())?;
        let mut standby = Server {
            binaries: self.binaries.clone(),
            options: self.options.clone(),
            account: self.account.clone(),
            port: 0,
            password: self.password.clone(),
            process: None,
            folder,
        };
        if let crate::Listen::Loopback(_) = standby.options.listen {
            standby.options.listen = crate::Listen::Loopback(0);
        }
        let follow = format!("host={} port={} user=postgres", self.dir().display(), self.port());
        standby.append_configuration(&line("primary_conninfo", &follow)?)?;
        standby.listen_and_run()?;
        Ok(standby)
    }

    /// Copies the running cluster to `<folder>/data` as a standby.
    fn back_up(&self, folder: &Path) -> Result<(), Error> {
        let data = folder.join("data");
        let (start, stop) = match self.binaries.major() {
            ..15 => (
                "SELECT pg_start_backup('refit', true, false)",
                "SELECT labelfile FROM pg_stop_backup(false, false)",
            ),
            _ => (
                "SELECT pg_catalog.pg_backup_start('refit', true)",
                "SELECT labelfile FROM pg_catalog.pg_backup_stop(false)",
            ),
        };
        let copy = || {
            // Slots and shared memory are not copied, but their folders must exist.
            let skip = |path: &Path| {
                let name = path.to_string_lossy();
                name == "pg_wal" || LEFT_OUT.iter().any(|left| name == *left || name.starts_with(left))
            };
            copy_tree(&self.data_dir(), &data, Some(&self.account), &skip)
        };
        // The backup ends with its session.
        let (copied, label) = sql::with_client(&self.socket_url("postgres"), "backing up", |client| {
            client.batch_execute(start)?;
            let copied = copy();
            let label: String = client.query_one(stop, &[])?.get(0);
            Ok((copied, label))
        })?;
        copied.map_err(Error::io("copy to", &data))?;
        // Copy the WAL after the backup ends, so that it holds all that recovery needs.
        let wal =
            copy_tree(&self.data_dir().join("pg_wal"), &data.join("pg_wal"), Some(&self.account), &|_| false);
        wal.map_err(Error::io("copy to", data.join("pg_wal")))?;
        for (name, text) in [("backup_label", label.as_str()), ("standby.signal", "")] {
            let path = data.join(name);
            let written = fs::write(&path, text).and_then(|()| self.account.own(&path));
            written.map_err(Error::io("write", &path))?;
        }
        Ok(())
    }
}
