//! The customers of the demo, and the Apollo behind them.

use anyhow::Context;
use syncline_sim::{Options, RunningSimulator, Simulator, TeamOptions};

pub(super) struct Customer {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) email: &'static str,
    /// The number of contacts in their Apollo workspace.
    contacts: usize,
}

pub(super) const CUSTOMERS: [Customer; 3] = [
    Customer {
        id: "brightwater",
        name: "Brightwater Analytics",
        email: "ops@brightwater.example",
        contacts: 2500,
    },
    Customer {
        id: "fernhill",
        name: "Fernhill Robotics",
        email: "it@fernhill.example",
        contacts: 640,
    },
    Customer {
        id: "tidepool",
        name: "Tidepool Studio",
        email: "hello@tidepool.example",
        contacts: 45,
    },
];

/// One workspace for each customer, in their order.
pub(super) async fn start_apollo(seed: u64) -> anyhow::Result<RunningSimulator> {
    let teams = CUSTOMERS.iter().enumerate();
    let options = Options {
        seed,
        teams: teams
            .map(|(index, customer)| TeamOptions::numbered(index + 1, customer.contacts))
            .collect(),
        ..Options::default()
    };
    Simulator::start(options)
        .await
        .context("the simulated Apollo can't be started")
}

/// The key of a customer's workspace.
pub(super) fn apollo_key(index: usize) -> String {
    format!("sim-master-key-{}", index + 1)
}
