//! What the service says of itself: the members that RFC 7643 requires.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{add_users, base, get, ids, path, refused};
use crate::support::{App, Database, PUBLIC_URL};

#[tokio::test]
async fn the_configuration_has_every_required_member_and_says_what_is_so() {
    let app = App::synced(Database::sqlite(), 5).await;
    let config = get(&app, &path("ServiceProviderConfig")).await.ok();
    assert_eq!(
        config["schemas"][0],
        "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
    );
    let supported = |feature: &str| config[feature]["supported"].as_bool().unwrap();
    assert!(supported("filter"));
    for feature in ["patch", "bulk", "changePassword", "sort", "etag"] {
        assert!(!supported(feature), "{feature}");
    }
    for member in ["maxOperations", "maxPayloadSize"] {
        assert!(config["bulk"][member].is_u64(), "{member}");
    }
    let scheme = &config["authenticationSchemes"][0];
    assert_eq!(scheme["type"], "oauthbearertoken");
    for member in ["name", "description"] {
        assert!(scheme[member].is_string(), "{member}");
    }
    let most = config["filter"]["maxResults"].as_u64().unwrap();
    add_users(&app, "added", usize::try_from(most).unwrap()).await;
    let list = get(&app, &path("Users?count=999999")).await.ok();
    assert_eq!(list["itemsPerPage"], most);
}

#[tokio::test]
async fn the_kinds_of_resources_and_their_schemas_lead_to_each_other() {
    let app = App::synced(Database::sqlite(), 5).await;
    let kinds = get(&app, &path("ResourceTypes")).await.ok();
    assert_eq!(
        (&kinds["totalResults"], ids(&kinds)),
        (&1.into(), vec!["User".to_owned()])
    );
    let kind = &kinds["Resources"][0];
    assert_eq!(kind["name"], "User");
    get(
        &app,
        &format!("{}{}", base(), kind["endpoint"].as_str().unwrap()),
    )
    .await
    .ok();
    let schema = kind["schema"].as_str().unwrap();
    let described = get(&app, &path(&format!("Schemas/{schema}"))).await.ok();
    assert_eq!(described["id"], schema);
    let schemas = get(&app, &path("Schemas")).await.ok();
    assert_eq!(
        (ids(&schemas), &schemas["Resources"][0]),
        (vec![schema.to_owned()], &described)
    );
    for definition in [kind, &described] {
        let location = definition["meta"]["location"].as_str().unwrap();
        let path = location.strip_prefix(PUBLIC_URL).unwrap();
        assert_eq!(&get(&app, path).await.ok(), definition);
    }
    refused(&get(&app, &path("ResourceTypes/Group")).await, 404);
    refused(&get(&app, &path("Schemas/urn:nothing")).await, 404);
}

#[tokio::test]
async fn the_schema_describes_what_users_have_and_nothing_else() {
    let app = App::synced(Database::sqlite(), 5).await;
    let schemas = get(&app, &path("Schemas")).await.ok();
    let attributes = schemas["Resources"][0]["attributes"].as_array().unwrap();
    let mut described = BTreeSet::new();
    for attribute in attributes {
        let parts = attribute["subAttributes"].as_array();
        for it in parts.into_iter().flatten().chain([attribute]) {
            for member in ["name", "type", "description", "mutability", "returned"] {
                assert!(it[member].is_string(), "{member} of {it}");
            }
            for member in ["multiValued", "required"] {
                assert!(it[member].is_boolean(), "{member} of {it}");
            }
            assert_eq!(it["mutability"], "readOnly");
        }
        described.insert(attribute["name"].as_str().unwrap());
    }
    let list = get(&app, &path("Users")).await.ok();
    let users = list["Resources"].as_array().unwrap();
    let shown: BTreeSet<&str> = users.iter().flat_map(names).collect();
    let common = ["id", "meta", "schemas"];
    let own: BTreeSet<&str> = shown
        .into_iter()
        .filter(|it| !common.contains(it))
        .collect();
    assert_eq!(own, described);
}

#[tokio::test]
async fn a_filter_is_refused_where_everything_is_listed() {
    let app = App::synced(Database::sqlite(), 5).await;
    for rest in ["ServiceProviderConfig", "ResourceTypes", "Schemas"] {
        let filtered = get(&app, &path(&format!("{rest}?filter=id+eq+%22User%22"))).await;
        refused(&filtered, 403);
        get(&app, &path(&format!("{rest}?count=0&startIndex=7")))
            .await
            .ok();
    }
}

fn names(user: &Value) -> impl Iterator<Item = &str> {
    user.as_object().unwrap().keys().map(String::as_str)
}
