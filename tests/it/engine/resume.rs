//! A run killed at any point goes on from its checkpoint.

use chrono::TimeDelta;
use syncline_sim::{Action, Fault, Match};

use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

on_both_databases! {
    async fn a_scan_that_lost_its_worker_goes_on_from_its_checkpoint(database: Database) {
        let app = App::with_contacts(database, 450).await;
        app.connect(CUSTOMER, MASTER_KEY).await;
        // The third page never arrives: the walk is dropped while it waits, as a crash would.
        let gate = app.apollo.gate(Match::path("contacts/search").page(3));
        tokio::select! {
            _ = app.work_off() => panic!("the third page was held back"),
            () = gate.arrived(1) => {}
        }
        let half = app.runs("contact").await;
        assert_eq!(half[0]["state"], "running");
        assert_eq!(half[0]["num_records_synced"], 200);
        gate.open();
        app.apollo.ledger().reset();

        // Until the lease expires the scan is nobody else's.
        app.after(TimeDelta::seconds(29)).await;
        assert!(app.apollo.ledger().requests_to("contacts/search").is_empty());
        app.after(TimeDelta::seconds(2)).await;

        let pages: Vec<_> = app.apollo.ledger().requests_to("contacts/search")
            .iter().filter_map(|request| request.page).collect();
        assert_eq!(pages, [3, 4, 5]);
        for object in ["contact", "sequence_state"] {
            let runs = app.runs(object).await;
            assert_eq!(runs.len(), 1, "it is still the same run");
            assert_eq!(runs[0]["status"], "SUCCESS");
            assert_eq!(runs[0]["coverage"]["verdict"], "complete");
        }
        assert_eq!(app.runs("contact").await[0]["num_records_synced"], 450);
        assert_eq!(app.all_records("contacts").await.len(), 450);
        assert_eq!(
            app.database.count("SELECT count(*) FROM outbox WHERE event_type = 'sync.complete'").await,
            6,
            "one event a run"
        );
    }

    async fn a_scan_that_was_cut_after_its_last_page_only_finishes(database: Database) {
        let app = App::with_contacts(database, 150).await;
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        app.database.execute(
            "UPDATE sync_runs SET state = 'running', finished_at = NULL, coverage = NULL,
                num_records_synced = NULL WHERE object IN ('contact', 'sequence_state')"
        ).await;
        app.apollo.ledger().reset();
        app.after(TimeDelta::minutes(1)).await;
        assert_eq!(app.apollo.ledger().len(), 0, "nothing is read again");
        let run = &app.runs("contact").await[0];
        assert_eq!(run["status"], "SUCCESS");
        assert_eq!(run["num_records_synced"], 150);
    }

    async fn a_failed_request_is_repeated_and_counted(database: Database) {
        let app = App::with_contacts(database, 250).await;
        for action in [Action::bad_gateway(), Action::server_error(), Action::Garbage,
            Action::Wire(syncline_sim::WireFault::Reset), Action::Wire(syncline_sim::WireFault::Truncate)] {
            app.apollo.faults().push(Fault::new(Match::path("contacts/search").page(2), action));
        }
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        let run = &app.runs("contact").await[0];
        assert_eq!(run["status"], "SUCCESS", "{run}");
        assert_eq!(run["requests_made"], 3 + 5);
        assert_eq!(run["num_records_synced"], 250);
        assert_eq!(app.all_records("contacts").await.len(), 250);
    }
}
