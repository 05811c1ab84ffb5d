//! OAuth 2.0: importing an authorization, sending customers to the provider and back, and refreshing
//! tokens.

mod agents;
mod apollo;
mod authorize;
mod callers;
mod crash;
mod deletes;
mod failures;
mod first_sync;
mod import;
mod incremental;
mod limits;
mod live;
mod outreach;
mod pages;
mod records;
mod refresh;
mod salesloft;
mod tasks;
mod writing;

use serde_json::{Value, json};
use syncline_sim::Options;

use crate::support::{Answer, App, CUSTOMER, Database};

/// A simulated provider that is connected by OAuth.
#[derive(Clone, Copy)]
struct Provider {
    name: &'static str,
    options: fn(usize) -> Options,
    objects: &'static [&'static str],
    /// Where its contacts are listed.
    contacts: &'static str,
    /// Contacts of a full page.
    page: usize,
}

/// Each function becomes four tests: at Outreach and at Salesloft, on both databases.
macro_rules! at_both_providers {
    (
        $(#[$meta:meta])*
        async fn $name:ident($provider:ident: Provider, $database:ident: Database $(,)?) $body:block
    ) => {
        $(#[$meta])*
        mod $name {
            use super::*;
            use $crate::{
                oauth::{OUTREACH, Provider, SALESLOFT},
                support::Database,
            };

            async fn run($provider: Provider, $database: Database) $body

            #[tokio::test]
            async fn outreach_sqlite() {
                run(OUTREACH, Database::sqlite()).await;
            }

            #[tokio::test]
            async fn outreach_postgres() {
                run(OUTREACH, Database::postgres().await).await;
            }

            #[tokio::test]
            async fn salesloft_sqlite() {
                run(SALESLOFT, Database::sqlite()).await;
            }

            #[tokio::test]
            async fn salesloft_postgres() {
                run(SALESLOFT, Database::postgres().await).await;
            }
        }
    };
}
use at_both_providers;

const APOLLO: Provider = Provider {
    name: "apollo",
    options: Options::with_contacts,
    objects: &[
        "account",
        "contact",
        "mailbox",
        "sequence",
        "sequence_state",
        "user",
    ],
    contacts: "/api/v1/contacts/search",
    page: 100,
};

const SALESLOFT: Provider = Provider {
    name: "salesloft",
    options: Options::salesloft,
    objects: &["account", "contact", "sequence", "sequence_state", "user"],
    contacts: "/v2/people",
    page: 100,
};

const OUTREACH: Provider = Provider {
    name: "outreach",
    options: Options::outreach,
    objects: &[
        "account",
        "contact",
        "mailbox",
        "sequence",
        "sequence_state",
        "user",
    ],
    contacts: "/api/v2/prospects",
    page: 1_000,
};

impl Provider {
    /// Its lists; a list of an object has the plural of its name.
    fn lists(self) -> Vec<String> {
        let plural = |object: &&str| match *object {
            "mailbox" => "mailboxes".to_owned(),
            other => format!("{other}s"),
        };
        self.objects.iter().map(plural).collect()
    }

    fn client(self) -> (String, String) {
        let of = |what| format!("sim-{}-{what}", self.name);
        (of("client"), of("secret"))
    }

    fn refresh_token(self) -> String {
        format!("sim-{}-refresh", self.name)
    }

    /// The body that enables it with a client of the application's own.
    fn enabling(self) -> Value {
        let (id, secret) = self.client();
        json!({
            "category": "engagement", "auth_type": "oauth2", "name": self.name,
            "config": {
                "provider_app_id": "app-1", "use_managed_oauth": false,
                "oauth": {
                    "oauth_scopes": [],
                    "credentials": {"oauth_client_id": id, "oauth_client_secret": secret},
                },
            },
        })
    }

    /// An application that has enabled and configured it, and has a customer.
    async fn enabled(self, database: Database, people: usize) -> App {
        self.enabled_with(database, (self.options)(people)).await
    }

    async fn enabled_with(self, database: Database, options: Options) -> App {
        let app = App::with_apollo(database, options).await;
        app.post("/mgmt/v2/providers", self.enabling()).await.ok();
        let objects: Vec<Value> = self
            .objects
            .iter()
            .map(|object| json!({"object": object}))
            .collect();
        let config = json!({
            "provider_name": self.name, "destination_name": "Syncline",
            "config": {
                "default_config": {"period_ms": 3_600_000, "strategy": "full only"},
                "common_objects": objects,
            },
        });
        app.post("/mgmt/v2/sync_configs", config).await.ok();
        app.put_customer(CUSTOMER).await.ok();
        app
    }

    async fn import(self, app: &App) -> Answer {
        app.post(&connections(), self.importing()).await
    }

    fn importing(self) -> Value {
        json!({
            "type": "oauth2", "category": "engagement", "provider_name": self.name,
            "refresh_token": self.refresh_token(),
        })
    }

    /// With a customer whose account is connected.
    async fn connected(self, database: Database, people: usize) -> App {
        let app = self.enabled(database, people).await;
        self.import(&app).await.ok();
        app
    }

    async fn connection(self, app: &App) -> Value {
        let path = format!("{}/{}", connections(), self.name);
        app.get(&path).await.ok()
    }
}

fn connections() -> String {
    format!("/mgmt/v2/customers/{CUSTOMER}/connections")
}

/// How often the provider's token endpoint was asked.
fn token_requests(app: &App) -> usize {
    app.apollo.ledger().requests_to("/oauth/token").len()
}

/// The newest run of an object.
async fn run_of(app: &App, object: &str) -> Value {
    app.runs(object).await.swap_remove(0)
}
