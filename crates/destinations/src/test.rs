//! Tests of settings, before they are stored.

use syncline_model::{DestinationConfig, DestinationSecrets, InvalidDestination};

use crate::{DestinationError, target};

/// Checks the settings without connecting.
pub fn check(
    config: &DestinationConfig,
    secrets: &DestinationSecrets,
    allow_private: bool,
) -> Result<(), InvalidDestination> {
    config.check()?;
    secrets.check()?;
    match (config, secrets) {
        #[cfg(feature = "s3")]
        (DestinationConfig::S3(config), DestinationSecrets::S3 { secret_access_key }) => {
            crate::s3_target::config_of(config, secret_access_key)
                .check(allow_private)
                .map_err(|error| InvalidDestination {
                    field: error.field,
                    reason: error.problem,
                })
        }
        _ => {
            let _ = allow_private;
            Ok(())
        }
    }
}

/// Connects, and tries what writing needs. Nothing stays there. The error says what to do.
pub async fn test(
    config: &DestinationConfig,
    secrets: &DestinationSecrets,
    allow_private: bool,
) -> Result<(), DestinationError> {
    let target = target::open(config, secrets, allow_private, 1).await?;
    target.test().await
}
