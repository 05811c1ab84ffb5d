//! What each command's help says after its options: what it does in a few words, and examples.

/// The help of every command that takes all settings.
macro_rules! settings {
    () => {
        "\
Settings also come from the environment (SYNCLINE_LISTEN, SYNCLINE_PUBLIC_URL, SYNCLINE_DATA_DIR,
SYNCLINE_DATABASE_URL, SYNCLINE_API_KEY, SYNCLINE_ENCRYPTION_KEY,
SYNCLINE_PROVIDERS__APOLLO__BASE_URL, SYNCLINE_LOG__FORMAT) and from syncline.toml; RUST_LOG sets
the log level. docs/configuration.md has them all."
    };
}

pub(super) const SERVE: &str = concat!(
    "\
The first start creates the database, and prints an API key, once: `API key: …`. Browse the API at
/docs; /healthz, /readyz and /metrics need no key. SIGTERM shuts it down gracefully.

  syncline serve
  syncline serve --listen 0.0.0.0:8080 --database-url postgres://syncline@db.internal/syncline

",
    settings!()
);

pub(super) const SYNC: &str = concat!(
    "\
When it ends, the rows are in engagement_contacts and the other engagement_ tables, with customer_id
as in --customer. The next run writes what has changed since.

It creates no schedule: the syncs of a connection that it creates are paused, until somebody resumes
them (POST /mgmt/v2/syncs/_resume). If `serve` syncs the connection, everything is read once more
and the schedule doesn't change. A `serve` on the same database doesn't work on these runs. Ctrl-C
stops after the page in progress, and the next `sync` continues there.

A refresh token has to belong to the OAuth application of the settings (or of the provider in the
database, if it has one). It is exchanged once, when the account is connected, and may be worth
nothing after that: the tokens that replace it are stored with the connection, and a later `sync` of
the same customer uses those. The variable is read again only if the authorization has ended.

  APOLLO_KEY=… syncline sync --api-key-env APOLLO_KEY
  syncline sync --api-key-env APOLLO_KEY --customer acme --objects user,contact --json
  SYNCLINE_PROVIDERS__OUTREACH__OAUTH__CLIENT_ID=… \\
  SYNCLINE_PROVIDERS__OUTREACH__OAUTH__CLIENT_SECRET=… \\
  OUTREACH_TOKEN=… syncline sync --provider outreach --refresh-token-env OUTREACH_TOKEN

",
    settings!()
);

pub(super) const ENRICH: &str = concat!(
    "\
The columns are found by their names: email, linkedin_url, id, name, first_name, last_name, domain
and organization_name, and usual other names of these. All columns come back in the results.

Nothing is paid for twice: not what is in the list twice, not what was asked in the last 30 days
(--reuse-days), and not what was answered before Ctrl-C or a crash. Run the same command again and
it continues; with a higher --max-credits also after it has stopped there. Until then nothing is
spent on the list. What was being asked in a crash is \"uncertain\" and not asked again without
--retry-uncertain. Phone numbers come to an https address later, so they need `serve` (POST
/enrichment/v2/jobs).

  APOLLO_KEY=… syncline enrich --in leads.csv --out enriched.csv --api-key-env APOLLO_KEY
  APOLLO_KEY=… syncline enrich --in leads.csv --out enriched.csv --api-key-env APOLLO_KEY \\
    --max-credits 500

",
    settings!()
);

pub(super) const MIGRATE: &str = concat!(
    "\
`serve` does the same at its start. Run this command first if the database user of `serve` may not
change the schema.

",
    settings!()
);

pub(super) const SIMULATION: &str = "\
The engine, the store (a temporary embedded database) and the providers' clients are those of
`serve`, with a simulated Apollo, Outreach or Salesloft. Each step is chosen at random from the
seed: a tick, a lease, a request, edits at the provider, a fault, a crash, time passing. After each
step the invariants are checked.

Prints one line per violated invariant and, for each seed, a digest of all that happened. Status 1
if an invariant was violated. --trace shows the steps of a seed.

  syncline simulate --seed 1 --seeds 100 --faults heavy
  syncline simulate --seed 7 --days 30 --contacts 3000";

pub(super) const ROTATION: &str = "\
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

pub(super) const DOCTOR: &str = "\
One line for each check: configuration, data directory, database, schema, encryption keys, API keys,
webhooks, clocks, providers. `bad`: Syncline doesn't work, or isn't secure; `note`: works, but you
should know. Status 1 if a check is bad.

It changes nothing, shows no secret, and works while `serve` runs, to which it doesn't connect.";

pub(super) const MCP: &str = "\
A client that starts its servers runs this command, with an agent's API key in its environment:

  { \"command\": \"syncline\", \"args\": [\"mcp\"], \"env\": { \"SYNCLINE_AGENT_KEY\": \"sl_...\" } }

Make the key with `syncline keys create --role agent --grant contacts=read`. A server that runs has
the same tools at /mcp, for clients that connect to one. Logs go to stderr.";

pub(super) const STATUS: &str = "\
It reads the database, so it works with and without a running `serve`, and changes nothing. Of what
is active, late or wrong it lists the first ten; with a customer's id it shows everything of that
customer.
docs/monitoring.md describes the JSON.

  syncline status
  syncline status acme --json";

pub(super) const BACKUP: &str = "\
The file is a consistent snapshot of the database. Only its owner can read it. An existing file is
not overwritten.

Back up the encryption key too, in another place: without it the stored credentials can't be
decrypted, and with it they can.

  syncline backup /backups/syncline-$(date +%F).db

For PostgreSQL, use its own tools: pg_dump --format=custom --file FILE URL";

pub(super) const RESTORE: &str = "\
Before anything is replaced, the backup is copied and checked, its schema is upgraded, and its
secrets are decrypted with the encryption key. The old database is kept next to the new one; its new
name is printed. Backups of older versions can be restored, those of newer versions can't.

  syncline restore /backups/syncline-2026-04-01.db

On another machine, first install the key that belongs to the backup: encryption.key in the data
directory, or SYNCLINE_ENCRYPTION_KEY.";

pub(super) const KEY_RULES: &str = "\
  admin        everything, including the management of keys
  read-only    reads and searches; no magic links, webhook endpoints or keys, which are secrets
  passthrough  as read-only, and any request to the provider that costs no credits
  agent        the actions that its grants allow, and nothing else; see docs/agents.md

A rule is a method (or several, or *) and a path, in which * matches one segment and ** at the end
all that follow. If --allow or --allow-write is given, these rules replace the role's rules for
passthrough and writes, also for an admin. --allow-credits alone adds to the role.

  syncline keys create --name dashboard --role read-only
  syncline keys create --name search --role read-only --allow 'POST /v1/contacts/search'
  syncline keys create --name crm --role read-only --expires-in-days 90 \\
      --allow-write 'POST,PATCH /engagement/v2/contacts/**'

A grant is a group of actions with a level (off, read or full) or an action with a permission (off,
allow or ask, with which a person has to approve each call). No level covers what spends credits.

  syncline keys create --name assistant --role agent --customer acme \\
      --grant contacts=read --grant contacts.create=ask --credits-per-day 100";

pub(super) const KEYS: &str = "\
Works while `serve` runs, on the same database: give --data-dir or --database-url if `serve` doesn't
use the default one.

  syncline keys list --application default
  syncline keys revoke 0199c0de-…";

pub(super) const DEMO: &str = "\
Needs only this program: no account, no database server, no network. Its database is in a temporary
directory, which is deleted at the end.

  syncline demo                 serves until Ctrl-C, and prints curl and SQL commands to try
  syncline demo --exit          for scripts and CI";

pub(super) const SIM: &str = "\
To use it with `serve` or `sync`, set SYNCLINE_PROVIDERS__APOLLO__BASE_URL=http://127.0.0.1:8090 and
take one of its keys as the customer's API key. The keys are printed at the start.

Change contacts there:    curl -X POST 'http://127.0.0.1:8090/_sim/edit?contacts=20'
List its requests:        curl http://127.0.0.1:8090/_sim/ledger";

pub(super) const SIM_OUTREACH: &str = "\
The tokens are printed at the start. A script answers the consent page by repeating the request with
sim_decision=approve or sim_decision=deny as a further parameter.

Change prospects there:   curl -X POST 'http://127.0.0.1:8091/_sim/edit?contacts=20'
Revoke all tokens:        curl -X POST http://127.0.0.1:8091/_sim/revoke_tokens
List its requests:        curl http://127.0.0.1:8091/_sim/ledger";

pub(super) const SIM_SALESLOFT: &str = "\
The tokens are printed at the start. A script answers the consent page by repeating the request with
sim_decision=approve or sim_decision=deny as a further parameter.

Change people there:      curl -X POST 'http://127.0.0.1:8092/_sim/edit?contacts=20'
Revoke all tokens:        curl -X POST http://127.0.0.1:8092/_sim/revoke_tokens
Spend cost points:        curl -X POST 'http://127.0.0.1:8092/_sim/spend_points?points=300'
List its requests:        curl http://127.0.0.1:8092/_sim/ledger";

pub(super) const OPENAPI: &str = "\
One document per API; `serve` has them at /openapi/mgmt.json and so on.

  syncline openapi --dir /tmp/syncline-openapi";
