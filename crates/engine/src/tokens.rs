//! OAuth access tokens that are valid when they are used.
//!
//! Tokens are refreshed a few minutes before they expire, when a provider rejects them, and once in
//! a while if nobody uses them. Of all processes one refreshes at a time (`store/token_refresh.rs`);
//! the others wait for what it stores. A new pair is stored before it is used, because a provider may
//! have revoked the old one.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use chrono::TimeDelta;
use futures::{FutureExt as _, future::BoxFuture};
use secrecy::SecretString;
use syncline_model::{
    Clock, Credentials, OAuthClient, OAuthTokens, ProviderName, Time,
    mutation::{self, Mutation},
};
use syncline_providers::{OAuthServer, Providers, TokenError, TokenErrorKind, oauth::Code};
use syncline_store::{
    ConfiguredProvider, FailedRefresh, RefreshLease, Store, StoreError, StoredCredentials,
};

use crate::sleep::Sleep;

/// Tokens are refreshed this long before they expire, and up to a minute earlier.
const MARGIN: TimeDelta = TimeDelta::minutes(5);
/// The longest that a refresh takes: the request's timeout, and time to store its result.
const REFRESH_LEASE: TimeDelta = TimeDelta::seconds(60);
/// How long a process waits for another one's refresh.
const WAIT_FOR_OTHERS: TimeDelta = TimeDelta::seconds(40);
/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// The delay after a refresh that failed.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(30);
/// The delay after a 429: providers give a user one pair a minute.
const RETRY_AFTER_RATE_LIMIT: TimeDelta = TimeDelta::seconds(60);
/// The reason of a refresh that failed with a 429, as it is stored.
const RATE_LIMITED: &str = "the provider gives no more tokens for a while";
/// Tokens that nobody uses are refreshed at least this often.
const KEEP_ALIVE: TimeDelta = TimeDelta::days(7);
/// How often a new pair is tried to be stored: the old one may be worth nothing any more.
const TRIES_TO_STORE: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone)]
pub struct Tokens {
    store: Store,
    providers: Providers,
    clock: Arc<dyn Clock>,
    sleep: Sleep,
}

/// There is no valid access token.
#[derive(Debug, thiserror::Error)]
pub enum NoTokens {
    /// The customer has to authorize again.
    #[error("the authorization has ended, the account has to be connected again: {reason}")]
    AuthorizationLost {
        reason: String,
        /// The credentials that are worth nothing any more.
        stored: Box<StoredCredentials>,
    },
    #[error("the access token could not be refreshed: {reason}")]
    Later { reason: String },
    /// The provider gives no more tokens for a while.
    #[error("the provider gives no new access token before {until}")]
    RateLimited { until: Time },
    /// The connection was deleted.
    #[error("the connection was deleted")]
    Deleted,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// There are no tokens to connect an account with.
#[derive(Debug, thiserror::Error)]
pub enum NoFirstTokens {
    #[error("{0} is not connected by OAuth")]
    NoServer(ProviderName),
    #[error("{0}")]
    NoClient(String),
    #[error(transparent)]
    Refused(#[from] TokenError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often the tokens of this provider have to be refreshed even if nobody uses them.
pub(crate) fn keep_alive(server: &OAuthServer) -> TimeDelta {
    let life = server.rules().refresh_token_life;
    life.map_or(KEEP_ALIVE, |life| KEEP_ALIVE.min(life / 2))
}

impl Tokens {
    pub(crate) fn new(
        store: Store,
        providers: Providers,
        clock: Arc<dyn Clock>,
        sleep: Sleep,
    ) -> Self {
        Self {
            store,
            providers,
            clock,
            sleep,
        }
    }

    /// Newer credentials to use instead of these; `None` if these will be valid for a while. They
    /// are also used on if they could not be refreshed and have not expired.
    pub fn newer<'a>(
        &'a self,
        connection_id: &'a str,
        credentials: &'a Credentials,
    ) -> BoxFuture<'a, Result<Option<StoredCredentials>, NoTokens>> {
        async move {
            let Credentials::OAuth(tokens) = credentials else {
                return Ok(None);
            };
            if !self.are_due(connection_id, credentials) {
                return Ok(None);
            }
            let now = self.clock.now();
            match self.replacement(connection_id, tokens).await {
                Err(none @ (NoTokens::Later { .. } | NoTokens::RateLimited { .. }))
                    if now < tokens.expires_at =>
                {
                    tracing::warn!("an access token is used on until it expires: {none}");
                    Ok(None)
                }
                replaced => replaced.map(Some),
            }
        }
        .boxed()
    }

    /// Whether these have to be refreshed before they are used.
    pub(crate) fn are_due(&self, connection_id: &str, credentials: &Credentials) -> bool {
        match credentials {
            Credentials::OAuth(tokens) => {
                self.clock.now() + margin(connection_id) >= tokens.expires_at
            }
            Credentials::ApiKey(_) => false,
        }
    }

    /// Credentials to use instead of these, which the provider rejected or which expire.
    pub fn replacement<'a>(
        &'a self,
        connection_id: &'a str,
        rejected: &'a OAuthTokens,
    ) -> BoxFuture<'a, Result<StoredCredentials, NoTokens>> {
        async move {
            let until = self.clock.now() + WAIT_FOR_OTHERS;
            loop {
                let stored = self.stored(connection_id).await?;
                if self.is_newer(&stored.credentials, rejected) {
                    return Ok(stored);
                }
                if let Some(lease) = self.store.lease_refresh(&stored, REFRESH_LEASE).await? {
                    if let Some(refreshed) = self.refresh(stored, lease).await? {
                        return Ok(refreshed);
                    }
                    continue;
                }
                // Of one whose delay is over another process makes the next one now.
                let is_paused = |failed: &FailedRefresh| failed.retry_at > self.clock.now();
                if let Some(failed) = stored.failed.filter(is_paused) {
                    return Err(none_for_now(failed));
                }
                if self.clock.now() >= until {
                    return Err(NoTokens::Later {
                        reason: "another process has been refreshing it for too long".to_owned(),
                    });
                }
                self.sleep.sleep(LOOK_EVERY).await;
            }
        }
        .boxed()
    }

    /// Refreshes tokens that nobody has used for long, if nobody does so now or has done so since
    /// they were found to be due.
    pub fn keep_alive<'a>(&'a self, connection_id: &'a str) -> BoxFuture<'a, Result<(), NoTokens>> {
        async move {
            let stored = self.stored(connection_id).await?;
            let now = self.clock.now();
            if !stored.is_refresh_due(now, now + KEEP_ALIVE) {
                return Ok(());
            }
            if let Some(lease) = self.store.lease_refresh(&stored, REFRESH_LEASE).await? {
                self.refresh(stored, lease).await?;
            }
            Ok(())
        }
        .boxed()
    }

    /// Connections whose tokens [`keep_alive`](Self::keep_alive) has to refresh.
    pub fn due(&self, most: i64) -> BoxFuture<'_, Result<Vec<String>, StoreError>> {
        async move {
            if mutation::on(Mutation::IdleTokensExpire) {
                return Ok(Vec::new());
            }
            let latest = self.clock.now() + KEEP_ALIVE;
            self.store.refreshes_due(latest, most).await
        }
        .boxed()
    }

    /// The first pair of a connection, by a refresh token that somebody brings along.
    pub fn import<'a>(
        &'a self,
        provider: &'a ConfiguredProvider,
        refresh_token: &'a SecretString,
    ) -> BoxFuture<'a, Result<Credentials, NoFirstTokens>> {
        async move {
            let (server, client) = self.server_and_client(provider.name, &provider.id).await?;
            let now = self.clock.now();
            let tokens = server.refresh(&client, refresh_token, now).await?;
            Ok(Credentials::OAuth(tokens))
        }
        .boxed()
    }

    /// The first pair of a connection, by the code that a customer came back with.
    pub fn exchange<'a>(
        &'a self,
        provider: &'a ConfiguredProvider,
        code: Code<'a>,
    ) -> BoxFuture<'a, Result<Credentials, NoFirstTokens>> {
        async move {
            let (server, client) = self.server_and_client(provider.name, &provider.id).await?;
            let tokens = server.exchange(&client, code, self.clock.now()).await?;
            Ok(Credentials::OAuth(tokens))
        }
        .boxed()
    }

    /// Where customers authorize an application, and as which client: the application's own, or else
    /// this installation's. `id` is that of the application's provider.
    pub async fn server_and_client(
        &self,
        provider: ProviderName,
        id: &str,
    ) -> Result<(&OAuthServer, OAuthClient), NoFirstTokens> {
        let found = self.providers.get(provider).ok();
        let server = found.and_then(|found| found.oauth());
        let server = server.ok_or(NoFirstTokens::NoServer(provider))?;
        let own = self.store.oauth_client_of(id).await?;
        let client = own.or_else(|| server.managed_client().cloned());
        let client = client.ok_or_else(|| NoFirstTokens::NoClient(no_client(provider.as_str())))?;
        Ok((server, client))
    }

    async fn stored(&self, connection_id: &str) -> Result<StoredCredentials, NoTokens> {
        let stored = self.store.stored_credentials(connection_id).await?;
        stored.ok_or(NoTokens::Deleted)
    }

    fn is_newer(&self, stored: &Credentials, rejected: &OAuthTokens) -> bool {
        match stored {
            Credentials::OAuth(tokens) => {
                !tokens.has_access_token_of(rejected) && self.clock.now() < tokens.expires_at
            }
            Credentials::ApiKey(_) => true,
        }
    }

    /// Asks the provider and stores what it says. `None` if somebody replaced the credentials
    /// meanwhile.
    async fn refresh(
        &self,
        stored: StoredCredentials,
        lease: RefreshLease,
    ) -> Result<Option<StoredCredentials>, NoTokens> {
        let Credentials::OAuth(old) = &stored.credentials else {
            return Ok(Some(stored));
        };
        let found = self
            .server_and_client(stored.provider, &stored.provider_id)
            .await;
        let (server, client) = match found {
            Ok(found) => found,
            Err(NoFirstTokens::Store(error)) => return Err(error.into()),
            Err(none) => return Err(self.failed(&lease, none.to_string(), RETRY_AFTER).await?),
        };
        let asked_at = self.clock.now();
        match server.refresh(&client, &old.refresh_token, asked_at).await {
            Ok(tokens) => self.store_tokens(server, &stored, &lease, tokens).await,
            Err(error) => self.no_tokens(stored, &lease, error).await,
        }
    }

    async fn store_tokens(
        &self,
        server: &OAuthServer,
        stored: &StoredCredentials,
        lease: &RefreshLease,
        tokens: OAuthTokens,
    ) -> Result<Option<StoredCredentials>, NoTokens> {
        if mutation::on(Mutation::TokenUsedBeforeStored)
            && let Ok(provider) = self.providers.get(stored.provider)
        {
            // What the provider says doesn't matter: the request shows it that the token arrived.
            let _ = provider.account(&Credentials::OAuth(tokens.clone())).await;
        }
        let every = keep_alive(server);
        let mut tries = 1;
        let is_saved = loop {
            match self.store.save_tokens(lease, &tokens, every).await {
                Err(error) if tries < TRIES_TO_STORE => {
                    tracing::warn!("new access tokens could not be stored yet: {error}");
                    tries += 1;
                    self.sleep.sleep(BETWEEN_TRIES).await;
                }
                saved => break saved?,
            }
        };
        if !is_saved {
            return Ok(None);
        }
        tracing::debug!(
            connection.id = stored.connection_id,
            "access token refreshed, valid until {}",
            tokens.expires_at
        );
        self.stored(&stored.connection_id).await.map(Some)
    }

    async fn no_tokens(
        &self,
        stored: StoredCredentials,
        lease: &RefreshLease,
        error: TokenError,
    ) -> Result<Option<StoredCredentials>, NoTokens> {
        match error.kind {
            TokenErrorKind::InvalidGrant => {
                // Not if somebody replaced the credentials meanwhile: it is about the old ones.
                if !self.store.note_authorization_lost(lease).await? {
                    return Ok(None);
                }
                Err(NoTokens::AuthorizationLost {
                    reason: error.reason,
                    stored: Box::new(stored),
                })
            }
            TokenErrorKind::Misconfigured => {
                tracing::error!(
                    "the OAuth application at {} is not set up as it should be: {}",
                    stored.provider,
                    error.reason
                );
                Err(self.failed(lease, error.reason, RETRY_AFTER).await?)
            }
            TokenErrorKind::RateLimited => {
                let reason = RATE_LIMITED.to_owned();
                Err(self.failed(lease, reason, RETRY_AFTER_RATE_LIMIT).await?)
            }
            TokenErrorKind::Temporary | TokenErrorKind::Unknown => {
                Err(self.failed(lease, error.reason, RETRY_AFTER).await?)
            }
        }
    }

    async fn failed(
        &self,
        lease: &RefreshLease,
        reason: String,
        delay: TimeDelta,
    ) -> Result<NoTokens, StoreError> {
        let failed = FailedRefresh {
            reason,
            retry_at: self.clock.now() + delay,
        };
        self.store.fail_refresh(lease, &failed).await?;
        Ok(none_for_now(failed))
    }
}

/// What other processes learn of a refresh that failed is its reason.
fn none_for_now(failed: FailedRefresh) -> NoTokens {
    if failed.reason == RATE_LIMITED {
        NoTokens::RateLimited {
            until: failed.retry_at,
        }
    } else {
        NoTokens::Later {
            reason: failed.reason,
        }
    }
}

/// Why nothing can be refreshed or authorized.
fn no_client(provider: &str) -> String {
    format!(
        "no OAuth application is set for {provider}: give its id and secret with PUT \
         /mgmt/v2/providers/{{provider_id}}, or set SYNCLINE_PROVIDERS__{0}__OAUTH__CLIENT_ID and \
         SYNCLINE_PROVIDERS__{0}__OAUTH__CLIENT_SECRET",
        provider.to_uppercase()
    )
}

/// Connections that were made at once don't refresh at once.
fn margin(connection_id: &str) -> TimeDelta {
    let mut hasher = DefaultHasher::new();
    connection_id.hash(&mut hasher);
    let spread = i64::try_from(hasher.finish() % 60).unwrap_or_default();
    MARGIN + TimeDelta::seconds(spread)
}
