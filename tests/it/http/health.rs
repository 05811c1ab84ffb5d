//! For operators: `/healthz`, `/readyz`, `/metrics` and the OpenAPI documents.

use macro_rules_attribute::apply;
use reqwest::Method;

use super::refused;
use crate::support::{App, on_both_databases};

#[apply(on_both_databases)]
async fn health_needs_no_key(database: Database) {
    let app = App::with_contacts(database, 0).await;
    for path in ["/healthz", "/readyz", "/metrics", "/openapi/mgmt.json"] {
        let answer = App::answer(app.request(Method::GET, path)).await;
        assert_eq!(answer.status, 200, "{path}");
    }
}

#[apply(on_both_databases)]
async fn a_database_of_another_version_is_not_ready(database: Database) {
    let app = App::with_contacts(database, 0).await;
    app.database.execute("DELETE FROM _sqlx_migrations").await;
    let answer = app.get("/readyz").await;
    assert!(refused(&answer, 503, "SERVICE_UNAVAILABLE_ERROR").contains("syncline migrate"));
    assert_eq!(app.get("/healthz").await.status, 200);
}
