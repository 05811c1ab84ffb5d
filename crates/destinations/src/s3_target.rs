//! A bucket as the worker writes to it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use syncline_model::{ExportRows, FeedPosition, Object, S3Destination, Time};
use syncline_store::{DestinationFeed, Removal, export_columns};

use crate::{
    DestinationError,
    s3::{Bucket, Gone, Manifest, S3Config, S3Error, Source},
    target::Checkpoint,
};

/// An object of a connection that has more files than this is compacted.
const MOST_FILES: usize = 24;

#[derive(Clone)]
pub(crate) struct S3Target {
    bucket: Arc<Bucket>,
    /// The newest manifest of each connection that is worked on.
    manifests: Arc<Mutex<HashMap<String, Manifest>>>,
}

/// The checkpoint in a manifest.
#[derive(Serialize, Deserialize)]
struct CheckpointText {
    epoch: String,
    position: FeedPosition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    stale_before_ms: Option<i64>,
}

pub(crate) fn config_of(config: &S3Destination, secret_access_key: &SecretString) -> S3Config {
    let prefix = config.prefix.as_deref().unwrap_or_default();
    S3Config {
        bucket: config.bucket_name().to_owned(),
        prefix: prefix.trim_end_matches('/').to_owned(),
        region: config.region.clone(),
        endpoint: config.endpoint.clone(),
        access_key_id: config.access_key_id.clone(),
        secret_access_key: secret_access_key.clone(),
    }
}

impl S3Target {
    pub(crate) fn open(
        config: &S3Destination,
        secret_access_key: &SecretString,
        allow_private: bool,
    ) -> Result<Self, DestinationError> {
        let bucket = Bucket::connect(&config_of(config, secret_access_key), allow_private)?;
        Ok(Self {
            bucket: Arc::new(bucket),
            manifests: Arc::default(),
        })
    }

    pub(crate) async fn test(&self) -> Result<(), DestinationError> {
        let id = format!("{:032x}", rand::random::<u128>());
        Ok(self.bucket.test(&id).await?)
    }

    pub(crate) async fn checkpoint(
        &self,
        feed: &DestinationFeed,
    ) -> Result<Option<Checkpoint>, DestinationError> {
        let manifest = self.bucket.manifest(&source_of(feed)).await?;
        let text = manifest.checkpoint.clone();
        self.keep(manifest);
        let Some(text) = text else { return Ok(None) };
        let read: CheckpointText = serde_json::from_str(&text).map_err(|error| {
            DestinationError::failed(format!("a manifest's checkpoint can't be read: {error}"))
        })?;
        Ok(Some(Checkpoint {
            epoch: read.epoch,
            position: read.position,
            stale_before: read.stale_before_ms.and_then(Time::from_timestamp_millis),
        }))
    }

    pub(crate) async fn write(
        &self,
        feed: &DestinationFeed,
        rows: Vec<ExportRows>,
        checkpoint: &Checkpoint,
        now: Time,
    ) -> Result<(), DestinationError> {
        let current = self.manifest_of(feed).await?;
        let text = serde_json::to_string(&CheckpointText {
            epoch: checkpoint.epoch.clone(),
            position: checkpoint.position.clone(),
            stale_before_ms: checkpoint.stale_before.map(|at| at.timestamp_millis()),
        });
        let text = text.map_err(|error| DestinationError::failed(error.to_string()))?;
        self.keep(self.bucket.write(&current, rows, &text, now).await?);
        Ok(())
    }

    pub(crate) async fn remove_stale(
        &self,
        feed: &DestinationFeed,
        checkpoint: &Checkpoint,
        now: Time,
    ) -> Result<(), DestinationError> {
        let before = checkpoint.stale_before;
        if let Some(until) = before.map(|before| before - chrono::TimeDelta::milliseconds(1)) {
            for object in Object::ALL {
                self.rewrite(feed, *object, Gone::new(None, Some(until)), now)
                    .await?;
            }
        }
        let clean = Checkpoint {
            stale_before: None,
            ..checkpoint.clone()
        };
        self.write(feed, Vec::new(), &clean, now).await
    }

    /// What is removed is deleted at once, although somebody may be reading it.
    pub(crate) async fn remove(
        &self,
        feed: &DestinationFeed,
        removal: &Removal,
        now: Time,
    ) -> Result<(), DestinationError> {
        let Some(object) = removal.object else {
            self.forget(feed);
            return Ok(self.bucket.remove(&source_of(feed), now).await?);
        };
        let ids = removal.record_ids.clone().map(HashSet::from_iter);
        let until = Time::from_timestamp_millis(removal.until_ms);
        self.rewrite(feed, object, Gone::new(ids, until), now)
            .await?;
        let current = self.manifest_of(feed).await?;
        self.bucket.clean(&current, now, true).await?;
        Ok(())
    }

    /// Compacts what has many files, and deletes what no reader needs.
    pub(crate) async fn tidy(
        &self,
        feed: &DestinationFeed,
        now: Time,
    ) -> Result<(), DestinationError> {
        for object in Object::ALL {
            let current = self.manifest_of(feed).await?;
            if current.files_of(*object).count() > MOST_FILES {
                self.rewrite(feed, *object, Gone::nothing(), now).await?;
            }
        }
        let current = self.manifest_of(feed).await?;
        if !current.superseded.is_empty() || current.sequence.is_multiple_of(CLEAN_EVERY) {
            self.bucket.clean(&current, now, false).await?;
        }
        self.forget(feed);
        Ok(())
    }

    async fn rewrite(
        &self,
        feed: &DestinationFeed,
        object: Object,
        gone: Gone,
        now: Time,
    ) -> Result<(), DestinationError> {
        let current = self.manifest_of(feed).await?;
        let columns = export_columns(object);
        let rewritten = self
            .bucket
            .rewrite(&current, object, &columns, gone, now)
            .await?;
        self.keep(rewritten);
        Ok(())
    }

    /// The newest manifest, as far as this worker knows. Another writer is noticed when the next one is
    /// created.
    async fn manifest_of(&self, feed: &DestinationFeed) -> Result<Manifest, DestinationError> {
        let known = self.kept().get(&feed.connection.connection_id).cloned();
        match known {
            Some(manifest) => Ok(manifest),
            None => Ok(self.bucket.manifest(&source_of(feed)).await?),
        }
    }

    fn keep(&self, manifest: Manifest) {
        let connection_id = manifest.source.connection_id.clone();
        self.kept().insert(connection_id, manifest);
    }

    fn forget(&self, feed: &DestinationFeed) {
        self.kept().remove(&feed.connection.connection_id);
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<String, Manifest>> {
        self.manifests
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often what half-written batches left is looked for, in manifests.
const CLEAN_EVERY: u64 = 16;

fn source_of(feed: &DestinationFeed) -> Source {
    Source {
        application_id: feed.connection.application_id.clone(),
        customer_id: feed.connection.customer_id.clone(),
        provider_name: feed.connection.provider.as_str().to_owned(),
        connection_id: feed.connection.connection_id.clone(),
    }
}

impl From<S3Error> for DestinationError {
    fn from(error: S3Error) -> Self {
        match error {
            S3Error::Overtaken => Self::Overtaken,
            other => Self::Failed(other.to_string()),
        }
    }
}
