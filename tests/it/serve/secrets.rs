//! What a process writes while it works with secrets.

use syncline_sim::Simulator;

use crate::support::{
    API_KEY, ENCRYPTION_KEY, MASTER_KEY, Process, on_both_databases, quiet_apollo, syncline,
};

on_both_databases! {
    async fn no_key_is_logged_however_much_is_logged(database: Database) {
        let apollo = Simulator::start(quiet_apollo(20)).await.unwrap();
        let mut command = syncline();
        command
            .env("SYNCLINE_API_KEY", API_KEY)
            .env("SYNCLINE_ENCRYPTION_KEY", ENCRYPTION_KEY)
            .env("RUST_LOG", "trace")
            .args(["--database-url", &database.url]);
        let mut process = Process::start(&mut command, &database, &apollo.base_url()).await;
        process.connect().await;
        process.until_synced().await;
        apollo.edit(0, |team| team.revoke_key(MASTER_KEY));
        process.post(
            "/mgmt/v2/syncs/_trigger",
            &serde_json::json!({"object_type": "common", "object": "user"}),
        ).await;
        process.until_paused().await;
        assert_eq!(process.terminate().await, Some(0));
        let (out, err) = process.output().await;
        assert!(err.contains("TRACE"), "everything is logged");
        for secret in [MASTER_KEY, API_KEY, ENCRYPTION_KEY] {
            assert!(!out.contains(secret), "{secret} is printed");
            let line = err.lines().find(|line| line.contains(secret));
            assert_eq!(line, None);
        }
    }
}
