//! The users of Syncline: they connect accounts, trigger runs, pause and resume, and set new keys.
//! The calls to the store and the provider are those of the server's handlers.

use secrecy::ExposeSecret as _;
use syncline_engine::{CheckedCredentials, Connect};
use syncline_model::{
    Credentials, LimitOverrides, Object, SyncConfigData, Time, VolumeLimits,
    sync_config::SyncStrategy,
};
use syncline_providers::Providers;
use syncline_sim::{Plan as PricePlan, Quota, Team};
use syncline_store::{Connection, NewCustomer, Start, Store, StoreError};

use crate::{
    dice::Dice,
    process::Live,
    provider::SimulatedProvider,
    scenario::{self, Scenario},
    wire::Wire,
    world::{World, key_name},
};

/// A customer with a connection.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) team: usize,
    key_number: usize,
    generation: u32,
    credentials: Credentials,
    /// The largest limits that its connection has had.
    pub(crate) limits: VolumeLimits,
    /// Its present limits, and since when; the larger ones if a process crashed while it set
    /// others.
    pub(crate) present: (VolumeLimits, Time),
    /// The first limits of all connections.
    first_limits: LimitOverrides,
    has_other_limits: bool,
    /// Its key may read contacts only.
    is_narrow: bool,
    /// A process crashed while it stored a new key: it is unknown which key is stored.
    is_unsure: bool,
}

/// What a user did, for the trace; and the run whose held deletions were applied.
pub(crate) struct Done {
    pub(crate) line: String,
    pub(crate) applied: Option<String>,
}

impl Done {
    fn new(line: impl Into<String>) -> Self {
        Self {
            line: line.into(),
            applied: None,
        }
    }
}

/// Creates the application and its customers, with a connection each.
pub(crate) async fn connect_all(
    live: &Live,
    wire: &Wire,
    scenario: &Scenario,
) -> anyhow::Result<Vec<Client>> {
    let store = &live.store;
    let simulated = scenario.provider;
    let application = store
        .find_or_create_application("simulated", &[(simulated.name, config_of(scenario))])
        .await?;
    let tenant = store.tenant(&application.id);
    let providers = tenant.list_providers().await?;
    let provider = providers
        .into_iter()
        .find(|provider| provider.name == simulated.name)
        .ok_or_else(|| anyhow::anyhow!("a new application has the provider"))?;
    let mut clients = Vec::new();
    for (number, it) in scenario.connections.iter().enumerate() {
        let customer_id = format!("customer-{number}");
        tenant
            .upsert_customer(&NewCustomer {
                customer_id: &customer_id,
                name: &customer_id,
                email: "",
            })
            .await?;
        let credentials = match simulated.client {
            None => Credentials::api_key(key_name(it.team, it.key, 0)),
            Some(_) => wire.world.grant_tokens(it.team, None),
        };
        let Some(checked) = check(&live.providers, wire, &credentials).await else {
            anyhow::bail!("the provider doesn't know the first credentials");
        };
        let connect = Connect {
            customer_id: &customer_id,
            provider_id: &provider.id,
            limits: it.limits,
            start: Start::AsConfigured,
            magic_link_id: None,
        };
        let connection = checked.connect(&tenant, &connect).await?;
        clients.push(Client {
            connection,
            team: it.team,
            key_number: it.key,
            generation: 0,
            credentials,
            limits: simulated.limits().with(it.limits),
            present: (simulated.limits().with(it.limits), wire.world.now()),
            first_limits: it.limits,
            has_other_limits: false,
            is_narrow: false,
            is_unsure: false,
        });
    }
    Ok(clients)
}

fn config_of(scenario: &Scenario) -> SyncConfigData {
    let mut config = SyncConfigData::hourly(&scenario.objects);
    config.default_config.period_ms = scenario.period.num_milliseconds();
    if let Some(most) = scenario.incrementals {
        config.default_config.strategy = SyncStrategy::FullThenIncremental;
        config.default_config.full_sync_every_n_incrementals = Some(most);
    }
    config
}

/// `None`: the provider rejects the credentials, so nothing is stored.
async fn check(
    providers: &Providers,
    wire: &Wire,
    credentials: &Credentials,
) -> Option<CheckedCredentials> {
    wire.announce(None, false);
    let provider = providers.get(wire.world.provider.name).ok()?;
    CheckedCredentials::check(&**provider, credentials.clone())
        .await
        .ok()
}

impl Client {
    /// Gives the connection other credentials, possibly some that may read contacts only.
    pub(crate) async fn change_credentials(
        &mut self,
        live: &Live,
        wire: &Wire,
        scopes: Option<&[&str]>,
    ) -> Result<Done, StoreError> {
        self.generation += 1;
        let generation = self.generation;
        let credentials = self.authorize(&wire.world, scopes);
        let Some(checked) = check(&live.providers, wire, &credentials).await else {
            return Ok(Done::new("new credentials are rejected"));
        };
        self.is_unsure = true;
        checked
            .reconnect(&live.store, &self.connection, None, None)
            .await?;
        self.credentials = credentials;
        self.is_unsure = false;
        self.is_narrow = scopes.is_some();
        Ok(Done::new(format!(
            "{} has credentials {generation}",
            self.connection.customer_id
        )))
    }

    /// New credentials at the provider.
    fn authorize(&self, world: &World, scopes: Option<&[&str]>) -> Credentials {
        if world.provider.client.is_some() {
            return world.grant_tokens(self.team, scopes);
        }
        let key = key_name(self.team, self.key_number, self.generation);
        let key = format!("{key}-{}", self.connection.customer_id);
        world.add_key(self.team, &key, scopes);
        Credentials::api_key(key)
    }

    /// The provider accepts the connection's credentials no more.
    fn revoke(&self, world: &World) {
        match &self.credentials {
            Credentials::ApiKey(key) => {
                let key = key.expose_secret();
                world.edit(self.team, |team, _| team.revoke_key(key));
            }
            Credentials::OAuth(_) => world.revoke_tokens(self.team),
        }
    }

    /// Sets other limits for the connection. If the process crashes meanwhile, it is unknown
    /// whether they were stored.
    async fn change_limits(
        &mut self,
        live: &Live,
        wire: &Wire,
        limits: LimitOverrides,
    ) -> Result<Done, StoreError> {
        let new = wire.world.provider.limits().with(limits);
        let checked = match &self.credentials {
            Credentials::ApiKey(_) => {
                let Some(checked) = check(&live.providers, wire, &self.credentials).await else {
                    return Ok(Done::new("limits for a key that is rejected"));
                };
                Some(checked)
            }
            // Who sends limits alone keeps the tokens, which only a refresh replaces.
            Credentials::OAuth(_) => None,
        };
        self.has_other_limits = true;
        self.limits = larger(new, self.limits);
        self.present = (larger(new, self.present.0), wire.world.now());
        match checked {
            Some(checked) => {
                let limits = Some(limits);
                checked
                    .reconnect(&live.store, &self.connection, limits, None)
                    .await?;
            }
            None => live.store.set_limits(&self.connection, limits).await?,
        }
        self.present = (new, wire.world.now());
        Ok(Done::new(format!("limits are {limits:?}")))
    }

    /// One random action of a user.
    pub(crate) async fn act(
        &mut self,
        live: &Live,
        wire: &Wire,
        dice: &mut Dice,
        objects: &[Object],
    ) -> Result<Done, StoreError> {
        let store = &live.store;
        let provider: &SimulatedProvider = wire.world.provider;
        let object = dice.one(objects);
        let full_refresh = dice.chance(3_000);
        match dice.below(15) {
            0..5 => {
                if let Some(sync) = self.sync(store, object).await? {
                    store.trigger_sync(&sync, full_refresh).await?;
                }
                Ok(Done::new(format!("{object} triggered")))
            }
            5 | 6 => {
                if let Some(sync) = self.sync(store, object).await? {
                    let reference = self.connection.reference();
                    store.pause_sync(&sync, &reference, "by hand").await?;
                }
                Ok(Done::new(format!("{object} paused")))
            }
            7 | 8 => {
                for object in objects {
                    if let Some(sync) = self.sync(store, *object).await? {
                        store.resume_sync(&sync).await?;
                    }
                }
                Ok(Done::new("all resumed"))
            }
            9 => {
                self.revoke(&wire.world);
                Ok(Done::new("the credentials are revoked"))
            }
            10 => {
                let narrow = wire.world.provider.contacts_only;
                let scopes = dice.one(&[None, None, Some(narrow)]);
                self.change_credentials(live, wire, scopes).await
            }
            11..14 => {
                let contacts = wire.world.read(self.team, |team| {
                    team.live_ids(Object::Contact.as_str()).len()
                });
                let limits = match dice.below(2) {
                    0 => scenario::limits(dice, contacts.max(90), provider),
                    _ => scenario::low_limits(dice, provider),
                };
                self.change_limits(live, wire, limits).await
            }
            _ => {
                let plan = dice.one(&[
                    PricePlan::Unlimited,
                    PricePlan::Custom(Quota::new(5, 20, 200)),
                    PricePlan::Free,
                ]);
                if provider.client.is_some() {
                    // Plans are Apollo's. With OAuth the access tokens end before their time.
                    wire.world.edit(self.team, Team::expire_access_tokens);
                    return Ok(Done::new("all access tokens have expired"));
                }
                wire.world.edit(self.team, |team, _| team.set_plan(plan));
                Ok(Done::new(format!("the plan is {plan:?}")))
            }
        }
    }

    /// Pauses whatever is not paused.
    pub(crate) async fn pause_all(
        &self,
        live: &Live,
        objects: &[Object],
    ) -> Result<(), StoreError> {
        let reference = self.connection.reference();
        for object in objects {
            if let Some(sync) = self.sync(&live.store, *object).await? {
                live.store.pause_sync(&sync, &reference, "by hand").await?;
            }
        }
        Ok(())
    }

    /// Removes what keeps the connection from being read: the plan, the key, manual pauses, and
    /// limits that a larger connection of the same account uses up. Other pauses have to end by
    /// themselves.
    pub(crate) async fn repair(
        &mut self,
        live: &Live,
        wire: &Wire,
        paused_by_hand: &[String],
        new_key: bool,
    ) -> Result<(), StoreError> {
        wire.world
            .edit(self.team, |team, _| team.set_plan(PricePlan::Unlimited));
        for object in Object::ALL {
            if let Some(sync) = self.sync(&live.store, *object).await?
                && paused_by_hand.contains(&sync.id)
            {
                live.store.resume_sync(&sync).await?;
            }
        }
        let is_revoked = match &self.credentials {
            Credentials::ApiKey(key) => {
                let key = key.expose_secret();
                wire.world.sim.team_with_key(key).is_none()
            }
            Credentials::OAuth(_) => wire.world.may_have_lost_tokens(self.team),
        };
        if new_key || is_revoked || self.is_narrow || self.is_unsure {
            self.change_credentials(live, wire, None).await?;
        }
        if self.has_other_limits {
            self.change_limits(live, wire, self.first_limits).await?;
        }
        Ok(())
    }

    /// Applies the deletions that a run of the connection held.
    pub(crate) async fn apply_deletes(
        &self,
        live: &Live,
        run_id: &str,
    ) -> Result<Done, StoreError> {
        let tenant = live.store.tenant(&self.connection.application_id);
        let applied = tenant.apply_deletes(run_id).await?;
        Ok(Done {
            line: format!("held deletions of {run_id} applied: {applied:?}"),
            applied: Some(run_id.to_owned()),
        })
    }

    async fn sync(
        &self,
        store: &Store,
        object: Object,
    ) -> Result<Option<syncline_store::Sync>, StoreError> {
        let tenant = store.tenant(&self.connection.application_id);
        tenant.find_sync(&self.connection, object).await
    }
}

/// The larger of each two limits.
fn larger(a: VolumeLimits, b: VolumeLimits) -> VolumeLimits {
    // None is no limit at all.
    let larger = |a: Option<i64>, b: Option<i64>| a.zip(b).map(|(a, b)| a.max(b));
    VolumeLimits {
        records_per_object: larger(a.records_per_object, b.records_per_object),
        records_per_hour: larger(a.records_per_hour, b.records_per_hour),
        records_per_day: larger(a.records_per_day, b.records_per_day),
    }
}
