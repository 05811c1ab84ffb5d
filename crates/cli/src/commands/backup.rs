//! `syncline backup FILE`: the embedded database as it is at one moment.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};

use crate::{cli::FileArgs, config::Config, data_dir::database_file, logging};

#[expect(clippy::print_stdout, reason = "the command's answer")]
pub(crate) async fn run(args: &FileArgs) -> anyhow::Result<()> {
    let config = Config::load(&args.settings)?;
    logging::init(config.log.format);
    let url = config.database_url();
    if url.starts_with("postgres") {
        bail!(
            "this is a PostgreSQL database: back it up with pg_dump --format=custom, and keep \
             SYNCLINE_ENCRYPTION_KEY as well"
        );
    }
    let database = database_file(&url)?;
    if !database.is_file() {
        bail!("there is no database {} to back up", database.display());
    }
    copy(&database, &args.file).await?;
    println!(
        "{} is backed up to {}",
        database.display(),
        args.file.display()
    );
    let key = match &config.encryption_key {
        Some(_) => "SYNCLINE_ENCRYPTION_KEY".to_owned(),
        None => config.data_dir.join("encryption.key").display().to_string(),
    };
    println!("keep {key} as well, in another place: without it the credentials can't be decrypted");
    Ok(())
}

/// The file gets its name only when it is complete.
async fn copy(database: &Path, file: &Path) -> anyhow::Result<()> {
    let cannot = || format!("{} can't be written", file.display());
    if file.symlink_metadata().is_ok() {
        bail!("{} exists already: choose another name", file.display());
    }
    let dir = directory_of(file);
    // The file is private to its owner, like the backup that it becomes.
    let new = tempfile::Builder::new()
        .prefix(".syncline-backup-")
        .tempfile_in(&dir)
        .with_context(cannot)?;
    syncline_store::back_up(database, new.path())
        .await
        .with_context(cannot)?;
    syncline_store::examine(new.path())
        .await
        .with_context(|| format!("{} can't be backed up", database.display()))?;
    new.as_file().sync_all().with_context(cannot)?;
    new.persist_noclobber(file)
        .map_err(|error| error.error)
        .with_context(cannot)?;
    File::open(&dir)
        .and_then(|dir| dir.sync_all())
        .with_context(cannot)
}

/// The directory of a file, also if the path is only a name.
pub(super) fn directory_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir.to_owned(),
        _ => PathBuf::from("."),
    }
}
