//! The file with an embedded database's encryption keys, newest first, one per line.
//!
//! It is only replaced as a whole, so readers find either the old keys or the new ones. A process
//! that changes it holds the directory's lock.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::Write,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use secrecy::zeroize::Zeroizing;
use syncline_model::Ids;
use syncline_store::EncryptionKeys;

pub(crate) struct KeyFile {
    dir: PathBuf,
    path: PathBuf,
}

/// The lock on changing the keys, until it is dropped.
pub(crate) struct Held(#[expect(dead_code, reason = "the lock lasts as long as the file")] File);

impl KeyFile {
    pub(crate) fn in_dir(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            path: dir.join("encryption.key"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys; the first start creates one.
    pub(crate) fn open_or_make(&self, ids: &Ids) -> anyhow::Result<EncryptionKeys> {
        if !self.is_there()? {
            let lock = self.directory()?;
            lock.lock().with_context(|| self.cannot("be locked"))?;
            // Another process may have created it meanwhile.
            if !self.is_there()? {
                self.write(&Zeroizing::new(EncryptionKeys::generate(ids)))?;
            }
        }
        Ok(EncryptionKeys::in_file(&self.path)?)
    }

    /// The keys; an error if there are none.
    pub(crate) fn open(&self) -> anyhow::Result<EncryptionKeys> {
        if !self.is_there()? {
            bail!(
                "there is no {}: put it back, or set SYNCLINE_ENCRYPTION_KEY to its key",
                self.path.display()
            );
        }
        Ok(EncryptionKeys::in_file(&self.path)?)
    }

    pub(crate) fn hold(&self) -> anyhow::Result<Held> {
        let lock = self.directory()?;
        match lock.try_lock() {
            Ok(()) => Ok(Held(lock)),
            Err(TryLockError::WouldBlock) => bail!(
                "another command is changing the keys in {}: try again when it is done",
                self.path.display()
            ),
            Err(TryLockError::Error(error)) => Err(error).with_context(|| self.cannot("be locked")),
        }
    }

    /// Creates a new key and puts it before the existing ones.
    pub(crate) fn prepend_new_key(&self, ids: &Ids, _held: &Held) -> anyhow::Result<()> {
        let old = fs::read_to_string(&self.path).with_context(|| self.cannot("be read"))?;
        let old = Zeroizing::new(old);
        let new = Zeroizing::new(EncryptionKeys::generate(ids));
        let keys = Zeroizing::new(format!("{}\n{}", *new, old.trim()));
        self.write(&keys)
    }

    pub(crate) fn remove(&self) -> anyhow::Result<()> {
        fs::remove_file(&self.path).with_context(|| self.cannot("be removed"))
    }

    pub(crate) fn is_there(&self) -> anyhow::Result<bool> {
        self.path
            .try_exists()
            .with_context(|| self.cannot("be read"))
    }

    /// Locks the directory itself, which avoids one more file.
    fn directory(&self) -> anyhow::Result<File> {
        File::open(&self.dir).with_context(|| self.cannot("be locked"))
    }

    /// Writes the file atomically, so that a crash leaves either the old or the new one.
    fn write(&self, keys: &str) -> anyhow::Result<()> {
        let new = self.path.with_extension("key.new");
        let written = (|| {
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&new)?;
            writeln!(file, "{keys}")?;
            file.sync_all()?;
            fs::rename(&new, &self.path)?;
            File::open(&self.dir)?.sync_all()
        })();
        written.with_context(|| self.cannot("be written"))
    }

    fn cannot(&self, what: &str) -> String {
        format!("{} can't {what}", self.path.display())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_key_is_made_once_and_a_new_one_goes_in_front() {
        let dir = tempfile::tempdir().unwrap();
        let (file, ids) = (KeyFile::in_dir(dir.path()), Ids::seeded(1));
        let first = file.open_or_make(&ids).unwrap().ids();
        assert_eq!(file.open_or_make(&ids).unwrap().ids(), first);

        let running = file.open_or_make(&ids).unwrap();
        let held = file.hold().unwrap();
        assert!(file.hold().is_err(), "two change it at once");
        file.prepend_new_key(&ids, &held).unwrap();
        let both = running.ids();
        assert_eq!((both.len(), &both[1..]), (2, &first[..]));
        assert_eq!(file.open_or_make(&ids).unwrap().ids(), both);
    }

    #[test]
    fn what_an_interrupted_change_left_is_no_key() {
        let dir = tempfile::tempdir().unwrap();
        let (file, ids) = (KeyFile::in_dir(dir.path()), Ids::seeded(1));
        fs::write(dir.path().join("encryption.key.new"), "half a k").unwrap();
        assert_eq!(file.open_or_make(&ids).unwrap().ids().len(), 1);
    }
}
