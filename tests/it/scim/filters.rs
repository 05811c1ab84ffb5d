//! What a list is narrowed by.

use macro_rules_attribute::apply;

use super::{add_users, filtered, get, ids, path, refused, rows, set};
use crate::support::{App, on_both_databases};

#[apply(on_both_databases)]
async fn a_user_is_found_by_the_name_in_any_case(database: Database) {
    let app = App::synced(database, 5).await;
    add_users(&app, "Added", 12).await;
    for filter in [
        r#"userName eq "Added-1@x.example""#,
        r#"userName eq "aDDED-1@X.EXAMPLE""#,
        r#"USERNAME EQ "added-1@x.example""#,
        r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "added-1@x.example""#,
        r#"emails.value eq "added-1@X.example""#,
        r#"id eq "Added-1""#,
    ] {
        let list = filtered(&app, filter).await.ok();
        assert_eq!(ids(&list), ["Added-1"], "{filter}");
        assert_eq!(list["totalResults"], 1);
    }
    for nobody in [
        r#"userName eq "added-1@x.exampl""#,
        r#"userName eq "%""#,
        r#"userName eq """#,
        r#"id eq "added-1""#,
    ] {
        let list = filtered(&app, nobody).await.ok();
        assert_eq!(
            (ids(&list).len(), &list["totalResults"]),
            (0, &0.into()),
            "{nobody}"
        );
    }
}

#[apply(on_both_databases)]
async fn who_has_no_address_is_found_by_the_id_that_is_the_name(database: Database) {
    let app = App::synced(database, 5).await;
    add_users(&app, "added", 2).await;
    set(&app, "email = NULL", "id = 'added-1'").await;
    set(&app, "email = ''", "id = 'added-2'").await;
    for id in ["added-1", "added-2"] {
        let list = filtered(&app, &format!("userName eq \"{id}\"")).await.ok();
        assert_eq!(ids(&list), [id]);
    }
}

#[apply(on_both_databases)]
async fn the_seats_in_use_are_counted_by_active(database: Database) {
    let app = App::synced(database, 5).await;
    set(&app, "is_locked = false, is_deleted = false", "true").await;
    let before = rows(&app).await.len();
    add_users(&app, "added", 3).await;
    set(&app, "is_locked = true", "id = 'added-1'").await;
    set(&app, "is_deleted = true", "id = 'added-2'").await;
    let active = get(&app, &path("Users?filter=active+eq+true&count=0"))
        .await
        .ok();
    assert_eq!(active["totalResults"], before + 1);
    let inactive = filtered(&app, "active eq false").await.ok();
    assert_eq!(ids(&inactive), ["added-1", "added-2"]);
}

#[apply(on_both_databases)]
async fn names_with_quotes_escapes_and_sql_are_only_names(database: Database) {
    let app = App::synced(database, 5).await;
    let everybody = rows(&app).await.len();
    add_users(&app, "added", 1).await;
    let odd = r#"o'hara"\é'); DROP TABLE engagement_users; --@x.example"#;
    let in_sql = odd.replace('\'', "''");
    set(&app, &format!("email = '{in_sql}'"), "id = 'added-1'").await;
    let filter = format!("userName eq {}", serde_json::Value::from(odd));
    let list = filtered(&app, &filter).await.ok();
    assert_eq!(list["Resources"][0]["userName"], odd);
    for attempt in [
        "x' OR '1'='1",
        "' UNION SELECT id FROM api_keys --",
        "$1",
        "{one}",
    ] {
        let filter = format!("userName eq {}", serde_json::Value::from(attempt));
        assert_eq!(
            ids(&filtered(&app, &filter).await.ok()).len(),
            0,
            "{attempt}"
        );
    }
    assert_eq!(rows(&app).await.len(), everybody + 1);
}

#[apply(on_both_databases)]
async fn a_filter_that_is_not_supported_is_refused_with_what_is(database: Database) {
    let app = App::synced(database, 5).await;
    for filter in [
        r#"title eq "Engineer""#,
        r#"userName sw "a""#,
        "userName pr",
        r#"userName eq "a" or userName eq "b""#,
        r#"userName eq "a" and active eq true"#,
        r#"active eq "true""#,
        "userName eq 'a'",
        r#"emails[type eq "work"].value eq "a""#,
        " ",
    ] {
        let (detail, kind) = refused(&filtered(&app, filter).await, 400);
        assert_eq!(kind.as_deref(), Some("invalidFilter"), "{filter}");
        assert!(detail.contains("userName eq"), "{detail}");
    }
    let nul = filtered(&app, r#"userName eq "\u0000""#).await;
    assert_eq!(refused(&nul, 400).1.as_deref(), Some("invalidFilter"));
    let empty = get(&app, &path("Users?filter=")).await;
    assert_eq!(refused(&empty, 400).1.as_deref(), Some("invalidFilter"));
}
