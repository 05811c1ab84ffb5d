//! Searches, from the provider and from the tables.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{ids, path};
use crate::{
    http::refused,
    support::{App, on_both_databases},
};

const SOURCES: [&str; 2] = ["", "?read_from_cache=true"];

#[apply(on_both_databases)]
async fn contacts_are_found_by_any_of_their_addresses_and_nobody_else_is(database: Database) {
    let app = App::with_contacts(database, 80).await;
    app.connect(crate::support::CUSTOMER, crate::support::MASTER_KEY)
        .await;
    let now = app.now();
    let (one, two) = app.apollo.edit(0, |team| {
        let mut create = |first: &str, email: &str| {
            let fields = json!({"first_name": first, "last_name": "Doe", "email": email});
            team.create_contact(now, &fields).unwrap()
        };
        // Both are of one company: a keyword search for one finds the other too.
        let one = create("Ann", "ann@shared.example");
        let two = create("Bob", "bob@shared.example");
        create("Cat", "cat.ann@shared.example");
        team.add_email(now, &two, "robert@other.example").unwrap();
        (one, two)
    });
    app.work_off().await;
    for source in SOURCES {
        let search = async |emails: Value| {
            let url = path(&format!("contacts/_search{source}"));
            app.post(&url, json!({"filter": {"emails": emails}}))
                .await
                .ok()
        };
        let found = search(json!(["Ann@Shared.example"])).await;
        assert_eq!(ids(&found), [one.as_str()], "{source}");
        assert_eq!(found["pagination"]["total_count"], 1);
        let found = search(json!(["robert@other.example"])).await;
        assert_eq!(
            ids(&found),
            [two.as_str()],
            "{source}: by the second address"
        );
        let addresses = found["records"][0]["email_addresses"].as_array().unwrap();
        assert_eq!(
            addresses[1],
            json!({"email_address": "robert@other.example",
                "email_address_type": null})
        );
        let mut found = ids(&search(json!([
            "ann@shared.example",
            "nobody@shared.example",
            "bob@shared.example",
            "ANN@shared.example"
        ]))
        .await);
        found.sort();
        let mut both = [one.clone(), two.clone()];
        both.sort();
        assert_eq!(found, both, "{source}");
        assert!(ids(&search(json!(["nobody@nowhere.example"])).await).is_empty());
    }
}

#[apply(on_both_databases)]
async fn a_search_for_contacts_goes_on_with_its_cursor(database: Database) {
    let app = App::synced(database, 40).await;
    let contacts = app.all_records("contacts").await;
    let emails: Vec<&str> = contacts
        .iter()
        .filter_map(|it| it["email_addresses"][0]["email_address"].as_str())
        .take(5)
        .collect();
    for source in ["?page_size=2", "?page_size=2&read_from_cache=true"] {
        let mut found = Vec::new();
        let mut url = path(&format!("contacts/_search{source}"));
        loop {
            let page = app
                .post(&url, json!({"filter": {"emails": emails}}))
                .await
                .ok();
            assert!(ids(&page).len() <= 2);
            found.extend(ids(&page));
            let Some(next) = page["pagination"]["next"].as_str() else {
                break;
            };
            url = path(&format!("contacts/_search{source}&cursor={next}"));
        }
        found.sort();
        found.dedup();
        assert_eq!(found.len(), 5, "{source}");
    }
}

#[apply(on_both_databases)]
async fn accounts_are_found_by_their_whole_name_and_by_their_domain(database: Database) {
    let app = App::with_contacts(database, 80).await;
    app.connect(crate::support::CUSTOMER, crate::support::MASTER_KEY)
        .await;
    let now = app.now();
    let wanted = app.apollo.edit(0, |team| {
        let mut create = |name: &str, domain: &str| {
            team.create_account(now, &json!({"name": name, "domain": domain}))
                .unwrap()
        };
        create("Needle Works Holding", "holding.example");
        create("Another", "needle.example.org");
        create("Needle Works", "needle.example")
    });
    app.work_off().await;
    for source in SOURCES {
        let search = async |filter: Value| {
            let url = path(&format!("accounts/_search{source}"));
            ids(&app.post(&url, json!({"filter": filter})).await.ok())
        };
        assert_eq!(
            search(json!({"name": "needle works"})).await,
            [wanted.as_str()],
            "{source}"
        );
        assert_eq!(
            search(json!({"domain": "Needle.example"})).await,
            [wanted.as_str()],
            "{source}"
        );
        let both = json!({"name": "Needle Works", "domain": "needle.example"});
        assert_eq!(search(both).await, [wanted.as_str()]);
        let apart = json!({"name": "Needle Works", "domain": "holding.example"});
        assert!(search(apart).await.is_empty());
    }
}

#[apply(on_both_databases)]
async fn sequence_states_are_found_by_contact_by_sequence_and_by_both(database: Database) {
    let app = App::synced(database, 120).await;
    let states = app.all_records("sequence_states").await;
    let (contact, sequence) = (&states[0]["contact_id"], &states[0]["sequence_id"]);
    let expected = |fits: &dyn Fn(&Value) -> bool| {
        let mut ids: Vec<_> = states
            .iter()
            .filter(|it| fits(it))
            .map(|it| it["id"].as_str().unwrap().to_owned())
            .collect();
        ids.sort();
        ids
    };
    for source in ["?page_size=100", "?page_size=100&read_from_cache=true"] {
        let search = async |filter: Value| {
            let mut found = Vec::new();
            let mut url = path(&format!("sequence_states/_search{source}"));
            loop {
                let page = app.post(&url, json!({"filter": filter})).await.ok();
                found.extend(ids(&page));
                let Some(next) = page["pagination"]["next"].as_str() else {
                    break;
                };
                url = path(&format!("sequence_states/_search{source}&cursor={next}"));
            }
            found.sort();
            found
        };
        let found = search(json!({"contact_id": contact})).await;
        assert_eq!(
            found,
            expected(&|it| it["contact_id"] == *contact),
            "{source}"
        );
        let found = search(json!({"sequence_id": sequence})).await;
        assert_eq!(
            found,
            expected(&|it| it["sequence_id"] == *sequence),
            "{source}"
        );
        let found = search(json!({"contact_id": contact, "sequence_id": sequence})).await;
        assert_eq!(
            found,
            expected(&|it| it["contact_id"] == *contact && it["sequence_id"] == *sequence),
            "{source}"
        );
    }
}

#[apply(on_both_databases)]
async fn a_search_for_nothing_is_refused_by_field(database: Database) {
    let app = App::synced(database, 5).await;
    for (list, filter, field) in [
        ("contacts", json!({"emails": []}), "filter.emails"),
        (
            "contacts",
            json!({"emails": ["a@b.example", " "]}),
            "filter.emails[1]",
        ),
        ("contacts", json!({}), "filter.emails"),
        ("accounts", json!({}), "filter"),
        ("accounts", json!({"name": ""}), "filter.name"),
        ("sequence_states", json!({}), "filter"),
    ] {
        for source in SOURCES {
            let url = path(&format!("{list}/_search{source}"));
            let answer = app.post(&url, json!({"filter": filter})).await;
            assert_eq!(
                answer.error(),
                (400, "VALIDATION_ERROR", field),
                "{list} {filter}"
            );
        }
    }
}

#[apply(on_both_databases)]
async fn the_states_of_an_unknown_contact_are_a_404_from_the_provider(database: Database) {
    let app = App::synced(database, 5).await;
    let body = json!({"filter": {"contact_id": "66e34b81740c50074e3d1bd4"}});
    let answer = app.post(&path("sequence_states/_search"), body).await;
    refused(&answer, 404, "NOT_FOUND_ERROR");
}
