//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use syncline_model::{Rule, Time};

use crate::{compose::DEFAULT_APPLICATION, listen_address};

/// The help of every command that takes all settings.
macro_rules! settings_help {
    () => {
        "\
Settings also come from the environment (SYNCLINE_LISTEN, SYNCLINE_PUBLIC_URL, SYNCLINE_DATA_DIR,
SYNCLINE_DATABASE_URL, SYNCLINE_API_KEY, SYNCLINE_ENCRYPTION_KEY,
SYNCLINE_PROVIDERS__APOLLO__BASE_URL, SYNCLINE_LOG__FORMAT) and from syncline.toml; RUST_LOG sets
the log level. docs/configuration.md has them all."
    };
}

macro_rules! serve_help {
    () => {
        "\
The first start creates the database, and prints an API key, once: `API key: …`. Browse the API at
/docs; /healthz, /readyz and /metrics need no key. SIGTERM shuts it down gracefully.

  syncline serve
  syncline serve --listen 0.0.0.0:8080 --database-url postgres://syncline@db.internal/syncline

"
    };
}

macro_rules! sync_help {
    () => {
        "\
When it ends, the rows are in engagement_contacts and the other engagement_ tables, with customer_id
as in --customer. The next run writes what has changed since.

It creates no schedule: the syncs of a connection that it creates are paused, until somebody resumes
them (POST /mgmt/v2/syncs/_resume). If `serve` syncs the connection, everything is read once more
and the schedule doesn't change. A `serve` on the same database doesn't work on these runs. Ctrl-C
stops after the page in progress, and the next `sync` continues there.

  APOLLO_KEY=… syncline sync --api-key-env APOLLO_KEY
  syncline sync --api-key-env APOLLO_KEY --customer acme --objects user,contact --json

"
    };
}

macro_rules! migrate_help {
    () => {
        "\
`serve` does the same at its start. Run this command first if the database user of `serve` may not
change the schema.

"
    };
}

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
    #[command(after_help = concat!(serve_help!(), settings_help!()))]
    Serve(ServeArgs),
    /// Try it: three customers with a simulated Apollo, Outreach and Salesloft, a first full sync
    /// and a second one that finds changes.
    #[command(after_help = DEMO)]
    Demo(DemoArgs),
    /// Sync one account once, in the foreground, without a server.
    #[command(after_help = concat!(sync_help!(), settings_help!()))]
    Sync(SyncArgs),
    /// Run a provider simulator as a server.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Run the engine through simulated time, and check its guarantees.
    #[command(after_help = SIMULATION)]
    Simulate(SimulateArgs),
    /// Create, list and revoke API keys. Works while `serve` runs.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Create the database, or upgrade its schema, and exit.
    #[command(after_help = concat!(migrate_help!(), settings_help!()))]
    Migrate(MigrateArgs),
    /// Check the installation, and say how to fix what is wrong.
    #[command(after_help = DOCTOR)]
    Doctor(SettingsArgs),
    /// Show the state of everything, or of one customer, on one screen.
    #[command(after_help = STATUS)]
    Status(StatusArgs),
    /// Copy the embedded database into a file, while `serve` runs.
    #[command(after_help = BACKUP)]
    Backup(FileArgs),
    /// Replace the embedded database by a backup. `serve` must be stopped.
    #[command(after_help = RESTORE)]
    Restore(FileArgs),
    /// Manage the keys that encrypt your customers' credentials.
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// Write the OpenAPI documents, or check that the existing ones are up to date.
    #[command(after_help = OPENAPI)]
    Openapi(OpenapiArgs),
}

#[derive(Subcommand)]
pub(crate) enum SimCommand {
    /// Simulate Apollo.io, according to its documentation and to recorded answers.
    #[command(after_help = SIM)]
    Apollo(syncline_sim::Args),
    /// Simulate Outreach, according to its documentation and to recorded answers.
    #[command(after_help = SIM_OUTREACH)]
    Outreach(syncline_sim::OutreachArgs),
    /// Simulate Salesloft, according to its documentation and to recorded answers.
    #[command(after_help = SIM_SALESLOFT)]
    Salesloft(syncline_sim::SalesloftArgs),
}

#[derive(Subcommand)]
pub(crate) enum EncryptionCommand {
    /// Encrypt every secret with the newest key, while `serve` runs.
    #[command(after_help = ROTATION)]
    Rotate(SettingsArgs),
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Create a key and print it, only once, as a line `API key: …`.
    #[command(after_help = KEY_RULES)]
    Create(CreateKeyArgs),
    /// List the keys with their application, role and last use. Never the keys themselves.
    #[command(after_help = KEYS)]
    List(ListKeysArgs),
    /// Revoke a key. It is rejected from then on, also by running processes.
    #[command(after_help = KEYS)]
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
    #[arg(long, value_enum, default_value_t = Role::All)]
    pub(crate) role: Role,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Role {
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
    /// The name of the environment variable that holds the account's API key (not the key: it would
    /// be in the list of processes).
    #[arg(long, value_name = "NAME")]
    pub(crate) api_key_env: String,
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
pub(crate) struct CreateKeyArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// A name to recognize the key by.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// The key's role: admin, read-only or passthrough.
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

const SIMULATION: &str = "\
The engine, the store (a temporary embedded database) and the providers' clients are those of
`serve`, with a simulated Apollo, Outreach or Salesloft. Each step is chosen at random from the
seed: a tick, a lease, a request, edits at the provider, a fault, a crash, time passing. After each
step the invariants are checked.

Prints one line per violated invariant and, for each seed, a digest of all that happened. Status 1
if an invariant was violated. --trace shows the steps of a seed.

  syncline simulate --seed 1 --seeds 100 --faults heavy
  syncline simulate --seed 7 --days 30 --contacts 3000";

const ROTATION: &str = "\
With the embedded database and the key in its data directory, this command does everything: it
creates a new key, puts it before the old one in encryption.key, and encrypts every secret with it.
A running `serve` uses it without a restart.

With SYNCLINE_ENCRYPTION_KEY (PostgreSQL) you distribute the keys yourself:

  1. Make a new key (`openssl rand -base64 32`), put it after the old one (OLD,NEW), and restart
     every process. Skip this step if there is only one process.
  2. Put it first (NEW,OLD) and restart every process.
  3. syncline encryption rotate, with the same setting.
  4. Remove the old key (NEW) and restart once more. Keep a copy of it as long as you keep backups
     from before.

It may be interrupted at any moment: secrets under either key can be decrypted, and another `rotate`
continues.";

const DOCTOR: &str = "\
One line for each check: configuration, data directory, database, schema, encryption keys, API keys,
webhooks, clocks, providers. `bad`: Syncline doesn't work, or isn't secure; `note`: works, but you
should know. Status 1 if a check is bad.

It changes nothing, shows no secret, and works while `serve` runs, to which it doesn't connect.";

const STATUS: &str = "\
It reads the database, so it works with and without a running `serve`, and changes nothing. Of what
is active, late or wrong it lists the first ten; with a customer's id it shows everything of that
customer.
docs/monitoring.md describes the JSON.

  syncline status
  syncline status acme --json";

const BACKUP: &str = "\
The file is a consistent snapshot of the database. Only its owner can read it. An existing file is
not overwritten.

Back up the encryption key too, in another place: without it the stored credentials can't be
decrypted, and with it they can.

  syncline backup /backups/syncline-$(date +%F).db

For PostgreSQL, use its own tools: pg_dump --format=custom --file FILE URL";

const RESTORE: &str = "\
Before anything is replaced, the backup is copied and checked, its schema is upgraded, and its
secrets are decrypted with the encryption key. The old database is kept next to the new one; its new
name is printed. Backups of older versions can be restored, those of newer versions can't.

  syncline restore /backups/syncline-2026-04-01.db

On another machine, first install the key that belongs to the backup: encryption.key in the data
directory, or SYNCLINE_ENCRYPTION_KEY.";

const KEY_RULES: &str = "\
  admin        everything, including the management of keys
  read-only    reads and searches; no magic links, webhook endpoints or keys, which are secrets
  passthrough  as read-only, and any request to the provider that costs no credits

A rule is a method (or several, or *) and a path, in which * matches one segment and ** at the end
all that follow. If --allow or --allow-write is given, these rules replace the role's rules for
passthrough and writes, also for an admin. --allow-credits alone adds to the role.

  syncline keys create --name dashboard --role read-only
  syncline keys create --name search --role read-only --allow 'POST /v1/contacts/search'
  syncline keys create --name crm --role read-only --expires-in-days 90 \\
      --allow-write 'POST,PATCH /engagement/v2/contacts/**'";

const KEYS: &str = "\
Works while `serve` runs, on the same database: give --data-dir or --database-url if `serve` doesn't
use the default one.

  syncline keys list --application default
  syncline keys revoke 0199c0de-…";

const DEMO: &str = "\
Needs only this program: no account, no database server, no network. Its database is in a temporary
directory, which is deleted at the end.

  syncline demo                 serves until Ctrl-C, and prints curl and SQL commands to try
  syncline demo --exit          for scripts and CI";

const SIM: &str = "\
To use it with `serve` or `sync`, set SYNCLINE_PROVIDERS__APOLLO__BASE_URL=http://127.0.0.1:8090 and
take one of its keys as the customer's API key. The keys are printed at the start.

Change contacts there:    curl -X POST 'http://127.0.0.1:8090/_sim/edit?contacts=20'
List its requests:        curl http://127.0.0.1:8090/_sim/ledger";

const SIM_OUTREACH: &str = "\
The tokens are printed at the start. A script answers the consent page by repeating the request with
sim_decision=approve or sim_decision=deny as a further parameter.

Change prospects there:   curl -X POST 'http://127.0.0.1:8091/_sim/edit?contacts=20'
Revoke all tokens:        curl -X POST http://127.0.0.1:8091/_sim/revoke_tokens
List its requests:        curl http://127.0.0.1:8091/_sim/ledger";

const SIM_SALESLOFT: &str = "\
The tokens are printed at the start. A script answers the consent page by repeating the request with
sim_decision=approve or sim_decision=deny as a further parameter.

Change people there:      curl -X POST 'http://127.0.0.1:8092/_sim/edit?contacts=20'
Revoke all tokens:        curl -X POST http://127.0.0.1:8092/_sim/revoke_tokens
Spend cost points:        curl -X POST 'http://127.0.0.1:8092/_sim/spend_points?points=300'
List its requests:        curl http://127.0.0.1:8092/_sim/ledger";

const OPENAPI: &str = "\
One document per API; `serve` has them at /openapi/mgmt.json and so on.

  syncline openapi --dir /tmp/syncline-openapi";

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
