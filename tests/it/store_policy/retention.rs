//! `retain_days`: records that were not changed for so long are not stored.

use chrono::{DateTime, TimeDelta, Utc};
use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{carry_out, set_policy};
use crate::support::{App, CUSTOMER, MASTER_KEY, on_both_databases};

fn newest(row: &Value) -> DateTime<Utc> {
    let time = row["updated_at"].as_str().or(row["created_at"].as_str());
    DateTime::parse_from_rfc3339(time.unwrap())
        .unwrap()
        .to_utc()
}

/// Days so that about half of the contacts are younger.
async fn half(app: &App) -> i64 {
    let rows = app.all_records("contacts").await;
    let mut ages: Vec<i64> = rows
        .iter()
        .map(|row| (app.now() - newest(row)).num_days())
        .collect();
    ages.sort_unstable();
    ages[ages.len() / 2]
}

#[apply(on_both_databases)]
async fn old_records_are_neither_stored_nor_kept_and_still_count_as_read(database: Database) {
    let known = App::synced(database.another().await, 250).await;
    let days = half(&known).await;
    let app = App::with_contacts(database, 250).await;
    set_policy(&app, "contact", json!({"retain_days": days}))
        .await
        .ok();
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let since = app.now() - TimeDelta::days(days);
    let all = known.all_records("contacts").await;
    let young = all.iter().filter(|row| newest(row) >= since).count();
    assert!(young > 0 && young < 250);
    assert_eq!(app.all_records("contacts").await.len(), young);

    // All of them were read, so none is missing and none is deleted.
    for _ in 0..2 {
        let run = &app.runs("contact").await[0];
        assert_eq!(
            (&run["num_records_synced"], &run["records_deleted"]),
            (&json!(250), &json!(0))
        );
        assert_eq!(run["coverage"]["verdict"], "complete");
        assert_eq!(run["records_missing"], 0);
        app.after(TimeDelta::hours(1)).await;
    }
    assert_eq!(
        app.database
            .count("SELECT count(*) FROM missing_records")
            .await,
        0
    );
    let states = app.all_records("sequence_states").await.len();
    assert_eq!(states, known.all_records("sequence_states").await.len());
}

#[apply(on_both_databases)]
async fn what_becomes_too_old_goes_within_the_hour_and_what_was_deleted_after_its_days(
    database: Database,
) {
    let app = App::synced(database, 250).await;
    let deleted = app.apollo.read(0, |team| team.contact_ids().remove(3));
    app.apollo
        .edit(0, |team| team.delete_contact(&deleted))
        .unwrap();
    app.after(TimeDelta::hours(1)).await;
    let days = half(&app).await;
    set_policy(&app, "contact", json!({"retain_days": days}))
        .await
        .ok();
    carry_out(&app).await;
    let since = app.now() - TimeDelta::days(days);
    let rows = app.all_records("contacts").await;
    assert!(!rows.is_empty() && rows.iter().all(|row| newest(row) >= since));

    let oldest = rows.iter().map(newest).min().unwrap();
    app.clock.advance(oldest - since + TimeDelta::hours(1));
    carry_out(&app).await;
    let left = app.all_records("contacts").await.len();
    assert!(left < rows.len());
    // Every hour again.
    app.clock.advance(TimeDelta::days(days));
    carry_out(&app).await;
    for table in ["engagement_contacts", "missing_records"] {
        assert_eq!(
            app.database
                .count(&format!("SELECT count(*) FROM {table}"))
                .await,
            0
        );
    }
    let trace = format!("SELECT count(*) FROM record_history WHERE record_id = '{deleted}'");
    assert_eq!(app.database.count(&trace).await, 0);
}

#[apply(on_both_databases)]
async fn a_row_goes_its_days_after_the_deletion_of_its_record(database: Database) {
    let app = App::synced(database, 30).await;
    // Apollo tells no time of its accounts' changes; the sequence was made long ago.
    app.database
        .execute("UPDATE engagement_sequences SET created_at = NULL, updated_at = NULL")
        .await;
    let gone = app.all_records("sequences").await.remove(0)["id"]
        .as_str()
        .unwrap()
        .to_owned();
    app.apollo
        .edit(0, |team| team.archive_sequence(&gone))
        .unwrap();
    app.after(TimeDelta::hours(1)).await;
    app.database
        .execute("UPDATE engagement_sequences SET created_at = NULL, updated_at = NULL")
        .await;
    set_policy(&app, "sequence", json!({"retain_days": 2}))
        .await
        .ok();
    carry_out(&app).await;
    let count = &format!("SELECT count(*) FROM engagement_sequences WHERE id = '{gone}'");
    assert_eq!(
        app.database.count(count).await,
        1,
        "it was deleted just now"
    );
    app.clock.advance(TimeDelta::days(2) + TimeDelta::hours(1));
    carry_out(&app).await;
    assert_eq!(app.database.count(count).await, 0);
    assert!(
        !app.all_records("sequences").await.is_empty(),
        "no time is told of these"
    );
}
