//! Composition: builds the running parts from the settings. The only place where they are put
//! together.

use std::{collections::BTreeMap, fs::File, net::SocketAddr, sync::Arc, time::Duration};

use anyhow::{Context, anyhow, bail};
use axum::Router;
use secrecy::{ExposeSecret, SecretString};
use syncline_destinations::{Destinations, DestinationsConfig};
use syncline_engine::{Engine, EngineConfig};
use syncline_model::{Clock, Ids, ProviderLimits, SystemClock};
use syncline_outgoing::SystemLookup;
use syncline_providers::{BUILT_IN, ProviderConfig, Providers, SetupError};
use syncline_server::{
    AppState, FeedWatch, Guard, KeyUses, Metrics, Recorder, RequestGate, Services,
};
use syncline_store::{Application, Store, StoreError};
use syncline_webhooks::{Webhooks, WebhooksConfig};
use tokio::task::JoinSet;

use crate::{
    config::{Config, base_url_setting, variable},
    data_dir::{DataDir, database_file, lock_database},
    encryption_keys::{are_wrong_keys, encryption_keys, explain_key_error},
    key_file::KeyFile,
    lifecycle::{CLOSE_TIMEOUT, Lifecycle},
    public_url::PublicUrl,
};

/// The application of a new database.
pub(crate) const DEFAULT_APPLICATION: &str = "default";

/// How often the difference to the database's clock is measured.
const CLOCK_EVERY: Duration = Duration::from_secs(10);
/// An answer that took longer is too inaccurate to set the clock by.
const CLOCK_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// What every command that opens the database needs.
pub(crate) struct Parts {
    pub(crate) store: Store,
    pub(crate) clock: Arc<SystemClock>,
    pub(crate) ids: Arc<Ids>,
    pub(crate) providers: Providers,
    /// What may be read from each provider.
    limits: ProviderLimits,
    /// The public URL of the API, if it is set.
    public_url: Option<PublicUrl>,
    return_origins: Arc<[String]>,
    /// Whether there is a console.
    console: bool,
    allow_private_targets: bool,
    allow_private_destinations: bool,
    keep_runs: Duration,
    keep_messages: Duration,
    keep_audit_log: Duration,
    /// The file of the encryption keys, unless they are configured.
    pub(crate) key_file: Option<KeyFile>,
    /// The limits of requests.
    pub(crate) guard: Guard,
    /// Writes the audit log.
    pub(crate) recorder: Recorder,
    /// The tasks beside the command, and the graceful shutdown.
    pub(crate) lifecycle: Lifecycle,
    /// Aborted when this is dropped; `recorder.flush` waits until everything is written.
    _audit_writer: JoinSet<()>,
    /// The lock of an embedded database.
    _lock: Option<File>,
}

/// Whether this process locks the embedded database.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exclusive {
    Yes,
    No,
}

/// Whether a command may create a missing database. A command that only reads or changes an
/// existing one was probably given the wrong path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Missing {
    Made,
    Refused,
}

impl Parts {
    /// After the graceful shutdown: writes what the last requests left for the audit log, and closes
    /// the database. A database that doesn't answer must not keep the process running.
    pub(crate) async fn close(&self) {
        let closed = async {
            self.recorder.flush().await;
            self.store.close().await;
        };
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, closed).await;
    }

    /// Opens the database, creating it if it is missing, upgrades its schema and checks the
    /// encryption key.
    pub(crate) async fn open(config: &Config, exclusive: Exclusive) -> anyhow::Result<Self> {
        Self::open_or(config, exclusive, Missing::Made).await
    }

    /// The same for a database that must exist.
    pub(crate) async fn open_existing(config: &Config) -> anyhow::Result<Self> {
        Self::open_or(config, Exclusive::No, Missing::Refused).await
    }

    async fn open_or(
        config: &Config,
        exclusive: Exclusive,
        missing: Missing,
    ) -> anyhow::Result<Self> {
        // Another part of the process may have installed the same provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (providers, limits) = providers(config)?;
        let clock = Arc::new(SystemClock::default());
        let ids = Arc::new(Ids::random());
        let url = config.database_url();
        let embedded = !url.starts_with("postgres");
        if embedded && !url.starts_with("sqlite:") {
            bail!("SYNCLINE_DATABASE_URL must begin with sqlite:// or postgres://");
        }
        let (lock, key_file) = if embedded {
            let database = database_file(&url)?;
            if missing == Missing::Refused && !database.is_file() {
                bail!(
                    "there is no database at {}: name its directory with --data-dir, or create one \
                     with `syncline serve`",
                    database.display()
                );
            }
            let dir = DataDir::open(&config.data_dir)?;
            if config.database_url.is_none() {
                dir.prepare_database()?;
            }
            let lock = match exclusive {
                Exclusive::Yes => Some(lock_database(&database)?),
                Exclusive::No => None,
            };
            let file = config.encryption_key.is_none().then(|| dir.key_file());
            (lock, file)
        } else {
            (None, None)
        };
        let had_key = match &key_file {
            Some(file) => file.is_there()?,
            None => true,
        };
        let keys = match &key_file {
            // A new key couldn't decrypt what is stored.
            Some(file) if missing == Missing::Refused => file.open()?,
            file => encryption_keys(config, file.as_ref(), &ids)?,
        };
        let database = config.database.options();
        let store = Store::open_with(&url, database, clock.clone(), ids.clone(), keys)
            .await
            .with_context(|| cannot_open(config))?
            .with_containment(providers.containment());
        if missing == Missing::Refused && store.is_empty().await? {
            bail!(
                "the database at {} has no tables of Syncline: check the address, or create them \
                 with `syncline migrate`",
                place(config)
            );
        }
        store
            .migrate()
            .await
            .context("the database can't be used")?;
        let checked = store.check_encryption_keys().await;
        if let (Err(error), Some(file), false) = (&checked, &key_file, had_key)
            && are_wrong_keys(error)
        {
            // Remove the new key, so that it isn't backed up by mistake: it decrypts nothing.
            file.remove()?;
            bail!(
                "there is no {}, and the database is sealed with the key that was in it: put that file \
                 back, or set SYNCLINE_ENCRYPTION_KEY to its key",
                file.path().display()
            );
        }
        checked.map_err(|error| explain_key_error(error, key_file.as_ref()))?;
        let (recorder, writer) = Recorder::new(store.clone());
        let mut audit_writer = JoinSet::new();
        audit_writer.spawn(writer);
        let parts = Self {
            store,
            clock,
            ids,
            providers,
            limits,
            public_url: config.public_url.clone(),
            return_origins: config.oauth.return_origins.clone().into(),
            console: config.console.enabled,
            allow_private_targets: config.webhooks.allow_private_targets,
            allow_private_destinations: config.destinations.allow_private_targets,
            keep_runs: days(config.retention.runs_days),
            keep_messages: days(config.retention.webhook_messages_days),
            keep_audit_log: days(config.retention.audit_log_days),
            key_file,
            guard: Guard::new(config.limits.requests()),
            recorder,
            lifecycle: Lifecycle::default(),
            _audit_writer: audit_writer,
            _lock: lock,
        };
        // Without a time limit, because there is no earlier measurement.
        parts.measure_clock(Duration::MAX).await?;
        Ok(parts)
    }

    /// An engine with the configured limits and retention.
    pub(crate) fn engine(&self, config: EngineConfig) -> Engine {
        Engine::new(
            self.store.clone(),
            self.providers.clone(),
            self.clock.clone(),
            EngineConfig {
                limits: self.limits.clone(),
                keep_runs: self.keep_runs,
                keep_messages: self.keep_messages,
                keep_audit_log: self.keep_audit_log,
                callback_base: self.callback_base(),
                ..config
            },
        )
    }

    /// Where providers send late answers to. They send them to https addresses only.
    fn callback_base(&self) -> Option<String> {
        let url = self.public_url.as_ref()?.as_str();
        url.starts_with("https://").then(|| url.to_owned())
    }

    /// The webhook deliverer, as configured.
    pub(crate) fn webhooks(&self, worker_name: String) -> anyhow::Result<Webhooks> {
        let config = WebhooksConfig {
            worker_name,
            allow_private_targets: self.allow_private_targets,
            ..WebhooksConfig::default()
        };
        Webhooks::new(self.store.clone(), self.clock.clone(), SystemLookup, config)
            .context("webhooks can't be sent")
    }

    /// The writer of destinations, as configured.
    pub(crate) fn destinations(&self, worker_name: String) -> Destinations {
        let config = DestinationsConfig {
            worker_name,
            allow_private: self.allow_private_destinations,
            ..DestinationsConfig::default()
        };
        Destinations::new(self.store.clone(), self.clock.clone(), config)
    }

    /// The router of the API that listens at `listening`.
    pub(crate) fn router(
        &self,
        engine: &Engine,
        metrics: Metrics,
        listening: SocketAddr,
    ) -> Router {
        let state = self.app_state(engine, metrics, listening);
        let approved = syncline_server::run_approved_calls(state.clone());
        self.lifecycle.spawn_until_shutdown(approved);
        syncline_server::router(state, |state, api| {
            let pages = if self.console {
                syncline_console::pages(state, api.clone())
            } else {
                syncline_console::connect_pages()
            };
            pages.merge(syncline_mcp::routes(state, api))
        })
    }

    pub(crate) fn health_router(
        &self,
        engine: &Engine,
        metrics: Metrics,
        listening: SocketAddr,
    ) -> Router {
        syncline_server::health_router(self.app_state(engine, metrics, listening))
    }

    /// What handlers use in a process that listens nowhere.
    pub(crate) fn local_state(&self, engine: &Engine, metrics: Metrics) -> AppState {
        self.app_state(engine, metrics, SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    fn app_state(&self, engine: &Engine, metrics: Metrics, listening: SocketAddr) -> AppState {
        let set = self.public_url.clone();
        let public_url = set.unwrap_or_else(|| PublicUrl::of(listening));
        AppState::from(Services {
            store: self.store.clone(),
            providers: self.providers.clone(),
            tokens: engine.tokens(),
            clock: self.clock.clone(),
            ids: self.ids.clone(),
            limits: Arc::new(self.limits.clone()),
            public_url: public_url.as_str().into(),
            return_origins: self.return_origins.clone(),
            key_uses: KeyUses::default(),
            allow_private_targets: self.allow_private_targets,
            allow_private_destinations: self.allow_private_destinations,
            request_gate: RequestGate::default(),
            feeds: FeedWatch::default(),
            guard: self.guard.clone(),
            recorder: self.recorder.clone(),
            wake: engine.wake(),
            metrics,
            tasks: self.lifecycle.tasks(),
        })
    }

    /// The default application, with the configured key. If the database has no key and none is
    /// configured, one is created and returned; it can't be read again.
    pub(crate) async fn first_api_key(
        &self,
        set: Option<&SecretString>,
    ) -> anyhow::Result<(Application, Option<String>)> {
        let application = self
            .store
            .find_or_create_application(DEFAULT_APPLICATION, &self.providers.enabled_at_first())
            .await?;
        if let Some(key) = set {
            self.store
                .add_api_key(&application.id, "configured", key.expose_secret())
                .await?;
            let found = self.store.authenticate(key.expose_secret()).await?;
            if found.is_none() {
                tracing::warn!("SYNCLINE_API_KEY is a revoked key: requests with it are rejected");
            }
            return Ok((application, None));
        }
        if self.store.has_api_keys().await? {
            return Ok((application, None));
        }
        let key = syncline_store::new_api_key(&self.ids);
        self.store
            .add_api_key(&application.id, "first", &key)
            .await?;
        Ok((application, Some(key)))
    }

    /// Processes that share one PostgreSQL use its clock.
    async fn measure_clock(&self, within: Duration) -> Result<(), StoreError> {
        let before = self.clock.machine_now();
        if let Some(database) = self.store.database_time().await? {
            let took = self.clock.machine_now() - before;
            if took.to_std().is_ok_and(|took| took <= within) {
                self.clock.set_offset(database - (before + took / 2));
            }
        }
        Ok(())
    }

    /// Watches the database and follows its clock. Never returns.
    pub(crate) async fn watch_database(self: Arc<Self>) {
        tokio::join!(self.store.watch(), self.clone().keep_clock());
    }

    async fn keep_clock(self: Arc<Self>) {
        loop {
            tokio::time::sleep(CLOCK_EVERY).await;
            self.store.reachable().await;
            if let Err(error) = self.measure_clock(CLOCK_ANSWERS_WITHIN).await {
                tracing::warn!("could not read the database's clock: {error}");
            }
        }
    }
}

pub(crate) fn connect_providers(config: &Config) -> anyhow::Result<Providers> {
    let mut oauth = BTreeMap::new();
    for built_in in BUILT_IN {
        let settings = config.provider(built_in);
        oauth.insert(built_in.name, settings.oauth(built_in)?);
    }
    Providers::built_in(|built_in| ProviderConfig {
        base_url: config.base_url_of(built_in),
        transport: None,
        oauth: oauth.remove(&built_in.name).unwrap_or_default(),
    })
    .map_err(|error| match &error {
        SetupError::OAuthUrl {
            provider,
            setting,
            reason,
        } => {
            let setting = format!("providers.{provider}.{setting}");
            let variable = variable(&setting);
            anyhow!("the setting {setting} ({variable}) is not usable: {reason}")
        }
        SetupError::BaseUrl { provider, reason } => {
            let setting = base_url_setting(provider);
            let variable = variable(&setting);
            anyhow!("the setting {setting} ({variable}) is not usable: {reason}")
        }
    })
}

/// The providers, and how much may be read from each.
pub(crate) fn providers(config: &Config) -> anyhow::Result<(Providers, ProviderLimits)> {
    let providers = connect_providers(config)?;
    let mut limits = Vec::new();
    for built_in in BUILT_IN {
        let provider = providers.get(built_in.name)?;
        let set = config.provider(built_in).limits;
        limits.push((built_in.name, set.checked(built_in, &**provider)?));
    }
    Ok((providers, limits.into_iter().collect()))
}

fn days(days: u32) -> Duration {
    Duration::from_hours(u64::from(days) * 24)
}

fn cannot_open(config: &Config) -> String {
    if config.database_url().starts_with("postgres") {
        return "the database can't be opened: check SYNCLINE_DATABASE_URL, and that the server \
                is running and accepts this user"
            .to_owned();
    }
    format!(
        "the embedded database {} can't be opened: check that it is a database, and its directory \
         writable",
        place(config)
    )
}

/// The database's address for messages: a PostgreSQL URL may contain a password.
fn place(config: &Config) -> String {
    let url = config.database_url();
    match database_file(&url) {
        Ok(file) if !url.starts_with("postgres") => file.display().to_string(),
        _ => "SYNCLINE_DATABASE_URL".to_owned(),
    }
}

/// The name of this process in leases.
pub(crate) fn worker_name(command: &str, clock: &dyn Clock, ids: &Ids) -> String {
    let id = ids.id(clock.now());
    format!("{command}-{}-{}", std::process::id(), &id[id.len() - 8..])
}
