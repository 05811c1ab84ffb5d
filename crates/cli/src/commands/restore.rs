//! `syncline restore FILE`: replaces the embedded database by a backup.
//!
//! The backup is checked on a copy. The database's name then moves from the old file to the new one
//! atomically, so one of them is there even after a crash.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, bail};
use syncline_model::{Ids, SystemClock};
use syncline_store::{EncryptionKeys, ExclusiveDatabase, Store, StoreError};

use super::backup::directory_of;
use crate::{
    cli::FileArgs,
    config::Config,
    data_dir::{DataDir, database_file, lock_database, open_private},
    encryption_keys::{check_encryption_keys, encryption_keys},
    key_file::KeyFile,
    logging,
};

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) async fn run(args: &FileArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.settings)?;
    logging::init(config.log.format);
    let url = config.database_url();
    if url.starts_with("postgres") {
        bail!(
            "this is a PostgreSQL database: restore it with pg_restore, and then run \
             `syncline migrate --after-restore`"
        );
    }
    let backup = &args.file;
    if !backup.is_file() {
        bail!("there is no backup at {}", backup.display());
    }
    let database = database_file(&url)?;
    let clock = Arc::new(SystemClock::default());
    let key_file = match config.encryption_key {
        Some(_) => None,
        None => Some(KeyFile::in_dir(&config.data_dir)),
    };
    let keys = match &key_file {
        // No new key: it couldn't decrypt anything.
        Some(file) => file.open().context(
            "the encryption key that belongs to the backup is needed, there or in \
             SYNCLINE_ENCRYPTION_KEY",
        )?,
        None => encryption_keys(&config, None, &Ids::random())?,
    };
    DataDir::open(&config.data_dir)?;
    let _lock = lock_database(&database)?;
    let staging = tempfile::Builder::new()
        .prefix(".syncline-restore-")
        .tempdir_in(directory_of(&database))
        .with_context(|| {
            format!(
                "the directory of {} can't be written to",
                database.display()
            )
        })?;
    let new = staging.path().join("restored.db");
    copy(backup, &new)?;
    prepare(&new, keys, key_file.as_ref(), clock.clone(), &database)
        .await
        .with_context(|| format!("{} can't be restored", backup.display()))?;
    let time = clock.machine_now().format("%Y%m%dT%H%M%SZ");
    let kept = with_suffix(&database, &format!(".replaced-{time}"));
    let had_one = replace(&database, &new, &kept).await?;
    println!("{} is restored to {}", backup.display(), database.display());
    if had_one {
        println!("the old database is {} now", kept.display());
    }
    Ok(())
}

fn copy(backup: &Path, new: &Path) -> anyhow::Result<()> {
    let log = with_suffix(backup, "-wal");
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        bail!(
            "{} is not a backup: a part of it is in {}. Make one with `syncline backup`",
            backup.display(),
            log.display()
        );
    }
    let mut from =
        File::open(backup).with_context(|| format!("{} can't be read", backup.display()))?;
    let copied = open_private(new).and_then(|mut to| io::copy(&mut from, &mut to));
    copied.with_context(|| format!("{} can't be copied", backup.display()))?;
    Ok(())
}

/// Checks whether the copy can be used, and upgrades it.
async fn prepare(
    new: &Path,
    keys: EncryptionKeys,
    key_file: Option<&KeyFile>,
    clock: Arc<SystemClock>,
    replaced: &Path,
) -> anyhow::Result<()> {
    syncline_store::examine(new).await?;
    let url = format!("sqlite://{}", new.display());
    let store = Store::open(&url, clock, Arc::new(Ids::random()), keys).await?;
    let usable = async {
        store.migrate().await?;
        check_encryption_keys(&store, key_file).await?;
        if let [first, ..] = &store.unopened_secrets().await?[..] {
            bail!("{first}");
        }
        if replaced.try_exists()?
            && let Err(error) = syncline_store::take_over(new, replaced).await
        {
            tracing::warn!("could not read what changed after the backup: {error}");
        }
        Ok(store.restamp().await?)
    }
    .await;
    store.close().await;
    usable?;
    // Merge the write-ahead log into the file, so that the file is complete without it.
    ExclusiveDatabase::settle(new).await?.release().await?;
    File::open(new)?.sync_all()?;
    Ok(())
}

/// Gives the database's name to the new file, and another name to the old one.
async fn replace(database: &Path, new: &Path, kept: &Path) -> anyhow::Result<bool> {
    let cannot = || format!("{} can't be replaced", database.display());
    let had_one = database.try_exists().with_context(cannot)?;
    let settled = if had_one {
        match ExclusiveDatabase::settle(database).await {
            Ok(settled) => Some(settled),
            Err(error @ StoreError::InUse(_)) => {
                return Err(error).with_context(cannot);
            }
            Err(error) => {
                tracing::warn!("the database that is being replaced is damaged: {error}");
                None
            }
        }
    } else {
        None
    };
    if had_one {
        fs::hard_link(database, kept).with_context(cannot)?;
    }
    // If the old database was damaged, its log is still there. The new one must not be opened with
    // it.
    for suffix in ["-wal", "-journal"] {
        let log = with_suffix(database, suffix);
        if log.try_exists().with_context(cannot)? {
            fs::rename(&log, with_suffix(kept, suffix)).with_context(cannot)?;
        }
    }
    let _ = fs::remove_file(with_suffix(database, "-shm"));
    fs::rename(new, database).with_context(cannot)?;
    File::open(directory_of(database))
        .and_then(|dir| dir.sync_all())
        .with_context(cannot)?;
    if let Some(settled) = settled {
        settled.release().await?;
    }
    Ok(had_one)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
