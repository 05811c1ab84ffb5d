//! A scan's credentials: valid at each request, and what it means for the scan when they aren't.

use std::time::Duration;

use syncline_model::{Credentials, WaitReason};
use syncline_providers::KeyCheck;
use syncline_store::{Pause, StoreError};

use crate::{
    Engine, NoTokens,
    leased_scan::LeasedScan,
    report,
    scan::{Failure, ScanEnd, Step},
};

/// The scan goes on at once.
const AT_ONCE: Duration = Duration::ZERO;

impl Engine {
    /// The scan's credentials for a request now, or what to do without.
    pub(crate) async fn credentials_of(
        &self,
        leased: &mut LeasedScan,
    ) -> Result<Result<Credentials, Step>, StoreError> {
        let credentials = match &leased.scan.credentials {
            Ok(credentials) => credentials.clone(),
            Err(reason) => {
                let failure = Failure::new(reason.clone());
                return Ok(Err(Step::End(self.fail(leased, &failure).await?)));
            }
        };
        let connection_id = &leased.scan.connection.connection_id;
        match self.tokens.newer(connection_id, &credentials).await {
            Ok(None) => Ok(Ok(credentials)),
            Ok(Some(stored)) => {
                let credentials = stored.credentials.clone();
                leased.scan.use_credentials(stored);
                Ok(Ok(credentials))
            }
            Err(none) => Ok(Err(self.without_tokens(leased, none).await?)),
        }
    }

    /// The provider rejected the credentials of a request.
    pub(crate) async fn after_rejection(
        &self,
        leased: &mut LeasedScan,
        credentials: &Credentials,
        error: String,
    ) -> Result<Step, StoreError> {
        let pause = match credentials {
            Credentials::ApiKey(_) => self.pause_for_rejected_key(leased, credentials).await,
            Credentials::OAuth(tokens) if !leased.has_new_tokens => {
                let connection_id = &leased.scan.connection.connection_id;
                match self.tokens.replacement(connection_id, tokens).await {
                    Ok(stored) => {
                        leased.scan.use_credentials(stored);
                        leased.has_new_tokens = true;
                        return Ok(Step::Again { after: AT_ONCE });
                    }
                    Err(none) => return self.without_tokens(leased, none).await,
                }
            }
            // A new token is rejected as well, which says nothing about the authorization.
            Credentials::OAuth(_) => None,
        };
        let failure = Failure {
            pause,
            ..Failure::new(error)
        };
        Ok(Step::End(self.fail(leased, &failure).await?))
    }

    async fn without_tokens(
        &self,
        leased: &mut LeasedScan,
        none: NoTokens,
    ) -> Result<Step, StoreError> {
        let error = none.to_string();
        let failure = match none {
            NoTokens::Store(error) => return Err(error),
            NoTokens::Deleted => return Ok(Step::End(ScanEnd::Abandoned)),
            NoTokens::RateLimited { until } => {
                let end = self.wait(leased, until, WaitReason::ProviderRateLimit);
                return Ok(Step::End(end.await?));
            }
            NoTokens::Later { .. } => {
                leased.tries_from(self.clock.now());
                if let Some(after) = leased.next_try(&self.config.retry, self.clock.now()) {
                    report::retry(&leased.scan, "the refresh of its tokens", &error, after);
                    return Ok(Step::Again { after });
                }
                Failure {
                    resumable: true,
                    ..Failure::new(error)
                }
            }
            NoTokens::AuthorizationLost { stored, .. } => {
                leased.scan.use_credentials(*stored);
                Failure {
                    pause: Some(Pause::Connection {
                        reason: format!("Connection no longer authenticated: {error}"),
                    }),
                    ..Failure::new(error)
                }
            }
        };
        Ok(Step::End(self.fail(leased, &failure).await?))
    }

    /// A single 401 may be the provider's mistake, so the key is checked again.
    async fn pause_for_rejected_key(
        &self,
        leased: &mut LeasedScan,
        credentials: &Credentials,
    ) -> Option<Pause> {
        leased.requests += 1;
        match self.provider_of(&leased.scan).check(credentials).await {
            KeyCheck::Rejected { reason } => Some(Pause::Connection {
                reason: format!("Connection no longer authenticated: {reason}"),
            }),
            KeyCheck::Valid { .. } | KeyCheck::Unclear { .. } => None,
        }
    }
}
