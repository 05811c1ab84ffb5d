//! What a user looks like, and one user by id.

use macro_rules_attribute::apply;
use serde_json::{Value, json};

use super::{add_users, base, get, ids, path, refused, rows, set};
use crate::support::{App, PUBLIC_URL, on_both_databases};

#[apply(on_both_databases)]
async fn a_user_has_the_fields_of_the_table_under_their_names_in_scim(database: Database) {
    let app = App::synced(database, 5).await;
    for row in rows(&app).await {
        let id = row["id"].as_str().unwrap();
        let email = row["email"].as_str().unwrap();
        let user = get(&app, &path(&format!("Users/{id}"))).await.ok();
        let mut expected = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
            "id": id,
            "userName": email,
            "emails": [{"value": email, "type": "work", "primary": true}],
            "active": row["is_locked"] != true && row["is_deleted"] != true,
            "meta": {
                "resourceType": "User",
                "created": row["created_at"],
                "lastModified": row["last_modified_at"],
                "location": format!("{PUBLIC_URL}{}/Users/{id}", base()),
            },
        });
        let (first, last) = (&row["first_name"], &row["last_name"]);
        if let (Some(given), Some(family)) = (first.as_str(), last.as_str()) {
            let whole = format!("{given} {family}");
            expected["name"] =
                json!({"formatted": whole, "givenName": given, "familyName": family});
            expected["displayName"] = whole.into();
        }
        assert_eq!(user, expected);
    }
}

#[apply(on_both_databases)]
async fn the_list_shows_the_users_that_are_shown_one_by_one(database: Database) {
    let app = App::synced(database, 5).await;
    let list = get(&app, &path("Users")).await.ok();
    let users = list["Resources"].as_array().unwrap();
    assert_eq!(users.len(), rows(&app).await.len());
    for (user, id) in users.iter().zip(ids(&list)) {
        assert_eq!(&get(&app, &path(&format!("Users/{id}"))).await.ok(), user);
    }
}

#[apply(on_both_databases)]
async fn who_is_deleted_or_locked_is_listed_as_not_active(database: Database) {
    let app = App::synced(database, 5).await;
    add_users(&app, "added", 4).await;
    set(&app, "is_locked = true", "id = 'added-1'").await;
    set(&app, "is_deleted = true", "id = 'added-2'").await;
    set(&app, "is_locked = NULL", "id = 'added-3'").await;
    let list = get(&app, &path("Users")).await.ok();
    let active = |id: &str| {
        let users = list["Resources"].as_array().unwrap();
        users.iter().find(|user| user["id"] == id).unwrap()["active"].clone()
    };
    assert_eq!(active("added-1"), false, "locked");
    assert_eq!(active("added-2"), false, "deleted");
    assert_eq!(active("added-3"), true, "the provider doesn't say");
    assert_eq!(active("added-4"), true);
    let deleted = get(&app, &path("Users/added-2")).await.ok();
    assert_eq!(deleted["active"], false);
}

#[apply(on_both_databases)]
async fn a_user_without_an_address_is_called_by_the_id(database: Database) {
    let app = App::synced(database, 5).await;
    add_users(&app, "added", 2).await;
    set(&app, "email = NULL", "id = 'added-1'").await;
    set(&app, "email = '', first_name = 'Ada'", "id = 'added-2'").await;
    let one = get(&app, &path("Users/added-1")).await.ok();
    assert_eq!(one["userName"], "added-1");
    for missing in ["emails", "name", "displayName"] {
        assert_eq!(one.get(missing), None, "{one}");
    }
    let other = get(&app, &path("Users/added-2")).await.ok();
    assert_eq!(
        (&other["userName"], other.get("emails")),
        (&json!("added-2"), None)
    );
    assert_eq!(
        other["name"],
        json!({"formatted": "Ada", "givenName": "Ada"})
    );
}

#[apply(on_both_databases)]
async fn an_id_with_odd_characters_leads_to_its_user_by_the_location(database: Database) {
    let app = App::synced(database, 5).await;
    add_users(&app, "added", 1).await;
    set(&app, "id = 'a/b ?ü''%41'", "id = 'added-1'").await;
    let list = get(&app, &path("Users")).await.ok();
    let users = list["Resources"].as_array().unwrap();
    let user = users
        .iter()
        .find(|user| user["id"] == "a/b ?ü'%41")
        .unwrap();
    let location = user["meta"]["location"].as_str().unwrap();
    let path = location.strip_prefix(PUBLIC_URL).unwrap();
    assert_eq!(&get(&app, path).await.ok(), user);
}

#[apply(on_both_databases)]
async fn an_unknown_id_is_a_404(database: Database) {
    let app = App::synced(database, 5).await;
    for id in ["nobody", "%27%20OR%201%3D1", "..", "%F0%9F%98%80"] {
        let answer = get(&app, &path(&format!("Users/{id}"))).await;
        if id == ".." {
            // The client takes it off before it sends: this is the base address itself.
            assert_eq!(answer.status, 404);
        } else {
            refused(&answer, 404);
        }
    }
    let nul = get(&app, &path("Users/a%00")).await;
    assert_eq!(refused(&nul, 400).0, "path: must not contain NUL");
}

#[apply(on_both_databases)]
async fn only_the_attributes_that_are_asked_for_are_shown(database: Database) {
    let app = App::synced(database, 5).await;
    let keys = |user: &Value| {
        user.as_object()
            .unwrap()
            .keys()
            .cloned()
            .collect::<Vec<_>>()
    };
    let list = get(&app, &path("Users?attributes=username,name.givenName"))
        .await
        .ok();
    for user in list["Resources"].as_array().unwrap() {
        if user.get("name").is_some() {
            assert_eq!(keys(user), ["id", "name", "schemas", "userName"]);
            assert_eq!(keys(&user["name"]), ["givenName"]);
        } else {
            assert_eq!(keys(user), ["id", "schemas", "userName"]);
        }
    }
    let names = list["Resources"].as_array().unwrap().iter();
    assert!(names.filter(|user| user.get("name").is_some()).count() > 1);
    let id = &ids(&list)[0];
    let one = get(
        &app,
        &path(&format!("Users/{id}?excludedAttributes=id,meta,emails")),
    )
    .await;
    let one = one.ok();
    assert_eq!(
        keys(&one),
        ["active", "displayName", "id", "name", "schemas", "userName"]
    );
    let both = get(&app, &path("Users?attributes=id&excludedAttributes=name")).await;
    let (detail, kind) = refused(&both, 400);
    assert_eq!(kind.as_deref(), Some("invalidValue"));
    assert!(detail.starts_with("excludedAttributes: "), "{detail}");
}
