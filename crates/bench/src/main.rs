//! Measures full syncs, and a service on the synced data, with the product's own binary, from
//! outside.
//!
//! A simulated provider without latency runs in its own process, and every sync in another, so the
//! result is what a user would see. The script `run` next to this crate builds, starts PostgreSQL
//! and calls this. A round measures both databases (`round`); `report` shows the rounds and the
//! goals. Slow results are no failure, wrong ones are: the exit status says whether rows, requests
//! and row versions are correct.

mod alternatives;
mod cost;
mod database;
mod enrich;
mod feed;
mod goals;
mod load;
mod nginx;
mod passing;
mod plain_copy;
mod providers;
mod reading;
mod report;
mod round;
mod scale;
mod service;
mod simplest_loop;
mod simulator;
mod spread;
mod sync;
mod table;

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

use crate::{
    database::Server,
    load::Crowd,
    nginx::Nginx,
    report::Report,
    round::{Peers, Round},
    scale::Sizes,
    simulator::Simulator,
    sync::Syncline,
};

const SMOKE_CONTACTS: u32 = 500;
/// The callers read the same pages again and again; their number doesn't matter.
const LOAD_CONTACTS: u32 = 1000;

/// Measures full syncs into SQLite and PostgreSQL against simulated providers.
#[derive(Parser)]
#[command(name = "syncline-bench", max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Contacts to sync; about half of them are in a sequence. Apollo lists at most 50,000.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    contacts: u32,
    /// The number of rounds.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Only check that it works: 500 contacts, one round.
    #[arg(long, conflicts_with_all = ["contacts", "rounds"])]
    smoke: bool,
    /// The binary to measure [default: the one next to this program].
    #[arg(long, value_name = "PATH", global = true)]
    syncline: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Measures a service with many concurrent callers, on both databases.
    Load {
        /// Callers, each with its own connection.
        #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000))]
        clients: u32,
        /// The duration for each database.
        #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=600))]
        seconds: u32,
        /// Only check that it works: 50 callers, 3 seconds.
        #[arg(long, conflicts_with_all = ["clients", "seconds"])]
        smoke: bool,
    },
    /// Measures a large installation with a long history, on both databases.
    Scale(ScaleArgs),
    /// Measures enrichment jobs with 1 and with 4 keys, on both databases.
    Enrich {
        /// Leads of each job.
        #[arg(long, default_value_t = 4_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
        leads: u32,
        /// How long each answer of the provider takes.
        #[arg(long, default_value_t = 50, value_name = "MILLISECONDS")]
        latency_ms: u32,
        /// Only check that it works: 200 leads.
        #[arg(long, conflicts_with = "leads")]
        smoke: bool,
    },
    /// Measures the change feed and a destination, from both databases.
    Feed {
        /// Contacts to sync.
        #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
        contacts: u32,
        /// Only check that it works: 500 contacts.
        #[arg(long, conflicts_with = "contacts")]
        smoke: bool,
    },
    /// Keeps a copy in the simplest way, and prints what it took, as JSON.
    #[command(hide = true)]
    Loop {
        base_url: String,
        database_url: String,
        _home: PathBuf,
    },
    /// Runs one command and prints its cost, as JSON.
    #[command(hide = true)]
    Cost {
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

#[derive(clap::Args)]
struct ScaleArgs {
    /// Connections, each with six syncs.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    connections: u32,
    /// Processes that share the database; with more than one only PostgreSQL is measured.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    processes: u32,
    /// Don't measure SQLite.
    #[arg(long)]
    postgres_only: bool,
    /// Provider accounts that they share.
    #[arg(long, default_value_t = 1_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    teams: u32,
    /// Connections whose contacts are due at once.
    #[arg(long, default_value_t = 1_000, value_name = "N")]
    burst: u32,
    /// Connections with a history.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    history_connections: u32,
    /// The length of the history; each sync ran every hour.
    #[arg(long, default_value_t = 89, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=89))]
    history_days: u32,
    /// How long an idle service is measured.
    #[arg(long, default_value_t = 30, value_name = "SECONDS")]
    idle_seconds: u32,
    /// How long syncs that are due at once are watched.
    #[arg(long, default_value_t = 120, value_name = "SECONDS")]
    watch_seconds: u32,
    /// Webhooks that were delivered before the measurement.
    #[arg(long, default_value_t = 1_000_000, value_name = "N")]
    delivered: u64,
    /// Webhooks that wait for delivery.
    #[arg(long, default_value_t = 50_000, value_name = "N")]
    backlog: u64,
    /// Only check that it works: small sizes, under a minute.
    #[arg(long)]
    smoke: bool,
}

impl ScaleArgs {
    fn sizes(&self) -> Sizes {
        if self.smoke {
            return Sizes {
                connections: 40,
                processes: self.processes,
                postgres_only: self.postgres_only,
                teams: 10,
                burst: 20,
                history_connections: 5,
                history_days: 2,
                settle: Duration::from_secs(1),
                idle: Duration::from_secs(1),
                watch: Duration::from_secs(4),
                claims: Duration::from_secs(1),
                delivered: 1_000,
                backlog: 300,
                sample: 100,
            };
        }
        Sizes {
            connections: self.connections,
            processes: self.processes,
            postgres_only: self.postgres_only,
            teams: self.teams,
            burst: self.burst,
            history_connections: self.history_connections,
            history_days: self.history_days,
            settle: Duration::from_secs(3),
            idle: Duration::from_secs(self.idle_seconds.into()),
            watch: Duration::from_secs(self.watch_seconds.into()),
            claims: Duration::from_secs(15),
            delivered: self.delivered,
            backlog: self.backlog,
            sample: 2_000,
        }
    }
}

fn main() -> anyhow::Result<()> {
    // Needed even for plain HTTP; it fails only if one is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let args = Args::parse();
    match &args.command {
        // Without a runtime, to keep this process small.
        Some(Command::Cost { command }) => cost::run_and_print(command),
        Some(Command::Loop {
            base_url,
            database_url,
            ..
        }) => {
            let took = simplest_loop::run(base_url, database_url);
            let took = tokio::runtime::Runtime::new()?.block_on(took)?;
            print(&serde_json::to_string(&took)?);
            Ok(())
        }
        &Some(Command::Load {
            clients,
            seconds,
            smoke,
        }) => {
            let crowd = if smoke {
                Crowd {
                    clients: 50,
                    seconds: 3,
                }
            } else {
                Crowd { clients, seconds }
            };
            tokio::runtime::Runtime::new()?.block_on(crowds(args.syncline, crowd))
        }
        Some(Command::Scale(scale)) => {
            let sizes = scale.sizes();
            tokio::runtime::Runtime::new()?.block_on(installation(args.syncline, sizes))
        }
        &Some(Command::Enrich {
            leads,
            latency_ms,
            smoke,
        }) => {
            let leads = if smoke { 200 } else { leads };
            let jobs = enrichment(args.syncline, leads, latency_ms);
            tokio::runtime::Runtime::new()?.block_on(jobs)
        }
        &Some(Command::Feed { contacts, smoke }) => {
            let contacts = if smoke { SMOKE_CONTACTS } else { contacts };
            tokio::runtime::Runtime::new()?.block_on(changes(args.syncline, contacts))
        }
        None => tokio::runtime::Runtime::new()?.block_on(measure(args)),
    }
}

async fn measure(args: Args) -> anyhow::Result<()> {
    let (contacts, rounds) = if args.smoke {
        (SMOKE_CONTACTS, 1)
    } else {
        (args.contacts, args.rounds)
    };
    let program = program(args.syncline)?;
    let server = server().await?;
    let scratch = tempfile::tempdir()?;
    let simulator = Simulator::start(&program, contacts).await?;
    let syncline = Syncline::new(program.clone(), &simulator, scratch.path());
    let nginx = Nginx::start(&simulator, scratch.path()).await?;
    round::warm_up(&syncline, &simulator, scratch.path()).await?;

    let mut measured: Vec<Round> = Vec::new();
    let mut beside = Vec::new();
    for number in 1..=rounds {
        progress(&format!("round {number} of {rounds}"));
        let peers = Peers {
            simulator: &simulator,
            nginx: nginx.as_ref(),
            server: &server,
        };
        let round = round::run(number, &syncline, peers, scratch.path());
        measured.push(Box::pin(round).await?);
        let round = providers::run(number, &program, contacts, &server, scratch.path());
        beside.push(Box::pin(round).await?);
    }
    print(&Report {
        world: simulator.world(),
        server: &server,
        rounds: &measured,
        providers: &beside,
    });
    Ok(())
}

async fn crowds(named: Option<PathBuf>, crowd: Crowd) -> anyhow::Result<()> {
    let program = program(named)?;
    let server = server().await?;
    let scratch = tempfile::tempdir()?;
    let simulator = Simulator::start(&program, LOAD_CONTACTS).await?;
    let syncline = Syncline::new(program, &simulator, scratch.path());
    progress(&format!(
        "{} callers for {} s on each database",
        crowd.clients, crowd.seconds
    ));
    let met = load::run(crowd, &syncline, &simulator, &server, scratch.path()).await?;
    for met in &met {
        print(met);
    }
    met.iter().try_for_each(load::Met::check)
}

async fn enrichment(named: Option<PathBuf>, leads: u32, latency_ms: u32) -> anyhow::Result<()> {
    let program = program(named)?;
    let server = server().await?;
    let scratch = tempfile::tempdir()?;
    progress(&format!("{leads} leads at {latency_ms} ms a call"));
    let report = enrich::run(leads, latency_ms, &program, &server, scratch.path()).await?;
    print(&report);
    Ok(())
}

async fn changes(named: Option<PathBuf>, contacts: u32) -> anyhow::Result<()> {
    let program = program(named)?;
    let server = server().await?;
    let scratch = tempfile::tempdir()?;
    let simulator = Simulator::start(&program, contacts).await?;
    let syncline = Syncline::new(program, &simulator, scratch.path());
    progress(&format!("{contacts} contacts"));
    let report = feed::run(&syncline, &simulator, &server, scratch.path()).await?;
    print(&report);
    Ok(())
}

async fn installation(named: Option<PathBuf>, sizes: Sizes) -> anyhow::Result<()> {
    let program = program(named)?;
    let server = server().await?;
    let scratch = tempfile::tempdir()?;
    let report = scale::run(sizes, &program, &server, scratch.path(), progress).await?;
    print(&report);
    Ok(())
}

/// The binary to measure.
fn program(named: Option<PathBuf>) -> anyhow::Result<PathBuf> {
    let program = match named {
        Some(program) => program,
        None => std::env::current_exe()?.with_file_name("syncline"),
    };
    ensure!(
        program.is_file(),
        "{} is not there: build it with `cargo build --release -p syncline`",
        program.display()
    );
    Ok(program)
}

async fn server() -> anyhow::Result<Server> {
    let postgres = std::env::var("TEST_POSTGRES_URL")
        .context("TEST_POSTGRES_URL is not set: start crates/bench/run, which sets it")?;
    Server::connect(&postgres).await
}

#[expect(clippy::print_stdout, reason = "the answer")]
fn print(report: &impl std::fmt::Display) {
    println!("{report}");
}

#[expect(
    clippy::print_stderr,
    reason = "how far it is, beside the report on standard output"
)]
fn progress(line: &str) {
    eprintln!("{line}");
}
