//! A provider that Syncline doesn't come with, written here alone: it is registered through the public
//! interface, and is synced, read and refused like the others.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::TimeDelta;
use macro_rules_attribute::apply;
use secrecy::ExposeSecret;
use serde_json::{json, value::RawValue};
use syncline_model::{AuthType, Credentials, Object, ProviderName, Record, Records, User};
use syncline_providers::{
    Call, Capabilities, ErrorKind, Found, KeyCheck, ListRequest, Lookup, NextPage, Page, Provider,
    ProviderError, Response, Support,
};

use crate::support::{App, CUSTOMER, on_both_databases};

const NAME: &str = "rolodex";
const KEY: &str = "rolodex-key";
const PER_PAGE: usize = 2;

/// Has users, in pages of two, and nothing else.
struct Rolodex {
    names: Arc<Mutex<Vec<&'static str>>>,
}

impl Rolodex {
    fn page(&self, from: usize) -> Page {
        let names = self.names.lock().unwrap();
        let users: Vec<Record<User>> = names.iter().skip(from).take(PER_PAGE).map(user).collect();
        let next = from + users.len();
        Page {
            returned: i64::try_from(users.len()).unwrap(),
            served: i64::try_from(users.len()).unwrap(),
            records: Records::Users(users),
            rejected: Vec::new(),
            next: (next < names.len()).then(|| NextPage {
                token: Some(next.to_string()),
            }),
            reported_total: Some(i64::try_from(names.len()).unwrap()),
            loading: Vec::new(),
            watermark: None,
            usage: Vec::new(),
            provider_time: None,
            has_order: false,
            may_have_shifted: false,
        }
    }
}

fn user(name: &&'static str) -> Record<User> {
    Record {
        id: (*name).to_owned(),
        created_at: None,
        updated_at: None,
        is_deleted: false,
        fields: User {
            first_name: Some((*name).to_owned()),
            ..User::default()
        },
        raw: RawValue::from_string(format!(r#"{{"name":"{name}"}}"#)).unwrap(),
        hash: name.bytes().map(i64::from).sum(),
        former_hash: None,
        unread: Vec::new(),
    }
}

#[async_trait]
impl Provider for Rolodex {
    fn name(&self) -> ProviderName {
        ProviderName::literal(NAME)
    }

    fn title(&self) -> &'static str {
        "Rolodex"
    }

    fn auth_types(&self) -> &'static [AuthType] {
        &[AuthType::ApiKey]
    }

    fn support(&self, object: Object) -> Support {
        Support {
            list: object == Object::User,
            page_size: Some(2),
            incremental: false,
            carried_in: None,
            get: true,
            by_recency: false,
            most_listed: None,
        }
    }

    fn endpoint(&self, _: Call) -> &'static str {
        "cards"
    }

    async fn reach(&self) -> Result<Response, ProviderError> {
        Err(ProviderError::new(ErrorKind::Connection, None, "unused"))
    }

    async fn check(&self, credentials: &Credentials) -> KeyCheck {
        let Credentials::ApiKey(key) = credentials else {
            panic!("it takes keys only");
        };
        if key.expose_secret() == KEY {
            KeyCheck::Valid {
                account: Some("drawer-1".to_owned()),
            }
        } else {
            KeyCheck::Rejected {
                reason: "the drawer is locked".to_owned(),
            }
        }
    }

    async fn account(&self, _: &Credentials) -> Result<Option<String>, ProviderError> {
        Ok(Some("drawer-1".to_owned()))
    }

    async fn list(
        &self,
        _: &Credentials,
        _: Object,
        request: ListRequest<'_>,
    ) -> Result<Page, ProviderError> {
        let from = request.token.map_or(0, |token| token.parse().unwrap());
        Ok(self.page(from))
    }

    async fn get(&self, _: &Credentials, _: Object, id: &str) -> Result<Lookup, ProviderError> {
        let is_there = self.names.lock().unwrap().contains(&id);
        let found = if is_there {
            Found::Exists
        } else {
            Found::Gone {
                reason: "the card was taken out".to_owned(),
            }
        };
        Ok(Lookup {
            found,
            served: i64::from(is_there),
            usage: Vec::new(),
        })
    }

    fn capabilities(&self) -> Capabilities<'_> {
        Capabilities::none(self.name())
    }
}

#[apply(on_both_databases)]
async fn a_provider_that_is_written_elsewhere_is_synced_like_the_others(database: Database) {
    let names = Arc::new(Mutex::new(vec!["ada", "bo", "cy", "di", "eve"]));
    let provider = Rolodex {
        names: names.clone(),
    };
    let app = App::with_provider(database, NAME, Arc::new(provider)).await;
    let enabling = json!({"name": NAME, "category": "engagement", "auth_type": "api_key"});
    app.post("/mgmt/v2/providers", enabling).await.ok();
    let config = json!({
        "provider_name": NAME, "destination_name": "Syncline",
        "config": {
            "default_config": {"period_ms": 3_600_000, "strategy": "full only"},
            "common_objects": [{"object": "user"}],
        },
    });
    app.post("/mgmt/v2/sync_configs", config).await.ok();
    app.put_customer(CUSTOMER).await.ok();
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections");
    let wrong = json!({"provider_name": NAME, "api_key": "another"});
    assert_eq!(app.post(&path, wrong).await.error().0, 422);
    let right = json!({"provider_name": NAME, "api_key": KEY});
    app.post(&path, right).await.ok();
    app.work_off().await;
    let run = app.runs("user").await.swap_remove(0);
    assert_eq!(
        (&run["status"], &run["num_records_synced"]),
        (&json!("SUCCESS"), &json!(5)),
        "{run}"
    );
    names.lock().unwrap().remove(1);
    app.after(TimeDelta::hours(1)).await;
    let page = app
        .get("/engagement/v2/users?read_from_cache=true")
        .await
        .ok();
    let left: Vec<_> = page["records"].as_array().unwrap().iter().collect();
    assert_eq!(left.len(), 4, "{page}");
    let gone = app
        .get("/engagement/v2/users/bo?read_from_cache=true")
        .await
        .ok();
    assert_eq!(gone["is_deleted"], true, "{gone}");
    for (path, reason) in [
        ("/engagement/v2/users", "not supported by rolodex"),
        ("/engagement/v2/contacts", "rolodex has no contacts"),
    ] {
        let answer = app.get(path).await;
        let (status, _, title) = answer.error();
        assert!(status == 400 && title.contains(reason), "{path}: {title}");
    }
}
