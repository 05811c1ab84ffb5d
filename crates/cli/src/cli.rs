//! The command line.

mod help;

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use syncline_model::{Rule, Time};

use crate::{compose::DEFAULT_APPLICATION, listen_address};

/// Keeps a copy of your customers' sales-engagement data (Apollo.io, Outreach, Salesloft) in your
/// own tables.
#[derive(Parser)]
#[command(name = "syncline", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Serve the API, schedule the syncs and run them.
    #[command(after_help = help::SERVE)]
    Serve(ServeArgs),
    /// Try it: three customers with a simulated Apollo, Outreach and Salesloft, a first full sync
    /// and a second one that finds changes.
    #[command(after_help = help::DEMO)]
    Demo(DemoArgs),
    /// Sync one account once, in the foreground, without a server.
    #[command(after_help = help::SYNC)]
    Sync(SyncArgs),
    /// Enrich a CSV list of people or companies, in the foreground, without a server.
    #[command(after_help = help::ENRICH)]
    Enrich(EnrichArgs),
    /// Run a provider simulator as a server.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Run the engine through simulated time, and check its guarantees.
    #[command(after_help = help::SIMULATION)]
    Simulate(SimulateArgs),
    /// Serve an agent's actions as tools over stdin and stdout (MCP). Works while `serve` runs.
    #[command(after_help = help::MCP)]
    Mcp(McpArgs),
    /// Create, list and revoke API keys. Works while `serve` runs.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Create the database, or upgrade its schema, and exit.
    #[command(after_help = help::MIGRATE)]
    Migrate(MigrateArgs),
    /// Check the installation, and say how to fix what is wrong.
    #[command(after_help = help::DOCTOR)]
    Doctor(SettingsArgs),
    /// Show the state of everything, or of one customer, on one screen.
    #[command(after_help = help::STATUS)]
    Status(StatusArgs),
    /// Copy the embedded database into a file, while `serve` runs.
    #[command(after_help = help::BACKUP)]
    Backup(FileArgs),
    /// Replace the embedded database by a backup. `serve` must be stopped.
    #[command(after_help = help::RESTORE)]
    Restore(FileArgs),
    /// Manage the keys that encrypt your customers' credentials.
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// Write the OpenAPI documents, or check that the existing ones are up to date.
    #[command(after_help = help::OPENAPI)]
    Openapi(OpenapiArgs),
}

#[derive(Subcommand)]
pub(crate) enum SimCommand {
    /// Simulate Apollo.io, according to its documentation and to recorded answers.
    #[command(after_help = help::SIM)]
    Apollo(syncline_sim::Args),
    /// Simulate Outreach, according to its documentation and to recorded answers.
    #[command(after_help = help::SIM_OUTREACH)]
    Outreach(syncline_sim::OutreachArgs),
    /// Simulate Salesloft, according to its documentation and to recorded answers.
    #[command(after_help = help::SIM_SALESLOFT)]
    Salesloft(syncline_sim::SalesloftArgs),
}

#[derive(Subcommand)]
pub(crate) enum EncryptionCommand {
    /// Encrypt every secret with the newest key, while `serve` runs.
    #[command(after_help = help::ROTATION)]
    Rotate(SettingsArgs),
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print it, only once, as a line `API key: …`.
    #[command(after_help = help::KEY_RULES)]
    Create(CreateKeyArgs),
    /// List the keys with their application, role and last use. Never the keys themselves.
    #[command(after_help = help::KEYS)]
    List(ListKeysArgs),
    /// Revoke a key. It is rejected from then on, also by running processes.
    #[command(after_help = help::KEYS)]
    Revoke(RevokeKeyArgs),
}

/// The settings of every command that opens the database. A flag overrides the environment, which
/// overrides the file.
#[derive(Args, Default)]
pub(crate) struct SettingsArgs {
    /// The configuration file [default: syncline.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// The directory of the embedded database and its encryption key [default: ./syncline-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// `sqlite://PATH` or `postgres://…` [default: the embedded database in the data directory].
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

#[derive(Args)]
pub(crate) struct MigrateArgs {
    /// After PostgreSQL was restored to an earlier moment with its own tools: mark every row as
    /// changed now, so that readers of `modified_after` miss nothing.
    #[arg(long)]
    pub(crate) after_restore: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Args)]
pub(crate) struct FileArgs {
    /// The backup file.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// A customer's id: shows each of its connections and syncs.
    #[arg(value_name = "CUSTOMER")]
    pub(crate) customer: Option<String>,
    /// Print JSON, for programs.
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Where the API listens [default: 127.0.0.1:8080].
    #[arg(long, value_name = "HOST:PORT", value_parser = listen_address::parse)]
    pub(crate) listen: Option<SocketAddr>,
    /// What this process does. Split roles need PostgreSQL.
    #[arg(long, value_enum, default_value_t = ProcessRole::All)]
    pub(crate) role: ProcessRole,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProcessRole {
    /// The API and the workers.
    All,
    /// The API alone.
    Api,
    /// The scheduler and the workers alone; health and metrics are still served.
    Worker,
}

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Exit when everything was shown, with status 0 only if all of it succeeded.
    #[arg(long)]
    pub(crate) exit: bool,
    /// Where the API listens; if this port is in use, another one is chosen.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080",
        value_parser = listen_address::parse)]
    pub(crate) listen: SocketAddr,
    /// The seed of the generated people and companies.
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Args)]
pub(crate) struct SyncArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// The provider to read.
    #[arg(long, value_name = "NAME", default_value = "apollo")]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// The customer that the rows are written under.
    #[arg(long, value_name = "ID", default_value = "default")]
    pub(crate) customer: String,
    /// Only these objects, comma-separated: user, mailbox, sequence, account, contact or
    /// `sequence_state` [default: all].
    #[arg(long, value_name = "OBJECT", value_delimiter = ',')]
    pub(crate) objects: Vec<String>,
    /// Print the summary as JSON and no progress.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args)]
pub(crate) struct EnrichArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// The list: CSV whose first line names its columns.
    #[arg(long = "in", value_name = "FILE")]
    pub(crate) input: PathBuf,
    /// Where the results go: the columns of the list, and what is known beside them.
    #[arg(long = "out", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The provider to ask.
    #[arg(long, value_name = "NAME", default_value = "apollo")]
    pub(crate) provider: String,
    #[command(flatten)]
    pub(crate) secret: SecretArgs,
    /// The customer whose account it is.
    #[arg(long, value_name = "ID", default_value = "default")]
    pub(crate) customer: String,
    /// What the lines are: people or companies.
    #[arg(long, value_name = "KIND", default_value = "people", value_parser = ["people", "companies"])]
    pub(crate) kind: String,
    /// Stop before more credits than this are spent on the list.
    #[arg(long, value_name = "N")]
    pub(crate) max_credits: Option<u32>,
    /// For how many days an answer to the same question is used again, at no cost.
    #[arg(long, value_name = "DAYS", default_value_t = syncline_model::enrichment::REUSE_DAYS,
        value_parser = clap::value_parser!(u32).range(0..=90))]
    pub(crate) reuse_days: u32,
    /// Also ask for people's private e-mail addresses.
    #[arg(long)]
    pub(crate) reveal_personal_emails: bool,
    /// Ask again what may have been paid for, because its answer was lost.
    #[arg(long)]
    pub(crate) retry_uncertain: bool,
    /// Print the summary as JSON and no progress.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What an account is connected with. The secret itself would be in the list of processes.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(crate) struct SecretArgs {
    /// The name of the environment variable that holds the account's API key (not the key: it would
    /// be in the list of processes).
    #[arg(long, value_name = "NAME")]
    pub(crate) api_key_env: Option<String>,
    /// The name of the environment variable that holds a refresh token of the account, for a provider
    /// that is connected by OAuth.
    #[arg(long, value_name = "NAME")]
    pub(crate) refresh_token_env: Option<String>,
}

#[derive(Args)]
pub(crate) struct CreateKeyArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// A name to recognize the key by.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// The key's role: admin, read-only, passthrough or agent.
    #[arg(long, value_name = "ROLE", default_value_t = syncline_model::Role::Admin)]
    pub(crate) role: syncline_model::Role,
    /// The application that the key belongs to. It is created if it doesn't exist.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_APPLICATION)]
    pub(crate) application: String,
    /// When the key expires: a time such as 2030-01-31T12:00:00Z [default: never].
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in_days")]
    pub(crate) expires_at: Option<Time>,
    /// The same, as a number of days from now.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) expires_in_days: Option<u32>,
    /// A request that the key may send to the provider by passthrough and proxy; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<Rule>,
    /// A write to this service that the key may make; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub(crate) allow_write: Vec<Rule>,
    /// Let the key spend your customers' credits: by enrichment, and by passthrough that a rule
    /// allows.
    #[arg(long)]
    pub(crate) allow_credits: bool,
    /// What an agent may do, such as contacts=read or contacts.create=ask; may be repeated.
    #[arg(long, value_name = "GRANT")]
    pub(crate) grant: Vec<String>,
    /// A customer that an agent may act for; may be repeated [default: all].
    #[arg(long, value_name = "ID")]
    pub(crate) customer: Vec<String>,
    /// How many credits an agent may spend in 24 hours [default: what its actions cost].
    #[arg(long, value_name = "N")]
    pub(crate) credits_per_day: Option<u32>,
}

/// The environment variable that `mcp` reads an agent's API key from.
pub(crate) const AGENT_KEY: &str = "SYNCLINE_AGENT_KEY";

#[derive(Args)]
pub(crate) struct McpArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// The environment variable with the agent's API key.
    #[arg(long, value_name = "NAME", default_value = AGENT_KEY)]
    pub(crate) api_key_env: String,
}

#[derive(Args)]
pub(crate) struct ListKeysArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Only the keys of this application [default: all].
    #[arg(long, value_name = "NAME")]
    pub(crate) application: Option<String>,
}

#[derive(Args)]
pub(crate) struct RevokeKeyArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// The key's id, as `keys list` shows it.
    #[arg(value_name = "ID")]
    pub(crate) id: String,
}

#[derive(Args)]
pub(crate) struct SimulateArgs {
    /// The seed that everything is drawn from: the same seed gives the same run.
    #[arg(long, value_name = "N")]
    pub(crate) seed: u64,
    /// Simulate this many days. From a week on it is one quiet workspace with the default limits
    /// [default: some hours].
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: Option<u32>,
    /// Contacts in each workspace [default: drawn, up to some hundred].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) contacts: Option<u32>,
    /// How much goes wrong: with requests, answers, the provider and the processes.
    #[arg(long, value_enum, default_value_t = Faults::Light)]
    pub(crate) faults: Faults,
    /// The provider to simulate [default: drawn].
    #[arg(long, value_enum)]
    pub(crate) provider: Option<Simulated>,
    /// Run this many seeds, from this one upwards.
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub(crate) seeds: u64,
    /// Print every step on standard error.
    #[arg(long)]
    pub(crate) trace: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// No faults, only people editing records.
    None,
    /// Faults now and then.
    Light,
    /// Faults all the time.
    Heavy,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Simulated {
    Apollo,
    Outreach,
    Salesloft,
}

#[derive(Args)]
pub(crate) struct OpenapiArgs {
    /// The directory of the documents.
    #[arg(long, value_name = "DIR", default_value = "openapi")]
    pub(crate) dir: PathBuf,
    /// Write nothing; fail if a document differs.
    #[arg(long)]
    pub(crate) check: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The largest width of help.
    const WIDTH: usize = 100;

    #[test]
    fn every_command_says_what_it_does_and_how_in_lines_that_fit() {
        let mut all = vec![Cli::command()];
        while let Some(command) = all.pop() {
            let name = command.get_name();
            assert!(command.get_about().is_some(), "{name}");
            for argument in command.get_arguments() {
                let id = argument.get_id();
                assert!(argument.get_help().is_some(), "{id} of {name}");
            }
            if command.get_subcommands().next().is_none() {
                assert!(
                    command.get_after_help().is_some(),
                    "{name} shows no example"
                );
            }
            let text = command.get_after_help().map(ToString::to_string);
            for line in text.unwrap_or_default().lines() {
                assert!(line.chars().count() <= WIDTH, "{name}: {line}");
            }
            all.extend(command.get_subcommands().cloned());
        }
    }
}
