//! The command line of `syncline sim apollo`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};

use super::{address, serve_until_told};
use crate::apollo::ApolloOptions;
use crate::options::{KeyOptions, Options, TeamOptions};
use crate::plans::Plan;
use crate::tokens::TokenOptions;

/// Serves a simulated Apollo.io API with an invented sales team.
#[derive(Debug, Clone, ClapArgs)]
pub struct Args {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "HOST:PORT", value_parser = address)]
    pub listen: SocketAddr,

    /// Seed of the invented data. The same seed and sizes give the same data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Contacts per workspace. About half of them are in a sequence; accounts are an eighth as many.
    #[arg(long, default_value_t = 1_000)]
    pub contacts: usize,

    /// Workspaces. The second and later ones have keys that end in their number, such as `sim-master-key-2`.
    #[arg(long, default_value_t = 1)]
    pub teams: usize,

    /// Master API key of the first workspace.
    #[arg(long, default_value = "sim-master-key", value_name = "KEY")]
    pub api_key: String,

    /// Price plan, which sets the quotas of calls per minute, hour and day.
    #[arg(long, value_enum, default_value_t = PlanName::Unlimited)]
    pub plan: PlanName,

    /// Milliseconds that every answer takes. Apollo itself takes 20 to 110.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency_ms: u64,

    /// Milliseconds until phone numbers and waterfall results are sent to the webhook.
    #[arg(long, default_value_t = 5_000, value_name = "MS")]
    pub callback_delay_ms: u64,

    /// Send each of these callbacks twice.
    #[arg(long)]
    pub callbacks_twice: bool,

    /// Send none of them; polling still brings the results.
    #[arg(long)]
    pub callbacks_lost: bool,
}

/// The plans that can be named on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlanName {
    Unlimited,
    Free,
    Basic,
    Professional,
    Organization,
}

impl From<PlanName> for Plan {
    fn from(name: PlanName) -> Self {
        match name {
            PlanName::Unlimited => Self::Unlimited,
            PlanName::Free => Self::Free,
            PlanName::Basic => Self::Basic,
            PlanName::Professional => Self::Professional,
            PlanName::Organization => Self::Organization,
        }
    }
}

impl Args {
    /// The world these arguments describe.
    pub fn options(&self) -> Options {
        let mut teams = Vec::with_capacity(self.teams.max(1));
        for n in 1..=self.teams.max(1) {
            let mut team = match n {
                1 => TeamOptions::sized(self.contacts),
                n => TeamOptions::numbered(n, self.contacts),
            };
            if n == 1
                && let Some(master) = team.keys.first_mut()
            {
                *master = KeyOptions::master(&self.api_key);
            }
            team.plan = self.plan.into();
            teams.push(team);
        }
        Options {
            seed: self.seed,
            teams,
            apollo: ApolloOptions {
                callback_delay: Duration::from_millis(self.callback_delay_ms),
                callbacks_twice: self.callbacks_twice,
                callbacks_lost: self.callbacks_lost,
                callbacks_held: false,
                ..ApolloOptions::default()
            },
            latency: Duration::from_millis(self.latency_ms),
            ..Options::default()
        }
    }
}

/// Serves until Ctrl-C or SIGTERM.
pub async fn run(args: Args) -> io::Result<()> {
    serve_until_told(args.listen, args.options(), announce).await
}

#[expect(
    clippy::print_stdout,
    reason = "the output of a command, for whoever started it"
)]
fn announce(options: &Options, address: SocketAddr) {
    let ApolloOptions {
        client_id,
        client_secret,
        ..
    } = &options.apollo;
    println!("Apollo simulator: http://{address}/api/v1");
    println!(
        "  OAuth, for partners: http://{address}/oauth  client {client_id}, secret {client_secret}"
    );
    for (at, team) in options.teams.iter().enumerate() {
        println!("  {} ({} contacts)", team.name, team.contacts);
        for key in &team.keys {
            let reach = match &key.scopes {
                None => "everything".to_owned(),
                Some(actions) => actions.join(", "),
            };
            println!("    X-Api-Key: {}  ({reach})", key.key);
        }
        let token = TokenOptions::of_apollo_team(at);
        println!("    refresh token: {}", token.refresh);
    }
}
