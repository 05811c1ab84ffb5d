//! The encryption keys: `encryption rotate` while `serve` is running, and starts with wrong keys.

use std::{
    fs,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use macro_rules_attribute::apply;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection, PgConnection};
use syncline_sim::{KeyOptions, RunningSimulator, Simulator};
use tokio::{process::Command, task::JoinSet};

use super::start::{assert_refused, output};
use crate::support::{
    API_KEY, App, CUSTOMER, Database, ENCRYPTION_KEY, MASTER_KEY, Process, SCOPED_KEY,
    on_both_databases, quiet_apollo, syncline,
};

const CUSTOMERS: usize = 24;
const NEW_KEY: &str = "//////////////////////////////////////////8=";
const NEWER_KEY: &str = "/////////////////////////////////////////wA=";

#[apply(on_both_databases)]
async fn keys_are_rotated_while_serve_is_at_work(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    let mut process = serve(&database, &apollo, ENCRYPTION_KEY).await;
    connect_all(&process).await;
    let old = key_ids(&database).await;
    assert_eq!(old.len(), 1, "{old:?}");

    let both = format!("{NEW_KEY},{ENCRYPTION_KEY}");
    if database.is_postgres {
        assert_eq!(process.terminate().await, Some(0));
        process = serve(&database, &apollo, &both).await;
    }
    let process = Arc::new(process);
    let mut load = Load::start(&process);
    load.another_of_each().await;
    let said = rotated(&database, &both).await;
    load.another_of_each().await;
    load.stop().await;
    let old = &old[0];
    assert!(said.contains(&format!("no longer needed: {old}")), "{said}");
    let new = key_ids(&database).await;
    assert_eq!(new.len(), 1, "{new:?}");
    assert_ne!(new[0], *old);

    // Remove the old key.
    assert_eq!(Arc::into_inner(process).unwrap().terminate().await, Some(0));
    let file = database.data_dir().join("encryption.key");
    if !database.is_postgres {
        let keys = fs::read_to_string(&file).unwrap();
        let (newest, older) = keys.trim().split_once('\n').unwrap();
        fs::write(&file, newest).unwrap();
        fs::write(database.data_dir().join("old.key"), older).unwrap();
    }
    let mut process = serve(&database, &apollo, NEW_KEY).await;
    all_work(&process).await;
    assert_eq!(process.terminate().await, Some(0));

    // The old key alone opens nothing.
    if !database.is_postgres {
        fs::rename(database.data_dir().join("old.key"), &file).unwrap();
    }
    refuses_to_start(&database, ENCRYPTION_KEY, &new[0]).await;
}

#[apply(on_both_databases)]
async fn a_rotation_may_be_killed_at_any_moment(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    let all = format!("{ENCRYPTION_KEY},{NEW_KEY},{NEWER_KEY}");
    let process = Arc::new(serve(&database, &apollo, &all).await);
    connect_all(&process).await;
    let mut load = Load::start(&process);
    let moments = [0, 1, 3, 6, 9, 12, 18, 21];
    for (round, rows) in moments.into_iter().enumerate() {
        let newest = [NEW_KEY, NEWER_KEY, ENCRYPTION_KEY][round % 3];
        let before = key_ids(&database).await;
        let mut rotation = rotation(&database, &format!("{newest},{all}"))
            .spawn()
            .unwrap();
        // Kill it when more rows than at any kill before are under the new key.
        while rotation.try_wait().unwrap().is_none() && resealed(&database, &before).await < rows {
            tokio::task::yield_now().await;
        }
        rotation.kill().await.unwrap();
        load.another_of_each().await;
    }
    // The interrupted rotation is completed, under the key that `serve` seals with too.
    rotated(&database, &all).await;
    assert_eq!(key_ids(&database).await.len(), 1);
    load.another_of_each().await;
    load.stop().await;
}

#[apply(on_both_databases)]
async fn a_wrong_key_is_refused_also_as_long_as_nothing_is_sealed(database: Database) {
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    let mut process = serve(&database, &apollo, ENCRYPTION_KEY).await;
    assert_eq!(process.terminate().await, Some(0));
    let right = key_ids(&database).await;
    if !database.is_postgres {
        fs::write(database.data_dir().join("encryption.key"), NEW_KEY).unwrap();
    }
    refuses_to_start(&database, NEW_KEY, &right[0]).await;
    assert_eq!(key_ids(&database).await, right, "and seals nothing");
}

#[apply(on_both_databases)]
async fn a_sealed_key_that_is_copied_to_another_connection_opens_nothing(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.connect("victim", MASTER_KEY).await;
    app.apollo
        .edit(0, |team| team.add_key(KeyOptions::master("thiefs-own")));
    app.connect("thief", "thiefs-own").await;
    app.database
        .execute(
            "UPDATE connections SET credentials = \
                 (SELECT credentials FROM connections WHERE customer_id = 'victim')
             WHERE customer_id = 'thief'",
        )
        .await;
    let asked = app.apollo.ledger().requests_to("users/search").len();
    let answer = App::answer(
        app.request(Method::GET, "/actions/v2/proxy/api/v1/users/search")
            .header("x-api-key", &app.api_key)
            .header("x-customer-id", "thief")
            .header("x-provider-name", "apollo"),
    )
    .await;
    assert_eq!(answer.status, 500, "{}", answer.body);
    assert!(!answer.body.to_string().contains(MASTER_KEY));
    assert_eq!(app.apollo.ledger().requests_to("users/search").len(), asked);
}

#[tokio::test]
async fn credentials_that_are_set_during_a_rotation_stay() {
    let database = Database::postgres().await;
    let apollo = Simulator::start(quiet_apollo(0)).await.unwrap();
    apollo.edit(0, |team| {
        team.add_key(KeyOptions::master("new-credentials"));
    });
    let both = format!("{NEW_KEY},{ENCRYPTION_KEY}");
    let process = serve(&database, &apollo, ENCRYPTION_KEY).await;
    process.connect().await;
    let old = sealed(&database).await;
    let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
    process
        .put(&path, &json!({"api_key": "new-credentials"}))
        .await;
    let new = sealed(&database).await;
    let mut c = PgConnection::connect(&database.url).await.unwrap();
    let set = "UPDATE connections SET credentials = $1";
    sqlx::query(set).bind(&old).execute(&mut c).await.unwrap();

    // The rotation has read the old credentials when the new ones are committed.
    let mut setting = c.begin().await.unwrap();
    let update = sqlx::query(set).bind(&new);
    update.execute(&mut *setting).await.unwrap();
    let rotation = rotated(&database, &both);
    let committed = async {
        let replace = "UPDATE connections SET credentials = $3";
        database.until_waiting(replace).await;
        setting.commit().await.unwrap();
    };
    // A rotation that fails ends the test, instead of leaving it to wait for ever.
    let mut rotation = pin!(rotation);
    let mut committed = pin!(committed);
    tokio::select! {
        () = &mut committed => { rotation.await; }
        _ = &mut rotation => panic!("the rotation did not wait for the new credentials"),
    }

    drop(process);
    let process = serve(&database, &apollo, NEW_KEY).await;
    apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
    let works = process.get("/actions/v2/proxy/api/v1/users/search").await;
    assert!(works["users"].is_array(), "{works}");
}

async fn sealed(database: &Database) -> String {
    let sql = "SELECT credentials FROM connections";
    database.text(sql).await.unwrap()
}

/// Clients that use and set the credentials of all customers in a loop, until they are told to
/// stop.
struct Load {
    stop: Arc<AtomicBool>,
    done: Arc<[AtomicUsize; CUSTOMERS]>,
    clients: JoinSet<()>,
}

impl Load {
    fn start(process: &Arc<Process>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let done: Arc<[AtomicUsize; CUSTOMERS]> = Arc::new(std::array::from_fn(|_| 0.into()));
        let mut clients = JoinSet::new();
        for first in 0..4 {
            let (process, stop, done) = (process.clone(), stop.clone(), done.clone());
            clients.spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    for n in (first..CUSTOMERS).step_by(4) {
                        use_credentials(&process, n).await;
                        done[n].fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        Self {
            stop,
            done,
            clients,
        }
    }

    /// Waits until every customer's credentials were used and set once more.
    async fn another_of_each(&mut self) {
        let now = || self.done.each_ref().map(|n| n.load(Ordering::Relaxed));
        let before = now();
        while std::iter::zip(before, now()).any(|(before, now)| now < before + 2) {
            if let Some(failed) = self.clients.try_join_next() {
                failed.unwrap();
            }
            tokio::task::yield_now().await;
        }
    }

    /// Stops the clients; none of them met a failure.
    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.clients.join_all().await;
    }
}

async fn use_credentials(process: &Process, n: usize) {
    let customer = format!("customer-{n}");
    let path = "/actions/v2/proxy/api/v1/users/search";
    let request = process.of_customer(Method::GET, path, &customer);
    App::answer(request).await.ok();
    let path = format!("/mgmt/v2/customers/{customer}/connections/apollo");
    let request = process.of_customer(Method::PUT, &path, &customer);
    App::answer(request.json(&json!({"api_key": MASTER_KEY})))
        .await
        .ok();
}

async fn all_work(process: &Process) {
    for n in 0..CUSTOMERS {
        use_credentials(process, n).await;
    }
}

/// `serve` with these keys; an embedded database uses its own key file.
async fn serve(database: &Database, apollo: &RunningSimulator, keys: &str) -> Process {
    let mut command = syncline();
    command
        .env("SYNCLINE_API_KEY", API_KEY)
        .args(["--database-url", &database.url]);
    if database.is_postgres {
        command.env("SYNCLINE_ENCRYPTION_KEY", keys);
    }
    Process::start(&mut command, database, &apollo.base_url()).await
}

/// Creates and connects every customer.
async fn connect_all(process: &Process) {
    for n in 0..CUSTOMERS {
        let customer = format!("customer-{n}");
        let body = json!({"customer_id": customer, "name": "A", "email": "a@customer.example"});
        process.put("/mgmt/v2/customers", &body).await;
        let body =
            json!({"provider_name": "apollo", "category": "engagement", "api_key": MASTER_KEY});
        let path = format!("/mgmt/v2/customers/{customer}/connections");
        process.post(&path, &body).await;
        let further = json!({"api_key": SCOPED_KEY, "label": "further"});
        let path = format!("{path}/apollo/keys");
        process.post(&path, &further).await;
    }
}

fn rotation(database: &Database, keys: &str) -> Command {
    let mut command = syncline();
    command
        .args(["encryption", "rotate", "--database-url", &database.url])
        .env("SYNCLINE_DATA_DIR", database.data_dir());
    if database.is_postgres {
        command.env("SYNCLINE_ENCRYPTION_KEY", keys);
    }
    command
}

/// Rotates and returns what it printed.
async fn rotated(database: &Database, keys: &str) -> String {
    let output = rotation(database, keys).output().await.unwrap();
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{err}");
    String::from_utf8(output.stdout).unwrap()
}

/// The ids of the keys that something is sealed with.
async fn key_ids(database: &Database) -> Vec<String> {
    let sql = "SELECT group_concat(id, ' ') FROM (
        SELECT substr(credentials, 4, 8) AS id FROM connections
        UNION SELECT substr(credentials, 4, 8) FROM connection_keys WHERE credentials IS NOT NULL
        UNION SELECT substr(sealed, 4, 8) FROM encryption_check ORDER BY 1) AS ids";
    let sql = if database.is_postgres {
        sql.replace("group_concat", "string_agg")
    } else {
        sql.to_owned()
    };
    let ids = database.text(&sql).await.unwrap();
    ids.split(' ').map(str::to_owned).collect()
}

/// How many connections are sealed with none of these keys.
async fn resealed(database: &Database, keys: &[String]) -> i64 {
    let keys = keys.join("', '");
    let sql = format!(
        "SELECT count(*) FROM connections WHERE substr(credentials, 4, 8) NOT IN ('{keys}')"
    );
    database.count(&sql).await
}

async fn refuses_to_start(database: &Database, keys: &str, missing: &str) {
    let data_dir = database.data_dir().to_str().unwrap();
    let args = [
        "serve",
        "--database-url",
        &database.url,
        "--data-dir",
        data_dir,
    ];
    let mut env = vec![("SYNCLINE_LISTEN", "127.0.0.1:0")];
    if database.is_postgres {
        env.push(("SYNCLINE_ENCRYPTION_KEY", keys));
    }
    let refused = output(&args, &env).await;
    let words = format!("sealed with the encryption key {missing}, which is not configured");
    assert_refused(&refused, &words);
}
