//! The command line of `syncline sim outreach`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::{address, serve_until_told};
use crate::options::{Options, TeamOptions};
use crate::outreach::OutreachOptions;
use crate::tokens::TokenOptions;

/// Serves a simulated Outreach API and its OAuth server, with an invented sales team.
#[derive(Debug, Clone, ClapArgs)]
pub struct OutreachArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8091", value_name = "HOST:PORT", value_parser = address)]
    pub listen: SocketAddr,

    /// Seed of the invented data. The same seed and sizes give the same data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Prospects per organisation. About half of them are in a sequence; accounts are an eighth as many.
    #[arg(long, default_value_t = 1_000)]
    pub prospects: usize,

    /// Organisations. The second and later ones have tokens that end in their number, such as
    /// `sim-outreach-access-2`.
    #[arg(long, default_value_t = 1)]
    pub teams: usize,

    /// Id of the OAuth application.
    #[arg(long, default_value = "sim-outreach-client", value_name = "ID")]
    pub client_id: String,

    /// Secret of the OAuth application.
    #[arg(long, default_value = "sim-outreach-secret", value_name = "SECRET")]
    pub client_secret: String,

    /// Requests per user and hour. Outreach itself allows 10000.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub requests_per_hour: u32,

    /// Milliseconds that every answer takes.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency_ms: u64,
}

impl OutreachArgs {
    /// The world these arguments describe.
    pub fn options(&self) -> Options {
        let teams = (1..=self.teams.max(1)).map(|n| match n {
            1 => TeamOptions::sized(self.prospects),
            n => TeamOptions::numbered(n, self.prospects),
        });
        Options {
            seed: self.seed,
            teams: teams.collect(),
            latency: Duration::from_millis(self.latency_ms),
            outreach: OutreachOptions {
                client_id: self.client_id.clone(),
                client_secret: self.client_secret.clone(),
                requests_per_hour: self.requests_per_hour,
                ..OutreachOptions::default()
            },
            ..Options::outreach(self.prospects)
        }
    }
}

/// Serves until ctrl-c or a request to terminate.
pub async fn run_outreach(args: OutreachArgs) -> io::Result<()> {
    serve_until_told(args.listen, args.options(), announce).await
}

#[expect(
    clippy::print_stdout,
    reason = "the output of a command, for whoever started it"
)]
fn announce(options: &Options, address: SocketAddr) {
    let OutreachOptions {
        client_id,
        client_secret,
        ..
    } = &options.outreach;
    println!("Outreach simulator: http://{address}/api/v2");
    println!("  OAuth: http://{address}/oauth  client {client_id}, secret {client_secret}");
    for (at, team) in options.teams.iter().enumerate() {
        let token = TokenOptions::of_team(at);
        println!("  {} ({} prospects)", team.name, team.contacts);
        println!("    Authorization: Bearer {}", token.access);
        println!("    refresh token: {}", token.refresh);
    }
}
