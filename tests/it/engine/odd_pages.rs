//! Pages whose order or numbers are wrong: all of them are read.

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_model::RecordWindow;
use syncline_sim::{Action, Claim, Fault, Match};

use super::evidence::{
    assert_covered, contact_ids, delete_contacts, lookups, next_period, pages_asked, run_of,
};
use crate::support::{
    App, CUSTOMER, Database, MASTER_KEY, on_both_databases, per_object, quiet_apollo,
};

#[apply(on_both_databases)]
async fn a_contact_of_the_year_2031_hides_no_other(database: Database) {
    let app = App::with_contacts(database, 101).await;
    let first = app.apollo.read(0, |team| team.contacts()[0].clone());
    let created = first["created_at"].as_str().unwrap();
    always(
        &app,
        "contacts/search",
        Action::Respell(created.to_owned(), "2031-05-18T11:04:12.977Z".to_owned()),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2]);
    assert_covered(
        &app,
        "contact",
        "drifted",
        (101, Some(101)),
        "order of their creation",
    )
    .await;
    assert_eq!(app.all_records("contacts").await.len(), 101);
}

#[apply(on_both_databases)]
async fn an_order_that_is_ignored_or_turned_round_hides_nothing(database: Database) {
    for action in [Action::TurnedRound, Action::Unordered] {
        let app = with_accounts(database.another().await, 356, 230).await;
        always(&app, "/search", action.clone());
        app.connect(CUSTOMER, MASTER_KEY).await;
        for _ in 0..2 {
            app.work_off().await;
            for (object, list, count) in
                [("contact", "contacts", 356), ("account", "accounts", 230)]
            {
                assert_covered(&app, object, "drifted", (count, Some(count)), "order").await;
                assert_eq!(app.all_records(list).await.len(), count, "{action:?}");
                assert_eq!(run_of(&app, object).await["records_deleted"], 0);
            }
            next_period(&app).await;
        }
        assert_eq!(
            pages_asked(&app, "contacts/search"),
            [1, 2, 3, 4],
            "{action:?}"
        );
    }
}

#[apply(on_both_databases)]
async fn records_without_a_time_of_creation_are_read_to_the_last(database: Database) {
    let app = App::with_contacts(database, 250).await;
    always(
        &app,
        "contacts/search",
        Action::Respell("\"created_at\":\"".to_owned(), "\"made_at\":\"".to_owned()),
    );
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.all_records("contacts").await.len(), 250);
    assert_eq!(run_of(&app, "contact").await["status"], "SUCCESS");
}

#[apply(on_both_databases)]
async fn a_total_that_full_pages_disprove_ends_nothing(database: Database) {
    for totals in [
        Claim::told("354", "1"),
        Claim::told("0", "0"),
        Claim::told("20", "1"),
        Claim::told("null", "null"),
        Claim::told("-7", "-7"),
        Claim::told("", ""),
        Claim::told("", "1"),
        Claim::told("\"100\"", "\"1\""),
        Claim::told("9223372036854775807", "9223372036854775807"),
        Claim::told("1e300", "1e300"),
        Claim::OwnLength,
        Claim::SoFar,
    ] {
        let app = with_accounts(database.another().await, 354, 300).await;
        always(&app, "/search", Action::Claim(totals.clone()));
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        assert_eq!(app.all_records("contacts").await.len(), 354, "{totals:?}");
        assert_eq!(app.all_records("accounts").await.len(), 300, "{totals:?}");
        for object in ["contact", "account", "user", "sequence"] {
            let run = run_of(&app, object).await;
            assert_eq!(
                (&run["status"], &run["records_deleted"]),
                (&json!("SUCCESS"), &json!(0)),
                "{totals:?}: {run}"
            );
        }
    }
}

#[apply(on_both_databases)]
async fn totals_that_vary_from_page_to_page_end_nothing(database: Database) {
    let app = App::with_contacts(database, 554).await;
    for (page, total) in [(1, "554"), (2, "200"), (3, "null"), (4, "400"), (5, "3")] {
        app.apollo.faults().push(
            Fault::new(
                Match::path("contacts/search").page(page),
                Action::Claim(Claim::told(total, "")),
            )
            .always(),
        );
    }
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3, 4, 5, 6]);
    assert_eq!(app.all_records("contacts").await.len(), 554);
    assert_eq!(
        run_of(&app, "contact").await["coverage"]["verdict"],
        "drifted"
    );
}

#[apply(on_both_databases)]
async fn a_total_that_is_true_costs_no_request(database: Database) {
    let app = with_accounts(database, 300, 0).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3]);
    assert_covered(&app, "contact", "complete", (300, Some(300)), "was read").await;
}

#[apply(on_both_databases)]
async fn a_last_page_that_is_shown_again_behind_the_end_ends_the_scan(database: Database) {
    let app = with_accounts(database, 200, 0).await;
    // For a page beyond the last one, the provider shows the last one.
    let last = Match::path("contacts/search").page(3);
    app.apollo
        .faults()
        .push(Fault::new(last, Action::RepeatPreviousPage).always());
    always(&app, "contacts/search", Action::Claim(Claim::OwnLength));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(app.all_records("contacts").await.len(), 200);
    assert!(pages_asked(&app, "contacts/search").len() <= 5);
}

#[apply(on_both_databases)]
async fn a_list_that_turns_in_a_circle_stalls_whatever_its_length(database: Database) {
    // No two of its pages are the same.
    let app = App::with_contacts(database, 251).await;
    always(&app, "contacts/search", Action::EndlessPages);
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    let run = run_of(&app, "contact").await;
    assert_eq!(
        (&run["state"], &run["status"]),
        (&json!("stalled"), &json!("FAILURE")),
        "{run}"
    );
    assert!(pages_asked(&app, "contacts/search").len() <= 7);
    assert_eq!(app.all_records("contacts").await.len(), 251);
}

#[apply(on_both_databases)]
async fn a_page_of_long_ago_that_comes_again_is_noticed_by_another_worker_too(database: Database) {
    let app = App::with_contacts(database, 450).await;
    app.apollo.faults().push(
        Fault::new(
            Match::path("contacts/search").page(4),
            Action::RepeatPage(2),
        )
        .always(),
    );
    app.sync_only(&["contact"]).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.engine.tick().await.unwrap();
    let mut leased = app.engine.claim(1).await.unwrap().remove(0);
    for _ in 0..3 {
        app.engine.step(&mut leased).await.unwrap();
    }
    app.engine.release_lease(&mut leased).await;
    app.work_off().await;
    // The third one was asked for and not written yet.
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3, 3, 4, 4, 4]);
    assert_eq!(run_of(&app, "contact").await["state"], "stalled");
}

#[apply(on_both_databases)]
async fn more_than_the_limit_is_never_read_whatever_the_totals_say(database: Database) {
    for totals in [
        Claim::OwnLength,
        Claim::told("0", "0"),
        Claim::told("", ""),
        Claim::SoFar,
    ] {
        let mut app = with_accounts(database.another().await, 450, 0).await;
        app.limit(per_object(300));
        always(&app, "contacts/search", Action::Claim(totals.clone()));
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        assert_eq!(
            pages_asked(&app, "contacts/search"),
            [1, 2, 3],
            "{totals:?}"
        );
        let run = run_of(&app, "contact").await;
        assert_eq!(run["coverage"]["verdict"], "capped", "{totals:?}: {run}");
        assert_eq!(run["coverage"]["records_seen"], 300);
    }
}

#[apply(on_both_databases)]
async fn a_page_whose_own_length_is_the_total_is_not_all_where_the_limit_allows_no_other(
    database: Database,
) {
    let mut app = with_accounts(database, 0, 230).await;
    app.limit(per_object(150));
    always(&app, "accounts/search", Action::Claim(Claim::OwnLength));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    assert_eq!(pages_asked(&app, "accounts/search"), [1]);
    let run = run_of(&app, "account").await;
    assert_eq!(run["coverage"]["verdict"], "capped", "{run}");
}

#[apply(on_both_databases)]
async fn a_total_that_the_limit_disproves_still_leads_to_the_most_recently_updated(
    database: Database,
) {
    let mut app = with_accounts(database, 450, 0).await;
    app.limit(per_object(300));
    always(&app, "contacts/search", Action::Claim(Claim::OwnLength));
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    next_period(&app).await;
    assert_eq!(pages_asked(&app, "contacts/search"), [1, 2, 3]);
    let said = run_of(&app, "contact").await["coverage"]["reason"].to_string();
    assert!(said.contains("the most recently updated 300"), "{said}");
    assert_eq!(
        app.all_records("contacts").await.len(),
        450,
        "the oldest, and then the newest"
    );
}

#[apply(on_both_databases)]
async fn empty_pages_with_a_total_above_zero_delete_nothing(database: Database) {
    let app = with_accounts(database, 150, 120).await;
    app.connect(CUSTOMER, MASTER_KEY).await;
    app.work_off().await;
    always(&app, "/search", Action::EmptyPage);
    let gone = contact_ids(&app)[..5].to_vec();
    delete_contacts(&app, &gone);
    for _ in 0..3 {
        next_period(&app).await;
        for (object, list, count) in [("contact", "contacts", 150), ("account", "accounts", 120)] {
            let run = run_of(&app, object).await;
            assert_eq!(run["coverage"]["verdict"], "drifted", "{run}");
            assert_eq!(
                (&run["records_deleted"], &run["deletes_held"]),
                (&json!(0), &json!(0)),
                "{run}"
            );
            assert_eq!(app.all_records(list).await.len(), count);
        }
    }
    assert!(lookups(&app).is_empty(), "nobody asks for them one by one");
}

#[apply(on_both_databases)]
async fn a_page_larger_than_was_asked_for_is_refused_and_counted(database: Database) {
    for object in ["contact", "account", "user", "sequence"] {
        let app = with_every_object(database.another().await).await;
        app.sync_only(&[object]).await;
        let path = path_of(object);
        app.apollo
            .faults()
            .push(Fault::new(Match::path(path).page(2), Action::PageOf(137)).always());
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        assert_eq!(pages_asked(&app, path), [1, 2], "{object}");
        let run = run_of(&app, object).await;
        assert_eq!(
            (&run["state"], &run["status"]),
            (&json!("failed"), &json!("FAILURE")),
            "{run}"
        );
        let error = run["error_message"].as_str().unwrap();
        assert!(error.contains("137") && error.contains("100"), "{error}");
        assert_eq!(run["records_created"], 100, "what came before it stays");
        let budget = app.budget().await;
        assert_eq!(
            budget.records_used(RecordWindow::Hour, app.now()).used,
            237,
            "all of it counts"
        );
    }
}

#[apply(on_both_databases)]
async fn a_live_list_larger_than_was_asked_for_is_refused(database: Database) {
    let app = App::synced(database, 150).await;
    always(&app, "contacts/search", Action::PageOf(30));
    let refused = app.get("/engagement/v2/contacts?page_size=20").await;
    assert_eq!(refused.status.as_u16(), 502, "{}", refused.body);
    assert!(
        refused.body.to_string().contains("30 records"),
        "{}",
        refused.body
    );
}

fn always(app: &App, path: &str, action: Action) {
    app.apollo
        .faults()
        .push(Fault::new(Match::path(path), action).always());
}

async fn with_accounts(database: Database, contacts: usize, accounts: usize) -> App {
    let mut options = quiet_apollo(contacts);
    options.teams[0].accounts = accounts;
    App::with_apollo(database, options).await
}

async fn with_every_object(database: Database) -> App {
    let mut options = quiet_apollo(250);
    let team = &mut options.teams[0];
    (team.accounts, team.users, team.sequences) = (250, 250, 250);
    App::with_apollo(database, options).await
}

fn path_of(object: &str) -> &'static str {
    match object {
        "contact" => "contacts/search",
        "account" => "accounts/search",
        "user" => "users/search",
        _ => "emailer_campaigns/search",
    }
}
