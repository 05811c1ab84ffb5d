//! The data directory, private to its owner, and the lock that gives an embedded database to one
//! `serve` at a time.

use std::{
    fs::{self, DirBuilder, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use syncline_model::Ids;
use syncline_store::EncryptionKeys;

pub(crate) struct DataDir(PathBuf);

impl DataDir {
    /// Makes the directory where it is missing, mode 0700.
    pub(crate) fn open(path: &Path) -> anyhow::Result<Self> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("the data directory {} can't be made", path.display()))?;
        Ok(Self(path.to_owned()))
    }

    /// Makes the database's file before the database does, so that it is 0600; what SQLite puts
    /// beside it inherits that.
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

    /// The encryption key that is kept here; made at the first start.
    pub(crate) fn encryption_key(&self, ids: &Ids) -> anyhow::Result<String> {
        let path = self.0.join("encryption.key");
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path);
        match created {
            Ok(mut file) => {
                let key = EncryptionKeys::generate(ids);
                writeln!(file, "{key}")
                    .and_then(|()| file.sync_all())
                    .with_context(|| format!("{} can't be written", path.display()))?;
                Ok(key)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                fs::read_to_string(&path)
                    .map(|key| key.trim().to_owned())
                    .with_context(|| format!("{} can't be read", path.display()))
            }
            Err(error) => {
                Err(error).with_context(|| format!("{} can't be written", path.display()))
            }
        }
    }
}

/// Opens a file, made with mode 0600 where it is missing.
fn open_private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Holds an embedded database for one `serve` process until the lock is dropped. The lock lies beside
/// the database, wherever that is.
pub(crate) fn lock_database(database: &Path) -> anyhow::Result<File> {
    let mut path = database.as_os_str().to_owned();
    path.push(".lock");
    let path = PathBuf::from(path);
    let file = open_private(&path).with_context(|| {
        format!(
            "the database can't be opened: {} can't be made",
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
