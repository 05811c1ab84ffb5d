//! One file per command.

mod account;
mod backup;
mod bars;
mod demo;
mod doctor;
mod encryption_rotate;
mod enrich;
mod keys;
mod mcp;
mod migrate;
mod openapi;
mod restore;
mod serve;
mod simulate;
mod status;
mod sync;

use crate::cli::{Cli, Command, EncryptionCommand, SimCommand};

pub(crate) async fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Command::Serve(args) => serve::run(&args).await,
        Command::Demo(args) => demo::run(&args).await,
        // Boxed, because it is large and would make every command's future as large.
        Command::Sync(args) => Box::pin(sync::run(&args)).await,
        Command::Enrich(args) => Box::pin(enrich::run(&args)).await,
        Command::Sim(SimCommand::Apollo(args)) => Ok(syncline_sim::run(args).await?),
        Command::Sim(SimCommand::Outreach(args)) => Ok(syncline_sim::run_outreach(args).await?),
        Command::Sim(SimCommand::Salesloft(args)) => Ok(syncline_sim::run_salesloft(args).await?),
        Command::Simulate(args) => simulate::run(&args),
        Command::Mcp(args) => Box::pin(mcp::run(&args)).await,
        Command::Keys(command) => keys::run(&command).await,
        Command::Migrate(args) => migrate::run(&args).await,
        Command::Status(args) => Box::pin(status::run(&args)).await,
        Command::Doctor(args) => doctor::run(&args).await,
        Command::Backup(args) => backup::run(&args).await,
        Command::Restore(args) => restore::run(&args).await,
        Command::Encryption(EncryptionCommand::Rotate(args)) => encryption_rotate::run(&args).await,
        Command::Openapi(args) => openapi::run(&args),
    }
}

/// The error with its causes, without those that the text before already contains.
pub(crate) fn one_line(error: &anyhow::Error) -> String {
    let mut said = String::new();
    for cause in error.chain() {
        let of_database = syncline_store::said_by_database(cause);
        let is_last = of_database.is_some();
        let words = of_database.unwrap_or_else(|| cause.to_string());
        if said.is_empty() {
            said = words;
        } else if !said.contains(&words) {
            said = format!("{said}: {words}");
        }
        if is_last {
            break;
        }
    }
    said
}
