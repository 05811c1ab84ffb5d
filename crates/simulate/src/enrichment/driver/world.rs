//! The world at its start: teams with people, and a customer who is connected to them.

use std::{collections::HashMap, sync::Arc};

use serde_json::json;
use syncline_engine::{CheckedCredentials, Connect};
use syncline_model::{Credentials, KeyKind, LimitOverrides, Object, SyncConfigData, Time};
use syncline_providers::{OAuthConfig, ProviderConfig, Providers, apollo};
use syncline_sim::{KeyOptions, Simulator, TeamOptions};
use syncline_store::{Connection, NewConnectionKey, NewCustomer, Start, Store, Tenant};

use crate::enrichment::{
    lists::{self, KNOWN},
    transport::{Apollo, ToApollo},
};

const CUSTOMER: &str = "customer";

pub(super) fn team(number: usize) -> TeamOptions {
    TeamOptions {
        keys: vec![
            KeyOptions::master(&format!("key-{number}-0")),
            KeyOptions::master(&format!("key-{number}-1")),
        ],
        ..TeamOptions::numbered(number, 1)
    }
}

/// The same people in every team; returns their addresses by their ids there.
pub(super) fn people(sim: &Simulator, teams: usize, now: Time) -> HashMap<String, String> {
    let mut emails = HashMap::new();
    for team in 0..teams {
        sim.edit(team, |team| {
            team.set_credits(100_000);
            for number in 0..KNOWN {
                let email = lists::email(number);
                let contact = json!({
                    "first_name": format!("Ines{number}"), "last_name": "Heron", "email": email,
                });
                if let Ok(id) = team.create_contact(now, &contact) {
                    emails.insert(id, email);
                }
            }
        });
    }
    emails
}

pub(super) fn providers(apollo: &Arc<Apollo>) -> anyhow::Result<Providers> {
    Ok(Providers::built_in(|built_in| ProviderConfig {
        base_url: format!("https://api.{}.test", built_in.name),
        transport: Some(Arc::new(ToApollo(apollo.clone()))),
        oauth: OAuthConfig::default(),
    })?)
}

/// A customer with a main key, another one of the same team, and one of each further team.
pub(super) async fn connect(
    store: &Store,
    apollo: &Arc<Apollo>,
    teams: usize,
) -> anyhow::Result<(Tenant, Connection)> {
    let name = apollo::NAME;
    let config = SyncConfigData::hourly(&[Object::User]);
    let application = store
        .find_or_create_application("simulated", &[(name, config)])
        .await?;
    let tenant = store.tenant(&application.id);
    let customer = NewCustomer {
        customer_id: CUSTOMER,
        name: CUSTOMER,
        email: "",
    };
    tenant.upsert_customer(&customer).await?;
    let enabled = tenant.list_providers().await?;
    let provider_id = enabled
        .into_iter()
        .find(|it| it.name == name)
        .map(|it| it.id)
        .unwrap_or_default();
    let providers = providers(apollo)?;
    let provider = providers.get(name)?;
    let check =
        async |key: &str| CheckedCredentials::check(&**provider, Credentials::api_key(key)).await;
    let connect = Connect {
        customer_id: CUSTOMER,
        provider_id: &provider_id,
        limits: LimitOverrides::default(),
        start: Start::WhenResumed,
        magic_link_id: None,
    };
    let connection = check("key-0-0").await?.connect(&tenant, &connect).await?;
    let others = (1..teams).map(|team| format!("key-{team}-0"));
    for key in std::iter::once("key-0-1".to_owned()).chain(others) {
        let checked = check(&key).await?;
        let (account_id, own_account_id) = checked.account_ids();
        let new = NewConnectionKey {
            label: &key,
            kind: KeyKind::Own,
            credentials: checked.credentials(),
            own_account_id,
            account_id,
            max_credits_per_day: None,
            magic_link_id: None,
        };
        tenant.add_connection_key(&connection, &new).await?;
    }
    Ok((tenant, connection))
}
