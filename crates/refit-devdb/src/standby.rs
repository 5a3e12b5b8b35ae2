//! A hot standby of a private server, for tests of what replication changes. The copy is taken with the server's own
//! backup functions (manual, 26.3.3 "Making a Base Backup Using the Low Level API") instead of pg_basebackup, which the
//! npm packages do not hold.

use std::{fs, path::Path};

use crate::{Error, Server, files::copy_tree, folder::Folder, options::line, sql};

/// What a copy must not hold: the primary's process file, slots, and what each start makes anew.
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
    /// Starts a second server that follows this one by streaming replication and answers reads. It lies in a folder of
    /// its own and lives as long as the value returned. Blocks for about half a second.
    ///
    /// # Errors
    /// [`Error::State`] when this server is stopped or has tablespaces, [`Error::Sql`] when it refuses the backup (as
    /// with `wal_level = minimal`), else as [`Server::start`].
    pub fn standby(&self) -> Result<Server, Error> {
        if self.process.is_none() {
            return Err(Error::State("a stopped server cannot have a standby; restart it first"));
        }
        let tablespaces = self.data_dir().join("pg_tblspc");
        if fs::read_dir(&tablespaces).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::State(
                "a server with tablespaces outside its data folder cannot have a standby here",
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

    /// Copies the running cluster to `<folder>/data`, set up to follow.
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
        // The backup is the session's: it ends with it.
        let (copied, label) = sql::with_client(&self.socket_url("postgres"), "backing up", |client| {
            client.batch_execute(start)?;
            let copied = copy();
            let label: String = client.query_one(stop, &[])?.get(0);
            Ok((copied, label))
        })?;
        copied.map_err(Error::io("copy to", &data))?;
        // After the end, so that all that the copy needs to become consistent is there.
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
