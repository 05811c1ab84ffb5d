//! Measures full syncs, and a service on what they wrote, with the product's own binary, from
//! outside.
//!
//! A simulated provider without latency runs in a process of its own and every sync in another, so
//! what is measured is what a user would see. `run` beside this crate builds, starts a PostgreSQL
//! and calls this. A round goes over both databases (`round`); `report` puts the rounds side by side
//! with the goals. Slow is no failure, wrong is: the exit status says whether the rows, the requests
//! and the row versions are what they must be.

mod cost;
mod database;
mod goals;
mod load;
mod passing;
mod plain_copy;
mod reading;
mod report;
mod round;
mod service;
mod simulator;
mod spread;
mod sync;
mod table;

use std::path::PathBuf;

use anyhow::{Context, ensure};
use clap::{Parser, Subcommand};

use crate::{
    database::Server, load::Crowd, report::Report, round::Round, simulator::Simulator,
    sync::Syncline,
};

const SMOKE_CONTACTS: u32 = 500;
/// A crowd reads the same pages again and again; how many there are doesn't matter.
const LOAD_CONTACTS: u32 = 1000;

/// Measures full syncs into SQLite and PostgreSQL against a simulated Apollo.
#[derive(Parser)]
#[command(name = "syncline-bench", max_term_width = 100)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Contacts to sync; about half of them are in a sequence. Apollo lists no more than 50,000.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    contacts: u32,
    /// How often everything is measured.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Only see that it works: 500 contacts, one round.
    #[arg(long, conflicts_with_all = ["contacts", "rounds"])]
    smoke: bool,
    /// The binary to measure [default: the one beside this program].
    #[arg(long, value_name = "PATH")]
    syncline: Option<PathBuf>,
}

#[derive(Subcommand)]
enum Command {
    /// Measures a service under many callers at once, on both databases.
    Load {
        /// Callers, each with a connection of its own.
        #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=5_000))]
        clients: u32,
        /// How long each crowd stays.
        #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=600))]
        seconds: u32,
        /// Only see that it works: 50 callers, 3 seconds.
        #[arg(long, conflicts_with_all = ["clients", "seconds"])]
        smoke: bool,
    },
    /// Runs one command and prints what it cost, as JSON.
    #[command(hide = true)]
    Cost {
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
}

fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    match &args.command {
        // Without a runtime: this process is to be as small as it can be.
        Some(Command::Cost { command }) => cost::run_and_print(command),
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
    let syncline = Syncline::new(program, &simulator, scratch.path());
    round::warm_up(&syncline, &simulator, scratch.path()).await?;

    let mut measured: Vec<Round> = Vec::new();
    for number in 1..=rounds {
        progress(&format!("round {number} of {rounds}"));
        measured.push(round::run(number, &syncline, &simulator, &server, scratch.path()).await?);
    }
    print(&Report {
        world: simulator.world(),
        server: &server,
        rounds: &measured,
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
