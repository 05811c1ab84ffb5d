//! How the tests ask the simulator, and what it has.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use syncline_model::{OAuthTokens, Object, Order};
use syncline_providers::{
    Credentials, ListRequest, OAuthConfig, Provider, ProviderConfig, ProviderError, Providers,
    salesloft,
};
use syncline_sim::{Options, SalesloftOptions, Simulator, Team};

use crate::in_process::InProcess;

/// After everything in the simulated world.
pub(crate) fn now() -> DateTime<Utc> {
    Options::default().epoch + TimeDelta::hours(1)
}

pub(crate) fn at(sim: &Simulator, now: DateTime<Utc>) -> Arc<dyn Provider> {
    let transport = InProcess {
        sim: sim.clone(),
        now,
    };
    let config = ProviderConfig {
        base_url: "https://api.salesloft.test".to_owned(),
        transport: Some(Arc::new(transport)),
        oauth: OAuthConfig::default(),
    };
    let providers = Providers::built_in(|_| config.clone()).unwrap();
    providers.get(salesloft::NAME).unwrap().clone()
}

pub(crate) fn client(sim: &Simulator) -> Arc<dyn Provider> {
    at(sim, now())
}

pub(crate) fn with(
    people: usize,
    set: impl FnOnce(&mut SalesloftOptions),
) -> (Simulator, Arc<dyn Provider>) {
    let mut options = Options::salesloft(people);
    set(&mut options.salesloft);
    let sim = Simulator::new(options);
    let salesloft = client(&sim);
    (sim, salesloft)
}

pub(crate) fn usual(people: usize) -> (Simulator, Arc<dyn Provider>) {
    with(people, |_| {})
}

pub(crate) fn token(access: &str) -> Credentials {
    Credentials::OAuth(OAuthTokens {
        access_token: access.into(),
        refresh_token: "sim-salesloft-refresh".into(),
        expires_at: now() + TimeDelta::hours(2),
    })
}

pub(crate) fn first_user() -> Credentials {
    token("sim-salesloft-access")
}

pub(crate) const FIRST: ListRequest<'static> = ListRequest {
    page: 1,
    token: None,
    since: None,
    order: Order::OldestFirst,
};

pub(crate) async fn refused(
    salesloft: &Arc<dyn Provider>,
    token: &Credentials,
    object: Object,
) -> ProviderError {
    salesloft.list(token, object, FIRST).await.unwrap_err()
}

pub(crate) const READ: [Object; 5] = [
    Object::User,
    Object::Sequence,
    Object::Account,
    Object::Contact,
    Object::SequenceState,
];

pub(crate) fn ids_of(records: &[Value]) -> Vec<String> {
    records.iter().map(|it| it["id"].to_string()).collect()
}

pub(crate) fn states(team: &Team) -> Vec<Value> {
    team.states().into_iter().map(|(_, state)| state).collect()
}

/// What the simulated team has of an object.
pub(crate) fn truth(sim: &Simulator, object: Object) -> Vec<String> {
    sim.read(0, |team| match object {
        Object::User => ids_of(&team.users()),
        Object::Sequence => ids_of(&team.sequences()),
        Object::Account => ids_of(&team.accounts()),
        Object::Contact => team.contact_ids(),
        Object::SequenceState => ids_of(&states(team)),
        Object::Mailbox => Vec::new(),
    })
}
