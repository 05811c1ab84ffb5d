//! Pages that are asked for while others are written.

use macro_rules_attribute::apply;
use syncline_engine::Step;

use super::evidence::pages_asked;
use crate::support::{App, CUSTOMER, Database, MASTER_KEY, on_both_databases};

const SEARCH: &str = "contacts/search";

#[apply(on_both_databases)]
async fn a_page_is_asked_for_while_the_one_before_it_is_written(database: Database) {
    let app = App::with_contacts(database, 450).await;
    app.sync_only(&["contact"]).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let mut leased = app.engine.claim(1).await.unwrap().remove(0);
    for asked in 1..=5 {
        assert_eq!(app.engine.step(&mut leased).await.unwrap(), Step::Continue);
        assert_eq!(pages_asked(&app, SEARCH), (1..=asked).collect::<Vec<_>>());
        let written = app
            .database
            .count("SELECT count(*) FROM engagement_contacts")
            .await;
        assert_eq!(written, 100 * (i64::try_from(asked).unwrap() - 1));
    }
    app.engine.step(&mut leased).await.unwrap();
    assert_eq!(pages_asked(&app, SEARCH), [1, 2, 3, 4, 5]);
    assert_eq!(app.all_records("contacts").await.len(), 450);
    assert!(matches!(
        app.engine.step(&mut leased).await.unwrap(),
        Step::End(_)
    ));
    let spent = app.records_this_hour().await;
    assert_eq!(spent, 450, "no reservation is left");
}

/// What a page takes on SQLite: calls of the database, of which the last two are its commit. A page that
/// knew an older budget than the one before it wrote would need two more, to read it and to write again.
#[tokio::test]
async fn a_page_needs_no_more_statements_because_the_next_one_is_asked_for() {
    const CALLS: u64 = 11;
    let app = App::with_contacts(Database::sqlite(), 850).await;
    app.sync_only(&["contact"]).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let mut leased = app.engine.claim(1).await.unwrap().remove(0);
    for _ in 0..4 {
        app.engine.step(&mut leased).await.unwrap();
    }
    app.store.crash_at(CALLS + 1);
    app.engine.step(&mut leased).await.unwrap();
    app.engine.step(&mut leased).await.unwrap_err();
}

#[apply(on_both_databases)]
async fn what_is_in_hand_when_a_worker_leaves_is_written_first(database: Database) {
    let app = App::with_contacts(database, 450).await;
    app.sync_only(&["contact"]).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let mut leased = app.engine.claim(1).await.unwrap().remove(0);
    app.engine.step(&mut leased).await.unwrap();
    app.engine.step(&mut leased).await.unwrap();
    app.engine.shutdown();
    app.engine.step(&mut leased).await.unwrap();
    assert_eq!(pages_asked(&app, SEARCH), [1, 2]);
    let written = app
        .database
        .count("SELECT count(*) FROM engagement_contacts")
        .await;
    assert_eq!(written, 200);
    app.engine.release_lease(&mut leased).await;
    assert_eq!(app.records_this_hour().await, 200);
}
