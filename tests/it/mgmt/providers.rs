//! `/providers`

use crate::{
    http::refused,
    support::{App, on_both_databases},
};

on_both_databases! {
    async fn a_new_application_has_apollo_enabled(database: Database) {
        let app = App::with_contacts(database, 0).await;
        let listed = app.get("/mgmt/v2/providers").await.ok();
        assert_eq!(listed.as_array().unwrap().len(), 1);
        assert_eq!(listed[0]["name"], "apollo");
        assert_eq!(listed[0]["category"], "engagement");
        assert_eq!(listed[0]["auth_type"], "api_key");
        let path = format!("/mgmt/v2/providers/{}", listed[0]["id"].as_str().unwrap());
        assert_eq!(app.get(&path).await.ok(), listed[0]);
    }

    async fn an_unknown_provider_is_a_404(database: Database) {
        let app = App::with_contacts(database, 0).await;
        refused(&app.get("/mgmt/v2/providers/nothing").await, 404, "NOT_FOUND_ERROR");
    }
}
