//! A manifest: all of a connection's current files, and how far they go.

use chrono::Duration;
use serde::{Deserialize, Serialize};
use syncline_model::{Object, Time, time};

use super::{S3Error, layout};

/// The format of manifests; readers should refuse another.
const VERSION: u32 = 1;
/// Nobody counts that far, and there has to be a next one.
const TOO_MANY: u64 = u64::MAX / 2;
/// How long a file stays after it was replaced, for readers who have begun.
pub(super) const GRACE: Duration = Duration::minutes(10);

/// Whose rows they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub application_id: String,
    pub customer_id: String,
    pub provider_name: String,
    pub connection_id: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    pub version: u32,
    /// 1 for a connection's first; 0 is said of a connection that has none.
    pub sequence: u64,
    #[serde(with = "time::millis")]
    pub written_at: Time,
    #[serde(flatten)]
    pub source: Source,
    /// How far the change feed was read; null where nothing was, or all was removed.
    pub checkpoint: Option<String>,
    /// In the order in which they were written.
    pub files: Vec<DataFile>,
    /// Files that were replaced, and are deleted ten minutes later.
    pub superseded: Vec<Superseded>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataFile {
    pub object: Object,
    /// Relative to the destination's prefix.
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Superseded {
    pub path: String,
    #[serde(with = "time::millis")]
    pub since: Time,
}

impl Manifest {
    /// Of a connection of which nothing has been written.
    pub(super) fn none(source: &Source) -> Self {
        Self {
            version: VERSION,
            sequence: 0,
            written_at: Time::UNIX_EPOCH,
            source: source.clone(),
            checkpoint: None,
            files: Vec::new(),
            superseded: Vec::new(),
        }
    }

    pub fn files_of(&self, object: Object) -> impl Iterator<Item = &DataFile> {
        self.files.iter().filter(move |file| file.object == object)
    }

    /// The one after it, with the same files.
    pub(super) fn next(&self, now: Time) -> Self {
        let mut next = self.clone();
        next.sequence += 1;
        next.written_at = now;
        next.superseded.retain(|file| file.since > now - GRACE);
        next
    }

    /// Takes the files of an object out of it.
    pub(super) fn supersede(&mut self, object: Object) {
        let (gone, stay) = std::mem::take(&mut self.files)
            .into_iter()
            .partition(|file| file.object == object);
        self.files = stay;
        let gone: Vec<DataFile> = gone;
        self.superseded
            .extend(gone.into_iter().map(|file| Superseded {
                path: file.path,
                since: self.written_at,
            }));
    }

    pub(super) fn to_json(&self) -> Result<Vec<u8>, S3Error> {
        serde_json::to_vec(self).map_err(|error| S3Error::Other(error.to_string()))
    }

    /// The manifest at this path, if it is one of the connection.
    pub(super) fn read(path: &str, json: &[u8], source: &Source) -> Result<Self, S3Error> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let damaged = |error: serde_json::Error| S3Error::damaged(path, error);
        let Versioned { version } = serde_json::from_slice(json).map_err(damaged)?;
        if version != VERSION {
            let problem = format!("it has version {version}, which a newer Syncline wrote");
            return Err(S3Error::damaged(path, problem));
        }
        let manifest: Self = serde_json::from_slice(json).map_err(damaged)?;
        let connection_id = &manifest.source.connection_id;
        if *connection_id != source.connection_id
            || layout::sequence_of(path) != Some(manifest.sequence)
            || manifest.sequence > TOO_MANY
        {
            return Err(S3Error::damaged(path, "it belongs to another place"));
        }
        Ok(manifest)
    }
}
