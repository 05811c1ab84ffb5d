//! What becomes of rows whose records Outreach and Salesloft show no more.

use chrono::TimeDelta;
use macro_rules_attribute::apply;
use serde_json::{Value, json};
use syncline_sim::{Action, Fault, Match, Team};

use super::{OUTREACH, Provider, SALESLOFT, at_both_providers, run_of};
use crate::{
    engine::evidence::{apply as apply_deletes, happened_to, next_period, row},
    support::{App, Database, on_both_databases},
};

async fn synced(provider: Provider, database: Database, people: usize) -> App {
    let app = provider.connected(database, people).await;
    app.work_off().await;
    app
}

/// Whom no sequence refers to.
fn without_states(team: &Team) -> Vec<String> {
    let mut ids = team.contact_ids();
    ids.retain(|id| team.state_ids_of(id).is_empty());
    ids
}

fn delete(app: &App, ids: &[String]) {
    app.apollo.edit(0, |team| {
        for id in ids {
            team.delete_contact(id).unwrap();
        }
    });
}

async fn is_deleted(app: &App, list: &str, id: &str) -> bool {
    row(app, list, id).await["is_deleted"] == true
}

/// Adds a record of each object that nothing refers to; object, list and id.
fn add_one_of_each(app: &App, provider: Provider) -> Vec<(&'static str, &'static str, String)> {
    let now = app.now();
    let mut added = app.apollo.edit(0, |team| {
        let user = team.add_user(now, "New", "Colleague");
        let mailbox = team.add_mailbox(now, &user).unwrap();
        vec![
            ("mailbox", "mailboxes", mailbox),
            ("user", "users", user),
            ("sequence", "sequences", team.create_sequence(now, "Unused")),
            ("account", "accounts", team.invent_account(now)),
            ("contact", "contacts", team.invent_contact(now)),
        ]
    });
    added.retain(|(object, ..)| provider.objects.contains(object));
    added
}

fn remove(team: &mut Team, object: &str, id: &str) {
    let removed = match object {
        "user" => team.remove_user(id),
        "mailbox" => team.remove_mailbox(id),
        "sequence" => team.delete_sequence(id),
        "account" => team.delete_account(id),
        _ => team.delete_contact(id),
    };
    removed.unwrap();
}

#[apply(at_both_providers)]
async fn a_record_that_is_gone_is_asked_for_by_id_and_marked_in_the_same_run(
    provider: Provider,
    database: Database,
) {
    let app = provider.enabled(database, 30).await;
    let added = add_one_of_each(&app, provider);
    provider.import(&app).await.ok();
    app.work_off().await;
    app.apollo.edit(0, |team| {
        for (object, _, id) in &added {
            remove(team, object, id);
        }
    });
    next_period(&app).await;
    for (object, list, id) in &added {
        let run = run_of(&app, object).await;
        assert_eq!(run["records_deleted"], 1, "{run}");
        assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
        assert!(is_deleted(&app, list, id).await, "{object}");
        assert_eq!(happened_to(&app, object, id).await, ["missing", "deleted"]);
        let by_id = app.apollo.ledger().requests();
        let by_id = by_id
            .iter()
            .filter(|it| it.path.ends_with(&format!("/{id}")));
        assert_eq!(by_id.count(), 1, "{object}");
    }
}

#[apply(at_both_providers)]
async fn a_contact_that_comes_back_is_restored(provider: Provider, database: Database) {
    let app = synced(provider, database, 30).await;
    let id = app.apollo.read(0, without_states).swap_remove(3);
    delete(&app, std::slice::from_ref(&id));
    next_period(&app).await;
    assert!(is_deleted(&app, "contacts", &id).await);
    let now = app.now();
    app.apollo
        .edit(0, |team| team.undelete_contact(now, &id))
        .unwrap();
    next_period(&app).await;
    assert!(!is_deleted(&app, "contacts", &id).await);
    let happened = happened_to(&app, "contact", &id).await;
    assert_eq!(happened, ["missing", "deleted", "restored"]);
}

#[apply(at_both_providers)]
async fn more_than_half_and_more_than_ten_deletions_are_held_until_they_are_applied(
    provider: Provider,
    database: Database,
) {
    let app = synced(provider, database, 30).await;
    delete(&app, &app.apollo.read(0, Team::contact_ids)[5..21]);
    next_period(&app).await;
    let run = run_of(&app, "contact").await;
    let counts = |run: &Value| (run["deletes_held"].clone(), run["records_deleted"].clone());
    assert_eq!(counts(&run), (json!(16), json!(0)), "{run}");
    assert_eq!(app.all_records("contacts").await.len(), 30);
    let applied = apply_deletes(&app, &run).await.ok();
    assert_eq!(counts(&applied), (json!(0), json!(16)), "{applied}");
    assert_eq!(app.all_records("contacts").await.len(), 14);
}

#[apply(at_both_providers)]
async fn an_empty_answer_deletes_nothing(provider: Provider, database: Database) {
    let app = synced(provider, database, 30).await;
    let empty = Fault::new(Match::path(provider.contacts), Action::EmptyList);
    app.apollo.faults().push(empty.times(2));
    for _ in 0..2 {
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["records_deleted"], 0, "{run}");
        assert_eq!(app.all_records("contacts").await.len(), 30);
    }
    app.after(TimeDelta::hours(1)).await;
    let run = run_of(&app, "contact").await;
    assert_eq!(run["coverage"]["verdict"], "complete", "{run}");
    assert_eq!(run["records_missing"], 0, "{run}");
}

/// Outreach tells the user that there is such a record.
#[apply(on_both_databases)]
async fn what_outreach_keeps_from_the_user_stays(database: Database) {
    let app = synced(OUTREACH, database, 30).await;
    let id = app.apollo.read(0, without_states).swap_remove(3);
    app.apollo.edit(0, |team| team.hide_contact(&id)).unwrap();
    for _ in 0..3 {
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(
            (&run["status"], &run["records_deleted"]),
            (&json!("SUCCESS"), &json!(0))
        );
        assert!(!is_deleted(&app, "contacts", &id).await);
    }
}

/// Salesloft's answer is the same as for a record that is gone.
#[apply(on_both_databases)]
async fn what_salesloft_keeps_from_the_user_is_gone_until_it_is_shown_again(database: Database) {
    let app = synced(SALESLOFT, database, 30).await;
    let id = app.apollo.read(0, without_states).swap_remove(3);
    app.apollo.edit(0, |team| team.hide_contact(&id)).unwrap();
    next_period(&app).await;
    assert!(is_deleted(&app, "contacts", &id).await);
    app.apollo.edit(0, |team| team.show_contact(&id)).unwrap();
    next_period(&app).await;
    assert!(!is_deleted(&app, "contacts", &id).await);
}
