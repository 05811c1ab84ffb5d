//! `syncline sync`.

use serde_json::Value;
use syncline_sim::Simulator;

use crate::support::{ENCRYPTION_KEY, MASTER_KEY, on_both_databases, quiet_apollo, syncline};

on_both_databases! {
    async fn one_account_is_synced_in_the_foreground(database: Database) {
        let apollo = Simulator::start(quiet_apollo(150)).await.unwrap();
        let summary = sync(&database, &apollo.base_url(), MASTER_KEY).await.unwrap();
        assert_eq!(summary["objects"]["contact"]["created"], 150);
        assert_eq!(summary["objects"]["contact"]["coverage"]["verdict"], "complete");
        assert_eq!(
            summary["requests"].as_u64().unwrap(),
            apollo.ledger().requests().iter().filter(|request| request.reads_records()).count() as u64
        );
        let rows = "SELECT count(*) FROM engagement_contacts WHERE customer_id = 'default'";
        assert_eq!(database.count(rows).await, 150);
        let again = sync(&database, &apollo.base_url(), MASTER_KEY).await.unwrap();
        assert_eq!(again["objects"]["contact"]["unchanged"], 150);
        assert_eq!(again["objects"]["contact"]["updated"], 0);
    }

    async fn a_rejected_key_ends_with_status_1_and_a_sentence(database: Database) {
        let apollo = Simulator::start(quiet_apollo(1)).await.unwrap();
        let error = sync(&database, &apollo.base_url(), "wrong").await.unwrap_err();
        assert!(error.contains("apollo rejects the API key"), "{error}");
        assert!(!error.contains("wrong"), "no key is printed: {error}");
        assert_eq!(database.count("SELECT count(*) FROM connections").await, 0);
    }
}

async fn sync(
    database: &crate::support::Database,
    apollo: &str,
    key: &str,
) -> Result<Value, String> {
    let output = syncline()
        .args([
            "sync",
            "--provider",
            "apollo",
            "--api-key-env",
            "KEY",
            "--json",
        ])
        .env("KEY", key)
        .env("SYNCLINE_DATABASE_URL", &database.url)
        .env("SYNCLINE_DATA_DIR", database.data_dir())
        .env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("SYNCLINE_PROVIDERS__APOLLO__BASE_URL", apollo)
        .output()
        .await
        .unwrap();
    if output.status.success() {
        Ok(serde_json::from_slice(&output.stdout).unwrap())
    } else {
        assert_eq!(output.status.code(), Some(1));
        Err(String::from_utf8(output.stderr).unwrap())
    }
}
