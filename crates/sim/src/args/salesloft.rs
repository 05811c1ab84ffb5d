//! The command line of `syncline sim salesloft`.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use clap::Args as ClapArgs;

use super::{address, serve_until_told};
use crate::options::{Options, TeamOptions};
use crate::salesloft::SalesloftOptions;
use crate::tokens::TokenOptions;

/// Serves a simulated Salesloft API and its OAuth server, with an invented sales team.
#[derive(Debug, Clone, ClapArgs)]
pub struct SalesloftArgs {
    /// Address to listen on.
    #[arg(long, default_value = "127.0.0.1:8092", value_name = "HOST:PORT", value_parser = address)]
    pub listen: SocketAddr,

    /// Seed of the invented data. The same seed and sizes give the same data.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// People per team. About half of them are on a cadence; accounts are an eighth as many.
    #[arg(long, default_value_t = 1_000)]
    pub people: usize,

    /// Teams. The second and later ones have tokens that end in their number, such as
    /// `sim-salesloft-access-2`.
    #[arg(long, default_value_t = 1)]
    pub teams: usize,

    /// Id of the OAuth application.
    #[arg(long, default_value = "sim-salesloft-client", value_name = "ID")]
    pub client_id: String,

    /// Secret of the OAuth application.
    #[arg(long, default_value = "sim-salesloft-secret", value_name = "SECRET")]
    pub client_secret: String,

    /// Cost points per team and minute. Salesloft itself allows 600.
    #[arg(long, default_value_t = 600, value_name = "N")]
    pub points_per_minute: u32,

    /// Milliseconds that every answer takes.
    #[arg(long, default_value_t = 0, value_name = "MS")]
    pub latency_ms: u64,
}

impl SalesloftArgs {
    /// The world these arguments describe.
    pub fn options(&self) -> Options {
        let teams = (1..=self.teams.max(1)).map(|n| match n {
            1 => TeamOptions::sized(self.people),
            n => TeamOptions::numbered(n, self.people),
        });
        Options {
            seed: self.seed,
            teams: teams.collect(),
            latency: Duration::from_millis(self.latency_ms),
            salesloft: SalesloftOptions {
                client_id: self.client_id.clone(),
                client_secret: self.client_secret.clone(),
                points_per_minute: self.points_per_minute,
                ..SalesloftOptions::default()
            },
            ..Options::salesloft(self.people)
        }
    }
}

/// Serves until ctrl-c or a request to terminate.
pub async fn run_salesloft(args: SalesloftArgs) -> io::Result<()> {
    serve_until_told(args.listen, args.options(), announce).await
}

#[expect(
    clippy::print_stdout,
    reason = "the output of a command, for whoever started it"
)]
fn announce(options: &Options, address: SocketAddr) {
    let SalesloftOptions {
        client_id,
        client_secret,
        ..
    } = &options.salesloft;
    println!("Salesloft simulator: http://{address}/v2");
    println!("  OAuth: http://{address}/oauth  client {client_id}, secret {client_secret}");
    for (at, team) in options.teams.iter().enumerate() {
        let token = TokenOptions::of_salesloft_team(at);
        println!("  {} ({} people)", team.name, team.contacts);
        println!("    Authorization: Bearer {}", token.access);
        println!("    refresh token: {}", token.refresh);
    }
}
