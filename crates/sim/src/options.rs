//! The options of the simulated world.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

use crate::apollo::ApolloOptions;
use crate::dialect::Dialect;
use crate::outreach::OutreachOptions;
use crate::plans::Plan;
use crate::salesloft::SalesloftOptions;
use crate::switches::Switches;

/// How to build a [`crate::Simulator`].
#[derive(Debug, Clone)]
pub struct Options {
    /// The API to simulate.
    pub dialect: Dialect,
    /// The same seed and options give the same world, byte for byte.
    pub seed: u64,
    /// The time at which the world is generated: everything in it happened before.
    pub epoch: DateTime<Utc>,
    pub teams: Vec<TeamOptions>,
    /// Uncertain behaviour of Apollo.
    pub switches: Switches,
    /// Options of Apollo.
    pub apollo: ApolloOptions,
    /// Options of Outreach.
    pub outreach: OutreachOptions,
    /// Options of Salesloft.
    pub salesloft: SalesloftOptions,
    /// The delay that the HTTP server adds to every answer. Apollo itself takes 20 to 110 ms.
    pub latency: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            dialect: Dialect::Apollo,
            seed: 1,
            // 2026-01-01T00:00:00Z
            epoch: DateTime::UNIX_EPOCH + TimeDelta::days(20_454),
            teams: vec![TeamOptions::default()],
            switches: Switches::default(),
            apollo: ApolloOptions::default(),
            outreach: OutreachOptions::default(),
            salesloft: SalesloftOptions::default(),
            latency: Duration::ZERO,
        }
    }
}

impl Options {
    /// The default world with another number of contacts.
    pub fn with_contacts(contacts: usize) -> Self {
        Self {
            teams: vec![TeamOptions::sized(contacts)],
            ..Self::default()
        }
    }

    /// The default world with that many contacts, with Outreach's API.
    pub fn outreach(prospects: usize) -> Self {
        Self {
            dialect: Dialect::Outreach,
            ..Self::with_contacts(prospects)
        }
    }

    /// The default world with that many contacts, with Salesloft's API.
    pub fn salesloft(people: usize) -> Self {
        Self {
            dialect: Dialect::Salesloft,
            ..Self::with_contacts(people)
        }
    }
}

/// One workspace.
#[derive(Debug, Clone)]
pub struct TeamOptions {
    pub name: String,
    pub contacts: usize,
    pub accounts: usize,
    /// At least 3. Two of them are special: one is deleted, and one was invited and never signed
    /// in.
    pub users: usize,
    pub sequences: usize,
    pub mailboxes: usize,
    pub keys: Vec<KeyOptions>,
    pub plan: Plan,
    /// How many reads of a sequence show some statistics as `"loading"` before they show numbers.
    /// Applies to every third sequence.
    pub loading_reads: u32,
}

impl Default for TeamOptions {
    fn default() -> Self {
        Self::sized(1_000)
    }
}

impl TeamOptions {
    /// The usual team with this many contacts.
    pub fn sized(contacts: usize) -> Self {
        Self {
            name: "Brightwater Analytics".to_owned(),
            contacts,
            accounts: contacts / 8,
            users: 8,
            sequences: 12,
            mailboxes: 10,
            keys: vec![
                KeyOptions::master("sim-master-key"),
                KeyOptions::scoped("sim-scoped-key", &["contacts/search", "accounts/search"]),
            ],
            plan: Plan::Unlimited,
            loading_reads: 1,
        }
    }

    /// A further team with its own keys: `sim-master-key-<n>` and `sim-scoped-key-<n>`.
    pub fn numbered(n: usize, contacts: usize) -> Self {
        Self {
            name: format!("Workspace {n}"),
            keys: vec![
                KeyOptions::master(&format!("sim-master-key-{n}")),
                KeyOptions::scoped(
                    &format!("sim-scoped-key-{n}"),
                    &["contacts/search", "accounts/search"],
                ),
            ],
            ..Self::sized(contacts)
        }
    }
}

/// An API key and its scope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOptions {
    pub key: String,
    /// `None` for a master key; otherwise actions such as `contacts/search`.
    pub scopes: Option<Vec<String>>,
}

impl KeyOptions {
    pub fn master(key: &str) -> Self {
        Self {
            key: key.to_owned(),
            scopes: None,
        }
    }

    pub fn scoped(key: &str, actions: &[&str]) -> Self {
        Self {
            key: key.to_owned(),
            scopes: Some(actions.iter().map(|&action| action.to_owned()).collect()),
        }
    }
}
