//! The customers of the demo, and the provider behind each.

use anyhow::Context;
use serde_json::{Value, json};
use syncline_model::Object;
use syncline_sim::{Dialect, Options, RunningSimulator, Simulator, TeamOptions};

pub(super) struct Customer {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    pub(super) provider: Provider,
    /// The number of contacts in their workspace.
    contacts: usize,
}

/// What the demo knows of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provider {
    Apollo,
    Outreach,
    Salesloft,
}

pub(super) const CUSTOMERS: [Customer; 3] = [
    Customer {
        id: "brightwater",
        name: "Brightwater Analytics",
        email: "ops@brightwater.example",
        provider: Provider::Outreach,
        contacts: 2500,
    },
    Customer {
        id: "fernhill",
        name: "Fernhill Robotics",
        email: "it@fernhill.example",
        provider: Provider::Apollo,
        contacts: 640,
    },
    Customer {
        id: "tidepool",
        name: "Tidepool Studio",
        email: "hello@tidepool.example",
        provider: Provider::Salesloft,
        contacts: 45,
    },
];

/// The syncs of all customers together.
pub(super) fn sync_count() -> usize {
    let objects = CUSTOMERS.iter().map(|it| it.provider.objects().count());
    objects.sum()
}

impl Customer {
    /// Their workspace, at a provider that only they use.
    pub(super) async fn start_provider(&self, seed: u64) -> anyhow::Result<RunningSimulator> {
        let options = Options {
            dialect: self.provider.dialect(),
            seed,
            teams: vec![TeamOptions::sized(self.contacts)],
            ..Options::default()
        };
        Simulator::start(options)
            .await
            .with_context(|| format!("the simulated {} can't be started", self.provider.title()))
    }
}

impl Provider {
    /// As the API calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Apollo => "apollo",
            Self::Outreach => "outreach",
            Self::Salesloft => "salesloft",
        }
    }

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Apollo => "Apollo",
            Self::Outreach => "Outreach",
            Self::Salesloft => "Salesloft",
        }
    }

    fn dialect(self) -> Dialect {
        match self {
            Self::Apollo => Dialect::Apollo,
            Self::Outreach => Dialect::Outreach,
            Self::Salesloft => Dialect::Salesloft,
        }
    }

    /// The objects that it has.
    pub(super) fn objects(self) -> impl Iterator<Item = Object> {
        let all = Object::ALL.iter().copied();
        all.filter(move |object| *object != Object::Mailbox || self != Self::Salesloft)
    }

    /// The body that enables it; `None` where every application has it.
    pub(super) fn application(self) -> Option<Value> {
        let name = self.name();
        (self != Self::Apollo).then(|| {
            json!({
                "category": "engagement",
                "auth_type": "oauth2",
                "name": name,
                "config": {
                    "provider_app_id": "",
                    "use_managed_oauth": false,
                    "oauth": {
                        "oauth_scopes": [],
                        "credentials": {
                            "oauth_client_id": format!("sim-{name}-client"),
                            "oauth_client_secret": format!("sim-{name}-secret"),
                        },
                    },
                },
            })
        })
    }

    /// The body of a connection: with a key, or with a refresh token of an authorization.
    pub(super) fn connection(self) -> Value {
        let name = self.name();
        match self {
            Self::Apollo => json!({
                "provider_name": name,
                "category": "engagement",
                "api_key": "sim-master-key",
            }),
            Self::Outreach | Self::Salesloft => json!({
                "provider_name": name,
                "category": "engagement",
                "type": "oauth2",
                "refresh_token": format!("sim-{name}-refresh"),
            }),
        }
    }
}
