//! Where a policy, and what is left to do for it, is shown.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{carry_out, set_policy};
use crate::support::{App, ENCRYPTION_KEY, on_both_databases, syncline};

#[apply(on_both_databases)]
async fn what_is_left_to_do_is_told_until_it_is_done(database: Database) {
    let app = App::synced(database, 5).await;
    set_policy(&app, "contact", json!({"store": "common"}))
        .await
        .ok();
    let config = app.get("/mgmt/v2/sync_configs").await.ok()[0].clone();
    let pending = &config["pending_store_policies"][0];
    assert_eq!(pending["object"], "contact");
    assert_eq!(pending["since"], "2026-03-01T08:00:00.000Z");
    carry_out(&app).await;
    let path = format!("/mgmt/v2/sync_configs/{}", config["id"].as_str().unwrap());
    let config = app.get(&path).await.ok();
    assert_eq!(config["pending_store_policies"], Value::Null);
    assert_eq!(config["config"]["common_objects"][4]["store"], "common");
}

#[apply(on_both_databases)]
async fn doctor_says_what_is_stored_of_whom(database: Database) {
    let app = App::synced(database, 5).await;
    let policy = json!({"store": {"fields": ["email", "first_name"]}, "retain_days": 30});
    set_policy(&app, "user", policy).await.ok();
    set_policy(&app, "contact", json!({"store": "none"}))
        .await
        .ok();
    let doctor = || async {
        let mut command = syncline();
        command
            .env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)
            .env("SYNCLINE_DATA_DIR", app.database.data_dir())
            .args(["doctor", "--database-url", &app.database.url]);
        String::from_utf8(command.output().await.unwrap().stdout).unwrap()
    };
    let said = doctor().await;
    let line = "note  store policy      apollo: of users only email, first_name for 30 days is \
                stored; more is left since 2026-03-01T08:00:00.000Z and is being removed (1 to do)";
    assert!(said.contains(line), "{said}");
    carry_out(&app).await;
    let said = doctor().await;
    for line in [
        "ok    store policy      apollo: of users only email, first_name for 30 days is stored\n",
        "ok    store policy      apollo: of contacts nothing is stored\n",
    ] {
        assert!(said.contains(line), "{line}: {said}");
    }
}
