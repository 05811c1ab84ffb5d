//! The list that comes in, and the results that go out.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, anyhow, bail};
use sha2::{Digest, Sha256};
use syncline_model::enrichment::Kind;
use syncline_server::{CsvList, CsvResults, read_csv};
use syncline_store::{EnrichmentJob, Store};

use crate::cli::EnrichArgs;

/// How many results are in memory at once.
const BATCH: i64 = 500;
/// As large as a request to the API may be.
const LARGEST: u64 = 5 * 1024 * 1024;

/// A list that was read.
pub(super) struct ListFile {
    pub(super) kind: Kind,
    pub(super) list: CsvList,
    digest: Sha256,
}

impl ListFile {
    pub(super) fn read(args: &EnrichArgs) -> anyhow::Result<Self> {
        let name = args.input.display();
        let kind = Kind::parse(&args.kind).context("--kind must be people or companies")?;
        let size = fs::metadata(&args.input).with_context(|| format!("can't read {name}"))?;
        if size.len() > LARGEST {
            bail!("{name} is larger than {LARGEST} bytes: split it");
        }
        let bytes = fs::read(&args.input).with_context(|| format!("can't read {name}"))?;
        let list = read_csv(&bytes, kind).map_err(|reason| anyhow!("{name}: {reason}"))?;
        if let Some(first) = list.items.iter().find(|item| item.lead.is_err())
            && list.items.iter().all(|item| item.lead.is_err())
            && let Err((_, error)) = &first.lead
        {
            bail!("{name}: no line can match; the first one: {error}");
        }
        let mut digest = Sha256::new();
        digest.update(&bytes);
        Ok(Self { kind, list, digest })
    }

    /// The same for the same list with the same options: by it the command finds what it began.
    pub(super) fn fingerprint(&self, args: &EnrichArgs) -> String {
        let mut digest = self.digest.clone();
        let options = (
            self.kind.as_str(),
            args.reveal_personal_emails,
            args.reuse_days,
        );
        digest.update(format!("{options:?}"));
        hex::encode(digest.finalize())
    }
}

/// Whether results can be written there, before anything is paid for.
pub(super) fn check_output(path: &Path, input: &Path) -> anyhow::Result<()> {
    let dir = dir_of(path);
    let name = path.display();
    if let Ok(there) = fs::symlink_metadata(path) {
        if there.is_dir() {
            bail!("--out {name} is a directory: name a file");
        }
        // It would be replaced by a file.
        if !there.is_file() {
            bail!("--out {name} is a link or a device: name a file");
        }
        if fs::canonicalize(path).ok() == fs::canonicalize(input).ok() {
            bail!("--out {name} is the list itself: name another file");
        }
    }
    tempfile::NamedTempFile::new_in(&dir).with_context(|| format!("can't write {name}"))?;
    Ok(())
}

/// Writes the results beside the file and then puts them in its place, so that it is never half written.
pub(super) async fn write_results(
    store: &Store,
    job: &EnrichmentJob,
    path: &Path,
) -> anyhow::Result<()> {
    let name = path.display();
    let mut file = tempfile::NamedTempFile::new_in(dir_of(path))
        .with_context(|| format!("can't write {name}"))?;
    let mut results = CsvResults::of(job);
    let mut after = Some(0);
    while let Some(from) = after {
        let items = store.enrichment_items(job, from, BATCH, false).await?;
        for item in &items.rows {
            results.write(item);
        }
        file.write_all(&results.take())
            .with_context(|| format!("can't write {name}"))?;
        after = items.next_after_position();
    }
    file.persist(path)
        .with_context(|| format!("can't write {name}"))?;
    Ok(())
}

fn dir_of(path: &Path) -> PathBuf {
    let parent = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    parent.map_or_else(|| PathBuf::from("."), Path::to_owned)
}
