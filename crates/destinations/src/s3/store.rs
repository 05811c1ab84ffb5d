//! A bucket, and the few operations that are done with it.

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use object_store::{
    Error, ObjectStore, ObjectStoreExt, PutMode, PutPayload, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use secrecy::ExposeSecret;
use syncline_outgoing::{Lookup, SystemLookup};

use super::{S3Config, S3Error, http::Guarded};

/// Few and short: whoever calls tries again by itself.
const RETRIES: usize = 3;
const RETRY_WITHIN: Duration = Duration::from_secs(30);

/// A destination's part of a bucket. Paths are relative to its prefix.
#[derive(Debug)]
pub struct Bucket {
    store: AmazonS3,
    prefix: String,
}

/// What became of a file that was to be made.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    Created,
    /// There was one already, and it is as it was.
    Exists,
}

impl Bucket {
    /// Checks the fields; nothing is sent.
    pub fn connect(config: &S3Config, allow_private: bool) -> Result<Self, S3Error> {
        Self::connect_by(SystemLookup, config, allow_private)
    }

    pub(super) fn connect_by(
        lookup: impl Lookup,
        config: &S3Config,
        allow_private: bool,
    ) -> Result<Self, S3Error> {
        config.check(allow_private)?;
        let endpoint = config.endpoint_url();
        let is_plain = endpoint.as_ref().is_some_and(|it| it.scheme() == "http");
        let http = Guarded::new(lookup, allow_private, is_plain)
            .map_err(|error| S3Error::Other(error.to_string()))?;
        // Not `from_env`, and always with a key: nothing is taken from this machine.
        let builder = AmazonS3Builder::new()
            .with_http_connector(http)
            .with_bucket_name(&config.bucket)
            .with_region(&config.region)
            .with_access_key_id(&config.access_key_id)
            .with_secret_access_key(config.secret_access_key.expose_secret())
            // Not every server has DeleteObjects.
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig {
                max_retries: RETRIES,
                retry_timeout: RETRY_WITHIN,
                ..RetryConfig::default()
            });
        let builder = match endpoint {
            Some(endpoint) => builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_allow_http(is_plain),
            // A certificate for *.s3.… has no place for more dots.
            None => builder.with_virtual_hosted_style_request(!config.bucket.contains('.')),
        };
        Ok(Self {
            store: builder.build()?,
            prefix: config.prefix.clone(),
        })
    }

    fn path(&self, relative: &str) -> Path {
        if self.prefix.is_empty() {
            Path::from(relative)
        } else {
            Path::from(format!("{}/{relative}", self.prefix))
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Option<Bytes>, S3Error> {
        match self.store.get(&self.path(path)).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a file, or writes it again.
    pub(super) async fn put(&self, path: &str, content: PutPayload) -> Result<(), S3Error> {
        self.store.put(&self.path(path), content).await?;
        Ok(())
    }

    /// Makes a file unless there is one.
    pub(super) async fn create(&self, path: &str, content: Vec<u8>) -> Result<Made, S3Error> {
        let path = self.path(path);
        let created = self
            .store
            .put_opts(&path, content.into(), PutMode::Create.into())
            .await;
        match created {
            Ok(_) => Ok(Made::Created),
            Err(Error::AlreadyExists { .. }) => Ok(Made::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// The paths under a directory, in their order.
    pub(super) async fn list(&self, directory: &str) -> Result<Vec<String>, S3Error> {
        let skipped = match self.prefix.len() {
            0 => 0,
            length => length + 1,
        };
        let found: Vec<_> = self
            .store
            .list(Some(&self.path(directory)))
            .try_collect()
            .await?;
        let relative =
            |it: &object_store::ObjectMeta| it.location.as_ref().get(skipped..).map(str::to_owned);
        let mut paths: Vec<_> = found.iter().filter_map(relative).collect();
        paths.sort_unstable();
        Ok(paths)
    }

    /// Deletes files, and doesn't mind if they are gone already.
    pub(super) async fn delete(&self, paths: &[String]) -> Result<(), S3Error> {
        let paths: Vec<_> = paths.iter().map(|path| Ok(self.path(path))).collect();
        let deleted = self
            .store
            .delete_stream(futures::stream::iter(paths).boxed());
        deleted
            .map(|one| match one {
                Ok(_) | Err(Error::NotFound { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            })
            .try_collect()
            .await
    }
}
