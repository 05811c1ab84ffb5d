//! A customer connects their own account, with a magic link: what the page behind it does.

use std::time::Duration;

use futures::future::join_all;
use secrecy::SecretString;
use syncline_engine::{CheckedCredentials, Connect};
use syncline_model::{AuthType, Credentials, KeyKind, LimitOverrides, Object, breaks_lines};
use syncline_providers::{ErrorKind, Session, capabilities::LivePageRequest};
use syncline_store::{
    AddedKey, ConfiguredProvider, Connection, MagicLink, Start, StoreError, Tenant,
};

use tokio::time::timeout;

use crate::{
    AppState,
    mgmt::{
        check_api_key,
        connection_keys::{LONGEST_LABEL, NewKey, add_checked_key},
    },
    oauth::tenant_of,
};

/// A link that can be used, and what its page says.
pub struct OpenLink {
    link: MagicLink,
    tenant: Tenant,
    provider: ConfiguredProvider,
    pub way: Way,
    /// The application's name, if it has one that says something to a customer.
    pub application: Option<String>,
    pub customer_name: String,
    /// `Apollo`.
    pub provider_title: &'static str,
    /// Where to find an API key at the provider.
    pub key_help: &'static str,
    /// What is read, in the order in which it is.
    pub objects: Vec<Object>,
    pub return_url: String,
    /// The customer's connection, if it is by an API key: others can be added beside that one.
    by_key: Option<Connection>,
}

impl OpenLink {
    /// Whether an API key is connected already, beside which another can be added.
    #[must_use]
    pub fn may_add_key(&self) -> bool {
        self.by_key.is_some()
    }
}

/// How the customer connects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    ApiKey,
    OAuth,
}

/// Why a link can't be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClosedLink {
    Unknown,
    Used,
    Expired,
    /// The database doesn't answer.
    Unavailable,
}

/// Why no account was connected. Nothing is stored, and the link stays good.
pub enum NotConnected {
    Link(ClosedLink),
    /// What is wrong with the key.
    Key(String),
    /// What is wrong with the name of a further key.
    Label(String),
    /// The key is right, but may not read these objects, and nobody has agreed to that.
    Limited(Vec<Object>),
    /// The provider doesn't say whether the key is right.
    Later(String),
}

/// The link with this token.
pub async fn open_link(state: &AppState, token: &str) -> Result<OpenLink, ClosedLink> {
    let link = state.store.magic_link_of(token).await?;
    let link = link.ok_or(ClosedLink::Unknown)?;
    if link.consumed_at.is_some() {
        return Err(ClosedLink::Used);
    }
    if link.expires_at <= state.clock.now() {
        return Err(ClosedLink::Expired);
    }
    let tenant = tenant_of(state, &link.application_id);
    // Customers and providers that are gone take their links with them, or leave one that leads
    // nowhere.
    let customer = tenant.get_customer(&link.customer_id).await?;
    let customer = customer.ok_or(ClosedLink::Unknown)?;
    let provider = tenant.get_provider(&link.provider_id).await?;
    let provider = provider.ok_or(ClosedLink::Unknown)?;
    let known = state.providers.get(link.provider);
    let known = known.map_err(|_| ClosedLink::Unknown)?;
    let configs = tenant.list_sync_configs().await?;
    let config = configs.iter().find(|it| it.provider == link.provider);
    let objects = config.and_then(|it| it.config.objects().ok());
    let objects = objects.unwrap_or_default().into_iter();
    let way = match provider.settings.auth_type {
        AuthType::ApiKey => Way::ApiKey,
        AuthType::OAuth2 => Way::OAuth,
    };
    let connection = tenant.get_connection(&link.customer_id, link.provider);
    let mut by_key = connection.await?.filter(|_| way == Way::ApiKey);
    if let Some(connection) = &by_key {
        let credentials = state.store.credentials_of(connection)?;
        if !matches!(credentials, Credentials::ApiKey(_)) {
            by_key = None;
        }
    }
    Ok(OpenLink {
        way,
        by_key,
        application: named(state, &link.application_id).await?,
        customer_name: customer.name,
        provider_title: known.title(),
        key_help: known.key_help(),
        objects: objects.map(|(object, _)| object).collect(),
        return_url: link.return_url.clone(),
        link,
        tenant,
        provider,
    })
}

/// The name of the application that a new installation has, which says nothing to a customer.
const DEFAULT_NAME: &str = "default";

async fn named(state: &AppState, application_id: &str) -> Result<Option<String>, StoreError> {
    let name = state.store.application_name(application_id).await?;
    Ok(name.filter(|name| name != DEFAULT_NAME))
}

/// Connects the account of a key that the provider accepts, and uses the link up, in one transaction.
/// A key that can't read all objects is taken only if that was agreed to.
pub async fn connect_by_key(
    state: &AppState,
    open: &OpenLink,
    key: &str,
    limited_is_fine: bool,
) -> Result<(), NotConnected> {
    let key = check_api_key(key).map_err(NotConnected::Key)?;
    let checked = checked_key(state, open, key.clone()).await?;
    if !limited_is_fine {
        let unreadable = unreadable(state, open, key).await;
        if !unreadable.is_empty() {
            return Err(NotConnected::Limited(unreadable));
        }
    }
    let stored = store(state, open, &checked).await;
    stored.map_err(not_stored)?;
    state.wake.wake();
    Ok(())
}

/// Adds a key that the provider accepts beside the one that is connected, and uses the link up, in one
/// transaction. Syncs keep to the key that they have.
pub async fn add_by_key(
    state: &AppState,
    open: &OpenLink,
    key: &str,
    label: &str,
) -> Result<(), NotConnected> {
    let label = checked_label(label).map_err(NotConnected::Label)?;
    let key = check_api_key(key).map_err(NotConnected::Key)?;
    let Some(connection) = &open.by_key else {
        return Err(NotConnected::Key(
            "No key is connected that this one could be added to. Enter it once more to connect it."
                .to_owned(),
        ));
    };
    let checked = checked_key(state, open, key).await?;
    let new = NewKey {
        label,
        kind: KeyKind::Own,
        max_credits_per_day: None,
        magic_link_id: Some(&open.link.id),
    };
    let added = add_checked_key(&open.tenant, connection, &checked, &new).await;
    Err(NotConnected::Key(match added.map_err(not_stored)? {
        AddedKey::Added(_) => return Ok(()),
        AddedKey::IsMain => {
            "This is the key that is connected already. Give another one.".to_owned()
        }
        AddedKey::Known => "This key was added before. Give another one.".to_owned(),
        AddedKey::NoSlot => format!(
            "There are {} keys of yours already, and no more can be added. Ask whoever sent the link \
             to delete one.",
            KeyKind::Own.slots()
        ),
    }))
}

/// What people call a further key.
fn checked_label(label: &str) -> Result<&str, String> {
    let label = label.trim();
    if label.is_empty() {
        return Err("Give the key a name, by which you will know it later.".to_owned());
    }
    if label.chars().count() > LONGEST_LABEL {
        return Err(format!(
            "This name is too long: it can have {LONGEST_LABEL} characters."
        ));
    }
    if label.chars().any(breaks_lines) {
        return Err("The name has to fit on one line.".to_owned());
    }
    Ok(label)
}

fn not_stored(error: StoreError) -> NotConnected {
    match error {
        // Somebody was faster.
        StoreError::Missing(_) => NotConnected::Link(ClosedLink::Used),
        StoreError::Conflict(_) => NotConnected::Key(
            "This key was added before, beside the one that is connected. Give another one, or ask \
             whoever sent the link to delete it there first."
                .to_owned(),
        ),
        error => {
            tracing::error!("a key could not be stored: {error}");
            NotConnected::Later("The key could not be stored. Try again.".to_owned())
        }
    }
}

async fn checked_key(
    state: &AppState,
    open: &OpenLink,
    key: SecretString,
) -> Result<CheckedCredentials, NotConnected> {
    let title = open.provider_title;
    let Ok(provider) = state.providers.get(open.provider.name) else {
        return Err(NotConnected::Link(ClosedLink::Unknown));
    };
    let checked = CheckedCredentials::check(&**provider, Credentials::ApiKey(key)).await;
    match checked {
        Ok(checked) if checked.are_verified() => Ok(checked),
        Ok(_) => Err(NotConnected::Later(format!(
            "{title} does not answer right now, so the key could not be checked. Try again in a few \
             minutes."
        ))),
        Err(_) => Err(NotConnected::Key(format!(
            "{title} does not accept this key. Check that you copied all of it, and that it is still \
             active."
        ))),
    }
}

/// How long all objects together are tried for.
const TRIED_FOR: Duration = Duration::from_secs(10);

/// The objects that the provider refuses to show to this key, tried with one record of each. What
/// isn't answered in time, or fails for another reason, is left to the first sync.
async fn unreadable(state: &AppState, open: &OpenLink, key: SecretString) -> Vec<Object> {
    let Ok(provider) = state.providers.get(open.provider.name) else {
        return Vec::new();
    };
    let credentials = Credentials::ApiKey(key);
    let tried = open.objects.iter().map(async |object| {
        let reads = provider.capabilities().live_reads_of(*object).ok()?;
        let session = Session::unmetered(&credentials);
        let first = LivePageRequest {
            page: 1,
            token: None,
            size: 1,
        };
        let read = reads.list_live(&session, *object, first);
        let read = timeout(TRIED_FOR, read).await.ok()?;
        let kind = read.err()?.kind;
        matches!(kind, ErrorKind::Forbidden(_)).then_some(*object)
    });
    join_all(tried).await.into_iter().flatten().collect()
}

async fn store(
    state: &AppState,
    open: &OpenLink,
    checked: &CheckedCredentials,
) -> Result<(), StoreError> {
    let OpenLink { link, tenant, .. } = open;
    let connect = Connect {
        customer_id: &link.customer_id,
        provider_id: &open.provider.id,
        limits: LimitOverrides::default(),
        start: Start::AsConfigured,
        magic_link_id: Some(&link.id),
    };
    checked
        .connect_or_reconnect(&state.store, tenant, &connect)
        .await
        .map(drop)
}

impl From<StoreError> for ClosedLink {
    fn from(error: StoreError) -> Self {
        tracing::error!("a magic link could not be read: {error}");
        Self::Unavailable
    }
}
