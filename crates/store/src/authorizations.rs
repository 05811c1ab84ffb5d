//! OAuth authorizations that are under way: customers who were sent to a provider and have not come
//! back yet.
//!
//! Whoever comes back presents the `state` of the URL and the cookie of the browser that was sent
//! away; only digests of both are stored. An authorization is used up when it is taken.

use secrecy::SecretString;
use sqlx_macros::FromRow;
use syncline_model::Time;

use crate::{
    ConfiguredProvider, Store, StoreError, Tenant,
    db::run,
    digest::digest,
    retry::with_retry,
    sealing::SealedColumn,
    tenant::{Scoped, scoped},
    timestamp::at,
};

/// The proof key of an authorization.
pub(crate) const VERIFIER: SealedColumn = SealedColumn {
    table: "oauth_authorizations",
    column: "verifier",
    key: "state_digest",
};

pub struct NewAuthorization<'a> {
    pub state: &'a str,
    /// The value of the browser's cookie.
    pub browser: &'a str,
    pub customer_id: &'a str,
    pub provider: &'a ConfiguredProvider,
    pub magic_link_id: Option<&'a str>,
    pub return_url: &'a str,
    pub redirect_uri: &'a str,
    pub verifier: &'a SecretString,
    pub auto_start: Option<bool>,
    pub expires_at: Time,
}

/// An authorization whose customer came back.
#[derive(Debug)]
pub struct Authorization {
    pub application_id: String,
    pub customer_id: String,
    pub provider_id: String,
    pub magic_link_id: Option<String>,
    pub return_url: String,
    pub redirect_uri: String,
    pub verifier: SecretString,
    pub auto_start: Option<bool>,
}

#[derive(FromRow)]
struct AuthorizationRow {
    application_id: String,
    customer_id: String,
    provider_id: String,
    magic_link_id: Option<String>,
    return_url: String,
    redirect_uri: String,
    verifier: String,
    auto_start: Option<bool>,
}

impl Tenant {
    pub async fn begin_authorization(&self, new: &NewAuthorization<'_>) -> Result<(), StoreError> {
        with_retry(|| self.begin_authorization_once(new)).await
    }

    async fn begin_authorization_once(&self, new: &NewAuthorization<'_>) -> Result<(), StoreError> {
        const SQL: Scoped = scoped(
            "INSERT INTO oauth_authorizations
                (application_id, state_digest, browser_digest, customer_id, provider_id,
                 magic_link_id, return_url, redirect_uri, verifier, auto_start, created_at,
                 expires_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
        );
        let store = self.store();
        let state = digest(new.state);
        let verifier = store.seal(&VERIFIER, &state, new.verifier);
        let mut tx = self.begin().await?;
        if !self.lock_customer(&mut tx, new.customer_id).await? {
            return Err(StoreError::Missing("the customer"));
        }
        run!(tx, query(SQL), |q, c| q
            .bind(&state)
            .bind(digest(new.browser))
            .bind(new.customer_id)
            .bind(&new.provider.id)
            .bind(new.magic_link_id)
            .bind(new.return_url)
            .bind(new.redirect_uri)
            .bind(&verifier)
            .bind(new.auto_start)
            .bind(at(store.now()))
            .bind(at(new.expires_at))
            .execute(c)
            .await
            .map(drop))
        .map_err(|error| StoreError::from(error).or_missing("the provider or the magic link"))?;
        Ok(tx.commit().await?)
    }
}

impl Store {
    /// Takes the authorization that this state belongs to, if this browser was sent away with it and
    /// it has not expired. It can't be taken again.
    pub async fn take_authorization(
        &self,
        state: &str,
        browser: &str,
    ) -> Result<Option<Authorization>, StoreError> {
        const SQL: &str = "
            DELETE FROM oauth_authorizations
            WHERE state_digest = $1 AND browser_digest = $2 AND expires_at > $3
            RETURNING application_id, customer_id, provider_id, magic_link_id, return_url,
                      redirect_uri, verifier, auto_start";
        let state = digest(state);
        let mut tx = self.db.begin().await?;
        let row: Option<AuthorizationRow> = run!(tx, |c| sqlx::query_as(SQL)
            .bind(&state)
            .bind(digest(browser))
            .bind(at(self.now()))
            .fetch_optional(c)
            .await)?;
        tx.commit().await?;
        let Some(row) = row else { return Ok(None) };
        Ok(Some(Authorization {
            verifier: self.unseal(&VERIFIER, &state, &row.verifier)?,
            application_id: row.application_id,
            customer_id: row.customer_id,
            provider_id: row.provider_id,
            magic_link_id: row.magic_link_id,
            return_url: row.return_url,
            redirect_uri: row.redirect_uri,
            auto_start: row.auto_start,
        }))
    }
}
