//! The data directory, private to its owner, and the lock that allows one `serve` at a time on an
//! embedded database.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::key_file::KeyFile;

pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Creates the directory with mode 0700 if it is missing.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| {
                format!(
                    "the data directory {} can't be created: choose another with --data-dir",
                    path.display()
                )
            })?;
        Ok(Self(path.to_owned()))
    }

    /// Creates the database's file with mode 0600 before SQLite does; SQLite's other files inherit
    /// the mode.
    pub(crate) fn prepare_database(&self) -> anyhow::Result<()> {
        open_private(&self.0.join("syncline.db"))
            .map(drop)
            .with_context(|| {
                format!(
                    "the data directory {} can't be written to: make it writable, or choose \
                     another with --data-dir",
                    self.0.display()
                )
            })
    }

    /// The file of the encryption keys that were not configured.
    pub(crate) fn key_file(&self) -> KeyFile {
        KeyFile::in_dir(&self.0)
    }
}

/// The file that an embedded database's URL names.
pub(crate) fn database_file(url: &str) -> anyhow::Result<PathBuf> {
    let path = url.trim_start_matches("sqlite:").trim_start_matches("//");
    let path = path.split('?').next().unwrap_or_default();
    if path.is_empty() || path.contains(":memory:") {
        bail!("SYNCLINE_DATABASE_URL names no file: write sqlite://PATH or postgres://…");
    }
    Ok(PathBuf::from(path))
}

/// Opens a file; creates it with mode 0600 if it is missing.
pub(crate) fn open_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Locks an embedded database for one `serve` process until the lock is dropped. The lock file is
/// next to the database.
pub(crate) fn lock_database(database: &Path) -> anyhow::Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = open_private(&path).with_context(|| {
        format!(
            "the database can't be opened: {} can't be created",
            path.display()
        )
    })?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `syncline serve` uses the embedded database {}: stop it, or use PostgreSQL \
             (--database-url) for several processes",
            database.display()
        ),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} can't be locked", path.display()))
        }
    }
}
