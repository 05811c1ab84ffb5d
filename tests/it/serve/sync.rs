//! `syncline sync`.

use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_model::{Clock as _, SystemClock};
use syncline_sim::{Match, Options, RunningSimulator, Simulator};
use tokio::process::Command;

use crate::support::{
    CUSTOMER, Database, ENCRYPTION_KEY, MASTER_KEY, Process, on_both_databases, quiet_apollo,
    syncline,
};

#[apply(on_both_databases)]
async fn one_account_is_synced_in_the_foreground(database: Database) {
    let apollo = Simulator::start(quiet_apollo(150)).await.unwrap();
    let summary = sync(&database, &apollo.base_url(), MASTER_KEY)
        .await
        .unwrap();
    assert_eq!(summary["objects"]["contact"]["created"], 150);
    assert_eq!(
        summary["objects"]["contact"]["coverage"]["verdict"],
        "complete"
    );
    assert_eq!(
        summary["requests"].as_u64().unwrap(),
        apollo
            .ledger()
            .requests()
            .iter()
            .filter(|request| request.reads_records())
            .count() as u64
    );
    let rows = "SELECT count(*) FROM engagement_contacts WHERE customer_id = 'default'";
    assert_eq!(database.count(rows).await, 150);
    let again = sync(&database, &apollo.base_url(), MASTER_KEY)
        .await
        .unwrap();
    assert_eq!(again["objects"]["contact"]["unchanged"], 150);
    assert_eq!(again["objects"]["contact"]["updated"], 0);
}

#[apply(on_both_databases)]
async fn a_rejected_key_ends_with_status_1_and_a_sentence(database: Database) {
    let apollo = Simulator::start(quiet_apollo(1)).await.unwrap();
    let error = sync(&database, &apollo.base_url(), "wrong")
        .await
        .unwrap_err();
    assert!(error.contains("apollo rejects the credentials"), "{error}");
    assert!(!error.contains("wrong"), "no key is printed: {error}");
    assert_eq!(database.count("SELECT count(*) FROM connections").await, 0);
}

#[apply(on_both_databases)]
async fn no_schedule_is_left_behind(database: Database) {
    let apollo = Simulator::start(quiet_apollo(150)).await.unwrap();
    sync(&database, &apollo.base_url(), MASTER_KEY)
        .await
        .unwrap();
    let serve = Process::serve(&database, &apollo.base_url()).await;
    let syncs = serve.get("/mgmt/v2/syncs").await;
    for sync in syncs["results"].as_array().unwrap() {
        assert_eq!(
            (&sync["state"], &sync["next_run_at"]),
            (&json!("paused"), &Value::Null)
        );
        let reason = sync["paused_reason"].as_str().unwrap();
        assert!(reason.contains("syncline sync"), "{reason}");
    }
    // Another connection's syncs: when they are done, the scheduler has looked at all that is
    // due.
    serve.connect().await;
    while database.count(SUCCEEDED).await < 12 {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        database.count(OF_DEFAULT).await,
        6,
        "each of its objects was read once"
    );

    for action in ["_resume", "_trigger"] {
        let path = format!("/mgmt/v2/syncs/{action}");
        let request = serve
            .of_customer(reqwest::Method::POST, &path, "default")
            .json(&json!({"object_type": "common", "object": "user"}));
        assert_eq!(request.send().await.unwrap().status(), 200);
    }
    while database.count(OF_DEFAULT).await < 7 {
        tokio::task::yield_now().await;
    }
}

#[apply(on_both_databases)]
async fn a_serve_beside_it_takes_no_part(database: Database) {
    let apollo = Simulator::start(quiet_apollo(350)).await.unwrap();
    let mut serve = Process::serve(&database, &apollo.base_url()).await;
    let gate = apollo.gate(Match::path("contacts/search"));
    let running = command(&database, &apollo.base_url(), MASTER_KEY)
        .args(["--customer", "in-the-foreground"])
        .spawn()
        .unwrap();
    gate.arrived(1).await;
    serve.connect().await;
    gate.open();
    let output = running.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    while database.count(SUCCEEDED).await < 12 {
        tokio::task::yield_now().await;
    }
    assert_eq!(serve.terminate().await, Some(0));
    let (_, log) = serve.output().await;
    assert!(log.contains(CUSTOMER), "it has work of its own: {log}");
    assert!(!log.contains("in-the-foreground"), "{log}");
}

#[apply(on_both_databases)]
async fn an_interrupted_one_leaves_nothing_to_do_and_goes_on_the_next_time(database: Database) {
    let apollo = Simulator::start(quiet_apollo(350)).await.unwrap();
    let gate = apollo.gate(Match::path("contacts/search").page(3));
    let running = command(&database, &apollo.base_url(), MASTER_KEY)
        .spawn()
        .unwrap();
    gate.arrived(1).await;
    let pid = running.id().unwrap().to_string();
    let sent = Command::new("kill").args(["-INT", &pid]).status().await;
    assert!(sent.unwrap().success());
    gate.open();
    let output = running.wait_with_output().await.unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("run the same command again to continue"),
        "{error}"
    );
    let active = "SELECT count(*) FROM sync_runs WHERE finished_at IS NULL";
    assert_eq!(database.count(active).await, 0);

    apollo.ledger().reset();
    sync(&database, &apollo.base_url(), MASTER_KEY)
        .await
        .unwrap();
    let rows = "SELECT count(*) FROM engagement_contacts WHERE customer_id = 'default'";
    assert_eq!(database.count(rows).await, 350);
    let asked = apollo.ledger().requests();
    let contacts = asked
        .iter()
        .filter(|request| request.path.contains("contacts/search"));
    let pages: Vec<_> = contacts.filter_map(|request| request.page).collect();
    assert!(!pages.contains(&1), "it begins where it was: {pages:?}");
}

#[apply(on_both_databases)]
async fn what_can_not_be_is_refused_before_anything_is_asked(database: Database) {
    let apollo = Simulator::start(quiet_apollo(1)).await.unwrap();
    for (args, words) in [
        (
            ["--customer", ""],
            "--customer must have 1 to 255 characters",
        ),
        (["--objects", ""], "one of user, mailbox"),
        (["--objects", "contact,deal"], "unknown object 'deal'"),
        (["--provider", "hubspot"], "unknown provider 'hubspot'"),
        (
            ["--provider", "outreach"],
            "outreach is connected by OAuth: use --refresh-token-env",
        ),
    ] {
        let output = command(&database, &apollo.base_url(), MASTER_KEY)
            .args(args)
            .output()
            .await
            .unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains(words), "{error}");
    }
    assert!(apollo.ledger().is_empty());
}

const SUCCEEDED: &str = "SELECT count(*) FROM sync_runs WHERE state = 'succeeded'";
const OF_DEFAULT: &str = "
    SELECT count(*) FROM sync_runs r JOIN connections c ON c.id = r.connection_id
    WHERE c.customer_id = 'default' AND r.state = 'succeeded'";

#[tokio::test]
async fn a_key_in_the_place_of_its_variable_is_not_repeated() {
    let output = syncline()
        .args(["sync", "--api-key-env", "the-key-itself"])
        .output()
        .await
        .unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(
        error.contains("the name of an environment variable"),
        "{error}"
    );
    assert!(!error.contains("the-key-itself"), "{error}");
}

/// A provider that is connected by OAuth, with its simulator.
struct ByToken {
    name: &'static str,
    sim: RunningSimulator,
}

/// Without its limit of one pair of tokens a minute.
fn outreach(people: usize) -> Options {
    let mut options = Options::outreach(people);
    options.outreach.switches.refresh_throttle = false;
    options
}

impl ByToken {
    async fn start(name: &'static str, options: Options) -> Self {
        let sim = Simulator::start(options).await.unwrap();
        Self { name, sim }
    }

    /// Without an OAuth application.
    fn command(&self, database: &Database, refresh_token: &str) -> Command {
        let base = self.sim.base_url();
        let mut command = of_database(database);
        command
            .args(["--provider", self.name, "--refresh-token-env", "TOKEN"])
            .env("TOKEN", refresh_token)
            .env(self.setting("BASE_URL"), &base)
            .env(self.setting("TOKEN_URL"), format!("{base}/oauth/token"));
        command
    }

    async fn sync(&self, database: &Database, refresh_token: &str) -> Result<Value, String> {
        let mut command = self.command(database, refresh_token);
        for part in ["id", "secret"] {
            let value = match part {
                "id" => format!("sim-{}-client", self.name),
                _ => format!("sim-{}-secret", self.name),
            };
            let setting = self.setting(&format!("OAUTH__CLIENT_{}", part.to_uppercase()));
            command.env(setting, value);
        }
        done(&mut command).await
    }

    fn setting(&self, rest: &str) -> String {
        format!("SYNCLINE_PROVIDERS__{}__{rest}", self.name.to_uppercase())
    }

    fn token_requests(&self) -> usize {
        self.sim.ledger().requests_to("/oauth/token").len()
    }
}

#[apply(on_both_databases)]
async fn a_refresh_token_is_exchanged_once_and_what_replaces_it_is_stored(database: Database) {
    for (name, options) in [
        ("outreach", outreach(60)),
        ("salesloft", Options::salesloft(60)),
    ] {
        let provider = ByToken::start(name, options).await;
        let token = format!("sim-{name}-refresh");
        let summary = provider.sync(&database, &token).await.unwrap();
        assert_eq!(summary["objects"]["contact"]["created"], 60, "{name}");
        let again = provider.sync(&database, &token).await.unwrap();
        assert_eq!(again["objects"]["contact"]["unchanged"], 60, "{name}");
        assert_eq!(provider.token_requests(), 1, "{name}");

        // The token of the environment is worth nothing any more.
        provider.sim.edit(0, |team| {
            team.expire_access_tokens(SystemClock::default().now());
        });
        provider.sync(&database, &token).await.unwrap();
        assert_eq!(provider.token_requests(), 2, "{name}");
    }
}

#[apply(on_both_databases)]
async fn another_refresh_token_is_taken_once_the_authorization_has_ended(database: Database) {
    let outreach = ByToken::start("outreach", outreach(20)).await;
    let token = "sim-outreach-refresh";
    outreach.sync(&database, token).await.unwrap();
    outreach.sim.edit(0, |team| team.revoke_tokens(None));
    let error = outreach.sync(&database, token).await.unwrap_err();
    assert!(error.contains("the authorization has ended"), "{error}");
    let error = outreach.sync(&database, token).await.unwrap_err();
    assert!(error.contains("invalid_grant"), "{error}");
    assert!(!error.contains(token), "no token is printed: {error}");
    let pair = outreach.sim.edit(0, |team| {
        let user = team.user_ids().remove(0);
        team.grant_tokens(SystemClock::default().now(), &user, None)
    });
    let summary = outreach.sync(&database, &pair.refresh).await.unwrap();
    assert_eq!(summary["objects"]["contact"]["unchanged"], 20);
}

#[apply(on_both_databases)]
async fn without_an_oauth_application_the_settings_are_named(database: Database) {
    let salesloft = ByToken::start("salesloft", Options::salesloft(1)).await;
    let token = "sim-salesloft-refresh";
    let mut command = salesloft.command(&database, token);
    let error = done(&mut command).await.unwrap_err();
    let setting = "SYNCLINE_PROVIDERS__SALESLOFT__OAUTH__CLIENT_ID";
    assert!(error.contains(setting), "{error}");
    assert!(salesloft.sim.ledger().is_empty());
    let connections = "SELECT count(*) FROM connections";
    assert_eq!(database.count(connections).await, 0);
}

async fn sync(database: &Database, apollo: &str, key: &str) -> Result<Value, String> {
    done(&mut command(database, apollo, key)).await
}

/// The summary of a `sync`, or what it says instead.
async fn done(command: &mut Command) -> Result<Value, String> {
    let output = command.arg("--json").output().await.unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        assert_eq!(output.status.code(), Some(1));
        Err(String::from_utf8(output.stderr).unwrap())
    }
}

fn command(database: &Database, apollo: &str, key: &str) -> Command {
    let mut command = of_database(database);
    command
        .args(["--api-key-env", "KEY"])
        .env("KEY", key)
        .env("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", apollo);
    command
}

fn of_database(database: &Database) -> Command {
    let mut command = syncline();
    if database.is_postgres {
        command.env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY);
    }
    command
        .arg("sync")
        .env("SYNCLINE_DATABASE_URL", &database.url)
        .env("SYNCLINE_DATA_DIR", database.data_dir());
    command
}
