//! The command line.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use syncline_model::{Rule, Time};

use crate::{compose::DEFAULT_APPLICATION, listen_address};

/// What every command says that takes all settings.
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
The first start makes the database, and prints an API key, once: `API key: …`. The API is at /docs
to browse; /healthz, /readyz and /metrics need no key. SIGTERM stops it in order.

  syncline serve
  syncline serve --listen 0.0.0.0:8080 --database-url postgres://syncline@db.internal/syncline

"
    };
}

macro_rules! sync_help {
    () => {
        "\
When it ends, the rows are in engagement_contacts and its neighbours, with customer_id as in
--customer. Run again, it writes what has changed.

It leaves no schedule behind: the syncs of a connection that it makes are paused, until somebody
resumes them (POST /mgmt/v2/syncs/_resume). Of a connection that `serve` syncs it reads everything
once more, and leaves the schedule as it is. A `serve` on the same database takes no part. Ctrl-C
stops it after the page under way, and the next one goes on there.

  APOLLO_KEY=… syncline sync --api-key-env APOLLO_KEY
  syncline sync --api-key-env APOLLO_KEY --customer acme --objects user,contact --json

"
    };
}

macro_rules! migrate_help {
    () => {
        "\
`serve` does the same at its start. Before that, it is for where the user that serves may not change
the schema.

"
    };
}

/// Keeps a copy of your customers' sales-engagement data (Apollo.io) in your own tables.
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
    /// See it work: a simulated Apollo, three customers, a first full sync and one that finds changes.
    #[command(after_help = DEMO)]
    Demo(DemoArgs),
    /// One full sync of one account into the tables, in the foreground, without a server.
    #[command(after_help = concat!(sync_help!(), settings_help!()))]
    Sync(SyncArgs),
    /// A provider simulator as a server of its own.
    #[command(subcommand)]
    Sim(SimCommand),
    /// Run the engine through simulated time, and check that everything it promises holds.
    #[command(after_help = SIMULATION)]
    Simulate(SimulateArgs),
    /// Make, list and revoke API keys. Works beside a running `serve`.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// Make the database, or bring its schema up to date, and leave.
    #[command(after_help = concat!(migrate_help!(), settings_help!()))]
    Migrate(MigrateArgs),
    /// Look at everything that could be wrong, and say what to do about it.
    #[command(after_help = DOCTOR)]
    Doctor(SettingsArgs),
    /// Say in a screenful how everything is, or how one customer is.
    #[command(after_help = STATUS)]
    Status(StatusArgs),
    /// Copy the embedded database into a file, while `serve` goes on.
    #[command(after_help = BACKUP)]
    Backup(FileArgs),
    /// Put a backup in the place of the embedded database. `serve` must be stopped.
    #[command(after_help = RESTORE)]
    Restore(FileArgs),
    /// The keys that seal your customers' credentials.
    #[command(subcommand)]
    Encryption(EncryptionCommand),
    /// Write the OpenAPI documents, or check that the written ones are up to date.
    #[command(after_help = OPENAPI)]
    Openapi(OpenapiArgs),
}

#[derive(Subcommand)]
pub(crate) enum SimCommand {
    /// Apollo.io, as its documentation and recorded answers have it.
    #[command(after_help = SIM)]
    Apollo(syncline_sim::Args),
}

#[derive(Subcommand)]
pub(crate) enum EncryptionCommand {
    /// Put every secret under the newest key, while `serve` goes on.
    #[command(after_help = ROTATION)]
    Rotate(SettingsArgs),
}

#[derive(Subcommand)]
pub(crate) enum KeysCommand {
    /// Make a key and print it, this once, as a line `API key: …`.
    #[command(after_help = KEY_RULES)]
    Create(CreateKeyArgs),
    /// List the keys: whose, what for, last used. Never the keys themselves.
    #[command(after_help = KEYS)]
    List(ListKeysArgs),
    /// Revoke a key. From then on it is unknown, to running processes too.
    #[command(after_help = KEYS)]
    Revoke(RevokeKeyArgs),
}

/// Settings that every command which opens the database takes. Each wins over the environment, and
/// that over the file.
#[derive(Args, Default)]
pub(crate) struct SettingsArgs {
    /// The configuration file [default: syncline.toml, where there is one].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Where the embedded database and its encryption key are [default: ./syncline-data].
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// `sqlite://PATH` or `postgres://…` [default: the embedded database in the data directory].
    #[arg(long, value_name = "URL")]
    pub(crate) database_url: Option<String>,
}

#[derive(Args)]
pub(crate) struct MigrateArgs {
    /// The database was put back to an earlier moment with PostgreSQL's own tools: let every row
    /// count as changed now, so that readers of `modified_after` see what they have to.
    #[arg(long)]
    pub(crate) after_restore: bool,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Args)]
pub(crate) struct FileArgs {
    /// The backup.
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
}

#[derive(Args)]
pub(crate) struct StatusArgs {
    /// A customer's id: each of its connections and syncs.
    #[arg(value_name = "CUSTOMER")]
    pub(crate) customer: Option<String>,
    /// As JSON, for programs.
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
    /// Leave when everything was shown, with status 0 only if all of it went as it should.
    #[arg(long)]
    pub(crate) exit: bool,
    /// Where the API listens; another port is taken when this one is in use.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8080",
        value_parser = listen_address::parse)]
    pub(crate) listen: SocketAddr,
    /// Another seed makes other people and companies.
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
    /// For you to tell it from others.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: String,
    /// What the key is for: admin, read-only or passthrough.
    #[arg(long, value_name = "ROLE", default_value_t = syncline_model::Role::Admin)]
    pub(crate) role: syncline_model::Role,
    /// The application that it opens. One that doesn't exist is created.
    #[arg(long, value_name = "NAME", default_value = DEFAULT_APPLICATION)]
    pub(crate) application: String,
    /// From then on the key is unknown: a time as in 2030-01-31T12:00:00Z [default: never].
    #[arg(long, value_name = "TIME", conflicts_with = "expires_in_days")]
    pub(crate) expires_at: Option<Time>,
    /// The same, as a number of days from now.
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub(crate) expires_in_days: Option<u32>,
    /// A request that passthrough and proxy may send to the provider; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub(crate) allow: Vec<Rule>,
    /// A write to this service that the key may do; may be repeated.
    #[arg(long, value_name = "RULE")]
    pub(crate) allow_write: Vec<Rule>,
    /// Let it spend your customers' credits: enrichment, and passthrough where a rule lets it pass.
    #[arg(long)]
    pub(crate) allow_credits: bool,
}

#[derive(Args)]
pub(crate) struct ListKeysArgs {
    #[command(flatten)]
    pub(crate) settings: SettingsArgs,
    /// Only this application's [default: all].
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
    /// Everything that happens is drawn from it: the same seed is the same run.
    #[arg(long, value_name = "N")]
    pub(crate) seed: u64,
    /// Go on for so many simulated days. From a week on it is one calm workspace under the default
    /// limits [default: some hours].
    #[arg(long, value_name = "D", value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub(crate) days: Option<u32>,
    /// Contacts in each workspace [default: drawn, up to some hundred].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(crate) contacts: Option<u32>,
    /// How much goes wrong: requests, answers, the provider, the processes.
    #[arg(long, value_enum, default_value_t = Faults::Light)]
    pub(crate) faults: Faults,
    /// Run so many seeds, from this one upwards.
    #[arg(long, value_name = "K", default_value_t = 1)]
    pub(crate) seeds: u64,
    /// Tell every step on standard error.
    #[arg(long)]
    pub(crate) trace: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Faults {
    /// Nothing but people at work.
    None,
    /// Now and then.
    Light,
    /// All the time.
    Heavy,
}

#[derive(Args)]
pub(crate) struct OpenapiArgs {
    /// Where the documents are.
    #[arg(long, value_name = "DIR", default_value = "openapi")]
    pub(crate) dir: PathBuf,
    /// Write nothing; fail when a document differs.
    #[arg(long)]
    pub(crate) check: bool,
}

const SIMULATION: &str = "\
The engine, the store (an embedded database, thrown away) and Apollo's client are those of `serve`,
over a simulated Apollo. One step at a time is drawn: a tick, a lease, a request, edits at the
provider, a fault, a crash, time passing. After each the tables are compared with what is true.

Prints one line per violated invariant and, for each seed, a digest of all that happened. Status 1
if an invariant fell. Look closer at a seed with --trace.

  syncline simulate --seed 1 --seeds 100 --faults heavy
  syncline simulate --seed 7 --days 30 --contacts 3000";

const ROTATION: &str = "\
With the embedded database and the key in its data directory, one command does it all: it makes a
new key, puts it in front of the old one in encryption.key, and seals everything under it. A `serve`
that runs notices by itself.

With SYNCLINE_ENCRYPTION_KEY (PostgreSQL) you hand out the keys:

  1. Make a new key (`openssl rand -base64 32`), put it behind the old one (OLD,NEW), and restart
     every process. With one process, skip this: it is for those that are restarted later.
  2. Put it in front (NEW,OLD) and restart every process.
  3. syncline encryption rotate, with the same setting.
  4. Take the old key out (NEW) and restart once more. Keep it as long as you keep backups from
     before.

It may be interrupted at any moment: what is sealed under either key opens, and another `rotate`
goes on.";

const DOCTOR: &str = "\
A line for each: configuration, data directory, database, schema, encryption keys, API keys,
webhooks, clocks, providers. `bad` is what keeps Syncline from working, or from being safe; `note`
is what somebody should know. Status 1 if one is bad.

It changes nothing, shows no secret, and works beside `serve`, which it needn't reach.";

const STATUS: &str = "\
It asks the database, so it works beside `serve` and while none runs, and changes nothing. Of what
is at work, late or wrong it names the first ten; with a customer's id it shows everything of that
one.
docs/monitoring.md says what is in the JSON.

  syncline status
  syncline status acme --json";

const BACKUP: &str = "\
The file holds the database as it was at one moment. It is readable by its owner alone, and a file
that is there already is not overwritten.

Keep the encryption key, too, and not in the same place: without it the stored credentials can't
be opened, and with it they can.

  syncline backup /backups/syncline-$(date +%F).db

PostgreSQL has tools of its own: pg_dump --format=custom --file FILE URL";

const RESTORE: &str = "\
The backup is copied, looked through, brought to this program's schema and opened with the
encryption key, before anything is replaced. The database that was there is kept beside it, under a
name that is printed. A backup of an older version may be restored, one of a newer version not.

  syncline restore /backups/syncline-2026-04-01.db

On another machine put the key that belongs to the backup into its place first: encryption.key in
the data directory, or SYNCLINE_ENCRYPTION_KEY.";

const KEY_RULES: &str = "\
  admin        everything, the management of keys included
  read-only    reads and searches; no magic links, webhook endpoints or keys, which are secrets
  passthrough  as read-only, and any request to the provider that costs no credits

A rule is a method (or several, or *) and a path, in which * stands for one segment and ** at the
end for all that follow. With any --allow or --allow-write the rules take the place of what the role
says of passthrough and writes, for an admin too. --allow-credits alone adds to the role.

  syncline keys create --name dashboard --role read-only
  syncline keys create --name search --role read-only --allow 'POST /v1/contacts/search'
  syncline keys create --name crm --role read-only --expires-in-days 90 \\
      --allow-write 'POST,PATCH /engagement/v2/contacts/**'";

const KEYS: &str = "\
Works beside a running `serve`, on the same database: with --data-dir or --database-url where
`serve` has another one than the default.

  syncline keys list --application default
  syncline keys revoke 0199c0de-…";

const DEMO: &str = "\
Nothing but this program is needed: no account, no database, no network. The database is in a
temporary directory, which is gone at the end.

  syncline demo                 serves until Ctrl-C, with curl and SQL lines to go on with
  syncline demo --exit          for scripts and CI";

const SIM: &str = "\
Let `serve` or `sync` talk to it by SYNCLINE_PROVIDERS__APOLLO__BASE_URL=http://127.0.0.1:8090, with
its key as the customer's API key. The keys are printed at the start.

Somebody at work there:   curl -X POST 'http://127.0.0.1:8090/_sim/edit?contacts=20'
What it was asked for:    curl http://127.0.0.1:8090/_sim/ledger";

const OPENAPI: &str = "\
One document per API, as `serve` has them at /openapi/mgmt.json and its neighbours.

  syncline openapi --dir /tmp/syncline-openapi";

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// As wide as help is drawn at most.
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
