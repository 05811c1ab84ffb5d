//! Queries by position.

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_model::{Object, User};
use syncline_providers::apollo;
use syncline_store::{RecordQuery, Search, UserSearch};

use super::{add_users, get, ids, path, refused, rows, set};
use crate::support::{App, CUSTOMER, explaining, on_both_databases, reads_of_history};

#[apply(on_both_databases)]
async fn many_users_are_read_page_by_page_each_exactly_once(database: Database) {
    let app = App::synced(database, 5).await;
    let synced = rows(&app).await.len();
    let added = 2500;
    add_users(&app, "added", added).await;
    let total = synced + added;
    let mut seen = Vec::new();
    while seen.len() < total {
        let from = seen.len() + 1;
        let page = get(&app, &path(&format!("Users?startIndex={from}&count=400")))
            .await
            .ok();
        let found = ids(&page);
        assert_eq!(page["totalResults"], total);
        assert_eq!(page["startIndex"], from);
        assert_eq!(page["itemsPerPage"], found.len());
        assert!(!found.is_empty(), "nothing from {from} on");
        seen.extend(found);
    }
    assert!(seen.is_sorted(), "in the order of the ids");
    seen.dedup();
    assert_eq!(seen.len(), total);
}

/// A list that is read while users join and leave shows somebody twice at most, and misses nobody.
#[apply(on_both_databases)]
async fn nobody_is_missed_when_users_join_and_leave_between_two_pages(database: Database) {
    let app = App::synced(database, 5).await;
    add_users(&app, "b", 20).await;
    let before = ids(&get(&app, &path("Users")).await.ok());
    let first = get(&app, &path("Users?count=15")).await.ok();
    add_users(&app, "a", 3).await;
    set(&app, "is_deleted = true", "id IN ('b-1', 'b-10')").await;
    let rest = get(&app, &path("Users?startIndex=16")).await.ok();
    let seen = [ids(&first), ids(&rest)].concat();
    for id in before {
        assert!(seen.contains(&id), "{id} of {seen:?}");
    }
}

#[apply(on_both_databases)]
async fn positions_and_counts_are_taken_as_the_standard_says(database: Database) {
    let app = App::synced(database, 5).await;
    add_users(&app, "added", 1200).await;
    let all = i64::try_from(rows(&app).await.len()).unwrap();
    let answered = async |query: &str| {
        let list = get(&app, &path(&format!("Users?{query}"))).await.ok();
        assert_eq!(list["totalResults"], all, "{query}");
        assert_eq!(
            list["Resources"].as_array().unwrap().len(),
            list["itemsPerPage"]
        );
        (list["startIndex"].clone(), list["itemsPerPage"].clone())
    };
    let of = |from: i64, count: i64| (json!(from), json!(count));
    assert_eq!(answered("").await, of(1, 100));
    assert_eq!(answered("count=0").await, of(1, 0));
    assert_eq!(answered("count=-7").await, of(1, 0));
    assert_eq!(answered("count=5000").await, of(1, 1000));
    assert_eq!(answered("startIndex=0&count=2").await, of(1, 2));
    assert_eq!(answered("startIndex=-3&count=2").await, of(1, 2));
    assert_eq!(
        answered("startIndex=9223372036854775807").await,
        of(i64::MAX, 0)
    );
    assert_eq!(answered(&format!("startIndex={all}")).await, of(all, 1));
    for (query, name) in [
        ("startIndex=one", "startIndex"),
        ("count=1.5", "count"),
        ("count=99999999999999999999", "count"),
        ("count=", "count"),
    ] {
        let (detail, kind) = refused(&get(&app, &path(&format!("Users?{query}"))).await, 400);
        assert!(detail.starts_with(&format!("{name}: ")), "{detail}");
        assert_eq!(kind.as_deref(), Some("invalidValue"));
    }
}

#[apply(on_both_databases)]
async fn what_is_not_supported_or_not_known_is_ignored(database: Database) {
    let app = App::synced(database, 5).await;
    let plain = get(&app, &path("Users")).await.ok();
    for query in [
        "sortBy=userName&sortOrder=descending",
        "aadOptscim062020",
        "colour=red&cursor=",
    ] {
        let list = get(&app, &path(&format!("Users?{query}"))).await.ok();
        assert_eq!(list, plain, "{query}");
    }
    let twice = get(&app, &path("Users?count=1&count=2")).await;
    assert_eq!(refused(&twice, 400).1.as_deref(), Some("invalidValue"));
}

#[apply(on_both_databases)]
async fn a_customers_users_are_found_without_reading_those_of_others(database: Database) {
    explaining(&database).await;
    let app = App::synced(database, 5).await;
    add_users(&app, "other", 5000).await;
    set(
        &app,
        "customer_id = 'another', connection_id = 'another'",
        "id LIKE 'other-%'",
    )
    .await;
    let tenant = app.store.tenant(&app.application_id().await);
    let connection = tenant.get_connection(CUSTOMER, apollo::NAME).await.unwrap();
    let connection = connection.unwrap();
    let searches = [
        None,
        Some(UserSearch::Id("a")),
        Some(UserSearch::Email("a@x.example")),
        Some(UserSearch::EmailOrId("a@x.example")),
        Some(UserSearch::Active(true)),
    ];
    let faults = reads_of_history(&app.database, &["engagement_users"], async {
        for search in searches {
            let query = RecordQuery {
                connection: &connection,
                modified: None,
                include_deleted: true,
                include_raw_data: false,
                search: search.map(Search::User),
                cursor: None,
                offset: 3,
                reverse: false,
                limit: 100,
            };
            app.store.list_records::<User>(&query).await.unwrap();
            app.store.count_records(Object::User, &query).await.unwrap();
        }
        app.store.was_read(&connection, Object::User).await.unwrap();
    })
    .await;
    assert!(faults.is_empty(), "{faults:#?}");
}
