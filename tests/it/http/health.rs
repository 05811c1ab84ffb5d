//! For operators: `/healthz`, `/readyz`, `/metrics` and the OpenAPI documents.

use reqwest::Method;

use super::refused;
use crate::support::{App, on_both_databases};

on_both_databases! {
    async fn health_needs_no_key(database: Database) {
        let app = App::with_contacts(database, 0).await;
        for path in ["/healthz", "/readyz", "/metrics", "/openapi/mgmt.json"] {
            let answer = App::answer(app.request(Method::GET, path)).await;
            assert_eq!(answer.status, 200, "{path}");
        }
    }

    async fn a_database_of_another_version_is_not_ready(database: Database) {
        let app = App::with_contacts(database, 0).await;
        app.database.execute("DELETE FROM _sqlx_migrations").await;
        let answer = app.get("/readyz").await;
        assert!(refused(&answer, 503, "SERVICE_UNAVAILABLE_ERROR").contains("syncline migrate"));
        assert_eq!(app.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn the_served_documents_are_openapi_3_1_and_have_every_path() {
    let app = App::with_contacts(crate::support::Database::sqlite(), 0).await;
    for (api, paths) in [
        (
            "mgmt",
            vec![
                "/customers",
                "/customers/{customer_id}",
                "/customers/{customer_id}/connections",
                "/customers/{customer_id}/connections/{provider_name}",
                "/providers",
                "/providers/{provider_id}",
                "/destinations",
                "/destinations/{destination_id}",
                "/connection_sync_configs",
                "/magic_links",
                "/magic_links/{magic_link_id}",
                "/sync_configs",
                "/sync_configs/{sync_config_id}",
                "/syncs",
                "/syncs/_pause",
                "/syncs/_resume",
                "/syncs/_trigger",
                "/sync-runs",
                "/sync-runs/{run_id}",
            ],
        ),
        ("engagement", vec!["/contacts", "/sequence_states"]),
        ("actions", vec!["/passthrough", "/proxy/{path}"]),
        ("enrichment", vec!["/persons"]),
    ] {
        let document = app.get(&format!("/openapi/{api}.json")).await.ok();
        let version = document["openapi"].as_str().unwrap();
        assert!(version.starts_with("3.1"), "{version}");
        for path in paths {
            assert!(document["paths"][path].is_object(), "{api} lacks {path}");
        }
        let text = document.to_string();
        let mut rest = text.as_str();
        while let Some((_, after)) = rest.split_once("\"$ref\":\"#") {
            let (pointer, tail) = after.split_once('"').unwrap();
            assert!(
                document.pointer(pointer).is_some(),
                "{pointer} leads nowhere"
            );
            rest = tail;
        }
    }
}
