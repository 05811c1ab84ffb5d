//! Salesloft's points: what a request costs is kept back before it is sent.

use macro_rules_attribute::apply;
use serde_json::json;
use syncline_model::Clock;

use crate::{
    oauth::SALESLOFT,
    support::{Answer, App, on_both_databases},
};

async fn page(app: &App, number: u32) -> Answer {
    let body = json!({"method": "GET", "path": format!("/v2/people?page={number}")});
    app.post("/actions/v2/passthrough", body).await
}

fn requests(app: &App) -> usize {
    app.apollo.ledger().requests_to("/v2/people").len()
}

#[apply(on_both_databases)]
async fn a_deep_page_is_not_sent_where_too_few_points_are_left(database: Database) {
    let app = SALESLOFT.connected(database, 20).await;
    let now = app.clock.now();
    app.apollo.edit(0, |team| team.spend_points(now, 570));
    // Its answer tells that fewer than thirty are left.
    assert_eq!(page(&app, 1).await.ok()["status"], 200);
    let before = requests(&app);
    let refused = page(&app, 501).await;
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert_eq!(requests(&app), before, "it was not sent");
    assert_eq!(
        page(&app, 100).await.ok()["status"],
        200,
        "this costs one point"
    );
}
