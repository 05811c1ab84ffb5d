//! The same client against the simulator over two transports: the network, and a function call in
//! the same process. Whatever is read over one can be read over the other.

#![expect(
    clippy::disallowed_methods,
    reason = "what a test spawns ends with its runtime"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test's helpers may panic as its tests do"
)]

mod in_process;

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use syncline_model::{Denial, Object, Order, Records, RequestWindow, WindowUsage};
use syncline_providers::{
    Call, Credentials, ErrorKind, Found, KeyCheck, ListRequest, OAuthConfig, Outgoing, Page,
    Provider, ProviderConfig, ProviderError, Providers, Response, Transport, Window, apollo,
    http::HeaderMap,
};
use syncline_sim::{FreePlan, Options, Plan, Simulator, Switches, Team, TeamOptions, serve_at};
use tokio::net::TcpListener;

use in_process::InProcess;

const MASTER_KEY: &str = "sim-master-key";
const SCOPED_KEY: &str = "sim-scoped-key";

/// Always the same answer, or none at all.
struct Canned(Option<&'static str>);

#[async_trait]
impl Transport for Canned {
    async fn send(&self, request: Outgoing) -> Result<Response, ProviderError> {
        if request.url.path().ends_with("api_profile") {
            std::future::pending::<()>().await;
        }
        let Some(body) = self.0 else {
            let echo = format!("lost: {}", request.headers["x-api-key"].to_str().unwrap());
            return Err(ProviderError::new(ErrorKind::Connection, None, &echo));
        };
        Ok(Response {
            status: 200,
            headers: HeaderMap::new(),
            body: Bytes::from_static(body.as_bytes()),
        })
    }
}

/// After everything in the simulated world.
fn now() -> DateTime<Utc> {
    Options::default().epoch + TimeDelta::hours(1)
}

fn simulator(plan: Plan, turn: impl Fn(&mut Switches)) -> Simulator {
    let mut switches = Switches {
        free_plan: FreePlan::NamesTheEndpoint,
        ..Switches::default()
    };
    turn(&mut switches);
    Simulator::new(Options {
        teams: vec![TeamOptions {
            plan,
            ..TeamOptions::sized(250)
        }],
        switches,
        ..Options::default()
    })
}

fn client(base_url: &str, transport: Option<Arc<dyn Transport>>) -> Arc<dyn Provider> {
    let config = ProviderConfig {
        base_url: base_url.to_owned(),
        transport,
        oauth: OAuthConfig::default(),
    };
    let providers = Providers::built_in(|_| config.clone()).unwrap();
    providers.get(apollo::NAME).unwrap().clone()
}

fn over_a_call(transport: impl Transport + 'static) -> Arc<dyn Provider> {
    client("https://api.apollo.test", Some(Arc::new(transport)))
}

async fn over_the_network(sim: Simulator) -> Arc<dyn Provider> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base_url = format!("http://{}", listener.local_addr().unwrap());
    let forever = std::future::pending();
    tokio::spawn(serve_at(listener, sim, Arc::new(now), forever));
    client(&base_url, None)
}

/// A client over each transport, each with a world of its own.
async fn both(plan: Plan) -> [(Simulator, Arc<dyn Provider>); 2] {
    both_with(plan, |_| {}).await
}

async fn both_with(
    plan: Plan,
    turn: impl Fn(&mut Switches),
) -> [(Simulator, Arc<dyn Provider>); 2] {
    let (called, served) = (simulator(plan, &turn), simulator(plan, &turn));
    let in_process = InProcess {
        sim: called.clone(),
        now: now(),
    };
    let network = over_the_network(served.clone()).await;
    [(called, over_a_call(in_process)), (served, network)]
}

fn master() -> Credentials {
    Credentials::api_key(MASTER_KEY)
}

fn scoped() -> Credentials {
    Credentials::api_key(SCOPED_KEY)
}

const OLDEST: ListRequest<'static> = ListRequest {
    page: 1,
    token: None,
    since: None,
    order: Order::OldestFirst,
};

const MOST_RECENT: ListRequest<'static> = ListRequest {
    page: 1,
    token: None,
    since: None,
    order: Order::RecentFirst,
};

async fn list(apollo: &Arc<dyn Provider>, object: Object, page: u32) -> Page {
    let request = ListRequest { page, ..OLDEST };
    apollo.list(&master(), object, request).await.unwrap()
}

async fn refused(
    apollo: &Arc<dyn Provider>,
    credentials: Credentials,
    object: Object,
) -> ProviderError {
    let listed = apollo.list(&credentials, object, OLDEST).await;
    listed.unwrap_err()
}

/// How many records all pages of an object have.
async fn read_all(apollo: &Arc<dyn Provider>, object: Object) -> i64 {
    let (mut returned, mut next) = (0, Some(1));
    while let Some(number) = next {
        let page = list(apollo, object, number).await;
        returned += page.returned;
        next = page.next.map(|_| number + 1);
    }
    returned
}

fn contact_ids(page: &Page) -> Vec<String> {
    let Records::Contacts { contacts, .. } = &page.records else {
        panic!("no contacts: {:?}", page.records)
    };
    contacts.iter().map(|contact| contact.id.clone()).collect()
}

#[tokio::test]
async fn every_object_is_read_to_its_end() {
    for (sim, apollo) in both(Plan::Unlimited).await {
        let counts = sim.read(0, Team::counts);
        assert_eq!(read_all(&apollo, Object::Contact).await, 250);
        assert_eq!(read_all(&apollo, Object::SequenceState).await, 250);
        for (object, expected) in [
            (Object::User, counts.users),
            (Object::Mailbox, counts.mailboxes),
            (Object::Sequence, counts.sequences),
            (Object::Account, counts.accounts),
        ] {
            let returned = usize::try_from(read_all(&apollo, object).await).unwrap();
            assert_eq!(returned, expected, "{object}");
        }
    }
}

#[tokio::test]
async fn a_page_tells_what_is_left_of_the_request_windows() {
    let left = |window, limit, left| WindowUsage {
        window,
        limit,
        left,
    };
    for (_, apollo) in both(Plan::Professional).await {
        list(&apollo, Object::Contact, 1).await;
        assert_eq!(
            list(&apollo, Object::Contact, 2).await.usage,
            [
                left(RequestWindow::Minute, 200, 198),
                left(RequestWindow::Hour, 400, 398),
                left(RequestWindow::Day, 2_000, 1_998),
            ]
        );
    }
    for (_, apollo) in both(Plan::Unlimited).await {
        assert_eq!(list(&apollo, Object::Contact, 1).await.usage, []);
    }
}

#[tokio::test]
async fn a_refusal_for_want_of_quota_names_its_window_and_tells_the_usage() {
    let quota = syncline_sim::Quota::new(1, 100, 100);
    for (_, apollo) in both(Plan::Custom(quota)).await {
        list(&apollo, Object::Contact, 1).await;
        let error = refused(&apollo, master(), Object::Contact).await;
        assert_eq!(error.kind, ErrorKind::RateLimited(Window::Minute));
        assert_eq!(error.usage.len(), 3);
        assert_eq!(error.usage[0].left, 0);
        assert!(error.retry_after.is_some());
    }
}

#[tokio::test]
async fn the_contact_that_was_changed_last_comes_first_where_that_is_asked_for() {
    for (sim, apollo) in both(Plan::Unlimited).await {
        let oldest = list(&apollo, Object::Contact, 1).await;
        assert!(oldest.has_order);
        let changed = contact_ids(&oldest)[7].clone();
        let name = json!({"first_name": "Renamed"});
        let change = sim.edit(0, |team| team.update_contact(now(), &changed, &name));
        assert!(change.unwrap());
        let recent = apollo.list(&master(), Object::Contact, MOST_RECENT).await;
        let recent = recent.unwrap();
        assert_eq!(contact_ids(&recent)[0], changed);
        assert!(!recent.has_order);
        // The order of creation holds still.
        let again = list(&apollo, Object::Contact, 1).await;
        assert_eq!(contact_ids(&again), contact_ids(&oldest));
    }
}

#[tokio::test]
async fn only_pages_in_the_order_of_creation_say_so() {
    for (_, apollo) in both(Plan::Unlimited).await {
        for object in Object::ALL {
            let expected = matches!(
                object,
                Object::Contact | Object::SequenceState | Object::Account
            );
            let page = list(&apollo, *object, 1).await;
            assert_eq!(page.has_order, expected, "{object}");
        }
    }
}

#[tokio::test]
async fn a_record_exists_until_it_is_deleted() {
    for (sim, apollo) in both(Plan::Professional).await {
        let key = master();
        let (contact, account) = sim.read(0, |team| {
            (team.contact_ids().remove(0), team.account_ids().remove(0))
        });
        let found = apollo.get(&key, Object::Contact, &contact).await.unwrap();
        assert_eq!((&found.found, found.usage.len()), (&Found::Exists, 3));
        let found = apollo.get(&key, Object::Account, &account).await.unwrap();
        assert_eq!(found.found, Found::Exists);
        sim.edit(0, |team| {
            team.delete_contact(&contact).unwrap();
            team.delete_account(&account).unwrap();
        });
        for (object, id) in [(Object::Contact, contact), (Object::Account, account)] {
            let found = apollo.get(&key, object, &id).await.unwrap();
            assert!(matches!(found.found, Found::Gone { .. }), "{found:?}");
            assert_eq!(found.usage.len(), 3, "{object}");
        }
    }
}

#[tokio::test]
async fn a_record_that_is_not_shown_to_the_key_is_hidden_and_not_gone() {
    for (sim, apollo) in both(Plan::Unlimited).await {
        let (contact, account) = sim.edit(0, |team| {
            let (contact, account) = (team.contact_ids().remove(0), team.account_ids().remove(0));
            team.hide_contact(&contact).unwrap();
            team.hide_account(&account).unwrap();
            (contact, account)
        });
        for (object, id) in [(Object::Contact, contact), (Object::Account, account)] {
            let found = apollo.get(&master(), object, &id).await.unwrap().found;
            assert!(matches!(found, Found::Hidden { .. }), "{found:?}");
        }
    }
}

#[tokio::test]
async fn a_page_tells_the_time_of_the_providers_clock() {
    for (_, apollo) in both(Plan::Unlimited).await {
        let page = list(&apollo, Object::User, 1).await;
        assert_eq!(page.provider_time, Some(now()));
    }
}

#[tokio::test]
async fn a_calls_windows_are_those_of_its_endpoint() {
    for (_, apollo) in both(Plan::Unlimited).await {
        for (call, name) in [
            (Call::List(Object::Contact), "contacts/search"),
            (Call::List(Object::SequenceState), "contacts/search"),
            (Call::Get(Object::Contact), "contacts/show"),
            (Call::List(Object::Account), "accounts/search"),
            (Call::Get(Object::Account), "accounts/show"),
            (Call::List(Object::User), "users/search"),
            (Call::List(Object::Sequence), "emailer_campaigns/search"),
            (Call::List(Object::Mailbox), "email_accounts/index"),
        ] {
            assert_eq!(apollo.endpoint(call), name);
        }
    }
}

#[tokio::test]
async fn a_key_is_valid_and_names_its_team() {
    for (sim, apollo) in both(Plan::Unlimited).await {
        let account = Some(sim.read(0, |team| team.id().to_owned()));
        for credentials in [master(), scoped()] {
            assert_eq!(apollo.account(&credentials).await, Ok(account.clone()));
            let account = account.clone();
            assert_eq!(
                apollo.check(&credentials).await,
                KeyCheck::Valid { account }
            );
        }
        let unknown = apollo.check(&Credentials::api_key("nobody's")).await;
        assert!(matches!(unknown, KeyCheck::Rejected { .. }), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_key_that_may_not_read_its_profile_is_valid_without_a_team() {
    let unread = |switches: &mut Switches| switches.scoped_keys_read_profile = false;
    for (_, apollo) in both_with(Plan::Unlimited, unread).await {
        assert_eq!(apollo.account(&scoped()).await, Ok(None));
        let verdict = apollo.check(&scoped()).await;
        assert_eq!(verdict, KeyCheck::Valid { account: None });
    }
}

#[tokio::test]
async fn what_is_forbidden_says_whether_the_plan_or_the_key_keeps_it_away() {
    for (_, apollo) in both(Plan::Free).await {
        let error = refused(&apollo, scoped(), Object::User).await;
        assert_eq!(error.kind, ErrorKind::Forbidden(Denial::KeyScope));
        let error = refused(&apollo, master(), Object::Contact).await;
        assert_eq!(error.kind, ErrorKind::Forbidden(Denial::Plan));
    }
}

#[test]
fn over_another_transport_nothing_but_the_check_of_a_key_needs_a_timer() {
    // This runtime has none: setting one would panic.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let sim = simulator(Plan::Unlimited, |_| {});
        let contact = sim.read(0, |team| team.contact_ids().remove(0));
        let apollo = over_a_call(InProcess { sim, now: now() });
        list(&apollo, Object::User, 1).await;
        let found = apollo.get(&master(), Object::Contact, &contact).await;
        assert_eq!(found.unwrap().found, Found::Exists);
        assert!(apollo.account(&master()).await.unwrap().is_some());
    });
}

#[tokio::test]
async fn a_transport_that_repeats_the_key_in_its_error_is_not_quoted() {
    let apollo = over_a_call(Canned(None));
    let error = refused(&apollo, master(), Object::User).await;
    assert_eq!(error.kind, ErrorKind::Connection);
    assert_eq!(error.message, "lost: [redacted]");
}

#[tokio::test(start_paused = true)]
async fn a_valid_key_stays_valid_when_its_team_does_not_come_in_time() {
    let apollo = over_a_call(Canned(Some(r#"{"healthy":true,"is_logged_in":true}"#)));
    let asked = tokio::time::Instant::now();
    let verdict = apollo.check(&master()).await;
    assert_eq!(verdict, KeyCheck::Valid { account: None });
    assert!(asked.elapsed().as_millis() <= 5_001);
}
