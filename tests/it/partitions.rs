//! Tables of records that are split by customer, as docs/sizing.md describes: everything works, and no
//! statement reads more than one part.

use serde_json::json;

use crate::{
    engine::evidence::{apply, contact_ids, delete_contacts, next_period, run_of},
    store_policy::{LISTS, carry_out, set_policy},
    support::{
        App, CUSTOMER, Database, MASTER_KEY, explaining, partition_records, reads_of_several_parts,
    },
};

#[tokio::test]
async fn with_records_split_by_customer_each_statement_reads_one_part() {
    let database = Database::postgres().await;
    explaining(&database).await;
    let app = App::with_contacts(database, 30).await;
    partition_records(&app.database).await;
    let faults = reads_of_several_parts(async {
        app.connect(CUSTOMER, MASTER_KEY).await;
        app.work_off().await;
        read_everything(&app).await;
        write(&app).await;

        // Held deletions, applied by hand, and single ones.
        delete_contacts(&app, &contact_ids(&app)[5..23]);
        next_period(&app).await;
        let run = run_of(&app, "contact").await;
        assert_eq!(run["deletes_held"], 18, "{run}");
        apply(&app, &run).await.ok();
        delete_contacts(&app, &contact_ids(&app)[..1]);
        next_period(&app).await;
        assert_eq!(run_of(&app, "contact").await["records_deleted"], 1);

        set_policy(&app, "contact", json!({"store": "common"}))
            .await
            .ok();
        carry_out(&app).await;
        let email =
            app.all_records("contacts").await[0]["email_addresses"][0]["email_address"].clone();
        let path = format!(
            "/mgmt/v2/customers/{CUSTOMER}/records?email={}",
            email.as_str().unwrap()
        );
        app.delete(&path).await.ok();
        app.store.tell_changes().await.unwrap();
        let path = format!("/mgmt/v2/customers/{CUSTOMER}/connections/apollo");
        assert_eq!(app.delete(&path).await.status, 204);
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
    let left = "SELECT count(*) FROM engagement_contacts";
    assert_eq!(app.database.count(left).await, 0);
}

/// Lists in each order, single rows, searches, changes, users of SCIM, and where a row comes from.
async fn read_everything(app: &App) {
    for (_, list) in LISTS {
        let path = format!("/engagement/v2/{list}?read_from_cache=true&page_size=5");
        let page = app.get(&path).await.ok();
        let first = &page["records"][0]["id"];
        for more in [
            "include_deleted_data=true",
            "modified_after=2020-01-01T00:00:00Z",
        ] {
            app.get(&format!("{path}&{more}")).await.ok();
        }
        let next = page["pagination"]["next"].as_str();
        if let Some(next) = next {
            app.get(&format!("{path}&cursor={next}")).await.ok();
        }
        let id = first.as_str().unwrap();
        app.get(&format!("/engagement/v2/{list}/{id}?read_from_cache=true"))
            .await
            .ok();
    }
    let emails = json!({"filter": {"emails": ["ada@engine.example"]}});
    let search = "/engagement/v2/contacts/_search?read_from_cache=true";
    app.post(search, emails).await.ok();
    app.get("/engagement/v2/changes?limit=10").await.ok();
    let users = format!("/scim/v2/customers/{CUSTOMER}/apollo/Users?count=2");
    let request = app.request(reqwest::Method::GET, &users);
    App::answer(request.bearer_auth(&app.api_key)).await.ok();
    let id = contact_ids(app)[0].clone();
    crate::engine::evidence::provenance(app, "contact", &id).await;
    app.get("/mgmt/v2/customers").await.ok();
}

/// Creates a contact over the API.
async fn write(app: &App) {
    let record = json!({"first_name": "Lin", "email_addresses": [
        {"email_address": "lin@heron.example", "email_address_type": "primary"}]});
    let made = app
        .post("/engagement/v2/contacts", json!({"record": record}))
        .await
        .ok();
    assert!(made["record"]["id"].is_string(), "{made}");
}
