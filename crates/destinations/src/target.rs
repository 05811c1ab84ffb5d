//! One destination, of whatever type, as the worker writes to it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use syncline_model::{DestinationConfig, DestinationSecrets, ExportRows, FeedPosition, Time};
use syncline_store::{DestinationFeed, Removal};

#[cfg(feature = "s3")]
use crate::s3_target::S3Target;
use crate::{DestinationError, postgres::PostgresTarget};

/// How far a destination came with one connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    /// Of the change feed.
    pub(crate) epoch: String,
    pub(crate) position: FeedPosition,
    /// The database was restored since: when all is written anew, rows with earlier stamps go.
    pub(crate) stale_before: Option<Time>,
}

/// Where a feed's rows are written. Cheap to clone.
#[derive(Clone)]
pub(crate) enum Target {
    Postgres(PostgresTarget),
    #[cfg(feature = "s3")]
    S3(S3Target),
}

/// The open destinations of this process.
#[derive(Clone)]
pub(crate) struct Targets {
    open: Arc<Mutex<HashMap<String, (i64, Target)>>>,
    allow_private: bool,
    connections: u32,
}

impl Targets {
    /// With at most so many connections to each destination.
    pub(crate) fn new(allow_private: bool, connections: u32) -> Self {
        Self {
            open: Arc::default(),
            allow_private,
            connections,
        }
    }

    /// The feed's destination as it is configured now.
    pub(crate) async fn of(&self, feed: &DestinationFeed) -> Result<Target, DestinationError> {
        if let Some((version, target)) = self.opened().get(&feed.destination_id)
            && *version == feed.destination_version
        {
            return Ok(target.clone());
        }
        let target = open(
            &feed.config,
            &feed.secrets,
            self.allow_private,
            self.connections,
        )
        .await?;
        let opened = (feed.destination_version, target.clone());
        self.opened().insert(feed.destination_id.clone(), opened);
        Ok(target)
    }

    /// Connects anew next time.
    pub(crate) fn forget(&self, feed: &DestinationFeed) {
        self.opened().remove(&feed.destination_id);
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<String, (i64, Target)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(crate) async fn open(
    config: &DestinationConfig,
    secrets: &DestinationSecrets,
    allow_private: bool,
    connections: u32,
) -> Result<Target, DestinationError> {
    match (config, secrets) {
        (DestinationConfig::Postgres(config), DestinationSecrets::Postgres(secrets)) => {
            PostgresTarget::open(config, secrets, allow_private, connections)
                .await
                .map(Target::Postgres)
        }
        #[cfg(feature = "s3")]
        (DestinationConfig::S3(config), DestinationSecrets::S3 { secret_access_key }) => {
            S3Target::open(config, secret_access_key, allow_private).map(Target::S3)
        }
        _ => Err(DestinationError::failed(
            crate::check_built(config.destination_type())
                .err()
                .unwrap_or("the destination's secrets are those of another type"),
        )),
    }
}

#[cfg_attr(
    not(feature = "s3"),
    expect(
        unused_variables,
        clippy::unused_async,
        reason = "only an object store takes all of them, or waits"
    )
)]
impl Target {
    pub(crate) async fn test(&self) -> Result<(), DestinationError> {
        match self {
            Self::Postgres(target) => target.test().await,
            #[cfg(feature = "s3")]
            Self::S3(target) => target.test().await,
        }
    }

    /// `None`: nothing was written of this connection.
    pub(crate) async fn checkpoint(
        &self,
        feed: &DestinationFeed,
    ) -> Result<Option<Checkpoint>, DestinationError> {
        match self {
            Self::Postgres(target) => target.checkpoint(feed).await,
            #[cfg(feature = "s3")]
            Self::S3(target) => target.checkpoint(feed).await,
        }
    }

    /// Writes rows and the checkpoint behind them, both or neither.
    pub(crate) async fn write(
        &self,
        feed: &DestinationFeed,
        rows: Vec<ExportRows>,
        checkpoint: &Checkpoint,
        now: Time,
    ) -> Result<(), DestinationError> {
        match self {
            Self::Postgres(target) => target.write(feed, &rows, checkpoint).await,
            #[cfg(feature = "s3")]
            Self::S3(target) => target.write(feed, rows, checkpoint, now).await,
        }
    }

    /// Removes rows with stamps before this time, and notes that none are left.
    pub(crate) async fn remove_stale(
        &self,
        feed: &DestinationFeed,
        checkpoint: &Checkpoint,
        now: Time,
    ) -> Result<(), DestinationError> {
        match self {
            Self::Postgres(target) => target.remove_stale(feed, checkpoint).await,
            #[cfg(feature = "s3")]
            Self::S3(target) => target.remove_stale(feed, checkpoint, now).await,
        }
    }

    pub(crate) async fn remove(
        &self,
        feed: &DestinationFeed,
        removal: &Removal,
        now: Time,
    ) -> Result<(), DestinationError> {
        match self {
            Self::Postgres(target) => target.remove(feed, removal).await,
            #[cfg(feature = "s3")]
            Self::S3(target) => target.remove(feed, removal, now).await,
        }
    }

    /// Puts in order what has come together, after a feed was written to its end.
    pub(crate) async fn tidy(
        &self,
        feed: &DestinationFeed,
        now: Time,
    ) -> Result<(), DestinationError> {
        match self {
            Self::Postgres(_) => Ok(()),
            #[cfg(feature = "s3")]
            Self::S3(target) => target.tidy(feed, now).await,
        }
    }
}
