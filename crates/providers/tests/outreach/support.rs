//! How the tests ask, and what the simulator's own records say.

#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;
use syncline_model::{
    Contact, Credentials, OAuthTokens, Object, Order, Record, Records, SequenceState,
};
use syncline_providers::{
    ListRequest, OAuthConfig, Page, Provider, ProviderConfig, ProviderError, Providers, outreach,
};
use syncline_sim::{Options, Simulator};

use crate::in_process::InProcess;

/// Two full pages of prospects, and some more.
pub(crate) const PROSPECTS: usize = 2_100;

/// After everything in the simulated world.
pub(crate) fn now() -> DateTime<Utc> {
    Options::default().epoch + TimeDelta::hours(1)
}

pub(crate) fn simulator(prospects: usize, set: impl FnOnce(&mut Options)) -> Simulator {
    let mut options = Options::outreach(prospects);
    // As documented.
    options.outreach.switches.strict_content_type = true;
    set(&mut options);
    Simulator::new(options)
}

pub(crate) fn client(sim: &Simulator) -> Arc<dyn Provider> {
    let config = ProviderConfig {
        base_url: "https://api.outreach.test".to_owned(),
        transport: Some(Arc::new(InProcess {
            sim: sim.clone(),
            now: now(),
        })),
        oauth: OAuthConfig::default(),
    };
    let providers = Providers::built_in(|_| config.clone()).unwrap();
    providers.get(outreach::NAME).unwrap().clone()
}

pub(crate) fn both(prospects: usize) -> (Simulator, Arc<dyn Provider>) {
    let sim = simulator(prospects, |_| {});
    let outreach = client(&sim);
    (sim, outreach)
}

pub(crate) fn tokens(access: &str) -> Credentials {
    Credentials::OAuth(OAuthTokens {
        access_token: access.to_owned().into(),
        refresh_token: "sim-outreach-refresh".to_owned().into(),
        expires_at: now() + TimeDelta::hours(2),
    })
}

pub(crate) fn access() -> Credentials {
    tokens("sim-outreach-access")
}

pub(crate) const FIRST: ListRequest<'static> = ListRequest {
    page: 1,
    token: None,
    since: None,
    order: Order::OldestFirst,
};

pub(crate) async fn refused(outreach: &Arc<dyn Provider>, object: Object) -> ProviderError {
    outreach.list(&access(), object, FIRST).await.unwrap_err()
}

/// All pages of an object.
pub(crate) async fn read_all(outreach: &Arc<dyn Provider>, object: Object) -> Vec<Page> {
    let mut pages = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let request = ListRequest {
            page: u32::try_from(pages.len()).unwrap() + 1,
            token: token.as_deref(),
            since: None,
            order: Order::OldestFirst,
        };
        let page = outreach.list(&access(), object, request).await.unwrap();
        let next = page.next.clone();
        pages.push(page);
        match next {
            Some(next) => token = Some(next.token.unwrap()),
            None => return pages,
        }
    }
}

pub(crate) async fn contacts(outreach: &Arc<dyn Provider>) -> Vec<Record<Contact>> {
    let pages = read_all(outreach, Object::Contact).await.into_iter();
    let of_page = |page: Page| match page.records {
        Records::Contacts { contacts, .. } => contacts,
        other => panic!("no contacts: {other:?}"),
    };
    pages.flat_map(of_page).collect()
}

pub(crate) async fn states(outreach: &Arc<dyn Provider>) -> Vec<Record<SequenceState>> {
    let pages = read_all(outreach, Object::SequenceState).await.into_iter();
    let of_page = |page: Page| match page.records {
        Records::SequenceStates(states) => states,
        other => panic!("no states: {other:?}"),
    };
    pages.flat_map(of_page).collect()
}

pub(crate) fn ids_of(page: &Page) -> Vec<String> {
    let scanned = page.records.scanned().into_iter();
    scanned.map(|(id, _)| id.to_owned()).collect()
}

pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

pub(crate) fn related(record: &Value, name: &str) -> Option<String> {
    text(&record["relationships"][name]["data"]["id"])
}
